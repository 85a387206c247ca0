# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis Enterprise: the catalogue's Redis stores as a RedisEnterpriseCluster and its RedisEnterpriseDatabases."""

from __future__ import annotations

import base64
import re
import typing as t
from decimal import Decimal

from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    manifest,
    merged,
    of_kind,
    platform_labels,
    without_empty,
)

CLUSTER_API_VERSION = "app.redislabs.com/v1"
DATABASE_API_VERSION = "app.redislabs.com/v1alpha1"
# From this version on the modules are built in, and are not to be listed.
MODULES_ARE_BUILT_IN = 8
# https://redis.io/docs/latest/operate/kubernetes/reference/api/redis_enterprise_cluster_api/ (licenseSecretName)
LICENSE_KEY = "license"
MEMORY = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>[A-Za-z]*)")


def database_secret_name(database: str) -> str:
    return f"redb-{database}"


def redis_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Clusters, each followed by its databases."""
    manifests = []
    for store in of_kind(catalogue, "redis"):
        manifests.append(_cluster(catalogue, store, settings))
        manifests.extend(_database(catalogue, store, database, settings) for database in store["databases"])
    return manifests


def license_secrets(catalogue: t.Mapping[str, t.Any], text: str, name: str) -> list[Manifest]:
    """The Secret with the licence, beside each cluster."""
    return [
        manifest(
            "v1",
            "Secret",
            name,
            store["namespace"],
            labels=platform_labels(catalogue, store["name"], "store"),
            type="Opaque",
            data={LICENSE_KEY: base64.b64encode(text.encode()).decode()},
        )
        for store in of_kind(catalogue, "redis")
    ]


def _cluster(
    catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]
) -> Manifest:
    storage = {
        "enabled": True,
        "volumeSize": settings["storage_size"],
        "storageClassName": settings.get("storage_class"),
    }
    spec = {
        "nodes": int(store["replicas"]),
        "uiServiceType": "ClusterIP",
        "persistentSpec": without_empty(storage),
        "redisEnterpriseNodeResources": without_empty(settings.get("resources") or {}),
        # A database's Service carries the database's own name, and Service, policy and pod agree on the port.
        "servicesRiggerSpec": {"databaseServiceType": "cluster_ip,headless", "serviceNaming": "bdb_name"},
        "licenseSecretName": settings.get("license_secret_name"),
    }
    if settings.get("image"):
        repository, tag = settings["image"].rsplit(":", 1)
        spec["redisEnterpriseImageSpec"] = {
            "repository": repository,
            "versionTag": tag,
            "imagePullPolicy": "IfNotPresent",
        }
    return manifest(
        CLUSTER_API_VERSION,
        "RedisEnterpriseCluster",
        store["cluster"],
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=merged(without_empty(spec), settings.get("cluster_settings") or {}),
    )


def _database(
    catalogue: t.Mapping[str, t.Any],
    store: t.Mapping[str, t.Any],
    database: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
) -> Manifest:
    replication = bool(database["replication"])
    version = database["version"]
    port = int(database["port"])
    spec: Manifest = {
        "redisEnterpriseCluster": {"name": store["cluster"]},
        "memorySize": _memory(database["memory"], copies=2 if replication else 1),
        "shardCount": int(database["shards"]),
        "replication": replication,
        "persistence": database["persistence"],
        "evictionPolicy": database["eviction"],
        "databaseSecretName": database_secret_name(database["name"]),
        "databasePort": port,
        "databaseServicePort": port,
        "tlsMode": "disabled",
    }
    if int(store["replicas"]) > 1:
        # The Service selects all nodes, so each of them has to serve it.
        spec["proxyPolicy"] = "all-nodes"
    if version:
        spec["redisVersion"] = version
    if database["modules"] and version and int(version.split(".")[0]) < MODULES_ARE_BUILT_IN:
        spec["modulesList"] = [{"name": module} for module in database["modules"]]
    return manifest(
        DATABASE_API_VERSION,
        "RedisEnterpriseDatabase",
        database["name"],
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=merged(spec, settings.get("database_settings") or {}),
    )


def _memory(memory: str, copies: int) -> str:
    """The limit holds master and replica together, so that what the catalogue promises is what a client can use."""
    match = MEMORY.fullmatch(memory)
    if copies == 1 or match is None:
        return memory
    amount = Decimal(match["number"]) * copies
    # As a plain number: a large one must not become 1e+06.
    return f"{amount:f}{match['unit']}"
