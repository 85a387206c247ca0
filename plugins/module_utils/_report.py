# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people see: the results per workload and connection, and the table for a terminal."""

from __future__ import annotations

import dataclasses
import ipaddress
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._backup_truth import RecoveryWindow
from ansible_collections.azora.platform.plugins.module_utils._cut_off_verdict import CutOff
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import differences
from ansible_collections.azora.platform.plugins.module_utils._redis_backup_truth import RecoveryPoints
from ansible_collections.azora.platform.plugins.module_utils._verdict import Evidence, Verdict
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import answered
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    FLAKY,
    INCONCLUSIVE,
    OPEN,
    Connection,
    Workload,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import Counted
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod
from ansible_collections.azora.platform.plugins.module_utils._verification_policies import PolicyVerdict

WIDTH = 150
INDENT = "  "
# One sign a port: what agrees is quiet, what does not stands out.
AS_OPEN, AS_BLOCKED, LEAK, CUT, MUTE, BY_TURNS, UNKNOWN, NOTHING = "●", "·", "X", "B", "~", "%", "?", " "
CORNER = "FROM ↓ TO →"
LEGEND = (
    f"{AS_OPEN} open, as declared  {AS_BLOCKED} blocked, as declared  {LEAK} open, should be blocked"
    f"  {CUT} blocked, should be open  {MUTE} opens, does not answer  {BY_TURNS} flaky  {UNKNOWN} inconclusive"
)


def connection_result(connection: Connection, verdict: Verdict, by_policies: PolicyVerdict | None) -> dict[str, Any]:
    """The row as it was given, and what was found."""
    return {
        **connection.given,
        "expected": connection.expected,
        "verdict": verdict.verdict,
        "ok": verdict.passed,
        "reason": verdict.reason,
        "answered": verdict.answered,
        "milliseconds": verdict.milliseconds,
        "attempts": verdict.attempts,
        "allowed_by_policies": None if by_policies is None or by_policies.partial else by_policies.allowed,
        "decided_by": [] if by_policies is None else [str(one["sentence"]) for one in by_policies.decided_by],
    }


def hairpin_results(reports: Sequence[Any]) -> list[dict[str, Any]]:
    """What became of the ways that lead from a pod back to its own workload."""
    results = []
    for report in reports:
        prober = report.prober
        seen = {one["id"]: one for one in report.observed if one["kind"] == "cell"}
        for number, hairpin in enumerate(prober.hairpins, len(prober.cells)):
            if number in seen:
                results.append(
                    {
                        "workload": prober.workload.identity,
                        "service": hairpin.service,
                        "address": hairpin.place.address,
                        "port": hairpin.place.port,
                        "outcome": seen[number]["last"],
                    }
                )
    return results


def workload_result(
    workload: Workload,
    pods: Sequence[Pod],
    reports: Mapping[str, Any],
    evidence: Evidence,
    counted: Counted,
    *,
    window: RecoveryWindow | RecoveryPoints | None = None,
    cut_off: CutOff | None = None,
) -> dict[str, Any]:
    """One workload with each of its pods."""
    return {
        "workload": workload.identity,
        "kind": workload.kind,
        "expected_pods": workload.replicas,
        "ready_pods": sum(pod.ready for pod in pods),
        "probes": sorted(workload.probes),
        "pods": [_pod_result(workload, pod, reports.get(pod.identity), counted) for pod in pods],
        "dns": [
            {key: seen[key] for key in ("server", "protocol", "outcome", "ms")}
            for seen in evidence.dns.get(workload.identity, [])
        ],
        "recovery": _recovery_result(window) if window else None,
        "cut_off": cut_off.as_result() if cut_off else None,
    }


def _recovery_result(window: RecoveryWindow | RecoveryPoints) -> dict[str, Any]:
    return {**dataclasses.asdict(window), "last_backup": window.last_backup, "sentence": window.sentence}


