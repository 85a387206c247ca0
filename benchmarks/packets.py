# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many connections a second the verification tries with real packets, and how many cyclonus does on the same pods.

    python benchmarks/packets.py --kubeconfig FILE [--services 40] [--repeat 3] [--lab NAME] [--cyclonus PATH] [--json FILE]

It needs a lab that is booted (make up, or the playbook lab alone). It makes namespaces of five services each. A service is one idle
pod that listens on two ports, and a Service before it; everything is denied but the name servers and, for each service, one port of
three others. Every ordered pair of services on both ports, at the pod's address and at the Service's, is a connection, and most of
them are closed.

The verification is the whole of what the module does: it reads the pods, sends the packets, judges the policies, and makes the
report. Of cyclonus (github.com/mattfenwick/cyclonus, which is no part of this collection) only the time in which it probes counts.
It runs with a timeout of 1 s and as it comes (10 s), each time once for the pods' addresses and once for the Services', on these very
pods; its connections are the same, and those of each pod to itself. As it comes it takes long, so it looks at the first namespaces
only: nearly every connection is closed and waits for its timeout, whatever their number.

With the name of the lab it also tells the processor seconds of a verification, by the lab's control groups: where the time goes, and
what remains comparable on a machine that is busy with something else.

All that was made is deleted in the end, also after an error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import processor
from checkout import default_options, module_utils

SERVICES_OF_A_NAMESPACE = 5
CALLS = 3
PORTS = (8080, 9090)
# A destination's addresses, as cyclonus calls them: its pod's, and that of the Service before it.
WAYS = ("pod-ip", "service-ip")
PATIENCE = 180
# As long as it is looked at what the lab uses while nothing is asked of it.
IDLE = 10.0
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# Cyclonus runs its client in the container of this name.
CONTAINER = f"cont-{PORTS[0]}-tcp"
Object = dict[str, Any]


class Platform:
    """Services that call each other, as pods and policies, and what should be open between them."""

    def __init__(self, services: int, seed: int = 1) -> None:
        chance = random.Random(seed)  # noqa: S311  (a platform by chance is no secret)
        self.namespaces = [f"packets-{number}" for number in range(services // SERVICES_OF_A_NAMESPACE)]
        self.names = [f"s{number}" for number in range(SERVICES_OF_A_NAMESPACE)]
        self.services = [(namespace, name) for namespace in self.namespaces for name in self.names]
        self.calls = {
            service: chance.sample([other for other in self.services if other != service], CALLS)
            for service in self.services
        }

    def policies(self) -> list[Object]:
        dns = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, **_in_namespace("kube-system")}
        dns_ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        found = []
        for namespace in self.namespaces:
            found += [
                _policy(namespace, "default-deny", {}, ingress=[], egress=[]),
                _policy(namespace, "allow-dns", {}, egress=[{"to": [dns], "ports": dns_ports}]),
            ]
        for service, called in self.calls.items():
            namespace, name = service
            callers = [other for other in self.services if service in self.calls[other]]
            ports = [{"port": PORTS[0]}]
            ingress = [{"from": [_peer(other) for other in callers], "ports": ports}] if callers else []
            egress = [{"to": [_peer(other) for other in called], "ports": ports}]
            found.append(_policy(namespace, name, {"pod": name}, ingress=ingress, egress=egress))
        return found

    def pods(self, image: str) -> list[Object]:
        return [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": {"pod": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {
                            "name": CONTAINER,
                            "image": image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["/agnhost", "porter"],
                            "env": [{"name": f"SERVE_PORT_{port}", "value": "idle"} for port in PORTS],
                            "ports": [{"containerPort": port} for port in PORTS],
                        }
                    ],
                },
            }
            for namespace, name in self.services
        ]

    def services_before(self) -> list[Object]:
        """The Kubernetes objects of that kind."""
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {
                    "selector": {"pod": name},
                    "ports": [{"name": f"port-{port}", "port": port} for port in PORTS],
                },
            }
            for namespace, name in self.services
        ]

    def options(self, image: str) -> Object:
        """Of the module."""
        workloads = [
            {
                "name": name,
                "namespace": namespace,
                "selector": {"pod": name},
                "listens": [{"name": f"port-{port}", "port": port} for port in PORTS],
            }
            for namespace, name in self.services
        ]
        connections = [
            {
                "source": "/".join(source),
                "destination": "/".join(destination),
                "port": port,
                "allowed": port == PORTS[0] and destination in self.calls[source],
            }
            for source in self.services
            for destination in self.services
            if source != destination
            for port in PORTS
        ]
        return {"workloads": workloads, "connections": connections, "prober_image": image}


