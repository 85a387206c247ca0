# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small clusters made by chance from a seed, with every feature of the APIs crowded into few pods, labels and ports."""

from __future__ import annotations

import random
from typing import Any

Object = dict[str, Any]
LABELS = {"app": ("a", "b", "c"), "tier": ("front", "back")}
NAMESPACE_LABELS = {"team": ("red", "blue"), "kubernetes.io/metadata.name": ("x", "y", "z")}
PORTS = (80, 81, 8080)
# What stands on both sides of every bound that the ports below can have.
PROBED_PORTS = (1, 79, 80, 81, 82, 90, 91, 8079, 8080, 8081, 65535)
PORT_NAMES = ("http", "dns")
PROTOCOLS = ("TCP", "UDP", "SCTP")
NETWORKS = (
    ("10.0.0.0/24", ("10.0.0.0/29", "10.0.0.4/32", "10.0.0.9/31")),
    ("10.0.0.3/30", ("10.0.0.2/32",)),
    ("0.0.0.0/0", ("10.0.0.0/8", "192.168.0.0/16", "10.0.0.0/24")),
    ("192.168.0.0/16", ("192.168.1.0/24", "192.168.1.128/25")),
    ("fd00::/64", ("fd00::4/126", "fd00::1/128")),
    ("::/0", ("fd00::/8",)),
    ("10.9.0.0/24", ("10.9.0.1/32",)),
)
OUTSIDE = (
    "192.168.0.1",
    "192.168.1.1",
    "192.168.1.200",
    "10.0.0.200",
    "203.0.113.9",
    "fd00::99",
    "2001:db8::1",
    "10.9.0.3",
)
NODES = ("n1", "n2")


