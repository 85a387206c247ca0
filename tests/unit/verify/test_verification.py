# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole verification: real probers as processes, real servers as pods, an API server on the wire."""

from __future__ import annotations

import datetime
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _verification_report_files
from ansible_collections.azora.platform.plugins.modules import cluster_info, verify

from . import conftest as servers
from .small_platform import ALL, OTHER, SHOP, STORE, Platform

pytest.importorskip("kubernetes")
pytest.importorskip("ansible_collections.kubernetes.core.plugins.module_utils.args_common")


def test_a_platform_as_declared_passes(platform: Platform, run: Any) -> None:
    outcome = run(verify, **platform.options())
    assert not outcome.get("failed"), outcome["msg"]
    assert (outcome["passed"], outcome["complete"], outcome["changed"]) == (True, True, False)
    assert [row["verdict"] for row in outcome["connections"]] == ["OPEN", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert outcome["connections"][0]["answered"] == "SSLRequest S"
    assert outcome["mismatches"] == []
    assert outcome["touched_pods"] == ["data/pg-1", "default/other-a", "default/shop-a", "default/shop-b"]
    summary = outcome["summary"]
    assert (summary["pods"], summary["ready_pods"], summary["open"], summary["blocked"]) == (4, 4, 1, 3)
    shop = outcome["workloads"][0]
    assert [(pod["answers"][0]["status"], pod["answers"][0]["ok"]) for pod in shop["pods"]] == [(200, True)] * 2
    assert {(one["protocol"], one["outcome"]) for one in shop["dns"]} == {("UDP", "open"), ("TCP", "open")}
    assert outcome["table"][-1].startswith(
        "PASSED: 4 of 4 pods ready, 4 connections: 1 open, 3 blocked, 0 inconclusive"
    )


def test_what_goes_over_the_wire(platform: Platform, run: Any) -> None:
    run(verify, **platform.options())
    patches = [one for one in platform.api.requests if one[0] == "PATCH"]
    paths = sorted(path for _method, path, _headers, _body in patches)
    assert paths == [
        "/api/v1/namespaces/data/pods/pg-1/ephemeralcontainers",
        "/api/v1/namespaces/default/pods/other-a/ephemeralcontainers",
        "/api/v1/namespaces/default/pods/shop-a/ephemeralcontainers",
        "/api/v1/namespaces/default/pods/shop-b/ephemeralcontainers",
    ]
    for _method, _path, headers, body in patches:
        assert headers["Content-Type"] == "application/strategic-merge-patch+json"
        (container,) = body["spec"]["ephemeralContainers"]
        assert container["securityContext"]["runAsNonRoot"] is True
    users = {body["spec"]["ephemeralContainers"][0]["securityContext"]["runAsUser"] for *_rest, body in patches}
    assert users == {10020, 65532}
    reviews = [one for one in platform.api.requests if one[1].endswith("selfsubjectaccessreviews")]
    assert len(reviews) == 4  # two rights in two namespaces


def test_a_missing_policy_names_the_connection_that_no_longer_works(platform: Platform, run: Any) -> None:
    for pod in ("shop-a", "shop-b"):
        platform.api.closed.add((pod, "127.0.0.21", platform.sql))
    outcome = run(verify, **platform.options())
    assert outcome["failed"]
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["source"], mismatch["destination"], mismatch["port"]) == (SHOP, STORE, platform.sql)
    assert (mismatch["expected"], mismatch["found"]) == ("OPEN", "BLOCKED")
    assert outcome["msg"] == (
        f"1 mismatch: {SHOP} cannot reach {STORE}:{platform.sql} (postgresql): expected OPEN, found BLOCKED"
        f" (no answer from pg-1, which listens on {platform.sql})."
    )


def test_an_allow_all_policy_names_each_connection_and_the_one_cause_first(platform: Platform, run: Any) -> None:
    platform.api.closed.clear()
    outcome = run(verify, **platform.options())
    assert outcome["failed"]
    first, *rest = outcome["mismatches"]
    assert (first["check"], first["source"], first["found"]) == ("enforcement", "*", "OPEN")
    assert outcome["msg"].startswith("4 mismatches: All 3 connections that should be closed are open: policies are not")
    assert [(one["source"], one["destination"], one["found"]) for one in rest] == [
        (SHOP, OTHER, "OPEN"),
        (OTHER, SHOP, "OPEN"),
        (OTHER, STORE, "OPEN"),
    ]