def _in_namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}


def _peer(service: tuple[str, str]) -> Object:
    return {"podSelector": {"matchLabels": {"pod": service[1]}}, **_in_namespace(service[0])}


def _policy(namespace: str, name: str, labels: dict[str, str], **directions: list[Object]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": [direction.capitalize() for direction in directions],
            **directions,
        },
    }


@dataclass
class Measured:
    """One line of the table."""

    what: str
    connections: int
    seconds: list[float] = field(default_factory=list)
    remark: str = ""
    processor: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.connections / statistics.median(self.seconds)


class Lab:
    """The lab's API, with the objects of the benchmark on it."""

    def __init__(self, kubeconfig: str) -> None:
        client = module_utils("_kubernetes_client")
        self.kubeconfig = kubeconfig
        self.client = client.KubernetesClient.from_options({"kubeconfig": kubeconfig})
        self.together = client.together

    def image(self, name: str) -> str:
        """An image of the lab, by its name without registry and tag."""
        for node in self.client.list("/api/v1/nodes"):
            for image in node["status"].get("images") or []:
                for reference in image.get("names") or []:
                    if re.fullmatch(rf"lab\.local/azora/{name}:\w+", reference):
                        return str(reference)
        raise SystemExit(f"No node of this lab has the image {name}; give one with an option.")

    @contextmanager
    def carrying(self, platform: Platform, image: str) -> Iterator[None]:
        try:
            self.create("/api/v1/namespaces", [_namespace(name) for name in platform.namespaces])
            account = {"field_selector": "metadata.name=default"}
            wait(lambda: set(platform.namespaces) <= self.namespaces_of("/api/v1/serviceaccounts", **account))
            for policy in platform.policies():
                namespace = policy["metadata"]["namespace"]
                self.create(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", [policy])
            pods = platform.pods(image)
            for kind, objects in (("services", platform.services_before()), ("pods", pods)):
                self.together(
                    [self.creating(f"/api/v1/namespaces/{one['metadata']['namespace']}/{kind}", one) for one in objects]
                )
            wait(lambda: self.ready(platform) == len(pods))
            yield
        finally:
            self.delete(platform.namespaces)

    def create(self, path: str, objects: Sequence[Object]) -> None:
        self.together([self.creating(path, one) for one in objects])

    def creating(self, path: str, one: Object) -> Callable[[], Object]:
        return lambda: self.client.create(path, one)

    def namespaces_of(self, path: str, **selectors: str) -> set[str]:
        return {one["metadata"]["namespace"] for one in self.client.list(path, **selectors)}

    def ready(self, platform: Platform) -> int:
        conditions = [
            condition
            for pod in self.client.list("/api/v1/pods", label_selector="pod")
            if pod["metadata"]["namespace"] in platform.namespaces
            for condition in pod.get("status", {}).get("conditions") or []
        ]
        return sum(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def delete(self, namespaces: Sequence[str]) -> None:
        kubernetes: Any = importlib.import_module("kubernetes")
        api = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(self.kubeconfig))
        standing = {one["metadata"]["name"] for one in self.client.list("/api/v1/namespaces")} & set(namespaces)
        for name in sorted(standing):
            api.delete_namespace(name)
        wait(lambda: not {one["metadata"]["name"] for one in self.client.list("/api/v1/namespaces")} & standing)


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"The lab did not get there within {PATIENCE} s.")
        time.sleep(0.5)


def verification(lab: Lab, options: Object, repeat: int, used: Callable[[], dict[str, float]]) -> Measured:
    """The module's own code, from its options to its result."""
    verify = module_utils("_verification")
    # Bare pods, so there is nothing around them to look at.
    defaults = {**default_options("verify"), "checks": ["probes", "connectivity", "policies"]}
    measured = Measured("verification", len(options["connections"]) * len(WAYS))
    idle = processor.rates(used, IDLE) if used() else {}
    for _run in range(repeat):
        before, begun = used(), time.perf_counter()
        outcome = verify.verify(lab.client, verify.order_from({**defaults, **options}, look_only=False))
        measured.seconds.append(time.perf_counter() - begun)
        measured.processor.append(processor.above(idle, before, used(), measured.seconds[-1]))
        summary = outcome["summary"]
        measured.remark = f"{summary['open']} open, {summary['blocked']} blocked, {summary['mismatches']} mismatches"
        for mismatch in outcome["mismatches"][:5]:
            print(f"  {mismatch['sentence']}")
    return measured


