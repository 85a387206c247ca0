# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run says of itself: what was changed by which stage, what was waited for, the verdict, the gateway, and where it stopped."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _summary
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import awaited

PASSED = "PASSED: 25 of 25 pods ready, 262 connections: 31 open, 231 blocked, 0 inconclusive, in 8.7 s"


def manifest(kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name} | ({"namespace": namespace} if namespace else {})}


def lists(changed: int = 0, waited: tuple[str, ...] = (), verified: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"changed": [f"ConfigMap shop/{n}" for n in range(changed)], "waited": waited, "verified": verified}


@pytest.fixture
def stages() -> list[dict[str, Any]]:
    first = _summary.begun("namespaces", 100.0, lists())
    after = lists(2, (), ("3 namespaces stand closed; 21 network policies are as derived, and none below.",))
    second = _summary.begun("services", 109.5, after)
    at_last = lists(9, ("4 ready after 12.3 s; slowest: shop/a 12.3 s.",), (*after["verified"], PASSED))
    return [_summary.ended(first, 109.5, after), _summary.ended(second, 130.0, at_last)]


def test_a_workflow_gets_it_as_data(stages: list[dict[str, Any]]) -> None:
    stages[1]["changed"] = ["Deployment shop/a", "ConfigMap shop/a-config", "Deployment shop/a"]
    assert _summary.artifact(stages) == {
        "began": "1970-01-01T00:01:40Z",
        "complete": True,
        "changed": 5,
        "deployments": ["shop/a"],
        "stages": {
            "namespaces": {"complete": True, "changed": 2, "seconds": 9.5},
            "services": {"complete": True, "changed": 3, "seconds": 20.5},
        },
        "verification": PASSED,
    }
    stages[1]["complete"] = False
    assert not _summary.artifact(stages)["complete"]


def test_what_was_changed_is_named_from_a_list_or_from_one_object() -> None:
    several = {
        "changed": True,
        "result": {
            "results": [
                {"changed": True, "result": manifest("Deployment", "user", "default")},
                {"changed": False, "result": manifest("Service", "user", "default")},
                {"changed": True, "result": manifest("Namespace", "shop")},
            ]
        },
    }
    assert _summary.applied_changes(several) == ["Deployment default/user", "Namespace shop"]
    one = {"changed": True, "result": manifest("Secret", "key", "shop")}
    assert _summary.applied_changes(one) == ["Secret shop/key"]
    assert _summary.applied_changes({**several, "changed": False}) == []
    assert _summary.applied_changes({"changed": False, "skipped": True}) == []


def test_each_stage_has_what_came_while_it_went_on(stages: list[dict[str, Any]]) -> None:
    assert [(one["name"], one["seconds"], len(one["changed"])) for one in stages] == [
        ("namespaces", 9.5, 2),
        ("services", 20.5, 7),
    ]
    assert stages[1]["verified"] == [PASSED]


def test_a_stage_in_one_line(stages: list[dict[str, Any]]) -> None:
    assert _summary.sentence(stages[1]) == (
        "services: 20.5 s; 7 objects changed (ConfigMap shop/2, ConfigMap shop/3, ConfigMap shop/4, ConfigMap shop/5, "
        f"ConfigMap shop/6, ConfigMap shop/7 and 1 more); 4 ready after 12.3 s; {PASSED}"
    )
    assert "would change" in _summary.sentence(stages[1], check_mode=True)


def test_the_table(stages: list[dict[str, Any]]) -> None:
    assert _summary.lines(stages, gateway="http://gateway") == [
        "STAGE       SECONDS  CHANGED  READY                 VERIFICATION",
        "namespaces      9.5        2  -                     3 namespaces stand closed",
        "services       20.5        7  4 ready after 12.3 s  PASSED",
        "30.0 s in all",
        f"Verification: {PASSED}",
        "Gateway: http://gateway",
    ]


def test_a_stage_that_stopped_is_named(stages: list[dict[str, Any]]) -> None:
    begun = _summary.begun("gateway", 130.0, lists())
    table = _summary.lines([*stages, _summary.ended(begun, 131.0, lists(1), complete=False)])
    assert table[3].split() == ["gateway", "1.0", "1", "-", "stopped"]
    assert table[-1].startswith("STOPPED in the stage gateway")
    # An older verdict must not read as one about what stopped.
    assert table[-2] == f"Verification: {PASSED} (before the stage gateway)"


def test_check_mode_promises_nothing(stages: list[dict[str, Any]]) -> None:
    assert "WOULD CHANGE" in _summary.lines(stages, check_mode=True)[0]


@pytest.mark.parametrize(
    ("spec", "status", "url", "place"),
    [
        ({"type": "NodePort", "ports": [{"name": "http", "port": 8080, "nodePort": 30080}]}, {}, "", "port 30080 of every node"),
        ({"type": "LoadBalancer", "ports": [{"port": 80}]}, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, "", "192.0.2.1:80"),
        ({"type": "LoadBalancer", "ports": [{"port": 80}]}, {}, "", "its load balancer has no address yet"),
        ({"ports": [{"port": 8080}]}, {}, "https://api.example", "https://api.example (gateway.shop:8080 within the cluster)"),
    ],
)  # fmt: skip
def test_where_the_gateway_is(spec: dict[str, Any], status: dict[str, Any], url: str, place: str) -> None:
    service = {**manifest("Service", "gateway", "shop"), "spec": spec, "status": status}
    assert _summary.gateway_place(service, url) == place


def test_a_gateway_that_is_not_there() -> None:
    assert _summary.gateway_place(None, "https://api.example") == "it is not there yet"


def test_what_is_waited_for_fits_into_the_name_of_a_task() -> None:
    manifests = [manifest("Deployment", f"service-{n}", "shop") for n in range(7)] + [manifest("Service", "x", "shop")]
    assert awaited(manifests) == (
        "shop/service-0, shop/service-1, shop/service-2, shop/service-3, shop/service-4 and 2 more"
    )
    assert awaited([]) == "nothing"
