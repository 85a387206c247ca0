# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what is open differs from what should be: found for whole lines at once, told pair by pair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _policy_addresses as addresses
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import End
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import SOURCE, Evaluation, Segment
from ansible_collections.azora.platform.plugins.module_utils._policy_expectation import ExpectedMatrix, Said, compared
from ansible_collections.azora.platform.plugins.module_utils._policy_explanation import Cell, explained
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PortRange, Ports
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition, members

MISSING, UNEXPECTED, UNDEFINED = "missing", "unexpected", "undefined"
# Beyond this many ranges a name is none any more.
MOST_RANGES = 3
KINDS = (MISSING, UNEXPECTED, UNDEFINED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A difference on one line: these groups of one source, these ports, these groups at the other end."""

    sources: int
    ports: PortRange
    destinations: int


@dataclass
class Finding:
    """A difference between two ends."""

    kind: str
    source: str
    destination: str
    ports: Ports
    sources: int
    destinations: int
    # Whether it is so between some of the pods only.
    partial: bool
    cell: Cell
    because: str = ""
    mend: dict[str, Any] | None = None

    def as_results(self, evaluation: Evaluation) -> Iterator[dict[str, Any]]:
        decisions = [decision.as_result() for decision in explained(evaluation, self.cell)]
        for protocol, words in ports_.written(self.ports).items():
            yield {
                "source": self.source,
                "destination": self.destination,
                "protocol": protocol,
                "ports": words,
                "partial": self.partial,
                **({"because": self.because} if self.because else {}),
                "decided_by": decisions,
                "mend": self.mend,
            }


@dataclass
class Differences:
    """All of them, by kind and source, still as whole lines."""

    evaluation: Evaluation
    matrix: ExpectedMatrix
    stretches: dict[str, dict[str, list[Stretch]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def count(self, kind: str) -> int:
        """How many ordered pairs of ends differ."""
        return sum(len(self._destinations(found)) for found in self.stretches[kind].values())

    def findings(self, kind: str) -> Iterator[Finding]:
        for source, found in self.stretches[kind].items():
            for destination, groups in self._destinations(found).items():
                yield self._finding(
                    kind, source, destination, [one for one in found if one.destinations & groups], groups
                )

    def _destinations(self, found: Sequence[Stretch]) -> dict[str, int]:
        """The ends at which the lines differ; addresses outside that differ alike are one end."""
        partition = self.matrix.partition
        every = 0
        for stretch in found:
            every |= stretch.destinations
        ends = ends_of(partition, every & partition.pods)
        alike: dict[object, int] = {}
        for place in members(every & partition.outside):
            key = tuple(number for number, stretch in enumerate(found) if stretch.destinations >> place & 1)
            alike[key] = alike.get(key, 0) | 1 << place
        for groups in alike.values():
            for name, places in ends_of(partition, groups).items():
                ends[name] = ends.get(name, 0) | places
        return ends

    def _finding(self, kind: str, source: str, destination: str, found: list[Stretch], groups: int) -> Finding:
        partition = self.matrix.partition
        sources = destinations = 0
        for stretch in found:
            sources |= stretch.sources
            destinations |= stretch.destinations & groups
        whole = partition.of_workload.get(source, sources), partition.of_workload.get(destination, destinations)
        first = found[0]
        cell = Cell(
            next(members(first.sources)),
            next(members(first.destinations & groups)),
            first.ports.protocol,
            first.ports.first,
        )
        return Finding(
            kind=kind,
            source=source,
            destination=destination,
            ports=ports_.joined(stretch.ports for stretch in found),
            sources=sources,
            destinations=destinations,
            partial=(sources, destinations) != whole
            or any((one.sources, one.destinations & groups) != whole for one in found),
            cell=cell,
            because=self._reasons.get((source, destination), "") if kind == MISSING else "",
        )

    @cached_property
    def _reasons(self) -> dict[tuple[str, str], str]:
        rows = [row for row in self.matrix.expectation.rows if row.allowed and row.because]
        return {(_name(row.source), _name(row.destination)): row.because for row in rows}


def _name(end: End) -> str:
    return end.name if end.outside else end.workload


def ends_of(partition: Partition, groups: int) -> dict[str, int]:
    """Groups by the name of their end: a workload, or all addresses outside together."""
    found: dict[str, int] = {}
    for place in members(groups & partition.pods):
        workload = partition.groups[place].workload
        found[workload] = found.get(workload, 0) | 1 << place
    if groups & partition.outside:
        found[_ranges_in_words(partition, groups & partition.outside)] = groups & partition.outside
    return found


def differences(evaluation: Evaluation, matrix: ExpectedMatrix, namespaces: Collection[str] = ()) -> Differences:
    """Everything that is not as expected; with namespaces, only between pairs of which one end is in them."""
    partition = matrix.partition
    found = Differences(evaluation, matrix)
    shown = _shown(partition, namespaces)
    for source, groups in _sources(matrix).items():
        alike: dict[object, tuple[int, list[Segment], list[Said]]] = {}
        for place in members(groups):
            world = matrix.world(place, SOURCE)
            if not shown >> place & 1:
                world &= shown
            if world:
                line, said = evaluation.line(place, SOURCE), matrix.said(place, SOURCE)
                # What is kept under a key keeps its parts alive, so no other object can get their identity.
                key = id(line), world, *map(id, said)
                alike[key] = alike.get(key, (0,))[0] | 1 << place, line, said
        for (_line, world, *_said), (sources, line, said) in alike.items():  # type: ignore[misc]
            for kind, ports, destinations in _different(line, said):
                if destinations & world:
                    stretch = Stretch(sources, ports, destinations & world)
                    name = source or _ranges_in_words(partition, sources)
                    found.stretches[kind].setdefault(name, []).append(stretch)
    return found


def _different(line: Iterable[Segment], said: Iterable[Said]) -> Iterator[tuple[str, PortRange, int]]:
    for one in compared(line, said):
        ports = PortRange(one.protocol, one.first, one.last)
        yield MISSING, ports, one.expected & ~one.allowed
        yield UNEXPECTED, ports, one.allowed & ~one.expected
        # Nobody asked for it, and nobody can tell that it is closed.
        yield UNDEFINED, ports, one.undefined & ~one.expected


def _sources(matrix: ExpectedMatrix) -> dict[str, int]:
    """Every end of the expectation that can be a source, with its groups; those outside together, without a name."""
    partition = matrix.partition
    found = {workload: partition.of_workload[workload] for workload in matrix.expectation.workloads}
    for end in matrix.expectation.outside[SOURCE].values():
        found[""] = found.get("", 0) | end.groups(partition)
    return found


def _ranges_in_words(partition: Partition, groups: int) -> str:
    ranges = addresses.joined(bounds for place in members(groups) for bounds in partition.groups[place].ranges)
    words = [addresses.text_of(bounds) for bounds in ranges[:MOST_RANGES]]
    left = len(ranges) - len(words)
    return ", ".join(words) + (f" and {left} more ranges" if left else "")


def _shown(partition: Partition, namespaces: Collection[str]) -> int:
    if not namespaces:
        return partition.every
    chosen = set(namespaces)
    groups = 0
    for workload, own in partition.of_workload.items():
        if workload.partition("/")[0] in chosen:
            groups |= own
    return groups
