# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that is not as it should be, as data and as one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._probe_specification import ProbeRequest, differences
from ansible_collections.azora.platform.plugins.module_utils._verdict import Evidence, Verdict, judge_dns
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    INCONCLUSIVE,
    OPEN,
    Connection,
    Workload,
    connections_from,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod

HEALTHY = range(200, 400)


@dataclass(frozen=True)
class Finding:
    check: str
    source: str
    destination: str
    port: int | None
    expected: str
    found: str
    reason: str
    sentence: str

    def as_result(self) -> dict[str, Any]:
        return asdict(self)


def enforcement_finding(reason: str | None) -> list[Finding]:
    if reason is None:
        return []
    sentence = reason[0].upper() + reason[1:]
    return [Finding("enforcement", "*", "*", None, BLOCKED, OPEN, reason, sentence)]


def pod_findings(workload: Workload, pods: Sequence[Pod]) -> list[Finding]:
    """Replicas that are missing or not ready, and live probes that are not the declared ones."""
    return [*_readiness(workload, pods), *_specification(workload, pods)]


def _readiness(workload: Workload, pods: Sequence[Pod]) -> list[Finding]:
    identity = workload.identity
    ready = sum(pod.ready for pod in pods)
    most = workload.most_replicas
    wanted = str(workload.replicas) if most == workload.replicas else f"{workload.replicas} to {most}"
    if workload.replicas <= ready <= most and ready == len(pods):
        return []
    waiting = [f"{pod.name} ({pod.why_not_ready})" for pod in pods if not pod.ready]
    reason = f"not ready: {', '.join(waiting)}" if waiting else f"{len(pods)} pods match its selector"
    sentence = f"{identity} should have {wanted} ready pods and has {ready}; {reason}"
    expected, found = f"{wanted} ready pods", f"{ready} ready pods"
    return [Finding("readiness", identity, identity, None, expected, found, reason, sentence)]


def _specification(workload: Workload, pods: Sequence[Pod]) -> list[Finding]:
    findings = []
    for pod in pods:
        for probe, expected, found in differences(pod.manifest, workload):
            what = f"{probe} probe" if probe != "container" else probe
            sentence = f"the {what} of pod {pod.identity} is not as declared: expected {expected}, found {found}"
            reason = f"{what} differs"
            findings.append(Finding("probes", workload.identity, pod.identity, None, expected, found, reason, sentence))
    return findings


def report_findings(reports: Sequence[Any], evidence: Evidence) -> list[Finding]:
    """Probers that could not report, probe paths that do not answer, name servers that do not."""
    findings = []
    for report in reports:
        identity, pod = report.prober.workload.identity, report.prober.pod
        if report.failure:
            if not report.prober.is_source:  # a silent source is told once, with its connections
                findings.append(
                    Finding(
                        "prober", identity, pod.identity, None, "a report", INCONCLUSIVE, report.failure, report.failure
                    )
                )
            continue
        for seen in sorted((one for one in report.observed if one["kind"] == "request"), key=lambda one: one["id"]):
            findings += _unhealthy(identity, pod, report.prober.requests[seen["id"]], seen)
        reported = {one["id"] for one in report.observed if one["kind"] == "request"}
        for index, request in enumerate(report.prober.requests):
            if index not in reported:
                missing = {"status": None, "error": "not finished in time", "ms": None}
                findings += _unhealthy(identity, pod, request, missing)
    for source, servers in sorted(evidence.dns.items()):
        findings += _name_servers(source, servers, evidence)
    return findings


def answered(seen: Mapping[str, Any]) -> bool:
    return seen["status"] is not None and seen["status"] in HEALTHY


def _unhealthy(identity: str, pod: Pod, request: ProbeRequest, seen: Mapping[str, Any]) -> list[Finding]:
    if answered(seen):
        return []
    found = f"status {seen['status']}" if seen["status"] is not None else f"no answer ({seen['error']})"
    what = f"GET {request.path} on its own address, port {request.port}"
    reason = f"{what}, for {' and '.join(request.probes)}"
    sentence = (
        f"pod {pod.identity} does not pass {what} ({', '.join(request.probes)}): expected 200 to 399, found {found}"
    )
    return [Finding("probes", identity, pod.identity, request.port, "status 200 to 399", found, reason, sentence)]


