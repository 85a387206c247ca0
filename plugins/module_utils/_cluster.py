# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API objects in, the facts about a cluster that policies and manifests need out. Reads nothing itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._openshift import (
    DNS_LABEL,
    DNS_NAMESPACE,
    chosen_flavour,
    is_openshift,
)

Object = Mapping[str, Any]

# Where a cluster's DNS is, most usual first: (namespace, label selector of the Service).
DNS_SERVICES = (("kube-system", "k8s-app=kube-dns"), (DNS_NAMESPACE, DNS_LABEL))
# What the facts are called; any of them can be given instead of read.
FACTS = (
    "version",
    "openshift",
    "node_names",
    "pod_cidrs",
    "service_cidrs",
    "node_cidrs",
    "api_server",
    "dns",
    "default_storage_class",
    "served_apis",
)


@dataclass(frozen=True)
class ClusterObjects:
    """What was read; an empty list or None for what the cluster does not have, or does not let this user see."""

    version: str = ""
    groups: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    service_cidrs: Sequence[Object] = ()
    api_service: Object | None = None
    api_endpoints: Sequence[Object] = ()
    dns_services: Sequence[Object] = ()
    dns_endpoints: Sequence[Object] = ()
    storage_classes: Sequence[Object] = ()
    openshift_network: Object | None = None


@dataclass
class ClusterFacts:
    facts: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def cluster_facts(objects: ClusterObjects, overrides: Mapping[str, Any] | None = None) -> ClusterFacts:
    """All facts; an override replaces the fact and whatever could not be read about it. ValueError names one that cannot be."""
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    warnings: list[str] = []
    served = served_apis(objects.groups)
    if "openshift" in given:
        given["openshift"] = chosen_flavour(given["openshift"], served)
    openshift = given.get("openshift", is_openshift(served))
    facts: dict[str, Any] = {
        "version": objects.version,
        "openshift": openshift,
        "node_names": sorted(node["metadata"]["name"] for node in objects.nodes),
        "pod_cidrs": pod_cidrs(objects),
        "service_cidrs": service_cidrs(objects),
        "node_cidrs": node_cidrs(objects.nodes),
        "api_server": api_server(objects.api_endpoints),
        "dns": dns(objects.dns_services, objects.dns_endpoints, openshift=openshift),
        "default_storage_class": default_storage_class(objects.storage_classes),
        "served_apis": served,
    }
    if not facts["pod_cidrs"] and "pod_cidrs" not in given:
        warnings.append("The nodes do not say which addresses pods get (spec.podCIDRs): give pod_cidrs yourself.")
    if not facts["service_cidrs"] and "service_cidrs" not in given:
        facts["service_cidrs"] = guessed_service_cidrs(objects.api_service)
        warnings.append(
            "The cluster does not say which addresses Services get (no ServiceCIDR); taken to be"
            f" {', '.join(facts['service_cidrs']) or 'unknown'}: give service_cidrs if that is wrong."
        )
    if not facts["dns"]["addresses"] and "dns" not in given:
        warnings.append("No Service of the cluster's DNS was found: give dns yourself.")
    if not facts["api_server"] and "api_server" not in given:
        warnings.append(
            "The API server's own addresses are not known (EndpointSlice kubernetes): give api_server yourself."
        )
    return ClusterFacts({**facts, **given}, warnings)


def unknown_overrides(overrides: Mapping[str, Any]) -> list[str]:
    return sorted(set(overrides) - set(FACTS))


def collapsed(networks: Iterable[str]) -> list[str]:
    """The same addresses in as few ranges as possible, IPv4 first."""
    parsed = [ipaddress.ip_network(network, strict=False) for network in networks]
    fours = ipaddress.collapse_addresses([one for one in parsed if isinstance(one, ipaddress.IPv4Network)])
    sixes = ipaddress.collapse_addresses([one for one in parsed if isinstance(one, ipaddress.IPv6Network)])
    return [str(network) for network in [*fours, *sixes]]


