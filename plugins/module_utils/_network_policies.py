# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NetworkPolicies of a catalogue.

First the flows are collected, each once: who opens connections to whom, on which ports. Every policy is then a reading of that list
from one end: the ingress of a destination, the egress of a source. So the two sides of a connection cannot disagree.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from ansible_collections.azora.platform.plugins.module_utils._catalogue import COMPONENT, MANAGED_BY, PART_OF
from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import (
    BACKUP_PLUGIN,
    KAFKA,
    POSTGRESQL,
    REDIS,
)
from ansible_collections.azora.platform.plugins.module_utils._openshift import (
    HOST_NETWORK,
    ROUTERS,
    prometheus_namespace,
)

Catalogue = Mapping[str, Any]
Cluster = Mapping[str, Any]
Manifest = dict[str, Any]
Identity = TypeVar("Identity", str, tuple[str, str])
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]  # noqa: UP007  (evaluated at run time)

EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
# The cluster's own ranges, as the fact cluster names them.
RANGES = ("pod_cidrs", "service_cidrs", "node_cidrs")
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
POLICY_COMPONENT = "network-policy"
DEFAULT_DENY, ALLOW_DNS = "default-deny", "allow-dns"
DNS_PORT = 53

# CloudNativePG's instance manager: status and control.
POSTGRES_MANAGER_PORT = 8000
# The plugin barman-cloud, which CloudNativePG's operator calls.
BACKUP_PLUGIN_PORT = 9090
# Redis Enterprise's REST API, and the node bootstrapper that its operator and its services rigger ask.
REDIS_MANAGEMENT_PORTS = (9443, 8080)
# Strimzi: 9090 control plane, 9091 replication, 8443 the agent in each Kafka pod.
KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT, KAFKA_AGENT_PORT = 9090, 9091, 8443
KAFKA_EXPORTER_METRICS_PORT = 9404
KAFKA_ENTITY_OPERATOR_PORTS = (8080, 8081)


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


def network_policies(catalogue: Catalogue, cluster: Cluster, namespaces: Iterable[str] | None = None) -> list[Manifest]:
    """Every policy of the given namespaces (all of the catalogue's by default), sorted by namespace and name."""
    wanted = chosen_namespaces(catalogue, namespaces)
    policies = [default_deny(catalogue, name) for name in wanted]
    policies += [_allow_dns(catalogue, cluster, name) for name in wanted]
    # Beside the policies of whoever brought it, an operator of others gets what it needs for this platform's stores.
    others = [] if namespaces is not None else [one["namespace"] for one in catalogue["operators"] if one["provided"]]
    policies += [
        policy
        for policy in _flow_policies(catalogue, list(flows(catalogue, cluster)))
        if policy["metadata"]["namespace"] in (*wanted, *others)
    ]
    policies.sort(key=_place)
    for first, second in itertools.pairwise(policies):
        if _place(first) == _place(second):
            raise PolicyInputError(f"two NetworkPolicies would be named {'/'.join(_place(first))}; rename one entry")
    return policies


def additional_policies(catalogue: Catalogue, extended: Catalogue, cluster: Cluster, name: str) -> list[Manifest]:
    """What the extended catalogue needs beyond the catalogue, as policies of their own beside those that are there.

    They begin with `name`, which is their component, too: what looks for the catalogue's own policies does not see them.
    """
    known = set(flows(catalogue, cluster))
    more = [flow for flow in flows(extended, cluster) if flow not in known]
    policies = list(_flow_policies(catalogue, more))
    for policy in policies:
        policy["metadata"]["name"] = f"{name}-{policy['metadata']['name']}"
        policy["metadata"]["labels"][COMPONENT] = name
    return sorted(policies, key=_place)


def chosen_namespaces(catalogue: Catalogue, namespaces: Iterable[str] | None) -> list[str]:
    """The given namespaces, or all of the catalogue's; PolicyInputError names one that is not among those."""
    owned = [namespace["name"] for namespace in catalogue["namespaces"]]
    wanted = owned if namespaces is None else list(namespaces)
    for name in wanted:
        if name not in owned:
            raise PolicyInputError(f"{name} is not a namespace of the catalogue; known: {', '.join(owned)}")
    return wanted


