# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of verdicts: each kind of observation under each state of the controls."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._verdict import (
    Evidence,
    Place,
    Target,
    judge,
    judge_dns,
    nothing_is_enforced,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Connection

USER, PG = "default/user", "azora-data/pg"
FIRST, SECOND = Target(Place("10.0.0.1", 5432), "pg-1"), Target(Place("10.0.0.2", 5432), "pg-2")
SERVICE = Target(Place("10.1.0.20", 5433), "the Service pg-rw", (FIRST.place,))


def row(allowed: bool = True, **more: Any) -> Connection:
    return Connection(USER, PG, 5432, allowed, because="user uses pg", **more)


def seen(last: str, first: str | None = None, **more: Any) -> dict[str, Any]:
    first = first or last
    return {
        "first": first,
        "last": last,
        "attempts": 1 if first == last else 3,
        "changes": 0 if first == last else 1,
        "opened": "open" in (first, last),
        "seconds": 1.5,
        "ms": 0.4 if last == "open" else None,
        "answer": None,
        "error": None,
        **more,
    }


def evidence(*outcomes: Any, alive: bool = True, listening: bool | None = True) -> Evidence:
    """User's observations of pg's addresses, whether user reached a name server, and what pg sees of itself."""
    found = Evidence()
    for target, outcome in zip((FIRST, SECOND), outcomes, strict=False):
        if outcome is not None:
            found.cells[USER, target.place] = seen(outcome) if isinstance(outcome, str) else outcome
        if listening is not None:
            found.listening[target.place] = listening
    if alive:
        found.dns[USER] = [{"outcome": "open", "server": "10.1.0.10", "protocol": "UDP"}]
    return found


