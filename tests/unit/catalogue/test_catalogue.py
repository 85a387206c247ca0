# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The normalised catalogue: Azora's services as its documents list them, and everything filled in."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue

# The platform's own table: who calls whom, and what each service uses. The catalogue says calls; callers must follow.
AZORA = {
    "gateway": ("default", [], ["user", "course", "session", "enrollment", "ai-agent", "analytics"], ["redis"], False),
    "user": ("default", ["gateway", "ai-agent"], ["ai-agent", "analytics"], ["postgresql"], False),
    "course": ("default", ["gateway", "ai-agent"], ["ai-agent", "analytics"], ["postgresql"], False),
    "enrollment": ("default", ["gateway", "ai-agent"], ["ai-agent", "analytics"], ["postgresql"], False),
    "session": ("default", ["gateway", "ai-agent"], ["analytics"], ["redis"], False),
    "ai-agent": (
        "azora-es",
        ["gateway", "user", "course", "enrollment"],
        ["llm-wrapper", "user", "course", "enrollment", "session"],
        ["redis"],
        True,
    ),
    "analytics": ("azora-es", ["gateway", "user", "course", "session", "enrollment"], [], ["redis", "kafka"], True),
    "llm-wrapper": ("azora-es", ["ai-agent"], [], [], True),
}


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


@pytest.mark.parametrize("name", AZORA)
def test_azora_is_as_documented(catalogue: dict[str, Any], name: str) -> None:
    namespace, callers, calls, stores, external = AZORA[name]
    workload = named(catalogue["workloads"], name)
    assert workload["namespace"] == namespace
    assert workload["replicas"] == 2
    assert sorted(workload["callers"]) == sorted(callers)
    assert sorted(workload["calls"]) == sorted(calls)
    assert sorted(use["kind"] for use in workload["stores"]) == sorted(stores)
    assert bool(workload["external"]) is external
    assert all(entry["port"] == 443 for entry in workload["external"])


def test_azora_has_no_other_workload(catalogue: dict[str, Any]) -> None:
    assert {workload["name"] for workload in catalogue["workloads"]} == set(AZORA)
    assert catalogue["workloads"][0] == catalogue["gateway"]
    assert catalogue["workloads"][1:] == catalogue["services"]


def test_each_redis_user_has_a_database_of_its_own(catalogue: dict[str, Any]) -> None:
    used = {
        workload["name"]: use["database"]
        for workload in catalogue["workloads"]
        for use in workload["stores"]
        if use["kind"] == "redis"
    }
    assert used == {name: name for name in ("gateway", "session", "ai-agent", "analytics")}


def test_each_core_service_has_a_database_with_vectors(catalogue: dict[str, Any]) -> None:
    databases = named(catalogue["stores"], "postgres")["databases"]
    assert [(entry["name"], entry["owner"], entry["extensions"]) for entry in databases] == [
        (name, name, ["vector"]) for name in ("user", "course", "enrollment")
    ]


@pytest.mark.parametrize("name", [name for name in AZORA if name != "gateway"])
def test_azora_probes_and_resources(catalogue: dict[str, Any], name: str) -> None:
    service = named(catalogue["services"], name)
    liveness, readiness = service["probes"]["liveness"], service["probes"]["readiness"]
    assert (liveness["path"], liveness["initial_delay_seconds"], liveness["period_seconds"]) == ("/health", 30, 10)
    assert (readiness["path"], readiness["initial_delay_seconds"], readiness["period_seconds"]) == ("/health", 5, 5)
    assert liveness["port_number"] == readiness["port_number"] == 8080
    large = name in ("ai-agent", "analytics")
    assert service["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi" if large else "256Mi"},
        "limits": {"cpu": "500m", "memory": "1Gi" if large else "512Mi"},
    }
    assert service["autoscaling"]["enabled"] is (service["namespace"] == "azora-es")


def test_azora_gateway_probes(catalogue: dict[str, Any]) -> None:
    probes = catalogue["gateway"]["probes"]
    assert (probes["liveness"]["path"], probes["readiness"]["path"]) == ("/hello", "/ready")
    assert "metrics" not in catalogue["gateway"]["ports"]


def test_a_control_port_takes_the_gateway_s_probes(platform: dict[str, Any]) -> None:
    platform["gateway"]["ports"] = {"http": 8080, "control": 8081}
    probes = _catalogue.normalised(platform)["gateway"]["probes"]
    assert (probes["liveness"]["port"], probes["readiness"]["port_number"]) == ("control", 8081)


def test_names_of_namespaces_are_variables(render: Any) -> None:
    """Nothing insists on the names that Azora happens to use."""
    names = {
        f"catalogue_{kind}_namespace": f"ns-{kind.replace('_', '-')}"
        for kind in ("core", "es", "data", "redis", "monitoring", "postgres_operator", "kafka_operator")
    }
    text = json.dumps(_catalogue.normalised(render(names)))
    for name in ("default.svc", '"default"', "azora-es", "azora-data", "azora-redis", "cnpg-system", "strimzi-system"):
        if name == '"default"':
            text = text.replace('"default":', "")  # the key of a limit range
        assert name not in text


