# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that is not as it should be, as data and as one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._probe_counters import RunningProbe, Runs
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import (
    ProbeRequest,
    differences,
    probe_requests,
)
from ansible_collections.azora.platform.plugins.module_utils._verdict import Evidence, Verdict, judge_dns
from ansible_collections.azora.platform.plugins.module_utils._verification_backups import Backups
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    FLAKY,
    INCONCLUSIVE,
    OPEN,
    Connection,
    Workload,
    connections_from,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import Counted
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod
from ansible_collections.azora.platform.plugins.module_utils._verification_policies import (
    PolicyJudgement,
    PolicyVerdict,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services
from ansible_collections.azora.platform.plugins.module_utils._verification_surroundings import Truth

HEALTHY = range(200, 400)
SUCCESS = range(200, 300)
# Fewer connections on one node may be chance.
SEVERAL = 3
OTHERWISE = "the network plugin does not do what the policies say, or something else on the way does"


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


def pod_findings(workload: Workload, pods: Sequence[Pod], *, tested: bool = False) -> list[Finding]:
    """Replicas that are missing or not ready, and live probes that are not the declared ones.

    With TESTED, whether liveness depends on anything was tried, and is told by that.
    """
    shared = [] if tested else _shared_path(workload)
    return [*_readiness(workload, pods), *_specification(workload, pods), *shared]


def _shared_path(workload: Workload) -> list[Finding]:
    """Liveness that fails with a dependency restarts every pod for what no restart can heal."""
    liveness = workload.probes.get("liveness") or {}
    shared = [one for one in probe_requests(workload) if {"liveness", "readiness"} <= set(one.probes)]
    if not shared or liveness.get("dependency_free"):
        return []
    where = f"GET {shared[0].path} on port {shared[0].port}"
    reason = f"liveness and readiness share {where}"
    sentence = (
        f"{reason} in {workload.identity}: if that depends on another service, its failure restarts every pod;"
        " give liveness a path of its own, declare probes.liveness.dependency_free: true if it depends on nothing, or have"
        " that tested (cut_off)"
    )
    expected = "a liveness path that depends on nothing"
    return [
        Finding(
            "probes", workload.identity, workload.identity, shared[0].port, expected, "not declared", reason, sentence
        )
    ]


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


def truth_findings(truth: Truth) -> list[Finding]:
    """What around the pods cannot do what it is there for."""
    return [
        Finding("workloads", identity, identity, None, one.expected, one.found, one.what, one.sentence)
        for identity, one in truth.untruths
        if one.certain
    ]


def backup_findings(backups: Backups) -> list[Finding]:
    """What keeps a store from being recovered."""
    return [
        Finding("backups", identity, identity, None, one.expected, one.found, one.what, one.sentence)
        for identity, one in backups.untruths
        if one.certain
    ]


def report_findings(reports: Sequence[Any], evidence: Evidence) -> list[Finding]:
    """Probers that could not report, probe paths that do not answer, name servers that do not."""
    findings = []
    for report in reports:
        identity, pod = report.prober.workload.identity, report.prober.pod
        if report.failure:
            if not report.prober.is_source and not report.waived:  # a silent source is told once, with its connections
                findings.append(
                    Finding(
                        "prober", identity, pod.identity, None, "a report", INCONCLUSIVE, report.failure, report.failure
                    )
                )
            continue
        missing = {"status": None, "error": "not finished in time", "ms": None}
        by_request = {one["id"]: one for one in report.observed if one["kind"] == "request"}
        answers = [(request, by_request.get(index, missing)) for index, request in enumerate(report.prober.requests)]
        for request, seen in answers:
            findings += _answers_anything(identity, pod, request, seen, answers) if request.absent else []
            findings += [] if request.absent else _unhealthy(identity, pod, request, seen)
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


def _answers_anything(
    identity: str,
    pod: Pod,
    absent: ProbeRequest,
    seen: Mapping[str, Any],
    answers: Sequence[tuple[ProbeRequest, Mapping[str, Any]]],
) -> list[Finding]:
    """A server that answers what is not there says nothing by answering its probes' paths."""
    good = [
        request.path
        for request, answer in answers
        if not request.absent and request.port == absent.port and request.scheme == absent.scheme and answered(answer)
    ]
    if not good or (seen["status"] is not None and seen["status"] not in SUCCESS):
        return []
    paths, expected = " and ".join(good), "a status other than 200 to 299"
    if seen["status"] is None:
        reason = f"a path that is not there was not answered ({seen['error']})"
        sentence = f"whether the answer of pod {pod.identity} to GET {paths} means anything is not known: {reason}"
        return [Finding("probes", identity, pod.identity, absent.port, expected, INCONCLUSIVE, reason, sentence)]
    found = f"status {seen['status']}"
    reason = f"GET {absent.path}, which is not there, on port {absent.port}"
    sentence = (
        f"pod {pod.identity} answers a path that is not there as well as {paths}, so its probes prove nothing:"
        f" expected {expected} from GET {absent.path} on port {absent.port}, found {found}"
    )
    return [Finding("probes", identity, pod.identity, absent.port, expected, found, reason, sentence)]


def kubelet_findings(
    workloads: Sequence[Workload],
    pods: Mapping[str, Sequence[Pod]],
    counted: Counted,
    told: Collection[str],
    *,
    required: bool,
) -> list[Finding]:
    """Probes that the kubelet did not run or that failed it; pods of which more was TOLD already are left out."""
    findings = []
    for workload in workloads:
        for pod in pods[workload.identity]:
            for probe, runs in counted.of_pod(pod.identity) if pod.identity not in told else ():
                findings += _counted_wrong(workload.identity, pod, probe, runs, counted.seconds)
    if required:
        for node, reason in sorted(counted.unread.items()):
            sentence = f"whether the kubelet of {node} runs the probes of its pods is not known: {reason}"
            findings.append(Finding("probes", "*", node, None, "its counters", INCONCLUSIVE, reason, sentence))
    return findings


def _counted_wrong(identity: str, pod: Pod, probe: RunningProbe, runs: Runs, seconds: float) -> list[Finding]:
    if runs.passed or (not probe.due and not runs.failed):  # single failures are what thresholds are for
        return []
    since = "since its start" if probe.kind == "startup" else f"within {seconds:.0f} s"
    found = f"failed {runs.failed} of {runs.failed} times" if runs.failed else "not run"
    what = f"the {probe.kind} probe of pod {pod.identity}"
    sentence = f"the kubelet of {probe.node} did not see {what} pass {since}: expected at least one pass, found {found}"
    reason = f"counted by the kubelet of {probe.node} {since}"
    return [Finding("probes", identity, pod.identity, None, "at least one pass", found, reason, sentence)]


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


def policy_findings(
    judged: Sequence[tuple[Connection, Verdict]],
    policies: PolicyJudgement,
    waived: Collection[str],
    *,
    packets_sent: bool,
) -> list[Finding]:
    """Without packets, where policies and declaration differ; with them, where packets do as declared against the policies."""
    findings = []
    for (connection, verdict), by_policies in zip(judged, policies.verdicts, strict=True):
        if by_policies is None or by_policies.partial or by_policies.allowed == connection.allowed:
            continue
        if not packets_sent or connection.source in waived:
            findings.append(_undeclared(connection, by_policies))
        elif verdict.passed:
            word = "allow" if by_policies.allowed else "deny"
            sentence = (
                f"packets from {connection.source} to {connection.destination}:{connection.port} do as declared"
                f" ({verdict.verdict}), although the policies {word} that ({by_policies.because}): {OTHERWISE}"
            )
            findings.append(_contradiction(connection, verdict, by_policies, sentence))
    return findings


def contradicts(connection: Connection, verdict: Verdict, by_policies: PolicyVerdict | None) -> bool:
    """Whether packets that do not as declared do not as the policies say either."""
    return (
        by_policies is not None
        and not by_policies.partial
        and by_policies.allowed == connection.allowed
        and verdict.verdict == (BLOCKED if connection.allowed else OPEN)
    )


def _contradiction(
    connection: Connection, verdict: Verdict, by_policies: PolicyVerdict | None, sentence: str
) -> Finding:
    return Finding(
        "contradiction",
        connection.source,
        connection.destination,
        connection.port,
        OPEN if by_policies is not None and by_policies.allowed else BLOCKED,
        verdict.verdict,
        by_policies.because if by_policies is not None else "",
        sentence,
    )


def node_finding(leaks: Sequence[Collection[str]]) -> list[Finding]:
    """One cause of many: every connection that is open against the policies has an end on the same node."""
    common = set.intersection(*(set(nodes) for nodes in leaks)) if len(leaks) >= SEVERAL else set()
    if len(common) != 1:
        return []
    node = common.pop()
    reason = f"each of the {len(leaks)} connections that are open against the policies has an end there"
    sentence = f"policies are not enforced on {node}: {reason}"
    return [Finding("enforcement", node, "*", None, BLOCKED, OPEN, reason, sentence)]


def _undeclared(connection: Connection, by_policies: PolicyVerdict) -> Finding:
    where = f"{connection.destination}:{connection.port}"
    if connection.allowed:
        sentence = f"the policies deny {connection.source} to reach {where}, which is declared ({by_policies.because})"
    else:
        sentence = (
            f"the policies allow {connection.source} to reach {where}, which nothing declares ({by_policies.because})"
        )
    found = OPEN if by_policies.allowed else BLOCKED
    return Finding(
        "policies",
        connection.source,
        connection.destination,
        connection.port,
        connection.expected,
        found,
        by_policies.because,
        sentence,
    )


def connection_findings(
    judged: Sequence[tuple[Connection, Verdict]],
    evidence: Evidence,
    by_policies: Sequence[PolicyVerdict | None],
) -> list[Finding]:
    """One finding a row that is not as expected; one for all rows of a silent source, and of a port nobody listens on."""
    silent_sources = evidence.silent_sources
    findings = _silent_sources(
        judged, {source: reason for source, reason in silent_sources.items() if source not in evidence.waived}
    )
    heard = [
        (connection, verdict, policies)
        for (connection, verdict), policies in zip(judged, by_policies, strict=True)
        if connection.source not in silent_sources
    ]
    findings += _dead_ports([(connection, verdict) for connection, verdict, _policies in heard])
    for connection, verdict, policies in heard:
        if verdict.passed or _on_dead_port(connection, verdict):
            continue
        sentence = _connection_sentence(connection, verdict)
        if contradicts(connection, verdict, policies):
            word = "allow" if connection.allowed else "deny"
            sentence += f"; the policies {word} it: {OTHERWISE}"
            findings.append(_contradiction(connection, verdict, policies, sentence))
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
                sentence + _explained(connection, verdict, policies),
            )
        )
    return findings


