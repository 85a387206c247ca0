# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first data of a cluster that continues another: a base backup, and the other's log up to the wanted moment."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from postgres_instance.bootstrap import BootstrapError, Run
from postgres_instance.configuration import InstanceConfiguration, Places, Recovery
from postgres_instance.object_store import ObjectStoreError, backups_of, run_tool

logger = logging.getLogger(__name__)

RESTORE_COMMAND = "python3 -m postgres_instance.wal_transfer restore %f %p"
#: Field of spec.bootstrap.recovery.recoveryTarget: setting of PostgreSQL
#: (https://www.postgresql.org/docs/17/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET).
TARGETS = {
    "targetTime": "recovery_target_time",
    "targetLSN": "recovery_target_lsn",
    "targetXID": "recovery_target_xid",
    "targetName": "recovery_target_name",
}
#: What a running server leaves in its data and another one must not find.
LEFTOVERS = ("standby.signal", "postgresql.auto.conf", "patroni.dynamic.json", "postmaster.pid", "postmaster.opts")


def recover(
    configuration: InstanceConfiguration, recovery: Recovery, places: Places, run: Run, check: Callable[[], None]
) -> None:
    """Make the data directory unless it is there; `check` raises when the pod is being stopped.

    What an interrupted attempt left is removed first.
    """
    if places.has_data:
        return
    unfinished = places.unfinished_data
    shutil.rmtree(unfinished, ignore_errors=True)
    if places.wal:
        shutil.rmtree(places.wal, ignore_errors=True)
    try:
        if configuration.archive:
            run_tool(configuration.archive.check_empty(), places.archive_credentials)
        logger.info("copying a base backup of %s from %s", recovery.source.server, recovery.source.destination)
        backups = backups_of(run_tool(recovery.source.list_backups(), places.source_credentials))
        backup = base_of(backups, recovery)
        run_tool(recovery.source.restore(backup, unfinished), places.source_credentials)
    except ObjectStoreError as error:
        raise BootstrapError(f"recovery from {recovery.source.server}: {error}") from error
    unfinished.chmod(0o700)
    if places.wal:
        move_wal(unfinished, places.wal)
    for name in LEFTOVERS:
        (unfinished / name).unlink(missing_ok=True)
    replay(configuration, recovery, unfinished, run, check)
    os.replace(unfinished, places.data)
    logger.info("the recovery is complete")


def base_of(backups: list[dict[str, Any]], recovery: Recovery) -> str:
    """The id of the base backup to begin with: the named one, or the last that ended before the target, or the last."""
    target = recovery.target
    ids = {str(backup["backup_id"]) for backup in backups}
    if target.get("backupID"):
        if target["backupID"] not in ids:
            raise BootstrapError(f"{recovery.source.server} has no backup {target['backupID']}; it has {sorted(ids)}")
        return str(target["backupID"])
    if target.get("targetTime"):
        moment = _moment(target["targetTime"])
        backups = [backup for backup in backups if _moment(backup["end_time_iso"]) <= moment]
    elif target.get("targetLSN"):
        place = _lsn(target["targetLSN"])
        backups = [backup for backup in backups if _lsn(backup["end_xlog"]) <= place]
    if not backups:
        raise BootstrapError(f"{recovery.source.server} has no backup that ended before the target {target}")
    return str(backups[-1]["backup_id"])


def _moment(text: str) -> datetime:
    """A time without an offset is UTC, as the vendor takes it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _lsn(text: str) -> tuple[int, int]:
    high, low = text.split("/")
    return int(high, 16), int(low, 16)


def move_wal(data: Path, wal: Path) -> None:
    """The log's folder goes to its own volume."""
    folder = data / "pg_wal"
    if folder.is_symlink():
        folder.unlink()
        wal.mkdir(parents=True)
    else:
        folder.mkdir(exist_ok=True)
        shutil.move(str(folder), str(wal))
    folder.symlink_to(wal)


def replay(
    configuration: InstanceConfiguration, recovery: Recovery, data: Path, run: Run, check: Callable[[], None]
) -> None:
    """Have PostgreSQL read the log up to the target and begin a timeline of its own. Nobody else reaches the server."""
    (data / "recovery.signal").touch()
    with tempfile.TemporaryDirectory() as sockets:
        settings = configuration.parameters | recovery_settings(recovery) | {"unix_socket_directories": sockets}
        (data / "postgresql.conf").write_text(settings_file(settings), encoding="utf-8")
        (data / "pg_hba.conf").write_text("local all all peer\n", encoding="utf-8")
        log = Path(sockets) / "log"
        control = ["pg_ctl", "--silent", f"--pgdata={data}", f"--log={log}"]
        try:
            # Not for the start itself: how long the log takes nobody knows.
            run([*control, "--no-wait", "start"])
            wait_for_promotion(sockets, data, log, check)
        finally:
            if (data / "postmaster.pid").exists():
                run([*control, "--wait", "--mode=fast", "stop"])
            print(_text(log), end="", flush=True)
    for name in ("postgresql.conf", "pg_hba.conf"):
        (data / name).write_text("", encoding="utf-8")


def wait_for_promotion(sockets: str, data: Path, log: Path, check: Callable[[], None]) -> None:
    """Until the server takes writes; BootstrapError with its last words when it ends before."""
    while True:
        check()
        try:
            with psycopg.connect(host=sockets, user="postgres", dbname="postgres", autocommit=True) as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if row == (False,):
                return
        except psycopg.Error:
            # The lock is there before the log's first line, and gone when the server has ended.
            if not (data / "postmaster.pid").exists() and _text(log):
                words = [line for line in _text(log).splitlines() if "FATAL" in line or "ERROR" in line] or [""]
                raise BootstrapError(f"recovery: {words[-1].rpartition('FATAL:')[2].strip()}") from None
        time.sleep(0.5)


def recovery_settings(recovery: Recovery) -> dict[str, str]:
    """What holds until the target is reached."""
    target = recovery.target
    settings = {
        "restore_command": RESTORE_COMMAND,
        "recovery_target_action": "promote",
        "recovery_target_timeline": str(target.get("targetTLI") or "latest"),
        "listen_addresses": "",
        "archive_mode": "off",
        "ssl": "off",
        "shared_preload_libraries": "",
        "synchronous_standby_names": "",
        "hot_standby": "on",
    }
    settings |= {setting: str(target[field]) for field, setting in TARGETS.items() if target.get(field)}
    if target.get("targetImmediate"):
        settings["recovery_target"] = "immediate"
    if "exclusive" in target:
        settings["recovery_target_inclusive"] = "off" if target["exclusive"] else "on"
    return settings


def settings_file(settings: dict[str, str]) -> str:
    """postgresql.conf; a quote inside a value is doubled."""
    return "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in sorted(settings.items()))


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
