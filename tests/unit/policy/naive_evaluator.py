# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second evaluator of policies: one connection at a time, one policy at a time, straight from what the APIs' documentation says.

It shares nothing with the engine, not even the reading of the objects, and knows no groups, no bits and no ranges of ports. It is
slow, takes well-formed objects only, and is there to disagree.
"""

from __future__ import annotations

import ipaddress
from typing import Any

Object = dict[str, Any]
ALLOWED, DENIED, UNDEFINED = "allowed", "denied", "undefined"


class NaiveEvaluator:
    def __init__(self, objects: list[Object]) -> None:
        self.of_kind: dict[str, list[Object]] = {}
        for one in objects:
            self.of_kind.setdefault(one["kind"], []).append(one)
        self.namespaces = {
            one["metadata"]["name"]: {
                **(one["metadata"].get("labels") or {}),
                "kubernetes.io/metadata.name": one["metadata"]["name"],
            }
            for one in self.of_kind.get("Namespace", [])
        }
        self.nodes = self.of_kind.get("Node", [])

    def verdict(self, source: Object | str, destination: Object | str, protocol: str, port: int) -> str:
        """An end is a Pod object, or an address that is none of a pod."""
        if isinstance(source, dict) and source is destination:
            return ALLOWED
        both = [self.direction(direction, source, destination, protocol, port) for direction in ("egress", "ingress")]
        return DENIED if DENIED in both else UNDEFINED if UNDEFINED in both else ALLOWED

    def direction(
        self, direction: str, source: Object | str, destination: Object | str, protocol: str, port: int
    ) -> str:
        own, other = (source, destination) if direction == "egress" else (destination, source)
        if isinstance(own, str) or on_host(own):
            return ALLOWED
        if direction == "ingress" and self.is_own_node(own, other):
            return ALLOWED
        verdict = self.admin(direction, own, other, destination, protocol, port)
        if verdict != "Pass":
            return verdict
        isolated = False
        for policy in self.of_kind.get("NetworkPolicy", []):
            spec = policy["spec"]
            types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
            if direction.capitalize() not in types:
                continue
            if policy["metadata"]["namespace"] != own["metadata"]["namespace"]:
                continue
            if not selects(spec.get("podSelector"), labels_of(own)):
                continue
            isolated = True
            for rule in spec.get(direction) or []:
                peers = rule.get("from" if direction == "ingress" else "to")
                namespace = policy["metadata"]["namespace"]
                if peers and not any(self.peer_matches(peer, other, namespace) for peer in peers):
                    continue
                ports = rule.get("ports")
                if not ports or any(port_matches(entry, destination, protocol, port) for entry in ports):
                    return ALLOWED
        if isolated:
            return DENIED
        verdict = self.baseline(direction, own, other, destination, protocol, port)
        return ALLOWED if verdict == "Pass" else verdict

    def is_own_node(self, pod: Object, other: Object | str) -> bool:
        node = pod["spec"].get("nodeName")
        if not node:
            return False
        if isinstance(other, dict):
            return on_host(other) and other["spec"].get("nodeName") == node
        return any(
            ipaddress.ip_address(other) == ipaddress.ip_address(entry["address"])
            for one in self.nodes
            if one["metadata"]["name"] == node
            for entry in one["status"]["addresses"]
        )

    def peer_matches(self, peer: Object, other: Object | str, namespace: str) -> bool:
        if peer.get("ipBlock"):
            block = peer["ipBlock"]
            return in_networks(other, [block["cidr"]], block.get("except") or [])
        if isinstance(other, str) or on_host(other):
            return False
        if peer.get("namespaceSelector") is None:
            if other["metadata"]["namespace"] != namespace:
                return False
        elif not selects(peer["namespaceSelector"], self.namespaces[other["metadata"]["namespace"]]):
            return False
        return selects(peer.get("podSelector"), labels_of(other))

    # --- The cluster-wide kinds

    def admin(self, *situation: Any) -> str:
        policies = [(one["spec"]["priority"], one) for one in self.of_kind.get("AdminNetworkPolicy", [])]
        policies += [
            (one["spec"]["priority"], one)
            for one in self.of_kind.get("ClusterNetworkPolicy", [])
            if one["spec"]["tier"] == "Admin"
        ]
        return self.tier(policies, *situation)

    def baseline(self, *situation: Any) -> str:
        policies = [
            (one["spec"]["priority"], one)
            for one in self.of_kind.get("ClusterNetworkPolicy", [])
            if one["spec"]["tier"] == "Baseline"
        ]
        policies += [(5000, one) for one in self.of_kind.get("BaselineAdminNetworkPolicy", [])]
        return self.tier(policies, *situation)

    def tier(self, policies: list[tuple[int, Object]], *situation: Any) -> str:
        """Allowed, denied or undefined, or "Pass" if the next tier is to decide."""
        for priority in sorted({each for each, _policy in policies}):
            actions = set()
            for each, policy in policies:
                if each == priority:
                    action = self.first_action(policy, *situation)
                    if action:
                        actions.add("Allow" if action == "Accept" else action)
            if len(actions) > 1:
                return UNDEFINED
            if actions:
                return {"Allow": ALLOWED, "Deny": DENIED, "Pass": "Pass"}[actions.pop()]
        return "Pass"

    def first_action(self, policy: Object, *situation: Any) -> str | None:
        direction, own, other, destination, protocol, port = situation
        if not self.cluster_peer_matches(policy["spec"]["subject"], own):
            return None
        for rule in policy["spec"].get(direction) or []:
            peers = rule["from" if direction == "ingress" else "to"]
            ports = rule.get("ports", rule.get("protocols"))
            known = ("namespaces", "pods", "nodes", "networks", "domainNames")
            if any(not set(peer) & set(known) for peer in peers):
                if rule["action"] in ("Allow", "Accept"):
                    continue
                return "Deny"
            if not any(self.cluster_peer_matches(peer, other) for peer in peers):
                continue
            if ports is None or any(cluster_port_matches(entry, destination, protocol, port) for entry in ports):
                return str(rule["action"])
        return None

    def cluster_peer_matches(self, peer: Object, other: Object | str) -> bool:
        if "networks" in peer:
            return in_networks(other, peer["networks"], [])
        if "nodes" in peer:
            addresses = [
                entry["address"]
                for node in self.nodes
                if selects(peer["nodes"], node["metadata"].get("labels") or {})
                for entry in node["status"]["addresses"]
            ]
            return in_networks(other, addresses, [])
        if "domainNames" in peer or isinstance(other, str) or on_host(other):
            return False
        labels = self.namespaces[other["metadata"]["namespace"]]
        if "namespaces" in peer:
            return selects(peer["namespaces"], labels)
        return selects(peer["pods"]["namespaceSelector"], labels) and selects(
            peer["pods"]["podSelector"], labels_of(other)
        )


def on_host(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def labels_of(pod: Object) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    for key, value in ((selector or {}).get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for entry in (selector or {}).get("matchExpressions") or []:
        key = entry["key"]
        holds = {
            "In": key in labels and labels[key] in (entry.get("values") or []),
            "NotIn": key not in labels or labels[key] not in (entry.get("values") or []),
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds[entry["operator"]]:
            return False
    return True


def in_networks(end: Object | str, networks: list[str], holes: list[str]) -> bool:
    if isinstance(end, str):
        addresses = [end]
    else:
        addresses = [entry["ip"] for entry in end["status"].get("podIPs") or []]
        if not addresses:
            # Not known yet: only a network of all addresses is sure to have it.
            return not holes and any(network in ("0.0.0.0/0", "::/0") for network in networks)
    for text in addresses:
        address = ipaddress.ip_address(text)
        inside = any(address in ipaddress.ip_network(network, strict=False) for network in networks)
        if inside and not any(address in ipaddress.ip_network(hole, strict=False) for hole in holes):
            return True
    return False


def numbers_of(name: str, pod: Object | str, protocol: str) -> list[int]:
    if isinstance(pod, str):
        return []
    containers = list(pod["spec"].get("containers") or [])
    containers += [one for one in pod["spec"].get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return [
        entry["containerPort"]
        for container in containers
        for entry in container.get("ports") or []
        if entry.get("name") == name and entry.get("protocol", "TCP") == protocol
    ]


def port_matches(entry: Object, destination: Object | str, protocol: str, port: int) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return port in numbers_of(wanted, destination, protocol)
    return bool(wanted <= port <= entry.get("endPort", wanted))


def cluster_port_matches(entry: Object, destination: Object | str, protocol: str, port: int) -> bool:
    for key in ("namedPort", "destinationNamedPort"):
        if key in entry:
            return port in numbers_of(entry[key], destination, protocol)
    if "portNumber" in entry:
        found = entry["portNumber"]
        return bool(found.get("protocol", "TCP") == protocol and found["port"] == port)
    if "portRange" in entry:
        found = entry["portRange"]
        return bool(found.get("protocol", "TCP") == protocol and found["start"] <= port <= found["end"])
    if protocol.lower() not in entry:
        return False
    found = entry[protocol.lower()].get("destinationPort")
    if found is None:
        return True
    if "number" in found:
        return bool(found["number"] == port)
    return bool(found["range"]["start"] <= port <= found["range"]["end"])