def stale_policies(
    catalogue: Catalogue,
    found: Iterable[Mapping[str, Any]],
    derived: Iterable[Mapping[str, Any]],
    namespaces: Iterable[str] | None = None,
) -> list[Manifest]:
    """Of the policies found in the cluster, those of this platform that the catalogue no longer asks for."""
    looked_at = None if namespaces is None else set(namespaces)
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace},
        }
        for namespace, name in sorted(no_longer_derived(catalogue, found, derived, _place))
        if looked_at is None or namespace in looked_at
    ]


def no_longer_derived(
    catalogue: Catalogue,
    found: Iterable[Mapping[str, Any]],
    derived: Iterable[Mapping[str, Any]],
    place: Callable[[Mapping[str, Any]], Identity],
) -> set[Identity]:
    """The places, by whatever tells policies of one kind apart, of this platform's policies that are not among the derived ones."""
    marks = policy_labels(catalogue)
    labelled = ((policy, policy["metadata"].get("labels") or {}) for policy in found)
    ours = {place(policy) for policy, labels in labelled if all(labels.get(key) == marks[key] for key in marks)}
    return ours - {place(policy) for policy in derived}


def default_deny(catalogue: Catalogue, namespace: str) -> Manifest:
    """Nothing in, nothing out, for every pod of the namespace."""
    return _policy(catalogue, DEFAULT_DENY, namespace, {}, {"policyTypes": ["Ingress", "Egress"]})


def _allow_dns(catalogue: Catalogue, cluster: Cluster, namespace: str) -> Manifest:
    dns = cluster.get("dns") or {}
    if not dns.get("namespace") or not dns.get("pod_labels"):
        raise PolicyInputError(
            "the cluster's DNS pods are not known; set catalogue_cluster.dns with namespace and pod_labels"
        )
    peers = Pods.of("dns", dns["namespace"], dns["pod_labels"]).peers()
    # A resolver on the nodes themselves, such as node-local DNS, is neither a pod nor behind a Service.
    within = _networks(cluster, "service_cidrs") + _networks(cluster, "pod_cidrs")
    for address in sorted(dns.get("addresses") or []):
        host = _host(address)
        if not any(_covers(network, host) for network in within):
            peers.append({"ipBlock": {"cidr": str(host)}})
    ports = {DNS_PORT} | set(_dns_ports(dns.get("ports") or []))
    rule = {
        "to": peers,
        "ports": [{"protocol": protocol, "port": port} for port in sorted(ports) for protocol in ("UDP", "TCP")],
    }
    return _policy(catalogue, ALLOW_DNS, namespace, {}, {"policyTypes": ["Egress"], "egress": [rule]})


def _dns_ports(ports: Iterable[Any]) -> Iterator[int]:
    """The ports on which the DNS pods answer: a policy sees those, not the Service's."""
    for port in ports:
        if not isinstance(port, Mapping):
            yield int(port)
        elif port.get("service_port", DNS_PORT) == DNS_PORT:  # and not the pods' metrics, say
            yield int(port["port"])


def flows(catalogue: Catalogue, cluster: Cluster) -> Iterator[Flow]:
    """Every connection that somebody may open, DNS aside."""
    workloads = {workload["name"]: _workload_pods(workload) for workload in catalogue["workloads"]}
    ports = {workload["name"]: workload["ports"]["http"] for workload in catalogue["workloads"]}
    stores = {store["name"]: _store_pods(store) for store in catalogue["stores"]}
    for workload in catalogue["workloads"]:
        source = workloads[workload["name"]]
        for callee in workload["calls"]:
            yield Flow(source, workloads[callee], (ports[callee],))
        for use in workload["stores"]:
            # The port of the workload's own database, and of no other.
            yield Flow(source, stores[use["name"]], (use["port"],))
        for external in workload["external"]:
            yield Flow(source, _outside(cluster, external["cidrs"]), (external["port"],))
        if workload["kubernetes_api"]:
            yield from _to_api_server(source, cluster)
    if catalogue["gateway"]:
        gateway = catalogue["gateway"]
        yield Flow(_not_pods(cluster), workloads[gateway["name"]], (gateway["ports"]["http"],))
        if cluster.get("openshift"):
            # Routers are pods, or on the nodes' network.
            for label in (ROUTERS, HOST_NETWORK):
                yield Flow(Group(label), workloads[gateway["name"]], (gateway["ports"]["http"],))
        proxies = (gateway["ingress"] or {}).get("proxy_pods")
        if proxies:
            through = Pods.of("ingress", proxies["namespace"], proxies["labels"])
            yield Flow(through, workloads[gateway["name"]], (gateway["ports"]["http"],))
    for store in catalogue["stores"]:
        yield from _store_flows(store, stores[store["name"]], cluster)
    for operator in catalogue["operators"]:
        yield from _operator_flows(operator, catalogue, stores, cluster)
    if catalogue["monitoring"]:
        yield from _metrics_flows(catalogue, workloads, stores, cluster)


