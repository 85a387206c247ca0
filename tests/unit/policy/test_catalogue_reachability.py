# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azora's catalogue: the policies that are derived from it open exactly the connections that are expected from it.

The two are derived by different code, and judged by a third.
"""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _connectivity, _network_policies
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from policy_objects import namespace, pod

OUTSIDE = "198.51.100.10"
EXTERNAL = [{"host": "llm.outside.example", "address": OUTSIDE, "port": 443}]
EVERY_PORT = ["1-442", "444-65535"]


@pytest.fixture
def policies(azora, cluster_facts):
    return _network_policies.network_policies(azora, cluster_facts)


@pytest.fixture
def expected(azora):
    return _connectivity.connections(azora, external=EXTERNAL)


@pytest.fixture
def workloads(azora):
    return _connectivity.verification_workloads(azora)


@pytest.fixture
def running(azora, workloads):
    """Two pods of each workload, and pods of others that policies speak of."""
    objects = [namespace(one["name"]) for one in azora["namespaces"]] + [namespace("kube-system")]
    number = 0
    for workload in workloads:
        for replica in range(2):
            number += 1
            one = pod(
                f"{workload['namespace']}/{workload['name']}-{replica}",
                address=f"10.154.0.{number}",
                ports={listen["name"]: listen["port"] for listen in workload["listens"]},
                replica=str(replica),
                **workload["selector"],
            )
            one["metadata"]["labels"].pop("app", None)
            one["metadata"]["labels"].update(workload["selector"])
            objects.append(one)
    objects.append(pod("kube-system/dns", address="10.154.1.1", **{"k8s-app": "kube-dns"}))
    objects.append(pod("azora-monitoring/prometheus", address="10.154.1.2", **{"app.kubernetes.io/name": "prometheus"}))
    objects.append(pod("default/stranger", address="10.154.1.3"))
    return objects


def judged(objects, expected, workloads, **options):
    return Cluster.from_objects(objects, workloads=workloads).difference(expected, **options)


def pairs(rows):
    return {(row["source"], row["destination"]) for row in rows}


def test_derived_policies_are_exactly_what_is_expected(policies, running, expected, workloads):
    found = judged([*policies, *running], expected, workloads)
    assert found["counts"] == {"missing": 0, "unexpected": 0, "undefined": 0}


def test_so_are_they_before_there_is_a_cluster(policies, expected, workloads, cluster_facts):
    cluster = Cluster.from_objects(policies, workloads=workloads, pod_networks=cluster_facts["pod_cidrs"])
    assert not any(cluster.difference(expected)["counts"].values())
    assert all(sentence.startswith(("no pod of", "the Namespace")) for sentence in cluster.warnings)


def test_row_by_row(policies, running, expected, workloads):
    cluster = Cluster.from_objects([*policies, *running], workloads=workloads)
    answers = cluster.evaluate([{**row, "destination": row.get("address", row["destination"])} for row in expected])
    assert len(answers) > 200
    for row, answer in zip(expected, answers, strict=True):
        assert answer["allowed"] == row["allowed"], (row, answer["decided_by"])
        assert not answer["partial"]


def test_each_policy_that_is_missing_closes_its_connections(policies, running, expected, workloads):
    names = {f"{one['namespace']}/{one['name']}" for one in workloads}
    tried = 0
    for gone in policies:
        own, _dash, direction = gone["metadata"]["name"].rpartition("-")
        end = f"{gone['metadata']['namespace']}/{own}"
        if end not in names:
            continue
        tried += 1
        side = "destination" if direction == "ingress" else "source"
        found = judged([one for one in policies if one is not gone] + running, expected, workloads, mends=0)
        wanted = {
            (row["source"], row.get("address", row["destination"]))
            for row in expected
            if row["allowed"] and row[side] == end
        }
        assert pairs(found["missing"]) == wanted, gone["metadata"]
        # Default deny stands, so nothing opens.
        assert found["unexpected"] == []
        assert all(row["because"] for row in found["missing"])
    assert tried == 22


def test_what_is_missing_is_mended_by_the_pair_that_was_generated(policies, running, expected, workloads):
    kept = [one for one in policies if one["metadata"]["name"] != "analytics-ingress"]
    found = judged([*kept, *running], expected, workloads)
    row = next(one for one in found["missing"] if one["source"] == "default/user")
    [change] = row["mend"]["changes"]
    assert change["manifest"]["metadata"] == {
        "name": "analytics-ingress-from-user",
        "namespace": "azora-es",
    }
    assert row["mend"]["also_closes"] == []
    again = judged([*kept, *running, change["manifest"]], expected, workloads, mends=0)
    assert again["counts"]["missing"] == found["counts"]["missing"] - 1
    assert again["counts"]["unexpected"] == 0


def test_a_door_that_is_open_is_unexpected(policies, running, expected, workloads):
    door = copy.deepcopy(policies[0])
    door["metadata"] = {"name": "open-door", "namespace": "azora-es"}
    door["spec"] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    found = judged([*policies, *running, door], expected, workloads)
    inside = {"azora-es/ai-agent", "azora-es/analytics", "azora-es/llm-wrapper"}
    assert pairs(found["unexpected"]) == {(a, b) for a in inside for b in inside | {OUTSIDE} if a != b}
    [tcp] = [
        row
        for row in found["unexpected"]
        if (row["source"], row["destination"], row["protocol"]) == ("azora-es/ai-agent", OUTSIDE, "TCP")
    ]
    assert tcp["ports"] == EVERY_PORT
    assert found["missing"] == []
    assert all("open-door" in row["mend"]["sentence"] for row in found["unexpected"] if row["mend"])


def test_a_stranger_is_unexpected_once_the_world_is_the_cluster(policies, running, expected, workloads):
    allow = copy.deepcopy(policies[0])
    allow["metadata"] = {"name": "for-a-stranger", "namespace": "default"}
    allow["spec"] = {
        "podSelector": {"matchLabels": {"app": "stranger"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "user"}}}]}],
    }
    opened = copy.deepcopy(allow)
    opened["metadata"]["name"] = "to-a-stranger"
    opened["spec"] = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "user"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "stranger"}}}]}],
    }
    objects = [*policies, *running, allow, opened]
    assert judged(objects, expected, workloads)["counts"]["unexpected"] == 0
    whole = judged(objects, expected, workloads, world="cluster", mends=0)
    assert ("default/user", "default/Pod/stranger") in pairs(whole["unexpected"])
