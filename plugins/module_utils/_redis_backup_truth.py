# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the databases of a Redis cluster could be recovered, and to which moments: what their resources say.

Objects of the API in, sentences and moments out; nothing is read here.
Source: https://redis.io/docs/latest/operate/kubernetes/reference/api/redis_enterprise_database_api/
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._workload_truth import Untruth

Object = Mapping[str, Any]

FAILED = "failed"
DEFAULT_INTERVAL = 86400
# The product looks every five minutes whether one is due, and one takes its time.
GRACE = datetime.timedelta(minutes=15)


@dataclass(frozen=True)
class RecoveryPoints:
    """To which one moment each database can be recovered; RFC 3339, None while there is none."""

    databases: Mapping[str, str | None]
    # As a store with a log has it: there is no such moment here.
    since: str | None = None

    @property
    def last_backup(self) -> str | None:
        """The oldest of the databases' last ones; None if a database has none."""
        moments = list(self.databases.values())
        return min((one for one in moments if one), default=None) if all(moments) else None

    @property
    def sentence(self) -> str:
        made = [f"{name} as of {moment}" for name, moment in sorted(self.databases.items()) if moment]
        missing = [name for name, moment in sorted(self.databases.items()) if not moment]
        said = [f"can be recovered by database: {', '.join(made)}"] if made else []
        return "; ".join([*said, *([f"no backup is complete of {', '.join(missing)}"] if missing else [])])


def databases_of(cluster: str, databases: Sequence[Object]) -> list[Object]:
    """The databases of a cluster among those of its namespace."""
    return [one for one in databases if (one["spec"].get("redisEnterpriseCluster") or {}).get("name") == cluster]


def recovery_points(databases: Sequence[Object]) -> RecoveryPoints:
    """What the databases' resources say of their last complete backups."""
    return RecoveryPoints({one["metadata"]["name"]: _information(one).get("lastBackupTime") for one in databases})


def redis_backup_untruths(identity: str, databases: Sequence[Object], now: datetime.datetime) -> list[Untruth]:
    """Everything that keeps the databases of a cluster, which should be backed up, from being recovered to a recent moment."""
    if not databases:
        sentence = f"{identity} should be backed up, and no RedisEnterpriseDatabase of it is there"
        return [Untruth("backups", "a RedisEnterpriseDatabase", "none", sentence)]
    namespace = identity.partition("/")[0]
    return [untruth for one in databases for untruth in _untruths(f"{namespace}/{one['metadata']['name']}", one, now)]


def _untruths(name: str, database: Object, now: datetime.datetime) -> Iterator[Untruth]:
    backup, found = database["spec"].get("backup"), _information(database)
    last = found.get("lastBackupTime")
    if not backup:
        sentence = f"{name} should be backed up, and its RedisEnterpriseDatabase names no place for that"
        yield Untruth("backups", "spec.backup", "none", sentence)
    elif found.get("backupStatus") == FAILED:
        why = found.get("backupFailureReason") or "no reason given"
        since = f"; the last complete one is of {last}" if last else "; none is complete"
        yield Untruth("backups", "a complete backup", "a failed one", f"the last backup of {name} failed: {why}{since}")
    elif not last:
        sentence = f"{name} cannot be recovered: no backup of it is complete"
        # The product chooses the moment of the first one.
        yield Untruth("backups", "a complete backup", "none", sentence, certain=False)
    elif _is_overdue(str(last), int(backup.get("interval") or DEFAULT_INTERVAL), now):
        sentence = f"the last backup of {name} is of {last}, and one was due since"
        yield Untruth("backups", "a recent backup", str(last), sentence)


def _is_overdue(last: str, interval: int, now: datetime.datetime) -> bool:
    try:
        moment = datetime.datetime.fromisoformat(last)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return now - moment > datetime.timedelta(seconds=interval) + GRACE


def _information(database: Object) -> Mapping[str, Any]:
    return (database.get("status") or {}).get("backupInfo") or {}
