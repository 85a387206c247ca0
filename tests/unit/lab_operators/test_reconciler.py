# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler: one run at a time for each object, none forgotten, errors retried."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from lab_operators import reconciler as module
from lab_operators.operator_endpoint import OperatorEndpoint
from lab_operators.reconciler import GONE, Again, Reconciler


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_request_leads_to_a_run() -> None:
    seen: list[tuple[str, str]] = []

    def reconcile(namespace: str, name: str) -> Again | None:
        seen.append((namespace, name))
        return GONE

    Reconciler("thing", reconcile).request("data", "a")
    await until(lambda: bool(seen))
    assert seen == [("data", "a")]


async def test_requests_during_a_run_cause_one_more() -> None:
    running, go_on = threading.Event(), threading.Event()
    at_once, runs, most = 0, 0, 0

    def reconcile(_namespace: str, _name: str) -> Again | None:
        nonlocal at_once, runs, most
        at_once, runs = at_once + 1, runs + 1
        most = max(most, at_once)
        running.set()
        go_on.wait(5)
        at_once -= 1
        return Again(60)

    reconciler = Reconciler("thing", reconcile)
    reconciler.request("data", "a")
    await until(running.is_set)
    for _time in range(5):
        reconciler.request("data", "a")
    go_on.set()
    await until(lambda: runs == 2)
    await asyncio.sleep(0.1)
    assert (runs, most) == (2, 1)


async def test_different_objects_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=5)
    met: list[str] = []

    def reconcile(_namespace: str, name: str) -> Again | None:
        barrier.wait()
        met.append(name)
        return GONE

    reconciler = Reconciler("thing", reconcile)
    reconciler.request("data", "a")
    reconciler.request("data", "b")
    await until(lambda: len(met) == 2)


async def test_again_means_again() -> None:
    runs = 0

    def reconcile(_namespace: str, _name: str) -> Again | None:
        nonlocal runs
        runs += 1
        return Again(0.01) if runs < 4 else GONE

    Reconciler("thing", reconcile).request("data", "a")
    await until(lambda: runs == 4)


async def test_an_error_is_counted_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY", 0.01)
    runs = 0

    def reconcile(_namespace: str, _name: str) -> Again | None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("not yet")
        return GONE

    reconciler = Reconciler("thing", reconcile)
    reconciler.request("data", "a")
    await until(lambda: runs == 3)
    await until(lambda: reconciler.counters.reconciliations == 3)
    assert reconciler.counters.errors == 2


async def test_what_is_gone_is_forgotten_and_can_come_back() -> None:
    runs = 0

    def reconcile(_namespace: str, _name: str) -> Again | None:
        nonlocal runs
        runs += 1
        return GONE

    reconciler = Reconciler("thing", reconcile)
    for expected in (1, 2):
        reconciler.request("data", "a")
        await until(lambda expected=expected: runs == expected)  # type: ignore[misc]
        await asyncio.sleep(0.05)
    reconciler.request_known()
    await asyncio.sleep(0.05)
    assert runs == 2


async def test_known_objects_of_one_namespace() -> None:
    seen: list[str] = []

    def reconcile(_namespace: str, name: str) -> Again | None:
        seen.append(name)
        return Again(60)

    reconciler = Reconciler("thing", reconcile)
    reconciler.request("one", "a")
    reconciler.request("two", "b")
    await until(lambda: len(seen) == 2)
    await asyncio.sleep(0.05)
    reconciler.request_known("two")
    await until(lambda: len(seen) == 3)
    assert seen[2] == "b"


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_endpoint_says_when_it_is_ready_and_counts() -> None:
    reconciler = Reconciler("thing", lambda _namespace, _name: GONE)
    reconciler.counters.reconciliations = 3
    endpoint = OperatorEndpoint([reconciler], port=0)
    endpoint.start()
    port = endpoint.port
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/readyz")[0] == 503
    endpoint.ready.set()
    assert get(port, "/readyz")[0] == 200
    assert 'controller_runtime_reconcile_total{controller="thing"} 3' in get(port, "/metrics")[1]
    assert get(port, "/else")[0] == 404
