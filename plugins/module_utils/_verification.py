# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of one verification: read the pods, send the packets, judge, report."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _report
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, together
from ansible_collections.azora.platform.plugins.module_utils._prober import Patience
from ansible_collections.azora.platform.plugins.module_utils._verdict import (
    Evidence,
    Verdict,
    judge,
    nothing_is_enforced,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import (
    Finding,
    connection_findings,
    enforcement_finding,
    pod_findings,
    report_findings,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    INCONCLUSIVE,
    OPEN,
    Connection,
    VerificationError,
    Workload,
    connections_from,
    workloads_from,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import Plan, plan, targets_of
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, pods_of
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import Report, run_probers

CHECKS = ("probes", "connectivity")
NOT_IN_CHECK_MODE = "check mode adds no prober to any pod"
# A pod keeps every ephemeral container it ever had in its specification; far above this its object gets too large.
MANY_PROBERS = 50


@dataclass(frozen=True)
class Order:
    """What to verify, and how long to try."""

    workloads: Sequence[Workload]
    connections: Sequence[Connection]
    prober_image: str
    checks: Sequence[str] = CHECKS
    untouched: Sequence[str] = ()
    timeout: float = 120.0
    patience: Patience = field(default_factory=Patience)
    look_only: bool = False


@dataclass(frozen=True)
class Seen:
    """What was read, what was observed, and how the connections were judged."""

    pods: Mapping[str, Sequence[Pod]]
    reports: Sequence[Report]
    evidence: Evidence
    judged: Sequence[tuple[Connection, Verdict]]


def order_from(options: Mapping[str, Any], *, look_only: bool) -> Order:
    """The module's options as an order; VerificationError says which one cannot be meant."""
    settle, connect = float(options["settle_time"]), float(options["connect_timeout"])
    if connect <= 0 or settle < 0:
        raise VerificationError("connect_timeout must be more than 0 and settle_time not less")
    return Order(
        workloads=workloads_from(options["workloads"]),
        connections=connections_from(options["connections"]),
        prober_image=options["prober_image"],
        checks=options["checks"],
        untouched=options["untouched"],
        timeout=float(options["timeout"]),
        patience=Patience(connect, settle, settle + 4 * connect + 5, int(options["concurrency"])),
        look_only=look_only,
    )


def verify(client: KubernetesClient, order: Order) -> dict[str, Any]:
    """The module's result, without failing: `passed` says whether everything is as it should be."""
    begun = time.monotonic()
    pods = read_pods(client, order.workloads)
    planned = plan(
        order.workloads,
        pods,
        order.connections,
        run=secrets.token_hex(4),
        checks=order.checks,
        untouched=order.untouched,
    )
    reports: list[Report] = []
    if not order.look_only:
        reports = run_probers(client, planned.probers, order.prober_image, order.patience, begun + order.timeout)
    evidence = gather(planned, reports, look_only=order.look_only)
    rows = order.connections if "connectivity" in order.checks else []
    judged = [(row, judge(row, targets_of(row, pods), evidence)) for row in rows]
    return result(order, Seen(pods, reports, evidence, judged), time.monotonic() - begun)


def read_pods(client: KubernetesClient, workloads: Sequence[Workload]) -> dict[str, list[Pod]]:
    """The pods of every workload, by one LIST a namespace."""
    namespaces = sorted({workload.namespace for workload in workloads})

    def listing(namespace: str) -> Callable[[], list[dict[str, Any]]]:
        return lambda: client.list(f"/api/v1/namespaces/{namespace}/pods")

    manifests = dict(zip(namespaces, together([listing(namespace) for namespace in namespaces]), strict=True))
    return {workload.identity: pods_of(workload, manifests[workload.namespace]) for workload in workloads}


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
            continue
        if prober.is_source:
            evidence.dns[source] = [seen for seen in report.observed if seen["kind"] == "dns"]
        for seen in report.observed:
            if seen["kind"] == "cell":
                address, port = prober.cells[seen["id"]]
                evidence.cells[source, address, port] = seen
            elif seen["kind"] == "self" and seen["outcome"] in ("open", "refused"):
                evidence.listening[prober.pod.address, seen["port"]] = seen["outcome"] == "open"
    return evidence


def find(order: Order, seen: Seen) -> list[Finding]:
    """Everything that is not as it should be; what explains the rest comes first."""
    findings = enforcement_finding(nothing_is_enforced(seen.judged))
    if "probes" in order.checks:
        for workload in order.workloads:
            findings += pod_findings(workload, seen.pods[workload.identity])
    findings += report_findings(seen.reports, seen.evidence)
    findings += connection_findings(seen.judged, seen.evidence.silent_sources)
    if order.look_only:  # what check mode does not look at is not wrong
        findings = [finding for finding in findings if finding.found != INCONCLUSIVE]
    return findings


def result(order: Order, seen: Seen, seconds: float) -> dict[str, Any]:
    """What the module returns, on success and on failure alike."""
    by_pod = {report.prober.pod.identity: report for report in seen.reports}
    workloads = [
        _report.workload_result(one, seen.pods[one.identity], by_pod, seen.evidence) for one in order.workloads
    ]
    connections = [_report.connection_result(connection, verdict) for connection, verdict in seen.judged]
    mismatches = [finding.as_result() for finding in find(order, seen)]
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
        "inconclusive": verdicts.count(INCONCLUSIVE),
        "mismatches": len(mismatches),
        "probers": sum(report.added for report in seen.reports),
        "seconds": round(seconds, 1),
    }
    unseen = order.look_only or INCONCLUSIVE in verdicts or any(report.failure for report in seen.reports)
    return {
        "changed": False,
        "passed": not mismatches,
        "complete": not unseen,
        "checks": list(order.checks),
        "summary": summary,
        "workloads": workloads,
        "connections": connections,
        "mismatches": mismatches,
        "touched_pods": sorted(report.prober.pod.identity for report in seen.reports if report.added),
        "table": _report.table(workloads, connections, mismatches, summary, complete=not unseen),
    }


def crowded(outcome: Mapping[str, Any]) -> list[str]:
    """The pods that carry many ephemeral containers, for a warning."""
    pods = [pod for workload in outcome["workloads"] for pod in workload["pods"]]
    return sorted(pod["name"] for pod in pods if pod["probers"] > MANY_PROBERS)
