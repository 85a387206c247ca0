# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of one verification: read the pods, send the packets, judge, report."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _report
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import RunningProbe, running_probes
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import live_container
from ansible_collections.azora.platform.plugins.module_utils._prober import Patience
from ansible_collections.azora.platform.plugins.module_utils._verdict import (
    Evidence,
    Place,
    Verdict,
    judge,
    nothing_is_enforced,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_backups import Backups, look_at_backups
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import (
    Finding,
    backup_findings,
    connection_findings,
    contradicts,
    enforcement_finding,
    kubelet_findings,
    node_finding,
    pod_findings,
    policy_findings,
    report_findings,
    service_findings,
    truth_findings,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    FLAKY,
    INCONCLUSIVE,
    OPEN,
    Connection,
    VerificationError,
    Workload,
    connections_from,
    workloads_from,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import Counted, KubeletWatch
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import Plan, plan, targets_of
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, pods_of
from ansible_collections.azora.platform.plugins.module_utils._verification_policies import (
    LivePolicies,
    PolicyJudgement,
    judge_policies,
    read_policies,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_prober_reports import Report
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import Means, Probers
from ansible_collections.azora.platform.plugins.module_utils._verification_record import (
    Record,
    fingerprint,
    keep,
    last_passed,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_remarks import remarks
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services, read_services
from ansible_collections.azora.platform.plugins.module_utils._verification_surroundings import Truth, look_around

CHECKS = ("probes", "workloads", "backups", "connectivity", "policies")
NOT_IN_CHECK_MODE = "check mode adds no prober to any pod"


@dataclass(frozen=True)
class Order:
    """What to verify, and how long to try."""

    workloads: Sequence[Workload]
    connections: Sequence[Connection]
    means: Means
    # As they were given, for the judgement of the policies.
    given_workloads: Sequence[Mapping[str, Any]] = ()
    checks: Sequence[str] = CHECKS
    untouched: Sequence[str] = ()
    timeout: float = 120.0
    patience: Patience = field(default_factory=Patience)
    kubelet_counters: str = "if_permitted"
    look_only: bool = False
    # Where a passed verification is remembered, and what it is asked; force probes all the same.
    record: Record | None = None
    force: bool = False
    asked: Any = None

    @property
    def sends_packets(self) -> bool:
        return "connectivity" in self.checks and not self.look_only


@dataclass(frozen=True)
class Seen:
    """What was read, what was observed, and how the connections were judged."""

    pods: Mapping[str, Sequence[Pod]]
    reports: Sequence[Report]
    evidence: Evidence
    counted: Counted
    policies: PolicyJudgement
    services: Services
    truth: Truth
    judged: Sequence[tuple[Connection, Verdict]]
    # When the same was verified with packets, if it was not now.
    since: str | None = None
    backups: Backups = field(default_factory=Backups)


def order_from(options: Mapping[str, Any], *, look_only: bool) -> Order:
    """The module's options as an order; VerificationError says which one cannot be meant."""
    settle, connect = float(options["settle_time"]), float(options["connect_timeout"])
    if connect <= 0 or settle < 0:
        raise VerificationError("connect_timeout must be more than 0 and settle_time not less")
    return Order(
        workloads=workloads_from(options["workloads"]),
        connections=connections_from(options["connections"]),
        means=Means(options["prober_image"], options["prober_methods"], options["max_ephemeral_containers"]),
        given_workloads=options["workloads"],
        checks=options["checks"],
        untouched=options["untouched"],
        timeout=float(options["timeout"]),
        patience=Patience(connect, settle, settle + 4 * connect + 5, int(options["concurrency"])),
        kubelet_counters=options["kubelet_counters"],
        look_only=look_only,
        record=Record(**options["record"]) if options["record"] else None,
        force=options["force"],
        asked=[options[name] for name in ("workloads", "connections", "checks", "untouched", "kubelet_counters")],
    )


def verify(client: KubernetesClient, order: Order) -> dict[str, Any]:
    """The module's result, without failing: `passed` says whether everything is as it should be."""
    begun = time.monotonic()
    pods = read_pods(client, order.workloads)
    rows = order.connections if {"connectivity", "policies"} & set(order.checks) else []
    judges = bool("policies" in order.checks or order.record)
    live = read_policies(client) if judges else LivePolicies()
    standing = Services()
    if order.sends_packets or "workloads" in order.checks:
        standing = read_services(client, order.workloads, pods)
    services = standing if order.sends_packets else Services()  # the ways that packets take
    print_of_all = ""
    if live.objects and not order.look_only:
        print_of_all = fingerprint([order.asked, services.ports], pods, live.objects)
    since = None
    if order.record and print_of_all and not order.force:
        since = remembered(client, order.record, print_of_all)
    planned = plan(
        order.workloads,
        pods,
        order.connections,
        services,
        run=secrets.token_hex(4),
        checks=order.checks,
        untouched=order.untouched,
    )
    reports: list[Report] = []
    counted = Counted()
    policies = PolicyJudgement([None] * len(rows))
    deadline = begun + order.timeout
    sends = not order.look_only and since is None
    if sends:
        # The kubelets count on while the probers work, and so does the judge of the policies.
        watch = KubeletWatch(client, probes_to_watch(order, pods))
        probers = Probers(client, planned.probers, order.means, order.patience, deadline)
    if judges:
        policies = judge_policies(live, order.given_workloads, rows)
    if sends:
        reports = probers.finish()
        counted = watch.finish(deadline)
    truth = Truth()
    if "workloads" in order.checks:
        later = pods if order.look_only else read_pods(client, order.workloads)
        truth = look_around(
            client, order.workloads, pods, later, services=standing, now=datetime.datetime.now(datetime.UTC)
        )
    backups = look_at_backups(client, order.workloads) if "backups" in order.checks else Backups()
    evidence = gather(planned, reports, look_only=order.look_only)
    judged = [
        (
            row,
            unchanged(row, since)
            if since
            else judge(row, targets_of(row, pods, services, planned.senders.get(row.source)), evidence),
        )
        for row in rows
    ]
    seen = Seen(pods, reports, evidence, counted, policies, services, truth, judged, since, backups)
    outcome = result(order, seen, time.monotonic() - begun)
    if order.record and print_of_all and not since and outcome["passed"] and outcome["complete"]:
        passed_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            keep(client, order.record, print_of_all, passed_at)
        except KubernetesError as error:
            outcome["remarks"].append(f"that it passed could not be remembered: {error}")
    return outcome


def remembered(client: KubernetesClient, record: Record, wanted: str) -> str | None:
    """Whoever may not read the record has none."""
    try:
        return last_passed(client, record, wanted)
    except KubernetesError:
        return None


def unchanged(row: Connection, since: str) -> Verdict:
    """Nothing that a packet depends on has changed since it was sent."""
    return Verdict(row.expected, True, f"unchanged since {since}")


def read_pods(client: KubernetesClient, workloads: Sequence[Workload]) -> dict[str, list[Pod]]:
    """The pods of every workload, by one LIST a namespace."""
    namespaces = sorted({workload.namespace for workload in workloads})

    def listing(namespace: str) -> Callable[[], list[dict[str, Any]]]:
        return lambda: client.list(f"/api/v1/namespaces/{namespace}/pods")

    manifests = dict(zip(namespaces, together([listing(namespace) for namespace in namespaces]), strict=True))
    return {workload.identity: pods_of(workload, manifests[workload.namespace]) for workload in workloads}


def probes_to_watch(order: Order, pods: Mapping[str, Sequence[Pod]]) -> list[RunningProbe]:
    """The declared probes of every ready pod, as they stand on its live container."""
    if "probes" not in order.checks or order.kubelet_counters == "skipped":
        return []
    now = datetime.datetime.now(datetime.UTC)
    return [
        probe
        for workload in order.workloads
        for pod in pods[workload.identity]
        if pod.ready and (container := live_container(pod.manifest, workload)) is not None
        for probe in running_probes(pod.manifest, container, sorted(workload.probes), now)
    ]


def gather(planned: Plan, reports: Sequence[Report], *, look_only: bool) -> Evidence:
    """Bring together what all probers observed."""
    evidence = Evidence(silent_sources=dict(planned.silent_sources))
    if look_only:
        sources = {prober.workload.identity for prober in planned.probers if prober.is_source}
        evidence.silent_sources.update(dict.fromkeys(sources, NOT_IN_CHECK_MODE))
    for report in reports:
        prober = report.prober
        source = prober.workload.identity
        if report.failure:
            if prober.is_source:
                evidence.silent_sources[source] = report.failure
                if report.waived:
                    evidence.waived.add(source)
            continue
        if prober.is_source:
            if prober.proxy:
                evidence.proxies[source] = prober.proxy
            evidence.dns[source] = [seen for seen in report.observed if seen["kind"] == "dns"]
        for seen in report.observed:
            if seen["kind"] == "cell" and seen["id"] >= len(prober.cells):
                continue  # a hairpin proves nothing about others
            if seen["kind"] == "cell":
                evidence.cells[source, prober.cells[seen["id"]]] = seen
            elif seen["kind"] == "self" and seen["outcome"] in ("open", "refused"):
                evidence.listening[Place(prober.pod.address, seen["port"])] = seen["outcome"] == "open"
    return evidence


def find(order: Order, seen: Seen) -> list[Finding]:
    """Everything that is not as it should be; what explains the rest comes first."""
    findings = enforcement_finding(nothing_is_enforced(seen.judged)) or node_finding(leaking_nodes(seen))
    if "probes" in order.checks:
        for workload in order.workloads:
            findings += pod_findings(workload, seen.pods[workload.identity])
    findings += truth_findings(seen.truth) + backup_findings(seen.backups)
    reported = report_findings(seen.reports, seen.evidence)
    findings += reported
    # Of these pods the direct answer tells more than a counter, or nobody got through to them at all.
    told = {finding.destination for finding in reported if finding.check == "probes"}
    told |= {report.prober.pod.identity for report in seen.reports if report.failure}
    findings += kubelet_findings(
        order.workloads, seen.pods, seen.counted, told, required=order.kubelet_counters == "required"
    )
    findings += policy_findings(seen.judged, seen.policies, seen.evidence.waived, packets_sent=order.sends_packets)
    if "connectivity" in order.checks:
        findings += service_findings(order.connections, seen.services)
        findings += connection_findings(seen.judged, seen.evidence, seen.policies.verdicts)
    if order.look_only:  # what check mode does not look at is not wrong
        findings = [finding for finding in findings if finding.found != INCONCLUSIVE]
    return findings


def leaking_nodes(seen: Seen) -> list[set[str]]:
    """For each connection that is open against the policies: the nodes of its ends."""
    senders = {
        report.prober.workload.identity: report.prober.pod.node for report in seen.reports if report.prober.is_source
    }
    leaks = []
    for (connection, verdict), by_policies in zip(seen.judged, seen.policies.verdicts, strict=True):
        if connection.allowed or connection.address is not None or not contradicts(connection, verdict, by_policies):
            continue
        for pod in seen.pods.get(connection.destination, ()):
            place = Place(pod.address, connection.port, connection.protocol)
            cell = seen.evidence.cells.get((connection.source, place))
            if cell is not None and cell["opened"]:
                leaks.append({senders[connection.source], pod.node})
    return leaks


def result(order: Order, seen: Seen, seconds: float) -> dict[str, Any]:
    """What the module returns, on success and on failure alike."""
    by_pod = {report.prober.pod.identity: report for report in seen.reports}
    workloads = [
        _report.workload_result(
            one,
            seen.pods[one.identity],
            by_pod,
            seen.evidence,
            seen.counted,
            window=seen.backups.windows.get(one.identity),
        )
        for one in order.workloads
    ]
    connections = [
        _report.connection_result(connection, verdict, by_policies)
        for (connection, verdict), by_policies in zip(seen.judged, seen.policies.verdicts, strict=True)
    ]
    mismatches = [finding.as_result() for finding in find(order, seen)]
    remarked = remarks(
        order.workloads,
        seen.pods,
        seen.reports,
        counted=seen.counted,
        policies=seen.policies,
        services=seen.services,
        truth=seen.truth,
        backups=seen.backups,
        waived={source: seen.evidence.silent_sources[source] for source in seen.evidence.waived},
    )
    levels = seen.policies.levels if "policies" in order.checks else []
    verdicts = [verdict.verdict for _connection, verdict in seen.judged]
    allowed = sum(connection.allowed for connection, _verdict in seen.judged)
    summary = {
        "workloads": len(order.workloads),
        "pods": sum(len(found) for found in seen.pods.values()),
        "ready_pods": sum(pod.ready for found in seen.pods.values() for pod in found),
        "connections": len(verdicts),
        "allowed": allowed,
        "denied": len(verdicts) - allowed,
        "open": verdicts.count(OPEN),
        "blocked": verdicts.count(BLOCKED),
        "flaky": verdicts.count(FLAKY),
        "inconclusive": verdicts.count(INCONCLUSIVE),
        "mismatches": len(mismatches),
        "probers": sum(report.added for report in seen.reports),
        "seconds": round(seconds, 1),
    }
    unseen = (
        order.look_only
        or INCONCLUSIVE in verdicts
        or bool(seen.counted.unread)
        or bool(seen.policies.unread)
        or bool(seen.services.unread)
        or bool(seen.truth.unread)
        or bool(seen.backups.unread)
        or any(report.failure for report in seen.reports)
    )
    return {
        "changed": False,
        "passed": not mismatches,
        "complete": not unseen,
        "checks": list(order.checks),
        "summary": summary,
        "workloads": workloads,
        "connections": connections,
        "mismatches": mismatches,
        "remarks": remarked,
        "policy_levels": levels,
        "hairpins": _report.hairpin_results(seen.reports),
        "unchanged_since": seen.since,
        "touched_pods": sorted(report.prober.pod.identity for report in seen.reports if report.added),
        "table": _report.table(
            workloads,
            connections,
            mismatches,
            remarked,
            {**summary, "since": seen.since, "policy_levels": levels},
            complete=not unseen,
        ),
    }