def test_one_leak_to_one_replica_is_a_leak(platform: Platform, run: Any) -> None:
    platform.api.closed.discard(("other-a", "127.0.0.12", platform.http))
    outcome = run(verify, **platform.options())
    (mismatch,) = outcome["mismatches"]
    assert mismatch["sentence"] == (
        f"{OTHER} can reach {SHOP}:{platform.http} (http), which nothing declares:"
        " expected BLOCKED, found OPEN (shop-b accepted the connection)"
    )


def test_a_pod_whose_health_does_not_answer_is_named(platform: Platform, run: Any) -> None:
    platform.health["127.0.0.12"] = 503
    platform.api.pods["default", "shop-b"]["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "message": "containers with unready status: [shop]"}
    ]
    outcome = run(verify, **platform.options())
    told = [one["sentence"] for one in outcome["mismatches"]]
    assert told == [
        f"{SHOP} should have 2 ready pods and has 1; not ready: shop-b (containers with unready status: [shop])",
        f"pod default/shop-b does not pass GET /health on its own address, port {platform.http} (readiness):"
        " expected 200 to 399, found status 503",
    ]


def test_the_kubelets_count_the_probes(platform: Platform, run: Any) -> None:
    outcome = run(verify, **platform.options())
    shop = outcome["workloads"][0]
    assert [pod["kubelet"] for pod in shop["pods"]] == [
        [{"probe": "readiness", "passed": 1, "failed": 0, "due": True}]
    ] * 2
    assert "as declared, 2/2 passed at the kubelet" in "\n".join(outcome["table"])
    assert outcome["remarks"] == []


def test_a_probe_that_its_kubelet_does_not_run_is_named(platform: Platform, run: Any) -> None:
    platform.api.probe_runs["shop-b"] = (0, 0)
    for container in platform.api.pods["default", "shop-b"]["spec"]["containers"]:
        container["readinessProbe"]["periodSeconds"] = 1
    outcome = run(verify, **platform.options(workloads=[dict(platform.options()["workloads"][0])], connections=[]))
    by_reason = {one["found"]: one for one in outcome["mismatches"]}
    assert (
        "the kubelet of node1 did not see the readiness probe of pod default/shop-b pass"
        in (by_reason["not run"]["sentence"])
    )


def test_a_probe_that_is_not_due_yet_is_remarked(platform: Platform, run: Any) -> None:
    platform.api.probe_runs["shop-b"] = (0, 0)
    pod = platform.api.pods["default", "shop-b"]
    pod["spec"]["containers"][0]["readinessProbe"]["initialDelaySeconds"] = 3600
    started = datetime.datetime.now(datetime.UTC).isoformat()
    pod["status"]["containerStatuses"] = [
        {"name": "shop", "restartCount": 0, "state": {"running": {"startedAt": started}}}
    ]
    options = platform.options()
    options["workloads"][0]["probes"] = {"readiness": {"path": "/health", "port": "http"}}
    outcome = run(verify, **options)
    assert outcome["passed"], outcome["mismatches"]
    assert outcome["remarks"] == [
        "the readiness probe has not begun in default/shop-b: its initial delay is not over",
    ]
    assert "1/2 passed at the kubelet, 1 not due yet" in "\n".join(outcome["table"])


def test_a_probe_that_fails_its_kubelet_is_named_and_one_that_fails_at_times_is_remarked(
    platform: Platform, run: Any
) -> None:
    platform.api.probe_runs |= {"shop-a": (0, 1), "shop-b": (2, 1)}
    outcome = run(verify, **platform.options())
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["destination"], mismatch["found"]) == ("default/shop-a", "failed 1 of 1 times")
    (remark,) = outcome["remarks"]
    assert remark.startswith("the readiness probe of pod default/shop-b failed 1 of 3 times")


@pytest.mark.parametrize(("wanted", "passed"), [("if_permitted", True), ("required", False), ("skipped", True)])
def test_who_may_not_read_the_counters_is_told_the_right(
    platform: Platform, run: Any, wanted: str, passed: bool
) -> None:
    platform.api.forbidden.add("get nodes/proxy")
    outcome = run(verify, **platform.options(kubelet_counters=wanted))
    assert outcome["passed"] is passed
    told = "this user may not get nodes/proxy"
    assert (told in " ".join(outcome["remarks"])) is (wanted != "skipped")
    assert outcome["complete"] is (wanted == "skipped")
    found = [one["found"] for one in outcome["mismatches"] if told in one["sentence"]]
    assert found == (["INCONCLUSIVE"] if wanted == "required" else [])


