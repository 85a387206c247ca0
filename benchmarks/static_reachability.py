# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the closed-world difference of the static reachability engine takes, and how much memory, by size of the platform.

    python benchmarks/static_reachability.py [--sizes 125 250 500 1000 2000] [--repeat 3] [--plot FILE] [--json FILE]

Each size is measured in a process of its own, from the objects as the API returns them to the difference with its proven
suggestions. A platform of N services has 5 N pods on N / 20 nodes, a pod of the host's network on each node, 2 N policies of the
services (ingress and egress each) besides default deny and DNS for each namespace, and on average three calls for each service.
Ten policies are broken, so there is something to find and to mend.

Seconds are those of the processor: the engine waits for nothing, so on an idle processor they are those of the clock, and on a busy
one they are still its own. Below the table stands how they grow: the exponent of size that fits best, 1 being linear.

The last line compares with the second evaluator of the unit tests, which looks at one connection at a time, at a size that it can do.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from checkout import CHECKOUT, module_utils

REPLICAS = 5
SERVICES_OF_A_NAMESPACE = 20
SERVICES_OF_A_NODE = 20
CALLS = 3
BROKEN = 10
PORTS = (8080, 9090)
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
COSTS = ("difference", "with suggestions", "peak MB")
Object = dict[str, Any]


class Platform:
    """The objects of a platform, and what should be open in it."""

    def __init__(self, services: int, seed: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311  (a platform by chance is no secret)
        self.services = [f"s{number:04}" for number in range(services)]
        self.namespaces = [f"ns{number:03}" for number in range(-(-services // SERVICES_OF_A_NAMESPACE))]
        self.nodes = [f"node{number:03}" for number in range(max(1, services // SERVICES_OF_A_NODE))]
        self.calls = {name: sorted(set(self.random.choices(self.services, k=CALLS)) - {name}) for name in self.services}
        self.callers: dict[str, list[str]] = {name: [] for name in self.services}
        for name, called in self.calls.items():
            for other in called:
                self.callers[other].append(name)
        self._pods = 0

    def namespace_of(self, service: str) -> str:
        return self.namespaces[int(service[1:]) // SERVICES_OF_A_NAMESPACE]

    def objects(self) -> list[Object]:
        found: list[Object] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name[-1]}}}
            for name in [*self.namespaces, "kube-system"]
        ]
        for number, node in enumerate(self.nodes):
            addresses = [{"type": "InternalIP", "address": f"192.168.{number // 250}.{number % 250 + 1}"}]
            found.append(
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": {"addresses": addresses}}
            )
            found.append(self.pod("kube-system", "kube-proxy", ("DaemonSet", "kube-proxy"), number, host=True))
        found += [self.pod("kube-system", "kube-dns", ("ReplicaSet", "kube-dns-5d4c8f"), number) for number in range(2)]
        for service in self.services:
            owner = ("ReplicaSet", f"{service}-5d4c8f")
            found += [self.pod(self.namespace_of(service), service, owner, number) for number in range(REPLICAS)]
        policies = [self.policy(service, direction) for service in self.services for direction in ("ingress", "egress")]
        for policy in self.random.sample(policies, BROKEN):
            rules = policy["spec"][policy["spec"]["policyTypes"][0].lower()]
            if self.random.random() < 0.5 and rules:
                rules.pop(0)  # connections are missing
            else:
                rules.append({})  # everything is open
        found += policies
        for namespace in self.namespaces:
            found += [self.default_deny(namespace), self.allow_dns(namespace)]
        return found

    def pod(self, namespace: str, name: str, owner: tuple[str, str], replica: int, *, host: bool = False) -> Object:
        self._pods += 1
        node = self._pods % len(self.nodes) if not host else replica
        address = f"10.{self._pods >> 16}.{self._pods >> 8 & 255}.{self._pods & 255}"
        if host:
            address = f"192.168.{node // 250}.{node % 250 + 1}"
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-5d4c8f-{replica:05}",
                "namespace": namespace,
                "labels": {"app": name, "part-of": "benchmark", "pod-template-hash": "5d4c8f"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}],
            },
            "spec": {
                "nodeName": self.nodes[node],
                "hostNetwork": host,
                "containers": [
                    {
                        "name": name,
                        "ports": [
                            {"name": "http", "containerPort": PORTS[0]},
                            {"name": "metrics", "containerPort": PORTS[1]},
                        ],
                    }
                ],
            },
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }

    def peer(self, service: str) -> Object:
        return {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: self.namespace_of(service)}},
            "podSelector": {"matchLabels": {"app": service}},
        }

    def policy(self, service: str, direction: str) -> Object:
        others, key = (self.callers, "from") if direction == "ingress" else (self.calls, "to")
        # Every third service names its port, and every tenth may reach a network outside.
        port = "http" if int(service[1:]) % 3 == 0 and direction == "ingress" else PORTS[0]
        rules: list[Object] = []
        if others[service]:
            rules.append({key: [self.peer(other) for other in others[service]], "ports": [{"port": port}]})
        if direction == "egress" and self.reaches_outside(service):
            rules.append({"to": [{"ipBlock": {"cidr": self.network(service)}}], "ports": [{"port": 443}]})
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"{service}-{direction}", "namespace": self.namespace_of(service)},
            "spec": {
                "podSelector": {"matchLabels": {"app": service}},
                "policyTypes": [direction.capitalize()],
                direction: rules,
            },
        }

    def reaches_outside(self, service: str) -> bool:
        return int(service[1:]) % 10 == 0

    def network(self, service: str) -> str:
        return f"203.0.{int(service[1:]) % 100}.0/24"

    def default_deny(self, namespace: str) -> Object:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "default-deny", "namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        }

    def allow_dns(self, namespace: str) -> Object:
        dns = {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "kube-system"}},
            "podSelector": {"matchLabels": {"app": "kube-dns"}},
        }
        ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "allow-dns", "namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [dns], "ports": ports}]},
        }

    def identity(self, service: str) -> str:
        return f"{self.namespace_of(service)}/Deployment/{service}"

    def expected(self) -> list[Object]:
        rows: list[Object] = []
        for service in self.services:
            own = self.identity(service)
            rows += [
                {"source": own, "destination": self.identity(other), "port": PORTS[0]} for other in self.calls[service]
            ]
            rows += [
                {"source": own, "destination": "kube-system/Deployment/kube-dns", "port": 53, "protocol": protocol}
                for protocol in ("UDP", "TCP")
            ]
            if self.reaches_outside(service):
                rows.append({"source": own, "destination": self.network(service), "port": 443})
        return rows


