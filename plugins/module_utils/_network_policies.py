# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NetworkPolicies of a catalogue.

First the flows are collected, each once: who opens connections to whom, on which ports. Every policy is then a reading of that list
from one end: the ingress of a destination, the egress of a source. So the two sides of a connection cannot disagree.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ansible_collections.azora.platform.plugins.module_utils._catalogue import COMPONENT, MANAGED_BY, PART_OF
from ansible_collections.azora.platform.plugins.module_utils._network_ends import (
    Cluster,
    End,
    Flow,
    Pods,
    PolicyInputError,
    covers,
    host_network,
    networks_of,
)
from ansible_collections.azora.platform.plugins.module_utils._network_flows import Catalogue, flows

Manifest = dict[str, Any]
Identity = TypeVar("Identity", str, tuple[str, str])

POLICY_COMPONENT = "network-policy"
DEFAULT_DENY, ALLOW_DNS = "default-deny", "allow-dns"
DNS_PORT = 53


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
    within = networks_of(cluster, "service_cidrs") + networks_of(cluster, "pod_cidrs")
    for address in sorted(dns.get("addresses") or []):
        host = host_network(address)
        if not any(covers(network, host) for network in within):
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
