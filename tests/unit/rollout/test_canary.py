# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pod of a new revision first: what is applied for it, when it is ready, and how it is as it was before."""

from __future__ import annotations

import json

import pytest
from ansible_collections.azora.platform.plugins.module_utils._canary import (
    CANARY,
    HOLD_SECONDS,
    canaries_among,
    canary_manifests,
    released,
)
from ansible_collections.azora.platform.plugins.module_utils._rollout import judge
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import State
from ansible_collections.azora.platform.plugins.modules import rollback, rollout

from .conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    GOOD,
    PODS,
    REPLICA_SETS,
    REVISION,
    SECRETS,
    live_of,
    manifest_of,
    pod_of,
    replica_set_of,
    secret_of,
    waiting,
    world_of,
)

WHEN = "2026-01-01T00:00:00Z"
CATALOGUE = {"workloads": [{"id": "shop/orders", "canary": True}, {"id": "shop/billing", "canary": False}]}
PACE = {"minReadySeconds": 3, "progressDeadlineSeconds": 300}


def deployment(name: str = "orders", tag: str = "2", **spec):
    manifest = manifest_of(name, tag)
    manifest["spec"] |= PACE | spec
    return manifest


def config_of(name: str):
    labels = {"app.kubernetes.io/name": name}
    return {"kind": "ConfigMap", "metadata": {"namespace": "shop", "name": f"{name}-config-2", "labels": labels}}


def held_back(tag: str = "2"):
    """The new revision as it is applied first."""
    [found] = [
        one
        for one in canary_manifests(CATALOGUE, [deployment(tag=tag)], [live_of(deployment(tag="1"))])
        if one["kind"] == "Deployment"
    ]
    return found


def live_held_back():
    """The same as the cluster shows it: two old pods and a new one."""
    manifest = held_back()
    live = live_of(manifest, through=False)
    live["metadata"]["annotations"] |= manifest["metadata"]["annotations"]
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    fields["f:metadata"]["f:annotations"] = {f"f:{CANARY}": {}}
    fields["f:spec"] |= {"f:minReadySeconds": {}, "f:progressDeadlineSeconds": {}}
    return live


def test_only_what_changes_and_wants_it_is_held_back_with_what_its_pod_reads():
    manifests = [config_of("orders"), config_of("billing"), deployment("orders"), deployment("billing")]
    standing = [live_of(deployment("orders", "1")), live_of(deployment("billing", "1"))]
    found = canary_manifests(CATALOGUE, manifests, standing)
    assert [one["metadata"]["name"] for one in found] == ["orders-config-2", "orders"]
    assert found[1]["spec"]["minReadySeconds"] == HOLD_SECONDS
    # The API refuses a deadline that is not beyond the seconds.
    assert found[1]["spec"]["progressDeadlineSeconds"] > HOLD_SECONDS
    assert found[1]["spec"]["template"] == manifests[2]["spec"]["template"]
    assert json.loads(found[1]["metadata"]["annotations"][CANARY]) == PACE
    assert manifests[2] == deployment("orders"), "what is given stays as it is"


@pytest.mark.parametrize(
    "standing",
    [[], [live_of(deployment(tag="2"))], [live_of(deployment(tag="1")) | {"status": {"availableReplicas": 0}}]],
    ids=["not there yet", "of the same revision", "nothing serves"],
)
def test_where_nobody_is_to_be_protected_nothing_is_held_back(standing):
    assert canary_manifests(CATALOGUE, [deployment()], standing) == []


def test_another_number_of_pods_comes_with_the_rest():
    [found] = canary_manifests(CATALOGUE, [deployment(replicas=5)], [live_of(deployment(tag="1"))])
    assert found["spec"]["replicas"] == 2
    unsized = deployment()
    del unsized["spec"]["replicas"]
    [found] = canary_manifests(CATALOGUE, [unsized], [live_of(deployment(tag="1"))])
    assert "replicas" not in found["spec"], "the number is an autoscaler's"


