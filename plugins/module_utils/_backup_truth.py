# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a PostgreSQL cluster could be recovered, and to which moments: what its operator and the archiving plugin say.

Objects of the API in, sentences and a window out; nothing is read here.
Source: https://cloudnative-pg.io/plugin-barman-cloud/docs/observability/
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._postgres_volumes import FULL, full_sentence, is_full
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import Untruth

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Archive:
    """Where a Cluster archives to: the ObjectStore of its namespace, and the name that its files have there."""

    object_store: str
    server_name: str


@dataclass(frozen=True)
class RecoveryWindow:
    """Since when a cluster can be recovered to any moment, and when its last backup ended; RFC 3339, None while there is none."""

    since: str | None
    last_backup: str | None

    @property
    def sentence(self) -> str:
        if self.since is None:
            return "cannot be recovered yet: no backup is complete"
        return f"can be recovered to any moment since {self.since}; its last backup ended at {self.last_backup}"


def archive_of(cluster: Object) -> Archive | None:
    """What the Cluster says of its write-ahead log's archive; None if it has none."""
    for plugin in cluster["spec"].get("plugins") or []:
        parameters = plugin.get("parameters") or {}
        if plugin.get("isWALArchiver") and plugin.get("enabled", True) and parameters.get("barmanObjectName"):
            name = str(cluster["metadata"]["name"])
            return Archive(str(parameters["barmanObjectName"]), str(parameters.get("serverName") or name))
    return None


def recovery_window(archive: Archive, object_store: Object) -> RecoveryWindow:
    """What the ObjectStore says of this cluster's files."""
    window = _window(archive, object_store)
    return RecoveryWindow(window.get("firstRecoverabilityPoint"), window.get("lastSuccessfulBackupTime"))


def backup_untruths(identity: str, cluster: Object | None, object_store: Object | None) -> list[Untruth]:
    """Everything that keeps a cluster, which should be backed up, from being recovered to its newest moment."""
    return list(_untruths(identity, cluster, object_store))


def _untruths(identity: str, cluster: Object | None, object_store: Object | None) -> Iterator[Untruth]:
    if cluster is None:
        yield Untruth("backups", "a Cluster", "none", f"the Cluster {identity} is not there")
        return
    if is_full(cluster):
        yield Untruth(
            "volumes", "room for its log", FULL, f"{identity} has stopped an instance: {full_sentence(cluster)}"
        )
    archive = archive_of(cluster)
    if archive is None:
        sentence = f"{identity} should be backed up, and its Cluster names no plugin that archives its write-ahead log"
        yield Untruth("backups", "an archiving plugin", "none", sentence)
        return
    archiving = _condition(cluster, "ContinuousArchiving")
    if archiving.get("status") != "True":
        why = archiving.get("message") or "no file of it has arrived yet"
        sentence = f"the write-ahead log of {identity} does not arrive in the object store: {why}"
        yield Untruth("archiving", "ContinuousArchiving True", str(archiving.get("status")), sentence)
    if object_store is None:
        sentence = f"{identity} archives to the ObjectStore {archive.object_store}, which is not there"
        yield Untruth("backups", f"the ObjectStore {archive.object_store}", "none", sentence)
        return
    window = _window(archive, object_store)
    succeeded, failed = (_moment(window.get(key)) for key in ("lastSuccessfulBackupTime", "lastFailedBackupTime"))
    if failed is not None and (succeeded is None or failed > succeeded):
        condition = _condition(cluster, "LastBackupSucceeded")
        why = condition.get("message") if condition.get("status") == "False" else None
        sentence = f"the last backup of {identity} failed at {window['lastFailedBackupTime']}" + (
            f": {why}" if why else ""
        )
        yield Untruth("backups", "a complete backup", "a failed one", sentence)
    elif not window.get("firstRecoverabilityPoint"):
        sentence = f"{identity} cannot be recovered: no backup of it is complete"
        # The first one is made as soon as the cluster stands, and takes as long as its data are large.
        yield Untruth("backups", "a complete backup", "none", sentence, certain=False)


def _window(archive: Archive, object_store: Object) -> Mapping[str, Any]:
    windows = (object_store.get("status") or {}).get("serverRecoveryWindow") or {}
    return windows.get(archive.server_name) or {}


def _moment(text: Any) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(str(text)) if text else None


def _condition(cluster: Object, kind: str) -> Mapping[str, Any]:
    conditions = (cluster.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})
