# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts judged: is a workload through, on its way, stuck, or beyond healing, and what its pods and events say of it.

Objects of the API in, judgements out; nothing is read here. Custom resources of stores are judged by their vendors' signs (`_readiness`).
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._canary import is_canary
from ansible_collections.azora.platform.plugins.module_utils._manifests import template_checksum
from ansible_collections.azora.platform.plugins.module_utils._readiness import STORE_KINDS, store_finding
from ansible_collections.azora.platform.plugins.module_utils._rollout_kinds import (
    KEEPERS,
    REVISION,
    WORKLOAD_KINDS,
    daemon_set_progress,
    deployment_progress,
    is_current,
    job_progress,
    refused_creation,
    stateful_set_progress,
)
from ansible_collections.azora.platform.plugins.module_utils._rollout_pods import event_text, pod_trouble
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, Object, State

MANAGED = {"app.kubernetes.io/managed-by": "azora.platform"}
FORBIDDEN, NOT_SERVED = 403, 404


class Collection(t.NamedTuple):
    """A list to read from the API."""

    kind: str
    namespace: str
    path: str
    label_selector: str = ""
    field_selector: str = ""

    @property
    def selectors(self) -> dict[str, str]:
        return {"label_selector": self.label_selector, "field_selector": self.field_selector}


class Unreadable(t.NamedTuple):
    """Why a collection could not be read."""

    sentence: str
    status: int


class World(t.NamedTuple):
    """What is known of the collections at a moment."""

    objects: Mapping[Collection, Sequence[Object]]
    errors: Mapping[Collection, Unreadable]
    first: Mapping[Collection, frozenset[str]] = {}

    def all(self, kind: str, namespace: str) -> list[Object]:
        return [
            thing
            for collection, found in self.objects.items()
            if collection.kind == kind and collection.namespace == namespace
            for thing in found
        ]

    def error(self, kind: str, namespace: str) -> Unreadable | None:
        return next(
            (error for key, error in self.errors.items() if key.kind == kind and key.namespace == namespace), None
        )

    def events(self, namespace: str) -> list[Object]:
        """Those that came since it was looked for the first time: what an earlier revision suffered is no news."""
        return [
            event
            for collection, found in self.objects.items()
            if collection.kind == "Event" and collection.namespace == namespace
            for event in found
            if f"{event['metadata'].get('uid')} {event['metadata'].get('resourceVersion')}"
            not in self.first.get(collection, frozenset())
        ]

    def all_events(self, namespace: str) -> list[Object]:
        return self.all("Event", namespace)


def mistakes(manifests: Sequence[Object]) -> list[str]:
    """What keeps these from being manifests that can be waited for, a sentence each."""
    found = []
    for number, entry in enumerate(manifests):
        needed = ["kind", "metadata.name"]
        if entry.get("kind") in WORKLOAD_KINDS or entry.get("kind") in STORE_KINDS:
            needed += ["apiVersion", "metadata.namespace"]
        if entry.get("kind") in WORKLOAD_KINDS:
            needed += ["spec.template.metadata"]
        missing = [path for path in needed if not _has(entry, path.split("."))]
        if missing:
            found.append(f"resources[{number}] has no {' and no '.join(missing)}: give manifests as they were applied")
    return found


def _has(entry: t.Any, path: Sequence[str]) -> bool:
    for key in path:
        entry = entry.get(key) if isinstance(entry, Mapping) else None
    return entry is not None


def is_waited_for(manifest: Object) -> bool:
    """Whether a manifest's object shows readiness at all."""
    return manifest["kind"] in STORE_KINDS or manifest["kind"] in WORKLOAD_KINDS


def collections_of(manifests: Sequence[Object]) -> list[Collection]:
    """What has to be known to judge the manifests' objects."""
    found: dict[Collection, None] = {}
    for manifest in manifests:
        kind, namespace = manifest["kind"], manifest["metadata"].get("namespace") or ""
        if kind in STORE_KINDS:
            path = f"/apis/{manifest['apiVersion']}/namespaces/{namespace}/{STORE_KINDS[kind].plural}"
            found[Collection(kind, namespace, path)] = None
        elif kind in WORKLOAD_KINDS:
            selector = _selector(manifests, namespace)
            path = f"/apis/{manifest['apiVersion']}/namespaces/{namespace}/{WORKLOAD_KINDS[kind]}"
            found[Collection(kind, namespace, path, selector)] = None
            if kind in KEEPERS:
                keeper, plural = KEEPERS[kind]
                kept = f"/apis/apps/v1/namespaces/{namespace}/{plural}"
                found[Collection(keeper, namespace, kept, selector)] = None
            found[Collection("Pod", namespace, f"/api/v1/namespaces/{namespace}/pods", selector)] = None
            events = f"/api/v1/namespaces/{namespace}/events"
            found[Collection("Event", namespace, events, field_selector="type=Warning")] = None
    return list(found)


