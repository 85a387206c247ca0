# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kubelet's counters prove, by the age of the container."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import (
    Key,
    RunningProbe,
    Runs,
    in_interval,
    not_yet_run,
    running_probes,
)

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
KEY: Key = ("uid-1", "app", "readiness")


def probe(seconds: float, restarts: int = 0, kind: str = "readiness") -> RunningProbe:
    started = (NOW - datetime.timedelta(seconds=seconds)).isoformat()
    status = {"name": "app", "restartCount": restarts, "state": {"running": {"startedAt": started}}}
    container: dict[str, Any] = {"name": "app", f"{kind}Probe": {"periodSeconds": 10}}
    pod = {
        "metadata": {"namespace": "shop", "name": "app-1", "uid": "uid-1"},
        "spec": {"nodeName": "node1", "containers": [container]},
        "status": {"containerStatuses": [status]},
    }
    (found,) = running_probes(pod, container, [kind], NOW)
    return found


@pytest.mark.parametrize(
    ("seconds", "restarts", "fresh"),
    [(5, 0, True), (59, 0, True), (61, 0, False), (5, 1, False)],
)
def test_a_container_is_fresh_for_a_minute_and_only_at_first(seconds: float, restarts: int, fresh: bool) -> None:
    assert probe(seconds, restarts).fresh is fresh


def test_what_passed_long_ago_proves_nothing_of_now() -> None:
    counted = {KEY: Runs(passed=40)}
    assert not_yet_run([probe(600)], counted, counted) == [probe(600)]
    assert in_interval(probe(600), counted, {KEY: Runs(passed=41)}) == Runs(passed=1)


def test_nobody_waits_for_the_next_turn_of_a_fresh_container() -> None:
    counted = {KEY: Runs(passed=2, failed=3)}
    assert not_yet_run([probe(20)], counted, {}) == []
    # It was not ready at first.
    assert in_interval(probe(20), counted, {}) == Runs(passed=2, failed=0)
    # It was, and is not any more.
    assert in_interval(probe(20), counted, {KEY: Runs(passed=2, failed=4)}) == Runs(passed=0, failed=1)


def test_a_fresh_container_that_never_passed_is_waited_for() -> None:
    counted = {KEY: Runs(failed=3)}
    assert not_yet_run([probe(20)], counted, counted) == [probe(20)]
    assert not_yet_run([probe(20)], {}, {}) == [probe(20)]


def test_a_startup_probe_ran_if_it_ever_did() -> None:
    key: Key = ("uid-1", "app", "startup")
    assert in_interval(probe(600, kind="startup"), {key: Runs(1, 2)}, {key: Runs(1, 2)}) == Runs(1, 2)
