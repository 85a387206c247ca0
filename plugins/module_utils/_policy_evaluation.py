# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may open connections to whom: the policies over the groups of a partition, one line of the matrix at a time.

A line belongs to one group, as a source or as a destination, and holds for ranges of ports the groups at the other end, as bits. The
order of decision is that of the APIs: Admin tier, NetworkPolicy, Baseline tier, and where nothing decided, allowed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ADMIN,
    ALL_PORTS,
    ALLOW,
    BASELINE,
    DENY,
    DIRECTIONS,
    EGRESS,
    FIRST_PORT,
    INGRESS,
    LAST_PORT,
    NAMESPACED,
    PASS,
    PROTOCOLS,
    NamedPort,
    Policy,
    PortRange,
    Ports,
    Rule,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition, members

SOURCE, DESTINATION = 0, 1


class Segment(NamedTuple):
    """On these ports: the groups at the other end that are allowed, and those of which nobody can tell (and so are not)."""

    protocol: int
    first: int
    last: int
    allowed: int
    undefined: int


class Opening(NamedTuple):
    """Ports of a rule; a name of a port holds only where the destination has it."""

    ports: Ports
    destinations: int


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule as sets of groups; `peers` has one set for each peer of the rule, in order, or is None for everybody."""

    rule: Rule
    subject: int
    peer: int
    peers: tuple[int, ...] | None
    openings: tuple[Opening, ...]
    direction: str

    @property
    def source(self) -> int:
        return self.peer if self.direction == INGRESS else self.subject

    @property
    def destination(self) -> int:
        return self.subject if self.direction == INGRESS else self.peer

    def ports_between(self, source: int, destination: int) -> Ports:
        """The ports on which the rule matches traffic between two groups."""
        if not (self.source >> source & 1 and self.destination >> destination & 1):
            return ()
        return tuple(
            port for opening in self.openings if opening.destinations >> destination & 1 for port in opening.ports
        )


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    policy: Policy
    subject: int
    rules: dict[str, tuple[CompiledRule, ...]]


def compiled(policy: Policy, partition: Partition) -> CompiledPolicy:
    subject = partition.selected(policy.subject)
    return CompiledPolicy(
        policy,
        subject,
        {
            direction: tuple(_compiled_rule(rule, direction, subject, partition) for rule in policy.rules[direction])
            for direction in DIRECTIONS
        },
    )


def _compiled_rule(rule: Rule, direction: str, subject: int, partition: Partition) -> CompiledRule:
    peers = None if rule.peers is None else tuple(partition.matched(peer) for peer in rule.peers)
    if peers is None:
        matched = partition.every
    else:
        matched = 0
        for groups in peers:
            matched |= groups
    return CompiledRule(rule, subject, matched, peers, tuple(_openings(rule, partition)), direction)


def _openings(rule: Rule, partition: Partition) -> Iterator[Opening]:
    if rule.ports is None:
        yield Opening(ALL_PORTS, partition.every)
        return
    numbers = tuple(port for port in rule.ports if isinstance(port, PortRange))
    if numbers:
        yield Opening(numbers, partition.every)
    for port in rule.ports:
        if isinstance(port, NamedPort):
            for protocol, number, groups in partition.ports_named(port):
                yield Opening((PortRange(protocol, number, number),), groups)


# For one line: ports, and the groups at the other end.
Entry = tuple[Ports, int]
# A tier in the order of its decisions: of each priority its policies, of each policy its rules.
Ordered = list[list[list[tuple[Ports, int, str]]]]


class _NamespacedSide:
    """The rules of NetworkPolicies seen from one side: for each group at this end what they say of the groups at the other.

    Most rules share their set at this end with few others, and few groups are in many sets; so each set is kept once, with all
    that is said of it.
    """

    def __init__(self, policies: Iterable[CompiledPolicy], side: int, only: int) -> None:
        """`only` the groups at this end that are asked for."""
        sets: dict[int, dict[str, dict[Ports, int]]] = {}
        for policy in policies:
            for direction, rules in policy.rules.items():
                for rule in rules:
                    for ports, destinations in rule.openings:
                        ends = rule.source, rule.destination & destinations
                        near, far = ends[side] & only, ends[1 - side]
                        if near and far:
                            said = sets.setdefault(near, {}).setdefault(direction, {})
                            said[ports] = said.get(ports, 0) | far
        self.said = list(sets.values())
        self.of_group: defaultdict[int, list[int]] = defaultdict(list)
        for number, near in enumerate(sets):
            for place in members(near):
                self.of_group[place].append(number)

    def entries(self, place: int, direction: str) -> list[Entry]:
        found: dict[Ports, int] = {}
        for number in self.of_group[place]:
            for ports, far in self.said[number].get(direction, {}).items():
                found[ports] = found.get(ports, 0) | far
        return list(found.items())


def by_priority(policies: Iterable[CompiledPolicy]) -> Iterator[tuple[int, list[CompiledPolicy]]]:
    for priority, alike in groupby(policies, key=lambda one: one.policy.priority):
        yield priority, list(alike)


class Evaluation:
    """The matrix of one set of policies."""

    def __init__(self, partition: Partition, policies: Iterable[Policy], like: Evaluation | None = None) -> None:
        """`like` is an evaluation of mostly the same policies over the same partition."""
        self.partition = partition
        known = {} if like is None else {id(one.policy): one for one in like.policies}
        self.policies: list[CompiledPolicy] = [
            known.get(id(policy)) or compiled(policy, partition) for policy in policies
        ]
        self._tiers = {tier: self._sorted(tier) for tier in (ADMIN, NAMESPACED, BASELINE)}
        self.isolated = {INGRESS: 0, EGRESS: 0}
        for found in self.of_tier(NAMESPACED):
            for direction in found.policy.isolates:
                self.isolated[direction] |= found.subject
        self._sides: dict[int, tuple[int, _NamespacedSide]] = {}
        self._lines: dict[object, list[Segment]] = {}

    def of_tier(self, tier: str) -> list[CompiledPolicy]:
        """Its policies in the order in which they decide; those of one priority have no order among themselves."""
        return self._tiers[tier]

    def _sorted(self, tier: str) -> list[CompiledPolicy]:
        found = [policy for policy in self.policies if policy.policy.tier == tier]
        return found if tier == NAMESPACED else sorted(found, key=lambda one: one.policy.priority)

    def line(self, place: int, side: int) -> list[Segment]:
        """Everything one group may reach (as the source) or be reached by (as the destination), for every port."""
        isolated = tuple(self._isolated_far(place, side, direction) for direction in DIRECTIONS)
        tiers = [
            [self._ordered(place, side, direction, tier) for tier in (ADMIN, BASELINE)] for direction in DIRECTIONS
        ]
        # Groups of which the same is said have the same line.
        ordered = repr(tiers) if any(any(each) for each in tiers) else ""
        key = side, tuple(self._side(place, side).of_group[place]), isolated, ordered
        found = self._lines.get(key)
        if found is None:
            namespaced = self._side(place, side)
            directions = [
                _Direction(self.partition.every, namespaced.entries(place, direction), far, said)
                for direction, far, said in zip(DIRECTIONS, isolated, tiers, strict=True)
            ]
            found = self._lines[key] = list(_segments(self.partition.every, directions))
        return self._with_own_node(place, side, found)

    def look_at(self, places: int, side: int) -> None:
        """Make ready for the lines of these groups only; by default it is made ready for all."""
        self._sides[side] = places, _NamespacedSide(self.of_tier(NAMESPACED), side, only=places)

    def _side(self, place: int, side: int) -> _NamespacedSide:
        if side not in self._sides or not self._sides[side][0] >> place & 1:
            self.look_at(self.partition.every, side)
        return self._sides[side][1]

    @property
    def distinct_lines(self) -> int:
        return len(self._lines)

    def _isolated_far(self, place: int, side: int, direction: str) -> int:
        """The other ends for which NetworkPolicies decide in this direction."""
        isolated = self.isolated[direction]
        if (direction == EGRESS) == (side == SOURCE):
            return self.partition.every if isolated >> place & 1 else 0
        return isolated

    def _ordered(self, place: int, side: int, direction: str, tier: str) -> Ordered:
        found: Ordered = []
        for _priority, policies in by_priority(self.of_tier(tier)):
            alike = []
            for policy in policies:
                rules = []
                for rule in policy.rules[direction]:
                    ends = rule.source, rule.destination
                    if ends[side] >> place & 1 and ends[1 - side]:
                        for ports, destinations in rule.openings:
                            if side == SOURCE:
                                rules.append((ports, rule.destination & destinations, rule.rule.action))
                            elif destinations >> place & 1:
                                rules.append((ports, rule.source, rule.rule.action))
                alike += [rules] if rules else []
            found += [alike] if alike else []
        return found

    def _with_own_node(self, place: int, side: int, line: list[Segment]) -> list[Segment]:
        """Nothing keeps a node's own traffic from the node's pods."""
        group = self.partition.groups[place]
        if not group.node or (side == SOURCE) != group.host_network:
            return line
        near = self.partition.neighbours(place, hosts=side == DESTINATION)
        if not near:
            return line
        return [
            Segment(protocol, first, last, allowed | near, undefined & ~near)
            for protocol, first, last, allowed, undefined in line
        ]


@dataclass(slots=True)
class _Direction:
    """All that is said in one direction about one line."""

    every: int
    entries: Sequence[Entry]
    isolated: int
    tiers: Sequence[Ordered]

    @property
    def admin(self) -> Ordered:
        return self.tiers[0]

    @property
    def baseline(self) -> Ordered:
        return self.tiers[1]

    def ranges(self) -> Iterator[PortRange]:
        for ports, _far in self.entries:
            yield from ports
        for tier in self.tiers:
            for policies in tier:
                for rules in policies:
                    for ports, _far, _action in rules:
                        yield from ports

    def at(self, protocol: int, port: int) -> tuple[int, int]:
        """Allowed and undefined, for one port."""
        namespaced = 0
        for ports, far in self.entries:
            if far & ~namespaced and _has(ports, protocol, port):
                namespaced |= far
        if not self.admin and not self.baseline:
            return (namespaced & self.isolated) | (self.every & ~self.isolated), 0
        allowed, undefined, open_still = _decided(self.admin, self.every, protocol, port)
        allowed |= open_still & self.isolated & namespaced
        rest = open_still & ~self.isolated
        allowed_last, undefined_last, default = _decided(self.baseline, rest, protocol, port)
        return allowed | allowed_last | default, undefined | undefined_last


def _decided(tier: Ordered, open_still: int, protocol: int, port: int) -> tuple[int, int, int]:
    """Of the groups that are open still: allowed, undefined, and those for the next tier."""
    allowed = undefined = passed = 0
    for policies in tier:
        by_action = {ALLOW: 0, DENY: 0, PASS: 0}
        for rules in policies:
            unmatched = open_still
            for ports, far, action in rules:
                if unmatched & far and _has(ports, protocol, port):
                    by_action[action] |= unmatched & far
                    unmatched &= ~far
        allows, denies, passes = by_action[ALLOW], by_action[DENY], by_action[PASS]
        # Policies of one priority that say different things: an implementation may follow any of them.
        torn = (allows & denies) | (allows & passes) | (denies & passes)
        undefined |= torn
        allowed |= allows & ~torn
        passed |= passes & ~torn
        open_still &= ~(allows | denies | passes)
    return allowed, undefined, open_still | passed


def _has(ports: Ports, protocol: int, port: int) -> bool:
    for entry in ports:  # noqa: SIM110  (the innermost loop of all: a generator would take twice the time)
        if entry[0] == protocol and entry[1] <= port <= entry[2]:
            return True
    return False


def _segments(every: int, directions: Sequence[_Direction]) -> Iterator[Segment]:
    cuts: list[set[int]] = [{FIRST_PORT} for _protocol in PROTOCOLS]
    for direction in directions:
        for protocol, first, last in direction.ranges():
            cuts[protocol].update((first, last + 1))
    for protocol, places in enumerate(cuts):
        before: tuple[int, int] | None = None
        start = FIRST_PORT
        for place in sorted(places - {LAST_PORT + 1}):
            allowed, undefined = every, 0
            for direction in directions:
                allowed_here, undefined_here = direction.at(protocol, place)
                # What one direction denies for certain, the other need not be certain about.
                undefined = (undefined & (allowed_here | undefined_here)) | (undefined_here & allowed)
                allowed &= allowed_here
            if before is not None and before != (allowed, undefined):
                yield Segment(protocol, start, place - 1, *before)
                start = place
            before = allowed, undefined
        if before is not None:
            yield Segment(protocol, start, LAST_PORT, *before)
