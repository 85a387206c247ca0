# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: which instance makes one, what became of it, and since when a server can be recovered."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import psycopg

from lab_operators.cloudnative_pg_databases import ClusterAccess, NotAppliedError
from lab_operators.cloudnative_pg_instance import Instance, InstanceUnreachableError
from lab_operators.cloudnative_pg_object_stores import BARMAN_CLOUD, ObjectStoreUse, archive_use
from lab_operators.cloudnative_pg_resources import BACKUPS, OBJECT_STORES
from lab_operators.cloudnative_pg_status import changed, one_line
from lab_operators.kubernetes_api import KubernetesApi, Manifest
from lab_operators.reconciler import GONE, Again

logger = logging.getLogger(__name__)

PENDING, RUNNING, COMPLETED, FAILED = "pending", "running", "completed", "failed"
ARCHIVING_FAILS = "walArchivingFailing"
ENDED = (COMPLETED, FAILED)
SOON, LATER = Again(2), Again(5)


class BackupReconciler:
    """Takes each Backup from nothing to completed or failed."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._api: KubernetesApi = access.api

    def reconcile(self, namespace: str, name: str) -> Again | None:
        backup = self._api.read(BACKUPS, namespace, name)
        if backup is None or (backup.get("status") or {}).get("phase") in ENDED:
            return GONE
        try:
            status, again = self._advance(backup)
        except (NotAppliedError, InstanceUnreachableError, psycopg.Error) as error:
            status, again = {"error": one_line(error)}, LATER
        if status.get("phase") == FAILED:
            status["stoppedAt"] = now()
            logger.warning("backup %s/%s failed: %s", namespace, name, status["error"])
        if changed(backup.get("status") or {}, status):
            self._api.patch_status(BACKUPS, namespace, name, status)
        return again

    def _advance(self, backup: Manifest) -> tuple[Manifest, Again | None]:
        name, namespace = backup["metadata"]["name"], backup["metadata"]["namespace"]
        before = backup.get("status") or {}
        cluster = self._access.cluster(backup)
        use = archive_use(cluster["metadata"]["name"], cluster["spec"]) if cluster else None
        mistake = mistake_of(backup, cluster, use)
        if mistake or cluster is None or use is None:
            return {"phase": FAILED, "error": mistake}, GONE
        if before.get("phase") != RUNNING:
            reason = self._reason_to_wait(backup, cluster)
            if reason:
                return reason, LATER
            chosen = target_instance(backup, cluster)
            instance = self._access.instance(backup, chosen)
            instance.back_up(name)
            return {
                "phase": RUNNING,
                "method": "plugin",
                "startedAt": now(),
                "serverName": use.server,
                "instanceID": {"podName": chosen},
                "pluginMetadata": {"name": BARMAN_CLOUD},
                "error": None,
            }, SOON
        chosen = before["instanceID"]["podName"]
        state = self._access.instance(backup, chosen).backup(name)
        if state["phase"] == "unknown":
            return {"phase": FAILED, "error": f"instance {chosen} was restarted while it made the backup"}, GONE
        if state["phase"] == "failed":
            self._note_failure(namespace, use)
            return {"phase": FAILED, "error": state["error"]}, GONE
        if state["phase"] == "running":
            return {"error": None}, SOON
        self._close_log(self._access.instance(backup))
        self._note_window(namespace, use, state["window"])
        return completed(state), GONE

    def _reason_to_wait(self, backup: Manifest, cluster: Manifest) -> Manifest | None:
        """The status of a Backup whose turn has not come."""
        name, namespace = backup["metadata"]["name"], backup["metadata"]["namespace"]
        for condition in (cluster.get("status") or {}).get("conditions") or []:
            if condition["type"] == "ContinuousArchiving" and condition["status"] == "False":
                return {"phase": ARCHIVING_FAILS, "error": condition["message"]}
        others = [
            other["metadata"]["name"]
            for other in self._api.find(BACKUPS, namespace)
            if other["spec"]["cluster"]["name"] == cluster["metadata"]["name"]
            and (other.get("status") or {}).get("phase") == RUNNING
            and other["metadata"]["name"] != name
        ]
        return {"phase": PENDING, "error": f"backup {others[0]} is under way"} if others else None

    @staticmethod
    def _close_log(primary: Instance) -> None:
        """A backup of a standby needs the primary's log up to its end: have that file archived now."""
        with primary.connect() as connection:
            connection.execute("SELECT pg_switch_wal()")

    def _note_window(self, namespace: str, use: ObjectStoreUse, window: Manifest) -> None:
        known = {"firstRecoverabilityPoint": utc(window["first"]), "lastSuccessfulBackupTime": utc(window["last"])}
        self._api.patch_status(OBJECT_STORES, namespace, use.name, {"serverRecoveryWindow": {use.server: known}})

    def _note_failure(self, namespace: str, use: ObjectStoreUse) -> None:
        known = {"lastFailedBackupTime": now()}
        self._api.patch_status(OBJECT_STORES, namespace, use.name, {"serverRecoveryWindow": {use.server: known}})


def mistake_of(backup: Manifest, cluster: Manifest | None, use: ObjectStoreUse | None) -> str:
    """Why there can be no such Backup; empty when there can."""
    spec = backup["spec"]
    name = spec["cluster"]["name"]
    if cluster is None:
        return f"cluster {name} does not exist"
    if spec.get("method") != "plugin" or (spec.get("pluginConfiguration") or {}).get("name") != BARMAN_CLOUD:
        return f"the lab's stand-in makes backups with method plugin and pluginConfiguration.name {BARMAN_CLOUD} only"
    if use is None:
        return f"spec.plugins of the cluster {name} has no {BARMAN_CLOUD} with isWALArchiver"
    return ""


def target_instance(backup: Manifest, cluster: Manifest) -> str:
    """The instance that makes it: a healthy standby, unless the primary is asked for or alone."""
    status = cluster.get("status") or {}
    wanted = backup["spec"].get("target") or (cluster["spec"].get("backup") or {}).get("target") or "prefer-standby"
    primary: str = status.get("currentPrimary") or ""
    healthy = (status.get("instancesStatus") or {}).get("healthy") or []
    standbys: list[str] = [name for name in healthy if name != primary]
    return standbys[0] if wanted == "prefer-standby" and standbys else primary


def completed(state: Manifest) -> Manifest:
    """The status of a Backup that is done."""
    made = state["backup"]
    return {
        "phase": COMPLETED,
        "error": None,
        "backupId": made["id"],
        "backupName": made["id"],
        "beginWal": made["begin_wal"],
        "endWal": made["end_wal"],
        "beginLSN": made["begin_lsn"],
        "endLSN": made["end_lsn"],
        "startedAt": utc(made["started_at"]),
        "stoppedAt": utc(made["stopped_at"]),
    }


def utc(moment: str) -> str:
    """A moment with any offset, as the API writes it."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
