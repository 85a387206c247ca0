# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test of a service without its dependencies, on the wire: a pod that is made, looked at, and gone."""

from __future__ import annotations

import pathlib
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _verification_copies
from ansible_collections.azora.platform.plugins.module_utils._cut_off import Turns
from ansible_collections.azora.platform.plugins.modules import verify

from .small_platform import SHOP, STORE, Platform

pytest.importorskip("kubernetes")
pytest.importorskip("ansible_collections.kubernetes.core.plugins.module_utils.args_common")

COPY = "127.0.0.31"
AWAY = "it is cut off from data/pg"


class Copying(Platform):
    """The shop's liveness and readiness ask one path; its copy answers by its own health."""

    def __init__(self, platform: Platform) -> None:
        self.__dict__ = platform.__dict__
        self.health[COPY] = 200
        self.serve(self._http(COPY), COPY, self.http)
        for pod in ("shop-a", "shop-b"):
            (container,) = self.api.pods["default", pod]["spec"]["containers"]
            probe = {**container["readinessProbe"], "periodSeconds": 1}
            container["livenessProbe"] = probe
        shops = {"podSelector": {"matchLabels": {"app": "shop"}}, "namespaceSelector": {}}
        ports = [{"port": self.sql}]
        self.api.policies = [
            self.policy("default", "default-deny", policyTypes=["Ingress", "Egress"]),
            self.policy("data", "default-deny", policyTypes=["Ingress", "Egress"]),
            self.policy("default", "shop", podSelector={"matchLabels": {"app": "shop"}}, egress=[{"ports": ports}]),
            self.policy("data", "pg", ingress=[{"from": [shops], "ports": ports}]),
        ]
        self.api.start_pod = self.start
        self.copies: list[dict[str, Any]] = []
        # What its kubelet counts of the copy's probes in each look.
        self.runs = (1, 0)
        self.status: dict[str, Any] = {"state": {"running": {}}, "started": True, "restartCount": 0}
        self.isolates = True

    @staticmethod
    def policy(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"namespace": namespace, "name": name}, "spec": {"podSelector": {}, **spec}}

    def start(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        statuses = [{"name": "shop", **self.status}]
        pod["status"] = {"phase": "Running", "podIP": COPY, "containerStatuses": statuses}
        self.api.probe_runs[name] = self.runs
        if self.isolates:
            self.api.isolated.add(name)
        self.copies.append(pod)

    def given(self, *, liveness: Any = None, **changes: Any) -> dict[str, Any]:
        options = self.options(**{"cut_off": [SHOP], **changes})
        for workload in options["workloads"][:1]:
            readiness = workload["probes"]["readiness"]
            probe = {**readiness, "period_seconds": 1, **(liveness or {})}
            workload["probes"] = {"readiness": readiness, "liveness": probe}
        return options

    def left(self) -> list[str]:
        return [name for _namespace, name in self.api.pods if "cut-off" in name]


@pytest.fixture
def shop(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Copying:
    monkeypatch.setattr(_verification_copies, "PAUSE", 0.05)
    return Copying(platform)


def of_probes(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in outcome["mismatches"] if one["check"] == "probes"]


def test_a_shared_path_that_stays_healthy_passes_without_a_declaration(
    shop: Copying, run: Any, tmp_path: pathlib.Path
) -> None:
    reports = [tmp_path / "report.xml", tmp_path / "report.html"]
    outcome = run(verify, **shop.given(report_path=[str(path) for path in reports]))
    assert not outcome.get("failed"), outcome["msg"]
    assert (outcome["passed"], outcome["complete"]) == (True, True)
    tested, untested, _store = (workload["cut_off"] for workload in outcome["workloads"])
    assert untested is None
    (copy,) = shop.copies
    name = f"default/{copy['metadata']['name']}"
    assert (tested["verdict"], tested["ok"], tested["pod"], tested["failed"]) == ("HEALTHY", True, name, 0)
    assert tested["cut_off_from"] == [f"{STORE}:{shop.sql}"]
    assert tested["passed"] >= 3
    assert tested["reason"].endswith("and answered status 200")
    assert tested["sentence"].startswith(f"{SHOP} stays healthy while {AWAY}:{shop.sql}: its liveness probe passed")
    assert " ".join(tested["sentence"].split()) in " ".join(" ".join(outcome["table"]).split())
    assert shop.left() == []
    assert name not in outcome["touched_pods"]
    for path in reports:
        assert f"{SHOP} stays healthy while {AWAY}" in path.read_text(encoding="utf-8")


def test_the_copy_has_the_replicas_container_and_no_label_of_it(shop: Copying, run: Any) -> None:
    run(verify, **shop.given())
    made = next(
        body for method, path, _headers, body in shop.api.requests if method == "POST" and path.endswith("pods")
    )
    assert list(made["metadata"]["labels"]) == ["azora.platform/cut-off"]
    replica = shop.api.pods["default", "shop-a"]["spec"]["containers"][0]
    assert made["spec"]["containers"][0]["livenessProbe"] == replica["livenessProbe"]
    assert "nodeName" not in made["spec"]


@pytest.mark.parametrize("declared", [False, True])
def test_a_liveness_probe_that_fails_without_its_store_is_named(
    shop: Copying, run: Any, declared: bool, tmp_path: pathlib.Path
) -> None:
    reports = {ending: tmp_path / f"report.{ending}" for ending in ("json", "xml", "sarif", "html")}
    shop.runs, shop.health[COPY] = (0, 1), 503
    shop.api.events = [{"message": "Liveness probe failed: HTTP probe failed with statuscode: 503"}]
    report_path = [str(path) for path in reports.values()]
    outcome = run(verify, **shop.given(liveness={"dependency_free": declared}, report_path=report_path))
    assert outcome["failed"]
    (mismatch,) = of_probes(outcome)
    assert (mismatch["source"], mismatch["port"], mismatch["found"]) == (SHOP, shop.http, "UNHEALTHY")
    told = mismatch["sentence"]
    assert told.startswith(f"the liveness probe of {SHOP} (GET /health on port {shop.http}) fails while {AWAY}")
    assert ("although probes.liveness.dependency_free is declared" in told) is declared
    assert (
        "times (HTTP probe failed with statuscode: 503). A dependency that is down would restart every replica" in told
    )
    assert shop.left() == []
    for path in reports.values():
        assert "(HTTP probe failed with statuscode: 503). A dependency that is down would" in path.read_text(
            encoding="utf-8"
        )
    probes = next(one for one in Xml.parse(reports["xml"]).getroot() if one.get("name") == "probes")
    assert probes.get("failures") == "1"


def test_a_container_that_ends_by_itself_is_a_finding_of_its_own(shop: Copying, run: Any) -> None:
    shop.runs = (0, 0)
    shop.status = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}},
        "restartCount": 1,
    }
    outcome = run(verify, **shop.given())
    (mismatch,) = of_probes(outcome)
    assert mismatch["found"] == "ENDED"
    assert mismatch["sentence"].startswith(
        f"{SHOP} does not stay up while {AWAY}:{shop.sql}: a copy's container ended by itself (exit code 2)."
    )
    assert outcome["workloads"][0]["cut_off"]["restarts"] == 1
    assert shop.left() == []


