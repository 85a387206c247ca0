# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes in which step, what stays, and what forbids to begin."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _teardown
from standing_shop import (
    GROUPS,
    OURS,
    PG,
    PLATFORM,
    REDBS,
    STORE,
    STRIMZI,
    Entry,
    MakePlan,
    Plan,
    entry,
    names,
    standing,
)


def step(plan: Plan, number: int) -> list[str]:
    return names(plan["steps"][number]["resources"])


def test_the_steps_go_from_the_outside_in(plan: MakePlan) -> None:
    made = plan()
    assert made["refusals"] == []
    assert step(made, 0) == ["Deployment orders", "Secret orders-credentials"]
    assert step(made, 1) == [
        "Backup pg-by-hand",
        "Database pg-orders",
        "KafkaTopic sales",
        "RedisEnterpriseDatabase carts",
        "ScheduledBackup pg-backups",
    ]
    assert step(made, 2) == ["Cluster pg", "Kafka bus", "KafkaNodePool combined", "RedisEnterpriseCluster rec"]
    assert step(made, 3) == ["Pod pg-1", "Service pg-rw"]
    assert names(made["operators"]) == ["Deployment cnpg", "Deployment redis", "Deployment strimzi"]
    assert len(made["definitions"]) == 3
    assert names(made["floors"]) == ["ClusterNetworkPolicy shop.data.floor", *["NetworkPolicy default-deny"] * 5]


def test_the_pods_of_the_other_stores_are_waited_for(plan: MakePlan) -> None:
    assert names(plan()["steps"][2]["awaited"]) == ["Pod bus-combined-0", "Pod rec-0"]


def test_only_the_object_that_was_seen_is_named(plan: MakePlan) -> None:
    [deployment, _secret] = plan()["steps"][0]["resources"]
    assert deployment["metadata"] == {"name": "orders", "namespace": "front", "uid": "uid-Deployment-front/orders"}


def test_kept_volumes_of_postgres_are_let_go_before_their_cluster_could_take_them_along(plan: MakePlan) -> None:
    policies = {one["kind"]: one.get("propagationPolicy") for one in plan()["steps"][2]["resources"]}
    assert policies == {"Cluster": "Orphan", "Kafka": None, "KafkaNodePool": None, "RedisEnterpriseCluster": None}
    deleted = plan(data="delete")["steps"][2]["resources"]
    assert [one.get("propagationPolicy") for one in deleted] == [None] * 4


def test_what_is_kept_is_told_how_to_come_back(plan: MakePlan) -> None:
    notes = {f"{note['kind']} {note['metadata']['name']}": note["metadata"]["annotations"] for note in plan()["notes"]}
    of_shop = {"azora.platform/kept-of": "shop"}
    assert notes == {
        "PersistentVolumeClaim pg-1": of_shop,
        "Secret pg-ca": of_shop,
        "ConfigMap pg-leader": of_shop,
        "Secret pg-orders": of_shop,
        "PersistentVolumeClaim data-0-bus-combined-0": {**of_shop, "azora.platform/kafka-cluster-id": "old-id"},
        # Else the topic operator deletes the topic with its resource.
        "KafkaTopic sales": {"strimzi.io/managed": "false"},
    }


def test_the_data_of_a_store_that_is_named_go_and_the_others_stay(plan: MakePlan) -> None:
    assert step(plan(), 4) == ["ObjectStore pg-backups", "PersistentVolumeClaim storage-rec-0"]


def test_with_delete_all_data_go_and_nothing_is_noted(plan: MakePlan) -> None:
    made = plan(data="delete", delete_stores=[])
    assert made["notes"] == []
    assert step(made, 4) == [
        "ObjectStore pg-backups",
        "PersistentVolumeClaim data-0-bus-combined-0",
        "PersistentVolumeClaim storage-rec-0",
        "Secret pg-orders",
    ]
    # These go with the Cluster, and are accounted for there.
    assert names(made["steps"][2]["awaited"]) == [
        "ConfigMap pg-leader",
        "PersistentVolumeClaim pg-1",
        "Pod bus-combined-0",
        "Pod rec-0",
        "Secret pg-ca",
    ]
    assert names(made["namespaces"]) == [f"Namespace {name}" for name in ("cache", "data", "front", "operators")]
    assert made["kept"] == []


def test_namespaces_with_data_stay_and_say_so(plan: MakePlan) -> None:
    made = plan()
    assert names(made["namespaces"]) == [f"Namespace {name}" for name in ("cache", "front", "operators")]
    assert made["kept"] == [
        "the data of kafka in data, the volumes data-0-bus-combined-0",
        "the data of postgres in data, the volumes pg-1 and 3 Secrets and ConfigMaps that open them",
        "namespace data: it holds the data of kafka and postgres",
    ]


