# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of object says, as metrics.

https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics has the names, labels and meanings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Object = Mapping[str, Any]

STATUSES = ("true", "false", "unknown")
PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
# Any other reason of a Deployment's condition is "unknown", as with kube-state-metrics.
DEPLOYMENT_REASONS = frozenset(
    {
        "",
        "DeploymentPaused",
        "DeploymentResumed",
        "FoundNewReplicaSet",
        "MinimumReplicasAvailable",
        "MinimumReplicasUnavailable",
        "NewReplicaSetAvailable",
        "NewReplicaSetCreated",
        "ProgressDeadlineExceeded",
        "ReplicaSetCreateError",
        "ReplicaSetUpdated",
    }
)


class Sample(NamedTuple):
    """One number, by the labels beside those of its object."""

    family: str
    value: float
    labels: Mapping[str, str] = {}


class Kind(NamedTuple):
    """Where objects of a kind are in the API, and which label names them."""

    path: str
    label: str


DEPLOYMENT, POD, AUTOSCALER = "Deployment", "Pod", "HorizontalPodAutoscaler"
KINDS = {
    DEPLOYMENT: Kind("/apis/apps/v1/deployments", "deployment"),
    POD: Kind("/api/v1/pods", "pod"),
    AUTOSCALER: Kind("/apis/autoscaling/v2/horizontalpodautoscalers", "horizontalpodautoscaler"),
}
# Families that only ever grow.
COUNTERS = frozenset({"kube_pod_container_status_restarts_total"})


def exposition(objects: Mapping[str, Iterable[Object]]) -> str:
    """Prometheus' text format of all objects, by their kinds."""
    lines: dict[str, list[str]] = {}
    for kind, found in objects.items():
        for one in found:
            metadata = one["metadata"]
            own = {"namespace": metadata["namespace"], KINDS[kind].label: metadata["name"]}
            if kind == POD:
                own["uid"] = metadata["uid"]
            for sample in SAMPLES[kind](one):
                labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in {**own, **sample.labels}.items())
                lines.setdefault(sample.family, []).append(f"{sample.family}{{{labels}}} {_number(sample.value)}")
    text = []
    for family in sorted(lines):
        text += [f"# TYPE {family} {'counter' if family in COUNTERS else 'gauge'}", *lines[family]]
    return "".join(f"{line}\n" for line in text)


def _number(value: float) -> str:
    """With all of its digits: a generation beyond a million is one more than the one before it."""
    return repr(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _of_deployment(one: Object) -> Iterator[Sample]:
    spec, status = one["spec"], one.get("status") or {}
    yield Sample("kube_deployment_spec_replicas", spec.get("replicas", 1))
    yield Sample("kube_deployment_metadata_generation", one["metadata"]["generation"])
    yield Sample("kube_deployment_status_observed_generation", status.get("observedGeneration", 0))
    for suffix, field in (
        ("", "replicas"),
        ("_ready", "readyReplicas"),
        ("_available", "availableReplicas"),
        ("_unavailable", "unavailableReplicas"),
        ("_updated", "updatedReplicas"),
    ):
        yield Sample(f"kube_deployment_status_replicas{suffix}", status.get(field, 0))
    for condition in status.get("conditions") or []:
        reason = condition.get("reason", "")
        known = {"reason": reason if reason in DEPLOYMENT_REASONS else "unknown"}
        yield from _condition("kube_deployment_status_condition", condition, known)


def _of_pod(one: Object) -> Iterator[Sample]:
    spec, status = one["spec"], one.get("status") or {}
    place = {"node": spec.get("nodeName", ""), "host_ip": status.get("hostIP", ""), "pod_ip": status.get("podIP", "")}
    owner: Object = next(
        (owner for owner in one["metadata"].get("ownerReferences") or [] if owner.get("controller")), {}
    )
    place |= {"created_by_kind": owner.get("kind", ""), "created_by_name": owner.get("name", "")}
    place |= {
        "priority_class": spec.get("priorityClassName", ""),
        "host_network": "true" if spec.get("hostNetwork") else "false",
    }
    yield Sample("kube_pod_info", 1, place)
    for phase in PHASES if status.get("phase") else ():
        yield Sample("kube_pod_status_phase", status.get("phase") == phase, {"phase": phase})
    for condition in status.get("conditions") or []:
        if condition["type"] == "Ready":
            for value in STATUSES:
                yield Sample("kube_pod_status_ready", condition["status"].lower() == value, {"condition": value})
    for container in status.get("containerStatuses") or []:
        name = {"container": container["name"]}
        yield Sample("kube_pod_container_status_restarts_total", container["restartCount"], name)
        yield Sample("kube_pod_container_status_ready", container["ready"], name)
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            yield Sample("kube_pod_container_status_waiting_reason", 1, {**name, "reason": reason})


def _of_autoscaler(one: Object) -> Iterator[Sample]:
    spec, status = one["spec"], one.get("status") or {}
    yield Sample("kube_horizontalpodautoscaler_spec_min_replicas", spec.get("minReplicas", 1))
    yield Sample("kube_horizontalpodautoscaler_spec_max_replicas", spec["maxReplicas"])
    yield Sample("kube_horizontalpodautoscaler_status_current_replicas", status.get("currentReplicas", 0))
    yield Sample("kube_horizontalpodautoscaler_status_desired_replicas", status.get("desiredReplicas", 0))
    for condition in status.get("conditions") or []:
        yield from _condition("kube_horizontalpodautoscaler_status_condition", condition, {})


def _condition(family: str, condition: Object, more: Mapping[str, str]) -> Iterator[Sample]:
    for value in STATUSES:
        labels = {"condition": condition["type"], **more, "status": value}
        yield Sample(family, condition["status"].lower() == value, labels)


SAMPLES = {DEPLOYMENT: _of_deployment, POD: _of_pod, AUTOSCALER: _of_autoscaler}
