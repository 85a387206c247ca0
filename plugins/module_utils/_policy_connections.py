# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The complete list of what may connect to what, workload by workload and range by range."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ansible_collections.azora.platform.plugins.module_utils import _policy_addresses as addresses
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import SOURCE, Evaluation, Segment
from ansible_collections.azora.platform.plugins.module_utils._policy_model import Inventory, PortRange, Ports
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition, members
from ansible_collections.azora.platform.plugins.module_utils._policy_rules import blocks_of

Key = TypeVar("Key", str, int)
Line = Sequence[Segment]
# Ports that are open between every pair of pods, and those that are open between some pairs only.
Open = tuple[Ports, Ports]


def connections(evaluation: Evaluation, namespaces: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """One row for each pair of ends and protocol that something is open for; with namespaces, only pairs that touch them."""
    partition = evaluation.partition
    seen = families(partition.inventory)
    chosen = set(namespaces)
    for source, groups in partition.of_workload.items():
        own = not chosen or _namespace(source) in chosen
        lines = {place: evaluation.line(place, SOURCE) for place in members(groups)}
        distinct = list({id(line): line for line in lines.values()}.values())
        reached = _to_workloads(distinct, partition)
        reached.pop(source, None)
        within = _within(partition, source, lines)
        for destination, found in [*reached.items(), *([(source, within)] if within else [])]:
            if own or _namespace(destination) in chosen:
                yield from _rows(source, destination, found)
        if own:
            places = _reached(distinct, partition.outside, lambda place: place, lambda _place: 1)
            for words, found in _merged(places, partition, seen):
                yield from _rows(source, words, found)
    yield from _from_outside(evaluation, seen, chosen)


def _namespace(workload: str) -> str:
    return workload.partition("/")[0]


def _rows(source: str, destination: str, found: Open) -> Iterator[dict[str, Any]]:
    for ports, partial in zip(found, (False, True), strict=True):
        for protocol, words in ports_.written(ports).items():
            yield {
                "source": source,
                "destination": destination,
                "protocol": protocol,
                "ports": words,
                "partial": partial,
            }


def _reached(
    lines: Iterable[Line], mask: int, key_of: Callable[[int], Key], size: Callable[[Key], int]
) -> dict[Key, Open]:
    """What these lines reach among the groups of the mask, gathered by key; `size` is how many groups a key has."""
    every: dict[Key, list[PortRange]] | None = None
    some: dict[Key, list[PortRange]] = {}
    for line in lines:
        full: dict[Key, list[PortRange]] = {}
        for protocol, first, last, allowed, _undefined in line:
            ports = PortRange(protocol, first, last)
            counts: dict[Key, int] = {}
            for place in members(allowed & mask):
                key = key_of(place)
                counts[key] = counts.get(key, 0) + 1
            for key, count in counts.items():
                some.setdefault(key, []).append(ports)
                if count == size(key):
                    full.setdefault(key, []).append(ports)
        if every is None:
            every = full
        else:
            every = {key: list(ports_.common(every[key], full[key])) for key in every.keys() & full.keys()}
    sure = every or {}
    return {
        key: (tuple(sure.get(key, ())), () if sure.get(key) == ports else ports_.without(ports, sure.get(key, ())))
        for key, ports in some.items()
    }


def _to_workloads(lines: Iterable[Line], partition: Partition) -> dict[str, Open]:
    sizes = {workload: groups.bit_count() for workload, groups in partition.of_workload.items()}
    groups = partition.groups
    return _reached(lines, partition.pods, lambda place: groups[place].workload, lambda workload: sizes[workload])


def _within(partition: Partition, workload: str, lines: Mapping[int, Line]) -> Open | None:
    """Among the pods of one workload: what a pod may do with another one; a single pod has no other."""
    own = partition.of_workload[workload]
    every: Ports | None = None
    some: list[PortRange] = []
    for place, line in lines.items():
        others = own if partition.groups[place].several else own & ~(1 << place)
        if not others:
            continue
        full = []
        for protocol, first, last, allowed, _undefined in line:
            ports = PortRange(protocol, first, last)
            if allowed & others:
                some.append(ports)
            if others & ~allowed == 0:
                full.append(ports)
        every = tuple(full) if every is None else ports_.common(every, full)
    return None if every is None else (every, ports_.without(some, every))


def _from_outside(evaluation: Evaluation, seen: set[int], chosen: set[str]) -> Iterator[dict[str, Any]]:
    partition = evaluation.partition
    found: dict[str, dict[int, Open]] = {}
    for place in members(partition.outside):
        for workload, ports in _to_workloads([evaluation.line(place, SOURCE)], partition).items():
            if not chosen or _namespace(workload) in chosen:
                found.setdefault(workload, {})[place] = ports
    for workload, places in found.items():
        for words, ports in _merged(places, partition, seen):
            yield from _rows(words, workload, ports)


def _merged(places: Mapping[int, Open], partition: Partition, seen: set[int]) -> Iterator[tuple[str, Open]]:
    """Addresses that are treated alike, as few ranges as possible."""
    ranges: dict[Open, list[tuple[int, int]]] = {}
    for place, found in places.items():
        alike = ports_.joined(found[0]), ports_.joined(found[1])
        ranges.setdefault(alike, []).extend(partition.groups[place].ranges)
    merged = [(bounds, found) for found, pieces in ranges.items() for bounds in addresses.joined(pieces)]
    for bounds, found in sorted(merged):
        if addresses.family(bounds[0]) in seen:
            yield addresses.text_of(bounds), found


def families(inventory: Inventory) -> set[int]:
    """The families of addresses that occur; the other one would only be noise."""
    places = [place for pod in inventory.pods for place in pod.addresses]
    places += [place for node in inventory.nodes for place in node.addresses]
    places += [first for policy in inventory.policies for ranges in blocks_of(policy) for first, _last in ranges[:1]]
    return {addresses.family(place) for place in places} or {4}
