# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads judged by what the cluster shows of them: through, on the way, stuck, or beyond healing, and why."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils._rollout import Unreadable, collections_of, judge
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import State

from .conftest import CHECKSUM, event_of, live_of, manifest_of, pod_of, replica_set_of, waiting, world_of

MANIFEST = manifest_of()
TOPIC = {
    "apiVersion": "kafka.strimzi.io/v1",
    "kind": "KafkaTopic",
    "metadata": {"namespace": "data", "name": "sales", "generation": 1},
    "spec": {},
}


def judged(live, *pods, events=(), old=False, manifest=MANIFEST, sets=None, **more):
    current = replica_set_of(manifest, 2)
    objects = {
        manifest["kind"]: [live] if live else [],
        "ReplicaSet": [current] if sets is None else sets,
        "Pod": list(pods),
        "Event": list(events),
    }
    return judge(manifest, world_of([manifest], objects, old=old), **more)


def failing(containers=None, **more):
    return pod_of(replica_set_of(MANIFEST, 2), containers=containers, **more)


LACKING = live_of(MANIFEST, through=False)


def test_what_is_through_is_ready():
    assert judged(live_of(MANIFEST)).state is State.READY


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"updatedReplicas": 1}, "1 updated and 2 available pods of 2, 1 of an older revision are left"),
        ({"availableReplicas": 1}, "2 updated and 1 available pods of 2"),
        ({"replicas": 3}, "1 of an older revision are left"),
        ({"observedGeneration": 1}, "shop/orders"),
    ],
)
def test_old_pods_missing_pods_and_a_stale_status_are_waited_for(change, words):
    live = live_of(MANIFEST)
    live["status"] |= change
    judgement = judged(live)
    assert judgement.state is State.MOVING
    assert words in judgement.sentence


def test_an_autoscaled_deployment_needs_its_least_number():
    assert judged(live_of(MANIFEST), least=3).sentence == "shop/orders has 2 updated and 2 available pods of 3"


def test_what_is_not_there_and_what_somebody_else_changed_is_waited_for():
    assert judged(None).sentence == "Deployment shop/orders is not there"
    other = live_of(MANIFEST)
    other["spec"]["template"]["metadata"]["annotations"][CHECKSUM] = "of somebody else"
    judgement = judged(other)
    assert (judgement.state, judgement.reason) == (State.MOVING, "Changed")


def test_a_status_of_before_a_change_is_not_believed():
    assert judged(live_of(MANIFEST), generation=3).state is State.MOVING
    assert judged(live_of(MANIFEST), generation=2).state is State.READY


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (403, State.UNSEEN),
        (500, State.UNSEEN),
        (0, State.UNSEEN),
        # Not served yet.
        (404, State.MOVING),
    ],
)
def test_what_could_not_be_seen_is_neither_ready_nor_failed(status, state):
    world = world_of([TOPIC], {})
    [collection] = collections_of([TOPIC])
    judgement = judge(TOPIC, world._replace(objects={}, errors={collection: Unreadable("no answer", status)}))
    assert judgement.state is state
    assert ("INCONCLUSIVE" in judgement.sentence) is (state is State.UNSEEN)


def test_stores_are_judged_by_their_vendors_signs():
    ready = TOPIC | {"status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}}
    refused = {"type": "NotReady", "status": "True", "reason": "InvalidResourceException", "message": "no partitions"}
    dead = TOPIC | {"status": {"observedGeneration": 1, "conditions": [refused]}}
    for found, state in (([ready], State.READY), ([dead], State.FAILED), ([], State.MOVING)):
        assert judge(TOPIC, world_of([TOPIC], {"KafkaTopic": found})).state is state


PULL = 'failed to resolve reference "shop:2"'
PODS = [
    (waiting("ImagePullBackOff", f"Back-off pulling image: {PULL}: not found"), State.FAILED, "ImagePull", "not found"),
    (waiting("ErrImagePull", f"{PULL}: unauthorized"), State.FAILED, "ImagePull", "unauthorized"),
    (waiting("ErrImagePull", f"{PULL}: dial tcp: i/o timeout"), State.STUCK, "ImagePull", "i/o timeout"),
    (waiting("InvalidImageName", "couldn't parse"), State.FAILED, "ImagePull", "couldn't parse"),
    (waiting("ErrImageNeverPull"), State.FAILED, "ImagePull", "ErrImageNeverPull"),
    (
        waiting("CreateContainerConfigError", 'secret "x" not found'),
        State.FAILED,
        "CreateContainerConfigError",
        'secret "x" not found',
    ),
    (
        waiting("CreateContainerConfigError", "couldn't find key A in ConfigMap shop/y"),
        State.FAILED,
        "CreateContainerConfigError",
        "key A",
    ),
    (
        waiting("CreateContainerConfigError", "failed to sync secret cache: timed out"),
        State.STUCK,
        "CreateContainerConfigError",
        "cache",
    ),
    (
        waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: …)"),
        State.FAILED,
        "RunAsNonRoot",
        "will run as root",
    ),
    (waiting("CrashLoopBackOff", restarts=1), State.MOVING, "CrashLoop", "1 restarts"),
    (
        waiting("CrashLoopBackOff", restarts=3, terminated={"exitCode": 3, "reason": "Error"}),
        State.FAILED,
        "CrashLoop",
        "it last ended with exit code 3 (Error)",
    ),
    (
        waiting("CrashLoopBackOff", restarts=3, terminated={"exitCode": 137, "reason": "OOMKilled"}),
        State.FAILED,
        "OOMKilled",
        "OOMKilled",
    ),
    (waiting("RunContainerError", "exec: no such file", restarts=3), State.FAILED, "CrashLoop", "no such file"),
    (waiting("ContainerCreating"), State.MOVING, "", "not ready yet"),
    (None, State.MOVING, "NotReady", "runs and is not ready"),
]