def inconclusive(outcome: dict[str, Any]) -> str:
    """The reason of the one finding; whatever the copy did, it must not pass."""
    assert outcome["failed"]
    assert outcome["complete"] is False
    (mismatch,) = of_probes(outcome)
    assert (mismatch["source"], mismatch["found"]) == (SHOP, "INCONCLUSIVE")
    assert mismatch["sentence"].startswith(f"whether {SHOP} stays healthy while {AWAY}")
    assert mismatch["sentence"].endswith(mismatch["reason"])
    return str(mismatch["reason"])


def test_a_copy_that_reaches_its_store_proves_nothing(shop: Copying, run: Any) -> None:
    shop.isolates = False
    reason = inconclusive(run(verify, **shop.given()))
    assert reason == f"the copy was not cut off: it reached {STORE}:{shop.sql} (pg-1 accepted the connection)"
    assert shop.left() == []


def test_a_policy_that_lets_every_pod_out_proves_nothing(shop: Copying, run: Any) -> None:
    """Also where no declared dependency is on the other side: nobody knows what the service does with it."""
    proxy = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 3128}]}
    names = {"ports": [{"port": 53, "protocol": "UDP"}]}
    shop.api.policies.append(shop.policy("default", "proxy", policyTypes=["Egress"], egress=[proxy, names]))
    reason = inconclusive(run(verify, **shop.given()))
    assert reason == "the copy was not cut off: the policies let it reach 192.0.2.1 on TCP 3128"