def test_a_server_that_answers_everything_proves_nothing(platform: Platform, run: Any) -> None:
    """The trap of single-page applications: each path gives the same page."""
    platform.catch_all.add("127.0.0.12")
    outcome = run(verify, **platform.options())
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["check"], mismatch["destination"], mismatch["found"]) == (
        "probes",
        "default/shop-b",
        "status 200",
    )
    assert "answers a path that is not there as well as /health" in mismatch["sentence"]


@pytest.mark.parametrize(
    ("liveness", "passed"), [({}, False), ({"dependency_free": True}, True), ({"path": "/live"}, True)]
)
def test_liveness_on_the_path_of_readiness(platform: Platform, run: Any, liveness: Any, passed: bool) -> None:
    options = platform.options(checks=["probes"], kubelet_counters="skipped")
    for pod in ("shop-a", "shop-b"):
        (container,) = platform.api.pods["default", pod]["spec"]["containers"]
        probe = {**container["readinessProbe"]["httpGet"], "path": liveness.get("path", "/health")}
        container["livenessProbe"] = {**container["readinessProbe"], "httpGet": probe}
    readiness = options["workloads"][0]["probes"]["readiness"]
    options["workloads"][0]["probes"] = {"readiness": readiness, "liveness": {**readiness, **liveness}}
    outcome = run(verify, **options)
    sentences = [one["sentence"] for one in outcome["mismatches"] if "share" in one["sentence"]]
    assert (sentences == []) is passed
    if not passed:
        assert "liveness and readiness share GET /health" in sentences[0]
        assert "probes.liveness.dependency_free: true" in sentences[0]


def test_a_start_that_nearly_takes_its_budget_is_remarked(platform: Platform, run: Any) -> None:
    pod = platform.api.pods["default", "shop-a"]
    (container,) = pod["spec"]["containers"]
    container["startupProbe"] = {"failureThreshold": 10, "periodSeconds": 1}
    pod["status"]["containerStatuses"] = [
        {"name": "shop", "restartCount": 0, "state": {"running": {"startedAt": "2026-05-01T10:00:00Z"}}}
    ]
    pod["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-05-01T10:00:08Z"},
    ]
    outcome = run(verify, **platform.options())
    assert outcome["passed"]
    assert outcome["remarks"] == [
        "pod default/shop-a took 8 s to get ready; its startup probe gives up after 10 s",
    ]


def add_deployments(platform: Platform) -> None:
    for name, replicas in (("shop", 2), ("other", 1)):
        status = {"observedGeneration": 1, "conditions": []}
        status |= dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
        platform.api.surroundings["deployments"].append(
            {
                "metadata": {"namespace": "default", "name": name, "generation": 1},
                "spec": {"replicas": replicas},
                "status": status,
            }
        )


def test_workloads_are_looked_at_from_all_sides(platform: Platform, run: Any) -> None:
    add_deployments(platform)
    outcome = run(verify, **platform.options(checks=["workloads"]))
    assert (outcome["passed"], outcome["complete"]) == (True, True), outcome["mismatches"]
    assert outcome["touched_pods"] == []

    platform.api.surroundings["deployments"][0]["status"]["availableReplicas"] = 1
    outcome = run(verify, **platform.options(checks=["workloads"]))
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["check"], mismatch["source"]) == ("workloads", SHOP)
    assert "the rollout of default/shop is not complete" in mismatch["sentence"]


RECORD = {"namespace": "default"}


