# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The expected matrix: every ordered pair, every port, allowed only where the catalogue says so."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _connectivity, _verification_input

ENDS = [
    "default/gateway",
    "default/user",
    "default/course",
    "default/enrollment",
    "default/session",
    "azora-es/ai-agent",
    "azora-es/analytics",
    "azora-es/llm-wrapper",
    "azora-data/pg",
    "azora-redis/rec",
    "azora-data/bus",
]
PORTS = {
    # 8081 is its own API, which nobody may reach.
    "default/gateway": [8080, 8081],
    "azora-data/pg": [5432, 9187],
    "azora-redis/rec": [8070, 12000, 12001, 12002, 12003],
    "azora-data/bus": [9093, 9404],
}
SERVICE_PORTS = [8080, 9090]
# Every connection that Azora's documents declare, and no other.
DECLARED = {
    *[("default/gateway", f"default/{name}", 8080) for name in ("user", "course", "session", "enrollment")],
    *[("default/gateway", f"azora-es/{name}", 8080) for name in ("ai-agent", "analytics")],
    ("default/gateway", "azora-redis/rec", 12003),
    *[(f"default/{name}", "azora-es/ai-agent", 8080) for name in ("user", "course", "enrollment")],
    *[(f"default/{name}", "azora-es/analytics", 8080) for name in ("user", "course", "enrollment", "session")],
    *[(f"default/{name}", "azora-data/pg", 5432) for name in ("user", "course", "enrollment")],
    ("default/session", "azora-redis/rec", 12000),
    *[("azora-es/ai-agent", f"default/{name}", 8080) for name in ("user", "course", "enrollment", "session")],
    ("azora-es/ai-agent", "azora-es/llm-wrapper", 8080),
    ("azora-es/ai-agent", "azora-redis/rec", 12001),
    ("azora-es/analytics", "azora-redis/rec", 12002),
    ("azora-es/analytics", "azora-data/bus", 9093),
}
LLM = {"host": "llm.outside.example", "address": "198.51.100.10", "port": 443}


def test_closed_world(catalogue: dict[str, Any]) -> None:
    rows = _connectivity.connections(catalogue)
    found = [(row["source"], row["destination"], row["port"]) for row in rows]
    expected = {
        (source, destination, port)
        for source in ENDS
        for destination in ENDS
        if source != destination
        for port in PORTS.get(destination, SERVICE_PORTS)
    }
    assert set(found) == expected
    assert len(found) == len(expected)
    assert {(row["source"], row["destination"], row["port"]) for row in rows if row["allowed"]} == DECLARED


def test_rows_say_why(catalogue: dict[str, Any]) -> None:
    rows = {
        (row["source"], row["destination"], row["port"]): row
        for row in _connectivity.connections(catalogue, external=[LLM])
    }
    for key, because in {
        ("default/user", "azora-es/analytics", 8080): "user calls analytics",
        ("default/gateway", "default/user", 8080): "gateway routes to user",
        ("default/user", "azora-data/pg", 5432): "user uses the database user of postgres",
        ("azora-es/analytics", "azora-data/bus", 9093): "analytics uses kafka to produce analytics-events and consume analytics-events",
        ("azora-es/llm-wrapper", "198.51.100.10", 443): "llm-wrapper may reach https outside the cluster",
        ("default/user", "default/course", 8080): "not declared",
        ("default/user", "default/course", 9090): "metrics are for monitoring only",
        ("azora-data/pg", "198.51.100.10", 443): "not declared",
    }.items():  # fmt: skip
        assert rows[key]["because"] == because


def test_rows_are_complete(catalogue: dict[str, Any]) -> None:
    keys = {
        "source",
        "destination",
        "port",
        "port_name",
        "protocol",
        "application",
        "allowed",
        "because",
        "kind",
    }
    rows = _connectivity.connections(catalogue, external=[LLM])
    for row in rows:
        assert keys <= set(row)
        assert set(row) - keys <= {"host", "address"}
    applications = {(row["destination"], row["port"]): (row["application"], row["port_name"]) for row in rows}
    assert applications["azora-redis/rec", 12000] == ("redis", "session")
    assert applications["azora-data/pg", 5432] == ("postgresql", "postgresql")
    assert applications["azora-data/bus", 9093] == ("kafka", "kafka")
    assert applications["default/user", 8080] == ("http", "http")
    assert applications["198.51.100.10", 443] == ("https", "external")
    assert {row["kind"] for row in rows} == {"service", "store", "external"}


def test_external_rows(catalogue: dict[str, Any]) -> None:
    rows = [row for row in _connectivity.connections(catalogue, external=[LLM]) if row["kind"] == "external"]
    assert [row["source"] for row in rows] == ENDS
    assert {row["source"] for row in rows if row["allowed"]} == {
        "azora-es/ai-agent",
        "azora-es/analytics",
        "azora-es/llm-wrapper",
    }
    other_port = _connectivity.connections(catalogue, ["llm-wrapper"], [LLM | {"port": 8443}])
    assert [(row["port"], row["allowed"], row["application"]) for row in other_port] == [(8443, False, "none")]