def _pod_result(workload: Workload, pod: Pod, report: Any, counted: Counted) -> dict[str, Any]:
    answers = []
    if report is not None:
        seen_by_request = {one["id"]: one for one in report.observed if one["kind"] == "request"}
        for index, request in enumerate(report.prober.requests):
            if request.absent:
                continue
            seen = seen_by_request.get(index)
            answers.append(
                {
                    "probes": list(request.probes),
                    "path": request.path,
                    "port": request.port,
                    "status": seen["status"] if seen else None,
                    "milliseconds": seen["ms"] if seen else None,
                    "ok": answered(seen) if seen else False,
                    "error": seen["error"] if seen else report.failure or "not observed",
                }
            )
    return {
        "name": pod.identity,
        "address": pod.address,
        "node": pod.node,
        "ready": pod.ready,
        "restarts": pod.restarts,
        "probers": pod.probers + (1 if report is not None and report.added else 0),
        "probes_as_declared": not differences(pod.manifest, workload),
        "answers": answers,
        "kubelet": [
            {"probe": probe.kind, "passed": runs.passed, "failed": runs.failed, "due": probe.due}
            for probe, runs in counted.of_pod(pod.identity)
        ],
    }


def table(
    workloads: Sequence[Mapping[str, Any]],
    connections: Sequence[Mapping[str, Any]],
    mismatches: Sequence[Mapping[str, Any]],
    remarks: Sequence[str],
    summary: Mapping[str, Any],
    *,
    complete: bool,
) -> list[str]:
    """Text lines: the workloads and what else was found of them, the matrix, mismatches, remarks, policies judged, and how it went."""
    lines = workload_lines(workloads)
    for found in (
        [f"{one['workload']} {one['recovery']['sentence']}" for one in workloads if one["recovery"]],
        # What did not pass is among the mismatches.
        [one["cut_off"]["sentence"] for one in workloads if one["cut_off"] and one["cut_off"]["ok"]],
    ):
        lines += ["", *_wrapped(found)] if found else []
    if connections:
        lines += ["", *matrix_lines(connections)]
    for title, sentences in (("MISMATCHES", [one["sentence"] for one in mismatches]), ("REMARKS", remarks)):
        if sentences:
            lines += ["", f"{title} ({len(sentences)})"]
        for number, sentence in enumerate(sentences, 1):
            hanging = INDENT + " " * 5
            lines += textwrap.wrap(
                f"{number:>3}. {sentence}",
                WIDTH,
                initial_indent=INDENT,
                subsequent_indent=hanging,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return [*lines, "", *_level_lines(summary.get("policy_levels") or []), conclusion(summary, complete=complete)]


def _wrapped(sentences: Iterable[str]) -> list[str]:
    return [
        line
        for one in sentences
        for line in textwrap.wrap(one, WIDTH, subsequent_indent=INDENT, break_long_words=False)
    ]


def _level_lines(levels: Sequence[str]) -> list[str]:
    if not levels:
        return []
    told = f"Policies judged, in their order: {', '.join(levels)}"
    return [told if len(levels) > 1 else f"{told}; this cluster serves no cluster-level policies"]


def conclusion(summary: Mapping[str, Any], *, complete: bool) -> str:
    counts = (
        f"{summary['ready_pods']} of {summary['pods']} pods ready, {summary['connections']} connections:"
        f" {summary['open']} open, {summary['blocked']} blocked,"
        + (f" {summary['flaky']} flaky," if summary["flaky"] else "")
        + f" {summary['inconclusive']} inconclusive, in {summary['seconds']} s"
    )
    if summary.get("since"):
        counts += f"; no packet was sent, for nothing has changed since all of it passed at {summary['since']}"
    if summary["mismatches"]:
        return f"FAILED: {summary['mismatches']} not as declared; {counts}"
    return f"PASSED: {counts}" if complete else f"NOT COMPLETE, nothing wrong in what could be looked at; {counts}"


def workload_lines(workloads: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("WORKLOAD", "KIND", "READY", "PROBES", "ANSWERS")]
    for workload in workloads:
        pods = workload["pods"]
        rows.append(
            (
                workload["workload"],
                workload["kind"],
                f"{workload['ready_pods']}/{workload['expected_pods']}",
                _probes_cell(workload),
                _answers_cell(pods),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _probes_cell(workload: Mapping[str, Any]) -> str:
    pods = workload["pods"]
    differing = sum(not pod["probes_as_declared"] for pod in pods)
    if not pods or not workload["probes"]:
        return "-" if pods else "no pod"
    counted = [probe for pod in pods for probe in pod["kubelet"]]
    passing = sum(probe["passed"] > 0 for probe in counted)
    words = "as declared" if not differing else f"{differing} of {len(pods)} differ"
    early = sum(not probe["due"] and not probe["passed"] for probe in counted)
    words += f", {passing}/{len(counted)} passed at the kubelet" if counted else ""
    return words + (f", {early} not due yet" if early else "")


def _answers_cell(pods: Sequence[Mapping[str, Any]]) -> str:
    """Each path once: how many pods answer it, and the slowest answer."""
    by_path: dict[str, list[Mapping[str, Any]]] = {}
    for pod in pods:
        for answer in pod["answers"]:
            by_path.setdefault(answer["path"], []).append(answer)
    words = []
    for path, answers in by_path.items():
        good = [answer for answer in answers if answer["ok"]]
        slowest = max((answer["milliseconds"] or 0 for answer in good), default=None)
        words.append(f"{path} {len(good)}/{len(answers)}" + (f" in {slowest:.0f} ms" if slowest is not None else ""))
    return ", ".join(words) or "-"


def matrix_lines(connections: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sources down, destinations across, a sign for each port; in blocks when it is too wide for a terminal."""
    sources = list(dict.fromkeys(row["source"] for row in connections))
    ports: dict[str, list[int]] = {}
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in connections:
        known = ports.setdefault(row["destination"], [])
        if row["port"] not in known:
            known.append(row["port"])
        cells.setdefault((row["source"], row["destination"]), {})[row["port"]] = sign(row)
    # The same order across as down, so that the diagonal is empty; what only receives comes last.
    ports = {one: ports[one] for one in [*(one for one in sources if one in ports), *ports]}
    names = short_names(ports)
    rows_width = max(len(CORNER), *(len(source) for source in sources))
    lines: list[str] = []
    for block in _blocks(list(ports), names, ports, WIDTH - rows_width - 2):
        widths = {one: max(len(names[one]), len(ports[one])) for one in block}
        if lines:
            lines.append("")
        lines.append("  ".join([CORNER.ljust(rows_width), *(names[one].ljust(widths[one]) for one in block)]).rstrip())
        for source in sources:
            signs = [
                "".join(cells.get((source, one), {}).get(port, NOTHING) for port in ports[one]).ljust(widths[one])
                for one in block
            ]
            lines.append("  ".join([source.ljust(rows_width), *signs]).rstrip())
    return [*lines, *_port_lines(ports, names), LEGEND]


def sign(row: Mapping[str, Any]) -> str:
    if row["ok"]:
        return AS_OPEN if row["verdict"] == OPEN else AS_BLOCKED
    if row["verdict"] == INCONCLUSIVE:
        return UNKNOWN
    if row["verdict"] == FLAKY:
        return BY_TURNS
    if row["verdict"] == BLOCKED:
        return CUT
    return MUTE if row["allowed"] else LEAK


def short_names(destinations: Iterable[str]) -> dict[str, str]:
    """Without the namespace, where that is still one thing."""
    short: dict[str, str] = {}
    taken: dict[str, int] = {}
    every = list(destinations)
    for destination in every:
        name = destination if _is_address(destination) else destination.split("/", 1)[-1]
        taken[name] = taken.get(name, 0) + 1
        short[destination] = name
    return {destination: name if taken[name] == 1 else destination for destination, name in short.items()}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _blocks(
    destinations: Sequence[str], names: Mapping[str, str], ports: Mapping[str, Sequence[int]], room: int
) -> Iterable[list[str]]:
    block: list[str] = []
    used = 0
    for destination in destinations:
        width = max(len(names[destination]), len(ports[destination])) + 2
        if block and used + width > room:
            yield block
            block, used = [], 0
        block.append(destination)
        used += width
    if block:
        yield block


def _port_lines(ports: Mapping[str, Sequence[int]], names: Mapping[str, str]) -> list[str]:
    """Which sign of a cell is which port; destinations with the same ports share a line's entry."""
    together: dict[tuple[int, ...], list[str]] = {}
    for destination, known in ports.items():
        together.setdefault(tuple(known), []).append(names[destination])
    most = max(together.values(), key=len)
    entries = []
    for known, destinations in together.items():
        who = "all others" if destinations is most and len(together) > 1 and len(most) > 2 else ", ".join(destinations)
        entries.append((who == "all others", f"{who}: {' '.join(str(port) for port in known)}"))
    told = ";  ".join(entry for _last, entry in sorted(entries, key=lambda pair: pair[0]))
    return textwrap.wrap(f"Ports, one sign each, left to right:  {told}", WIDTH, subsequent_indent=INDENT)
