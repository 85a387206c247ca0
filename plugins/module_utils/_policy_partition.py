# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Groups of pods, and of addresses outside the cluster, that no policy tells apart; sets of groups are the bits of one number.

Two pods of a workload are one group if every label that any selector asks for, every port name that any rule uses, and every block
of addresses that any rule names treats them alike. So a platform of thousands of pods becomes as many groups as it has workloads,
and a set operation over all of them is one operation on integers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import (
    EVERYTHING,
    AddressLine,
    family,
    joined,
    within,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import identity_of
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    Addresses,
    ContainerPort,
    Inventory,
    NamedPort,
    Nodes,
    Peer,
    Pod,
    Pods,
    Policy,
    Ranges,
    Selector,
    Unknowable,
)

# Below this many members taking bit by bit is faster than writing the number out.
FEW = 12


def members(bits: int) -> Iterator[int]:
    """The places of the bits that are set."""
    if bits.bit_count() <= FEW:
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low
        return
    digits = bin(bits)[:1:-1]
    place = digits.find("1")
    while place >= 0:
        yield place
        place = digits.find("1", place + 1)


def bits_of(places: Iterable[int]) -> int:
    found = 0
    for place in places:
        found |= 1 << place
    return found


class LabelIndex:
    """Which of many sets of labels a selector matches, without looking at each."""

    def __init__(self, entries: Sequence[Mapping[str, str]]) -> None:
        self.every = (1 << len(entries)) - 1
        self._pairs: dict[tuple[str, str], int] = {}
        self._keys: dict[str, int] = {}
        for place, labels in enumerate(entries):
            bit = 1 << place
            for key, value in labels.items():
                self._pairs[key, value] = self._pairs.get((key, value), 0) | bit
                self._keys[key] = self._keys.get(key, 0) | bit

    def matching(self, selector: Selector) -> int:
        found = self.every
        for key, operator, values in selector:
            if operator in ("In", "NotIn"):
                having = 0
                for value in values:
                    having |= self._pairs.get((key, value), 0)
            else:
                having = self._keys.get(key, 0)
            # NotIn also holds where the label is missing.
            found &= having if operator in ("In", "Exists") else ~having
        return found


@dataclass(slots=True)
class Group:
    """Pods of one workload that nothing tells apart, or addresses outside that nothing tells apart."""

    workload: str
    pods: list[int]
    ranges: Ranges = ()
    host_network: bool = False
    node: str = ""
    # Whether one pod of the group may talk to another of it.
    several: bool = False