def _selector(manifests: Sequence[Object], namespace: str) -> str:
    """A namespace may hold many other pods: they are not read where the workloads' own label tells them apart."""
    labels = [
        labels or {}
        for entry in manifests
        if entry["kind"] in WORKLOAD_KINDS and entry["metadata"].get("namespace") == namespace
        for labels in (entry["metadata"].get("labels"), entry["spec"]["template"]["metadata"].get("labels"))
    ]
    (key, value), *_more = MANAGED.items()
    return f"{key}={value}" if all(entry.get(key) == value for entry in labels) else ""


def least_replicas(manifests: Sequence[Object]) -> dict[tuple[str, str], int]:
    """What an autoscaler among the manifests says that a Deployment must have at least."""
    return {
        (entry["metadata"]["namespace"], entry["spec"]["scaleTargetRef"]["name"]): int(entry["spec"]["minReplicas"])
        for entry in manifests
        if entry["kind"] == "HorizontalPodAutoscaler"
    }


def judge(
    manifest: Object,
    world: World,
    *,
    least: int = 0,
    generation: int = 0,
    template: str | None = None,
    restarts: int = 3,
    enlarged: t.Collection[str] = (),
) -> Judgement:
    """Judge one object by what the cluster shows.

    LEAST replicas count as wanted, the status is believed from GENERATION on, TEMPLATE is the checksum that its pods should have (by
    default the manifest's), and after RESTARTS a container that crashes is given up.
    """
    kind, metadata = manifest["kind"], manifest["metadata"]
    namespace, name = metadata.get("namespace") or "", metadata["name"]
    identity = f"{namespace}/{name}"
    error = world.error(kind, namespace)
    if error is not None and error.status != NOT_SERVED:
        reason = "Forbidden" if error.status == FORBIDDEN else ""
        return Judgement(State.UNSEEN, f"INCONCLUSIVE, could not look at {kind} {identity}: {error.sentence}", reason)
    live = next((one for one in world.all(kind, namespace) if one["metadata"]["name"] == name), None)
    if kind in STORE_KINDS:
        return _judge_store(kind, identity, live, enlarged)
    if live is None:
        return Judgement(State.MOVING, f"{kind} {identity} is not there")
    if int(live["metadata"].get("generation") or 0) < generation:
        return Judgement(State.MOVING, f"{kind} {identity} is not seen yet as it was changed")
    if kind == "Deployment" and (other := _other_template(manifest, live, template)):
        return Judgement(State.MOVING, f"{identity} {other}", reason="Changed")
    current = None
    if kind == "Deployment":
        current = current_replica_set(live, world.all("ReplicaSet", namespace))
        live = _without_old_deadline(live, current)
    judgement = _PROGRESS[kind](identity, live, least)
    if judgement.state is State.MOVING and current is not None and _first_pod_is_ready(live, current):
        return Judgement(State.READY, f"the first pod of a new revision of {identity} is ready, the others wait for it")
    # Before its controller has seen a change, its pods are those of the revision before: after a return, the very ones that failed.
    if judgement.state is State.READY or (kind != "Job" and not is_current(live)):
        return judgement
    return _with_reasons(judgement, kind, live, world, restarts)


_PROGRESS = {
    "Deployment": deployment_progress,
    "StatefulSet": stateful_set_progress,
    "DaemonSet": daemon_set_progress,
    "Job": job_progress,
}


def _judge_store(kind: str, identity: str, live: Object | None, enlarged: t.Collection[str]) -> Judgement:
    if live is None:
        return Judgement(State.MOVING, f"{kind} {identity} is not ready: it is not there")
    finding = store_finding(live, enlarged)
    if finding is None:
        return Judgement(State.READY, f"{kind} {identity} is ready")
    state = State.FAILED if finding.hopeless else State.MOVING
    return Judgement(state, f"{kind} {identity} is not ready: {finding.sentence}", reason="NotReady")


