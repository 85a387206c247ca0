# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on clusters: each has a finding of its own, and none of it passes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.modules import verify

from . import conftest as servers
from .small_platform import ALL, OTHER, SHOP, STORE, Platform


def sentences(outcome: dict[str, Any]) -> list[str]:
    return [mismatch["sentence"] for mismatch in outcome["mismatches"]]


def test_an_earlier_ephemeral_container_that_pod_security_refuses(platform: Platform, run: Any) -> None:
    debugger = {"name": "debugger-x7k2p", "securityContext": {"privileged": True}}
    platform.api.pods["data", "pg-1"]["spec"]["ephemeralContainers"] = [debugger]
    outcome = run(verify, **platform.options())
    assert outcome["failed"]
    told = [sentence for sentence in sentences(outcome) if "debugger-x7k2p" in sentence]
    assert told == [
        "no prober could be added to data/pg-1: its ephemeral container debugger-x7k2p violates the Pod Security level of the"
        " namespace, which judges the pod as a whole and refuses every further one; only replacing the pod removes it"
    ]


def test_a_network_plugin_that_enforces_nothing(platform: Platform, run: Any) -> None:
    platform.add_policies()
    platform.api.closed.clear()
    outcome = run(verify, **platform.options(checks=ALL))
    assert outcome["failed"]
    first = outcome["mismatches"][0]
    assert first["check"] == "enforcement"
    assert first["sentence"].startswith("All 3 connections that should be closed are open: policies are not enforced")


def test_a_server_that_listens_on_its_loopback_only(platform: Platform, run: Any) -> None:
    port = platform.serve(servers.http_answer(200), "127.0.0.1")
    platform.api.pods["default", "other-a"]["spec"]["containers"][0]["ports"][0]["containerPort"] = port
    options = platform.options()
    options["workloads"][1]["listens"] = [{"name": "http", "port": port, "protocol": "TCP", "application": "http"}]
    options["connections"] = [
        {**row, "port": port, "allowed": True} if row["destination"] == OTHER else row for row in options["connections"]
    ]
    platform.api.closed.clear()
    outcome = run(verify, **options)
    told = sentences(outcome)
    assert any(
        sentence.startswith("pod default/other-a does not pass GET /health on its own address")
        and "refused" in sentence
        for sentence in told
    ), told
    connection = next(row for row in outcome["connections"] if row["destination"] == OTHER)
    assert connection["verdict"] == "INCONCLUSIVE"
    assert connection["reason"] == (
        f"other-a refuses port {port}, to itself too: nothing listens there, or only on 127.0.0.1"
    )


def test_a_port_name_that_nobody_has(platform: Platform, run: Any) -> None:
    """In the declaration it is refused before anything is looked at; in a live pod it is found."""
    options = platform.options(checks=["probes"])
    options["workloads"][1]["probes"] = {"readiness": {"path": "/health", "port": "web", "period_seconds": 5}}
    outcome = run(verify, **options)
    assert outcome["msg"] == (
        "The verification cannot be done: workloads[1].probes.readiness.port is web, the name of no TCP port in"
        " workloads[1].listens; known: http."
    )
    assert not platform.api.requests
    (container,) = platform.api.pods["default", "other-a"]["spec"]["containers"]
    container["readinessProbe"]["httpGet"]["port"] = "web"
    outcome = run(verify, **platform.options(checks=["probes"]))
    assert sentences(outcome) == [
        "the readiness probe of pod default/other-a is not as declared:"
        f" expected port {platform.http}, found port web, a name no port has"
    ]


def service(target: int, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 5432, "targetPort": target, "protocol": "TCP"}]
    return {
        "metadata": {"namespace": "data", "name": "pg-rw"},
        "spec": {"clusterIP": "127.0.0.31", "selector": {"cluster": "pg"}, "ports": ports, **spec},
    }


