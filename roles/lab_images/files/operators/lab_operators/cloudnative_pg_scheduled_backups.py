# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ScheduledBackups: a Backup whenever the clock says so. The schedule has six fields, seconds first."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from croniter import CroniterBadCronError, croniter

from lab_operators.cloudnative_pg_resources import BACKUPS, SCHEDULED_BACKUPS
from lab_operators.cloudnative_pg_status import changed
from lab_operators.kubernetes_api import KubernetesApi, Manifest
from lab_operators.reconciler import GONE, Again

RESYNC_SECONDS = 60.0


class ScheduledBackupReconciler:
    """Makes the Backups of each schedule."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def reconcile(self, namespace: str, name: str) -> Again | None:
        return self.reconcile_at(namespace, name, datetime.now(UTC))

    def reconcile_at(self, namespace: str, name: str, moment: datetime) -> Again | None:
        """What is due at this moment, and when to look again."""
        scheduled = self._api.read(SCHEDULED_BACKUPS, namespace, name)
        if scheduled is None:
            return GONE
        status = scheduled.get("status") or {}
        try:
            due, following = due_at(scheduled, moment)
        except (CroniterBadCronError, ValueError) as error:
            # The vendor's webhook refuses it; there is none here.
            self._patch(scheduled, {"error": f"spec.schedule {scheduled['spec']['schedule']!r}: {error}"})
            return GONE
        wanted: Manifest = {"nextScheduleTime": _text(following), "error": None}
        if due is not None:
            self._api.create(backup_of(scheduled, due))
            wanted |= {"lastScheduleTime": _text(due)}
        if not status.get("lastCheckTime") or due is not None:
            wanted["lastCheckTime"] = _text(moment)
        self._patch(scheduled, wanted)
        return Again(min(RESYNC_SECONDS, max(1.0, math.ceil((following - moment).total_seconds()))))

    def _patch(self, scheduled: Manifest, status: Manifest) -> None:
        metadata = scheduled["metadata"]
        if changed(scheduled.get("status") or {}, status):
            self._api.patch_status(SCHEDULED_BACKUPS, metadata["namespace"], metadata["name"], status)


def due_at(scheduled: Manifest, moment: datetime) -> tuple[datetime | None, datetime]:
    """The moment of the Backup that is due, if one is, and of the one after it. What was missed is made up for once."""
    spec, status = scheduled["spec"], scheduled.get("status") or {}
    schedule = spec["schedule"]
    if len(schedule.split()) != 6 and not schedule.startswith("@"):
        raise ValueError("it must have six fields, seconds first")

    def after(start: datetime) -> datetime:
        following: datetime = croniter(schedule, start, second_at_beginning=True).get_next(datetime)
        return following

    following = after(moment)
    if spec.get("suspend"):
        return None, following
    if not status.get("lastCheckTime"):
        return (moment if spec.get("immediate") else None), following
    last = max(_moment(status[key]) for key in ("lastCheckTime", "lastScheduleTime") if status.get(key))
    planned = after(last)
    if planned > moment:
        return None, planned
    while (later := after(planned)) <= moment and later - planned > timedelta(0):
        planned = later
    return planned, following


def backup_of(scheduled: Manifest, moment: datetime) -> Manifest:
    """The Backup of one moment; the same name however often it is asked for."""
    metadata, spec = scheduled["metadata"], scheduled["spec"]
    name = f"{metadata['name']}-{moment.strftime('%Y%m%d%H%M%S')}"
    backup: Manifest = {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {
                "cnpg.io/cluster": spec["cluster"]["name"],
                "cnpg.io/scheduled-backup": metadata["name"],
                "cnpg.io/immediateBackup": "false",
            },
        },
        "spec": {
            key: spec[key]
            for key in ("cluster", "method", "target", "online", "onlineConfiguration", "pluginConfiguration")
            if spec.get(key) is not None
        },
    }
    if spec.get("backupOwnerReference") == "self":
        owner = {"apiVersion": SCHEDULED_BACKUPS.api_version, "kind": SCHEDULED_BACKUPS.kind, "controller": True}
        backup["metadata"]["ownerReferences"] = [{**owner, "name": metadata["name"], "uid": metadata["uid"]}]
    return backup


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