def test_a_connection_that_was_faster_than_the_policies_is_seen(shop: Copying, run: Any) -> None:
    with shop.api.held.open("a", encoding="ascii") as table:
        table.write("   0: 1F00007F:9C40 0914000A:1538 01 0:0\n")
    reason = inconclusive(run(verify, **shop.given()))
    assert reason == "the copy was not cut off: it is connected to 10.0.20.9:5432"


def test_a_quota_that_is_used_up_is_a_reason(shop: Copying, run: Any) -> None:
    shop.api.refuses_pods = (
        'pods "shop" is forbidden: exceeded quota: all, requested: pods=1, used: pods=9, limited: pods=9'
    )
    reason = inconclusive(run(verify, **shop.given()))
    assert reason.startswith("no copy of default/shop-")
    assert reason.endswith("exceeded quota: all, requested: pods=1, used: pods=9, limited: pods=9")


@pytest.mark.parametrize("right", ["create pods/", "delete pods/"])
def test_a_right_that_is_missing_is_named_and_no_pod_is_made(shop: Copying, run: Any, right: str) -> None:
    shop.api.forbidden.add(right)
    assert inconclusive(run(verify, **shop.given())) == f"this user may not {right.rstrip('/')} in default"
    assert shop.copies == []


def test_a_copy_whose_probes_do_not_get_their_turns_in_time(
    shop: Copying, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turns, "seconds", 1.0)
    shop.runs = (0, 0)
    reason = inconclusive(run(verify, **shop.given(cut_off_timeout=2)))
    assert reason.startswith("its liveness probe had not had its turns after 2 s")
    assert shop.left() == []


def test_a_probe_that_needs_longer_than_there_is_time_is_not_begun(shop: Copying, run: Any) -> None:
    reason = inconclusive(run(verify, **shop.given(cut_off_timeout=5)))
    assert reason == "its liveness probe needs 14 s to fail for good, and cut_off_timeout is 5 s"
    assert shop.copies == []


def test_a_copy_that_somebody_takes_away(shop: Copying, run: Any) -> None:
    start = shop.api.start_pod

    def vanish(pod: dict[str, Any]) -> None:
        start(pod)
        pod["metadata"]["labels"] = {}  # seen no more by what selects it

    shop.api.start_pod = vanish
    assert inconclusive(run(verify, **shop.given())) == "its copy went away while it was tested"


def test_a_sidecar_of_a_mesh_that_admission_adds(shop: Copying, run: Any) -> None:
    start = shop.api.start_pod

    def inject(pod: dict[str, Any]) -> None:
        start(pod)
        pod["spec"]["containers"].append({"name": "istio-proxy"})

    shop.api.start_pod = inject
    assert inconclusive(run(verify, **shop.given())) == (
        "admission added istio-proxy to its copy, which would be cut off itself"
    )
    assert shop.left() == []