def _store_flows(store: Mapping[str, Any], pods: Pods, cluster: Cluster) -> Iterator[Flow]:
    name, namespace = store["cluster"], store["namespace"]
    if store["kind"] == POSTGRESQL:
        # Instances and the jobs that make them carry the cluster's label; both look at the instances and at their own
        # resources. An instance that sees neither its peers nor the API server stops itself.
        members = Pods.of(name, namespace, {"cnpg.io/cluster": name})
        yield Flow(members, pods, (store["port"], POSTGRES_MANAGER_PORT))
        for external in store["external"]:
            yield Flow(members, _outside(cluster, external["cidrs"]), (external["port"],))
        yield from _to_api_server(members, cluster)
    elif store["kind"] == REDIS:
        rigger = _redis_rigger(store)
        yield Flow(pods, pods, ())
        yield Flow(rigger, pods, REDIS_MANAGEMENT_PORTS)
        for external in store["external"]:
            yield Flow(pods, _outside(cluster, external["cidrs"]), (external["port"],))
        yield from _to_api_server(pods, cluster)
        yield from _to_api_server(rigger, cluster)
    elif store["kind"] == KAFKA:
        entity_operator, exporter = _kafka_entity_operator(store), _kafka_exporter(store)
        yield Flow(pods, pods, (KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT))
        yield Flow(entity_operator, pods, (KAFKA_REPLICATION_PORT,))
        yield Flow(exporter, pods, (KAFKA_REPLICATION_PORT,))
        # Brokers read their certificates from Secrets through the API (Strimzi 0.49 and later).
        yield from _to_api_server(pods, cluster)
        yield from _to_api_server(entity_operator, cluster)


def _operator_flows(
    operator: Mapping[str, Any], catalogue: Catalogue, stores: Mapping[str, Pods], cluster: Cluster
) -> Iterator[Flow]:
    pods = _operator_pods(operator, catalogue)
    if not operator["provided"]:
        yield from _to_api_server(pods, cluster)
        if operator["webhook_port"]:
            yield Flow(_api_server_and_nodes(cluster), pods, (operator["webhook_port"],))
            if cluster.get("openshift"):
                yield Flow(Group(HOST_NETWORK), pods, (operator["webhook_port"],))
        if operator["name"] == BACKUP_PLUGIN:
            for caller in catalogue["operators"]:
                if caller["manages"] == POSTGRESQL:
                    yield Flow(_operator_pods(caller, catalogue), pods, (BACKUP_PLUGIN_PORT,))
    for store in catalogue["stores"]:
        if store["kind"] != operator["manages"] or store["namespace"] not in operator["watches"]:
            continue
        ports = {
            POSTGRESQL: (5432, POSTGRES_MANAGER_PORT),
            REDIS: REDIS_MANAGEMENT_PORTS,
            KAFKA: (KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT, KAFKA_AGENT_PORT),
        }[store["kind"]]
        yield Flow(pods, stores[store["name"]], ports)