def cyclonus(program: str, lab: Lab, platform: Platform, parts: int, timeout: int | None) -> Measured:
    """`cyclonus probe` on the pods of the first namespaces, way by way; without a timeout, as it comes."""
    namespaces = platform.namespaces[: parts or None]
    what = f"cyclonus, timeout {timeout} s" if timeout else "cyclonus as it comes"
    measured = Measured(what, (len(namespaces) * len(platform.names)) ** 2 * len(PORTS) * len(WAYS))
    probed = [_probed(program, lab, platform.names, namespaces, way=way, timeout=timeout) for way in WAYS]
    measured.seconds.append(sum(seconds for seconds, _wrong, _pairs in probed))
    wrong, pairs = sum(one[1] for one in probed), sum(one[2] for one in probed)
    part = f"{len(namespaces)} of {len(platform.namespaces)} namespaces"
    measured.remark = f"{part}: of {pairs} pairs of pods, {wrong} not as the policies say"
    return measured


def _probed(
    program: str, lab: Lab, names: Sequence[str], namespaces: Sequence[str], *, way: str, timeout: int | None
) -> tuple[float, int, int]:
    """The seconds in which it probed, and of how many pairs of pods how many were not as it expected."""
    arguments = [
        "probe",
        *("--server-namespace", ",".join(namespaces)),
        *("--server-pod", ",".join(names)),
        *("--server-port", ",".join(str(port) for port in PORTS)),
        *("--server-protocol", "TCP"),
        *("--probe-mode", way),
        "--ignore-loopback",
        *(["--job-timeout-seconds", str(timeout)] if timeout else []),
    ]
    process = subprocess.Popen(
        [program, *arguments],
        env={**os.environ, "KUBECONFIG": lab.kubeconfig},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines, begun, ended = [], 0.0, 0.0
    try:
        for line in process.stdout or ():
            lines.append(line)
            if "running kube probe on try" in line:
                begun = time.perf_counter()
            elif begun and not ended and "level=" not in line:
                ended = time.perf_counter()  # its report comes at once when all is probed
    finally:
        process.kill()
        process.wait()
    compared = re.search(r"(\d+) wrong, \d+ ignored, (\d+) correct", "".join(lines))
    if not ended or compared is None:
        raise SystemExit("Cyclonus did not probe:\n" + "".join(lines[-20:]))
    wrong, correct = (int(number) for number in compared.groups())
    return ended - begun, wrong, wrong + correct


def table(lines: Sequence[Measured]) -> list[str]:
    ours = lines[0].rate
    found = [f"{'what':<22} {'connections':>11} {'s':>8} {'a second':>9} {'ratio':>6}  result"]
    for line in lines:
        found.append(
            f"{line.what:<22} {line.connections:>11} {statistics.median(line.seconds):>8.1f} {line.rate:>9.1f} "
            f"{ours / line.rate:>6.1f}  {line.remark}"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--services", type=int, default=40, help=f"a multiple of {SERVICES_OF_A_NAMESPACE}")
    parser.add_argument("--repeat", type=int, default=3, help="verifications; their median counts")
    parser.add_argument("--server-image", help="with /agnhost in it; the lab's own by default")
    parser.add_argument("--prober-image", help="with python3 in it; the lab's own by default")
    parser.add_argument("--cyclonus", metavar="PATH", help="its program, to compare with")
    parser.add_argument("--part", type=int, default=2, help="namespaces for cyclonus as it comes; 0: all of them")
    parser.add_argument("--lab", metavar="NAME", help="the lab's name on this machine, for its processor seconds")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.services < SERVICES_OF_A_NAMESPACE or options.services % SERVICES_OF_A_NAMESPACE:
        parser.error(f"--services must be a multiple of {SERVICES_OF_A_NAMESPACE}")
    lab, platform = Lab(options.kubeconfig), Platform(options.services)
    with lab.carrying(platform, options.server_image or lab.image("agnhost")):
        prober = options.prober_image or lab.image("base")
        used = processor.Processor(options.lab).used if options.lab else dict
        lines = [verification(lab, platform.options(prober), options.repeat, used)]
        if options.cyclonus:
            lines.append(cyclonus(options.cyclonus, lab, platform, 0, 1))
            lines.append(cyclonus(options.cyclonus, lab, platform, options.part, None))
    print("\n".join(table(lines)))
    if options.lab:
        print(f"Seconds of each verification: {', '.join(f'{seconds:.1f}' for seconds in lines[0].seconds)}")
        print("\n".join(processor.table(lines[0].processor, len(platform.services))))
    if not options.cyclonus:
        print("Nothing to compare with: give cyclonus with --cyclonus PATH.")
    if options.json:
        found = [{**vars(line), "a second": line.rate} for line in lines]
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
