# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of a replica, what its kubelet tells of it, and what that means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._cut_off import (
    COPY_LABEL,
    Turns,
    copy_name,
    copy_of,
    target_of,
    turns_of,
    uncopyable,
)
from ansible_collections.azora.platform.plugins.module_utils._cut_off_verdict import (
    ENDED,
    HEALTHY,
    UNHEALTHY,
    CutOff,
    Fate,
    concluded,
    fate,
)
from ansible_collections.azora.platform.plugins.module_utils._held_connections import held_connections
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import Runs
from ansible_collections.azora.platform.plugins.module_utils._verification_input import INCONCLUSIVE

PROBE = {"httpGet": {"path": "/health", "port": "http"}, "initialDelaySeconds": 30}
TURNS = Turns(threshold=3, delay=30, period=10, timeout=1)
STARTUP = Turns(threshold=3, delay=30, period=10, timeout=1, startup=50, startup_threshold=5)


def replica() -> dict[str, Any]:
    """As the API server, the scheduler and admission leave a pod of a Deployment."""
    token = {"name": "kube-api-access-x2x8k", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    return {
        "metadata": {
            "namespace": "shop",
            "name": "orders-7d9c5b6f4-x2x8k",
            "uid": "1",
            "labels": {"app": "orders", "pod-template-hash": "7d9c5b6f4"},
            "annotations": {"k8s.v1.cni.cncf.io/networks": "second"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "orders-7d9c5b6f4"}],
            "finalizers": ["example.org/drain"],
        },
        "spec": {
            "nodeName": "node1",
            "priority": 1000,
            "priorityClassName": "important",
            "preemptionPolicy": "PreemptLowerPriority",
            "serviceAccountName": "orders",
            "serviceAccount": "orders",
            "terminationGracePeriodSeconds": 40,
            "securityContext": {"runAsNonRoot": True},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
            "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname"}],
            "affinity": {"podAntiAffinity": {"a": 1}, "nodeAffinity": {"b": 2}},
            "ephemeralContainers": [{"name": "azora-verify-1"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": token["name"], "projected": {}}],
            "initContainers": [{"name": "prepare", "volumeMounts": [token]}],
            "containers": [
                {
                    "name": "orders",
                    "image": "orders:1",
                    "env": [{"name": "DB", "value": "pg"}],
                    "ports": [{"name": "http", "containerPort": 8080, "hostPort": 80}],
                    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}, "postStart": {"exec": {"command": ["true"]}}},
                    "livenessProbe": PROBE,
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, token],
                }
            ],
        },
        "status": {"phase": "Running", "podIP": "10.0.0.7"},
    }


def test_a_copy_runs_the_same_and_is_nobodys() -> None:
    original = replica()
    made = copy_of(original, name="orders-cut-off-1a", lifetime=420)
    assert made["metadata"] == {
        "name": "orders-cut-off-1a",
        "namespace": "shop",
        "labels": {COPY_LABEL: "orders-cut-off-1a"},
    }
    assert "status" not in made
    spec = made["spec"]
    (container,) = spec["containers"]
    assert set(spec) == {
        *(
            "serviceAccountName",
            "securityContext",
            "tolerations",
            "affinity",
            "volumes",
            "initContainers",
            "containers",
        ),
        *("terminationGracePeriodSeconds", "activeDeadlineSeconds"),
    }
    assert spec["affinity"] == {"nodeAffinity": {"b": 2}}
    assert (spec["terminationGracePeriodSeconds"], spec["activeDeadlineSeconds"]) == (1, 420)
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tmp"]
    assert spec["initContainers"][0]["volumeMounts"] == []
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert list(container["lifecycle"]) == ["postStart"]
    assert (container["env"], container["livenessProbe"]) == ([{"name": "DB", "value": "pg"}], PROBE)
    assert original == replica()


def test_the_name_of_a_copy_is_a_host_name_and_a_label() -> None:
    assert copy_name("user", "5f0c1d2e") == "user-cut-off-5f0c1d2e"
    long = copy_name("a" * 44 + "-" + "b" * 20, "5f0c1d2e")
    assert len(long) <= 63
    assert "--" not in long


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"volumes": [{"name": "keys", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}]}, ""),
        (
            {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
            "its pods mount the volume data (persistentVolumeClaim), which a copy would share with them",
        ),
        (
            {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]},
            "its pods mount the volume logs (hostPath)",
        ),
        ({"hostNetwork": True}, "its pods use their nodes' network, to which no policy applies"),
        ({"resourceClaims": [{"name": "gpu"}]}, "its pods claim devices, which a copy would take from others"),
    ],
)
def test_what_a_copy_would_share_with_others_is_not_copied(changes: Any, reason: str) -> None:
    pod = replica()
    pod["spec"] |= changes
    assert uncopyable(pod, pod["spec"]["containers"][0]).startswith(reason)
    assert bool(uncopyable(pod, pod["spec"]["containers"][0])) is bool(reason)