def measured(services: int) -> dict[str, Any]:
    """One size, in this process."""
    platform = Platform(services)
    objects, expected = platform.objects(), platform.expected()
    policy = module_utils("_policy")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    cluster = policy.Cluster.from_objects(objects)
    read = time.process_time()
    found = cluster.difference(expected, mends=0)
    compared = time.process_time()
    cluster.difference(expected)
    mended = time.process_time()
    kinds = [one["kind"] for one in objects]
    return {
        "services": services,
        "pods": kinds.count("Pod"),
        "policies": kinds.count("NetworkPolicy"),
        "groups": cluster.evaluation.partition.count,
        "read": read - start,
        "difference": compared - start,
        "with suggestions": read - start + (mended - compared),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "objects MB": before / 1024,
        **found["counts"],
    }


def in_own_process(services: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(services)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def compared_with_naive(services: int) -> dict[str, Any]:
    """The same question to the second evaluator: every pair of pods, on the ports that occur."""
    platform = Platform(services)
    objects, expected = platform.objects(), platform.expected()
    policy = module_utils("_policy")
    start = time.process_time()
    policy.Cluster.from_objects(objects).difference(expected, mends=0)
    fast = time.process_time() - start
    sys.path.insert(0, str(CHECKOUT / "tests" / "unit" / "policy"))
    naive = importlib.import_module("naive_evaluator").NaiveEvaluator(objects)
    pods = naive.of_kind["Pod"]
    start = time.process_time()
    cells = 0
    for source in pods:
        for destination in pods:
            for port in (53, *PORTS):
                naive.verdict(source, destination, "TCP", port)
                cells += 1
    slow = time.process_time() - start
    return {"services": services, "pods": len(pods), "connections": cells, "engine": fast, "naive": slow}


def exponent(rows: Sequence[dict[str, Any]], what: str) -> float:
    """The slope of the line through the logarithms of size and cost."""
    sizes, costs = ([math.log(row[key]) for row in rows] for key in ("services", what))
    return statistics.linear_regression(sizes, costs).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[125, 250, 500, 1000, 2000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--naive", type=int, default=20, help="services for the comparison; 0 leaves it out")
    parser.add_argument("--plot", type=pathlib.Path, help="draw cost against size into this file (SVG or PNG)")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    rows = []
    print(
        f"{'services':>8} {'pods':>6} {'policies':>8} {'read s':>8} {'difference s':>12} {'with mends s':>12} {'peak MB':>8}"
    )
    for size in options.sizes:
        runs = [in_own_process(size) for _run in range(options.repeat)]
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rows.append(row)
        print(
            f"{size:>8} {row['pods']:>6.0f} {row['policies']:>8.0f} {row['read']:>8.2f} {row['difference']:>12.2f} "
            f"{row['with suggestions']:>12.2f} {row['peak MB']:>8.0f}",
            flush=True,
        )
    exponents = {what: exponent(rows, what) for what in COSTS} if len(rows) > 1 else {}
    if exponents:
        print("grows as size to the power of: " + ", ".join(f"{what} {power:.2f}" for what, power in exponents.items()))
    comparison = None
    if options.naive:
        comparison = compared_with_naive(options.naive)
        print(
            f"one connection at a time, {comparison['pods']} pods, {comparison['connections']} connections on three ports: "
            f"{comparison['naive']:.2f} s; the engine, on every port: {comparison['engine']:.3f} s "
            f"({comparison['naive'] / comparison['engine']:.0f} times as fast)"
        )
    if options.plot:
        importlib.import_module("cost_plot").draw(rows, exponents, options.plot)
    if options.json:
        options.json.write_text(
            json.dumps({"sizes": rows, "exponents": exponents, "naive": comparison}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