def pod_cidrs(objects: ClusterObjects) -> list[str]:
    network = (objects.openshift_network or {}).get("status") or {}
    if network.get("clusterNetwork"):
        return collapsed(entry["cidr"] for entry in network["clusterNetwork"])
    specs = [node.get("spec") or {} for node in objects.nodes]
    return collapsed(cidr for spec in specs for cidr in spec.get("podCIDRs") or [spec.get("podCIDR")] if cidr)


def service_cidrs(objects: ClusterObjects) -> list[str]:
    network = (objects.openshift_network or {}).get("status") or {}
    if network.get("serviceNetwork"):
        return collapsed(network["serviceNetwork"])
    return collapsed(cidr for entry in objects.service_cidrs for cidr in (entry.get("spec") or {}).get("cidrs") or [])


def guessed_service_cidrs(api_service: Object | None) -> list[str]:
    """Around the first Service every cluster has: a /16 for IPv4, the usual /112 for IPv6."""
    addresses = ((api_service or {}).get("spec") or {}).get("clusterIPs") or []
    widths = {4: 16, 6: 112}
    parsed = [ipaddress.ip_address(address) for address in addresses]
    return collapsed(f"{address}/{widths[address.version]}" for address in parsed)


def node_cidrs(nodes: Sequence[Object]) -> list[str]:
    """Each address a node has in the cluster or outside, as a range of one."""
    addresses = {
        ipaddress.ip_address(entry["address"])
        for node in nodes
        for entry in (node.get("status") or {}).get("addresses") or []
        if entry.get("type") in ("InternalIP", "ExternalIP")
    }
    ordered = sorted(addresses, key=lambda address: (address.version, int(address)))
    return [f"{address}/{address.max_prefixlen}" for address in ordered]


def api_server(slices: Sequence[Object]) -> list[dict[str, Any]]:
    """The real addresses behind the Service kubernetes: policies see packets after the Service address was replaced."""
    endpoints = {
        (address, int(port["port"]))
        for one in slices
        for endpoint in one.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or []
        for port in one.get("ports") or []
    }
    return [{"address": address, "port": port} for address, port in sorted(endpoints)]


def dns(services: Sequence[Object], slices: Sequence[Object], *, openshift: bool = False) -> dict[str, Any]:
    """The first Service found, on OpenShift its own; ports are those of its pods, which is what a policy must allow."""
    own = [one for one in services if (one["metadata"]["namespace"] == DNS_NAMESPACE) is openshift]
    service = next(iter([*own, *services]), None)
    if service is None:
        return {"namespace": "", "pod_labels": {}, "addresses": [], "ports": []}
    namespace, spec = service["metadata"]["namespace"], service.get("spec") or {}
    named = {
        (port.get("name"), port.get("protocol", "TCP")): port.get("port")
        for one in slices
        if one["metadata"]["namespace"] == namespace
        for port in one.get("ports") or []
    }
    ports = []
    for port in spec.get("ports") or []:
        if int(port["port"]) != 53:
            continue  # CoreDNS offers its metrics on the same Service
        target = port.get("targetPort") or port["port"]
        if not str(target).isdigit():
            target = named.get((port.get("name"), port.get("protocol", "TCP"))) or port["port"]
        ports.append(
            {
                "name": port.get("name") or "",
                "protocol": port.get("protocol", "TCP"),
                "port": int(target),
                "service_port": int(port["port"]),
            }
        )
    return {
        "namespace": namespace,
        "pod_labels": dict(spec.get("selector") or {}),
        "addresses": list(spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])),
        "ports": ports,
    }


def default_storage_class(classes: Sequence[Object]) -> str:
    marked = [
        one
        for one in classes
        if (one["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    # With several defaults the API server takes the newest.
    newest = max(marked, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), default=None)
    return str(newest["metadata"]["name"]) if newest else ""


def served_apis(groups: Sequence[Object]) -> list[str]:
    versions = {version["groupVersion"] for group in groups for version in group.get("versions") or []}
    return ["v1", *sorted(versions)]
