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
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    INCONCLUSIVE,
    OPEN,
    Connection,
)

# What a name server may say instead of an address.
CODES = {0: "no record", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


@dataclass(frozen=True)
class Target:
    """One address behind a destination: a ready pod, or an address outside."""

    address: str
    name: str


@dataclass
class Evidence:
    """All that the probers of one run observed, by source workload and by address."""

    # (source, address, port) -> what that source saw there.
    cells: dict[tuple[str, str, int], Mapping[str, Any]] = field(default_factory=dict)
    # (address, port) -> whether the pod that has the address can connect to itself there.
    listening: dict[tuple[str, int], bool] = field(default_factory=dict)
    # source -> the observations of its nameservers.
    dns: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    # source -> why there is no report of it.
    silent_sources: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _connected(self) -> set[str]:
        answered = {
            source for source, servers in self.dns.items() if any(seen["outcome"] == "open" for seen in servers)
        }
        return answered | {source for (source, _address, _port), seen in self.cells.items() if seen["opened"]}

    @cached_property
    def _accepting(self) -> set[tuple[str, int]]:
        themselves = {place for place, listens in self.listening.items() if listens}
        return themselves | {(address, port) for (_source, address, port), seen in self.cells.items() if seen["opened"]}

    def reached_something(self, source: str) -> bool:
        """A name server or another pod: connecting to oneself never leaves the pod, so it does not count."""
        return source in self._connected

    def open_to_someone(self, address: str, port: int) -> bool:
        return (address, port) in self._accepting


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
    if connection.protocol != "TCP":
        return _unknown(f"{connection.protocol} is not probed")
    if connection.source in evidence.silent_sources:
        return _unknown(evidence.silent_sources[connection.source])
    if not targets:
        return _unknown(f"{connection.destination} has no ready pod")
    cells = [_judge_cell(connection, target, evidence) for target in targets]
    # A database of a store may listen on some of its pods only: then those are the destination.
    if connection.kind == "store" and not all(cell.nothing_listens for cell in cells):
        cells = [cell for cell in cells if not cell.nothing_listens]
    return _over_all(connection, cells)


def _unknown(reason: str) -> Verdict:
    return Verdict(INCONCLUSIVE, False, reason)


def _judge_cell(connection: Connection, target: Target, evidence: Evidence) -> _Cell:
    port = connection.port
    seen = evidence.cells.get((connection.source, target.address, port))
    if seen is None:
        return _Cell(target, INCONCLUSIVE, f"{target.name} was not tried")
    if seen["changes"] > 1:
        # It settled nowhere; for a closed door having been open is what counts.
        tried = f"flapping: {seen['first']} at first, {seen['last']} at last, {seen['changes']} changes"
        return _Cell(target, INCONCLUSIVE if connection.allowed or not seen["opened"] else OPEN, tried, seen)
    outcome = seen["last"]
    if outcome == "open":
        return _Cell(target, OPEN, "", seen)
    if outcome == "error":
        return _Cell(target, INCONCLUSIVE, f"{target.name} could not be tried: {seen['error']}", seen)
    listening = evidence.listening.get((target.address, port))
    open_to_someone = evidence.open_to_someone(target.address, port)
    if outcome == "refused":
        if open_to_someone:
            return _Cell(target, BLOCKED, f"refused on the way to {target.name}, which listens on {port}", seen)
        nobody = f"{target.name} refuses port {port}, and nothing is known to listen there"
        return _Cell(target, INCONCLUSIVE, nobody, seen, nothing_listens=listening is False)
    how = "no answer from" if outcome == "timeout" else "no way to"
    if not evidence.reached_something(connection.source):
        alone = f"{connection.source} reached nothing at all, no name server and no other pod"
        return _Cell(target, INCONCLUSIVE, alone, seen)
    if not open_to_someone:
        nobody = f"{how} {target.name}, and nothing is known to listen on its port {port}"
        return _Cell(target, INCONCLUSIVE, nobody, seen, nothing_listens=listening is False)
    return _Cell(target, BLOCKED, f"{how} {target.name}, which listens on {port}", seen)


def _over_all(connection: Connection, cells: Sequence[_Cell]) -> Verdict:
    """The address that contradicts the expectation decides; an unknown one weighs more than one that agrees."""
    order = (BLOCKED, INCONCLUSIVE, OPEN) if connection.allowed else (OPEN, INCONCLUSIVE, BLOCKED)
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
    return Verdict(
        verdict=worst.verdict,
        passed=worst.verdict == connection.expected and unanswered is None and "flapping" not in worst.reason,
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
