# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates for mending a difference: changes as a person would think of them, from the one rule that is in the way outwards.

Whether a candidate does mend it, and what else it does, is for _policy_mending to prove.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from ansible_collections.azora.platform.plugins.module_utils import _policy_changes as changes
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import (
    cidrs_of,
    joined,
    text_of,
    within,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_changes import Change, Edit, Party
from ansible_collections.azora.platform.plugins.module_utils._policy_difference import (
    MISSING,
    Differences,
    Finding,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import (
    CompiledPolicy,
    CompiledRule,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_explanation import (
    ALLOWED,
    UNDEFINED,
    Decision,
    explained,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import (
    durable_labels,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ALL_PORTS,
    ALLOW,
    DENY,
    EGRESS,
    INGRESS,
    NAMESPACED,
    PASS,
    Addresses,
    NamedPort,
    Policy,
    PortRange,
    Ports,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition, members
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import listed
from ansible_collections.azora.platform.plugins.module_utils._policy_rules import (
    LAST_PRIORITY,
    MOST_PRIORITY,
    PEERS_KEY,
)

# Of the ways to open one direction, so many are tried together with those of the other.
MOST_TOGETHER = 4


class _Parties:
    """The ends of one inventory as rules can name them."""

    def __init__(self, ends: Ends, partition: Partition) -> None:
        self._ends = ends
        self._partition = partition
        self._known: dict[str, Party] = {}

    def of_workload(self, workload: str) -> Party:
        if workload not in self._known:
            pods = [self._ends.inventory.pods[number] for number in self._ends.workloads[workload]]
            if any(pod.host_network for pod in pods):
                places = joined([(place, place) for pod in pods for place in pod.addresses])
                self._known[workload] = Party(workload, pods[0].owner[1], ranges=places)
            else:
                labels = durable_labels(pods)
                self._known[workload] = Party(workload, pods[0].owner[1], pods[0].namespace, labels)
        return self._known[workload]

    def of(self, name: str, groups: int) -> Party:
        if name in self._ends.workloads:
            return self.of_workload(name)
        ranges = joined(bounds for place in members(groups) for bounds in self._partition.groups[place].ranges)
        words = text_of(ranges[0]) if len(ranges) == 1 else ""
        short = "outside" if "-" in words or not words else re.sub(r"[^0-9a-f]+", "-", words).strip("-")
        return Party(name, short, ranges=ranges)


class RuleEdit(NamedTuple):
    """What comes in the place of one rule."""

    rules: list[changes.Manifest]
    touched: int
    words: str


class Suggestions:
    """Candidates for mending a finding, each a change to the policies as they are; whether they mend it is not known here."""

    def __init__(self, found: Differences, ends: Ends) -> None:
        self.evaluation = found.evaluation
        self.matrix = found.matrix
        self.partition = found.matrix.partition
        self.parties = _Parties(ends, self.partition)
        self.taken = [policy.policy.place for policy in self.evaluation.policies]

    def of(self, finding: Finding) -> list[Change]:
        decisions = explained(self.evaluation, finding.cell)
        source = self.parties.of(finding.source, finding.sources)
        destination = self.parties.of(finding.destination, finding.destinations)
        situations = [_Situation(self, finding, decision, source, destination) for decision in decisions]
        if finding.kind == MISSING:
            ways = [list(each.opening()) for each in situations if each.decision.outcome != ALLOWED]
            return _combined(ways)
        return [change for each in reversed(situations) for change in each.closing()]


def _combined(ways: Sequence[list[Change]]) -> list[Change]:
    """One change out of each list, together."""
    if not ways or not all(ways):
        return []
    if len(ways) == 1:
        return ways[0]
    best = [sorted(each, key=size)[:MOST_TOGETHER] for each in ways]
    return [both for first, second in product(*best) if (both := first.together(second)) is not None]


def size(change: Change) -> tuple[int, int]:
    return change.touched, change.rank


@dataclass
class _Situation:
    """One direction of one finding."""

    suggestions: Suggestions
    finding: Finding
    decision: Decision
    source: Party
    destination: Party

    @property
    def direction(self) -> str:
        return self.decision.direction

    @property
    def own(self) -> Party:
        return self.source if self.direction == EGRESS else self.destination

    @property
    def other(self) -> Party:
        return self.destination if self.direction == EGRESS else self.source

    @property
    def own_groups(self) -> int:
        return self.finding.sources if self.direction == EGRESS else self.finding.destinations

    @property
    def other_groups(self) -> int:
        return self.finding.destinations if self.direction == EGRESS else self.finding.sources

    # --- To open what is missing

    def opening(self) -> Iterator[Change]:
        if self.decision.outcome == UNDEFINED:
            yield from self._other_priorities()
        elif self.decision.tier == NAMESPACED:
            for policy in self.decision.isolating:
                if policy.rules[self.direction] and not self.own_groups & ~policy.subject:
                    yield from self._opening_rules(policy)
            yield from self._new_allow()
        else:
            for deciding in self.decision.rules:
                for action in (PASS, ALLOW):
                    if action == ALLOW or deciding.policy.policy.priority != LAST_PRIORITY:
                        yield from self._inserted(deciding.policy.policy, deciding.rule.rule.path, action)

    def _opening_rules(self, policy: CompiledPolicy) -> Iterator[Change]:
        rules = changes.rules_of(policy.policy, self.direction)
        peers = changes.peers(policy.policy.kind, self.direction, self.other, policy.policy.namespace)
        words = f"in {policy.policy.identity}"
        for number, compiled in enumerate(policy.rules[self.direction]):
            has_peers = not self.other_groups & ~compiled.peer
            has_ports = self._has_ports(compiled)
            rule = rules[number]
            if has_peers and not has_ports and rule.get("ports"):
                more = changes.ports_of(policy.policy.kind, self.finding.ports).get("ports")
                wider = {**rule, "ports": [*rule["ports"], *(more or ())]}
                if more is None:  # all of them
                    wider.pop("ports")
                what = f"{words} add {ports_.in_words(self.finding.ports)} to {compiled.rule.path}"
                yield self._replaced(policy, [*rules[:number], wider, *rules[number + 1 :]], 0, what)
            if has_ports and not has_peers and peers:
                key = PEERS_KEY[self.direction]
                wider = {**rule, key: [*(rule.get(key) or []), *peers]}
                what = f"{words} add {self.other.name} to {compiled.rule.path}.{key}"
                yield self._replaced(policy, [*rules[:number], wider, *rules[number + 1 :]], 1, what)
        if peers:
            rule = changes.rule(policy.policy.kind, self.direction, peers, self.finding.ports)
            what = f"{words} add a rule to spec.{self.direction}: {self._words()}"
            yield self._replaced(policy, [*rules, rule], 2, what)

    def _has_ports(self, rule: CompiledRule) -> bool:
        for destination in members(self.finding.destinations):
            ports = [port for one in rule.openings if one.destinations >> destination & 1 for port in one.ports]
            if not ports_.covers(ports, self.finding.ports):
                return False
        return True

    def _replaced(self, policy: CompiledPolicy, rules: Sequence[changes.Manifest], rank: int, words: str) -> Change:
        return Change((changes.replaced(policy.policy, self.direction, rules),), 1, rank, words)

    def _words(self) -> str:
        return (
            f"{'from' if self.direction == INGRESS else 'to'} {self.other.name}, {ports_.in_words(self.finding.ports)}"
        )

    def _new_allow(self) -> Iterator[Change]:
        peers = changes.peers(changes.NETWORK_POLICY, self.direction, self.other, self.own.namespace)
        if not peers or not self.own.selectable:
            return
        name = f"{self.own.short}-{self.direction}-{'from' if self.direction == INGRESS else 'to'}-{self.other.short}"
        rule = changes.rule(changes.NETWORK_POLICY, self.direction, peers, self.finding.ports)
        edit = self._new_policy(name, [rule], self.own)
        yield Change((edit,), 1, 3, f"create {_identity(edit)}: {self.direction} of {self.own.name} {self._words()}")

    def _new_policy(self, name: str, rules: Sequence[changes.Manifest], subject: Party | None) -> Edit:
        spec: dict[str, Any] = {
            "podSelector": {"matchLabels": dict(subject.labels)} if subject is not None and subject.labels else {},
            "policyTypes": [self.direction.capitalize()],
        }
        if rules:
            spec[self.direction] = list(rules)
        return changes.created(self.own.namespace, name, spec, self.suggestions.taken)

    def _inserted(self, policy: Policy, path: str, action: str) -> Iterator[Change]:
        """A rule for exactly this connection before the one that decides now."""
        peers = changes.peers(policy.kind, self.direction, self.other)
        if not peers:
            return
        rules = changes.rules_of(policy, self.direction)
        number = _number(path)
        rule = changes.rule(policy.kind, self.direction, peers, self.finding.ports, action)
        edit = changes.replaced(policy, self.direction, [*rules[:number], rule, *rules[number:]])
        words = f"in {policy.identity} put a rule before {path}: {rule['action']} {self._words()}"
        # To hand on is less than to allow, and to take something out is plainer than to forbid it first.
        yield Change((edit,), 1, {PASS: 0, ALLOW: 1, DENY: 2}[action], words)

    def _other_priorities(self) -> Iterator[Change]:
        """One of the policies that nobody can put in order, moved by one."""
        for deciding in self.decision.rules:
            policy = deciding.policy.policy
            for priority in (policy.priority - 1, policy.priority + 1):
                if 0 <= priority <= MOST_PRIORITY and policy.priority != LAST_PRIORITY:
                    words = f"set the priority of {policy.identity} to {priority}"
                    yield Change(
                        (changes.with_priority(policy, priority),), len(policy.rules[self.direction]), 0, words
                    )

    # --- To close what is unexpected

    def closing(self) -> Iterator[Change]:
        if self.decision.outcome == UNDEFINED:
            yield from self._other_priorities()
            return
        if self.decision.outcome != ALLOWED:
            return
        if self.decision.tier == NAMESPACED:
            yield from self._closing_rules(self._opening_now())
        elif self.decision.tier:
            for deciding in self.decision.rules:
                yield from self._inserted(deciding.policy.policy, deciding.rule.rule.path, DENY)
            yield from self._closing_rules([(one.policy, one.rule) for one in self.decision.rules])
        elif self.own.selectable:
            yield from self._isolated()

    def _opening_now(self) -> list[tuple[CompiledPolicy, CompiledRule]]:
        """Every rule that opens some of it."""
        return [
            (policy, rule)
            for policy in self.suggestions.evaluation.of_tier(NAMESPACED)
            if policy.subject & self.own_groups
            for rule in policy.rules[self.direction]
            if rule.peer & self.other_groups and ports_.common(self._ports_of(rule), self.finding.ports)
        ]

    def _ports_of(self, rule: CompiledRule) -> list[PortRange]:
        return [port for one in rule.openings if one.destinations & self.finding.destinations for port in one.ports]

    def _closing_rules(self, opening: Sequence[tuple[CompiledPolicy, CompiledRule]]) -> Iterator[Change]:
        """The same kind of edit to every rule that opens it, and as a last resort without the policies."""
        if not opening:
            return
        for rank, style in enumerate((self._without_peers, self._without_ports, self._narrowed, self._without_rule)):
            edits: dict[int, tuple[CompiledPolicy, dict[int, RuleEdit]]] = {}
            for policy, rule in opening:
                edit = style(policy, rule) or self._without_rule(policy, rule)
                edits.setdefault(id(policy), (policy, {}))[1][_number(rule.rule.path)] = edit
            yield self._edited(list(edits.values()), rank)
        policies = list({id(policy): policy.policy for policy, _rule in opening}.values())
        touched = sum(len(rules) for policy in policies for rules in policy.rules.values())
        words = f"delete {listed([policy.identity for policy in policies], 'and')}"
        yield Change(tuple(changes.removed(policy) for policy in policies), touched, 4, words)

    def _edited(self, edited: Iterable[tuple[CompiledPolicy, dict[int, RuleEdit]]], rank: int) -> Change:
        made, touched, words = [], 0, []
        for policy, edits in edited:
            rules: list[changes.Manifest] = []
            for number, rule in enumerate(changes.rules_of(policy.policy, self.direction)):
                rules += edits[number].rules if number in edits else [rule]
            made.append(changes.replaced(policy.policy, self.direction, rules))
            touched += sum(edit.touched for edit in edits.values())
            words.append(f"in {policy.policy.identity} {listed([edit.words for edit in edits.values()], 'and')}")
        return Change(tuple(made), touched, rank, "; ".join(words))

    def _without_rule(self, _policy: CompiledPolicy, rule: CompiledRule) -> RuleEdit:
        return RuleEdit([], 1, f"take out {rule.rule.path}")

    def _without_peers(self, policy: CompiledPolicy, rule: CompiledRule) -> RuleEdit | None:
        """Without the peers that let the other end in; a block of addresses gets an exception instead, if it is wider."""
        given, key = self._given(policy, rule), PEERS_KEY[self.direction]
        hit = self._hit(rule)
        if not hit:
            return None
        kept, holes = [], []
        for number, peer in enumerate(given[key]):
            if number not in hit:
                kept.append(peer)
                continue
            narrower = self._with_exception(peer, rule, number)
            if narrower is not None:
                kept.append(narrower)
                holes.append(number)
        gone = [f"{rule.rule.path}.{key}[{number}]" for number in hit if number not in holes]
        words = [f"take out {listed(gone, 'and')}"] if gone else []
        words += [f"except {self.other.name} from {rule.rule.path}.{key}[{number}]" for number in holes]
        return RuleEdit([{**given, key: kept}] if kept else [], 1, listed(words, "and"))

    def _with_exception(self, peer: changes.Manifest, rule: CompiledRule, number: int) -> changes.Manifest | None:
        block = peer.get("ipBlock")
        found = (rule.rule.peers or ())[number]
        if block is None or not isinstance(found, Addresses) or not self.other.ranges:
            return None
        if not within(self.other.ranges, found.ranges) or self.other.ranges == found.ranges:
            return None
        cidrs = cidrs_of(self.other.ranges)
        return {"ipBlock": {**block, "except": [*(block.get("except") or []), *cidrs]}}

    def _hit(self, rule: CompiledRule) -> list[int]:
        return [number for number, groups in enumerate(rule.peers or ()) if groups & self.other_groups]

    def _given(self, policy: CompiledPolicy, rule: CompiledRule) -> changes.Manifest:
        return changes.rules_of(policy.policy, self.direction)[_number(rule.rule.path)]

    def _without_ports(self, policy: CompiledPolicy, rule: CompiledRule) -> RuleEdit | None:
        given = self._given(policy, rule)
        key = "protocols" if given.get("protocols") else "ports"
        if rule.rule.ports is None or not given.get(key):
            return None
        hit = [number for number, port in enumerate(rule.rule.ports) if self._means(port)]
        kept = [port for number, port in enumerate(given[key]) if number not in hit]
        if not hit or not kept:
            return None
        words = listed([f"{rule.rule.path}.{key}[{number}]" for number in hit], "and")
        return RuleEdit([{**given, key: kept}], 1, f"take out {words}")

    def _means(self, port: PortRange | NamedPort) -> bool:
        """Whether the entry is about the ports of the finding."""
        if isinstance(port, PortRange):
            return bool(ports_.common([port], self.finding.ports))
        named = self.suggestions.partition.ports_named(port)
        return any(
            groups & self.finding.destinations
            and ports_.common([PortRange(protocol, number, number)], self.finding.ports)
            for protocol, number, groups in named
        )

    def _narrowed(self, policy: CompiledPolicy, rule: CompiledRule) -> RuleEdit | None:
        """Instead of the peers that let the other end in, what is declared of all that they let in."""
        given, key = self._given(policy, rule), PEERS_KEY[self.direction]
        hit = self._hit(rule) if rule.peers is not None else []
        if rule.peers is not None and not hit:
            return None
        kept = [peer for number, peer in enumerate(given.get(key) or []) if number not in hit]
        let_in = rule.peer
        if rule.peers is not None:
            let_in = 0
            for number in hit:
                let_in |= rule.peers[number]
        added = self._declared(let_in, self._ports_of(rule), policy.policy)
        if not added:
            return None
        rules = [{**given, key: kept}] if kept else []
        touched = len(added) + 1 if kept else len(added)
        what = f"{rule.rule.path}.{key}" if rule.peers is not None else rule.rule.path
        which = listed([str(number) for number in hit], "and")
        words = f"put what is declared in the place of {what}{f'[{which}]' if rule.peers is not None else ''}"
        return RuleEdit([*rules, *added], max(touched, 1), words)

    def _declared(self, others: int, ports: Iterable[PortRange], policy: Policy | None) -> list[changes.Manifest]:
        """Rules for the connections that should be open at the own end, as far as these ends and ports go."""
        kind = policy.kind if policy is not None else changes.NETWORK_POLICY
        namespace = policy.namespace if policy is not None else self.own.namespace
        every = list(ports)
        by_ports: dict[Ports, list[changes.Manifest]] = {}
        for row in self.suggestions.matrix.expectation.rows:
            own, other = (row.source, row.destination) if self.direction == EGRESS else (row.destination, row.source)
            groups = other.groups(self.suggestions.partition)
            if not row.allowed or own.workload != self.own.name or not groups & others:
                continue
            party = self.suggestions.parties.of(other.name if other.outside else other.workload, groups)
            wanted = ports_.common([port for given in row.ports.values() for port in given], every)
            peers = changes.peers(kind, self.direction, party, namespace)
            if wanted and peers:
                by_ports.setdefault(wanted, []).extend(peer for peer in peers if peer not in by_ports.get(wanted, []))
        return [changes.rule(kind, self.direction, peers, wanted) for wanted, peers in by_ports.items()]

    def _isolated(self) -> Iterator[Change]:
        """No policy decides about this end yet: deny by default, with what is declared, or for the whole namespace."""
        declared = self._declared(self.suggestions.partition.every, ALL_PORTS, None)
        short, direction = self.own.short, self.direction
        edit = self._new_policy(f"{short}-{direction}", declared, self.own)
        what = f" but for what is declared ({_counted(len(declared), 'rule')})" if declared else ""
        yield Change(
            (edit,), 1 + len(declared), 1, f"create {_identity(edit)}: deny {direction} of {self.own.name}{what}"
        )
        if declared:
            edit = self._new_policy(f"{short}-deny-{direction}", [], self.own)
            yield Change((edit,), 1, 0, f"create {_identity(edit)}: deny {direction} of {self.own.name}")
        edit = self._new_policy(f"default-deny-{direction}", [], None)
        words = f"create {_identity(edit)}: deny {direction} of every pod in {self.own.namespace}"
        yield Change((edit,), 1, 2, words)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _identity(edit: Edit) -> str:
    kind, namespace, name = edit.place
    return f"{kind} {namespace}/{name}"


def _number(path: str) -> int:
    """The place of a rule in its list."""
    return int(path.rpartition("[")[2].rstrip("]"))
