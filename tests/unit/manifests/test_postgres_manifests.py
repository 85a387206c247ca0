# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CloudNativePG's resources follow from the catalogue."""

from __future__ import annotations

import base64

from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import (
    postgres_manifests,
    postgres_secrets,
    wanted_passwords,
)


def test_cluster_has_the_catalogues_size_and_keeps_its_instances_apart(catalogue, settings, find):
    spec = find(postgres_manifests(catalogue, settings("postgres")), "Cluster", "pg")["spec"]
    assert spec["instances"] == 3
    assert spec["affinity"]["podAntiAffinityType"] == "required"
    assert spec["enablePDB"] is True
    assert spec["enableSuperuserAccess"] is False
    assert ":" in spec["imageName"]


def test_storage_class_is_left_to_the_cluster_unless_it_is_named(catalogue, settings, find):
    plain = find(postgres_manifests(catalogue, settings("postgres")), "Cluster", "pg")["spec"]
    assert plain["storage"] == {"size": "10Gi"}
    assert plain["walStorage"] == {"size": "2Gi"}
    without = settings("postgres", postgres_wal_storage_size="")
    assert "walStorage" not in find(postgres_manifests(catalogue, without), "Cluster", "pg")["spec"]
    named = settings("postgres", postgres_storage_class="fast", postgres_wal_storage_size="5Gi")
    spec = find(postgres_manifests(catalogue, named), "Cluster", "pg")["spec"]
    assert spec["storage"] == {"size": "10Gi", "storageClass": "fast"}
    assert spec["walStorage"] == {"size": "5Gi", "storageClass": "fast"}


def test_parameters_become_text_and_further_settings_are_laid_over(catalogue, settings, find):
    given = settings(
        "postgres",
        postgres_parameters={"max_connections": 200},
        postgres_cluster_settings={"postgresql": {"enableAlterSystem": True}, "logLevel": "debug"},
    )
    spec = find(postgres_manifests(catalogue, given), "Cluster", "pg")["spec"]
    assert spec["postgresql"] == {
        "parameters": {"max_connections": "200"},
        "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
        "enableAlterSystem": True,
    }
    assert spec["logLevel"] == "debug"


def test_an_answered_commit_stands_on_a_standby_if_there_is_one(catalogue, settings, find):
    def synchronous(**given):
        spec = find(postgres_manifests(catalogue, settings("postgres", **given)), "Cluster", "pg")["spec"]
        return spec.get("postgresql", {}).get("synchronous")

    assert synchronous() == {"method": "any", "number": 1, "dataDurability": "required"}
    assert synchronous(postgres_data_durability="preferred")["dataDurability"] == "preferred"
    assert synchronous(postgres_synchronous_standbys=0) is None
    catalogue["stores"][0]["replicas"] = 1
    assert synchronous() is None


def test_each_owner_is_one_role_with_a_password_from_a_secret(catalogue, settings, find):
    spec = find(postgres_manifests(catalogue, settings("postgres")), "Cluster", "pg")["spec"]
    role = {"name": "order_keeper", "ensure": "present", "login": True}
    assert spec["managed"]["roles"] == [role | {"passwordSecret": {"name": "pg-order-keeper"}}]


def test_databases_have_their_owner_and_extensions_and_outlive_their_resource(catalogue, settings, find):
    manifests = postgres_manifests(catalogue, settings("postgres"))
    orders = find(manifests, "Database", "pg-orders")["spec"]
    assert (orders["name"], orders["owner"], orders["cluster"]) == ("orders", "order_keeper", {"name": "pg"})
    assert orders["extensions"] == [{"name": "vector", "ensure": "present"}]
    assert orders["databaseReclaimPolicy"] == "retain"
    assert "extensions" not in find(manifests, "Database", "pg-archive")["spec"]


def test_role_secret_is_one_the_operator_accepts_and_watches(catalogue):
    wanted = wanted_passwords(catalogue)
    assert wanted == [{"namespace": "data", "name": "pg-order-keeper", "keys": ["password"]}]
    [secret] = postgres_secrets(catalogue, {"data/pg-order-keeper": {"password": "s3cret"}})
    assert secret["type"] == "kubernetes.io/basic-auth"
    assert secret["metadata"]["labels"]["cnpg.io/reload"] == "true"
    values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert values == {"username": "order_keeper", "password": "s3cret"}
