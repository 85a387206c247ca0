# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The situations of the Kubernetes project's end-to-end tests of NetworkPolicy, as data.

Three namespaces x, y, z; in each the pods a, b, c, which serve ports 80 and 81 over TCP, UDP and SCTP under names such as
serve-80-tcp. A situation is a list of steps, each with all the policies that stand then, and with what is true then: for a protocol
and a port everything is open except as the lines say, from first to last; a line is "sources > destinations" with * for any.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Object = dict[str, Any]

NAMESPACES = ("x", "y", "z")
PODS = ("a", "b", "c")
ADDRESS = {
    (namespace, pod): f"10.1.{NAMESPACES.index(namespace)}.{PODS.index(pod) + 1}"
    for namespace in NAMESPACES
    for pod in PODS
}


class Probe(NamedTuple):
    protocol: str
    port: int
    closed: tuple[str, ...] = ()
    # Exceptions from what is closed.
    open: tuple[str, ...] = ()


class Step(NamedTuple):
    policies: list[Object]
    probes: list[Probe]
    # Labels that were changed, of pods ("x/a") and namespaces ("y").
    labels: dict[str, dict[str, str]] = {}


def policy(name: str, pods: Object | None = None, *, types: list[str] | None = None, **rules: list[Object]) -> Object:
    """A NetworkPolicy in namespace x, where nearly all of them are."""
    namespace = rules.pop("namespace", "x")
    spec: Object = {"podSelector": pods or {}, **rules}
    spec["policyTypes"] = types or [direction.capitalize() for direction in rules]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def named(*names: str) -> Object:
    """Pods by their own label."""
    if len(names) == 1:
        return {"matchLabels": {"pod": names[0]}}
    return {"matchExpressions": [{"key": "pod", "operator": "In", "values": list(names)}]}


def namespace(*names: str, key: str = "ns") -> Object:
    if len(names) == 1:
        return {"matchLabels": {key: names[0]}}
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(names)}]}


def other_namespaces(name: str, key: str = "ns") -> Object:
    return {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [name]}]}


A = named("a")
NONE: list[Object] = []
ANY: list[Object] = [{}]
TCP80, TCP81 = ("TCP", 80), ("TCP", 81)


def block(cidr: str, *holes: str) -> Object:
    return {"ipBlock": {"cidr": cidr, "except": list(holes)}}


def own(name: str) -> str:
    """The address of a pod as a CIDR."""
    owner, pod = name.split("/")
    return f"{ADDRESS[owner, pod]}/32"


def _isolation(protocol: str) -> list[Step]:
    probes = [Probe(protocol, port, ("* > x/*",)) for port in (80, 81)]
    return [Step([policy("deny", ingress=NONE)], probes)]


def _by_port(protocol: str) -> list[Step]:
    rule = {"from": [{"namespaceSelector": namespace("y")}], "ports": [{"protocol": protocol, "port": 81}]}
    others = [Probe(other, 81, ("* > x/a",)) for other in ("TCP", "UDP", "SCTP") if other != protocol]
    return [
        Step(
            [policy("from-y-on-81", A, ingress=[rule])],
            [
                Probe(protocol, 81, ("x/* > x/a", "z/* > x/a")),
                Probe(protocol, 80, ("* > x/a",)),
                *others,
            ],
        )
    ]


def _one_pod_elsewhere(protocol: str) -> list[Step]:
    peer = {"namespaceSelector": namespace("y"), "podSelector": A}
    return [
        Step([policy("from-y-a", A, ingress=[{"from": [peer]}])], [Probe(protocol, 80, ("* > x/a",), ("y/a > x/a",))])
    ]


ALLOW_80_FROM_Y = policy(
    "y-80", A, ingress=[{"from": [{"namespaceSelector": namespace("y")}], "ports": [{"protocol": "TCP", "port": 80}]}]
)
ALLOW_81_FROM_Y = policy(
    "y-81", A, ingress=[{"from": [{"namespaceSelector": namespace("y")}], "ports": [{"protocol": "TCP", "port": 81}]}]
)

