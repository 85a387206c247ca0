# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observations and controls in, verdicts out. Nothing is assumed: what was not seen is INCONCLUSIVE.

A timeout alone proves nothing: the prober may have no network, the server may be down. It counts as BLOCKED only
when the same source reached something else over the network and something listens on the port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    FLAKY,
    INCONCLUSIVE,
    OPEN,
    Connection,
)

# What a name server may say instead of an address.
CODES = {0: "no record", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


class Place(NamedTuple):
    """Where a server listens."""

    address: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class Target:
    """One way to a destination: a ready pod, a Service before its pods, or an address outside."""

    place: Place
    name: str
    # What a Service leads to; nothing for the others.
    leads_to: tuple[Place, ...] = ()


@dataclass
class Evidence:
    """All that the probers of one run observed, by source workload and by address."""

    # (source, place) -> what that source saw there.
    cells: dict[tuple[str, Place], Mapping[str, Any]] = field(default_factory=dict)
    # place -> whether the pod that has the address can connect to itself there.
    listening: dict[Place, bool] = field(default_factory=dict)
    # source -> the observations of its nameservers.
    dns: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    # source -> why there is no report of it.
    silent_sources: dict[str, str] = field(default_factory=dict)
    # The silent sources of which the policies' word is enough for whoever asked.
    waived: set[str] = field(default_factory=set)
    # source -> the service mesh's proxy in its pod, which accepts whatever the pod connects to.
    proxies: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _connected(self) -> set[str]:
        answered = {
            source for source, servers in self.dns.items() if any(seen["outcome"] == "open" for seen in servers)
        }
        return answered | {source for (source, _place), seen in self.cells.items() if seen["opened"]}

    @cached_property
    def _accepting(self) -> set[Place]:
        themselves = {place for place, listens in self.listening.items() if listens}
        return themselves | {place for (_source, place), seen in self.cells.items() if seen["opened"]}

    def reached_something(self, source: str) -> bool:
        """A name server or another pod: connecting to oneself never leaves the pod, so it does not count."""
        return source in self._connected

    def listens(self, target: Target) -> bool | None:
        """Whether a pod that has the address, or one behind the Service, can connect to itself; None if nobody tried."""
        known = [self.listening[place] for place in target.leads_to or (target.place,) if place in self.listening]
        return any(known) if known else None

    def open_to_someone(self, target: Target) -> bool:
        """A Service needs a pod that does."""
        return target.place in self._accepting or any(place in self._accepting for place in target.leads_to)


@dataclass(frozen=True)
class Verdict:
    verdict: str
    passed: bool
    reason: str
    answered: str | None = None
    milliseconds: float | None = None
    attempts: int = 0
    first: str | None = None
    # No pod of the destination listens on the port, so nobody's connection can be judged.
    nobody_listens: bool = False


@dataclass(frozen=True)
class _Cell:
    """What one address says about a connection."""

    target: Target
    verdict: str
    reason: str
    seen: Mapping[str, Any] | None = None
    nothing_listens: bool = False


def judge(connection: Connection, targets: Sequence[Target], evidence: Evidence) -> Verdict:
    """The verdict on one row of the matrix, over all addresses of its destination."""
    if connection.source in evidence.silent_sources:
        return _unknown(evidence.silent_sources[connection.source])
    if not targets:
        other = "other " if connection.source == connection.destination else ""
        return _unknown(f"{connection.destination} has no {other}ready pod")
    cells = [_judge_cell(connection, target, evidence) for target in targets]
    # A database of a store may listen on some of its pods only: then those are the destination.
    if connection.kind == "store" and not all(cell.nothing_listens for cell in cells):
        cells = [cell for cell in cells if not cell.nothing_listens]
    return _over_all(connection, cells)


def _unknown(reason: str) -> Verdict:
    return Verdict(INCONCLUSIVE, False, reason)


def _judge_cell(connection: Connection, target: Target, evidence: Evidence) -> _Cell:
    port = target.place.port
    seen = evidence.cells.get((connection.source, target.place))
    if seen is None:
        return _Cell(target, INCONCLUSIVE, f"{target.name} was not tried")
    if seen["changes"] > 1:
        # It settled nowhere; for a closed door having been open is what counts.
        tried = f"{target.name}: {seen['first']} at first, {seen['last']} at last, {seen['changes']} changes between"
        if connection.allowed:
            return _Cell(target, FLAKY, tried, seen)
        return _Cell(target, OPEN if seen["opened"] else INCONCLUSIVE, tried, seen)
    outcome = seen["last"]
    if outcome == "open" and connection.source in evidence.proxies and seen["answer"] is None:
        return _behind_proxy(connection, target, evidence, seen)
    if outcome == "open":
        return _Cell(target, OPEN, "", seen)
    if outcome == "error":
        return _Cell(target, INCONCLUSIVE, f"{target.name} could not be tried: {seen['error']}", seen)
    listening = evidence.listens(target)
    open_to_someone = evidence.open_to_someone(target)
    if outcome == "refused":
        if open_to_someone:
            return _Cell(target, BLOCKED, f"refused on the way to {target.name}, which listens on {port}", seen)
        nobody = f"{target.name} refuses port {port}, and nothing is known to listen there"
        if listening is False:
            nobody = f"{target.name} refuses port {port}, to itself too: nothing listens there, or only on 127.0.0.1"
        return _Cell(target, INCONCLUSIVE, nobody, seen, nothing_listens=listening is False)
    how = "no answer from" if outcome == "timeout" else "no way to"
    if not evidence.reached_something(connection.source):
        alone = f"{connection.source} reached nothing at all, no name server and no other pod"
        return _Cell(target, INCONCLUSIVE, alone, seen)
    if not open_to_someone:
        nobody = f"{how} {target.name}, and nothing is known to listen on its port {port}"
        return _Cell(target, INCONCLUSIVE, nobody, seen, nothing_listens=listening is False)
    return _Cell(target, BLOCKED, f"{how} {target.name}, which listens on {port}", seen)


def _behind_proxy(connection: Connection, target: Target, evidence: Evidence, seen: Mapping[str, Any]) -> _Cell:
    """Accepted by the sender's own proxy, and no answer from behind it."""
    accepted = f"only {evidence.proxies[connection.source]} of {connection.source} itself accepted"
    if connection.application == "none":
        reason = f"{accepted}, and without an application there is no answer to ask for"
        return _Cell(target, INCONCLUSIVE, reason, seen)
    if connection.allowed:
        return _Cell(target, OPEN, "", seen)  # and unanswered, which is told as such
    if evidence.open_to_someone(target):
        return _Cell(
            target, BLOCKED, f"{accepted}; {target.name}, which listens on {connection.port}, did not answer", seen
        )
    return _Cell(target, INCONCLUSIVE, f"{accepted}, and nothing is known to listen on {connection.port}", seen)


def _over_all(connection: Connection, cells: Sequence[_Cell]) -> Verdict:
    """The address that contradicts the expectation decides; an unknown one weighs more than one that agrees."""
    order = (BLOCKED, FLAKY, INCONCLUSIVE, OPEN) if connection.allowed else (OPEN, INCONCLUSIVE, BLOCKED)
    worst = min(cells, key=lambda cell: order.index(cell.verdict))
    seen = worst.seen or {}
    unanswered = next((cell for cell in cells if _unanswered(connection, cell)), None)
    reason = worst.reason
    if worst.verdict == connection.expected == OPEN and unanswered is not None:
        error = (unanswered.seen or {}).get("error")
        reason = f"{unanswered.target.name} opens but does not answer as {connection.application}"
        reason += f" ({error})" if error else ""
        seen = unanswered.seen or {}
    elif worst.verdict == connection.expected:
        late = max((cell for cell in cells if cell.seen), key=lambda cell: (cell.seen or {})["attempts"])
        reason = _settled(late.seen or {}) or connection.because
    elif worst.verdict == OPEN and not worst.reason:
        reason = f"{worst.target.name} accepted the connection"
    elif worst.target.leads_to and all(cell.verdict == OPEN for cell in cells if not cell.target.leads_to):
        reason += f"; each of its pods is {OPEN}"
    return Verdict(
        verdict=worst.verdict,
        passed=worst.verdict == connection.expected and unanswered is None,
        reason=reason,
        answered=seen.get("answer"),
        milliseconds=seen.get("ms"),
        attempts=sum(int((cell.seen or {}).get("attempts", 0)) for cell in cells),
        first=seen.get("first"),
        nobody_listens=all(cell.nothing_listens for cell in cells),
    )


def _unanswered(connection: Connection, cell: _Cell) -> bool:
    if not connection.allowed or connection.application == "none" or cell.verdict != OPEN:
        return False
    return not (cell.seen or {}).get("answer")


def _settled(seen: Mapping[str, Any]) -> str:
    if seen.get("attempts", 1) <= 1:
        return ""
    return f"{seen['first']} at first, settled after {seen['seconds']} s"


def judge_dns(source: str, seen: Mapping[str, Any], evidence: Evidence) -> Verdict:
    """A name server: an answer to the very question is OPEN, even when the name is not known; silence over UDP is nothing."""
    if seen["outcome"] == "open":
        if seen["code"] == 0 and seen["answers"]:
            return Verdict(OPEN, True, "", "A record", seen["ms"], seen["attempts"])
        reason = f"it answers, but not with an address for {seen['name']}: {CODES.get(seen['code'], seen['code'])}"
        return Verdict(OPEN, False, reason, None, seen["ms"], seen["attempts"])
    others = any(
        other["outcome"] == "open" and (other["server"], other["protocol"]) == (seen["server"], seen["protocol"])
        for answers in evidence.dns.values()
        for other in answers
    )
    if seen["outcome"] in ("refused", "error"):
        return Verdict(INCONCLUSIVE, False, f"{seen['outcome']}: {seen['error']}")
    if not others:
        return Verdict(INCONCLUSIVE, False, "no answer, and nobody else got one")
    if not evidence.reached_something(source):
        return Verdict(INCONCLUSIVE, False, f"no answer, and {source} reached nothing else")
    return Verdict(BLOCKED, False, "no answer, which other workloads got", attempts=seen["attempts"])


def nothing_is_enforced(judged: Sequence[tuple[Connection, Verdict]]) -> str | None:
    """Every closed door open has one cause, and it is not in the single connections."""
    denied = [verdict for connection, verdict in judged if not connection.allowed]
    if len(denied) < 2 or any(verdict.verdict != OPEN for verdict in denied):
        return None
    return (
        f"all {len(denied)} connections that should be closed are open:"
        " policies are not enforced on this cluster, or one policy allows everything"
    )