@pytest.mark.parametrize(("containers", "state", "reason", "words"), PODS)
def test_a_pod_says_why_it_is_not_ready(containers, state, reason, words):
    judgement = judged(LACKING, failing(containers))
    assert (judgement.state, judgement.reason) == (state, reason)
    assert judgement.sentence.startswith("shop/orders has 1 updated")
    assert words in judgement.sentence
    assert judgement.pod == "orders-2-a"


def test_the_log_to_ask_for_is_that_of_the_container_that_crashed():
    judgement = judged(
        LACKING, failing(waiting("CrashLoopBackOff", restarts=3, terminated={"exitCode": 2, "reason": "Error"}))
    )
    assert (judgement.container, judgement.previous) == ("orders", True)
    assert judged(LACKING, failing(waiting("ErrImagePull"))).container == ""


def test_what_keeps_a_pod_from_its_node_may_give_way():
    unplaced = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.",
    }
    judgement = judged(LACKING, failing([], conditions=[unplaced]))
    assert (judgement.state, judgement.reason) == (State.STUCK, "Unschedulable")
    assert "3 Insufficient cpu" in judgement.sentence
    gated = unplaced | {"reason": "SchedulingGated"}
    assert judged(LACKING, failing([], conditions=[gated])).state is State.MOVING


def test_events_tell_what_no_status_does():
    pod = failing(waiting("ContainerCreating"))
    judgement = judged(LACKING, pod, events=[event_of(pod, "FailedMount", 'configmap "x" not found')])
    assert (judgement.state, judgement.reason) == (State.STUCK, "FailedMount")
    assert 'configmap "x" not found' in judgement.sentence
    judgement = judged(LACKING, pod, events=[event_of(pod, "FailedMount", "failed to sync configmap cache")])
    assert (judgement.state, judgement.reason) == (State.MOVING, "FailedMount")
    pod = failing()
    told = [
        event_of(pod, "Unhealthy", f"Readiness probe failed: HTTP {code}", f"2026-01-01T00:00:0{second}Z")
        for second, code in enumerate((503, 404))
    ]
    # What its liveness says comes later, and tells less.
    told.append(event_of(pod, "Unhealthy", "Liveness probe failed: HTTP 404", "2026-01-01T00:00:09Z"))
    judgement = judged(LACKING, pod, events=told[::-1])
    assert judgement.event == "Unhealthy: Readiness probe failed: HTTP 404"


def test_the_gravest_of_several_pods_decides():
    crashed = failing(waiting("CrashLoopBackOff", restarts=5))
    assert judged(LACKING, failing(), crashed, failing()).reason == "CrashLoop"


def test_pods_that_are_going_and_pods_of_older_revisions_are_not_asked():
    going = failing(waiting("InvalidImageName"))
    going["metadata"]["deletionTimestamp"] = "now"
    older = pod_of(replica_set_of(MANIFEST, 1), containers=waiting("InvalidImageName"))
    assert judged(LACKING, going, older).state is State.MOVING


def test_right_after_a_return_the_pods_of_the_bad_revision_are_not_asked():
    """Until its controller has seen the change, a Deployment still names the revision that failed as its own."""
    returned = copy.deepcopy(LACKING)
    returned["metadata"]["generation"] = 3
    bad = failing(waiting("InvalidImageName"))
    assert judged(returned, bad, generation=3).state is State.MOVING
    returned["status"]["observedGeneration"] = 3
    assert judged(returned, bad, generation=3).state is State.FAILED


def refused(message):
    live = copy.deepcopy(LACKING)
    live["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": message}]
    return judged(live)


def test_a_quota_may_give_way_and_pod_security_does_not():
    quota = refused('pods "x" is forbidden: exceeded quota: compute, requested: pods=1')
    assert (quota.state, quota.reason) == (State.STUCK, "QuotaExceeded")
    assert "no pod can be made: pods" in quota.sentence
    dead = refused('pods "x" is forbidden: violates PodSecurity "restricted:latest"')
    assert (dead.state, dead.reason) == (State.FAILED, "PodSecurity")


