# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what stands around a workload's pods can do what it is there for: rollout, images, endpoints, budgets, autoscalers.

Objects of the API in, sentences out; nothing is read here.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

# The metrics of a new pod, and with them its autoscaler's conditions, take the intervals of kubelet, metrics-server and
# controller until they are there.
METRICS_SECONDS = 180


@dataclass(frozen=True)
class Surroundings:
    """The objects of a workload's namespace, and how many nodes take pods (None: nobody may know)."""

    deployments: Sequence[Object] = ()
    services: Sequence[Object] = ()
    endpoint_slices: Sequence[Object] = ()
    budgets: Sequence[Object] = ()
    autoscalers: Sequence[Object] = ()
    nodes: int | None = None


@dataclass(frozen=True)
class Declared:
    """What the catalogue says of one workload."""

    name: str
    namespace: str
    container: str
    image: str = ""
    replicas: int = 1
    has_budget: bool = False
    autoscaled: bool = False

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Untruth:
    """Something that is not as it should be; not `certain` while it may just not have come yet."""

    what: str
    expected: str
    found: str
    sentence: str
    certain: bool = True


def untruths(declared: Declared, pods: Sequence[Object], around: Surroundings, now: datetime.datetime) -> list[Untruth]:
    """Everything about one Deployment; PODS are those that its selector selects and that are not going."""
    deployment = next((one for one in around.deployments if _name(one) == declared.name), None)
    if deployment is None:
        return [_wrong("rollout", "a Deployment", "none", f"the Deployment {declared.identity} is not there")]
    return [
        *_rollout(declared, deployment),
        *_images(declared, pods),
        *_endpoints(declared, pods, around),
        *_spread(declared, pods, around.nodes),
        *_budget(declared, pods, around),
        *_autoscaler(declared, pods, around, now),
    ]


def restarted(before: Sequence[Object], after: Sequence[Object]) -> dict[str, int]:
    """The pods (namespace/name) whose containers started again between two looks, and how often."""
    earlier = {one["metadata"]["uid"]: _restarts(one) for one in before}
    changes = {
        f"{one['metadata']['namespace']}/{_name(one)}": _restarts(one) - earlier[one["metadata"]["uid"]]
        for one in after
        if one["metadata"]["uid"] in earlier
    }
    return {pod: count for pod, count in changes.items() if count > 0}


def _restarts(pod: Object) -> int:
    return sum(int(one.get("restartCount") or 0) for one in _status(pod).get("containerStatuses") or [])


