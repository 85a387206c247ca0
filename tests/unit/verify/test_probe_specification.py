# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live probes against declared ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import differences, probe_requests
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload, workloads_from

LIVE = {
    "httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"},
    "initialDelaySeconds": 30,
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}


def workload(**probe: Any) -> Workload:
    declared = {
        "path": "/health",
        "port": "http",
        "initial_delay_seconds": 30,
        "period_seconds": 10,
        "timeout_seconds": 1,
        "failure_threshold": 3,
        **probe,
    }
    given = {
        "name": "user",
        "namespace": "default",
        "selector": {"app": "user"},
        "replicas": 2,
        "probes": {"liveness": declared},
        "listens": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
    }
    return workloads_from([given])[0]


def pod(*, ports: Any = None, containers: Any = None, **probe: Any) -> dict[str, Any]:
    live = {**LIVE, **probe}
    ports = [{"name": "http", "containerPort": 8080}] if ports is None else ports
    container = {"name": "user", "ports": ports, "livenessProbe": live}
    return {"spec": {"containers": containers or [container]}}


def test_the_same_probe_has_no_differences() -> None:
    assert differences(pod(), workload()) == []


@pytest.mark.parametrize(
    ("live", "expected", "found"),
    [
        ({"httpGet": {"path": "/healthz", "port": 8080}}, "path /health", "path /healthz"),
        ({"httpGet": {"path": "/health", "port": 8081}}, "port 8080", "port 8081"),
        ({"httpGet": {"path": "/health", "port": "web"}}, "port 8080", "port web, a name no port has"),
        ({"httpGet": {"path": "/health", "port": 8080, "scheme": "HTTPS"}}, "scheme HTTP", "scheme HTTPS"),
        (
            {"httpGet": {"path": "/health", "port": 8080, "host": "127.0.0.1"}},
            "no host (the pod's own address)",
            "host 127.0.0.1",
        ),
        ({"initialDelaySeconds": 5}, "initial delay 30", "initial delay 5"),
        ({"periodSeconds": 5}, "period 10", "period 5"),
        ({"timeoutSeconds": 3}, "timeout 1", "timeout 3"),
        ({"failureThreshold": 1}, "failure threshold 3", "failure threshold 1"),
    ],
)
def test_each_difference_is_told(live: dict[str, Any], expected: str, found: str) -> None:
    assert differences(pod(**live), workload()) == [("liveness", expected, found)]


def test_numbers_and_names_mean_the_same_port() -> None:
    numbered = {"httpGet": {"path": "/health", "port": 8080}}
    assert differences(pod(**numbered), workload()) == []
    assert differences(pod(), workload(port=8080)) == []
    assert differences(pod(**numbered), workload(port="8080")) == []


def test_a_name_means_what_the_live_container_says() -> None:
    moved = [{"name": "http", "containerPort": 8888}]
    assert differences(pod(ports=moved), workload()) == [("liveness", "port 8080", "port http")]


def test_an_initial_delay_the_api_leaves_out_is_none() -> None:
    live = pod()
    del live["spec"]["containers"][0]["livenessProbe"]["initialDelaySeconds"]
    assert differences(live, workload()) == [("liveness", "initial delay 30", "initial delay 0")]
    assert differences(live, workload(initial_delay_seconds=0)) == []


def test_what_is_not_declared_is_not_compared() -> None:
    assert differences(pod(failureThreshold=9), workload(failure_threshold=None)) == []


def test_a_missing_probe_and_one_of_another_kind() -> None:
    bare = pod(containers=[{"name": "user"}])
    assert differences(bare, workload()) == [("liveness", "GET /health on port 8080", "no such probe")]
    by_command = pod(containers=[{"name": "user", "livenessProbe": {"exec": {"command": ["true"]}}}])
    assert differences(by_command, workload()) == [("liveness", "GET /health on port 8080", "a probe by exec")]


def test_the_container_is_found_by_name_among_several() -> None:
    sidecar = {"name": "proxy", "livenessProbe": {"exec": {}}}
    containers = [
        sidecar,
        {"name": "user", "ports": [], "livenessProbe": {**LIVE, "httpGet": {"path": "/health", "port": 8080}}},
    ]
    assert differences(pod(containers=containers), workload()) == []
    strange = pod(containers=[sidecar, {"name": "other"}])
    assert differences(strange, workload()) == [("container", "user", "containers proxy, other")]


def test_a_workload_without_probes_is_not_compared() -> None:
    assert differences(pod(), workloads_from([{"name": "pg", "namespace": "d", "selector": {"a": "b"}}])[0]) == []


def test_equal_requests_are_asked_once_with_the_shorter_timeout() -> None:
    probes = {
        "liveness": {"path": "/health", "port": "http", "timeout_seconds": 3},
        "readiness": {"path": "/health", "port": 8080, "timeout_seconds": 1},
        "startup": {"path": "/started", "port": "http"},
    }
    given = {
        "name": "user",
        "namespace": "default",
        "selector": {"a": "b"},
        "probes": probes,
        "listens": [{"name": "http", "port": 8080}],
    }
    health, started = probe_requests(workloads_from([given])[0])
    assert (health.probes, health.path, health.port, health.timeout) == (
        ("liveness", "readiness"),
        "/health",
        8080,
        1.0,
    )
    assert (started.probes, started.path, started.timeout) == (("startup",), "/started", 1.0)
