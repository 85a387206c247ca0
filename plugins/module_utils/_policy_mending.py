# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smallest change that mends a difference, proven: each candidate is evaluated, and counts only if it does what it should and
opens or closes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _policy_changes as changes
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import family
from ansible_collections.azora.platform.plugins.module_utils._policy_changes import Change, Edit
from ansible_collections.azora.platform.plugins.module_utils._policy_connections import families
from ansible_collections.azora.platform.plugins.module_utils._policy_difference import (
    MISSING,
    Differences,
    Finding,
    ends_of,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import (
    DESTINATION,
    SOURCE,
    Evaluation,
    Segment,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_expectation import ExpectedMatrix, Said
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import (
    POLICY_READERS,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    DIRECTIONS,
    EGRESS,
    PROTOCOLS,
    Policy,
    PortRange,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition, members
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Notes, Reader
from ansible_collections.azora.platform.plugins.module_utils._policy_suggestions import Suggestions, size

# Side effects are named up to this number.
MOST_NAMED = 5


@dataclass
class Effects:
    """What a proven change does besides mending: pairs that it mends as well, and what it closes of which nothing is declared."""

    mended: set[tuple[str, str]] = field(default_factory=set)
    closed: dict[tuple[str, str], list[PortRange]] = field(default_factory=dict)
    # The lines that were looked at, kept so that their identities stay theirs.
    seen: dict[object, object] = field(default_factory=dict)


class Prover:
    """Evaluates changed policies over a partition that is fine enough for all candidates at once."""

    def __init__(self, found: Differences, candidates: Iterable[Change]) -> None:
        matrix = found.matrix
        inventory = matrix.partition.inventory
        self.policies = {policy.place: policy for policy in inventory.policies}
        self._read: dict[int, Policy] = {}
        for change in candidates:
            for edit in change.edits:
                if edit.manifest is not None and id(edit) not in self._read:
                    self._read[id(edit)] = _read(edit, edit.manifest)
        every = [*inventory.policies, *self._read.values()]
        expectation = matrix.expectation
        self.partition = Partition(inventory, every, expectation.cuts, expectation.names)
        self.matrix = ExpectedMatrix(expectation, self.partition)
        self.before = Evaluation(self.partition, inventory.policies)
        self._coarse = matrix.partition
        occurring = families(inventory)
        # Addresses of a family that nobody has are no side effect to tell.
        self._occurring = self.partition.pods
        for place in members(self.partition.outside):
            if family(self.partition.groups[place].ranges[0][0]) in occurring:
                self._occurring |= 1 << place

    def proven(self, change: Change, finding: Finding) -> Effects | None:
        """None if the change does not mend the finding, or breaks anything."""
        policies = dict(self.policies)
        for edit in change.edits:
            policies.pop(edit.place, None)
            if edit.manifest is not None:
                policies[edit.place] = self._read[id(edit)]
        after = Evaluation(self.partition, policies.values(), like=self.before)
        sources = self._refined(finding.sources)
        touched = self._touched(change, after)
        after.look_at(touched[SOURCE] | sources, SOURCE)
        after.look_at(touched[DESTINATION], DESTINATION)
        if not self._mends(after, finding, sources):
            return None
        effects = Effects()
        for side, places in touched.items():
            for place in members(places):
                if not self._acceptable(after, place, side, effects):
                    return None
        return effects

    def _refined(self, groups: int) -> int:
        """Groups of the partition of the findings, in this one."""
        found = 0
        for place in members(groups):
            group = self._coarse.groups[place]
            for pod in group.pods:
                found |= 1 << self.partition.group_of_pod[pod]
            if group.ranges:
                found |= self.partition.at(group.ranges)
        return found

    def _mends(self, after: Evaluation, finding: Finding, sources: int) -> bool:
        destinations = self._refined(finding.destinations)
        for source in members(sources):
            others = destinations & ~_itself(self.partition, source)
            for segment in after.line(source, SOURCE):
                if not ports_.common([PortRange(segment.protocol, segment.first, segment.last)], finding.ports):
                    continue
                wrong = (
                    others & ~segment.allowed
                    if finding.kind == MISSING
                    else others & (segment.allowed | segment.undefined)
                )
                if wrong:
                    return False
        return True

    def _touched(self, change: Change, after: Evaluation) -> dict[int, int]:
        """The lines that the change can have changed, by side: those of the pods that the changed policies select."""
        found = {SOURCE: 0, DESTINATION: 0}
        old = {one.policy.place: one for one in self.before.policies}
        new = {one.policy.place: one for one in after.policies}
        for edit in change.edits:
            both = [one for one in (old.get(edit.place), new.get(edit.place)) if one is not None]
            for direction in DIRECTIONS:
                if len(both) == 2 and _same(both[0].policy, both[1].policy, direction):
                    continue
                for one in both:
                    if one.policy.rules[direction] or direction in one.policy.isolates:
                        found[SOURCE if direction == EGRESS else DESTINATION] |= one.subject
        return found

    def _acceptable(self, after: Evaluation, place: int, side: int, effects: Effects) -> bool:
        said, world = self.matrix.said(place, side), self.matrix.world(place, side)
        others = self.partition.every & ~_itself(self.partition, place)
        own = self.partition.groups[place].workload
        before_line, after_line = self.before.line(place, side), after.line(place, side)
        # Replicas mostly share both lines.
        alike = side, own, world, others, id(before_line), id(after_line)
        if alike in effects.seen:
            return True
        for ports, was, now, expected in _beside(before_line, after_line, said):
            opened = now.allowed & ~was.allowed & others
            closed = was.allowed & ~now.allowed & others
            if opened & ~(expected & world) or closed & expected & world or now.undefined & ~was.undefined & others:
                return False
            for name in ends_of(self.partition, (opened | closed) & world):
                effects.mended.add((own, name) if side == SOURCE else (name, own))
            for name in ends_of(self.partition, closed & ~world & self._occurring):
                pair = (own, name) if side == SOURCE else (name, own)
                effects.closed.setdefault(pair, []).append(ports)
        effects.seen[alike] = before_line, after_line
        return True


def _itself(partition: Partition, place: int) -> int:
    group = partition.groups[place]
    return 0 if group.several or group.ranges else 1 << place


def _same(one: Policy, other: Policy, direction: str) -> bool:
    return (
        one.rules[direction] == other.rules[direction]
        and (direction in one.isolates) == (direction in other.isolates)
        and one.subject == other.subject
        and one.priority == other.priority
    )


def _beside(
    before: Sequence[Segment], after: Sequence[Segment], said: Sequence[Said]
) -> Iterator[tuple[PortRange, Segment, Segment, int]]:
    """Both lines on the same stretches of ports, with what should be allowed there."""
    for protocol in range(len(PROTOCOLS)):
        was = [segment for segment in before if segment.protocol == protocol]
        now = [segment for segment in after if segment.protocol == protocol]
        cuts = {segment.first for segment in (*was, *now)}
        about = [(one, port) for one in said for port in one.ports if port.protocol == protocol]
        for _one, port in about:
            cuts |= {port.first, port.last + 1}
        places = sorted(cuts - {65536})
        for number, first in enumerate(places):
            last = places[number + 1] - 1 if number + 1 < len(places) else 65535
            expected = 0
            for one, port in about:
                if port.first <= first <= port.last:
                    expected = expected | one.far if one.allowed else expected & ~one.far
            yield PortRange(protocol, first, last), _covering(was, first), _covering(now, first), expected


def _covering(line: Sequence[Segment], port: int) -> Segment:
    return next(segment for segment in line if segment.first <= port <= segment.last)


def _read(edit: Edit, manifest: changes.Manifest) -> Policy:
    """The changed manifest read as any other: a suggestion that the API would not take is a fault of this program."""
    kind, namespace, name = edit.place
    notes = Notes()
    reader = Reader(f"suggestion for {kind} {namespace}/{name}", notes)
    policy = POLICY_READERS[manifest["apiVersion"], kind](reader, manifest, namespace, name)
    if notes.mistakes:
        raise RuntimeError("; ".join(notes.mistakes))
    return policy


def mend(found: Differences, findings: Sequence[Finding], ends: Ends) -> None:
    """Give each finding the smallest proven change, if there is one."""
    if not findings:
        return
    suggestions = Suggestions(found, ends)
    candidates = [sorted(suggestions.of(finding), key=size) for finding in findings]
    prover = Prover(found, [change for each in candidates for change in each])
    for finding, ways in zip(findings, candidates, strict=True):
        finding.mend = _best(prover, ways, finding)


def _best(prover: Prover, ways: Sequence[Change], finding: Finding) -> dict[str, Any] | None:
    second: dict[str, Any] | None = None
    for change in ways:
        effects = prover.proven(change, finding)
        if effects is None:
            continue
        result = _as_result(change, effects)
        if not effects.closed:
            return result
        second = second or result
    return second


def _as_result(change: Change, effects: Effects) -> dict[str, Any]:
    also = [
        f"{source} to {destination} ({ports_.in_words(ports)})"
        for (source, destination), ports in list(effects.closed.items())[:MOST_NAMED]
    ]
    if len(effects.closed) > MOST_NAMED:
        also.append(f"{len(effects.closed) - MOST_NAMED} more")
    return {
        "sentence": change.sentence,
        "touched_rules": change.touched,
        "mends": len(effects.mended),
        "also_closes": also,
        "changes": [edit.as_result() for edit in change.edits],
    }