def test_what_is_not_ours_keeps_its_namespace_and_is_named(plan: MakePlan) -> None:
    made = plan(*(entry("ConfigMap", f"front/note-{number}") for number in range(7)))
    assert "Namespace front" not in names(made["namespaces"])
    [sentence] = [one for one in made["kept"] if one.startswith("namespace front")]
    assert sentence.startswith("namespace front: it holds what is not this platform's, ConfigMap front/note-0, ")
    assert sentence.endswith("ConfigMap front/note-4 and 2 more")
    assert not any("note-" in name for one in made["steps"] for name in names(one["resources"]))


@pytest.mark.parametrize(
    "labels", [{}, {"app.kubernetes.io/part-of": "shop"}, {**OURS, "app.kubernetes.io/part-of": "other"}]
)
def test_an_object_is_ours_only_with_all_labels(plan: MakePlan, labels: dict[str, str]) -> None:
    made = plan(entry("Deployment", "front/someone", labels, api="apps/v1"))
    assert "Deployment someone" not in step(made, 0)
    assert "Namespace front" not in names(made["namespaces"])


def test_what_verification_remembers_goes_too(plan: MakePlan) -> None:
    labels = {"app.kubernetes.io/managed-by": "azora.platform", "app.kubernetes.io/component": "verification"}
    made = plan(*(entry("ConfigMap", f"{place}/azora-verification-data", labels) for place in ("front", "elsewhere")))
    records = [one for one in made["steps"][0]["resources"] if one["metadata"]["name"] == "azora-verification-data"]
    assert [one["metadata"]["namespace"] for one in records] == ["front"]


def test_a_chart_that_was_installed_keeps_no_namespace_and_another_one_does(plan: MakePlan) -> None:
    def of(release: str) -> list[Entry]:
        labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": release}
        custom = entry("Prometheus", f"front/{release}", labels, api="monitoring.coreos.com/v1")
        remembered = {"owner": "helm", "name": release}
        return [
            custom,
            entry("StatefulSet", f"front/prometheus-{release}", api="apps/v1", owner=custom),
            entry("Secret", f"front/sh.helm.release.v1.{release}.v1", remembered),
        ]

    releases = [{"namespace": "front", "name": "stack"}]
    ours = plan(*of("stack"), releases=releases)
    assert "Namespace front" in names(ours["namespaces"])
    for made in (plan(*of("other"), releases=releases), plan(*of("stack"))):
        assert "Namespace front" not in names(made["namespaces"])


def test_namespaces_that_are_not_ours_get_their_labels_back_and_stay(plan: MakePlan) -> None:
    made = plan(data="delete")
    assert made["returned"] == [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}]
    assert "Namespace default" not in names(made["namespaces"])


@pytest.mark.parametrize("name", ["default", "kube-system", "openshift-monitoring"])
def test_a_namespace_of_the_cluster_is_never_deleted_whatever_its_labels(name: str) -> None:
    found = {"objects": [], "namespaces": [entry("Namespace", name, OURS)], "unread": []}
    settings = {"data": "delete", "delete_stores": [], "confirm": "lab", "cluster": "lab", "groups": GROUPS}
    assert _teardown.teardown_plan(_catalogue.normalised(PLATFORM), {}, found, settings)["namespaces"] == []


def test_an_operator_that_others_need_stays_with_its_definitions_its_policies_and_its_namespace(plan: MakePlan) -> None:
    made = plan(entry("Cluster", "elsewhere/theirs", api=PG), data="delete")
    assert made["refusals"] == []
    assert names(made["operators"]) == ["Deployment redis", "Deployment strimzi"]
    assert "CustomResourceDefinition clusters.postgresql.cnpg.io" not in names(made["definitions"])
    assert names(made["floors"]).count("NetworkPolicy default-deny") == 4
    assert "Namespace operators" not in names(made["namespaces"])
    assert made["kept"] == [
        "the operator cloudnative-pg and its definitions: others need it for Cluster elsewhere/theirs",
        "namespace operators: the operator cloudnative-pg lives in it",
    ]


def test_operators_that_somebody_else_brought_are_left_alone(plan: MakePlan) -> None:
    made = plan(operators={}, data="delete")
    assert (made["operators"], made["definitions"]) == ([], [])
    [sentence] = [one for one in made["kept"] if "cloudnative-pg" in one]
    assert (
        sentence
        == "the operator cloudnative-pg and its definitions: it was not installed by this collection (operators_method)"
    )
    assert "namespace operators: it holds what is not this platform's, Deployment operators/cnpg" in made["kept"]


def test_what_a_recovery_has_made_goes_too(plan: MakePlan) -> None:
    recovered = entry("Cluster", "data/pg-2", {**OURS, "app.kubernetes.io/component": "store"}, api=PG)
    of_it = {"cnpg.io/cluster": "pg-2"}
    more = [recovered, entry("PersistentVolumeClaim", "data/pg-2-1", of_it, owner=recovered)]
    assert "Cluster pg-2" in step(plan(*more), 2)
    assert "PersistentVolumeClaim pg-2-1" in names(plan(*more, data="delete")["steps"][2]["awaited"])
    assert "PersistentVolumeClaim pg-2-1" in names(plan(*more)["notes"])


