# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin barman-cloud: which ObjectStores a Cluster names, and what its instances have to know of them.

Source: https://cloudnative-pg.io/plugin-barman-cloud/docs/usage/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lab_operators.kubernetes_api import Manifest

BARMAN_CLOUD = "barman-cloud.cloudnative-pg.io"
Spec = Mapping[str, Any]

#: Field of s3Credentials: file of the instance's folder of credentials.
CREDENTIALS = {
    "accessKeyId": "access-key-id",
    "secretAccessKey": "secret-access-key",
    "sessionToken": "session-token",
    "region": "region",
}
AUTHORITY = "ca.crt"
UNITS = {"d": "DAYS", "w": "WEEKS", "m": "MONTHS"}


@dataclass(frozen=True)
class ObjectStoreUse:
    """An ObjectStore by name, and the server's name in it."""

    name: str
    server: str


@dataclass(frozen=True)
class ObjectStoreSettings:
    """What the instance manager reads of an ObjectStore; fields are named as it names them."""

    destination: str
    server: str
    endpoint: str
    wal_compression: str
    data_compression: str
    jobs: int
    immediate_checkpoint: bool
    retention: str

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ObjectStores:
    """Where a Cluster's instances write to, and where its first data come from; with the projected volumes' sources."""

    archive: ObjectStoreSettings | None = None
    source: ObjectStoreSettings | None = None
    archive_secrets: tuple[Manifest, ...] = ()
    source_secrets: tuple[Manifest, ...] = ()


NO_OBJECT_STORES = ObjectStores()


def enabled_plugins(spec: Spec) -> list[Spec]:
    return [plugin for plugin in spec.get("plugins") or [] if plugin.get("enabled", True)]


def archive_use(cluster: str, spec: Spec) -> ObjectStoreUse | None:
    """Where the Cluster archives to, if it does."""
    for plugin in enabled_plugins(spec):
        if plugin["name"] == BARMAN_CLOUD and plugin.get("isWALArchiver"):
            return _use(plugin, cluster)
    return None


def source_use(spec: Spec) -> ObjectStoreUse | None:
    """Where the Cluster's first data come from, if it recovers some."""
    source = ((spec.get("bootstrap") or {}).get("recovery") or {}).get("source")
    for external in spec.get("externalClusters") or []:
        if source and external["name"] == source and (external.get("plugin") or {}).get("name") == BARMAN_CLOUD:
            return _use(external["plugin"], external["name"])
    return None


def _use(plugin: Spec, server: str) -> ObjectStoreUse:
    parameters = plugin.get("parameters") or {}
    return ObjectStoreUse(parameters.get("barmanObjectName", ""), parameters.get("serverName") or server)


def plugin_mistakes(cluster: str, spec: Spec) -> list[str]:
    """What is wrong with the plugin's parameters and with the recovery's source, one sentence each."""
    found = []
    archive, source = archive_use(cluster, spec), source_use(spec)
    if archive and not archive.name:
        found.append(f"spec.plugins: {BARMAN_CLOUD} needs the parameter barmanObjectName")
    if (spec.get("bootstrap") or {}).get("recovery"):
        if source is None or not source.name:
            found.append(
                f"spec.bootstrap.recovery.source must name one of spec.externalClusters with the plugin {BARMAN_CLOUD} "
                "and its parameter barmanObjectName"
            )
        elif source == archive:
            found.append(
                f"spec.plugins: the serverName {source.server} is the one that is recovered from; a new cluster needs its own"
            )
    return found


def store_settings(store: Manifest, server: str) -> ObjectStoreSettings:
    """What instances have to know of one server's place in this ObjectStore."""
    spec = store["spec"]
    configuration = spec["configuration"]
    wal, data = configuration.get("wal") or {}, configuration.get("data") or {}
    return ObjectStoreSettings(
        destination=configuration["destinationPath"].rstrip("/"),
        server=server,
        endpoint=configuration.get("endpointURL") or "",
        wal_compression=wal.get("compression") or "",
        data_compression=data.get("compression") or "",
        jobs=int(data.get("jobs") or 2),
        immediate_checkpoint=bool(data.get("immediateCheckpoint")),
        retention=retention_policy(spec.get("retentionPolicy") or ""),
    )


def retention_policy(policy: str) -> str:
    """30d as Barman says it (https://docs.pgbarman.org/release/3.13.0/user_guide/retention_policies.html)."""
    match = re.fullmatch(r"([1-9][0-9]*)([dwm])", policy)
    return f"RECOVERY WINDOW OF {match[1]} {UNITS[match[2]]}" if match else ""


def secret_sources(store: Manifest) -> tuple[Manifest, ...]:
    """Sources of the projected volume with the store's credentials and authority."""
    configuration = store["spec"]["configuration"]
    references = [
        (reference, CREDENTIALS[field])
        for field, reference in (configuration.get("s3Credentials") or {}).items()
        if field in CREDENTIALS and reference
    ]
    if configuration.get("endpointCA"):
        references.append((configuration["endpointCA"], AUTHORITY))
    return tuple(
        {"secret": {"name": reference["name"], "items": [{"key": reference["key"], "path": path}]}}
        for reference, path in references
    )
