# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What should be open: rows of an expected matrix, as people or the catalogue write them, over the groups of a partition.

The world is closed: between the ends that the rows name, whatever no row allows must be denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import EVERYTHING, text_of
from ansible_collections.azora.platform.plugins.module_utils._policy_connections import families
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import End, EndError, Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import Segment
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    PROTOCOLS,
    PolicyInputError,
    PortRange,
    Ports,
    Ranges,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Notes, Reader, shown

EXTERNAL = "external"
# How much of the world is closed: between the ends that rows name, or all of it.
DECLARED, CLUSTER = "declared", "cluster"


@dataclass(frozen=True)
class Row:
    source: End
    destination: End
    # By pod of the destination, where a port is given by name.
    ports: Mapping[int | None, Ports]
    allowed: bool
    because: str = ""

    @property
    def breadth(self) -> tuple[int, int, bool]:
        """To sort by: what is said of fewer addresses is an exception to what is said of more."""
        return -_size(self.source), -_size(self.destination), not self.allowed


def _size(end: End) -> int:
    return sum(last - first + 1 for first, last in end.ranges)


@dataclass
class Expectation:
    rows: list[Row] = field(default_factory=list)
    workloads: dict[str, None] = field(default_factory=dict)
    # Addresses outside, as sources and as destinations.
    outside: tuple[dict[str, End], dict[str, End]] = field(default_factory=lambda: ({}, {}))
    names: set[str] = field(default_factory=set)
    # The workloads of which also the pods among themselves are in the world.
    within: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    @property
    def cuts(self) -> list[Ranges]:
        return [end.ranges for ends in self.outside for end in ends.values()]


def expectation_from(given: Iterable[Any], ends: Ends, world: str = DECLARED) -> Expectation:
    """PolicyInputError with everything in the rows that cannot be understood."""
    notes = Notes()
    found = Expectation()
    said: dict[object, tuple[int, bool]] = {}
    for index, value in enumerate(given):
        reader = Reader(f"expected[{index}]", notes)
        row = _row(reader, value, ends, found.names)
        if row is None:
            continue
        place = (row.source, row.destination, tuple(sorted(row.ports.items(), key=str)))
        before = said.setdefault(place, (index, row.allowed))
        if before[1] != row.allowed:
            reader.wrong("", f"says the opposite of expected[{before[0]}]")
        found.rows.append(row)
        if row.source == row.destination:
            found.within.add(row.source.workload)
        for outside, end in zip(found.outside, (row.source, row.destination), strict=True):
            if end.outside:
                outside[end.name] = end
            else:
                found.workloads[end.workload] = None
    if notes.mistakes:
        raise PolicyInputError(notes.mistakes)
    if world == CLUSTER:
        found.workloads = dict.fromkeys(ends.workloads)
        found.within = set(ends.workloads)
        for version in families(ends.inventory):
            everything = End(text_of(EVERYTHING[version][0]), ranges=EVERYTHING[version])
            for outside in found.outside:
                outside[everything.name] = everything
    found.rows.sort(key=lambda row: row.breadth)
    found.warnings = notes.warnings
    return found


def _row(reader: Reader, value: Any, ends: Ends, names: set[str]) -> Row | None:
    entry = reader.mapping(value, "")
    allowed = entry.get("allowed", True)
    if not isinstance(allowed, bool):
        reader.wrong("allowed", f"is {shown(allowed)}; it must be true or false")
    protocol = reader.protocol(entry.get("protocol"), "protocol")
    destination = entry.get("destination")
    if entry.get("kind") == EXTERNAL:
        destination = entry.get("address")
        if destination is None:
            reader.warn("", f"names only the host {entry.get('host')}, and which addresses it has is not known here")
            return None
    both = []
    for key, text in (("source", entry.get("source")), ("destination", destination)):
        try:
            end = ends.find(text)
            if end.pod is not None:
                raise EndError(f"{shown(text)} is one pod of {end.workload}; name the workload")
            both.append(end)
        except EndError as error:
            reader.wrong(key, str(error))
    if protocol is None or len(both) < 2 or not isinstance(allowed, bool):
        return None
    if both[0].outside and both[1].outside:
        reader.wrong("", "has no end in the cluster, so no policy applies to it")
        return None
    try:
        words = entry.get("ports") if entry.get("port") is None else [entry["port"]]
        ports = _ports(reader.sequence([words] if isinstance(words, str) else words, "ports"), protocol, both[1], ends)
    except EndError as error:
        reader.wrong("port", str(error))
        return None
    if None not in ports:
        names.update(str(word) for word in reader.sequence([words] if isinstance(words, str) else words, "ports"))
    return Row(both[0], both[1], ports, allowed, str(entry.get("because") or ""))


