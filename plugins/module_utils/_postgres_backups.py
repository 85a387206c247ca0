# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of PostgreSQL stores by the plugin barman-cloud: the object store, its credentials, the schedule, the Cluster's part.

Source: https://cloudnative-pg.io/plugin-barman-cloud/docs/usage/
"""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    manifest,
    of_kind,
    platform_labels,
    without_empty,
)

PLUGIN = "barman-cloud.cloudnative-pg.io"
API_VERSION, OBJECT_STORE_API_VERSION = "postgresql.cnpg.io/v1", "barmancloud.cnpg.io/v1"
ACCESS_KEY, SECRET_KEY, AUTHORITY = "ACCESS_KEY_ID", "ACCESS_SECRET_KEY", "ca.crt"

Catalogue = t.Mapping[str, t.Any]
Store = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]


def object_store_name(store: Store) -> str:
    """The ObjectStore and the ScheduledBackup of a store have the same name."""
    return f"{store['cluster']}-backups"


def secret_name(store: Store) -> str:
    """The Secret with the keys of the object store."""
    return f"{store['cluster']}-backups"


def server_name(store: Store, settings: Settings) -> str:
    """Under which name the cluster's backups lie in the bucket."""
    return str(settings.get("server_name") or store["cluster"])


def backup_secrets(catalogue: Catalogue, values: t.Mapping[str, str]) -> list[Manifest]:
    """A Secret for each store that is backed up; `values`: access_key_id, secret_access_key, ca (PEM). None when all are empty."""
    named = {ACCESS_KEY: "access_key_id", SECRET_KEY: "secret_access_key", AUTHORITY: "ca"}
    data = {key: base64.b64encode(values[name].encode()).decode() for key, name in named.items() if values.get(name)}
    return [
        manifest(
            "v1",
            "Secret",
            secret_name(store),
            store["namespace"],
            labels=platform_labels(catalogue, store["name"], "store"),
            type="Opaque",
            data=data,
        )
        for store in of_kind(catalogue, "postgresql")
        if store["backup"] and data
    ]


def object_store(catalogue: Catalogue, store: Store, settings: Settings) -> Manifest:
    """Where the store's backups and its write-ahead log go."""
    backup, secret = store["backup"], secret_name(store)
    if settings["has_credentials"]:
        credentials: Manifest = {
            "accessKeyId": {"name": secret, "key": ACCESS_KEY},
            "secretAccessKey": {"name": secret, "key": SECRET_KEY},
        }
    else:
        credentials = {"inheritFromIAMRole": True}
    configuration = {
        "destinationPath": backup["destination"],
        "endpointURL": backup["endpoint"],
        "endpointCA": {"name": secret, "key": AUTHORITY} if settings["has_ca"] else None,
        "s3Credentials": credentials,
        "wal": {"compression": settings["compression"]},
        "data": {
            "compression": settings["compression"],
            "immediateCheckpoint": bool(settings["immediate_checkpoint"]),
        },
    }
    return manifest(
        OBJECT_STORE_API_VERSION,
        "ObjectStore",
        object_store_name(store),
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=without_empty(
            {"configuration": without_empty(configuration), "retentionPolicy": settings.get("retention")}
        ),
    )


def scheduled_backup(catalogue: Catalogue, store: Store, settings: Settings) -> Manifest:
    """When backups are made; the first one at once, which shows that they can be."""
    return manifest(
        API_VERSION,
        "ScheduledBackup",
        object_store_name(store),
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec={
            "cluster": {"name": store["cluster"]},
            "schedule": settings["schedule"],
            "immediate": True,
            "backupOwnerReference": "self",
            "target": settings["target"],
            "method": "plugin",
            "pluginConfiguration": {"name": PLUGIN},
        },
    )


def cluster_plugins(store: Store, settings: Settings) -> list[Manifest]:
    """What the Cluster has to say of its archive."""
    parameters = {"barmanObjectName": object_store_name(store), "serverName": server_name(store, settings)}
    return [{"name": PLUGIN, "isWALArchiver": True, "parameters": parameters}]