SITUATIONS: dict[str, list[Step]] = {
    "TCP: nothing comes in to a namespace that denies by default": _isolation("TCP"),
    "TCP: nothing comes in or goes out where both are denied": [
        Step(
            [policy("deny", ingress=NONE, egress=NONE)],
            [Probe("TCP", port, ("* > x/*", "x/* > *")) for port in (80, 81)],
        )
    ],
    "a pod of the same namespace is let in by its label": [
        Step(
            [policy("from-b", A, ingress=[{"from": [{"podSelector": named("b")}]}])],
            [Probe(*TCP80, ("* > x/a",), ("x/b > x/a",))],
        )
    ],
    "everybody is let in to one pod of a closed namespace": [
        Step(
            [
                policy("deny", ingress=NONE),
                policy("to-a", A, ingress=[{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]),
            ],
            [Probe(*TCP80, ("* > x/b", "* > x/c"))],
        )
    ],
    "pods of all namespaces are let in": [
        Step([policy("from-all", A, ingress=[{"from": [{"namespaceSelector": {"matchLabels": {}}}]}])], [Probe(*TCP80)])
    ],
    "only another namespace is let in": [
        Step(
            [policy("from-y", A, ingress=[{"from": [{"namespaceSelector": namespace("y")}]}])],
            [Probe(*TCP80, ("x/* > x/a", "z/* > x/a"))],
        )
    ],
    "pods by an expression": [
        Step(
            [
                policy(
                    "from-b",
                    A,
                    ingress=[
                        {
                            "from": [
                                {
                                    "podSelector": {
                                        "matchExpressions": [{"key": "pod", "operator": "In", "values": ["b"]}]
                                    }
                                }
                            ]
                        }
                    ],
                )
            ],
            [Probe(*TCP80, ("* > x/a",), ("x/b > x/a",))],
        )
    ],
    "namespaces by an expression": [
        Step(
            [
                policy(
                    "from-y",
                    A,
                    ingress=[
                        {
                            "from": [
                                {
                                    "namespaceSelector": {
                                        "matchExpressions": [{"key": "ns", "operator": "In", "values": ["y"]}]
                                    }
                                }
                            ]
                        }
                    ],
                )
            ],
            [Probe(*TCP80, ("x/* > x/a", "z/* > x/a"))],
        )
    ],
    "pods of this namespace, or any pod of others": [
        Step(
            [
                policy(
                    "b-or-elsewhere",
                    A,
                    ingress=[{"from": [{"namespaceSelector": other_namespaces("x")}, {"podSelector": named("b")}]}],
                )
            ],
            [Probe(*TCP80, ("x/c > x/a",))],
        )
    ],
    "pods that are both so called and elsewhere": [
        Step(
            [
                policy(
                    "b-elsewhere",
                    A,
                    ingress=[{"from": [{"namespaceSelector": other_namespaces("x"), "podSelector": named("b")}]}],
                )
            ],
            [Probe(*TCP80, ("* > x/a",), ("y/b > x/a", "z/b > x/a"))],
        )
    ],
    "several pods in several namespaces": [
        Step(
            [
                policy(
                    "b-c-elsewhere",
                    A,
                    ingress=[{"from": [{"namespaceSelector": other_namespaces("x"), "podSelector": named("b", "c")}]}],
                )
            ],
            [Probe(*TCP80, ("x/* > x/a", "y/a > x/a", "z/a > x/a"))],
        )
    ],
    "several peers in one rule": [
        Step(
            [policy("b-c", A, ingress=[{"from": [{"podSelector": named("b")}, {"podSelector": named("c")}]}])],
            [Probe(*TCP80, ("* > x/a",), ("x/b > x/a", "x/c > x/a"))],
        )
    ],
    "TCP: one pod of another namespace": _one_pod_elsewhere("TCP"),
    "TCP: one port": _by_port("TCP"),
    "policies that overlap add up": [
        Step([ALLOW_81_FROM_Y], [Probe(*TCP81, ("x/* > x/a", "z/* > x/a")), Probe(*TCP80, ("* > x/a",))]),
        Step(
            [ALLOW_81_FROM_Y, ALLOW_80_FROM_Y],
            [Probe(*TCP81, ("x/* > x/a", "z/* > x/a")), Probe(*TCP80, ("x/* > x/a", "z/* > x/a"))],
        ),
    ],
    "a policy that allows everything closes nothing": [
        Step([policy("all", ingress=ANY)], [Probe(*TCP80), Probe(*TCP81), Probe("UDP", 80), Probe("SCTP", 81)])
    ],
    "a port by its name, for everybody": [
        Step(
            [policy("named", ingress=[{"ports": [{"port": "serve-81-tcp"}]}])],
            [Probe(*TCP81), Probe(*TCP80, ("* > x/*",)), Probe("UDP", 81, ("* > x/*",))],
        )
    ],
    "a port by its name, for one namespace": [
        Step(
            [
                policy(
                    "named",
                    A,
                    ingress=[
                        {
                            "from": [{"namespaceSelector": namespace("y")}],
                            "ports": [{"protocol": "TCP", "port": "serve-80-tcp"}],
                        }
                    ],
                )
            ],
            [Probe(*TCP80, ("x/* > x/a", "z/* > x/a")), Probe(*TCP81, ("* > x/a",))],
        )
    ],
    "a port by its name, on the way out": [
        Step(
            [policy("named", egress=[{"ports": [{"port": "serve-80-tcp"}]}])],
            [Probe(*TCP80), Probe(*TCP81, ("x/* > *",)), Probe("UDP", 80, ("x/* > *",))],
        )
    ],
    "a policy that is changed": [
        Step([policy("changing", ingress=ANY)], [Probe(*TCP81)]),
        Step([policy("changing", ingress=NONE)], [Probe(*TCP81, ("* > x/*",))]),
    ],
    "a namespace that gets the label": [
        Step(
            [policy("updated", A, ingress=[{"from": [{"namespaceSelector": namespace("updated", key="ns2")}]}])],
            [Probe(*TCP80, ("* > x/a",))],
        ),
        Step(
            [policy("updated", A, ingress=[{"from": [{"namespaceSelector": namespace("updated", key="ns2")}]}])],
            [Probe(*TCP80, ("* > x/a",), ("y/* > x/a",))],
            {"y": {"ns2": "updated"}},
        ),
    ],
    "a source that gets the label": [
        Step(
            [
                policy(
                    "updated",
                    A,
                    ingress=[{"from": [{"podSelector": {"matchLabels": {"pod": "b", "pod2": "updated"}}}]}],
                )
            ],
            [Probe(*TCP80, ("* > x/a",))],
        ),
        Step(
            [
                policy(
                    "updated",
                    A,
                    ingress=[{"from": [{"podSelector": {"matchLabels": {"pod": "b", "pod2": "updated"}}}]}],
                )
            ],
            [Probe(*TCP80, ("* > x/a",), ("x/b > x/a",))],
            {"x/b": {"pod2": "updated"}},
        ),
    ],
    "other namespaces are kept out": [
        Step(
            [policy("within", ingress=[{"from": [{"podSelector": {"matchLabels": {}}}]}])],
            [Probe(*TCP80, ("y/* > x/*", "z/* > x/*"))],
        )
    ],
    "a destination that gets the label": [
        Step([policy("isolated", {"matchLabels": {"target": "isolated"}}, ingress=NONE)], [Probe(*TCP80)]),
        Step(
            [policy("isolated", {"matchLabels": {"target": "isolated"}}, ingress=NONE)],
            [Probe(*TCP80, ("* > x/a",))],
            {"x/a": {"target": "isolated"}},
        ),
    ],
    "nothing leaves one pod": [Step([policy("quiet", A, egress=NONE)], [Probe(*TCP80, ("x/a > *",))])],
    "nothing leaves a namespace": [Step([policy("quiet", egress=NONE)], [Probe(*TCP80, ("x/* > *",))])],
    "both directions in one policy": [
        Step(
            [
                policy(
                    "both",
                    A,
                    ingress=[{"from": [{"podSelector": named("b")}]}],
                    egress=[{"ports": [{"port": 80}]}],
                )
            ],
            [
                Probe(*TCP80, ("* > x/a",), ("x/b > x/a",)),
                Probe(*TCP81, ("* > x/a", "x/a > *"), ("x/b > x/a",)),
            ],
        )
    ],
    "the source may not, though the destination would let it in": [
        Step(
            [
                policy("to-y-a", A, egress=[{"to": [{"namespaceSelector": namespace("y"), "podSelector": A}]}]),
                policy(
                    "from-x-a",
                    A,
                    namespace="y",
                    ingress=[{"from": [{"namespaceSelector": namespace("x"), "podSelector": A}]}],
                ),
                policy(
                    "b-from-x-a",
                    named("b"),
                    namespace="y",
                    ingress=[{"from": [{"namespaceSelector": namespace("x"), "podSelector": A}]}],
                ),
            ],
            [Probe(*TCP80, ("x/a > *", "* > y/a", "* > y/b"), ("x/a > y/a",))],
        )
    ],
    "only one pod of another namespace may be called": [
        Step(
            [policy("to-y-a", A, egress=[{"to": [{"namespaceSelector": namespace("y"), "podSelector": A}]}])],
            [Probe(*TCP80, ("x/a > *",), ("x/a > y/a",))],
        )
    ],
    "any port of one protocol": [
        Step(
            [policy("tcp", A, ingress=[{"ports": [{"protocol": "TCP"}]}])],
            [Probe(*TCP80), Probe(*TCP81), Probe("UDP", 80, ("* > x/a",)), Probe("SCTP", 80, ("* > x/a",))],
        )
    ],
    "coming in: what allows all outdoes what allows less": [
        Step([policy("80", ingress=[{"ports": [{"port": 80}]}])], [Probe(*TCP81, ("* > x/*",)), Probe(*TCP80)]),
        Step(
            [policy("80", ingress=[{"ports": [{"port": 80}]}]), policy("all", ingress=ANY)],
            [Probe(*TCP81), Probe(*TCP80)],
        ),
    ],
    "going out: what allows all outdoes what allows less": [
        Step([policy("80", egress=[{"ports": [{"port": 80}]}])], [Probe(*TCP81, ("x/* > *",)), Probe(*TCP80)]),
        Step(
            [policy("80", egress=[{"ports": [{"port": 80}]}]), policy("all", egress=ANY)],
            [Probe(*TCP81), Probe(*TCP80)],
        ),
    ],
    "policies that are deleted are gone": [
        Step([policy("deny", ingress=NONE, egress=NONE)], [Probe(*TCP80, ("x/* > *", "* > x/*"))]),
        Step([], [Probe(*TCP80)]),
    ],
    "going out to a block of addresses": [
        Step([policy("to-y-b", A, egress=[{"to": [block(own("y/b"))]}])], [Probe(*TCP80, ("x/a > *",), ("x/a > y/b",))])
    ],
    "going out to a block without a part of it": [
        Step(
            [policy("not-b", A, egress=[{"to": [block("10.1.0.0/24", own("x/b"))]}])],
            [Probe(*TCP80, ("x/a > *",), ("x/a > x/c",))],
        ),
        Step(
            [policy("not-b", A, egress=[{"to": [block("10.1.0.0/16", own("x/b"))]}])],
            [Probe(*TCP80, ("x/a > x/b",))],
        ),
    ],
    "an address that one block leaves out and another has": [
        Step(
            [policy("not-b", A, egress=[{"to": [block("10.1.0.0/16", own("x/b"))]}])], [Probe(*TCP80, ("x/a > x/b",))]
        ),
        Step(
            [
                policy("not-b", A, egress=[{"to": [block("10.1.0.0/16", own("x/b"))]}]),
                policy("b", A, egress=[{"to": [block(own("x/b"))]}]),
            ],
            [Probe(*TCP80)],
        ),
        Step([policy("not-b", A, egress=[{"to": [block(own("x/b"))]}])], [Probe(*TCP80, ("x/a > *",), ("x/a > x/b",))]),
    ],
    "each direction has its own policies": [
        Step([policy("out", A, egress=ANY)], [Probe(*TCP80)]),
        Step([policy("out", A, egress=ANY), policy("in", A, ingress=NONE)], [Probe(*TCP80, ("* > x/a",))]),
    ],
    "SCTP is not TCP": [
        Step(
            [policy("deny", ingress=NONE), policy("sctp", A, ingress=[{"ports": [{"protocol": "SCTP", "port": 81}]}])],
            [Probe(*TCP81, ("* > x/*",)), Probe("SCTP", 81, ("* > x/b", "* > x/c"))],
        )
    ],
    "a policy about SCTP isolates for TCP, too": [
        Step(
            [policy("sctp", A, ingress=[{"ports": [{"protocol": "SCTP", "port": 80}]}])],
            [Probe(*TCP81, ("* > x/a",)), Probe(*TCP80, ("* > x/a",)), Probe("SCTP", 80)],
        )
    ],
    "UDP is not TCP": [
        Step(
            [policy("udp", A, ingress=[{"ports": [{"protocol": "UDP", "port": 81}]}])],
            [Probe(*TCP81, ("* > x/a",)), Probe("UDP", 81)],
        )
    ],
    "a namespace by the label that the API server gives it": [
        Step(
            [
                policy(
                    "from-y",
                    A,
                    ingress=[{"from": [{"namespaceSelector": namespace("y", key="kubernetes.io/metadata.name")}]}],
                )
            ],
            [Probe(*TCP80, ("x/* > x/a", "z/* > x/a"))],
        )
    ],
    "all namespaces but one, by the label that the API server gives it": [
        Step(
            [
                policy(
                    "not-to-y",
                    A,
                    egress=[{"to": [{"namespaceSelector": other_namespaces("y", key="kubernetes.io/metadata.name")}]}],
                )
            ],
            [Probe(*TCP80, ("x/a > y/*",))],
        )
    ],
    "UDP: nothing comes in to a namespace that denies by default": _isolation("UDP"),
    "UDP: one port": _by_port("UDP"),
    "UDP: one pod of another namespace": _one_pod_elsewhere("UDP"),
    "SCTP: nothing comes in to a namespace that denies by default": _isolation("SCTP"),
    "SCTP: one port": _by_port("SCTP"),
    "SCTP: one pod of another namespace": _one_pod_elsewhere("SCTP"),
}


def objects_of(step: Step) -> list[Object]:
    found: list[Object] = []
    for name in NAMESPACES:
        labels = {"ns": name, **step.labels.get(name, {})}
        found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for pod in PODS:
            ports = [
                {"name": f"serve-{port}-{protocol.lower()}", "containerPort": port, "protocol": protocol}
                for port in (80, 81)
                for protocol in ("TCP", "UDP", "SCTP")
            ]
            found.append(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {
                        "name": pod,
                        "namespace": name,
                        "labels": {"pod": pod, **step.labels.get(f"{name}/{pod}", {})},
                    },
                    # As in the original, each port has a container of its own.
                    "spec": {"containers": [{"name": port["name"], "ports": [port]} for port in ports]},
                    "status": {"phase": "Running", "podIPs": [{"ip": ADDRESS[name, pod]}]},
                }
            )
    return [*found, *step.policies]


def truth(probe: Probe) -> dict[tuple[str, str], bool]:
    """The whole table: what each pod may do with each; with itself everything."""
    names = [f"{name}/{pod}" for name in NAMESPACES for pod in PODS]
    table = {(source, destination): True for source in names for destination in names}
    for lines, value in ((probe.closed, False), (probe.open, True)):
        for line in lines:
            sources, destinations = line.split(" > ")
            for source, destination in table:
                if _matches(source, sources) and _matches(destination, destinations):
                    table[source, destination] = value
    return {(source, destination): value or source == destination for (source, destination), value in table.items()}


def _matches(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.endswith("/*") and name.startswith(pattern[:-1]))
