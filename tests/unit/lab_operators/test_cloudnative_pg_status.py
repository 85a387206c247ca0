# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cluster's status in the vendor's words."""

from __future__ import annotations

from typing import Any

import pytest
from cloudnative_pg_resources_double import cluster
from lab_operators.cloudnative_pg_status import (
    CANNOT_CREATE,
    HEALTHY,
    SETTING_UP,
    Findings,
    InstanceState,
    RoleResults,
    changed,
    cluster_status,
    pod_trouble,
)

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
ANSWER = {"ready": True, "is_primary": True, "timeline": 1, "system_id": "42", "version": "17.2 (Debian)"}


def healthy() -> Findings:
    return Findings(
        HEALTHY,
        image="postgres:1",
        instances=[InstanceState("pg-1", pod_ready=True, address="10.0.0.7", answer=ANSWER)],
        claims=["pg-1"],
        secret_versions={"applicationSecretVersion": "5"},
        roles=RoleResults(reconciled=["user"], password_versions={"user": "7"}),
    )


def ready_condition(status: dict[str, Any]) -> dict[str, Any]:
    return next(condition for condition in status["conditions"] if condition["type"] == "Ready")


def test_a_healthy_cluster_is_ready_in_every_field() -> None:
    status = cluster_status(cluster(), healthy(), NOW)
    assert status["phase"] == "Cluster in healthy state"
    assert (status["instances"], status["readyInstances"]) == (1, 1)
    assert status["currentPrimary"] == status["targetPrimary"] == "pg-1"
    assert status["image"] == "postgres:1"
    assert ready_condition(status)["status"] == "True"
    assert ready_condition(status)["reason"] == "ClusterIsReady"
    assert status["managedRolesStatus"]["byStatus"]["reconciled"] == ["user"]
    assert status["managedRolesStatus"]["passwordStatus"] == {"user": {"resourceVersion": "7"}}
    assert status["pgDataImageInfo"] == {"image": "postgres:1", "majorVersion": 17}
    assert status["writeService"] == "pg-rw"


def test_nothing_archives_so_nothing_is_said_about_it() -> None:
    kinds = [condition["type"] for condition in cluster_status(cluster(), healthy(), NOW)["conditions"]]
    assert "ContinuousArchiving" not in kinds


def test_a_cluster_that_cannot_be_is_not_ready_and_says_why() -> None:
    status = cluster_status(cluster(), Findings(CANNOT_CREATE, "StorageClass fast does not exist"), NOW)
    assert status["phaseReason"] == "StorageClass fast does not exist"
    assert status["readyInstances"] == 0
    condition = ready_condition(status)
    assert (condition["status"], condition["reason"]) == ("False", "ClusterIsNotReady")
    assert "StorageClass fast does not exist" in condition["message"]


def test_times_change_only_with_what_they_belong_to() -> None:
    first = cluster_status(cluster(), healthy(), THEN)
    again = cluster_status(cluster(status=first), healthy(), NOW)
    assert ready_condition(again)["lastTransitionTime"] == THEN
    assert again["currentPrimaryTimestamp"] == THEN
    assert not changed(first, again)
    broken = cluster_status(cluster(status=first), Findings(SETTING_UP, "why", instances=[InstanceState("pg-1")]), NOW)
    assert ready_condition(broken)["lastTransitionTime"] == NOW
    assert changed(first, broken)


def test_what_became_of_roles_is_taken_back_when_it_is_over() -> None:
    findings = healthy()
    findings.roles = RoleResults(
        pending=["user"], cannot_reconcile={"user": ["locked"]}, password_versions={"old": "1"}
    )
    first = cluster_status(cluster(), findings, THEN)
    second = cluster_status(cluster(status=first), healthy(), NOW)["managedRolesStatus"]
    assert second["byStatus"]["pending-reconciliation"] is None
    assert second["cannotReconcile"] == {"user": None}
    assert second["passwordStatus"]["old"] is None


def test_after_a_failover_the_new_primary_is_named_with_its_time() -> None:
    standby = {**ANSWER, "is_primary": False, "is_streaming": True}
    findings = healthy()
    findings.instances.append(InstanceState("pg-2", pod_ready=True, address="10.0.0.8", answer=standby))
    first = cluster_status(cluster(), findings, THEN)
    assert (first["currentPrimary"], first["readyInstances"]) == ("pg-1", 2)
    findings.instances[0] = InstanceState("pg-1")
    findings.instances[1].answer = {**ANSWER, "timeline": 2}
    second = cluster_status(cluster(status=first), findings, NOW)
    assert (second["currentPrimary"], second["currentPrimaryTimestamp"]) == ("pg-2", NOW)
    assert second["instancesStatus"] == {"healthy": ["pg-2"], "failed": ["pg-1"]}
    assert second["instancesReportedState"]["pg-1"] is None
    assert second["timelineID"] == 2


def test_of_two_who_think_they_are_the_primary_the_newer_timeline_counts() -> None:
    findings = healthy()
    newer = InstanceState("pg-2", pod_ready=True, answer={**ANSWER, "timeline": 2})
    findings.instances.append(newer)
    assert findings.primary is newer


@pytest.mark.parametrize(
    ("before", "status", "expected"),
    [
        ({}, {"a": 1}, True),
        ({"a": 1}, {"a": 1}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({}, {"a": {}}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, True),
        ({"a": [1]}, {"a": [1, 2]}, True),
    ],
)
def test_changed_judges_as_a_merge_patch_does(before: Any, status: Any, expected: bool) -> None:
    assert changed(before, status) is expected


def container_state(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    container = {"state": state, "lastState": last or {}}
    return {"metadata": {"name": "pg-1"}, "status": {"containerStatuses": [container]}}


def test_trouble_of_a_pod() -> None:
    assert pod_trouble({"metadata": {"name": "pg-1"}, "status": {}}) == ""
    assert pod_trouble(container_state({"waiting": {"reason": "ContainerCreating"}})) == ""
    pull = container_state({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    assert pod_trouble(pull) == "pod pg-1: ImagePullBackOff: no such image"
    crash = container_state(
        {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        {"terminated": {"exitCode": 1, "message": 'extension "nope" is not available'}},
    )
    assert 'extension "nope" is not available' in pod_trouble(crash)
    ended = container_state({"terminated": {"exitCode": 1, "message": "bad"}})
    assert pod_trouble(ended) == "pod pg-1 ended with code 1: bad"
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    assert "0/3 nodes" in pod_trouble({"metadata": {"name": "pg-1"}, "status": {"conditions": [unscheduled]}})
