# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CloudNativePG: the catalogue's PostgreSQL stores as Cluster and Database resources and the Secrets of their roles."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    manifest,
    merged,
    of_kind,
    platform_labels,
    without_empty,
)
from ansible_collections.azora.platform.plugins.module_utils._postgres_backups import (
    API_VERSION,
    cluster_plugins,
    object_store,
    scheduled_backup,
)


def object_name(store: t.Mapping[str, t.Any], name: str) -> str:
    """The Kubernetes name of something inside a cluster; PostgreSQL's names may have underscores."""
    return f"{store['cluster']}-{name.replace('_', '-')}"


def owners_of(store: t.Mapping[str, t.Any]) -> list[str]:
    """The roles that own the store's databases and log in to them."""
    return list(dict.fromkeys(database["owner"] for database in store["databases"]))


def wanted_passwords(catalogue: t.Mapping[str, t.Any]) -> list[Manifest]:
    """The Secrets whose passwords are generated once: {namespace, name, keys}."""
    return [
        {"namespace": store["namespace"], "name": object_name(store, owner), "keys": ["password"]}
        for store in of_kind(catalogue, "postgresql")
        for owner in owners_of(store)
    ]


def postgres_secrets(
    catalogue: t.Mapping[str, t.Any], passwords: t.Mapping[str, t.Mapping[str, str]]
) -> list[Manifest]:
    """One Secret for each role; `passwords` maps "namespace/name" to {password: …}."""
    secrets = []
    for store in of_kind(catalogue, "postgresql"):
        for owner in owners_of(store):
            name = object_name(store, owner)
            password = passwords[f"{store['namespace']}/{name}"]["password"]
            labels = platform_labels(catalogue, store["name"], "store")
            secrets.append(role_secret(name, store["namespace"], owner, password, labels))
    return secrets


def role_secret(name: str, namespace: str, role: str, password: str, labels: t.Mapping[str, str]) -> Manifest:
    """The Secret with which a role logs in."""
    return manifest(
        "v1",
        "Secret",
        name,
        namespace,
        # The operator applies a changed password only where it is asked to watch the Secret.
        labels={**labels, "cnpg.io/reload": "true"},
        type="kubernetes.io/basic-auth",
        data={
            "username": base64.b64encode(role.encode()).decode(),
            "password": base64.b64encode(password.encode()).decode(),
        },
    )


def postgres_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Clusters, each followed by its Databases; in front of it its ObjectStore, behind it its ScheduledBackup."""
    manifests = []
    for store in of_kind(catalogue, "postgresql"):
        if store["backup"]:
            manifests.append(object_store(catalogue, store, settings["backup"]))
        manifests.append(_cluster(catalogue, store, settings))
        manifests.extend(_database(catalogue, store, database) for database in store["databases"])
        if store["backup"]:
            manifests.append(scheduled_backup(catalogue, store, settings["backup"]))
    return manifests


def _cluster(
    catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]
) -> Manifest:
    storage_class = settings.get("storage_class")
    spec = {
        "instances": int(store["replicas"]),
        "imageName": settings["image"],
        "storage": without_empty({"size": settings["storage_size"], "storageClass": storage_class}),
        "resources": without_empty(settings.get("resources") or {}),
        "affinity": {
            "enablePodAntiAffinity": True,
            "topologyKey": "kubernetes.io/hostname",
            "podAntiAffinityType": settings["anti_affinity"],
        },
        # The operator keeps the PodDisruptionBudgets; a second one on the same pods would make every eviction fail.
        "enablePDB": True,
        "enableSuperuserAccess": False,
        "primaryUpdateStrategy": "unsupervised",
        "managed": {
            "roles": [
                {
                    "name": owner,
                    "ensure": "present",
                    "login": True,
                    "passwordSecret": {"name": object_name(store, owner)},
                }
                for owner in owners_of(store)
            ]
        },
    }
    if settings.get("wal_storage_size"):
        spec["walStorage"] = without_empty({"size": settings["wal_storage_size"], "storageClass": storage_class})
    if store["backup"]:
        spec["plugins"] = cluster_plugins(store, settings["backup"])
    parameters = {key: str(value) for key, value in (settings.get("parameters") or {}).items()}
    spec["postgresql"] = without_empty({"parameters": parameters, "synchronous": _synchronous(store, settings)})
    return manifest(
        API_VERSION,
        "Cluster",
        store["cluster"],
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=merged(without_empty(spec), settings.get("cluster_settings") or {}),
    )


def _synchronous(store: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> Manifest:
    """On how many standbys a commit must stand before it is answered; a single instance has none.

    Source: https://cloudnative-pg.io/documentation/1.30/replication/#synchronous-replication
    """
    standbys = int(settings.get("synchronous_standbys") or 0)
    if not standbys or int(store["replicas"]) == 1:
        return {}
    return {"method": "any", "number": standbys, "dataDurability": settings["data_durability"]}


def _database(
    catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], database: t.Mapping[str, t.Any]
) -> Manifest:
    spec: Manifest = {
        "cluster": {"name": store["cluster"]},
        "name": database["name"],
        "owner": database["owner"],
        "ensure": "present",
        # Deleting the resource must never delete data.
        "databaseReclaimPolicy": "retain",
    }
    if database["extensions"]:
        spec["extensions"] = [{"name": extension, "ensure": "present"} for extension in database["extensions"]]
    return manifest(
        API_VERSION,
        "Database",
        object_name(store, database["name"]),
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=spec,
    )