def test_a_run_that_was_killed_is_taken_up():
    [found] = canary_manifests(CATALOGUE, [deployment()], [live_held_back()])
    assert found["spec"]["minReadySeconds"] == HOLD_SECONDS
    assert canaries_among([live_held_back(), live_of(deployment("billing"))]) == [
        {"namespace": "shop", "name": "orders"}
    ]


def test_released_it_is_as_it_was_meant():
    meant = deployment()
    again = released(held_back())
    assert (again["spec"], again["metadata"].get("annotations")) == (meant["spec"], {})
    assert released(meant) == meant


@pytest.mark.parametrize(("ready", "state"), [(0, State.MOVING), (1, State.READY)])
def test_it_is_ready_with_its_first_pod(ready, state):
    objects = {
        "Deployment": [live_held_back()],
        "ReplicaSet": [replica_set_of(deployment(tag="1"), 1), replica_set_of(deployment(), 2, ready=ready)],
    }
    manifest = held_back()
    assert judge(manifest, world_of([manifest], objects)).state is state


def test_the_old_revision_s_pods_do_not_count():
    """Before the controller has seen the change, the old ReplicaSet is the current one."""
    objects = {"Deployment": [live_held_back()], "ReplicaSet": [replica_set_of(deployment(tag="1"), 2)]}
    manifest = held_back()
    assert judge(manifest, world_of([manifest], objects)).state is State.MOVING
    late = live_held_back()
    late["metadata"]["generation"] = 9
    objects = {"Deployment": [late], "ReplicaSet": [replica_set_of(deployment(), 2, ready=1)]}
    assert judge(manifest, world_of([manifest], objects)).state is State.MOVING


@pytest.fixture
def canary(api):
    """Two pods of the first revision, which was good, and one of the second."""
    api.put(DEPLOYMENTS, live_held_back())
    api.put(REPLICA_SETS, replica_set_of(deployment(tag="1"), 1, good=WHEN))
    api.put(REPLICA_SETS, replica_set_of(deployment(), 2, ready=1))
    api.put(CONFIG_MAPS, {"metadata": {"namespace": "shop", "name": "orders-config-1"}})
    api.put(SECRETS, secret_of("orders-credentials", PASSWORD="x"))

    def react(path, thing):
        if path == DEPLOYMENTS:
            revision = thing["metadata"]["generation"]
            serving = api.get(REPLICA_SETS, "orders-1")
            serving["metadata"]["annotations"][REVISION] = str(revision)
            api.put(REPLICA_SETS, serving)
            api.put(DEPLOYMENTS, live_of(thing, revision))

    api.react = react
    return api


def test_the_module_names_its_pod_and_does_not_call_the_revision_good(canary, run):
    result = run(rollout, resources=[held_back()], timeout=20)
    assert (result["ready"], result["changed"], result["canaries"]) == (True, False, {"shop/orders": "hash2"})
    assert canary.asked("PATCH") == []
    assert GOOD not in canary.get(REPLICA_SETS, "orders-2")["metadata"]["annotations"]


def the_return(api):
    [body] = [body for path, body in api.asked("PATCH") if path.startswith(f"{DEPLOYMENTS}/orders?")]
    return body


def test_one_that_crashes_returns_as_it_was_meant_before(canary, run):
    replica_set = replica_set_of(deployment(), 2, ready=0)
    canary.put(REPLICA_SETS, replica_set)
    crash = waiting("CrashLoopBackOff", "back-off 20s", restarts=3, terminated={"exitCode": 2, "reason": "Error"})
    canary.put(PODS, pod_of(replica_set, containers=crash))
    result = run(rollout, resources=[held_back()], timeout=20, rollback=True)
    assert (result["ready"], result["changed"], result["canaries"]) == (False, True, {})
    body = the_return(canary)
    assert {key: body["spec"][key] for key in PACE} == PACE
    assert CANARY not in body["metadata"].get("annotations", {})
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:1"


def test_by_hand_it_returns_in_the_same_way(canary, run):
    result = run(rollback, deployments=[{"namespace": "shop", "name": "orders"}], revision="previous", timeout=20)
    assert result["returned"] == {"shop/orders": 1}
    assert {key: the_return(canary)["spec"][key] for key in PACE} == PACE
