# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Services before the workloads: under which addresses and ports they offer a port of their pods.

A Service is a way of its own: its address is translated on the sender's node, before or after policies look at the
packet (https://kubernetes.io/docs/concepts/services-networking/network-policies/ leaves that open), so what holds for
a pod's address need not hold for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    listings,
)
from ansible_collections.azora.platform.plugins.module_utils._verdict import Place
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod


@dataclass(frozen=True)
class ServicePort:
    """One address and port of a Service, and the places of the ready pods behind it."""

    name: str
    place: Place
    leads_to: tuple[Place, ...]


@dataclass
class Services:
    """By workload what stands before it, and by namespace why that is not known."""

    ports: dict[str, list[ServicePort]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def before(self, workload: str, port: int, protocol: str) -> list[ServicePort]:
        """Those that lead to this port of the workload's pods."""
        return [
            one
            for one in self.ports.get(workload, [])
            if one.place.protocol == protocol and any(place.port == port for place in one.leads_to)
        ]


def read_services(
    client: KubernetesClient, workloads: Sequence[Workload], pods: Mapping[str, Sequence[Pod]]
) -> Services:
    """One LIST a namespace; a right that is missing is a reason, no error."""
    services = Services()
    namespaces = sorted({workload.namespace for workload in workloads})
    answers = listings(client, [f"/api/v1/namespaces/{namespace}/services" for namespace in namespaces])
    listed: dict[str, list[dict[str, Any]]] = {}
    for namespace, answer in zip(namespaces, answers, strict=True):
        if isinstance(answer, KubernetesError):
            services.unread[namespace] = str(answer)
        else:
            listed[namespace] = answer
    for workload in workloads:
        found = pods.get(workload.identity, ())
        services.ports[workload.identity] = [
            port for manifest in listed.get(workload.namespace, ()) for port in service_ports(manifest, found)
        ]
    return services


def service_ports(manifest: Mapping[str, Any], pods: Sequence[Pod]) -> Iterator[ServicePort]:
    """What a Service offers of these pods. A headless one has no address of its own, and one without selector says not whose."""
    spec, metadata = manifest.get("spec") or {}, manifest["metadata"]
    selector = spec.get("selector") or {}
    addresses = [
        address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if address not in (None, "", "None")
    ]
    behind = [pod for pod in pods if pod.ready and _selects(selector, pod)]
    if not selector or spec.get("type") == "ExternalName":
        return
    for port in spec.get("ports") or []:
        protocol = str(port.get("protocol") or "TCP")
        leads_to = tuple(
            Place(pod.address, number, protocol)
            for pod in behind
            if (number := _target(port, pod, protocol)) is not None
        )
        for address in addresses if leads_to else ():
            name = f"{metadata['namespace']}/{metadata['name']}"
            yield ServicePort(name, Place(str(address), int(port["port"]), protocol), leads_to)


def _selects(selector: Mapping[str, str], pod: Pod) -> bool:
    labels = pod.manifest["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _target(port: Mapping[str, Any], pod: Pod, protocol: str) -> int | None:
    """A target port by name is looked up in each pod, for pods need not agree."""
    target = port.get("targetPort") or port["port"]
    if str(target).isdigit():
        return int(target)
    spec = pod.manifest.get("spec") or {}
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        for declared in container.get("ports") or []:
            if declared.get("name") == target and str(declared.get("protocol") or "TCP") == protocol:
                return int(declared["containerPort"])
    return None