class ClusterMaker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def some(self, values: Any, least: int, most: int) -> list[Any]:
        return self.random.sample(list(values), min(self.random.randint(least, most), len(values)))

    def objects(self) -> list[Object]:
        namespaces = self.some(("x", "y", "z"), 1, 3)
        objects: list[Object] = [self.namespace(name) for name in namespaces]
        objects += [self.node(number) for number in range(len(NODES))]
        objects += [self.pod(number, self.random.choice(namespaces)) for number in range(self.random.randint(2, 5))]
        for number in range(self.random.randint(0, 4)):
            objects.append(self.network_policy(number, self.random.choice(namespaces)))
        # Most clusters have at most one of the two generations of the cluster-wide API.
        generation = self.random.random()
        if generation < 0.35 or generation > 0.95:
            objects += [self.admin(number) for number in range(self.random.randint(1, 3))]
            if self.chance(0.6):
                objects.append(self.baseline())
        if generation >= 0.65:
            objects += [self.cluster_policy(number) for number in range(self.random.randint(1, 5))]
        self.random.shuffle(objects)
        return objects

    def namespace(self, name: str) -> Object:
        labels = {"team": self.random.choice(NAMESPACE_LABELS["team"])} if self.chance(0.7) else {}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}

    def node(self, number: int) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODES[number], "labels": {"zone": str(number)}},
            "status": {"addresses": [{"type": "InternalIP", "address": f"10.9.0.{number + 1}"}]},
        }

    def pod(self, number: int, namespace: str) -> Object:
        host, node = self.chance(0.1), self.random.randrange(len(NODES))
        family = self.random.random()
        addresses = [f"10.0.0.{number + 1}"] if family < 0.85 else []
        addresses += [f"fd00::{number + 1}"] if family > 0.7 else []
        if host:
            addresses = [f"10.9.0.{node + 1}"]
        spec: Object = {"containers": [self.container(), self.container()], "hostNetwork": host}
        if self.chance(0.2):
            spec["initContainers"] = [{**self.container(), "restartPolicy": self.random.choice(("Always", None))}]
        if host or self.chance(0.8):
            spec["nodeName"] = NODES[node]
        if not host and self.chance(0.05):
            addresses = []
        pod: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"p{number}",
                "namespace": namespace,
                "labels": {key: self.random.choice(values) for key, values in LABELS.items() if self.chance(0.8)},
            },
            "spec": spec,
            "status": {"phase": "Running", "podIPs": [{"ip": address} for address in addresses]},
        }
        if self.chance(0.4):
            # Replicas of one workload, alike or not.
            pod["metadata"]["ownerReferences"] = [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "set", "controller": True}
            ]
        return pod

    def container(self) -> Object:
        ports: list[Object] = []
        for name in PORT_NAMES:
            if self.chance(0.5):
                entry: Object = {"name": name, "containerPort": self.random.choice(PORTS)}
                if self.chance(0.5):
                    entry["protocol"] = self.random.choice(PROTOCOLS)
                ports.append(entry)
        return {"name": "c", "ports": ports}

    # --- Selectors

    def selector(self, labels: dict[str, tuple[str, ...]]) -> Object:
        selector: Object = {}
        if self.chance(0.3):
            return selector
        if self.chance(0.7):
            key = self.random.choice(list(labels))
            selector["matchLabels"] = {key: self.random.choice(labels[key])}
        if self.chance(0.3):
            selector["matchExpressions"] = [self.expression(labels) for _each in range(self.random.randint(1, 2))]
        return selector

    def expression(self, labels: dict[str, tuple[str, ...]]) -> Object:
        key = self.random.choice([*labels, "missing"])
        operator = self.random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        entry: Object = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            entry["values"] = self.some((*labels.get(key, ()), "other"), 1, 2)
        return entry

    def pods(self) -> Object:
        return {"namespaceSelector": self.selector(NAMESPACE_LABELS), "podSelector": self.selector(LABELS)}

    # --- NetworkPolicy

    def network_policy(self, number: int, namespace: str) -> Object:
        spec: Object = {"podSelector": self.selector(LABELS)}
        types = self.random.choice((None, [], ["Ingress"], ["Egress"], ["Ingress", "Egress"]))
        if types is not None:
            spec["policyTypes"] = types
        for direction in ("ingress", "egress"):
            if self.chance(0.6):
                spec[direction] = [self.rule(direction) for _each in range(self.random.randint(0, 2))]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"np{number}", "namespace": namespace},
            "spec": spec,
        }

    def rule(self, direction: str) -> Object:
        rule: Object = {}
        if self.chance(0.85):
            rule["from" if direction == "ingress" else "to"] = [
                self.peer() for _each in range(self.random.randint(0, 2))
            ]
        if self.chance(0.7):
            rule["ports"] = [self.port() for _each in range(self.random.randint(0, 2))]
        return rule

    def peer(self) -> Object:
        kind = self.random.randrange(4)
        if kind == 0:
            cidr, holes = self.random.choice(NETWORKS)
            return {"ipBlock": {"cidr": cidr, "except": self.some(holes, 0, 2)}}
        peer: Object = {}
        if kind in (1, 3):
            peer["podSelector"] = self.selector(LABELS)
        if kind in (2, 3):
            peer["namespaceSelector"] = self.selector(NAMESPACE_LABELS)
        return peer

    def port(self) -> Object:
        entry: Object = {}
        if self.chance(0.6):
            entry["protocol"] = self.random.choice(PROTOCOLS)
        form = self.random.randrange(4)
        if form == 0:
            entry["port"] = self.random.choice(PORT_NAMES)
        elif form < 3:
            entry["port"] = self.random.choice(PORTS)
            if form == 1:
                entry["endPort"] = self.random.choice([port for port in (80, 81, 90, 8080) if port >= entry["port"]])
        return entry

    # --- The cluster-wide kinds

    def admin(self, number: int) -> Object:
        return {
            "apiVersion": "policy.networking.k8s.io/v1alpha1",
            "kind": "AdminNetworkPolicy",
            "metadata": {"name": f"anp{number}"},
            "spec": {
                "priority": self.random.choice((0, 0, 1)),
                **self.cluster_spec(("Allow", "Deny", "Pass"), self.admin_ports),
            },
        }

    def baseline(self) -> Object:
        return {
            "apiVersion": "policy.networking.k8s.io/v1alpha1",
            "kind": "BaselineAdminNetworkPolicy",
            "metadata": {"name": "default"},
            "spec": self.cluster_spec(("Allow", "Deny"), self.admin_ports),
        }

    def cluster_policy(self, number: int) -> Object:
        return {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": f"cnp{number}"},
            "spec": {
                "tier": self.random.choice(("Admin", "Baseline")),
                "priority": self.random.choice((0, 0, 1)),
                **self.cluster_spec(("Accept", "Deny", "Pass"), self.protocols),
            },
        }

    def cluster_spec(self, actions: tuple[str, ...], ports: Any) -> Object:
        spec: Object = {"subject": self.subject()}
        for direction in ("ingress", "egress"):
            if self.chance(0.8):
                spec[direction] = [
                    self.cluster_rule(direction, actions, ports) for _each in range(self.random.randint(1, 3))
                ]
        return spec

    def subject(self) -> Object:
        return {"pods": self.pods()} if self.chance(0.5) else {"namespaces": self.selector(NAMESPACE_LABELS)}

    def cluster_rule(self, direction: str, actions: tuple[str, ...], ports: Any) -> Object:
        action = self.random.choice(actions)
        peers = [self.cluster_peer(direction, action) for _each in range(self.random.randint(1, 2))]
        rule: Object = {"action": action, "from" if direction == "ingress" else "to": peers}
        rule.update(ports())
        return rule

    def cluster_peer(self, direction: str, action: str) -> Object:
        kind = self.random.random()
        if kind < 0.04:
            return {"newerThanThis": {}}
        if direction == "egress" and kind < 0.3:
            return {"networks": [cidr for cidr, _holes in self.some(NETWORKS, 1, 2)]}
        if direction == "egress" and kind < 0.4:
            return {"nodes": {"matchLabels": {"zone": "0"}} if self.chance(0.5) else {}}
        if direction == "egress" and kind < 0.45 and action in ("Allow", "Accept"):
            return {"domainNames": ["example.org"]}
        return self.subject()

    def admin_ports(self) -> Object:
        if self.chance(0.5):
            return {}
        found: list[Object] = []
        for _each in range(self.random.randint(1, 2)):
            protocol = {"protocol": self.random.choice(PROTOCOLS)} if self.chance(0.7) else {}
            form = self.random.randrange(3)
            if form == 0:
                found.append({"portNumber": {**protocol, "port": self.random.choice(PORTS)}})
            elif form == 1:
                found.append({"portRange": {**protocol, "start": 80, "end": self.random.choice((81, 90, 8080))}})
            else:
                found.append({"namedPort": self.random.choice(PORT_NAMES)})
        return {"ports": found}

    def protocols(self) -> Object:
        if self.chance(0.5):
            return {}
        found: list[Object] = []
        for _each in range(self.random.randint(1, 2)):
            form = self.random.randrange(4)
            protocol = self.random.choice(PROTOCOLS).lower()
            if form == 0:
                found.append({protocol: {"destinationPort": {"number": self.random.choice(PORTS)}}})
            elif form == 1:
                end = self.random.choice((81, 90, 8080))
                found.append({protocol: {"destinationPort": {"range": {"start": 80, "end": end}}}})
            elif form == 2:
                found.append({protocol: {}})
            else:
                found.append({"destinationNamedPort": self.random.choice(PORT_NAMES)})
        return {"protocols": found}