def _other_template(manifest: Object, live: Object, wanted: str | None) -> str:
    """Whether somebody else has changed it meanwhile."""
    wanted = template_checksum(manifest["spec"]["template"]) if wanted is None else wanted
    is_other = wanted and template_checksum(live["spec"]["template"]) != wanted
    return "has another template than the one that is waited for" if is_other else ""


def _without_old_deadline(deployment: Object, current: Object | None) -> Object:
    """The controller leaves an exceeded deadline of another revision in place until something moves; its message names the ReplicaSet."""
    status = deployment.get("status") or {}
    kept = [
        one
        for one in status.get("conditions") or []
        if one.get("reason") != "ProgressDeadlineExceeded"
        or current is None
        or 'ReplicaSet "' not in str(one.get("message"))
        or f'"{current["metadata"]["name"]}"' in str(one.get("message"))
    ]
    return {**deployment, "status": {**status, "conditions": kept}}


def _first_pod_is_ready(deployment: Object, current: Object) -> bool:
    """Whether a Deployment that is held back has come as far as it is meant to for now."""
    own = current.get("status") or {}
    same = template_checksum(deployment["spec"]["template"]) == template_checksum(current["spec"]["template"])
    return is_canary(deployment) and is_current(deployment) and same and int(own.get("readyReplicas") or 0) >= 1


def current_replica_set(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of a Deployment's present template."""
    wanted = (deployment["metadata"].get("annotations") or {}).get(REVISION)
    return next(
        (
            one
            for one in owned_by(deployment, replica_sets)
            if wanted and (one["metadata"].get("annotations") or {}).get(REVISION) == wanted
        ),
        None,
    )


def owned_by(owner: Object, things: Sequence[Object]) -> list[Object]:
    return [one for one in things if _is_owned(one, {owner["metadata"].get("uid")})]


def _is_owned(thing: Object, owners: set[t.Any]) -> bool:
    return any(owner.get("uid") in owners for owner in thing["metadata"].get("ownerReferences") or [])


def _with_reasons(judgement: Judgement, kind: str, live: Object, world: World, restarts: int) -> Judgement:
    """What its pods say, and the events about it; the gravest of it decides."""
    namespace, owner = live["metadata"].get("namespace") or "", live
    if kind == "Deployment":
        owner = current_replica_set(live, world.all("ReplicaSet", namespace)) or {"metadata": {}}
    owners = {owner["metadata"].get("uid")} - {None}
    refusal = _refusal(judgement, owners, world.events(namespace)) if owners else judgement
    events = world.all_events(namespace)
    troubles = [
        pod_trouble(pod, events, restarts)
        for pod in world.all("Pod", namespace)
        if _is_owned(pod, owners) and not pod["metadata"].get("deletionTimestamp") and _is_of_update(pod, kind, live)
    ]
    gravest = max((one for one in troubles if one is not None), key=lambda one: one.state.value, default=None)
    if gravest is None:
        return refusal
    state = max(refusal.state, gravest.state, key=lambda one: one.value)
    if refusal.state is state and refusal.reason and refusal.reason not in ("ProgressDeadlineExceeded",):
        return refusal
    return gravest._replace(
        state=state,
        sentence=f"{judgement.sentence}; {gravest.sentence}",
        reason=gravest.reason or judgement.reason,
    )


def _refusal(judgement: Judgement, owners: set[t.Any], events: Sequence[Object]) -> Judgement:
    """That no pod can be made, which stands only in an event of whoever makes the pods."""
    if judgement.reason:
        return judgement
    refused = [one for one in events if _about(one) in owners and one.get("reason") == "FailedCreate"]
    if not refused:
        return judgement
    newest = refused[-1]
    return refused_creation(judgement, str(newest.get("message")))._replace(event=event_text(newest))


def _about(event: Object) -> t.Any:
    return (event.get("involvedObject") or {}).get("uid")


def _is_of_update(pod: Object, kind: str, live: Object) -> bool:
    """A StatefulSet's pods of an older revision are still what it was before."""
    wanted = (live.get("status") or {}).get("updateRevision")
    labels = pod["metadata"].get("labels") or {}
    return kind != "StatefulSet" or not wanted or labels.get("controller-revision-hash") in (None, wanted)
