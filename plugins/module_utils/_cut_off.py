# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a replica that no policy allows anything: what can be copied, how, and when its probes have had their turns.

A copy rather than a live replica with other labels: a connection that is open may outlive a policy, and the platform must
lose neither a replica nor a request. A copy with labels of its own is cut off by the namespace's default deny before it
runs. No Service, ReplicaSet or disruption budget of the workload selects it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._probe_specification import live_port

# Which SecurityContextConstraints OpenShift has admitted a pod by, and by which it is to admit one.
ADMITTED_BY, ADMIT_BY = "openshift.io/scc", "openshift.io/required-scc"
# The copy's one label; its value is the copy's name.
COPY_LABEL = "azora.platform/cut-off"
# Volumes of which each pod has its own, or that no pod can write.
OWN_VOLUMES = ("configMap", "downwardAPI", "emptyDir", "image", "projected", "secret")
# Admission mounts one into each pod; the copy gets its own.
TOKEN_VOLUMES = "kube-api-access-"  # noqa: S105
# What the scheduler and admission wrote into the replica, what would let the copy displace others or be sought by name,
# and what only means something among pods of the same labels.
NOT_COPIED = (
    "ephemeralContainers",
    "nodeName",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "schedulingGates",
    "serviceAccount",
    "subdomain",
    "topologySpreadConstraints",
)
LONGEST_NAME = 63
# Nobody waits for a copy to finish its requests: it has none.
GRACE_SECONDS = 1
# A kubelet spreads its probes a little, and a busy machine is late.
SLACK = 5.0


@dataclass(frozen=True)
class Turns:
    """When the liveness probe of a container has failed for good, or has passed as often as that would take; in seconds."""

    threshold: int
    delay: float
    period: float
    timeout: float
    # What its startup probe, which comes first, may take.
    startup: float = 0.0
    startup_threshold: int = 0

    @property
    def seconds(self) -> float:
        """From when the container has started up."""
        return self.delay + (self.threshold + 1) * self.period + self.timeout + SLACK

    @property
    def altogether(self) -> float:
        return self.startup + self.seconds

    @property
    def earliest_kill(self) -> float:
        """Whatever ends sooner after its start was not ended by its liveness probe."""
        return self.delay + (self.threshold - 1) * self.period


def turns_of(container: Mapping[str, Any]) -> Turns:
    """With the numbers that the API server fills in."""
    liveness, startup = container["livenessProbe"], container.get("startupProbe") or {}
    tries = int(startup.get("failureThreshold") or 3) if startup else 0
    budget = float(startup.get("initialDelaySeconds") or 0) + tries * float(startup.get("periodSeconds") or 10)
    return Turns(
        threshold=int(liveness.get("failureThreshold") or 3),
        delay=float(liveness.get("initialDelaySeconds") or 0),
        period=float(liveness.get("periodSeconds") or 10),
        timeout=float(liveness.get("timeoutSeconds") or 1),
        startup=budget if startup else 0.0,
        startup_threshold=tries,
    )


def uncopyable(pod: Mapping[str, Any], container: Mapping[str, Any] | None) -> str:
    """Why a copy of this pod would prove nothing or do harm; empty if it would not."""
    spec = pod.get("spec") or {}
    if container is None or not container.get("livenessProbe"):
        return "its pods have no liveness probe"
    if spec.get("hostNetwork"):
        return "its pods use their nodes' network, to which no policy applies"
    if spec.get("resourceClaims"):
        return "its pods claim devices, which a copy would take from others"
    for volume in spec.get("volumes") or []:
        kinds = [kind for kind in volume if kind != "name"]
        own = all(kind in OWN_VOLUMES or (kind == "csi" and volume[kind].get("readOnly")) for kind in kinds)
        if not own:
            return (
                f"its pods mount the volume {volume['name']} ({', '.join(kinds)}), which a copy would share with them"
            )
    return ""


def copy_name(workload: str, run: str) -> str:
    end = f"-cut-off-{run}"
    return workload[: LONGEST_NAME - len(end)].rstrip("-.") + end


def copy_of(pod: Mapping[str, Any], *, name: str, lifetime: float) -> dict[str, Any]:
    """A pod to create. Its kubelet ends it after its lifetime in seconds, should nobody be left to delete it."""
    spec = {key: copy.deepcopy(value) for key, value in pod["spec"].items() if key not in NOT_COPIED}
    spec["volumes"] = [one for one in spec.get("volumes") or [] if not one["name"].startswith(TOKEN_VOLUMES)]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        container["volumeMounts"] = [
            one for one in container.get("volumeMounts") or [] if not one["name"].startswith(TOKEN_VOLUMES)
        ]
        (container.get("lifecycle") or {}).pop("preStop", None)
        for port in container.get("ports") or []:
            port.pop("hostPort", None)
    nodes = (spec.pop("affinity", None) or {}).get("nodeAffinity")
    if nodes:
        spec["affinity"] = {"nodeAffinity": nodes}
    spec["terminationGracePeriodSeconds"] = GRACE_SECONDS
    spec["activeDeadlineSeconds"] = int(lifetime)
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": pod["metadata"]["namespace"],
        "labels": {COPY_LABEL: name},
    }
    constraints = (pod["metadata"].get("annotations") or {}).get(ADMITTED_BY)
    if constraints:
        # Who makes the copy may be allowed more than the replica's account, and OpenShift would take the most that fits.
        metadata["annotations"] = {ADMIT_BY: constraints}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def target_of(container: Mapping[str, Any]) -> tuple[str, int | None]:
    """What the liveness probe asks, in words, and on which port."""
    probe = container["livenessProbe"]
    for action, words in (
        ("httpGet", "GET {path} on port {port}"),
        ("tcpSocket", "connect to port {port}"),
        ("grpc", "gRPC on port {port}"),
    ):
        if action in probe:
            port = live_port(probe[action].get("port"), container)
            return words.format(path=probe[action].get("path") or "/", port=port), port
    return "a command in the container", None
