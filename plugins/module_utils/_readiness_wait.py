# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for everything together: look at all resources at once, until all are ready, one is hopeless, or time is up."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._readiness import STORE_KINDS, store_findings
from ansible_collections.azora.platform.plugins.module_utils._rollout_findings import rollout_findings

Manifests = Sequence[Mapping[str, t.Any]]
MANAGED = "app.kubernetes.io/managed-by=azora.platform"


class Collection(t.NamedTuple):
    """A list to read from the API."""

    kind: str
    path: str
    label_selector: str = ""


class Outcome(t.NamedTuple):
    """How the wait ended."""

    waiting: list[str]
    hopeless: list[str]
    looks: int

    @property
    def is_ready(self) -> bool:
        return not self.waiting and not self.hopeless


def collections_of(wanted: Manifests) -> list[Collection]:
    """What has to be read to judge the wanted resources."""
    found: dict[Collection, None] = {}
    for manifest in wanted:
        kind, namespace = manifest["kind"], manifest["metadata"].get("namespace")
        if kind in STORE_KINDS:
            path = f"/apis/{manifest['apiVersion']}/namespaces/{namespace}/{STORE_KINDS[kind].plural}"
            found[Collection(kind, path)] = None
        elif kind == "Deployment":
            found[Collection(kind, f"/apis/apps/v1/namespaces/{namespace}/deployments", MANAGED)] = None
            found[Collection("Pod", f"/api/v1/namespaces/{namespace}/pods", MANAGED)] = None
    return list(found)


def wait(
    wanted: Manifests,
    read: Callable[[Sequence[Collection]], Sequence[Sequence[Mapping[str, t.Any]] | KubernetesError]],
    *,
    timeout: float,
    interval: float,
    enlarged: Sequence[str] = (),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Look, at least once; `read` answers each collection with its objects or with why it could not be read."""
    collections = collections_of(wanted)
    end, looks = clock() + timeout, 0
    while True:
        looks += 1
        outcome = _look(wanted, collections, read(collections), looks, enlarged)
        if outcome.is_ready or outcome.hopeless or clock() + interval > end:
            return outcome
        pause(interval)


def _look(
    wanted: Manifests,
    collections: Sequence[Collection],
    answers: Sequence[Sequence[Mapping[str, t.Any]] | KubernetesError],
    looks: int,
    enlarged: Sequence[str],
) -> Outcome:
    objects: dict[str, list[Mapping[str, t.Any]]] = {}
    unread: list[str] = []
    for collection, answer in zip(collections, answers, strict=True):
        # Objects in a list do not say what they are.
        known = [] if isinstance(answer, KubernetesError) else [{**entry, "kind": collection.kind} for entry in answer]
        objects.setdefault(collection.kind, []).extend(known)
        # A kind that is not served (yet) has no objects; anything else means that nobody could look.
        if isinstance(answer, KubernetesError) and answer.status != 404:
            unread.append(f"INCONCLUSIVE, could not look at {collection.kind}: {answer}")
    stores = store_findings(wanted, [entry for kind in STORE_KINDS for entry in objects.get(kind, [])], enlarged)
    rollouts = rollout_findings(wanted, objects.get("Deployment", []), objects.get("Pod", []))
    if unread:
        # What could not be seen is neither ready nor hopeless.
        return Outcome([*unread, *stores.waiting, *rollouts.waiting], [], looks)
    return Outcome(stores.waiting + rollouts.waiting, stores.hopeless + rollouts.hopeless, looks)