def test_an_exceeded_progress_deadline_fails_and_its_pod_says_why():
    live = copy.deepcopy(LACKING)
    live["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
    ]
    assert judged(live).reason == "ProgressDeadlineExceeded"
    pod = failing()
    judgement = judged(live, pod, events=[event_of(pod, "Unhealthy", "Readiness probe failed: HTTP 503")])
    assert (judgement.state, judgement.reason) == (State.FAILED, "NotReady")
    assert "without progress for 600 s" in judgement.sentence
    # Of the revision before this one.
    live["status"]["conditions"][0]["message"] = 'ReplicaSet "orders-1" has timed out progressing.'
    assert judged(live).state is State.MOVING
    live["status"]["conditions"][0]["message"] = 'ReplicaSet "orders-2" has timed out progressing.'
    assert judged(live).state is State.FAILED
    # Of the change before this one.
    live["status"]["observedGeneration"] = 1
    assert judged(live).state is State.MOVING


def test_a_paused_rollout_is_stuck():
    live = copy.deepcopy(LACKING)
    live["spec"]["paused"] = True
    assert (judged(live).state, judged(live).reason) == (State.STUCK, "Paused")


def other(kind, status, **spec):
    manifest = {**manifest_of(), "kind": kind, "apiVersion": "batch/v1" if kind == "Job" else "apps/v1"}
    live = copy.deepcopy(manifest)
    live["metadata"] |= {"uid": "it", "generation": 1}
    live["spec"] |= spec
    live["status"] = {"observedGeneration": 1, **status}
    return manifest, live


SAME = {"updateRevision": "b", "currentRevision": "b"}
NEXT = {"updateRevision": "b", "currentRevision": "a"}
KINDS = [
    ("StatefulSet", {"replicas": 2, "availableReplicas": 2, "currentReplicas": 2, **SAME}, {}, State.READY),
    ("StatefulSet", {"replicas": 2, "availableReplicas": 2, "updatedReplicas": 1, **NEXT}, {}, State.MOVING),
    ("StatefulSet", {"replicas": 2, "availableReplicas": 1, "currentReplicas": 2, **SAME}, {}, State.MOVING),
    (
        "StatefulSet",
        {"replicas": 2, "availableReplicas": 2, "updatedReplicas": 1, **NEXT},
        {"updateStrategy": {"rollingUpdate": {"partition": 1}}},
        State.READY,
    ),
    (
        "DaemonSet",
        {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3},
        {},
        State.READY,
    ),
    (
        "DaemonSet",
        {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberAvailable": 3},
        {},
        State.MOVING,
    ),
    ("DaemonSet", {"observedGeneration": 0}, {}, State.MOVING),
    ("Job", {"conditions": [{"type": "Complete", "status": "True"}]}, {}, State.READY),
    ("Job", {"succeeded": 0}, {}, State.MOVING),
    ("Job", {}, {"suspend": True}, State.STUCK),
    (
        "Job",
        {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]},
        {},
        State.FAILED,
    ),
]


@pytest.mark.parametrize(("kind", "status", "spec", "state"), KINDS)
def test_other_kinds(kind, status, spec, state):
    manifest, live = other(kind, status, **spec)
    assert judged(live, manifest=manifest).state is state


def test_who_makes_the_pods_of_another_kind_says_what_refuses_them_in_events_and_only_news_count():
    manifest, live = other("StatefulSet", {"replicas": 1, "availableReplicas": 1, **NEXT})
    refusal = [event_of(live, "FailedCreate", "create Pod orders-1 failed: exceeded quota: compute")]
    judgement = judged(live, manifest=manifest, events=refusal)
    assert (judgement.state, judgement.reason) == (State.STUCK, "QuotaExceeded")
    assert judgement.event.startswith("FailedCreate: create Pod orders-1")
    assert judged(live, manifest=manifest, events=refusal, old=True).state is State.MOVING


def test_every_kind_and_namespace_is_one_list():
    manifests = [manifest_of(), manifest_of("page"), TOPIC, TOPIC | {"metadata": {**TOPIC["metadata"], "name": "b"}}]
    selector = "app.kubernetes.io/managed-by=azora.platform"
    assert sorted((one.path, one.label_selector, one.field_selector) for one in collections_of(manifests)) == [
        ("/api/v1/namespaces/shop/events", "", "type=Warning"),
        ("/api/v1/namespaces/shop/pods", selector, ""),
        ("/apis/apps/v1/namespaces/shop/deployments", selector, ""),
        ("/apis/apps/v1/namespaces/shop/replicasets", selector, ""),
        ("/apis/kafka.strimzi.io/v1/namespaces/data/kafkatopics", "", ""),
    ]


def test_workloads_of_others_are_read_without_a_label():
    theirs = manifest_of()
    theirs["metadata"]["labels"] = {"app": "orders"}
    assert {one.label_selector for one in collections_of([theirs])} == {""}