def _name_servers(source: str, servers: Sequence[Mapping[str, Any]], evidence: Evidence) -> list[Finding]:
    findings = []
    if not servers:
        reason = f"{source} has no name server in its resolv.conf"
        findings.append(Finding("dns", source, "dns", 53, OPEN, INCONCLUSIVE, reason, reason))
    alike: dict[tuple[str, int, str, str], list[str]] = {}
    for seen in sorted(servers, key=lambda one: (one["server"], one["protocol"])):
        verdict = judge_dns(source, seen, evidence)
        if not verdict.passed:
            told = (seen["server"], seen["port"], verdict.verdict, verdict.reason)
            alike.setdefault(told, []).append(seen["protocol"])
    for (server, port, verdict_word, reason), protocols in alike.items():
        over = " and ".join(protocols)
        expected, found = ("an address", "another answer") if verdict_word == OPEN else (OPEN, verdict_word)
        sentence = f"{source} asks DNS at {server}:{port} over {over}: expected {expected}, found {found} ({reason})"
        findings.append(Finding("dns", source, server, port, expected, found, f"{reason} ({over})", sentence))
    return findings


def connection_findings(
    judged: Sequence[tuple[Connection, Verdict]], silent_sources: Mapping[str, str]
) -> list[Finding]:
    """One finding a row that is not as expected; one for all rows of a silent source, and of a port nobody listens on."""
    findings = _silent_sources(judged, silent_sources)
    heard = [pair for pair in judged if pair[0].source not in silent_sources]
    findings += _dead_ports(heard)
    for connection, verdict in heard:
        if verdict.passed or _on_dead_port(connection, verdict):
            continue
        findings.append(
            Finding(
                "connectivity",
                connection.source,
                connection.destination,
                connection.port,
                connection.expected,
                verdict.verdict,
                verdict.reason,
                _connection_sentence(connection, verdict),
            )
        )
    return findings


def _silent_sources(judged: Sequence[tuple[Connection, Verdict]], silent_sources: Mapping[str, str]) -> list[Finding]:
    rows = Counter(connection.source for connection, _verdict in judged)
    findings = []
    for source in [source for source in rows if source in silent_sources]:
        reason = silent_sources[source]
        expected = f"{rows[source]} connections judged"
        sentence = f"none of the {rows[source]} connections from {source} could be judged: {reason}"
        findings.append(Finding("connectivity", source, "*", None, expected, INCONCLUSIVE, reason, sentence))
    return findings


def _on_dead_port(connection: Connection, verdict: Verdict) -> bool:
    return verdict.nobody_listens and verdict.verdict == INCONCLUSIVE and not connection.allowed


def _dead_ports(judged: Sequence[tuple[Connection, Verdict]]) -> list[Finding]:
    rows = Counter(
        (connection.destination, connection.port)
        for connection, verdict in judged
        if _on_dead_port(connection, verdict)
    )
    findings = []
    for (destination, port), count in rows.items():
        reason = f"nothing listens on port {port} of {destination}, not even for itself"
        sentence = f"{reason}, so {count} connections that should be closed could not be judged"
        findings.append(Finding("connectivity", "*", destination, port, BLOCKED, INCONCLUSIVE, reason, sentence))
    return findings


def _connection_sentence(connection: Connection, verdict: Verdict) -> str:
    kind = connection.application if connection.application != "none" else connection.given.get("port_name")
    where = f"{connection.destination}:{connection.port}" + (f" ({kind})" if kind else "")
    reason = f" ({verdict.reason})" if verdict.reason else ""
    told = f"expected {connection.expected}, found {verdict.verdict}{reason}"
    if verdict.verdict == INCONCLUSIVE:
        return f"whether {connection.source} reaches {where} is not known: {told}"
    if not connection.allowed:
        return f"{connection.source} can reach {where}, which nothing declares: {told}"
    if verdict.verdict == OPEN:
        return f"{connection.source} reaches {where} but gets no answer: {told}"
    return f"{connection.source} cannot reach {where}: {told}"


def row_sentence(row: Mapping[str, Any]) -> str:
    """The sentence of a connection as a result has it, also where one finding stands for many of them."""
    (connection,) = connections_from([row])
    return _connection_sentence(connection, Verdict(row["verdict"], row["ok"], row["reason"]))


def failure_message(findings: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], limit: int = 5) -> str:
    """The first mismatches in sentences."""
    sentences = [str(finding["sentence"]) for finding in findings[:limit]]
    rest = len(findings) - len(sentences)
    more = f"; and {rest} more" if rest else ""
    noun = "mismatch" if len(findings) == 1 else "mismatches"
    return f"{summary['mismatches']} {noun}: {'; '.join(sentences)}{more}."
