# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API says about pods, in the few words a verification needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload

# As Istio, Linkerd, Kuma and Consul name the container they inject.
MESH_PROXIES = ("istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane")
# Why a container waits that ended again and again.
CRASHING = "CrashLoopBackOff"

# The kubelet does not get over these by itself soon enough to wait for.
HOPELESS = (
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "RunContainerError",
)


@dataclass(frozen=True)
class Pod:
    """A pod of a workload that is meant to be there: neither finished nor going."""

    namespace: str
    name: str
    address: str
    node: str
    running: bool
    ready: bool
    why_not_ready: str
    restarts: int
    probers: int
    host_network: bool
    manifest: Mapping[str, Any]

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"


def pods_of(workload: Workload, manifests: Sequence[Mapping[str, Any]]) -> list[Pod]:
    """The pods the workload's selector selects, by name."""
    found = [pod_from(manifest) for manifest in manifests if _belongs(manifest, workload)]
    return sorted(found, key=lambda pod: pod.name)


def pod_from(manifest: Mapping[str, Any]) -> Pod:
    metadata, spec, status = manifest["metadata"], manifest.get("spec") or {}, manifest.get("status") or {}
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    containers = status.get("containerStatuses") or []
    ready = conditions.get("Ready", {}).get("status") == "True"
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        address=str(status.get("podIP") or ""),
        node=str(spec.get("nodeName") or ""),
        running=status.get("phase") == "Running" and bool(status.get("podIP")),
        ready=ready and bool(status.get("podIP")),
        why_not_ready="" if ready else _why(status, conditions, containers),
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        probers=len(spec.get("ephemeralContainers") or []),
        host_network=bool(spec.get("hostNetwork")),
        manifest=manifest,
    )


def mesh_proxy(pod: Pod) -> str:
    """The container through which a service mesh leads everything that the pod sends; empty if there is none."""
    spec = pod.manifest.get("spec") or {}
    names = [one.get("name") for one in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]]
    return next((name for name in names if name in MESH_PROXIES), "")


def prober_state(manifest: Mapping[str, Any], container: str) -> tuple[str, str]:
    """The state of one ephemeral container as (waiting | running | terminated, the reason in words)."""
    statuses = (manifest.get("status") or {}).get("ephemeralContainerStatuses") or []
    status = next((entry for entry in statuses if entry.get("name") == container), None)
    if status is None:
        return "waiting", "not started by the kubelet yet"
    state = status.get("state") or {}
    if "terminated" in state:
        ended = state["terminated"]
        if ended.get("exitCode") == 0:
            return "terminated", ""
        last = str(ended.get("message") or ended.get("reason") or "").strip().splitlines()
        return "terminated", f"ended with exit code {ended.get('exitCode')}" + (f": {last[-1]}" if last else "")
    if "running" in state:
        return "running", "still running"
    waiting = state.get("waiting") or {}
    said = [str(waiting[key]) for key in ("reason", "message") if waiting.get(key)]
    return "waiting", ": ".join(said) or "waiting"


def _belongs(manifest: Mapping[str, Any], workload: Workload) -> bool:
    metadata = manifest["metadata"]
    if metadata.get("namespace") != workload.namespace or metadata.get("deletionTimestamp"):
        return False
    if (manifest.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    labels = metadata.get("labels") or {}
    return all(labels.get(label) == value for label, value in workload.selector.items())


def _why(status: Mapping[str, Any], conditions: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> str:
    """The most telling of what the API knows about a pod that is not ready."""
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            # Its last words stay with it: nobody knows what they hold.
            last = (container.get("lastState") or {}).get("terminated") or {}
            end = f" after exit code {last['exitCode']}" if waiting["reason"] == CRASHING and last else ""
            return f"container {container.get('name')}: {waiting['reason']}{end}"
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        condition = conditions.get(kind) or {}
        if condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or kind)
    return f"phase {status.get('phase') or 'unknown'}"
