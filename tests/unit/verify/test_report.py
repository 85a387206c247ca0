# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table as people read it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._report import (
    WIDTH,
    conclusion,
    matrix_lines,
    sign,
    table,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import failure_message

SUMMARY = {
    "ready_pods": 4,
    "pods": 4,
    "connections": 6,
    "open": 2,
    "blocked": 4,
    "flaky": 0,
    "inconclusive": 0,
    "mismatches": 0,
    "seconds": 3.2,
}


def row(source: str, destination: str, port: int, allowed: bool, *found: Any) -> Any:
    """As expected, unless a verdict and whether that is good are given."""
    verdict, ok = found or ("OPEN" if allowed else "BLOCKED", True)
    return {
        "source": source,
        "destination": destination,
        "port": port,
        "allowed": allowed,
        "verdict": verdict,
        "ok": ok,
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (row("a", "b", 1, True), "●"),
        (row("a", "b", 1, False), "·"),
        (row("a", "b", 1, False, "OPEN", False), "X"),
        (row("a", "b", 1, True, "BLOCKED", False), "B"),
        (row("a", "b", 1, True, "OPEN", False), "~"),
        (row("a", "b", 1, True, "FLAKY", False), "%"),
        (row("a", "b", 1, True, "INCONCLUSIVE", False), "?"),
        (row("a", "b", 1, False, "INCONCLUSIVE", False), "?"),
    ],
)
def test_each_state_has_its_sign(found: Any, expected: str) -> None:
    assert sign(found) == expected


def test_the_matrix() -> None:
    rows = [
        row("default/user", "data/pg", 5432, True, "BLOCKED", False),
        row("default/user", "default/shop", 8080, True),
        row("default/user", "default/shop", 9090, False),
        row("default/user", "198.51.100.10", 443, False),
        row("default/shop", "default/user", 8080, False, "OPEN", False),
        row("default/shop", "default/user", 9090, False),
        row("default/shop", "data/pg", 5432, False),
        row("default/shop", "198.51.100.10", 443, True, "OPEN", False),
    ]
    lines = matrix_lines(rows)
    assert lines[:3] == [
        "FROM ↓ TO →   user  shop  pg  198.51.100.10",
        "default/user        ●·    B   ·",
        "default/shop  X·          ·   ~",
    ]
    assert lines[3] == "Ports, one sign each, left to right:  user, shop: 8080 9090;  pg: 5432;  198.51.100.10: 443"
    assert "X open, should be blocked" in lines[4]


def test_two_destinations_of_one_name_keep_their_namespaces() -> None:
    lines = matrix_lines([row("a/x", "one/web", 80, False), row("a/x", "two/web", 80, False)])
    assert lines[0] == "FROM ↓ TO →  one/web  two/web"


def test_a_wide_platform_is_told_in_blocks_that_fit_a_terminal() -> None:
    names = [f"default/service-with-a-long-name-{number}" for number in range(20)]
    lines = matrix_lines(
        [row(source, target, 8080, False) for source in names[:3] for target in names if source != target]
    )
    assert max(len(line) for line in lines) <= WIDTH
    assert len([line for line in lines if line.startswith("FROM")]) > 3
    told = " ".join(line for line in lines if line.startswith("FROM")).split()
    assert [name for name in told if name.startswith("service")] == [name.split("/")[1] for name in names]


def workload(**changes: Any) -> dict[str, Any]:
    pod = {
        "name": "default/user-a",
        "probes_as_declared": True,
        "kubelet": [],
        "answers": [{"path": "/health", "ok": True, "milliseconds": 3.4}],
    }
    other = {**pod, "answers": [{"path": "/health", "ok": False, "milliseconds": 1000.0}]}
    return {
        "workload": "default/user",
        "kind": "deployment",
        "expected_pods": 2,
        "ready_pods": 2,
        "probes": ["liveness"],
        "recovery": None,
        "cut_off": None,
        "pods": [pod, other],
        **changes,
    }


def test_workloads_say_how_many_pods_answer_and_the_slowest_of_those() -> None:
    lines = table([workload(), workload(pods=[], ready_pods=0)], [], [], [], SUMMARY, complete=True)
    assert lines[1].split() == [
        "default/user",
        "deployment",
        "2/2",
        "as",
        "declared",
        "/health",
        "1/2",
        "in",
        "3",
        "ms",
    ]
    assert lines[2].split() == ["default/user", "deployment", "0/2", "no", "pod", "-"]
    differing = workload(pods=[{"name": "p", "probes_as_declared": False, "answers": [], "kubelet": []}])
    assert "1 of 1 differ" in table([differing], [], [], [], SUMMARY, complete=True)[1]


def test_mismatches_are_wrapped_under_their_numbers() -> None:
    sentence = "default/user cannot reach " + "a-very-long-word " * 20
    lines = table([workload()], [], [{"sentence": sentence}], [], {**SUMMARY, "mismatches": 1}, complete=True)
    told = lines[lines.index("MISMATCHES (1)") + 1 : -2]
    assert told[0].startswith("    1. default/user cannot reach")
    assert all(line.startswith("       a-very") for line in told[1:])
    assert max(len(line) for line in told) <= WIDTH


def test_the_last_line_says_how_it_went() -> None:
    counts = "4 of 4 pods ready, 6 connections: 2 open, 4 blocked, 0 inconclusive, in 3.2 s"
    assert conclusion(SUMMARY, complete=True) == f"PASSED: {counts}"
    assert conclusion(SUMMARY, complete=False).startswith("NOT COMPLETE, nothing wrong in what could be looked at; ")
    assert conclusion({**SUMMARY, "mismatches": 3}, complete=True) == f"FAILED: 3 not as declared; {counts}"


def test_the_message_names_the_first_mismatches() -> None:
    findings = [{"sentence": f"finding {number}"} for number in range(7)]
    assert failure_message(findings, {"mismatches": 7}, limit=2) == "7 mismatches: finding 0; finding 1; and 5 more."
    assert failure_message(findings[:1], {"mismatches": 1}) == "1 mismatch: finding 0."
