# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When each of many workloads is decided, under one deadline."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._rollout import Unreadable, collections_of
from ansible_collections.azora.platform.plugins.module_utils._rollout_course import Return, Wait
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import message
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import State

from .conftest import live_of, manifest_of, pod_of, replica_set_of, waiting, world_of

ORDERS, PAGE = manifest_of("orders"), manifest_of("page")
BOTH = [ORDERS, PAGE]
READY = {name["metadata"]["name"]: live_of(name) for name in BOTH}
MOVING = {name["metadata"]["name"]: live_of(name, through=False) for name in BOTH}
SETS = [replica_set_of(one, 2) for one in BOTH]
UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
STUCK = pod_of(SETS[0], containers=[], conditions=[UNPLACED])
CRASHED = pod_of(SETS[0], containers=waiting("CrashLoopBackOff", restarts=3))


def world(orders, page, *pods):
    return world_of(BOTH, {"Deployment": [orders, page], "ReplicaSet": SETS, "Pod": list(pods)})


def wait_of(manifests=None, **more):
    return Wait(manifests or BOTH, 100.0, **{"timeout": 60, "patience": 30, "restarts": 3, **more})


def test_it_ends_with_the_slowest_and_says_which_that_was():
    wait = wait_of()
    wait.look(world(MOVING["orders"], MOVING["page"]), 101.0)
    assert not wait.is_over()
    wait.look(world(MOVING["orders"], READY["page"]), 104.0)
    wait.look(world(READY["orders"], READY["page"]), 109.5)
    assert wait.is_over()
    assert [course.seconds for course in wait.courses] == [9.5, 4.0]
    assert message(wait.courses, 9.5, 60) == "2 ready after 9.5 s; slowest: shop/orders 9.5 s, shop/page 4.0 s."


def test_what_was_ready_stays_decided():
    wait = wait_of()
    wait.look(world(READY["orders"], MOVING["page"]), 101.0)
    wait.look(world(MOVING["orders"], READY["page"]), 102.0)
    assert wait.is_over()


def test_the_first_failure_ends_a_wait_that_returns_nothing():
    wait = wait_of()
    [failed] = wait.look(world(MOVING["orders"], MOVING["page"], CRASHED), 105.0)
    assert wait.is_over()
    assert (failed.identity, failed.seconds) == ("shop/orders", 5.0)
    told = message(wait.courses, 5.0, 60)
    assert "shop/orders failed after 5.0 s (CrashLoop)" in told
    assert "shop/page has 1 updated and 2 available pods of 2" in told


def test_with_rollback_the_others_are_waited_for():
    wait = wait_of(rollback_timeout=20)
    [failed] = wait.look(world(MOVING["orders"], MOVING["page"], CRASHED), 105.0)
    failed.back = Return(1, ["shop:1"], generation=3, template="orders 1", started=105.0)
    assert wait.look(world(MOVING["orders"], MOVING["page"], CRASHED), 106.0) == []
    back = live_of(manifest_of("orders", "1"), revision=3)
    wait.look(world(back, MOVING["page"]), 108.0)
    assert failed.back.seconds == 3.0
    assert not wait.is_over()
    wait.look(world(back, READY["page"]), 110.0)
    assert wait.is_over()
    told = message(wait.courses, 10.0, 60)
    assert "It was returned to revision 1 (shop:1), which is ready again after 3.0 s." in told
    assert "1 ready after 10.0 s; slowest: shop/page 10.0 s." in told


def test_a_return_that_does_not_get_ready_is_said():
    wait = wait_of(rollback_timeout=20)
    [failed] = wait.look(world(MOVING["orders"], READY["page"], CRASHED), 105.0)
    failed.back = Return(1, ["shop:1"], generation=3, template="orders 1", started=105.0)
    stays = live_of(manifest_of("orders", "1"), revision=3, through=False)
    wait.look(world(stays, READY["page"]), 124.0)
    assert not wait.is_over()
    assert wait.pause(124.0) == pytest.approx(1.0)
    wait.look(world(stays, READY["page"]), 125.0)
    assert wait.is_over()
    assert "which is NOT ready after 20.0 s: shop/orders has 1 updated" in message(wait.courses, 25.0, 60)


def test_what_is_stuck_fails_when_nothing_has_moved_for_long_enough():
    wait = wait_of(patience=10)
    stuck = world(MOVING["orders"], MOVING["page"], STUCK)
    wait.look(stuck, 101.0)
    assert wait.pause(108.5) == pytest.approx(2.5)
    # What another workload frees as it ends may be what this one waits for.
    wait.look(world(MOVING["orders"], READY["page"], STUCK), 109.0)
    assert wait.look(world(MOVING["orders"], READY["page"], STUCK), 118.0) == []
    [failed] = wait.look(world(MOVING["orders"], READY["page"], STUCK), 119.0)
    assert failed.judgement.reason == "Unschedulable"


def test_what_moves_again_is_not_stuck():
    wait = wait_of(patience=10)
    wait.look(world(MOVING["orders"], MOVING["page"], STUCK), 101.0)
    wait.look(world(MOVING["orders"], MOVING["page"]), 105.0)
    wait.look(world(MOVING["orders"], MOVING["page"], STUCK), 106.0)
    assert wait.look(world(MOVING["orders"], MOVING["page"], STUCK), 115.0) == []


def test_at_the_deadline_what_is_open_has_failed():
    wait = wait_of()
    assert wait.look(world(MOVING["orders"], READY["page"]), 159.9) == []
    assert wait.pause(159.9) == pytest.approx(0.1)
    [failed] = wait.look(world(MOVING["orders"], READY["page"]), 160.0)
    assert failed.judgement.reason == "Timeout"


@pytest.mark.parametrize(("status", "over_at_once"), [(403, True), (0, False)])
def test_what_nobody_could_look_at_is_inconclusive_and_no_failure(status, over_at_once):
    wait = wait_of([ORDERS])
    unseen = {one: Unreadable("no answer", status) for one in collections_of([ORDERS])}
    blind = world_of([ORDERS], {})._replace(objects={}, errors=unseen)
    assert wait.look(blind, 101.0) == []
    assert wait.is_over() is over_at_once
    assert wait.look(blind, 160.0) == []
    assert wait.is_over()
    assert wait.courses[0].state is State.UNSEEN
    assert "INCONCLUSIVE" in message(wait.courses, 60.0, 60)


def test_an_autoscalers_minimum_counts():
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": "shop", "name": "page"},
        "spec": {"scaleTargetRef": {"name": "page"}, "minReplicas": 3},
    }
    wait = wait_of([*BOTH, scaler])
    wait.look(world(READY["orders"], READY["page"]), 101.0)
    assert [course.state for course in wait.courses] == [State.READY, State.MOVING]