def test_without_a_liveness_probe_there_is_nothing_to_watch() -> None:
    assert uncopyable(replica(), {"name": "orders"}) == uncopyable(replica(), None) == "its pods have no liveness probe"


def test_turns_take_what_the_specification_says() -> None:
    turns = turns_of({"livenessProbe": {"httpGet": {}}})
    assert (turns.threshold, turns.period, turns.timeout, turns.startup) == (3, 10, 1, 0)
    assert turns.altogether == 46
    slow = turns_of(
        {
            "livenessProbe": {**PROBE, "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 3},
            "startupProbe": {"failureThreshold": 30, "periodSeconds": 2, "initialDelaySeconds": 4},
        }
    )
    assert (slow.startup, slow.startup_threshold, slow.seconds) == (64, 30, 53)
    assert slow.earliest_kill == 35


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        (PROBE, ("GET /health on port 8080", 8080)),
        ({"tcpSocket": {"port": 5000}}, ("connect to port 5000", 5000)),
        ({"grpc": {"port": 9000}}, ("gRPC on port 9000", 9000)),
        ({"exec": {"command": ["check", "--password=secret"]}}, ("a command in the container", None)),
    ],
)
def test_what_a_probe_asks(probe: Any, told: Any) -> None:
    container = {"ports": [{"name": "http", "containerPort": 8080}], "livenessProbe": probe}
    assert target_of(container) == told


def seen(**status: Any) -> dict[str, Any]:
    return {"status": {"phase": "Running", "containerStatuses": [{"name": "orders", **status}]}}


RUNNING = {"state": {"running": {}}, "restartCount": 0}
ENDING = {"exitCode": 1, "reason": "Error", "startedAt": "2026-05-01T10:00:00Z", "finishedAt": "2026-05-01T10:00:04Z"}
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDING}, "restartCount": 2}
KILLED = {"exitCode": 137, "reason": "Error", "startedAt": "2026-05-01T10:00:00Z", "finishedAt": "2026-05-01T10:00:52Z"}
RESTARTED = {"state": {"running": {}}, "lastState": {"terminated": KILLED}, "restartCount": 1}


@pytest.mark.parametrize(
    ("status", "counted", "up", "verdict", "reason"),
    [
        (RUNNING, Runs(3, 0), 51, HEALTHY, "its liveness probe passed 3 of 3 times"),
        (RUNNING, Runs(2, 0), 500, None, ""),
        (RUNNING, Runs(), 500, None, ""),
        (RUNNING, Runs(2, 1), 60, None, ""),
        (RUNNING, Runs(2, 1), 77, INCONCLUSIVE, "its liveness probe failed 1 of 3 times"),
        (RUNNING, Runs(0, 2), 77, None, ""),
        (RUNNING, Runs(0, 3), 52, UNHEALTHY, "it failed 3 of 3 times"),
        (RESTARTED, Runs(1, 3), 77, UNHEALTHY, "it failed 3 of 4 times"),
        (CRASHED, Runs(), 2, ENDED, "a copy's container ended by itself after 4 s (exit code 1)"),
        (CRASHED, Runs(0, 1), 2, ENDED, "a copy's container ended by itself after 4 s (exit code 1)"),
        (RUNNING, None, 70, None, ""),
        (RUNNING, None, 77, HEALTHY, "it ran 77 s without a restart"),
        (RESTARTED, None, 77, UNHEALTHY, "its container was restarted after 52 s"),
        (CRASHED, None, 2, ENDED, "a copy's container ended by itself after 4 s (exit code 1)"),
        ({"state": {"waiting": {"reason": "PodInitializing"}}}, Runs(), None, None, ""),
    ],
)
def test_what_became_of_a_copy(status: Any, counted: Any, up: Any, verdict: Any, reason: str) -> None:
    by_kind = None if counted is None else {"liveness": counted}
    found = fate(seen(**status), "orders", TURNS, by_kind, waited=100, up=up)
    assert (found.verdict if found else None, found.reason if found else "") == (verdict, reason)


def test_a_copy_that_never_starts_up_is_told_as_that() -> None:
    counted = {"startup": Runs(0, 5)}
    found = fate(seen(**RESTARTED), "orders", STARTUP, counted, waited=60, up=None)
    assert found is not None
    assert (found.verdict, found.reason) == (ENDED, "a copy's startup probe failed 5 times")


def test_a_container_that_ran_out_of_memory_is_told_as_that() -> None:
    ended = {**CRASHED, "lastState": {"terminated": {**ENDING, "reason": "OOMKilled", "exitCode": 137}}}
    found = fate(seen(**ended), "orders", TURNS, {}, waited=9, up=4)
    assert found is not None
    assert found.reason == "a copy's container ended by itself after 4 s (exit code 137, OOMKilled)"


