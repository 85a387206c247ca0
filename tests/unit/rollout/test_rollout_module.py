# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on an API: what it asks, what it changes, and what it says."""

from __future__ import annotations

import copy
import threading

import pytest
from ansible_collections.azora.platform.plugins.modules import rollout

from .conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    GOOD,
    PODS,
    REPLICA_SETS,
    REVISION,
    SECRETS,
    event_of,
    live_of,
    manifest_of,
    pod_of,
    replica_set_of,
    secret_of,
    waiting,
)

WHEN = "2026-01-01T00:00:00Z"
NEW, OLD = manifest_of(tag="2"), manifest_of(tag="1")
CRASH = waiting("CrashLoopBackOff", "back-off 20s", restarts=3, terminated={"exitCode": 2, "reason": "Error"})


@pytest.fixture
def through(api):
    """A Deployment whose second revision is rolled out."""
    api.put(DEPLOYMENTS, live_of(NEW))
    api.put(REPLICA_SETS, replica_set_of(NEW, 2))
    return api


@pytest.fixture
def crashing(api):
    """A Deployment whose second revision crashes, while the first serves."""
    api.put(DEPLOYMENTS, live_of(NEW, through=False))
    api.put(REPLICA_SETS, replica_set_of(OLD, 1, good=WHEN))
    crashing = replica_set_of(NEW, 2, ready=0)
    api.put(REPLICA_SETS, crashing)
    pod = pod_of(crashing, containers=CRASH)
    api.put(PODS, pod)
    api.put(EVENTS, event_of(pod, "BackOff", "Back-off restarting failed container"))
    api.put(CONFIG_MAPS, {"metadata": {"namespace": "shop", "name": "orders-config-1"}})
    api.put(SECRETS, secret_of("orders-credentials", PASSWORD="icky-tricky", USERNAME="orders"))
    api.logs["orders-2-a previous"] = "starting\ncannot log in with icky-tricky\nLOG_LEVEL is 'loud'\n"

    def react(path, thing):
        # What the Deployment's controller does: the old ReplicaSet serves again, as the newest revision.
        if path == DEPLOYMENTS:
            revision = thing["metadata"]["generation"]
            image = thing["spec"]["template"]["spec"]["containers"][0]["image"]
            serving = api.get(REPLICA_SETS, "orders-1" if image == "shop:1" else "orders-2")
            serving["metadata"]["annotations"][REVISION] = str(revision)
            api.put(REPLICA_SETS, serving)
            back = live_of({**thing, "metadata": {**thing["metadata"]}}, revision)
            api.put(DEPLOYMENTS, back)

    api.react = react
    return api


def test_what_is_ready_at_once_is_marked_and_nothing_else_changes(through, run):
    result = run(rollout, resources=[NEW, {"kind": "Service", "metadata": {"name": "x"}}])
    assert (result["changed"], result["ready"]) == (False, True)
    assert result["msg"].startswith("1 ready after ")
    [(path, body)] = through.asked("PATCH")
    assert path == f"{REPLICA_SETS}/orders-2"
    assert list(body["metadata"]["annotations"]) == [GOOD]
    # Marked once.
    run(rollout, resources=[NEW])
    assert len(through.asked("PATCH")) == 1


@pytest.fixture
def warned(monkeypatch):
    """The module's warnings."""
    found: list[str] = []
    monkeypatch.setattr(rollout.AnsibleModule, "warn", lambda _module, sentence: found.append(sentence))
    return found


def test_a_mark_that_may_not_be_written_is_a_warning(through, run, warned):
    through.forbidden = {f"patch {REPLICA_SETS}/orders-2"}
    result = run(rollout, resources=[NEW])
    assert result["ready"]
    [warning] = warned
    assert warning.startswith("That shop/orders was rolled out could not be marked")


def test_it_waits_for_what_comes(api, run):
    api.put(DEPLOYMENTS, live_of(NEW, through=False))
    api.put(REPLICA_SETS, replica_set_of(NEW, 2))

    def come():
        api.wait_for_watch(DEPLOYMENTS)
        api.put(DEPLOYMENTS, live_of(NEW))

    threading.Thread(target=come, daemon=True).start()
    result = run(rollout, resources=[NEW], timeout=20)
    assert result["ready"]
    # No second look at everything: the news came by themselves.
    lists = [path for path, _body in api.asked("GET") if path.startswith(f"{DEPLOYMENTS}?") and "watch" not in path]
    assert len(lists) == 1


def test_a_failure_is_said_with_event_last_words_and_what_to_do(crashing, run):
    result = run(rollout, resources=[NEW], timeout=20)
    assert result["failed"]
    assert (result["ready"], result["changed"]) == (False, False)
    [workload] = result["workloads"]
    assert (workload["state"], workload["reason"], workload["container"]) == ("failed", "CrashLoop", "orders")
    assert workload["log"] == ["starting", "cannot log in with ***", "LOG_LEVEL is 'loud'"]
    assert workload["event"] == "BackOff: Back-off restarting failed container"
    assert "returned_to" not in workload
    assert "icky-tricky" not in str(result)
    for words in ("exit code 2 (Error)", "LOG_LEVEL is 'loud'", "What to do: check its configuration"):
        assert words in result["msg"]
    assert crashing.asked("PATCH") == []


def test_a_log_whose_secrets_are_not_known_is_not_shown(crashing, run):
    crashing.forbidden = {f"read {SECRETS}/orders-credentials"}
    result = run(rollout, resources=[NEW], timeout=20)
    [workload] = result["workloads"]
    assert workload["log"] == []
    assert "the Secret orders-credentials may not be read" in workload["log_withheld"]
    assert not any("/log" in path for path, _body in crashing.asked("GET"))


