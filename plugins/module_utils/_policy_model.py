# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What judging reachability is about: pods, policies, rules, peers and ports, read once and checked, without any evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union

PROTOCOLS = ("TCP", "UDP", "SCTP")
FIRST_PORT, LAST_PORT = 1, 65535

INGRESS, EGRESS = "ingress", "egress"
DIRECTIONS = (EGRESS, INGRESS)
ALLOW, DENY, PASS = "Allow", "Deny", "Pass"
# In the order in which they decide.
ADMIN, NAMESPACED, BASELINE = "Admin", "NetworkPolicy", "Baseline"

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


class PolicyInputError(ValueError):
    """What was given cannot be judged; each mistake is one sentence for people, and all of them are told at once."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = list(mistakes)


class Requirement(NamedTuple):
    """One condition on a label; matchLabels are written as In with one value."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


# Every requirement must hold, so the empty selector selects everything.
Selector = tuple[Requirement, ...]
# On one line of addresses, IPv4 before IPv6 (see _policy_addresses): first and last, sorted and apart.
Ranges = tuple[tuple[int, int], ...]


class PortRange(NamedTuple):
    """Ports of one protocol, by its place in PROTOCOLS."""

    protocol: int
    first: int
    last: int


Ports = tuple[PortRange, ...]
ALL_PORTS: Ports = tuple(PortRange(protocol, FIRST_PORT, LAST_PORT) for protocol in range(len(PROTOCOLS)))


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port by the name that the receiving pod gives it; no protocol means whichever the pod says."""

    name: str
    protocol: int | None = None


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one namespace, or of the namespaces that a selector matches."""

    pods: Selector
    namespaces: Selector = ()
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Whatever has one of these addresses, pods included."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Nodes:
    """The addresses of nodes, by the nodes' labels."""

    nodes: Selector


@dataclass(frozen=True, slots=True)
class Unknowable:
    """A peer that no object tells: domain names."""

    what: str


Peer = Union[Pods, Addresses, Nodes, Unknowable]  # noqa: UP007  (evaluated at run time)


@dataclass(frozen=True, slots=True)
class Rule:
    """No peers (None) means everybody and no ports (None) means every port; an empty tuple of peers matches nobody."""

    path: str
    action: str = ALLOW
    peers: tuple[Peer, ...] | None = None
    ports: tuple[PortRange | NamedPort, ...] | None = None
    name: str = ""

    @property
    def title(self) -> str:
        return f'{self.path} "{self.name}"' if self.name else self.path


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of any of the kinds; `isolates` is empty for those that close nothing by selecting a pod."""

    kind: str
    namespace: str
    name: str
    tier: str
    priority: int
    subject: Pods | None
    rules: Mapping[str, tuple[Rule, ...]]
    isolates: frozenset[str] = frozenset()
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def identity(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def place(self) -> tuple[str, str, str]:
        return self.kind, self.namespace, self.name


class ContainerPort(NamedTuple):
    name: str
    protocol: int
    number: int


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or what a template says of the pods it will make: then without address and node."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    owner: tuple[str, str]
    ports: tuple[ContainerPort, ...] = ()
    addresses: tuple[int, ...] = ()
    node: str = ""
    host_network: bool = False
    template: bool = False
    # Of templates: how many pods there may be, and the labels that select them.
    several: bool = False
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    labels: Mapping[str, str]
    addresses: tuple[int, ...]


@dataclass(slots=True)
class Inventory:
    """Everything that was read."""

    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    # Where pods without an address will get theirs from, if that is known.
    pod_networks: Ranges = ()
    not_judged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