def after_keeping() -> list[Entry]:
    """What a teardown leaves that keeps data, besides namespaces."""
    note = {"azora.platform/kept-of": "shop"}
    return [
        entry("PersistentVolumeClaim", "data/pg-1", {"cnpg.io/cluster": "pg"}, annotations=note),
        entry("PersistentVolumeClaim", "data/pg-2-1", {"cnpg.io/cluster": "pg-2"}, annotations=note),
        entry("Secret", "data/pg-ca", {"cnpg.io/cluster": "pg"}, annotations=note),
        entry("Secret", "data/pg-orders", {**STORE, "app.kubernetes.io/name": "postgres"}, annotations=note),
        entry("PersistentVolumeClaim", "data/data-0-bus-combined-0", {"strimzi.io/cluster": "bus"}, annotations=note),
    ]


def test_a_second_run_finds_only_what_stays(plan: MakePlan) -> None:
    made = plan(objects=after_keeping())
    assert [one["resources"] for one in made["steps"]] == [[]] * 5
    assert made["floors"] == []
    assert "namespace data: it holds the data of kafka and pg-2 and postgres" in made["kept"]


def test_what_was_kept_can_be_deleted_later(plan: MakePlan) -> None:
    made = plan(objects=after_keeping(), data="delete")
    assert step(made, 4) == [
        "PersistentVolumeClaim data-0-bus-combined-0",
        "PersistentVolumeClaim pg-1",
        "PersistentVolumeClaim pg-2-1",
        "Secret pg-ca",
        "Secret pg-orders",
    ]
    assert "Namespace data" in names(made["namespaces"])


def without(kind: str) -> list[Entry]:
    return [one for one in standing() if one["kind"] != kind]


REFUSALS: dict[str, tuple[dict[str, t.Any], str]] = {
    "not confirmed": (
        {"data": "delete", "confirm": ""},
        "teardown_data is delete, which ends the data of postgres and redis and kafka for good: confirm it by teardown_confirm=lab, "
        "the name of this cluster in the inventory (it is not given)",
    ),
    "another cluster confirmed": (
        {"confirm": "production"},
        "teardown_delete_stores is given, which ends the data of redis for good: confirm it by teardown_confirm=lab, "
        "the name of this cluster in the inventory (it is 'production')",
    ),
    "unknown store": (
        {"delete_stores": ["reddis"]},
        "teardown_delete_stores names reddis, which the catalogue does not have; its stores are postgres, redis, kafka",
    ),
    "redis cannot be kept": (
        {"delete_stores": [], "confirm": ""},
        "the data of redis cannot be kept, because Redis Enterprise deletes them with the databases carts: save what you need "
        "and name the store in teardown_delete_stores, with teardown_confirm=lab",
    ),
    "blind": (
        {"unread": ["could not look at Secret: forbidden"]},
        "INCONCLUSIVE, could not look at Secret: forbidden; without that nobody can tell what would hang or be lost, so nothing is removed",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_forbids_to_begin_is_one_sentence(plan: MakePlan, settings: dict[str, t.Any], sentence: str) -> None:
    assert plan(**settings)["refusals"] == [sentence]


def test_a_redis_without_databases_loses_nothing(plan: MakePlan) -> None:
    assert plan(objects=without("RedisEnterpriseDatabase"), delete_stores=[], confirm="")["refusals"] == []


def test_a_volume_that_would_go_with_its_cluster_forbids_to_keep(plan: MakePlan) -> None:
    bus = next(one for one in standing() if one["kind"] == "Kafka")
    volume = entry("PersistentVolumeClaim", "data/data-0-bus-combined-1", {"strimzi.io/cluster": "bus"}, owner=bus)
    [sentence] = plan(volume)["refusals"]
    assert sentence.startswith(
        "PersistentVolumeClaim data/data-0-bus-combined-1 would be deleted with the Kafka bus that owns it"
    )
    assert plan(volume, data="delete")["refusals"] == []


@pytest.mark.parametrize(
    "theirs",
    [
        entry("KafkaTopic", "data/theirs", {"strimzi.io/cluster": "bus"}, api=STRIMZI, cluster="bus"),
        entry("Database", "data/theirs", api=PG, cluster="pg"),
        entry("RedisEnterpriseDatabase", "cache/theirs", api=REDBS, cluster="rec"),
    ],
    ids=lambda one: one["kind"],
)
def test_somebody_elses_resource_in_one_of_our_clusters_forbids_to_begin(plan: MakePlan, theirs: Entry) -> None:
    [sentence] = plan(theirs, data="delete")["refusals"]
    assert "/theirs is not this platform's and lives in its store " in sentence
    assert sentence.endswith(", which would go: remove it first")