@pytest.mark.parametrize(
    ("outcome", "alive", "listening", "verdict"),
    [
        # An accepted connection needs no control.
        ("open", True, True, "OPEN"),
        ("open", False, None, "OPEN"),
        # Silence counts only between a source that is alive and a port that listens.
        ("timeout", True, True, "BLOCKED"),
        ("timeout", False, True, "INCONCLUSIVE"),
        ("timeout", True, False, "INCONCLUSIVE"),
        ("timeout", True, None, "INCONCLUSIVE"),
        ("unreachable", True, True, "BLOCKED"),
        ("unreachable", False, True, "INCONCLUSIVE"),
        ("unreachable", True, False, "INCONCLUSIVE"),
        # A refusal came from the way if the pod itself accepts there, else it says nothing about policies.
        ("refused", True, True, "BLOCKED"),
        ("refused", True, False, "INCONCLUSIVE"),
        ("refused", True, None, "INCONCLUSIVE"),
        # What could not be tried, or was not, is never a verdict.
        ("error", True, True, "INCONCLUSIVE"),
        (None, True, True, "INCONCLUSIVE"),
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_one_address(outcome: Any, alive: bool, listening: bool | None, verdict: str, allowed: bool) -> None:
    found = judge(row(allowed), [FIRST], evidence(outcome, alive=alive, listening=listening))
    assert found.verdict == verdict
    assert found.passed is (verdict == ("OPEN" if allowed else "BLOCKED"))
    assert found.reason


def test_a_port_is_open_to_someone_when_another_source_got_through() -> None:
    observed = evidence("timeout", listening=None)
    observed.cells["default/course", FIRST.place] = seen("open")
    assert judge(row(False), [FIRST], observed).verdict == "BLOCKED"


def test_reaching_another_pod_proves_a_source_alive_without_dns() -> None:
    observed = evidence("timeout", alive=False)
    observed.cells[USER, Place("10.0.0.9", 8080)] = seen("open")
    assert judge(row(False), [FIRST], observed).verdict == "BLOCKED"


def test_connecting_to_oneself_does_not_prove_a_network() -> None:
    observed = evidence("timeout", alive=False)
    observed.listening[Place("10.0.0.8", 8080)] = True
    found = judge(row(False), [FIRST], observed)
    assert found.verdict == "INCONCLUSIVE"
    assert "reached nothing at all" in found.reason


@pytest.mark.parametrize(
    ("allowed", "outcomes", "verdict", "passed"),
    [
        (True, ("open", "open"), "OPEN", True),
        (True, ("open", "timeout"), "BLOCKED", False),
        (True, ("open", None), "INCONCLUSIVE", False),
        (False, ("timeout", "timeout"), "BLOCKED", True),
        (False, ("timeout", "open"), "OPEN", False),
        (False, ("timeout", "error"), "INCONCLUSIVE", False),
    ],
)
def test_the_address_that_contradicts_decides(allowed: bool, outcomes: Any, verdict: str, passed: bool) -> None:
    found = judge(row(allowed), [FIRST, SECOND], evidence(*outcomes))
    assert (found.verdict, found.passed) == (verdict, passed)


def test_the_reason_names_the_address_that_contradicts() -> None:
    assert (
        judge(row(), [FIRST, SECOND], evidence("open", "timeout")).reason
        == "no answer from pg-2, which listens on 5432"
    )
    assert judge(row(False), [FIRST, SECOND], evidence("timeout", "open")).reason == "pg-2 accepted the connection"


def test_a_database_may_listen_on_some_pods_of_its_store_only() -> None:
    observed = evidence("open", "refused")
    observed.listening[SECOND.place] = False
    assert judge(row(kind="store"), [FIRST, SECOND], observed).passed
    assert judge(row(kind="service"), [FIRST, SECOND], observed).verdict == "INCONCLUSIVE"


def test_a_port_nobody_listens_on_is_told_as_such() -> None:
    found = judge(row(False, kind="store"), [FIRST], evidence("timeout", listening=False))
    assert (found.verdict, found.nobody_listens) == ("INCONCLUSIVE", True)
    assert not judge(row(False), [FIRST], evidence("timeout", listening=None)).nobody_listens


def test_open_without_an_answer_is_not_passed() -> None:
    found = judge(row(application="postgresql"), [FIRST], evidence(seen("open", error="reset")))
    assert (found.verdict, found.passed) == ("OPEN", False)
    assert found.reason == "pg-1 opens but does not answer as postgresql (reset)"
    found = judge(row(application="postgresql"), [FIRST], evidence(seen("open", answer="SSLRequest S")))
    assert (found.passed, found.answered) == (True, "SSLRequest S")


def test_one_of_two_pods_without_an_answer_is_named() -> None:
    observed = evidence(seen("open", answer="HTTP 200"), seen("open"))
    found = judge(row(application="http"), [FIRST, SECOND], observed)
    assert (found.passed, found.reason) == (False, "pg-2 opens but does not answer as http")


def test_what_settled_says_how() -> None:
    found = judge(row(False), [FIRST], evidence(seen("timeout", "open")))
    assert (found.verdict, found.passed) == ("BLOCKED", True)
    assert found.reason == "open at first, settled after 1.5 s"


def test_what_changes_by_turns_never_passes() -> None:
    closed = judge(row(False), [FIRST], evidence(seen("timeout", "open", changes=3)))
    assert (closed.verdict, closed.passed) == ("OPEN", False)
    assert closed.reason == "pg-1: open at first, timeout at last, 3 changes between"
    opened = judge(row(True), [FIRST], evidence(seen("open", "timeout", changes=2)))
    assert (opened.verdict, opened.passed) == ("FLAKY", False)
    never = judge(row(False), [FIRST], evidence(seen("timeout", "error", changes=3)))
    assert (never.verdict, never.passed) == ("INCONCLUSIVE", False)


def test_a_refusal_to_oneself_as_well_names_the_loopback() -> None:
    found = judge(row(), [FIRST], evidence("refused", listening=False))
    assert found.reason == "pg-1 refuses port 5432, to itself too: nothing listens there, or only on 127.0.0.1"


def through_service(pod: str, service: Any, *, listening: bool | None = True) -> Evidence:
    observed = evidence(pod, listening=listening)
    observed.cells[USER, SERVICE.place] = service if isinstance(service, dict) else seen(service)
    return observed


@pytest.mark.parametrize(
    ("allowed", "pod", "service", "listening", "verdict"),
    [
        (True, "open", "open", True, "OPEN"),
        (True, "open", "timeout", True, "BLOCKED"),
        (True, "open", "refused", True, "BLOCKED"),
        (True, "timeout", "open", True, "BLOCKED"),
        (False, "timeout", "timeout", True, "BLOCKED"),
        (False, "timeout", "open", True, "OPEN"),
        # The Service's address is nobody's own: what listens behind it is the control.
        (False, "timeout", "timeout", False, "INCONCLUSIVE"),
        (False, "timeout", "timeout", None, "INCONCLUSIVE"),
    ],
)
def test_a_service_is_a_way_of_its_own(
    allowed: bool, pod: str, service: str, listening: bool | None, verdict: str
) -> None:
    found = judge(row(allowed), [FIRST, SERVICE], through_service(pod, service, listening=listening))
    assert found.verdict == verdict
    assert found.passed is (verdict == ("OPEN" if allowed else "BLOCKED"))


def test_a_service_that_leads_nowhere_is_told_apart_from_its_pods() -> None:
    found = judge(row(), [FIRST, SERVICE], through_service("open", "timeout"))
    assert found.reason == "no answer from the Service pg-rw, which listens on 5433; each of its pods is OPEN"
    assert judge(row(False), [FIRST, SERVICE], through_service("timeout", "open")).reason == (
        "the Service pg-rw accepted the connection"
    )


@pytest.mark.parametrize(
    ("allowed", "outcome", "others", "verdict", "passed"),
    [
        (True, "open", False, "OPEN", True),
        # Over UDP silence is nothing, unless the same server answered somebody else.
        (False, "timeout", False, "INCONCLUSIVE", False),
        (False, "timeout", True, "BLOCKED", True),
        (True, "timeout", True, "BLOCKED", False),
        (False, "refused", False, "INCONCLUSIVE", False),
        (False, "open", False, "OPEN", False),
    ],
)
def test_udp(allowed: bool, outcome: str, others: bool, verdict: str, passed: bool) -> None:
    target = Target(Place("10.0.0.1", 53, "UDP"), "dns-1")
    # That something accepts TCP there says nothing about UDP.
    observed = Evidence(listening={Place("10.0.0.1", 53): True})
    observed.cells[USER, target.place] = seen(outcome)
    observed.cells[USER, Place("10.0.0.9", 8080)] = seen("open")
    if others:
        observed.cells["default/course", target.place] = seen("open")
    found = judge(Connection(USER, "default/dns", 53, allowed, protocol="UDP"), [target], observed)
    assert (found.verdict, found.passed) == (verdict, passed)


@pytest.mark.parametrize(
    ("allowed", "application", "answer", "verdict", "passed"),
    [
        (True, "http", "HTTP 200", "OPEN", True),
        (True, "http", None, "OPEN", False),
        (False, "http", "HTTP 200", "OPEN", False),
        (False, "http", None, "BLOCKED", True),
        (True, "none", None, "INCONCLUSIVE", False),
        (False, "none", None, "INCONCLUSIVE", False),
    ],
)
def test_under_a_service_mesh_only_an_answer_counts(
    allowed: bool, application: str, answer: str | None, verdict: str, passed: bool
) -> None:
    observed = evidence(seen("open", answer=answer, opened=answer is not None))
    observed.proxies[USER] = "istio-proxy"
    found = judge(row(allowed, application=application), [FIRST], observed)
    assert (found.verdict, found.passed) == (verdict, passed)
    if verdict == "INCONCLUSIVE":
        assert found.reason.startswith("only istio-proxy of default/user itself accepted")


def test_without_a_report_or_a_destination_nothing_is_known() -> None:
    observed = evidence("open")
    observed.silent_sources[USER] = "the prober could not start"
    assert judge(row(), [FIRST], observed).reason == "the prober could not start"
    assert judge(row(), [], evidence("open")).reason == "azora-data/pg has no ready pod"


def dns(outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "server": "10.1.0.10",
        "protocol": "UDP",
        "name": "kubernetes.default.svc.cluster.local",
        "code": 0,
        "answers": 1,
        "ms": 1.0,
        "attempts": 1,
        "error": "",
        **more,
    }


@pytest.mark.parametrize(
    ("answer", "others", "alive", "verdict", "passed"),
    [
        (dns("open"), False, False, "OPEN", True),
        (dns("open", code=3, answers=0), False, False, "OPEN", False),
        (dns("timeout"), True, True, "BLOCKED", False),
        (dns("timeout"), True, False, "INCONCLUSIVE", False),
        (dns("timeout"), False, True, "INCONCLUSIVE", False),
        (dns("refused"), True, True, "INCONCLUSIVE", False),
    ],
)
def test_name_servers(answer: dict[str, Any], others: bool, alive: bool, verdict: str, passed: bool) -> None:
    observed = Evidence(dns={USER: [answer]})
    if others:
        observed.dns["default/course"] = [dns("open")]
    if alive:
        observed.cells[USER, Place("10.0.0.9", 8080)] = seen("open")
    found = judge_dns(USER, answer, observed)
    assert (found.verdict, found.passed) == (verdict, passed)


def test_every_closed_door_open_is_one_finding() -> None:
    opened = judge(row(False), [FIRST], evidence("open"))
    closed = judge(row(False), [FIRST], evidence("timeout"))
    reason = nothing_is_enforced([(row(False), opened), (row(False), opened), (row(True), opened)])
    assert reason is not None
    assert reason.startswith("all 2 connections that should be closed are open: policies are not enforced")
    assert nothing_is_enforced([(row(False), opened), (row(False), closed)]) is None
    assert nothing_is_enforced([(row(True), opened)]) is None
