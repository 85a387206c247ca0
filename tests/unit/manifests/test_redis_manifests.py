# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis Enterprise's resources follow from the catalogue."""

from __future__ import annotations

import base64
import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import license_secrets, redis_manifests


def test_cluster_names_database_services_after_the_databases(catalogue, settings, find):
    cluster = find(redis_manifests(catalogue, settings("redis")), "RedisEnterpriseCluster", "rec")
    assert cluster["apiVersion"] == "app.redislabs.com/v1"
    assert cluster["spec"]["nodes"] == 3
    assert cluster["spec"]["servicesRiggerSpec"]["serviceNaming"] == "bdb_name"
    assert cluster["spec"]["persistentSpec"] == {"enabled": True, "volumeSize": "20Gi"}
    assert "redisEnterpriseImageSpec" not in cluster["spec"]
    assert "licenseSecretName" not in cluster["spec"]


def test_image_is_split_at_its_tag_and_not_at_the_port_of_its_registry(catalogue, settings, find):
    given = settings("redis", redis_image="registry.example:5000/redis:8.0", redis_license_secret_name="licence")
    spec = find(redis_manifests(catalogue, given), "RedisEnterpriseCluster", "rec")["spec"]
    assert spec["redisEnterpriseImageSpec"]["repository"] == "registry.example:5000/redis"
    assert spec["redisEnterpriseImageSpec"]["versionTag"] == "8.0"
    assert spec["licenseSecretName"] == "licence"


def test_a_licence_lies_beside_each_cluster_that_names_it(catalogue, settings, find):
    given = settings("redis", redis_license="a licence")
    assert (
        find(redis_manifests(catalogue, given), "RedisEnterpriseCluster", "rec")["spec"]["licenseSecretName"]
        == "redis-license"
    )
    (secret,) = license_secrets(catalogue, "a licence", "redis-license")
    (store,) = [store for store in catalogue["stores"] if store["kind"] == "redis"]
    assert (secret["metadata"]["namespace"], secret["metadata"]["name"]) == (store["namespace"], "redis-license")
    assert base64.b64decode(secret["data"]["license"]) == b"a licence"


def test_service_and_pod_agree_on_the_port(catalogue, settings, find):
    spec = find(redis_manifests(catalogue, settings("redis")), "RedisEnterpriseDatabase", "carts")["spec"]
    assert spec["databasePort"] == spec["databaseServicePort"] == 12000
    assert spec["redisEnterpriseCluster"] == {"name": "rec"}
    assert spec["databaseSecretName"] == "redb-carts"
    assert spec["persistence"] == "snapshotEvery1Hour"


@pytest.mark.parametrize(("nodes", "policy"), [(1, None), (3, "all-nodes")])
def test_every_node_serves_a_database_whose_service_selects_every_node(catalogue, settings, find, nodes, policy):
    for store in catalogue["stores"]:
        if store["kind"] == "redis":
            store["replicas"] = nodes
    spec = find(redis_manifests(catalogue, settings("redis")), "RedisEnterpriseDatabase", "carts")["spec"]
    assert spec.get("proxyPolicy") == policy


@pytest.mark.parametrize(("name", "memory"), [("carts", "300MB"), ("searches", "100MB")])
def test_replication_doubles_the_limit_that_counts_both_copies(catalogue, settings, find, name, memory):
    spec = find(redis_manifests(catalogue, settings("redis")), "RedisEnterpriseDatabase", name)["spec"]
    assert spec["memorySize"] == memory


def test_modules_are_listed_only_before_version_8(catalogue, settings, find):
    manifests = redis_manifests(catalogue, settings("redis"))
    assert find(manifests, "RedisEnterpriseDatabase", "searches")["spec"]["modulesList"] == [{"name": "search"}]
    gateway = find(manifests, "RedisEnterpriseDatabase", "gateway")["spec"]
    assert gateway["redisVersion"] == "8.4"
    assert "modulesList" not in gateway
    assert "redisVersion" not in find(manifests, "RedisEnterpriseDatabase", "carts")["spec"]


def test_a_large_size_is_doubled_as_a_plain_number(platform, settings, find):
    given = copy.deepcopy(platform)
    given["stores"][1]["databases"][0]["memory"] = "600000MB"
    manifests = redis_manifests(_catalogue.normalised(given), settings("redis"))
    assert find(manifests, "RedisEnterpriseDatabase", "carts")["spec"]["memorySize"] == "1200000MB"