@pytest.mark.parametrize(
    ("status", "waited", "reason"),
    [
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
            1,
            "the copy ended: Evicted: low on memory",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
            },
            31,
            "the copy could not be scheduled: 0/3 nodes are available",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"name": "orders", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
            },
            1,
            "the container orders of the copy cannot start: ImagePullBackOff",
        ),
    ],
)
def test_what_shows_nothing_is_inconclusive(status: Any, waited: float, reason: str) -> None:
    found = fate({"status": status}, "orders", TURNS, {}, waited=waited, up=None)
    assert found is not None
    assert (found.verdict, found.reason, found.known) == (INCONCLUSIVE, reason, False)


def test_a_node_is_waited_for() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]
    assert fate({"status": {"conditions": conditions}}, "orders", TURNS, {}, waited=5, up=None) is None


PASSED = Fate(HEALTHY, "its liveness probe passed 3 of 3 times", Runs(3, 0))
UNCOUNTED = Fate(HEALTHY, "it ran 77 s without a restart")


@pytest.mark.parametrize(
    ("became", "doubt", "answer", "verdict", "reason"),
    [
        (PASSED, "", (True, "status 200"), HEALTHY, f"{PASSED.reason} and answered status 200"),
        (PASSED, "", (None, ""), HEALTHY, PASSED.reason),
        (PASSED, "", (False, "status 503"), INCONCLUSIVE, f"{PASSED.reason}, but at the end there was status 503"),
        (PASSED, "it reached pg", (True, "status 200"), INCONCLUSIVE, "the copy was not cut off: it reached pg"),
        (UNCOUNTED, "", (True, "status 200"), HEALTHY, f"{UNCOUNTED.reason} and answered status 200"),
        (
            UNCOUNTED,
            "",
            (None, ""),
            INCONCLUSIVE,
            f"{UNCOUNTED.reason}, but neither its kubelet's counters nor an answer of its own prove that it was asked",
        ),
        (Fate(UNHEALTHY, "it failed"), "", (False, "status 503"), UNHEALTHY, "it failed"),
        (
            Fate(UNHEALTHY, "it failed"),
            "it reached pg",
            (None, ""),
            INCONCLUSIVE,
            "the copy was not cut off: it reached pg",
        ),
        (Fate(INCONCLUSIVE, "evicted"), "", (None, ""), INCONCLUSIVE, "evicted"),
    ],
)
def test_a_verdict_needs_its_proof(became: Fate, doubt: str, answer: Any, verdict: str, reason: str) -> None:
    answers, words = answer
    assert concluded(became, not_cut_off=doubt, answers=answers, answer=words) == (verdict, reason)


def test_each_verdict_has_its_sentence() -> None:
    def sentence(verdict: str, **more: Any) -> str:
        target, dependencies = "GET /health on port 8080", ("data/pg:5432", "shop/mail:8080")
        return CutOff("shop/orders", target, 8080, dependencies, verdict, "because", **more).sentence

    away = "cut off from data/pg:5432 and shop/mail:8080"
    assert sentence(HEALTHY) == f"shop/orders stays healthy while it is {away}: because"
    assert sentence(UNHEALTHY, dependency_free=True).startswith(
        f"the liveness probe of shop/orders (GET /health on port 8080) fails while it is {away}, although"
        " probes.liveness.dependency_free is declared: because. A dependency that is down would restart every replica"
    )
    assert "dependency_free" not in sentence(UNHEALTHY)
    assert sentence(ENDED).startswith(
        f"shop/orders does not stay up while it is {away}: because. While a dependency is"
    )
    assert sentence(INCONCLUSIVE) == f"whether shop/orders stays healthy while it is {away} is not known: because"
    alone = CutOff("shop/orders", "", None, (), HEALTHY, "because")
    assert alone.cut_off == "cut off from everything but its name servers"


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0700000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10020        0 1 1
   1: 0700000A:1F90 0100000A:D431 01 00000000:00000000 00:00000000 00000000 10020        0 2 1
   2: 0700000A:9C40 0914000A:1538 01 00000000:00000000 00:00000000 00000000 10020        0 3 1
   3: 0100007F:9C41 0100007F:2328 01 00000000:00000000 00:00000000 00000000 10020        0 4 1
   4: 0700000A:9C42 0A14000A:1538 02 00000000:00000000 00:00000000 00000000 10020        0 5 1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000700000A:9C43 0000000000000000FFFF00000B14000A:1538 01 00000000:00000000
   1: B80D0120000000000000000007000000:9C44 B80D0120000000000000000001000000:01BB 01 00000000:00000000
"""


def test_held_connections_are_those_that_the_pod_opened_and_that_stand() -> None:
    tables = [{"order": "little", "table": TCP}, {"order": "little", "table": TCP6}]
    assert held_connections(tables) == [
        ("10.0.20.11", 5432),
        ("10.0.20.9", 5432),
        ("2001:db8::1", 443),
    ]


def test_held_connections_of_a_machine_that_counts_from_the_other_end() -> None:
    row = "   2: 0A000007:9C40 0A001409:1538 01 0:0\n"
    assert held_connections([{"order": "big", "table": f"head\n{row}"}]) == [("10.0.20.9", 5432)]
