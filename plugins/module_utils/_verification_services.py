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
    """One port of a Service: the places of the ready pods behind it, and its own, of which a headless one has none."""

    name: str
    places: tuple[Place, ...]
    leads_to: tuple[Place, ...]

    def leads_to_port(self, port: int, protocol: str) -> bool:
        return any((place.port, place.protocol) == (port, protocol) for place in self.leads_to)


@dataclass
class Services:
    """By workload the ports of the Services before it; by namespace the Services themselves, or why they are not known."""

    ports: dict[str, list[ServicePort]] = field(default_factory=dict)
    manifests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def before(self, workload: str, port: int, protocol: str) -> list[ServicePort]:
        """Those that lead to this port of the workload's pods."""
        return [one for one in self.ports.get(workload, []) if one.leads_to_port(port, protocol)]

    def astray(self, workload: str, port: int, protocol: str) -> list[str]:
        """Where the Services before a workload lead instead, if none of them leads to this port."""
        if self.before(workload, port, protocol):
            return []
        return sorted({f"{one.name} to {place.port}" for one in self.ports.get(workload, []) for place in one.leads_to})


def read_services(
    client: KubernetesClient, workloads: Sequence[Workload], pods: Mapping[str, Sequence[Pod]]
) -> Services:
    """One LIST a namespace; a right that is missing is a reason, no error."""
    services = Services()
    namespaces = sorted({workload.namespace for workload in workloads})
    answers = listings(client, [f"/api/v1/namespaces/{namespace}/services" for namespace in namespaces])
    for namespace, answer in zip(namespaces, answers, strict=True):
        if isinstance(answer, KubernetesError):
            services.unread[namespace] = str(answer)
        else:
            services.manifests[namespace] = answer
    for workload in workloads:
        found = pods.get(workload.identity, ())
        services.ports[workload.identity] = [
            port
            for manifest in services.manifests.get(workload.namespace, ())
            for port in service_ports(manifest, found)
        ]
    return services


def service_ports(manifest: Mapping[str, Any], pods: Sequence[Pod]) -> Iterator[ServicePort]:
    """What a Service offers of these pods; one without a selector does not say whose addresses it has."""
    spec, metadata = manifest.get("spec") or {}, manifest["metadata"]
    selector = spec.get("selector") or {}
    if not selector or spec.get("type") == "ExternalName":
        return
    behind = [pod for pod in pods if pod.ready and _selects(selector, pod)]
    given = spec.get("clusterIPs") or [spec.get("clusterIP")]
    addresses = [str(address) for address in given if address not in (None, "", "None")]
    for port in spec.get("ports") or []:
        protocol = str(port.get("protocol") or "TCP")
        leads_to = tuple(
            Place(pod.address, number, protocol)
            for pod in behind
            if (number := _target(port, pod, protocol)) is not None
        )
        if leads_to:
            places = tuple(Place(address, int(port["port"]), protocol) for address in addresses)
            yield ServicePort(f"{metadata['namespace']}/{metadata['name']}", places, leads_to)


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