def test_a_service_that_does_not_lead_to_its_pods(platform: Platform, run: Any) -> None:
    """The pods answer under their own addresses and not under that of their Service."""
    platform.api.surroundings["services"].append(service(platform.sql))
    outcome = run(verify, **platform.options())
    assert sentences(outcome) == [
        f"{SHOP} cannot reach {STORE}:{platform.sql} (postgresql): expected OPEN, found BLOCKED (refused on the way to the"
        " Service data/pg-rw at 127.0.0.31:5432, which listens on 5432; each of its pods is OPEN)"
    ]


@pytest.mark.parametrize("spec", [{}, {"clusterIP": "None"}])
def test_a_service_that_leads_to_another_port(platform: Platform, run: Any, spec: dict[str, Any]) -> None:
    platform.api.surroundings["services"].append(service(6432, **spec))
    outcome = run(verify, **platform.options())
    assert sentences(outcome) == [
        f"no Service leads to port {platform.sql} of {STORE}, which is declared;"
        " Services lead to other ports of its pods: data/pg-rw to 6432"
    ]


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"selector": {}}, {"selector": {"cluster": "else"}}])
def test_services_without_an_address_or_pods_are_no_way(platform: Platform, run: Any, spec: dict[str, Any]) -> None:
    platform.api.surroundings["services"].append(service(platform.sql, **spec))
    outcome = run(verify, **platform.options())
    assert outcome["passed"], outcome["msg"]


def row_to_itself(platform: Platform, workload: str) -> dict[str, Any]:
    rows = platform.options()["connections"]
    return {**next(row for row in rows if row["source"] == OTHER), "source": workload, "destination": workload}


def test_a_workload_that_may_not_talk_to_its_replicas_still_reaches_its_own_address(
    platform: Platform, run: Any
) -> None:
    for sender, address in (("shop-a", "127.0.0.12"), ("shop-b", "127.0.0.11")):
        platform.api.closed.add((sender, address, platform.http))
    outcome = run(verify, **platform.options(connections=[row_to_itself(platform, SHOP)]))
    assert outcome["passed"], outcome["msg"]
    assert [row["verdict"] for row in outcome["connections"]] == ["BLOCKED"]


def test_a_leak_between_replicas_is_a_leak(platform: Platform, run: Any) -> None:
    outcome = run(verify, **platform.options(connections=[row_to_itself(platform, SHOP)]))
    assert outcome["failed"]
    assert sentences(outcome)[0].startswith(f"{SHOP} can reach {SHOP}:{platform.http}")


def test_a_single_replica_tells_nothing_about_others(platform: Platform, run: Any) -> None:
    outcome = run(verify, **platform.options(connections=[row_to_itself(platform, OTHER)]))
    assert not outcome["complete"]
    assert outcome["connections"][0]["reason"] == f"{OTHER} has no other ready pod"


def test_the_way_back_through_a_service_is_told_apart(platform: Platform, run: Any) -> None:
    listening = platform.serve(servers.http_answer(200), "127.0.0.32")
    for name, address, port in (("one", "127.0.0.32", listening), ("two", "127.0.0.33", listening)):
        manifest = service(platform.http, clusterIP=address, selector={"app": "other"})
        manifest["metadata"] = {"namespace": "default", "name": name}
        manifest["spec"]["ports"][0]["port"] = port
        platform.api.surroundings["services"].append(manifest)
    # Without the shop's connection to it, for which these Services would count as well.
    outcome = run(verify, **platform.options(connections=platform.options()["connections"][2:]))
    assert outcome["passed"], outcome["msg"]
    assert outcome["hairpins"] == [
        {"workload": OTHER, "service": "default/one", "address": "127.0.0.32", "port": listening, "outcome": "open"},
        {"workload": OTHER, "service": "default/two", "address": "127.0.0.33", "port": listening, "outcome": "refused"},
    ]
    assert outcome["summary"]["connections"] == 2