class Partition:
    """The groups of an inventory under the given policies, and how peers, names and blocks select among them."""

    def __init__(
        self,
        inventory: Inventory,
        policies: Iterable[Policy],
        cuts: Iterable[Ranges] = (),
        names: Iterable[str] = (),
    ) -> None:
        """Addresses are also told apart at the given cuts, and pods by the ports they have by the given names."""
        self.inventory = inventory
        asked = _Asked(policies)
        asked.names.update(names)
        own = Addresses(inventory.pod_networks)
        self._cuts = [Addresses(joined(ranges)) for ranges in cuts] + ([own] if own.ranges else [])
        self._namespaces = LabelIndex(list(inventory.namespaces.values()))
        self._blocks: dict[Peer, int] = {}
        ranges: list[Ranges] = []
        for peer in [*asked.blocks, *self._cuts]:
            if peer not in self._blocks:
                self._blocks[peer] = len(ranges)
                ranges.append(self._ranges_of(peer))
        self._line = AddressLine(ranges)
        # What lies in the networks of the pods is not outside, whether a pod has that address or not.
        self._inside = 1 << self._blocks[own] if own.ranges else 0
        self._unplaced = _unplaced_blocks(ranges, inventory.pod_networks)
        self.groups: list[Group] = []
        self.group_of_pod: list[int] = []
        self._labels: list[Mapping[str, str]] = []
        self._ports: list[tuple[ContainerPort, ...]] = []
        self._blocks_of: list[int] = []
        self._gather_pods(asked)
        self._gather_outside()
        self._index()
        self._peers: dict[Peer, int] = {}

    # --- Groups

    def _gather_pods(self, asked: _Asked) -> None:
        known: dict[object, int] = {}
        # What a node's own traffic may do depends on the node, so then pods on different nodes differ.
        by_node = bool(self.inventory.nodes) or any(pod.host_network for pod in self.inventory.pods)
        for number, pod in enumerate(self.inventory.pods):
            labels = asked.labels_of(pod)
            ports = tuple(port for port in pod.ports if port.name in asked.names)
            blocks = self._blocks_at(pod)
            workload = identity_of(pod)
            key = (workload, labels, ports, blocks, pod.host_network, pod.node if by_node else "")
            place = known.get(key)
            if place is None:
                place = known[key] = len(self.groups)
                self.groups.append(Group(workload, [], host_network=pod.host_network, node=pod.node if by_node else ""))
                self._labels.append(dict(labels))
                self._ports.append(ports)
                self._blocks_of.append(blocks)
            group = self.groups[place]
            group.several = group.several or pod.several or bool(group.pods)
            group.pods.append(number)
            self.group_of_pod.append(place)

    def _blocks_at(self, pod: Pod) -> int:
        if not pod.addresses:
            return self._unplaced
        blocks = 0
        for place in pod.addresses:
            blocks |= self._line.blocks_of(place)
        return blocks

    def _gather_outside(self) -> None:
        alike: dict[tuple[int, int], list[tuple[int, int]]] = {}
        own = pod_addresses(self.inventory)
        for first, last, blocks in self._line.pieces():
            if blocks & self._inside or nothing_but(own, first, last):
                continue
            alike.setdefault((family(first), blocks), []).append((first, last))
        for (_version, blocks), pieces in alike.items():
            self.groups.append(Group("", [], ranges=joined(pieces)))
            self._blocks_of.append(blocks)

    def _index(self) -> None:
        pods = len(self._labels)
        self.count = len(self.groups)
        self.every = (1 << self.count) - 1
        self.pods = (1 << pods) - 1
        self.outside = self.every & ~self.pods
        self.hosts = bits_of(place for place in range(pods) if self.groups[place].host_network)
        # Policies select pods by labels only where the pods have a network of their own.
        self.selectable = self.pods & ~self.hosts
        self._index_of_labels = LabelIndex(self._labels)
        self.of_workload: dict[str, int] = {}
        self._of_namespace: dict[str, int] = {}
        self._on_node: dict[str, int] = {}
        self._named: dict[ContainerPort, int] = {}
        for place in range(pods):
            group, bit = self.groups[place], 1 << place
            pod = self.inventory.pods[group.pods[0]]
            self.of_workload[group.workload] = self.of_workload.get(group.workload, 0) | bit
            self._of_namespace[pod.namespace] = self._of_namespace.get(pod.namespace, 0) | bit
            if group.node:
                self._on_node[group.node] = self._on_node.get(group.node, 0) | bit
            for port in self._ports[place]:
                self._named[port] = self._named.get(port, 0) | bit
        self._in_block = [0] * len(self._blocks)
        for place, blocks in enumerate(self._blocks_of):
            for block in members(blocks):
                self._in_block[block] |= 1 << place
        self._namespace_bits = [self._of_namespace.get(name, 0) for name in self.inventory.namespaces]

    # --- Selection

    @property
    def has_blocks(self) -> bool:
        return bool(self._blocks)

    def selected(self, pods: Pods | None, among: int | None = None) -> int:
        """The groups that a subject or a peer of pods selects."""
        if pods is None:
            return 0
        if pods.namespace is not None:
            within_namespaces = self._of_namespace.get(pods.namespace, 0)
        elif not pods.namespaces:
            within_namespaces = self.pods
        else:
            within_namespaces = 0
            for place in members(self._namespaces.matching(pods.namespaces)):
                within_namespaces |= self._namespace_bits[place]
        if not within_namespaces:
            return 0
        able = self.selectable if among is None else among
        return within_namespaces & self._index_of_labels.matching(pods.pods) & able

    def matched(self, peer: Peer) -> int:
        found = self._peers.get(peer)
        if found is None:
            if isinstance(peer, Unknowable):
                found = 0
            else:
                found = self.selected(peer) if isinstance(peer, Pods) else self._in_block[self._blocks[peer]]
            self._peers[peer] = found
        return found

    def at(self, ranges: Ranges) -> int:
        """The groups outside that have some of these addresses; exactly these, if the ranges were among the cuts."""
        cut = self._blocks.get(Addresses(joined(ranges)))
        if cut is not None:
            return self._in_block[cut] & self.outside
        return bits_of(
            place
            for place in range(len(self._labels), self.count)
            if any(first <= high and low <= last for first, last in ranges for low, high in self.groups[place].ranges)
        )

    def ports_named(self, port: NamedPort) -> list[tuple[int, int, int]]:
        """Where a name of a port leads: protocol, number, and the groups whose pods mean that by it."""
        return [
            (found.protocol, found.number, groups)
            for found, groups in self._named.items()
            if found.name == port.name and port.protocol in (None, found.protocol)
        ]

    def neighbours(self, place: int, *, hosts: bool) -> int:
        """The groups on the same node: those of the host's network, or the pods with one of their own."""
        node = self.groups[place].node
        on_node = self._on_node.get(node, 0) if node else 0
        return on_node & (self.hosts if hosts else self.selectable)

    def _ranges_of(self, peer: Peer) -> Ranges:
        if isinstance(peer, Addresses):
            return peer.ranges
        if isinstance(peer, Nodes):
            nodes = self.inventory.nodes
            chosen = LabelIndex([node.labels for node in nodes]).matching(peer.nodes)
            return joined([(place, place) for number in members(chosen) for place in nodes[number].addresses])
        return ()


