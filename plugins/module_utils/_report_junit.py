# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a verification as JUnit's XML, which every build server shows.

A suite is a check, a case is a workload or a connection. What is not as declared is a failure; what could not be judged is an
error, never a pass; what nobody was asked about is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as Xml

from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    OF_CONNECTIONS,
    TOOL,
    Occasion,
    Result,
    headline,
    place,
    printable,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import row_sentence
from ansible_collections.azora.platform.plugins.module_utils._verification_input import BLOCKED, INCONCLUSIVE

FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"
# The checks whose findings concern one workload each, and how their cases are called.
OF_WORKLOADS = {
    "readiness": "has its ready pods",
    "probes": "has the declared probes and answers them",
    "prober": "let its probers report",
    "dns": "gets answers from its name servers",
    "workloads": "can be rolled out, reached, drained and scaled",
    "backups": "can be recovered",
}


@dataclass
class Case:
    subject: str
    name: str
    outcome: str = ""
    sentences: Sequence[str] = ()
    seconds: float = 0.0
    output: str = ""


@dataclass
class Suite:
    name: str
    cases: list[Case] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        return sum(case.outcome == outcome for case in self.cases)


def junit_report(result: Result, occasion: Occasion) -> str:
    suites = [suite for suite in _suites(result) if suite.cases]
    total = Xml.Element("testsuites", {"name": TOOL, **_counts(suites), "time": _seconds(result["summary"]["seconds"])})
    for suite in suites:
        seconds = _seconds(sum(case.seconds for case in suite.cases))
        # Readers expect a time without a zone; it is UTC.
        attributes = {"name": suite.name, **_counts([suite]), "time": seconds, "timestamp": occasion.time.rstrip("Z")}
        element = Xml.SubElement(total, "testsuite", attributes)
        properties = Xml.SubElement(element, "properties")
        for name, value in _properties(result, occasion).items():
            Xml.SubElement(properties, "property", {"name": name, "value": printable(str(value))})
        for case in suite.cases:
            _add_case(element, suite.name, case)
    Xml.indent(total, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(total, encoding="unicode") + "\n"


def _counts(suites: Sequence[Suite]) -> dict[str, str]:
    outcomes = {"failures": FAILURE, "errors": ERROR, "skipped": SKIPPED}
    return {
        "tests": str(sum(len(suite.cases) for suite in suites)),
        **{name: str(sum(suite.count(outcome) for suite in suites)) for name, outcome in outcomes.items()},
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.4f}"


def _properties(result: Result, occasion: Occasion) -> dict[str, Any]:
    about = {"headline": headline(result), "cluster": occasion.cluster, "version": occasion.version}
    return {**about, "complete": str(result["complete"]).lower(), **result["summary"]}


def _add_case(suite: Xml.Element, check: str, case: Case) -> None:
    # Build servers group by what stands before the last dot of the class: the check; then comes whom it concerns.
    attributes = {"classname": printable(f"{check}.{case.subject}"), "name": printable(case.name)}
    element = Xml.SubElement(suite, "testcase", {**attributes, "time": _seconds(case.seconds)})
    if case.outcome:
        told = [printable(sentence) for sentence in case.sentences]
        outcome = Xml.SubElement(element, case.outcome, {"message": "; ".join(told)})
        if case.outcome != SKIPPED:
            outcome.set("type", check)
            outcome.text = "\n".join(told)
    if case.output:
        Xml.SubElement(element, "system-out").text = printable(case.output)


def _suites(result: Result) -> Iterable[Suite]:
    yield Suite("enforcement", _enforcement(result))
    for check, name in OF_WORKLOADS.items():
        cases = (_workload_case(result, check, name, workload) for workload in result["workloads"])
        yield Suite(check, [case for case in cases if case is not None])
    told = {
        (one["source"], one["destination"], one["port"]): str(one["sentence"])
        for one in result["mismatches"]
        if one["check"] in OF_CONNECTIONS
    }
    yield Suite("connectivity", [_connection_case(row, told) for row in result["connections"]])
    # A connection that is as declared may contradict the policies; and a check that is not known here must not vanish.
    known = {"enforcement", "connectivity", *OF_WORKLOADS}
    for check in sorted({mismatch["check"] for mismatch in result["mismatches"]} - known):
        findings = _of(result, check)
        yield Suite(check, [Case(one["source"], one["sentence"], *_outcome([one])) for one in findings])


def _of(result: Result, check: str, source: str | None = None) -> list[Mapping[str, Any]]:
    found = [mismatch for mismatch in result["mismatches"] if mismatch["check"] == check]
    return [mismatch for mismatch in found if source is None or mismatch["source"] == source]


def _outcome(findings: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    if not findings:
        return "", []
    unknown = all(one["found"] == INCONCLUSIVE for one in findings)
    return ERROR if unknown else FAILURE, [str(one["sentence"]) for one in findings]


def _enforcement(result: Result) -> list[Case]:
    findings = _of(result, "enforcement")
    # One closed door is proof that something closes doors; without any there is nothing to say.
    proven = any(not row["allowed"] and row["verdict"] == BLOCKED for row in result["connections"])
    if not findings and not proven:
        return []
    return [Case("cluster", "the cluster enforces network policies", *_outcome(findings))]


def _workload_case(result: Result, check: str, name: str, workload: Mapping[str, Any]) -> Case | None:
    identity = str(workload["workload"])
    outcome, sentences = _outcome(_of(result, check, identity))
    case = Case(identity, f"{identity} {name}", outcome, sentences)
    looked = "probes" in result["checks"]
    if check == "readiness":
        case.output = f"{workload['ready_pods']} ready pods, {workload['expected_pods']} expected"
        return case if looked or outcome else None
    if check == "probes":
        return _probes_case(case, workload) if (looked and workload["probes"]) or outcome else None
    if check == "workloads":
        return case if (check in result["checks"] and workload["kind"] == "deployment") or outcome else None
    if check == "backups":
        case.output = workload["recovery"]["sentence"] if workload["recovery"] else ""
        return case if workload["recovery"] or outcome else None
    if check == "prober":
        touched = {pod["name"] for pod in workload["pods"]} & set(result["touched_pods"])
        return case if touched or outcome else None
    case.seconds = max((seen["ms"] or 0 for seen in workload["dns"]), default=0) / 1000
    return case if workload["dns"] or outcome else None


def _probes_case(case: Case, workload: Mapping[str, Any]) -> Case:
    answers = [(pod["name"], answer) for pod in workload["pods"] for answer in pod["answers"]]
    case.seconds = max((answer["milliseconds"] or 0 for _pod, answer in answers), default=0) / 1000
    case.output = "\n".join(
        f"{pod}: GET {answer['path']} on port {answer['port']}: {answer['status'] or answer['error']}"
        for pod, answer in answers
    )
    if workload["cut_off"]:
        case.output += f"\n{workload['cut_off']['sentence']}"
    unanswered = [(pod, answer) for pod, answer in answers if not answer["ok"]]
    if not case.outcome and unanswered:  # its prober did not report, which is told there
        told = [f"whether {pod} answers {answer['path']} is not known: {answer['error']}" for pod, answer in unanswered]
        case.outcome, case.sentences = ERROR, told
    elif not case.outcome and not answers:
        case.outcome, case.sentences = SKIPPED, ["its probes are as declared, but no prober asked for their paths"]
    return case


def _connection_case(row: Mapping[str, Any], told: Mapping[tuple[Any, ...], str]) -> Case:
    verb = "reaches" if row["allowed"] else "does not reach"
    case = Case(row["source"], f"{row['source']} {verb} {place(row)}", seconds=(row["milliseconds"] or 0) / 1000)
    if row["ok"]:
        return case
    case.outcome = ERROR if row["verdict"] == INCONCLUSIVE else FAILURE
    # One finding may stand for many connections; then each still has a sentence of its own.
    case.sentences = [told.get((row["source"], row["destination"], row["port"])) or row_sentence(row)]
    return case