def _metrics_flows(
    catalogue: Catalogue, workloads: Mapping[str, Pods], stores: Mapping[str, Pods], cluster: Cluster
) -> Iterator[Flow]:
    monitoring = catalogue["monitoring"]
    pods = Pods.of("prometheus", prometheus_namespace(catalogue, cluster), monitoring["pod_labels"])
    prometheus: Pods | Others = pods
    if pods.namespace in {namespace["name"] for namespace in catalogue["namespaces"]}:
        yield from _to_api_server(pods, cluster)
    else:
        prometheus = Others(pods)
    for workload in catalogue["workloads"]:
        if workload["ports"].get("metrics"):
            yield Flow(prometheus, workloads[workload["name"]], (workload["ports"]["metrics"],))
    for store in catalogue["stores"]:
        if not store["metrics_port"]:
            continue
        yield Flow(prometheus, stores[store["name"]], (store["metrics_port"],))
        if store["kind"] == KAFKA:
            yield Flow(prometheus, _kafka_exporter(store), (KAFKA_EXPORTER_METRICS_PORT,))
            yield Flow(prometheus, _kafka_entity_operator(store), KAFKA_ENTITY_OPERATOR_PORTS)
    for operator in catalogue["operators"]:
        if operator["metrics_port"] and not operator["provided"]:
            yield Flow(prometheus, _operator_pods(operator, catalogue), (operator["metrics_port"],))


def _workload_pods(workload: Mapping[str, Any]) -> Pods:
    return Pods.of(workload["name"], workload["namespace"], workload["selector"])


def _store_pods(store: Mapping[str, Any]) -> Pods:
    return Pods.of(store["cluster"], store["namespace"], store["selector"])


def _operator_pods(operator: Mapping[str, Any], catalogue: Catalogue) -> Pods:
    name = f"{operator['name']}-operator"
    if operator["provided"]:
        # Beside the policy of that name which whoever brought the operator has there.
        name = f"{catalogue['name']}-{name}"
    return Pods.of(name, operator["namespace"], operator["pod_labels"])


def _redis_rigger(store: Mapping[str, Any]) -> Pods:
    """The services rigger: what Redis Enterprise runs beside its nodes and its operator."""
    return Pods(
        f"{store['cluster']}-services-rigger",
        store["namespace"],
        (("app", "redis-enterprise"),),
        (("name", "NotIn", ("redis-enterprise-operator",)), ("redis.io/role", "NotIn", ("node",))),
    )


def _kafka_entity_operator(store: Mapping[str, Any]) -> Pods:
    name = f"{store['cluster']}-entity-operator"
    return Pods.of(name, store["namespace"], {"strimzi.io/cluster": store["cluster"], "strimzi.io/name": name})


def _kafka_exporter(store: Mapping[str, Any]) -> Pods:
    name = f"{store['cluster']}-kafka-exporter"
    return Pods.of(name, store["namespace"], {"strimzi.io/cluster": store["cluster"], "strimzi.io/name": name})


def _to_api_server(source: Pods, cluster: Cluster) -> Iterator[Flow]:
    """The API server is on the hosts' network, where no pod selector reaches: its addresses, on its port."""
    by_port: dict[int, list[str]] = {}
    for endpoint in cluster.get("api_server") or []:
        by_port.setdefault(int(endpoint["port"]), []).append(str(_host(endpoint["address"])))
    if not by_port:
        raise PolicyInputError(
            "the API server's addresses are not known; set catalogue_cluster.api_server, a list of address and port"
        )
    for port, hosts in sorted(by_port.items()):
        yield Flow(source, Networks(tuple((host, ()) for host in sorted(set(hosts)))), (port,))


def _api_server_and_nodes(cluster: Cluster) -> Networks:
    """Where calls of webhooks come from: the API server itself, or a node that translated its address."""
    hosts = [_host(endpoint["address"]) for endpoint in cluster.get("api_server") or []]
    networks = _collapsed([*hosts, *_networks(cluster, "node_cidrs")])
    return Networks(tuple((str(network), ()) for network in networks))


def _not_pods(cluster: Cluster) -> Networks:
    return Networks(_everything_but(cluster, _known(cluster, "pod_cidrs")))