def pod_addresses(inventory: Inventory) -> list[int]:
    """The addresses of pods that have one of their own, sorted."""
    return sorted({place for pod in inventory.pods if not pod.host_network for place in pod.addresses})


def nothing_but(places: Sequence[int], first: int, last: int) -> bool:
    """Whether the range has no address that is not one of the sorted places: then it is no outside."""
    return bisect_right(places, last) - bisect_left(places, first) == last - first + 1


class _Asked:
    """All that the policies ask of pods and addresses; whatever they do not ask for cannot tell anything apart."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.names: set[str] = set()
        self.blocks: dict[Peer, None] = {}
        self._values: dict[str, set[str]] = {}
        seen: set[Selector] = set()
        for policy in policies:
            self._pods(policy.subject, seen)
            for rules in policy.rules.values():
                for rule in rules:
                    for peer in rule.peers or ():
                        if isinstance(peer, Pods):
                            self._pods(peer, seen)
                        elif not isinstance(peer, Unknowable):
                            self.blocks[peer] = None
                    self.names.update(port.name for port in rule.ports or () if isinstance(port, NamedPort))

    def _pods(self, pods: Pods | None, seen: set[Selector]) -> None:
        if pods is None or pods.pods in seen:
            return
        seen.add(pods.pods)
        for key, _operator, values in pods.pods:
            self._values.setdefault(key, set()).update(values)

    def labels_of(self, pod: Pod) -> frozenset[tuple[str, str]]:
        """The pod's labels as the selectors see them: of a value that none names, only that it is there."""
        found = []
        for key, value in pod.labels.items():
            values = self._values.get(key)
            if values is not None:
                # No label can have this value, so it stands for every other one.
                found.append((key, value if value in values else "\0"))
        return frozenset(found)


def _unplaced_blocks(blocks: Sequence[Ranges], pod_networks: Ranges) -> int:
    """The blocks that have a pod whose address is not known: those around all of its possible addresses of one family."""
    possible = [
        tuple(bounds for bounds in pod_networks if family(bounds[0]) == version) or (() if pod_networks else everything)
        for version, everything in EVERYTHING.items()
    ]
    return bits_of(
        number
        for number, ranges in enumerate(blocks)
        if any(networks and within(networks, ranges) for networks in possible)
    )