def _ports(given: Sequence[Any], protocol: int, destination: End, ends: Ends) -> Mapping[int | None, Ports]:
    found: dict[int | None, list[PortRange]] = {}
    for value in given:
        for pod, ports in ends.ports(value, protocol, destination).items():
            found.setdefault(pod, []).extend(ports)
    if not found:
        raise EndError('is missing; give a number, a name, a range such as 8000-8010, or "all"')
    return {pod: ports_.joined(ports) for pod, ports in found.items()}


class Said(NamedTuple):
    """What one row says about one line."""

    allowed: bool
    ports: Ports
    far: int


class Compared(NamedTuple):
    """On these ports: what is allowed, what nobody can tell, and what should be allowed, as groups at the other end."""

    protocol: int
    first: int
    last: int
    allowed: int
    undefined: int
    expected: int


class ExpectedMatrix:
    """The expectation over the groups of one partition, a line at a time, like the evaluation."""

    def __init__(self, expectation: Expectation, partition: Partition) -> None:
        self.expectation = expectation
        self.partition = partition
        self.inside = 0
        for workload in expectation.workloads:
            self.inside |= partition.of_workload[workload]
        self._outside = [0, 0]
        for side, ends in enumerate(expectation.outside):
            for end in ends.values():
                self._outside[side] |= end.groups(partition)
        # For each side and near end: what the rows say, in the order in which it counts.
        self._of_workload: list[dict[str, list[Said]]] = [{}, {}]
        self._of_addresses: list[list[tuple[int, Said]]] = [[], []]
        allowed = {(row.source, row.destination) for row in expectation.rows if row.allowed}
        for row in expectation.rows:
            # Denied is what everything is; only an exception from something allowed needs to be kept.
            if row.allowed or row.destination.outside or row.source.outside or (row.source, row.destination) in allowed:
                self._index(row)

    def _index(self, row: Row) -> None:
        partition = self.partition
        source = row.source.groups(partition)
        everywhere = row.destination.groups(partition)
        for pod, ports in row.ports.items():
            destination = everywhere if pod is None else 1 << partition.group_of_pod[pod]
            for side, end, near, far in (
                (0, row.source, source, destination),
                (1, row.destination, destination, source),
            ):
                said = Said(row.allowed, ports, far)
                if end.outside or pod is not None:
                    self._of_addresses[side].append((near, said))
                else:
                    self._of_workload[side].setdefault(end.workload, []).append(said)

    def world(self, place: int, side: int) -> int:
        """The groups at the other end about which the expectation says something, if only by its silence."""
        group = self.partition.groups[place]
        if group.ranges:
            return self.inside if self._outside[side] >> place & 1 else 0
        if not self.inside >> place & 1:
            return 0
        own = self.partition.of_workload[group.workload]
        others = self.inside & ~own
        if group.workload in self.expectation.within:
            others |= own if group.several else own & ~(1 << place)
        return others | self._outside[1 - side]

    def said(self, place: int, side: int) -> list[Said]:
        group = self.partition.groups[place]
        found = list(self._of_workload[side].get(group.workload, ())) if group.workload else []
        found += [said for near, said in self._of_addresses[side] if near >> place & 1]
        return found


def compared(line: Iterable[Segment], said: Iterable[Said]) -> Iterator[Compared]:
    """A line of the evaluation beside what is said about the same line."""
    said = list(said)
    cuts: list[set[int]] = [set() for _protocol in PROTOCOLS]
    for one in said:
        for protocol, first, last in one.ports:
            cuts[protocol].update((first, last + 1))
    for protocol, first, last, allowed, undefined in line:
        places = sorted({first, *(cut for cut in cuts[protocol] if first < cut <= last)})
        for number, start in enumerate(places):
            end = places[number + 1] - 1 if number + 1 < len(places) else last
            expected = 0
            for one in said:
                if any(entry[0] == protocol and entry[1] <= start <= entry[2] for entry in one.ports):
                    expected = expected | one.far if one.allowed else expected & ~one.far
            yield Compared(protocol, start, end, allowed, undefined, expected)