def test_the_present_log_is_better_than_none(crashing, run):
    crashing.logs = {"orders-2-a": "once more\n"}
    assert run(rollout, resources=[NEW], timeout=20)["workloads"][0]["log"] == ["once more"]


def test_with_rollback_what_failed_is_returned_and_the_module_says_both(crashing, run):
    result = run(rollout, resources=[NEW], rollback=True, timeout=20)
    assert result["failed"]
    assert (result["ready"], result["changed"]) == (False, True)
    [workload] = result["workloads"]
    assert (workload["returned_to"], workload["returned"]) == (1, True)
    assert "(CrashLoop)" in result["msg"]
    assert "It was returned to revision 1 (shop:1), which is ready again" in result["msg"]
    [(path, body)] = crashing.asked("PATCH")
    assert path == f"{DEPLOYMENTS}/orders?fieldManager=azora.platform&force=true"
    assert body["spec"]["template"] == OLD["spec"]["template"]
    assert body["spec"]["selector"] == NEW["spec"]["selector"]
    [sent] = [headers for method, _path, headers, _body in crashing.requests if method == "PATCH"]
    assert sent["Content-Type"] == "application/apply-patch+yaml"
    [diff] = result["diff"]
    assert diff["after"]["template"] == OLD["spec"]["template"]
    assert diff["before"]["template"] == NEW["spec"]["template"]


def test_what_others_made_gets_only_its_template_replaced(crashing, run):
    live = crashing.get(DEPLOYMENTS, "orders")
    del live["metadata"]["managedFields"]
    crashing.put(DEPLOYMENTS, live)
    result = run(rollout, resources=[NEW], rollback=True, timeout=20)
    assert result["workloads"][0]["returned"]
    [(path, body)] = crashing.asked("PATCH")
    assert path == f"{DEPLOYMENTS}/orders"
    assert body == [{"op": "replace", "path": "/spec/template", "value": OLD["spec"]["template"]}]


def test_a_revision_whose_config_map_is_gone_is_not_returned_to(crashing, run):
    crashing.delete(CONFIG_MAPS, "orders-config-1")
    result = run(rollout, resources=[NEW], rollback=True, timeout=20)
    assert result["changed"] is False
    assert "reads the ConfigMap orders-config-1, which is gone" in result["workloads"][0]["not_returned"]
    assert crashing.asked("PATCH") == []


def test_a_first_revision_has_nothing_to_return_to(crashing, run):
    crashing.delete(REPLICA_SETS, "orders-1")
    result = run(rollout, resources=[NEW], rollback=True, timeout=20)
    assert "It was not returned to an earlier revision: it is the first revision." in result["msg"]


def test_a_job_is_not_returned(api, run):
    job = {**copy.deepcopy(NEW), "kind": "Job", "apiVersion": "batch/v1"}
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
    live = {**job, "metadata": {**job["metadata"], "uid": "job"}, "status": {"conditions": [failed]}}
    api.put("/apis/batch/v1/namespaces/shop/jobs", live)
    result = run(rollout, resources=[job], rollback=True, timeout=20)
    assert "a Job has no revisions" in result["msg"]
    assert "Job shop/orders failed after" in result["msg"]


def test_check_mode_looks_once_and_changes_nothing(crashing, run):
    result = run(rollout, check_mode=True, resources=[NEW], rollback=True, timeout=20)
    assert "failed" not in result
    assert (result["changed"], result["ready"]) == (False, False)
    assert "shop/orders has 1 updated" in result["hopeless"][0]
    assert crashing.asked("PATCH") == []


def test_check_mode_does_not_mark(through, run):
    assert run(rollout, check_mode=True, resources=[NEW])["ready"]
    assert through.asked("PATCH") == []


def test_time_that_is_up_names_what_is_missing(api, run):
    result = run(rollout, resources=[NEW], timeout=0)
    assert result["failed"]
    assert "shop/orders failed after" in result["msg"]
    assert "is not there" in result["msg"]


def test_what_nobody_may_look_at_is_inconclusive_at_once(through, run):
    through.forbidden = {f"read {DEPLOYMENTS}"}
    result = run(rollout, resources=[NEW], rollback=True, timeout=3600)
    assert result["failed"]
    assert result["workloads"][0]["state"] == "inconclusive"
    assert result["waiting"][0].startswith("INCONCLUSIVE, could not look at Deployment shop/orders")
    assert through.asked("PATCH") == []


def test_what_tells_only_more_is_done_without(through, run, warned):
    through.forbidden = {f"read {EVENTS}"}
    result = run(rollout, resources=[NEW])
    assert result["ready"]
    [warning] = warned
    assert warning.startswith("Events of shop could not be looked at")


def test_the_config_maps_in_use_are_told_only_where_everything_was_seen(crashing, run):
    assert run(rollout, resources=[NEW], timeout=20)["config_maps"] == {"shop": ["orders-config-1", "orders-config-2"]}
    crashing.forbidden = {f"read {REPLICA_SETS}"}
    assert run(rollout, resources=[NEW], timeout=0)["config_maps"] == {}


def test_a_cluster_that_is_not_there_is_a_sentence(api, run):
    result = run(rollout, host="http://127.0.0.1:1", resources=[NEW])
    assert result["failed"]
    assert result["msg"].startswith("The cluster cannot be read: no connection to the Kubernetes API")


def test_what_is_no_manifest_is_a_sentence(api, run):
    given = [{"kind": "Deployment", "metadata": {"name": "orders"}}, {"kind": "Service"}]
    result = run(rollout, resources=given)
    assert result["failed"]
    assert result["msg"] == (
        "resources[0] has no apiVersion and no metadata.namespace and no spec.template.metadata: give manifests as they were applied; "
        "resources[1] has no metadata.name: give manifests as they were applied."
    )
    assert api.requests == []