def _rollout(declared: Declared, deployment: Object) -> Iterator[Untruth]:
    status, wanted = _status(deployment), int(deployment["spec"].get("replicas", 1))
    progress = _condition(deployment, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        sentence = (
            f"the rollout of {declared.identity} gave up: {progress.get('message') or 'its deadline is exceeded'}"
        )
        yield _wrong("rollout", "a complete rollout", "ProgressDeadlineExceeded", sentence)
        return
    counts = [int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    current = int(status.get("observedGeneration") or 0) >= int(deployment["metadata"].get("generation") or 0)
    if not current or counts != [wanted] * 3:
        found = f"{counts[0]} pods, {counts[1]} of the current revision, {counts[2]} available"
        sentence = f"the rollout of {declared.identity} is not complete: expected {wanted} pods, found {found}"
        yield _wrong("rollout", f"{wanted} pods of the current revision, available", found, sentence)


def _images(declared: Declared, pods: Sequence[Object]) -> Iterator[Untruth]:
    digests: dict[str, list[str]] = {}
    for pod in pods:
        spec: Object = next(
            (one for one in pod["spec"].get("containers", []) if one.get("name") == declared.container), {}
        )
        statuses = _status(pod).get("containerStatuses") or []
        status: Object = next((one for one in statuses if one.get("name") == declared.container), {})
        if declared.image and spec.get("image") != declared.image:
            sentence = f"pod {_identity(pod)} has the image {spec.get('image')}, declared is {declared.image}"
            yield _wrong("image", declared.image, str(spec.get("image")), sentence)
        digest = str(status.get("imageID") or "").rpartition("@")[2]
        wanted = declared.image.rpartition("@")[2] if "@" in declared.image else ""
        # A runtime may name the digest of the image for its platform where the index of all platforms was asked for.
        if wanted and digest and wanted != digest and not str(status.get("image", "")).endswith(wanted):
            sentence = f"pod {_identity(pod)} runs {digest}, declared is {declared.image}"
            yield _wrong("image", wanted, digest, sentence, certain=False)
        if digest:
            digests.setdefault(digest, []).append(_name(pod))
    if len(digests) > 1:
        found = "; ".join(f"{digest[:19]} in {', '.join(sorted(names))}" for digest, names in sorted(digests.items()))
        sentence = f"the pods of {declared.identity} do not run the same image: {found}"
        yield _wrong("image", "one digest", f"{len(digests)} digests", sentence)


def _endpoints(declared: Declared, pods: Sequence[Object], around: Surroundings) -> Iterator[Untruth]:
    labels = pods[0]["metadata"].get("labels") or {} if pods else {}
    ready = {str(_status(pod).get("podIP")) for pod in pods if _is_ready(pod)}
    for service in around.services:
        selector = service["spec"].get("selector") or {}
        if not selector or not pods or any(labels.get(key) != value for key, value in selector.items()):
            continue
        slices = [
            one
            for one in around.endpoint_slices
            if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == _name(service)
        ]
        served = {
            address
            for one in slices
            for endpoint in one.get("endpoints") or []
            # Unknown counts as ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
            if (endpoint.get("conditions") or {}).get("ready") is not False
            for address in endpoint.get("addresses") or []
        }
        if served != ready:
            where = f"{declared.namespace}/{_name(service)}"
            parts = [f"without {', '.join(sorted(ready - served))}"] if ready - served else []
            parts += [f"with {', '.join(sorted(served - ready))}, which no ready pod has"] if served - ready else []
            sentence = (
                f"the endpoints of Service {where} are not the ready pods of {declared.identity}: {' and '.join(parts)}"
            )
            yield _wrong("endpoints", f"{len(ready)} ready pods", f"{len(served)} endpoints", sentence)


def _spread(declared: Declared, pods: Sequence[Object], nodes: int | None) -> Iterator[Untruth]:
    used = Counter(str(pod["spec"].get("nodeName")) for pod in pods)
    if len(pods) > 1 and len(used) == 1 and nodes is not None and nodes > 1:
        (node,) = used
        sentence = f"all {len(pods)} pods of {declared.identity} stand on {node}, though {nodes} nodes take pods"
        yield _wrong("spread", "pods on different nodes", f"all on {node}", sentence)


def _budget(declared: Declared, pods: Sequence[Object], around: Surroundings) -> Iterator[Untruth]:
    labels = pods[0]["metadata"].get("labels") or {} if pods else {}
    selecting = [one for one in around.budgets if pods and _selects(one["spec"].get("selector"), labels)]
    if not selecting:
        if declared.has_budget and pods:
            sentence = f"no PodDisruptionBudget selects the pods of {declared.identity}: a drain may take all of them"
            yield _wrong("disruption budget", "one", "none", sentence)
        return
    if len(selecting) > 1:
        names = ", ".join(sorted(_name(one) for one in selecting))
        # https://kubernetes.io/docs/concepts/workloads/pods/disruptions/: the eviction API refuses pods of several budgets.
        sentence = f"the pods of {declared.identity} are in {len(selecting)} PodDisruptionBudgets ({names}), so none can be evicted"
        yield _wrong("disruption budget", "one", str(len(selecting)), sentence)
        return
    (budget,) = selecting
    status = _status(budget)
    if int(status.get("observedGeneration") or 0) < int(budget["metadata"].get("generation") or 0):
        sentence = f"the PodDisruptionBudget of {declared.identity} was not looked at by its controller yet"
        yield _wrong("disruption budget", "a current status", "an old one", sentence, certain=False)
    elif int(status.get("expectedPods") or 0) != len(pods):
        found = f"{int(status.get('expectedPods') or 0)} pods"
        sentence = f"the PodDisruptionBudget {_name(budget)} counts {found}; {declared.identity} has {len(pods)}"
        yield _wrong("disruption budget", f"{len(pods)} pods", found, sentence)
    elif int(status.get("disruptionsAllowed") or 0) < 1:
        sentence = (
            f"the PodDisruptionBudget of {declared.identity} allows no disruption, so its nodes cannot be drained"
        )
        yield _wrong("disruption budget", "at least 1 disruption allowed", "0", sentence)


def _autoscaler(
    declared: Declared, pods: Sequence[Object], around: Surroundings, now: datetime.datetime
) -> Iterator[Untruth]:
    scaling = [
        one
        for one in around.autoscalers
        if one["spec"]["scaleTargetRef"].get("kind") == "Deployment"
        and one["spec"]["scaleTargetRef"].get("name") == declared.name
    ]
    if not scaling:
        if declared.autoscaled:
            sentence = f"no HorizontalPodAutoscaler scales {declared.identity}"
            yield _wrong("autoscaler", "one", "none", sentence)
        return
    if len(scaling) > 1:
        names = ", ".join(sorted(_name(one) for one in scaling))
        sentence = (
            f"{len(scaling)} HorizontalPodAutoscalers scale {declared.identity} ({names}) and work against each other"
        )
        yield _wrong("autoscaler", "one", str(len(scaling)), sentence)
        return
    (autoscaler,) = scaling
    for kind in ("AbleToScale", "ScalingActive"):
        condition = _condition(autoscaler, kind)
        if condition.get("status") == "True":
            continue
        why = condition.get("message") or condition.get("reason") or "its controller did not look at it yet"
        sentence = f"the HorizontalPodAutoscaler of {declared.identity} cannot act ({kind}): {why}"
        moments = [autoscaler["metadata"].get("creationTimestamp")]
        if str(condition.get("reason")).startswith("FailedGet"):
            # Without the metrics of its pods it cannot tell: they are new after a rollout, and miss a scrape on a busy node.
            moments += [
                condition.get("lastTransitionTime"),
                *(pod["metadata"].get("creationTimestamp") for pod in pods),
            ]
        certain = not any(_is_recent(moment, now) for moment in moments)
        yield _wrong("autoscaler", f"{kind} True", str(condition.get("status")), sentence, certain=certain)
        break


def _is_recent(moment: str | None, now: datetime.datetime) -> bool:
    """Whether metrics may not have been there again since then."""
    return moment is not None and (now - datetime.datetime.fromisoformat(moment)).total_seconds() <= METRICS_SECONDS


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Of a budget: labels and expressions; the empty selector selects everything, none nothing."""
    if selector is None:
        return False
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(one, labels) for one in selector.get("matchExpressions") or []
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _wrong(what: str, expected: str, found: str, sentence: str, *, certain: bool = True) -> Untruth:
    return Untruth(what, expected, found, sentence, certain)


def _status(thing: Object) -> Mapping[str, Any]:
    return thing.get("status") or {}


def _condition(thing: Object, kind: str) -> Mapping[str, Any]:
    return next((one for one in _status(thing).get("conditions") or [] if one.get("type") == kind), {})


def _is_ready(pod: Object) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def _name(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def _identity(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{_name(pod)}"
