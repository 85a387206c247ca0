# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""StatefulSets and DaemonSets return by what their ControllerRevisions keep."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.modules import rollout

from .conftest import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    GOOD,
    PODS,
    STATEFUL_SETS,
    controller_revision_of,
    manifest_of,
    waiting,
)

WHEN = "2026-01-01T00:00:00Z"
CRASH = waiting("CrashLoopBackOff", "back-off 20s", restarts=3)


def manifest(kind, tag):
    return {**manifest_of(tag=tag), "kind": kind}


def live(kind, tag, generation, **status):
    found = copy.deepcopy(manifest(kind, tag))
    found["metadata"] |= {"uid": f"{kind}-orders", "generation": generation}
    found["status"] = {"observedGeneration": generation, **status}
    return found


def stateful(tag, generation, *, through):
    revisions = {"updateRevision": f"orders-{tag}", "currentRevision": "orders-1"}
    counts = {"replicas": 2, "availableReplicas": 2 if through else 1, "currentReplicas": 2 if through else 1}
    return live("StatefulSet", tag, generation, **revisions, **counts, updatedReplicas=2 if through else 1)


def daemon(tag, generation, *, through):
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2 if through else 1}
    return live("DaemonSet", tag, generation, **counts)


def pod(kind, revision, *, ready=False):
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"orders-{revision}-pod",
            "uid": f"pod-{revision}",
            "labels": {**manifest(kind, "1")["metadata"]["labels"], "controller-revision-hash": f"orders-{revision}"},
            "ownerReferences": [{"uid": f"{kind}-orders"}],
        },
        "spec": {"containers": []},
        "status": {"phase": "Running", "conditions": [condition], "containerStatuses": [] if ready else CRASH},
    }


@pytest.fixture
def crashing(api):
    """For each kind: its second revision crashes, and the first one served before."""

    def of(path, kind, made, *, good):
        api.put(path, made("2", 2, through=False))
        api.put(CONTROLLER_REVISIONS, controller_revision_of(manifest(kind, "1"), 1, good=good))
        api.put(CONTROLLER_REVISIONS, controller_revision_of(manifest(kind, "2"), 2))
        api.put(PODS, pod(kind, 1, ready=True))
        api.put(PODS, pod(kind, 2))
        api.put(CONFIG_MAPS, {"metadata": {"namespace": "shop", "name": "orders-config-1"}})
        api.logs["orders-2-pod"] = "no\n"
        return api

    return of


def test_a_stateful_set_returns_to_what_its_controller_knows_and_its_broken_pod_goes(crashing, run):
    api = crashing(STATEFUL_SETS, "StatefulSet", stateful, good="")

    def react(path, _thing):
        # The controller sees the change, and goes on only when the broken pod is gone.
        if path == STATEFUL_SETS:
            api.put(STATEFUL_SETS, stateful("1", 3, through=False))
        elif path == PODS:
            api.put(STATEFUL_SETS, stateful("1", 3, through=True))

    api.react = react
    result = run(rollout, resources=[manifest("StatefulSet", "2")], rollback=True, timeout=20)
    [workload] = result["workloads"]
    assert (workload["reason"], workload["returned_to"], workload["returned"]) == ("CrashLoop", 1, True)
    [(_path, body)] = [(path, body) for path, body in api.asked("PATCH") if path.startswith(STATEFUL_SETS)]
    assert body == [{"op": "replace", "path": "/spec/template", "value": manifest_of(tag="1")["spec"]["template"]}]
    [(path, options)] = api.asked("DELETE")
    assert (path, options["preconditions"]) == (f"{PODS}/orders-2-pod", {"uid": "pod-2"})


def test_a_daemon_set_returns_to_its_marked_revision(crashing, run):
    api = crashing(DAEMON_SETS, "DaemonSet", daemon, good=WHEN)

    def react(path, _thing):
        if path == DAEMON_SETS:
            again = controller_revision_of(manifest("DaemonSet", "1"), 3, good=WHEN)
            api.put(CONTROLLER_REVISIONS, {**again, "metadata": {**again["metadata"], "name": "orders-1"}})
            api.put(DAEMON_SETS, daemon("1", 3, through=True))

    api.react = react
    result = run(rollout, resources=[manifest("DaemonSet", "2")], rollback=True, timeout=20)
    [workload] = result["workloads"]
    assert (workload["returned_to"], workload["returned"]) == (1, True)
    assert api.asked("DELETE") == []


def test_a_daemon_set_without_a_mark_stays_and_that_is_said(crashing, run):
    api = crashing(DAEMON_SETS, "DaemonSet", daemon, good="")
    result = run(rollout, resources=[manifest("DaemonSet", "2")], rollback=True, timeout=20)
    assert result["workloads"][0]["not_returned"] == "no earlier revision was ever good"
    assert api.asked("PATCH") == []


def test_what_is_rolled_out_is_marked(api, run):
    api.put(STATEFUL_SETS, stateful("1", 1, through=True))
    api.put(CONTROLLER_REVISIONS, controller_revision_of(manifest("StatefulSet", "1"), 1))
    assert run(rollout, resources=[manifest("StatefulSet", "1")])["ready"]
    [(path, body)] = api.asked("PATCH")
    assert path == f"{CONTROLLER_REVISIONS}/orders-1"
    assert list(body["metadata"]["annotations"]) == [GOOD]
