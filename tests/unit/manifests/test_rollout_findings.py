# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts judged by pods and by Deployments, in sentences."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils._manifests import TEMPLATE_CHECKSUM
from ansible_collections.azora.platform.plugins.module_utils._readiness import Findings
from ansible_collections.azora.platform.plugins.module_utils._rollout_findings import rollout_findings
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests


@pytest.fixture
def manifests(catalogue):
    rendered = service_manifests(catalogue, {})
    return [entry for entry in rendered if entry["metadata"]["name"] in ("orders", "statistics")]


def pod(deployment, name, *, ready=True, **status):
    template = deployment["spec"]["template"]["metadata"]
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {
        "namespace": deployment["metadata"]["namespace"],
        "name": name,
        "labels": template["labels"],
        "annotations": dict(template["annotations"]),
    }
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions, **status}}


def waiting(reason, message="why", restarts=0, **last):
    state = {"waiting": {"reason": reason, "message": message}}
    return [{"restartCount": restarts, "state": state, "lastState": last}]


@pytest.fixture
def deployments(manifests):
    """The Deployments as the cluster shows them when they are through."""
    found = []
    for entry in manifests:
        if entry["kind"] == "Deployment":
            live = copy.deepcopy(entry)
            number = live["spec"].setdefault("replicas", 3)
            live["metadata"]["generation"] = 4
            counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), number)
            live["status"] = {"observedGeneration": 4, **counts, "conditions": []}
            found.append(live)
    return found


def test_deployments_that_are_through(manifests, deployments):
    assert rollout_findings(manifests, deployments, []) == Findings([], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"updatedReplicas": 1}, "1 updated and 2 available pods of 2, 1 of an older revision are left"),
        ({"availableReplicas": 1}, "2 updated and 1 available pods of 2"),
        ({"replicas": 3}, "1 of an older revision are left"),
        ({"observedGeneration": 3}, "front/orders"),
    ],
)
def test_old_pods_missing_pods_and_stale_status_are_waited_for(manifests, deployments, change, words):
    deployments[0]["status"] |= change
    findings = rollout_findings(manifests, deployments, [])
    assert findings.hopeless == []
    [sentence] = findings.waiting
    assert words in sentence


def test_an_autoscaled_deployment_needs_its_least_number(manifests, deployments):
    live = deployments[1]
    live["spec"]["replicas"] = 1
    live["status"] |= dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
    findings = rollout_findings(manifests, deployments, [])
    assert findings.waiting == ["back/statistics has 1 updated and 1 available pods of 3"]


def test_a_rollout_without_progress_and_a_refused_pod_are_hopeless(manifests, deployments):
    deployments[0]["status"] |= {
        "availableReplicas": 1,
        "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
    }
    message = 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'
    deployments[1]["status"] |= {
        "updatedReplicas": 0,
        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}],
    }
    findings = rollout_findings(manifests, deployments, [])
    assert len(findings.hopeless) == 2
    assert message in findings.hopeless[1]


def test_an_exceeded_quota_may_pass(manifests, deployments):
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    deployments[0]["status"] |= {"updatedReplicas": 0, "conditions": [failure]}
    findings = rollout_findings(manifests, deployments, [])
    assert findings.hopeless == []
    assert "no pod can be made: exceeded quota" in findings.waiting[0]


def test_a_deployment_that_is_not_there_is_named(manifests):
    assert rollout_findings(manifests, [], []).waiting == ["front/orders is not there", "back/statistics is not there"]


@pytest.fixture
def lacking(deployments):
    """One pod of orders is not available."""
    deployments[0]["status"] |= {"availableReplicas": 1}
    return deployments


@pytest.mark.parametrize(
    "case",
    [
        (waiting("ImagePullBackOff", "Back-off pulling image"), "ImagePullBackOff: Back-off pulling image", True),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), 'secret "x" not found', True),
        (waiting("ErrImagePull"), "ErrImagePull", False),
        (waiting("CrashLoopBackOff", restarts=1), "CrashLoopBackOff", False),
        (
            waiting("CrashLoopBackOff", restarts=5, terminated={"exitCode": 3, "reason": "Error"}),
            "it last ended with exit code 3 (Error)",
            True,
        ),
        (waiting("ContainerCreating"), "is Running and not ready yet", False),
    ],
)
def test_a_pod_says_why_it_is_not_ready(manifests, lacking, find, case):
    containers, words, hopeless = case
    broken = pod(find(manifests, "Deployment", "orders"), "orders-0", ready=False, containerStatuses=containers)
    findings = rollout_findings(manifests, lacking, [broken])
    sentences = findings.hopeless if hopeless else findings.waiting
    assert any(sentence.startswith("front/orders-0") and words in sentence for sentence in sentences)
    assert bool(findings.hopeless) is hopeless


def test_a_pod_without_a_node_says_why(manifests, lacking, find):
    unplaced = pod(find(manifests, "Deployment", "orders"), "orders-0", ready=False)
    unplaced["status"]["conditions"] += [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    ]
    findings = rollout_findings(manifests, lacking, [unplaced])
    assert "front/orders-0 is not scheduled: 0/3 nodes are available" in findings.waiting


def test_pods_that_are_going_and_pods_of_older_templates_are_not_asked(manifests, lacking, find):
    orders = find(manifests, "Deployment", "orders")
    going, older = (pod(orders, name, ready=False, containerStatuses=waiting("ImagePullBackOff")) for name in "ab")
    going["metadata"]["deletionTimestamp"] = "now"
    older["metadata"]["annotations"][TEMPLATE_CHECKSUM] = "older"
    assert rollout_findings(manifests, lacking, [going, older]).hopeless == []
