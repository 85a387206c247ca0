# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following the Operator Lifecycle Manager: look, approve the plans that lead where we want, look again, until it is done or cannot be."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._operator_subscriptions import API_VERSION, olm_progress

Objects = Sequence[Mapping[str, t.Any]]
PLURALS = ("subscriptions", "installplans", "clusterserviceversions")
# What OLM copies into the namespaces that an operator serves is no news of that operator.
ORIGINALS = {"clusterserviceversions": "!olm.copiedFrom"}


class Outcome(t.NamedTuple):
    """How it ended."""

    approved: list[str]
    failed: list[str]
    waiting: list[str]

    @property
    def is_done(self) -> bool:
        return not self.failed and not self.waiting


def path_of(plural: str, namespace: str, name: str = "") -> str:
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path


def follow(
    operators: Sequence[Mapping[str, t.Any]],
    read: Callable[[str], Objects | KubernetesError],
    approve: Callable[[Manifest], None],
    *,
    timeout: float,
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Look, at least once; `read` answers a plural with its objects in the operators' namespaces, or with why it could not."""
    end = clock() + timeout
    approved: list[str] = []
    while True:
        answers = [read(plural) for plural in PLURALS]
        unread = [
            f"INCONCLUSIVE, could not look at {plural}: {answer}"
            for plural, answer in zip(PLURALS, answers, strict=True)
            if isinstance(answer, KubernetesError)
        ]
        if unread:
            outcome = Outcome(approved, [], unread)
        else:
            subscriptions, plans, versions = (t.cast("Objects", answer) for answer in answers)
            progress = olm_progress(operators, subscriptions, plans, versions)
            outcome = Outcome(approved, progress["failed"], progress["waiting"])
            for plan in [] if outcome.failed else progress["approve"]:
                approve(plan)
                approved.append(f"{plan['metadata']['namespace']}/{plan['metadata']['name']}")
        if outcome.is_done or outcome.failed or clock() + interval > end:
            return outcome
        pause(interval)
