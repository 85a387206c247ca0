# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendors' signs of readiness, and sentences about what lacks them."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._readiness import store_finding


def resource(kind, name="it", *, generation=2, spec=None, **status):
    metadata = {"namespace": "data", "name": name, "generation": generation}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status}


def cluster(phase="Cluster in healthy state", ready=3, condition="True", **more):
    conditions = [{"type": "Ready", "status": condition}]
    spec = {"instances": 3, "imageName": "pg:2"}
    return resource("Cluster", "pg", spec=spec, phase=phase, readyInstances=ready, conditions=conditions, **more)


def condition(kind, status, **more):
    return [{"type": kind, "status": status, **more}]


def archiving(*conditions):
    found = cluster()
    found["spec"]["plugins"] = [{"name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": True}]
    found["status"]["conditions"] += [{"type": "ContinuousArchiving", **given} for given in conditions]
    return found


READY = [
    cluster(),
    archiving({"status": "True"}),
    cluster(image="pg:2"),
    resource("Database", applied=True, observedGeneration=2),
    resource("RedisEnterpriseCluster", state="Running", specStatus="Valid"),
    resource("RedisEnterpriseDatabase", status="active", specStatus="Valid", observedGeneration=2),
    resource("Kafka", conditions=condition("Ready", "True"), observedGeneration=2),
    resource("KafkaUser", conditions=condition("Ready", "True"), observedGeneration=2),
]


@pytest.mark.parametrize("found", READY, ids=lambda found: found["kind"])
def test_ready_by_the_vendors_sign(found):
    assert store_finding(found) is None


WAITING = [
    (archiving(), "no file of its write-ahead log has arrived in the object store yet"),
    (
        archiving({"status": "False", "message": "the key is wrong"}),
        "does not arrive in the object store (the key is wrong)",
    ),
    (cluster(phase="Setting up primary", ready=0), "phase 'Setting up primary', 0 of 3 instances ready"),
    (cluster(ready=2), "2 of 3 instances ready"),
    (cluster(image="pg:1"), "still runs pg:1 instead of pg:2"),
    (cluster(condition="False"), "Cluster in healthy state"),
    (cluster(managedRolesStatus={"cannotReconcile": {"user": ["no Secret"]}}), "role user: no Secret"),
    (resource("Cluster", spec={"instances": 1}), "no phase yet"),
    (resource("Database", applied=True, observedGeneration=1), "not applied"),
    (resource("Database", applied=False, message="no cluster", observedGeneration=2), "not applied (no cluster)"),
    (
        resource("Database", extensions=[{"name": "vector", "applied": False, "message": "no such file"}]),
        "extension vector: no such file",
    ),
    (resource("RedisEnterpriseCluster", state="Error", specStatus="Valid"), "state Error"),
    (resource("RedisEnterpriseDatabase", status="pending", observedGeneration=2), "status pending"),
    (
        resource("RedisEnterpriseDatabase", status="active", specStatus="Valid", observedGeneration=1),
        "status active",
    ),
    (resource("Kafka", conditions=condition("Ready", "True"), observedGeneration=1), "latest form"),
    (
        resource(
            "Kafka", conditions=condition("NotReady", "True", reason="Creating", message="soon"), observedGeneration=2
        ),
        "Creating (soon)",
    ),
    (
        resource("KafkaTopic", conditions=condition("Ready", "False", reason="KafkaError"), observedGeneration=2),
        "KafkaError",
    ),
]


@pytest.mark.parametrize(("found", "words"), WAITING, ids=[words for _found, words in WAITING])
def test_what_may_still_become_ready_is_waited_for(found, words):
    finding = store_finding(found)
    assert not finding.hopeless
    assert words in finding.sentence


HOPELESS = [
    (cluster(phase="Not enough disk space", ready=1), "Not enough disk space"),
    (cluster(phase="Waiting for user action", phaseReason="primary is down"), "primary is down"),
    (resource("RedisEnterpriseCluster", state="PendingCreation", specStatus="Invalid"), "Invalid"),
    (resource("RedisEnterpriseDatabase", status="creation-failed", observedGeneration=2), "creation-failed"),
    (
        resource(
            "KafkaUser",
            conditions=condition("NotReady", "True", reason="InvalidResourceException", message="no authorization"),
            observedGeneration=2,
        ),
        "no authorization",
    ),
]


@pytest.mark.parametrize(("found", "words"), HOPELESS, ids=[words for _found, words in HOPELESS])
def test_what_waiting_cannot_heal_is_told_apart(found, words):
    finding = store_finding(found)
    assert finding.hopeless
    assert words in finding.sentence
