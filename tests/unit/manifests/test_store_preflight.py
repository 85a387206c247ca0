# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that a cluster lacks for its stores is one sentence that names the variable to change."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.azora.platform.plugins.filter import store_findings as the_filter
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import kafka_manifests
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_manifests
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import redis_manifests
from ansible_collections.azora.platform.plugins.module_utils._store_preflight import store_findings

FAST = {"metadata": {"name": "fast"}}
DEFAULT = {"metadata": {"name": "usual", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}


def node(name: str, *, cpu: str = "16", memory: str = "64Gi", **spec: t.Any) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": memory}},
    }


THREE = (node("a"), node("b"), node("c"))


@pytest.fixture
def judge(catalogue, settings):
    def judged(nodes=THREE, classes=(DEFAULT,), clusters=(), **given: dict[str, t.Any]) -> list[str]:
        licensed = {"redis": {"redis_license_secret_name": "paid"}} | given
        manifests = [
            *postgres_manifests(catalogue, settings("postgres", **licensed.get("postgres", {}))),
            *redis_manifests(catalogue, settings("redis", **licensed["redis"])),
            *kafka_manifests(catalogue, settings("kafka", **licensed.get("kafka", {}))),
        ]
        return store_findings(manifests, nodes=nodes, storage_classes=classes, redis_clusters=clusters)

    return judged


def rec(catalogue, secret: str | None = None, **status: t.Any) -> dict[str, t.Any]:
    store = next(store for store in catalogue["stores"] if store["kind"] == "redis")
    spec = {"licenseSecretName": secret} if secret else {}
    return {
        "metadata": {"namespace": store["namespace"], "name": store["cluster"]},
        "spec": spec,
        "status": {"licenseStatus": status},
    }


def test_nothing_is_missing(judge):
    assert judge() == []


def test_what_could_not_be_read_is_not_judged(judge):
    assert judge(nodes=None, classes=None, clusters=None) == []


def test_a_storage_class_that_is_not_there(judge):
    said = judge(classes=[FAST, DEFAULT], postgres={"postgres_storage_class": "quick"})
    assert said == [
        "postgres_storage_class names the StorageClass 'quick' for the PostgreSQL cluster data/pg, which does not exist; "
        "the cluster has fast, usual"
    ]


def test_no_default_storage_class(judge):
    said = judge(classes=[FAST], redis={"redis_storage_class": "fast", "redis_license_secret_name": "paid"})
    assert [sentence.split()[0] for sentence in said] == [
        "postgres_storage_class",
        "kafka_storage_class",
        "kafka_storage_class",
    ]
    assert "no StorageClass is the cluster's default; name one: the cluster has fast" in said[0]


def test_fewer_nodes_than_instances(judge):
    said = judge(nodes=THREE[:2])
    assert len(said) == 4
    assert said[0] == (
        "the PostgreSQL cluster data/pg has 3 pods, each on a node of its own, but 2 nodes can take one: "
        "add nodes, or lower its number in the catalogue, or set postgres_anti_affinity to preferred"
    )
    assert said[1].startswith("the Redis cluster cache/rec has 3 pods")
    assert "anti_affinity" not in said[1]


def test_pods_that_may_share_a_node(judge):
    said = judge(
        nodes=THREE[:1],
        postgres={"postgres_anti_affinity": "preferred"},
        kafka={"kafka_anti_affinity": "preferred"},
        redis={"redis_license_secret_name": "paid", "redis_cluster_settings": {"podAntiAffinity": {}}},
    )
    assert said == []


def test_a_tainted_node_takes_nothing_and_a_cordoned_one_comes_back(judge):
    tainted = node("c", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])
    cordoned = node(
        "c", unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    )
    assert len(judge(nodes=[*THREE[:2], tainted])) == 4
    assert judge(nodes=[*THREE[:2], cordoned]) == []


def test_nodes_that_are_too_small(judge):
    said = judge(nodes=[node("a", memory="2Gi"), *THREE[1:]])
    assert said == [
        "the Redis cluster cache/rec asks for cpu 2, memory 4Gi on 3 nodes, but 2 nodes can give it "
        "(at most there is cpu 16, memory 64Gi): lower redis_resources, or add larger nodes"
    ]


def test_databases_larger_than_the_nodes(judge):
    small = {"requests": {"memory": "100Mi"}, "limits": {"memory": "100Mi"}}
    said = judge(redis={"redis_license_secret_name": "paid", "redis_resources": small})
    assert len(said) == 1
    assert "are 500 MB together, replicas counted, but 3 nodes of 100Mi hold 314 MB" in said[0]


def test_more_shards_than_the_licence_allows(judge, catalogue):
    limited = rec(catalogue, "paid", licenseState="Valid", shardsLimit=3)
    (said,) = judge(clusters=[limited])
    assert "have 4 shards, masters and replicas counted together, but its licence allows 3" in said
    # Which this run does away with.
    assert judge(clusters=[limited], redis={"redis_license_secret_name": "larger"}) == []


def test_the_trial_holds_four_shards(judge, catalogue):
    assert judge(redis={}) == []
    for database in next(store for store in catalogue["stores"] if store["kind"] == "redis")["databases"]:
        database["replication"] = True
    (said,) = judge(redis={})
    assert "have 6 shards" in said
    assert "Redis Enterprise's trial allows 4" in said


def test_an_expired_licence(judge, catalogue):
    expired = {"licenseState": "Expired", "expirationDate": "2026-01-31"}
    (said,) = judge(clusters=[rec(catalogue, "paid", **expired)])
    assert said == (
        "the licence of the Redis cluster cache/rec is Expired (until 2026-01-31), so no database of it can be made or changed: "
        "give another one as redis_license, or put it into the Secret paid, key license, and run this again"
    )
    (trial,) = judge(clusters=[rec(catalogue, **expired)], redis={})
    assert "put it into a Secret with the key license and name that in redis_license_secret_name" in trial
    # The remedy itself is not refused.
    assert judge(clusters=[rec(catalogue, **expired)]) == []


def test_the_filter_takes_what_could_not_be_read():
    assert the_filter.FilterModule().filters()["store_findings"]([], nodes=None, storage_classes=None) == []