def test_labels_and_addresses(catalogue: dict[str, Any]) -> None:
    agent = named(catalogue["services"], "ai-agent")
    assert agent["id"] == "azora-es/ai-agent"
    assert agent["url"] == "http://ai-agent.azora-es.svc.cluster.local:8080"
    assert agent["selector"] == {"app.kubernetes.io/name": "ai-agent", "app.kubernetes.io/part-of": "azora"}
    assert agent["selector"].items() <= agent["labels"].items()
    analytics = named(catalogue["services"], "analytics")
    assert [(use["host"], use["port"]) for use in analytics["stores"]] == [
        ("analytics.azora-redis.svc.cluster.local", 12002),
        ("bus-kafka-bootstrap.azora-data.svc.cluster.local", 9093),
    ]
    assert named(catalogue["services"], "user")["stores"][0]["host"] == "pg-rw.azora-data.svc.cluster.local"


def test_input_stays_as_it_is(platform: dict[str, Any]) -> None:
    before = copy.deepcopy(platform)
    first = _catalogue.normalised(platform)
    assert platform == before
    first["services"][0]["labels"].clear()
    first["workloads"][1]["resources"].clear()
    assert first["services"][0]["resources"]
    assert platform == before
    assert _catalogue.normalised(platform)["services"][0]["labels"]


def test_same_input_same_output(platform: dict[str, Any]) -> None:
    one = json.dumps(_catalogue.normalised(platform))
    assert one == json.dumps(_catalogue.normalised(copy.deepcopy(platform)))


def test_the_smallest_catalogue_is_filled(small: dict[str, Any]) -> None:
    catalogue = _catalogue.normalised(small)
    assert catalogue["gateway"] is None
    assert catalogue["stores"] == catalogue["operators"] == []
    assert catalogue["monitoring"] is None
    front, back = catalogue["services"]
    assert front["ports"] == {"http": 8080, "metrics": 9090}
    assert (front["calls"], front["callers"], back["callers"]) == (["back"], [], ["front"])
    assert front["kind"] == "front"
    assert front["autoscaling"] == {
        "enabled": False,
        "min_replicas": 2,
        "max_replicas": 5,
        "cpu_percent": 80,
        "memory_percent": 80,
        "scale_up_window_seconds": 0,
        "scale_down_window_seconds": 300,
    }
    assert catalogue["namespaces"][0]["pod_security"]["enforce"] == "restricted"


def test_defaults_of_the_platform_lie_under_each_service(small: dict[str, Any]) -> None:
    small["defaults"] = {
        "replicas": 3,
        "resources": {"requests": {"cpu": "100m"}},
        "probes": {"liveness": {"path": "/live"}},
        "environment": {"REGION": "north", "LEVEL": 1},
        "ports": {"http": 3000},
    }
    small["services"][0] |= {"replicas": 1, "environment": {"LEVEL": True, "GONE": None}}
    front, back = _catalogue.normalised(small)["services"]
    assert (front["replicas"], back["replicas"]) == (1, 3)
    assert back["resources"]["requests"] == {"cpu": "100m", "memory": "256Mi"}
    assert front["environment"] == {"REGION": "north", "LEVEL": "true"}
    assert back["environment"] == {"REGION": "north", "LEVEL": "1"}
    assert front["probes"]["liveness"]["path"] == "/live"
    assert front["probes"]["readiness"]["path"] == "/health"
    # Ports are given whole: without metrics there is no metrics port.
    assert front["ports"] == {"http": 3000}


def test_short_forms(small: dict[str, Any]) -> None:
    small["services"][0]["probes"] = {"liveness": "/live"}
    small["services"][0]["expose"] = "/front"
    small["namespaces"][0]["pod_security"] = "baseline"
    small["gateway"] = {"name": "door", "namespace": "shop", "image": "registry.example/door:1"}
    catalogue = _catalogue.normalised(small)
    front = catalogue["services"][0]
    assert front["probes"]["liveness"]["path"] == "/live"
    assert front["expose"] == {"path": "/front", "strip_path": False}
    assert catalogue["namespaces"][0]["pod_security"] == {
        "enforce": "baseline",
        "audit": "restricted",
        "warn": "restricted",
        "version": "latest",
    }
    assert catalogue["gateway"]["calls"] == ["front"]
    assert front["callers"] == ["door"]


def test_stores_without_metrics(render: Any) -> None:
    for store in _catalogue.normalised(render({"catalogue_store_metrics": False}))["stores"]:
        assert store["metrics_port"] is None
        assert "metrics" not in [listen["name"] for listen in store["listens"]]


def test_a_single_broker_gets_single_copies(render: Any) -> None:
    kafka = named(_catalogue.normalised(render({"catalogue_kafka_brokers": 1}))["stores"], "kafka")
    assert kafka["topics"][0]["replicas"] == 1