def _outside(cluster: Cluster, cidrs: Sequence[str]) -> Networks:
    """Outside the cluster's own ranges, or of that only the given networks."""
    own = [network for key in RANGES for network in _known(cluster, key)]
    # The API server is often no node, and often answers on 443.
    own += [_host(endpoint["address"]) for endpoint in cluster.get("api_server") or []]
    if not cidrs:
        return Networks(_everything_but(cluster, own))
    blocks = []
    for cidr in sorted(cidrs):
        given = ipaddress.ip_network(cidr)
        # Who names a network inside the cluster's ranges means it.
        inside = [network for network in _collapsed(own) if network != given and _covers(given, network)]
        blocks.append((cidr, tuple(str(network) for network in inside)))
    return Networks(tuple(blocks))


def _everything_but(cluster: Cluster, networks: Iterable[Network]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    versions = {4} | {network.version for key in RANGES for network in _networks(cluster, key)}
    without = _collapsed(networks)
    return tuple(
        (EVERYTHING[version], tuple(str(network) for network in without if network.version == version))
        for version in sorted(versions)
    )


def _known(cluster: Cluster, key: str) -> list[Network]:
    networks = _networks(cluster, key)
    if not networks:
        # Without them a rule for the outside would open the inside.
        raise PolicyInputError(f"the cluster's {key} are not known; set catalogue_cluster.{key}, a list of CIDRs")
    return networks


def _networks(cluster: Cluster, key: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(cidr, strict=False) for cidr in cluster.get(key) or []]
    except ValueError as error:
        raise PolicyInputError(f"catalogue_cluster.{key}: {error}") from None


def _host(address: str) -> Network:
    try:
        return ipaddress.ip_network(address)
    except ValueError as error:
        raise PolicyInputError(f"an address of the cluster is not one: {error}") from None


def _covers(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    every = list(networks)
    four = [network for network in every if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in every if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _flow_policies(catalogue: Catalogue, all_flows: Sequence[Flow]) -> Iterator[Manifest]:
    incoming: dict[Pods, list[tuple[End, tuple[int, ...]]]] = {}
    outgoing: dict[Pods, list[tuple[End, tuple[int, ...]]]] = {}
    for flow in all_flows:
        if isinstance(flow.destination, Pods):
            incoming.setdefault(flow.destination, []).append((flow.source, flow.ports))
        if isinstance(flow.source, Pods):
            outgoing.setdefault(flow.source, []).append((flow.destination, flow.ports))
    for pods, ends in incoming.items():
        spec = {"policyTypes": ["Ingress"], "ingress": _rules("from", ends)}
        yield _policy(catalogue, f"{pods.name}-ingress", pods.namespace, pods.selector(), spec)
    for pods, ends in outgoing.items():
        spec = {"policyTypes": ["Egress"], "egress": _rules("to", ends)}
        yield _policy(catalogue, f"{pods.name}-egress", pods.namespace, pods.selector(), spec)


def _rules(direction: str, ends: Iterable[tuple[End, tuple[int, ...]]]) -> list[dict[str, Any]]:
    """One rule for each set of ports, with everybody who may use exactly these."""
    peers_of: dict[tuple[int, ...], dict[str, dict[str, Any]]] = {}
    for end, ports in ends:
        for peer in end.peers():
            peers_of.setdefault(tuple(sorted(ports)), {})[json.dumps(peer, sort_keys=True)] = peer
    rules = []
    for ports, peers in sorted(peers_of.items()):
        rule: dict[str, Any] = {direction: [peer for _key, peer in sorted(peers.items())]}
        if ports:
            rule["ports"] = [{"protocol": "TCP", "port": port} for port in ports]
        rules.append(rule)
    return rules


def _policy(
    catalogue: Catalogue, name: str, namespace: str, selector: dict[str, Any], spec: dict[str, Any]
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": policy_labels(catalogue)},
        "spec": {"podSelector": selector, **spec},
    }


def policy_labels(catalogue: Catalogue) -> dict[str, str]:
    """What marks a policy of this platform; removal looks for nothing else."""
    return {
        PART_OF: catalogue["labels"][PART_OF],
        MANAGED_BY: catalogue["labels"][MANAGED_BY],
        COMPONENT: POLICY_COMPONENT,
    }


def _place(policy: Mapping[str, Any]) -> tuple[str, str]:
    return policy["metadata"]["namespace"], policy["metadata"]["name"]