def test_what_has_not_changed_is_not_probed_again(platform: Platform, run: Any) -> None:
    platform.add_policies()
    options = platform.options(checks=ALL, record=RECORD)
    first = run(verify, **options)
    assert (first["passed"], first["unchanged_since"]) == (True, None)
    # The prober that is in the pods' specifications now is no change.
    second = run(verify, **options)
    assert second["passed"]
    assert second["unchanged_since"]
    assert second["touched_pods"] == []
    assert [row["verdict"] for row in second["connections"]] == ["OPEN", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert "no packet was sent" in second["table"][-1]

    forced = run(verify, **{**options, "force": True})
    assert forced["unchanged_since"] is None
    assert len(forced["touched_pods"]) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda platform: platform.api.pods["default", "shop-a"]["metadata"]["labels"].update(version="2"),
        lambda platform: platform.api.pods["default", "shop-a"]["status"]["containerStatuses"][0].update(
            restartCount=1
        ),
        lambda platform: platform.api.policies.append(
            {"metadata": {"namespace": "data", "name": "more"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
        ),
    ],
    ids=["label", "restart", "policy"],
)
def test_what_has_changed_is_probed(platform: Platform, run: Any, change: Callable[[Platform], None]) -> None:
    platform.add_policies()
    options = platform.options(checks=ALL, record=RECORD)
    assert run(verify, **options)["passed"]
    change(platform)
    assert run(verify, **options)["unchanged_since"] is None


def test_what_did_not_pass_is_not_remembered(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.closed.discard(("other-a", "127.0.0.21", platform.sql))
    options = platform.options(checks=ALL, record=RECORD)
    assert not run(verify, **options)["passed"]
    assert not run(verify, **options)["passed"]


def test_a_restart_while_it_is_verified_is_named(platform: Platform, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add_deployments(platform)
    started = platform.api.start_container

    def start(pod: dict[str, Any], container: dict[str, Any]) -> None:
        started(pod, container)
        if pod["metadata"]["name"] == "shop-a":
            pod["status"]["containerStatuses"] = [{"name": "shop", "restartCount": 1}]

    monkeypatch.setattr(platform.api, "start_container", start)
    outcome = run(verify, **platform.options(checks=["probes", "workloads"]))
    sentences = [one["sentence"] for one in outcome["mismatches"]]
    assert sentences == ["pod default/shop-a restarted once while it was verified"]


def test_what_cannot_be_read_around_the_workloads_is_told(platform: Platform, run: Any) -> None:
    del platform.api.surroundings["horizontalpodautoscalers"]
    outcome = run(verify, **platform.options(checks=["workloads"]))
    assert (outcome["passed"], outcome["complete"]) == (True, False)
    assert outcome["remarks"][0].startswith("what stands around the workloads of default is not known: ")


def test_packets_and_policies_agree(platform: Platform, run: Any) -> None:
    platform.add_policies()
    outcome = run(verify, **platform.options(checks=ALL))
    assert (outcome["passed"], outcome["complete"]) == (True, True), outcome["mismatches"]
    assert [row["allowed_by_policies"] for row in outcome["connections"]] == [True, False, False, False]
    assert any("NetworkPolicy data/pg" in sentence for sentence in outcome["connections"][0]["decided_by"])


def test_the_levels_of_policies_that_were_judged_are_told(platform: Platform, run: Any) -> None:
    platform.add_policies()
    outcome = run(verify, **platform.options(checks=ALL))
    assert outcome["policy_levels"] == ["NetworkPolicy"]
    assert outcome["table"][-2] == (
        "Policies judged, in their order: NetworkPolicy; this cluster serves no cluster-level policies"
    )
    version = "policy.networking.k8s.io/v1alpha2"
    platform.api.objects["/apis"]["groups"] = [
        {"name": "policy.networking.k8s.io", "versions": [{"groupVersion": version}]}
    ]
    platform.api.objects[f"/apis/{version}"] = {
        "resources": [{"kind": "ClusterNetworkPolicy", "name": "clusternetworkpolicies"}]
    }
    # Served is enough: that there is none is also known only to who looked.
    platform.api.objects[f"/apis/{version}/clusternetworkpolicies"] = {"items": []}
    outcome = run(verify, **platform.options(checks=ALL))
    assert outcome["passed"], outcome["mismatches"]
    assert outcome["policy_levels"] == [
        "ClusterNetworkPolicy Admin",
        "NetworkPolicy",
        "ClusterNetworkPolicy Baseline",
    ]
    assert outcome["table"][-2].endswith(": ClusterNetworkPolicy Admin, NetworkPolicy, ClusterNetworkPolicy Baseline")


def test_levels_that_were_not_judged_are_not_told(platform: Platform, run: Any) -> None:
    platform.api.forbidden.add("list networkpolicies")
    unread = run(verify, **platform.options(checks=ALL))
    assert unread["policy_levels"] == run(verify, **platform.options())["policy_levels"] == []
    assert not any(line.startswith("Policies judged") for line in unread["table"])


def test_packets_that_do_what_the_policies_deny_are_a_contradiction(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.closed.discard(("other-a", "127.0.0.21", platform.sql))
    outcome = run(verify, **platform.options(checks=ALL))
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["check"], mismatch["source"], mismatch["found"]) == ("contradiction", OTHER, "OPEN")
    assert f"{OTHER} can reach {STORE}:{platform.sql}" in mismatch["sentence"]
    assert "the policies deny it: the network plugin does not do what the policies say" in mismatch["sentence"]
    assert "NetworkPolicy data/default-deny" in mismatch["reason"]


def test_packets_that_do_as_declared_against_the_policies_are_a_contradiction(platform: Platform, run: Any) -> None:
    platform.add_policies()
    del platform.api.policies[2]
    outcome = run(verify, **platform.options(checks=ALL))
    (mismatch,) = outcome["mismatches"]
    assert (mismatch["check"], mismatch["source"], mismatch["expected"]) == ("contradiction", SHOP, "BLOCKED")
    assert "do as declared (OPEN), although the policies deny that" in mismatch["sentence"]


def test_a_node_that_enforces_nothing_is_the_first_finding(platform: Platform, run: Any) -> None:
    """What is open against the policies has its ends on one of two nodes; elsewhere they hold."""
    platform.add_policies()
    platform.api.pods["default", "shop-b"]["spec"]["nodeName"] = "node2"
    platform.api.closed -= {
        ("other-a", "127.0.0.21", platform.sql),
        ("other-a", "127.0.0.11", platform.http),
        ("shop-a", "127.0.0.13", platform.http),
        ("shop-b", "127.0.0.13", platform.http),
    }
    platform.api.closed |= {("pg-1", "127.0.0.11", platform.http), ("pg-1", "127.0.0.12", platform.http)}
    platform.api.pods["default", "shop-b"]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    options = platform.options(checks=ALL)
    options["connections"].append({**options["connections"][2], "source": STORE})
    outcome = run(verify, **options)
    first = outcome["mismatches"][0]
    assert (first["check"], first["source"]) == ("enforcement", "node1")
    assert "policies are not enforced on node1: each of the 3 connections" in first["sentence"]


def test_a_connection_that_is_closed_is_explained_by_its_policy(platform: Platform, run: Any) -> None:
    platform.add_policies()
    del platform.api.policies[2]
    for pod in ("shop-a", "shop-b"):
        platform.api.closed.add((pod, "127.0.0.21", platform.sql))
    outcome = run(verify, **platform.options(checks=ALL))
    (mismatch,) = outcome["mismatches"]
    assert mismatch["check"] == "connectivity"
    assert "NetworkPolicy data/default-deny isolates the destination" in mismatch["sentence"]


def test_check_mode_compares_the_policies_with_the_declaration(platform: Platform, run: Any) -> None:
    platform.add_policies()
    del platform.api.policies[2]
    outcome = run(verify, check_mode=True, **platform.options(checks=ALL))
    assert not outcome.get("failed")
    assert [(one["check"], one["source"], one["destination"]) for one in outcome["mismatches"]] == [
        ("policies", SHOP, STORE)
    ]
    assert platform.api.pods["data", "pg-1"]["spec"].get("ephemeralContainers") is None


def test_who_may_not_read_the_policies_is_told(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.forbidden.add("list networkpolicies")
    outcome = run(verify, **platform.options(checks=ALL))
    assert (outcome["passed"], outcome["complete"]) == (True, False)
    assert "networkpolicies is forbidden" in outcome["remarks"][0]
    assert {row["allowed_by_policies"] for row in outcome["connections"]} == {None}


def test_a_policy_that_cannot_be_judged_is_told(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.policies[2]["spec"]["ingress"] = [{"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}]
    outcome = run(verify, **platform.options(checks=ALL))
    assert (outcome["passed"], outcome["complete"]) == (True, False)
    assert "10.0.0.0/33" in outcome["remarks"][0]


def test_a_live_probe_that_is_not_the_declared_one_is_named(platform: Platform, run: Any) -> None:
    platform.api.pods["default", "shop-a"]["spec"]["containers"][0]["readinessProbe"]["periodSeconds"] = 60
    outcome = run(verify, **platform.options(checks=["probes"]))
    (mismatch,) = outcome["mismatches"]
    assert mismatch["sentence"] == (
        "the readiness probe of pod default/shop-a is not as declared: expected period 5, found period 60"
    )
    assert outcome["connections"] == []


def test_a_missing_right_is_told_by_its_name(platform: Platform, run: Any) -> None:
    platform.api.forbidden = {"patch pods/ephemeralcontainers"}
    outcome = run(verify, **platform.options(checks=["connectivity"]))
    assert not [one for one in platform.api.requests if one[0] == "PATCH"]
    assert {row["verdict"] for row in outcome["connections"]} == {"INCONCLUSIVE"}
    reason = "this user may not patch pods/ephemeralcontainers in default"
    assert f"none of the 2 connections from {SHOP} could be judged: {reason}" in outcome["msg"]
    assert outcome["complete"] is False


def test_without_ephemeral_containers_the_prober_runs_in_the_pods_own_container(platform: Platform, run: Any) -> None:
    platform.api.forbidden = {"patch pods/ephemeralcontainers"}
    outcome = run(verify, **platform.options(prober_methods=["ephemeral_container", "exec"]))
    assert outcome["passed"], outcome["msg"]
    assert [row["verdict"] for row in outcome["connections"]] == ["OPEN", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert outcome["complete"]
    assert (outcome["touched_pods"], outcome["summary"]["probers"]) == ([], 0)
    asked = [path for _method, path, _headers, _body in platform.api.requests if "/exec?" in path]
    assert len(asked) == 4
    assert all("container=shop" in path for path in asked if "shop-" in path)


@pytest.mark.parametrize(
    ("damage", "has_python", "reason"),
    [
        (lambda log: log[:-100], True, "cannot be used: its log has no end mark"),
        (lambda log: log, False, "cannot be used: its log has no begin mark"),
    ],
)
def test_what_an_execution_says_counts_only_whole(
    platform: Platform, run: Any, damage: Any, has_python: bool, reason: str
) -> None:
    platform.api.damage, platform.api.has_python = damage, has_python
    outcome = run(verify, **platform.options(prober_methods=["exec"]))
    assert {row["verdict"] for row in outcome["connections"]} == {"INCONCLUSIVE"}
    assert f"the report of the prober run in default/shop-b, container shop {reason}" in outcome["msg"]


def test_policies_alone_are_no_proof_but_may_be_enough(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.forbidden = {"patch pods/ephemeralcontainers", "create pods/exec"}
    ways = ["ephemeral_container", "exec", "policies_only"]
    outcome = run(verify, **platform.options(checks=ALL, prober_methods=ways))
    assert {row["verdict"] for row in outcome["connections"]} == {"INCONCLUSIVE"}
    assert (outcome["passed"], outcome["complete"], outcome["mismatches"]) == (True, False, [])
    assert outcome["table"][-1].startswith("NOT COMPLETE")
    assert any("this user may not create pods/exec in default" in remark for remark in outcome["remarks"])
    del platform.api.policies[2]
    outcome = run(verify, **platform.options(checks=ALL, prober_methods=ways))
    assert [one["check"] for one in outcome["mismatches"]] == ["policies"]
    assert outcome["mismatches"][0]["sentence"].startswith(f"the policies deny {SHOP} to reach {STORE}")


def test_a_pod_takes_no_more_ephemeral_containers_than_allowed(platform: Platform, run: Any) -> None:
    for pod in ("shop-a", "shop-b"):
        platform.api.pods["default", pod]["spec"]["ephemeralContainers"] = [{"name": "one"}, {"name": "two"}]
    outcome = run(verify, **platform.options(max_ephemeral_containers=2))
    assert outcome["touched_pods"] == ["data/pg-1", "default/other-a"]
    assert "default/shop-b holds 2 ephemeral containers already, and max_ephemeral_containers is 2" in outcome["msg"]
    both = ["ephemeral_container", "exec"]
    outcome = run(verify, **platform.options(max_ephemeral_containers=2, prober_methods=both))
    assert outcome["passed"], outcome["msg"]


def test_an_image_that_cannot_be_pulled_is_told_at_once(platform: Platform, run: Any) -> None:
    platform.api.waiting_reason = "ImagePullBackOff"
    outcome = run(verify, **platform.options())
    assert "cannot start (ImagePullBackOff: no such image)" in outcome["msg"]
    assert outcome["summary"]["inconclusive"] == 4
    assert outcome["summary"]["seconds"] < 10


def test_a_prober_that_never_starts_ends_with_the_deadline(platform: Platform, run: Any) -> None:
    platform.api.waiting_reason = "ContainerCreating"
    outcome = run(verify, **platform.options(timeout=1))
    assert "did not report in time (ContainerCreating: no such image)" in outcome["msg"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda log: log[: len(log) // 2], "no end mark"),
        (lambda _log: "", "no begin mark"),
        (lambda log: log.replace("open", "shut", 1), "does not match its checksum"),
    ],
)
def test_a_damaged_log_is_inconclusive(platform: Platform, run: Any, damage: Any, reason: str) -> None:
    platform.api.damage = damage
    outcome = run(verify, **platform.options())
    assert outcome["failed"]
    assert {row["verdict"] for row in outcome["connections"]} == {"INCONCLUSIVE"}
    assert reason in outcome["msg"]


def test_a_pod_that_goes_away_while_it_is_probed(platform: Platform, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        platform.api,
        "start_container",
        lambda pod, _c: platform.api.pods.pop(("default", pod["metadata"]["name"]), None),
    )
    outcome = run(verify, **platform.options(timeout=3))
    assert "default/other-a went away while its prober ran" in outcome["msg"]


def test_a_server_that_is_down_is_not_blocked(platform: Platform, run: Any) -> None:
    options = platform.options()
    options["workloads"][2]["listens"][0]["port"] = platform.sql + 1
    for row in options["connections"]:
        row["port"] = platform.sql + 1 if row["destination"] == STORE else row["port"]
    outcome = run(verify, **options)
    verdicts = {(row["source"], row["destination"]): row["verdict"] for row in outcome["connections"]}
    assert verdicts[SHOP, STORE] == verdicts[OTHER, STORE] == "INCONCLUSIVE"
    told = [one["sentence"] for one in outcome["mismatches"]]
    nothing = f"nothing listens on port {platform.sql + 1} of {STORE}, not even for itself, or only on 127.0.0.1"
    assert told[0] == f"{nothing}, so 1 connections that should be closed could not be judged"
    assert told[1].startswith(f"whether {SHOP} reaches {STORE}:{platform.sql + 1} (postgresql) is not known")


def test_the_replica_that_was_asked_least_often_is_the_source(platform: Platform, run: Any) -> None:
    platform.api.pods["default", "shop-a"]["spec"]["ephemeralContainers"] = [{"name": "earlier"}]
    run(verify, **platform.options(checks=["connectivity"]))
    asked_dns = [
        body["spec"]["ephemeralContainers"][0]["name"]
        for method, path, _headers, body in platform.api.requests
        if method == "PATCH" and "shop-b" in path
    ]
    assert len(asked_dns) == 1
    outcome = run(verify, **platform.options(checks=["connectivity"]))
    assert outcome["passed"]


def test_untouched_workloads_get_no_prober(platform: Platform, run: Any) -> None:
    outcome = run(verify, **platform.options(untouched=[STORE]))
    assert outcome["touched_pods"] == ["default/other-a", "default/shop-a", "default/shop-b"]
    # The shop gets through, so the port is known to listen.
    assert outcome["passed"], outcome["msg"]


def test_check_mode_touches_nothing_and_says_what_it_did_not_see(platform: Platform, run: Any) -> None:
    outcome = run(verify, check_mode=True, **platform.options())
    assert {method for method, *_rest in platform.api.requests} == {"GET"}
    assert (outcome["passed"], outcome["complete"], outcome["touched_pods"]) == (True, False, [])
    assert {row["verdict"] for row in outcome["connections"]} == {"INCONCLUSIVE"}
    assert outcome["connections"][0]["reason"] == "check mode adds no prober to any pod"
    assert outcome["table"][-1].startswith("NOT COMPLETE")


def test_check_mode_reports_what_differs_without_failing(platform: Platform, run: Any) -> None:
    platform.api.pods.pop(("default", "shop-b"))
    outcome = run(verify, check_mode=True, **platform.options())
    assert not outcome.get("failed")
    assert [one["sentence"] for one in outcome["mismatches"]] == [
        f"{SHOP} should have 2 ready pods and has 1; 1 pods match its selector"
    ]


def test_reports_are_written_however_it_went_and_are_no_change(
    platform: Platform, run: Any, tmp_path: pathlib.Path
) -> None:
    paths = [str(tmp_path / f"report.{ending}") for ending in ("json", "xml", "sarif", "html")]
    outcome = run(verify, **platform.options(report_path=paths))
    assert not outcome.get("failed"), outcome["msg"]
    assert (outcome["reports"], outcome["changed"]) == (paths, False)
    platform.api.closed.clear()
    outcome = run(verify, **platform.options(report_path=paths))
    assert (outcome["failed"], outcome["reports"]) == (True, paths)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["mismatches"] == outcome["mismatches"]
    assert told["cluster"] == platform.api.url
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["time"])


def test_nothing_is_written_when_nobody_asks(platform: Platform, run: Any) -> None:
    assert run(verify, **platform.options())["reports"] == []


def test_check_mode_writes_no_report_and_asks_for_no_directory(
    platform: Platform, run: Any, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "made-by-an-earlier-task" / "report.html"
    outcome = run(verify, check_mode=True, **platform.options(report_path=str(path)))
    assert not outcome.get("failed")
    assert outcome["reports"] == []
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("report.pdf", "ends in none of .json, .xml (JUnit), .sarif, .html and .prom, so its format is not known."),
        ("missing/report.html", "cannot be written, because there is no directory"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_probed(
    platform: Platform, run: Any, tmp_path: pathlib.Path, name: str, sentence: str
) -> None:
    outcome = run(verify, **platform.options(report_path=str(tmp_path / name)))
    assert outcome["msg"].startswith(f"The verification cannot be done: report_path {tmp_path / name} ")
    assert sentence in outcome["msg"]
    assert platform.api.requests == []


def test_a_report_that_fails_does_not_hide_what_was_found(
    platform: Platform, run: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    platform.api.closed.add(("shop-a", "127.0.0.21", platform.sql))
    platform.api.closed.add(("shop-b", "127.0.0.21", platform.sql))

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_verification_report_files.os, "replace", full)
    outcome = run(verify, **platform.options(report_path=str(path)))
    assert outcome["msg"].startswith(f"1 mismatch: {SHOP} cannot reach {STORE}")
    assert outcome["msg"].endswith(f" The report {path} could not be written: No space left on device.")
    assert outcome["reports"] == []
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prober_image": None}, "prober_image is needed"),
        ({"workloads": [{"namespace": "a"}]}, "workloads[0].name is missing"),
        ({"workloads": [{"name": "a", "namespace": "b"}]}, "workloads[0].selector must be"),
        ({"connections": [{"source": "a/b"}]}, "connections[0].allowed must be true or false"),
        (
            {"connections": [{"source": "a/b", "destination": "c/d", "port": "http", "allowed": True}]},
            "connections[0].port must be a whole number, not 'http'",
        ),
        ({"settle_time": -1}, "settle_time not less"),
        ({"host": "http://127.0.0.1:1"}, "no connection to the Kubernetes API"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(platform: Platform, run: Any, changes: Any, sentence: str) -> None:
    outcome = run(verify, **platform.options(**changes))
    assert outcome["failed"]
    assert sentence in outcome["msg"]
    assert "Traceback" not in outcome["msg"]
    assert "\n" not in outcome["msg"]


def test_cluster_info_returns_facts_and_overrides(platform: Platform, run: Any) -> None:
    options = {"host": platform.api.url, "api_key": "token"}
    outcome = run(cluster_info, **options, overrides={"pod_cidrs": ["10.128.0.0/16"]})
    assert outcome["cluster"]["version"] == "v1.37.0"
    assert outcome["cluster"]["pod_cidrs"] == ["10.128.0.0/16"]
    assert outcome["changed"] is False
    assert run(cluster_info, **options, overrides={"pod_cidr": []})["msg"] == "overrides has unknown facts: pod_cidr."
    wrong = run(cluster_info, **options, overrides={"openshift": "perhaps"})
    assert wrong["msg"] == "catalogue_cluster.openshift is 'perhaps', and must be true or false."


def test_a_whole_report_counts_however_its_container_ended(
    platform: Platform, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container runtime that restarts meanwhile knows no better than exit code 255."""
    started = servers.subprocess.run

    def unknown_ending(*arguments: Any, **options: Any) -> Any:
        ended = started(*arguments, **options)
        ended.returncode = 255
        return ended

    monkeypatch.setattr(servers.subprocess, "run", unknown_ending)
    outcome = run(verify, **platform.options())
    assert outcome["passed"], outcome["msg"]


def test_a_container_that_ended_badly_without_a_report(platform: Platform, run: Any) -> None:
    platform.api.damage = lambda _log: "OSError: no space left\n"
    outcome = run(verify, **platform.options(checks=["probes"]))
    assert 'cannot be used: its log begins otherwise and ends with "OSError: no space left"' in outcome["msg"]


def test_a_name_server_without_the_answer_is_named_once(
    platform: Platform, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "DNS_FLAGS", 0x8183)
    outcome = run(verify, **platform.options(checks=["connectivity"]))
    told = [one["sentence"] for one in outcome["mismatches"]]
    name = "kubernetes.default.svc.cluster.test"
    port = platform.api.name_server_port
    assert told == [
        f"{source} asks DNS at 127.0.0.1:{port} over TCP and UDP: expected an address, found another answer"
        f" (it answers, but not with an address for {name}: NXDOMAIN)"
        for source in (OTHER, SHOP)
    ]