@pytest.mark.parametrize(("counters", "passed"), [("if_permitted", True), ("required", False)])
def test_without_the_kubelets_counters_its_own_answer_tells(
    shop: Copying, run: Any, counters: str, passed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turns, "seconds", 1.0)
    shop.api.forbidden.add("get nodes/proxy")
    tested = run(verify, **shop.given(kubelet_counters=counters))["workloads"][0]["cut_off"]
    assert (tested["ok"], tested["passed"]) == (passed, None)
    if passed:
        assert tested["reason"].endswith(" s without a restart and answered status 200")
    else:
        unread = "the counters of the kubelet of node1 could not be read: this user may not get nodes/proxy"
        assert tested["reason"] == unread


def test_a_copy_that_cannot_be_deleted_is_named(shop: Copying, run: Any) -> None:
    shop.api.keeps_pods = True
    outcome = run(verify, **shop.given())
    (mismatch,) = of_probes(outcome)
    (name,) = shop.left()
    assert mismatch["sentence"].startswith(f"the pod default/{name}, a copy made to be cut off, could not be deleted: ")
    assert mismatch["sentence"].endswith("etcd is away; delete it")


def test_an_error_between_leaves_no_copy(shop: Copying, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(
        "ansible_collections.azora.platform.plugins.module_utils._verification.run_probers",
        fail,
    )
    with pytest.raises(RuntimeError, match="the disk is full"):
        run(verify, **shop.given())
    assert len(shop.copies) == 1
    assert shop.left() == []


def test_what_a_killed_run_left_behind_is_swept_and_what_another_runs_is_not(shop: Copying, run: Any) -> None:
    label = {"azora.platform/cut-off": "x"}
    shop.api.add_pod("default", "shop-cut-off-dead", "127.0.0.41", label, status={"phase": "Failed"})
    shop.api.add_pod("default", "shop-cut-off-live", "127.0.0.42", label)
    run(verify, **shop.given())
    assert shop.left() == ["shop-cut-off-live"]


def test_check_mode_makes_no_copy_and_says_so(shop: Copying, run: Any) -> None:
    outcome = run(verify, check_mode=True, **shop.given())
    assert shop.copies == []
    assert of_probes(outcome) == []
    assert outcome["complete"] is False
    assert outcome["workloads"][0]["cut_off"]["verdict"] == "INCONCLUSIVE"
    told = f"{SHOP} would be tested without what they depend on; check mode makes no copy"
    assert told in outcome["remarks"]


def test_what_passed_and_has_not_changed_is_not_tested_again(shop: Copying, run: Any) -> None:
    record = {"namespace": "default"}
    first = run(verify, **shop.given(record=record))
    assert first["passed"], first["mismatches"]
    again = run(verify, **shop.given(record=record))
    assert again["passed"]
    assert len(shop.copies) == 1
    assert again["workloads"][0]["cut_off"]["reason"] == f"unchanged since {again['unchanged_since']}"
    # Nobody has tested it for this question, so it is not known.
    assert run(verify, **shop.given(record=record, cut_off=[]))["passed"] is False


def test_all_are_the_services_with_a_liveness_probe(shop: Copying, run: Any) -> None:
    outcome = run(verify, **shop.given(cut_off=["all"]))
    assert [workload["cut_off"] is not None for workload in outcome["workloads"]] == [True, False, False]
    assert len(shop.copies) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cut_off": ["default/shoe"]},
            f"cut_off[0] is default/shoe, which is not among the workloads; known: {SHOP}, default/other, {STORE}, all",
        ),
        (
            {"cut_off": ["all", STORE]},
            f"cut_off[1] is {STORE}, a store: a copy of its pod could open its data, so only services are tested",
        ),
        ({"cut_off": ["default/other"]}, "cut_off[0] is default/other, which declares no liveness probe to test"),
        ({"checks": ["connectivity"]}, "cut_off is part of the check probes, and checks leaves that out"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_is_looked_at(
    shop: Copying, run: Any, changes: Any, message: str
) -> None:
    outcome = run(verify, **shop.given(**changes))
    assert outcome["msg"] == f"The verification cannot be done: {message}."
    assert not shop.api.requests
