# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of Redis stores: what the cluster has to know of the object store, the databases' part, and the Secrets with what opens it.

Source: https://redis.io/docs/latest/operate/kubernetes/reference/api/redis_enterprise_database_api/
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

ACCESS_KEY, SECRET_KEY, AUTHORITY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "cert"

Catalogue = t.Mapping[str, t.Any]
Store = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]


def keys_secret_name(store: Store) -> str:
    """The Secret with the keys of the object store."""
    return f"{store['cluster']}-backups"


def authority_secret_name(store: Store) -> str:
    """The Secret with the certificate authority of the object store's endpoint."""
    return f"{store['cluster']}-backups-ca"


def backup_secrets(catalogue: Catalogue, values: t.Mapping[str, str]) -> list[Manifest]:
    """The Secrets of each store that is backed up; `values`: access_key_id, secret_access_key, ca (PEM)."""
    keys = {ACCESS_KEY: values.get("access_key_id", ""), SECRET_KEY: values.get("secret_access_key", "")}
    secrets = []
    for store in of_kind(catalogue, "redis"):
        if not store["backup"]:
            continue
        secrets.append(_secret(catalogue, store, keys_secret_name(store), keys))
        if values.get("ca"):
            secrets.append(_secret(catalogue, store, authority_secret_name(store), {AUTHORITY: values["ca"]}))
    return secrets


def cluster_backup(store: Store, settings: Settings) -> Manifest:
    """The cluster's `spec.backup`: where the S3 service is, for all of its databases. Empty for Amazon's own."""
    service = without_empty(
        {
            "url": (store["backup"]["endpoint"] or "").rstrip("/"),
            "caCertificateSecretName": authority_secret_name(store) if settings.get("has_ca") else None,
        }
    )
    return {"s3": service} if service else {}


def database_backup(store: Store, database: t.Mapping[str, t.Any], settings: Settings) -> Manifest:
    """A database's `spec.backup`. Each has a folder of its own, since nothing but names tells their files apart."""
    bucket, _slash, path = store["backup"]["destination"].removeprefix("s3://").partition("/")
    folders = [*(part for part in path.split("/") if part), store["cluster"], database["name"]]
    place = {
        "awsSecretName": keys_secret_name(store),
        "bucketName": bucket,
        "subdir": "/".join(folders),
        "regionName": settings.get("region"),
    }
    return {"interval": int(settings["interval"]), "s3": without_empty(place)}


def _secret(catalogue: Catalogue, store: Store, name: str, values: t.Mapping[str, str]) -> Manifest:
    return manifest(
        "v1",
        "Secret",
        name,
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        type="Opaque",
        data={key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    )