def test_only_a_store_that_is_backed_up_reaches_the_object_store(catalogue: dict[str, Any], render: Any) -> None:
    backup = {"destination": "s3://backups", "endpoint": "https://s3.example.org:9000", "cidrs": ["198.51.100.0/24"]}
    backed_up = _catalogue.normalised(render({"catalogue_backup": backup}))
    object_store = {"address": "198.51.100.10", "port": 9000}

    def reaching(catalogue: dict[str, Any]) -> list[str]:
        rows = _connectivity.connections(catalogue, external=[object_store])
        return [row["source"] for row in rows if row["kind"] == "external" and row["allowed"]]

    assert reaching(catalogue) == []
    assert reaching(backed_up) == ["azora-data/pg", "azora-redis/rec"]
    without_redis = render({"catalogue_backup": backup, "catalogue_redis_backup": False})
    assert reaching(_catalogue.normalised(without_redis)) == ["azora-data/pg"]


def test_external_endpoint_by_name_only(catalogue: dict[str, Any], render: Any) -> None:
    [row] = _connectivity.connections(catalogue, ["llm-wrapper"], [{"host": "llm.outside.example"}])
    assert (row["destination"], row["port"], row["allowed"]) == ("llm.outside.example", 443, True)
    narrowed = _catalogue.normalised(render({"catalogue_external_cidrs": ["198.51.100.0/24"]}))
    with pytest.raises(_connectivity.ConnectivityInputError, match="give the external endpoint"):
        _connectivity.connections(narrowed, ["llm-wrapper"], [{"host": "llm.outside.example"}])


@pytest.mark.parametrize("endpoint", [{}, {"address": "198.51.100.10", "port": "https"}])
def test_bad_external_endpoint(catalogue: dict[str, Any], endpoint: dict[str, Any]) -> None:
    with pytest.raises(_connectivity.ConnectivityInputError):
        _connectivity.connections(catalogue, external=[endpoint])


def test_some_workloads(catalogue: dict[str, Any]) -> None:
    rows = _connectivity.connections(catalogue, ["user", "azora-es/analytics", "postgres"])
    assert {row["source"] for row in rows} == {"default/user", "azora-es/analytics", "azora-data/pg"}
    assert {row["destination"] for row in rows} == {"default/user", "azora-es/analytics", "azora-data/pg"}
    with pytest.raises(_connectivity.ConnectivityInputError, match="usr is neither a workload nor a store"):
        _connectivity.connections(catalogue, ["usr"])


def test_workloads_to_verify(catalogue: dict[str, Any]) -> None:
    workloads = {f"{one['namespace']}/{one['name']}": one for one in _connectivity.verification_workloads(catalogue)}
    assert list(workloads) == ENDS
    user = workloads["default/user"]
    assert (user["kind"], user["container"], user["replicas"]) == ("deployment", "user", 2)
    assert user["probes"]["liveness"]["path"] == "/health"
    assert [(listen["name"], listen["port"]) for listen in user["listens"]] == [("http", 8080), ("metrics", 9090)]
    agent = workloads["azora-es/ai-agent"]
    assert (agent["replicas"], agent["max_replicas"]) == (2, 5)
    postgres = workloads["azora-data/pg"]
    assert (postgres["kind"], postgres["container"], postgres["replicas"]) == ("store", "postgres", 3)
    assert postgres["probes"] == {}
    assert postgres["selector"] == {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance"}


def test_only_the_pods_of_one_revision(catalogue: dict[str, Any]) -> None:
    workloads = _connectivity.verification_workloads(
        catalogue, ["user", "ai-agent"], {"azora-es/ai-agent": "7c8fc56c64"}
    )
    user, agent = workloads
    assert "pod-template-hash" not in user["selector"]
    assert agent["selector"]["pod-template-hash"] == "7c8fc56c64"
    assert (agent["replicas"], agent["autoscaled"], "max_replicas" in agent) == (1, False, False)
    assert "pod-template-hash" not in catalogue["workloads"][-1]["selector"], "the catalogue stays as it is"


def test_the_verification_takes_both(catalogue: dict[str, Any]) -> None:
    workloads = _verification_input.workloads_from(_connectivity.verification_workloads(catalogue))
    connections = _verification_input.connections_from(_connectivity.connections(catalogue, external=[LLM]))
    known = {workload.identity: workload.ports.values() for workload in workloads}
    for connection in connections:
        assert connection.source in known
        if connection.kind != "external":
            assert connection.port in known[connection.destination]
