# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azora's catalogue with the floor of cluster-level policies: it changes nothing, until NetworkPolicies are gone, and then opens nothing."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _cluster_network_policies, _connectivity
from ansible_collections.azora.platform.plugins.module_utils._network_policies import network_policies
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from policy_objects import namespace, pod

OUTSIDE = "198.51.100.10"
EXTERNAL = [{"host": "llm.outside.example", "address": OUTSIDE, "port": 443}]


@pytest.fixture
def policies(azora, cluster_facts):
    return network_policies(azora, cluster_facts)


@pytest.fixture
def floor(azora, cluster_facts):
    serving = {**cluster_facts, "served_apis": [_cluster_network_policies.API_VERSION]}
    return _cluster_network_policies.cluster_network_policies(azora, serving)


@pytest.fixture
def workloads(azora):
    return _connectivity.verification_workloads(azora)


@pytest.fixture
def running(azora, workloads):
    """A pod of each workload; strangers in an owned namespace and in another one, where also the DNS is."""
    objects = [namespace(one["name"]) for one in azora["namespaces"]] + [namespace("kube-system")]
    for number, workload in enumerate(workloads, 1):
        ports = {listen["name"]: listen["port"] for listen in workload["listens"]}
        one = pod(f"{workload['namespace']}/{workload['name']}-0", address=f"10.154.0.{number}", ports=ports)
        one["metadata"]["labels"] = dict(workload["selector"])
        objects.append(one)
    objects.append(pod("kube-system/dns", address="10.154.1.1", **{"k8s-app": "kube-dns"}))
    objects.append(pod("default/stranger", address="10.154.1.3"))
    return objects


def judged(objects, workloads):
    return Cluster.from_objects(objects, workloads=workloads)


def ends(workloads):
    names = [f"{one['namespace']}/{one['name']}" for one in workloads]
    return [*names, "default/Pod/stranger", "kube-system/Pod/dns"]


def queries(workloads):
    """Every ordered pair on a port that somebody listens on, on one that nobody does, and the outside."""
    every = ends(workloads)
    pairs = [(a, b) for a in every for b in every if a != b]
    return [
        {"source": a, "destination": b, "port": port, "protocol": protocol}
        for a, b in [*pairs, *((a, OUTSIDE) for a in every)]
        for port, protocol in ((8080, "TCP"), (443, "TCP"), (53, "UDP"), (65535, "SCTP"))
    ]


def owned(end):
    return not end.startswith("kube-system/") and end != OUTSIDE


def test_while_the_policies_stand_the_floor_changes_nothing(policies, floor, running, workloads):
    asked = queries(workloads)
    without = judged([*policies, *running], workloads).evaluate(asked)
    with_floor = judged([*policies, *floor, *running], workloads).evaluate(asked)
    assert [one["allowed"] for one in with_floor] == [one["allowed"] for one in without]
    assert [one["decided_by"] for one in with_floor] == [one["decided_by"] for one in without]
    assert any(one["allowed"] for one in without)


def test_without_any_policy_nothing_is_open_between_owned_namespaces_nor_out_of_them(floor, running, workloads):
    asked = [row for row in queries(workloads) if owned(row["source"])]
    answers = judged([*floor, *running], workloads).evaluate(asked)
    assert [row for row, answer in zip(asked, answers, strict=True) if answer["allowed"] or answer["partial"]] == []
    # It is the floor that does it.
    assert all(answer["allowed"] for answer in judged(running, workloads).evaluate(asked))
    assert all("ClusterNetworkPolicy azora." in one["sentence"] for one in answers[0]["decided_by"])


def test_without_any_policy_nobody_gets_into_owned_namespaces(floor, running, workloads):
    asked = [row for row in queries(workloads) if not owned(row["source"]) and owned(row["destination"])]
    assert asked
    assert not any(answer["allowed"] for answer in judged([*floor, *running], workloads).evaluate(asked))


def test_other_namespaces_are_left_alone(floor, running, workloads):
    running = [*running, namespace("theirs"), pod("theirs/one", address="10.154.2.1")]
    row = {"source": "theirs/Pod/one", "destination": "kube-system/Pod/dns", "port": 53, "protocol": "UDP"}
    [answer] = judged([*floor, *running], workloads).evaluate([row])
    assert answer["allowed"]


@pytest.mark.parametrize("gone", ["default", "azora-es", "azora-data", "azora-redis"])
def test_a_namespace_without_its_policies_opens_nothing(gone, azora, cluster_facts, floor, running):
    """Closed world: only what is declared and now closed differs from the expectation."""
    policies, workloads = network_policies(azora, cluster_facts), _connectivity.verification_workloads(azora)
    expected = _connectivity.connections(azora, external=EXTERNAL)
    kept = [one for one in policies if one["metadata"]["namespace"] != gone]
    open_to = judged([*kept, *running], workloads).difference(expected, mends=0)
    assert open_to["counts"]["unexpected"] > 0, "without the floor it opens"
    found = judged([*kept, *floor, *running], workloads).difference(expected, mends=0)
    assert (found["counts"]["unexpected"], found["counts"]["undefined"]) == (0, 0)
    touching = {
        (row["source"], row.get("address", row["destination"]))
        for row in expected
        if row["allowed"] and gone in (row["source"].split("/")[0], row["destination"].split("/")[0])
    }
    assert {(row["source"], row["destination"]) for row in found["missing"]} == touching