def service_findings(connections: Sequence[Connection], services: Services) -> list[Finding]:
    """Whoever asks for the Service by its name does not get to a port that none of its ports leads to."""
    findings = []
    declared = dict.fromkeys((row.destination, row.port, row.protocol) for row in connections if row.allowed)
    for destination, port, protocol in declared:
        if elsewhere := services.astray(destination, port, protocol):
            reason = f"Services lead to other ports of its pods: {', '.join(elsewhere)}"
            sentence = f"no Service leads to port {port} of {destination}, which is declared; {reason}"
            expected = f"a Service that leads to port {port}"
            findings.append(Finding("connectivity", "*", destination, port, expected, "none", reason, sentence))
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
        reason = f"nothing listens on port {port} of {destination}, not even for itself, or only on 127.0.0.1"
        sentence = f"{reason}, so {count} connections that should be closed could not be judged"
        findings.append(Finding("connectivity", "*", destination, port, BLOCKED, INCONCLUSIVE, reason, sentence))
    return findings


def _explained(connection: Connection, verdict: Verdict, policies: PolicyVerdict | None) -> str:
    """Which policy it lies in, where the policies say the same as the packets."""
    if policies is None or policies.partial or policies.allowed == connection.allowed:
        return ""
    return (
        f"; {policies.because}" if verdict.verdict != INCONCLUSIVE else f"; by the policies alone: {policies.because}"
    )


def _connection_sentence(connection: Connection, verdict: Verdict) -> str:
    kind = connection.application if connection.application != "none" else connection.given.get("port_name")
    where = f"{connection.destination}:{connection.port}" + (f" ({kind})" if kind else "")
    reason = f" ({verdict.reason})" if verdict.reason else ""
    told = f"expected {connection.expected}, found {verdict.verdict}{reason}"
    if verdict.verdict == INCONCLUSIVE:
        return f"whether {connection.source} reaches {where} is not known: {told}"
    if not connection.allowed:
        return f"{connection.source} can reach {where}, which nothing declares: {told}"
    if verdict.verdict == FLAKY:
        return f"{connection.source} reaches {where} only at times: {told}"
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
