# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of connections as network policies name them: pods, groups of namespaces, and addresses that are no pods of the cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

Cluster = Mapping[str, Any]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]  # noqa: UP007  (evaluated at run time)

EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
# The cluster's own ranges, as the fact cluster names them.
RANGES = ("pod_cidrs", "service_cidrs", "node_cidrs")
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


class PolicyInputError(ValueError):
    """What is known of the cluster does not suffice to write a policy; the message is one sentence for people."""


@dataclass(frozen=True)
class Pods:
    """Pods of one namespace; `name` names the policies that select them."""

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, name: str, namespace: str, labels: Mapping[str, str]) -> Pods:
        return cls(name, namespace, tuple(sorted(labels.items())))

    def selector(self) -> dict[str, Any]:
        selector: dict[str, Any] = {"matchLabels": dict(self.labels)}
        if self.expressions:
            selector["matchExpressions"] = [
                {"key": key, "operator": operator, "values": list(values)} for key, operator, values in self.expressions
            ]
        return selector

    def peers(self) -> list[dict[str, Any]]:
        # Both selectors in one peer: pods with these labels AND in this namespace.
        return [
            {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: self.namespace}}, "podSelector": self.selector()}
        ]


@dataclass(frozen=True)
class Others:
    """Pods of a namespace that is not the catalogue's: they are let in, and what they may do is decided elsewhere."""

    pods: Pods

    def peers(self) -> list[dict[str, Any]]:
        return self.pods.peers()


@dataclass(frozen=True)
class Group:
    """Every pod of the namespaces with a label that the cluster gives them; the label has no value."""

    label: str

    def peers(self) -> list[dict[str, Any]]:
        return [{"namespaceSelector": {"matchLabels": {self.label: ""}}}]


@dataclass(frozen=True)
class Networks:
    """Addresses that are no pods of this cluster: networks, each without some parts."""

    blocks: tuple[tuple[str, tuple[str, ...]], ...]

    def peers(self) -> list[dict[str, Any]]:
        return [
            {"ipBlock": {"cidr": cidr, "except": list(without)} if without else {"cidr": cidr}}
            for cidr, without in self.blocks
        ]


End = Union[Pods, Others, Group, Networks]  # noqa: UP007  (evaluated at run time)


@dataclass(frozen=True)
class Flow:
    """Connections from a source to a destination; no ports means every port and protocol."""

    source: End
    destination: End
    ports: tuple[int, ...]


def to_api_server(source: Pods, cluster: Cluster) -> Iterator[Flow]:
    """The API server is on the hosts' network, where no pod selector reaches: its addresses, on its port."""
    by_port: dict[int, list[str]] = {}
    for endpoint in cluster.get("api_server") or []:
        by_port.setdefault(int(endpoint["port"]), []).append(str(host_network(endpoint["address"])))
    if not by_port:
        raise PolicyInputError(
            "the API server's addresses are not known; set catalogue_cluster.api_server, a list of address and port"
        )
    for port, hosts in sorted(by_port.items()):
        yield Flow(source, Networks(tuple((host, ()) for host in sorted(set(hosts)))), (port,))


def api_server_and_nodes(cluster: Cluster) -> Networks:
    """Where calls of webhooks come from: the API server itself, or a node that translated its address."""
    hosts = [host_network(endpoint["address"]) for endpoint in cluster.get("api_server") or []]
    networks = _collapsed([*hosts, *networks_of(cluster, "node_cidrs")])
    return Networks(tuple((str(network), ()) for network in networks))


def nodes(cluster: Cluster) -> Networks:
    """The nodes themselves, for what runs on their own network."""
    return Networks(tuple((str(network), ()) for network in _collapsed(_known(cluster, "node_cidrs"))))


def not_pods(cluster: Cluster) -> Networks:
    return Networks(_everything_but(cluster, _known(cluster, "pod_cidrs")))


def outside(cluster: Cluster, cidrs: Sequence[str]) -> Networks:
    """Outside the cluster's own ranges, or of that only the given networks."""
    own = [network for key in RANGES for network in _known(cluster, key)]
    # The API server is often no node, and often answers on 443.
    own += [host_network(endpoint["address"]) for endpoint in cluster.get("api_server") or []]
    if not cidrs:
        return Networks(_everything_but(cluster, own))
    blocks = []
    for cidr in sorted(cidrs):
        given = ipaddress.ip_network(cidr)
        # Who names a network inside the cluster's ranges means it.
        inside = [network for network in _collapsed(own) if network != given and covers(given, network)]
        blocks.append((cidr, tuple(str(network) for network in inside)))
    return Networks(tuple(blocks))


def _everything_but(cluster: Cluster, networks: Iterable[Network]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    versions = {4} | {network.version for key in RANGES for network in networks_of(cluster, key)}
    without = _collapsed(networks)
    return tuple(
        (EVERYTHING[version], tuple(str(network) for network in without if network.version == version))
        for version in sorted(versions)
    )


def _known(cluster: Cluster, key: str) -> list[Network]:
    networks = networks_of(cluster, key)
    if not networks:
        # Without them a rule for the outside would open the inside.
        raise PolicyInputError(f"the cluster's {key} are not known; set catalogue_cluster.{key}, a list of CIDRs")
    return networks


def networks_of(cluster: Cluster, key: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(cidr, strict=False) for cidr in cluster.get(key) or []]
    except ValueError as error:
        raise PolicyInputError(f"catalogue_cluster.{key}: {error}") from None


def host_network(address: str) -> Network:
    try:
        return ipaddress.ip_network(address)
    except ValueError as error:
        raise PolicyInputError(f"an address of the cluster is not one: {error}") from None


def covers(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    every = list(networks)
    four = [network for network in every if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in every if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]
