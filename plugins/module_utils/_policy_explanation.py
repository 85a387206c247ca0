# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a connection is open or not: which policies and rules decide about it, in each direction, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import (
    CompiledPolicy,
    CompiledRule,
    Evaluation,
    by_priority,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ADMIN,
    ALLOW,
    BASELINE,
    DENY,
    DIRECTIONS,
    EGRESS,
    INGRESS,
    NAMESPACED,
    PASS,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import listed

ALLOWED, DENIED, UNDEFINED = "allowed", "denied", "undefined"
VERBS = {ALLOW: "allows it", DENY: "denies it", PASS: "passes it on"}
# Beyond this many names a sentence is none any more.
MOST_NAMED = 4


@dataclass(frozen=True)
class Deciding:
    """A rule that decided, with its policy."""

    policy: CompiledPolicy
    rule: CompiledRule

    @property
    def words(self) -> str:
        return f"{self.policy.policy.identity} {VERBS[self.rule.rule.action]} ({self.rule.rule.title})"


@dataclass(frozen=True)
class Decision:
    """What became of a connection in one direction."""

    direction: str
    outcome: str
    sentence: str
    tier: str = ""
    rules: Sequence[Deciding] = ()
    # Policies that decided without a rule: by isolating.
    isolating: Sequence[CompiledPolicy] = ()
    passed: Sequence[Deciding] = field(default_factory=tuple)

    def as_result(self) -> dict[str, Any]:
        named = [one.policy.policy.identity for one in self.rules] or [one.policy.identity for one in self.isolating]
        return {
            "direction": self.direction,
            "outcome": self.outcome,
            "policies": list(dict.fromkeys(named)),
            "rules": [one.rule.rule.path for one in self.rules],
            "sentence": f"{self.direction}: {self.sentence}",
        }


@dataclass(frozen=True)
class Cell:
    """One connection: two groups, a protocol and a port."""

    source: int
    destination: int
    protocol: int
    port: int


def explained(evaluation: Evaluation, cell: Cell) -> list[Decision]:
    """The decision about egress from the source, and that about ingress to the destination."""
    return [_explained(evaluation, cell, direction) for direction in DIRECTIONS]


def matching(policy: CompiledPolicy, cell: Cell, direction: str) -> list[CompiledRule]:
    """The policy's rules that match, in their order."""
    return [
        rule
        for rule in policy.rules[direction]
        if any(
            protocol == cell.protocol and first <= cell.port <= last
            for protocol, first, last in rule.ports_between(cell.source, cell.destination)
        )
    ]


def _explained(evaluation: Evaluation, cell: Cell, direction: str) -> Decision:
    unjudged = _not_subject(evaluation, cell, direction)
    if unjudged:
        return Decision(direction, ALLOWED, unjudged)
    decision, passed = _tier(evaluation, cell, direction, ADMIN)
    if decision is not None:
        return decision
    own = cell.source if direction == EGRESS else cell.destination
    isolating = [
        policy
        for policy in evaluation.of_tier(NAMESPACED)
        if direction in policy.policy.isolates and policy.subject >> own & 1
    ]
    if isolating:
        return _namespaced(isolating, cell, direction, passed)
    decision, passed_again = _tier(evaluation, cell, direction, BASELINE)
    passed = [*passed, *passed_again]
    if decision is not None:
        return decision
    end = "source" if direction == EGRESS else "destination"
    before = f"{listed([one.words for one in passed], 'and')}, and then " if passed else ""
    return Decision(
        direction, ALLOWED, f"{before}no policy decides about the {end}, so it is allowed", passed=tuple(passed)
    )


def _not_subject(evaluation: Evaluation, cell: Cell, direction: str) -> str:
    """Why no policy applies to this end, if that is so."""
    groups = evaluation.partition.groups
    source, destination = groups[cell.source], groups[cell.destination]
    own, end = (source, "source") if direction == EGRESS else (destination, "destination")
    if own.ranges:
        return f"the {end} is outside the cluster, where no policy applies"
    if own.host_network:
        return f"the {end} uses its node's network, to which no policy applies"
    if direction == INGRESS and source.host_network and source.node and source.node == destination.node:
        return "traffic from a pod's own node is always allowed"
    return ""


def _tier(evaluation: Evaluation, cell: Cell, direction: str, tier: str) -> tuple[Decision | None, list[Deciding]]:
    """What the tier decides, or None and the rules that passed it on."""
    for priority, policies in by_priority(evaluation.of_tier(tier)):
        first = [Deciding(policy, found[0]) for policy in policies if (found := matching(policy, cell, direction))]
        actions = {one.rule.rule.action for one in first}
        if not actions:
            continue
        if len(actions) > 1:
            words = (
                f"{listed([one.words for one in first], 'and')}, both with priority {priority}; which of them an "
                "implementation follows is not defined, so it counts as denied"
            )
            return Decision(direction, UNDEFINED, words, tier, tuple(first)), []
        if actions == {PASS}:
            return None, first
        outcome = ALLOWED if actions == {ALLOW} else DENIED
        return Decision(direction, outcome, listed([one.words for one in first], "and"), tier, tuple(first)), []
    return None, []


def _namespaced(
    isolating: Sequence[CompiledPolicy], cell: Cell, direction: str, passed: Sequence[Deciding]
) -> Decision:
    rules = [Deciding(policy, rule) for policy in isolating for rule in matching(policy, cell, direction)]
    if rules:
        words = listed([one.words for one in rules[:MOST_NAMED]], "and")
        return Decision(direction, ALLOWED, words, NAMESPACED, tuple(rules), tuple(isolating), tuple(passed))
    names = [policy.policy.identity for policy in isolating]
    if len(names) > MOST_NAMED:
        names = [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
    end = "source" if direction == EGRESS else "destination"
    verb = "isolates" if len(names) == 1 else "isolate"
    return Decision(
        direction,
        DENIED,
        f"{listed(names, 'and')} {verb} the {end}, and no rule of {'it' if len(names) == 1 else 'them'} allows this",
        NAMESPACED,
        (),
        tuple(isolating),
        tuple(passed),
    )
