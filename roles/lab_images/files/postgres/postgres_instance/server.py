# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni as a child process, the PostgreSQL server that it runs, and what both say."""

from __future__ import annotations

import collections
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from postgres_instance.base_backups import BaseBackups
from postgres_instance.configuration import InstanceConfiguration, Places
from postgres_instance.patroni_client import PatroniClient, PatroniError
from postgres_instance.patroni_settings import (
    OWN_PARAMETERS,
    SHARED_PARAMETERS,
    Member,
    cluster_state,
    patroni_settings,
)
from postgres_instance.wal_space import NoRoomError, check_room, is_down

logger = logging.getLogger(__name__)

#: Patroni reads its file between two of its turns, which are LOOP_WAIT apart at most.
RELOAD_SECONDS = 10.0
STATUS_QUERY = """
SELECT current_setting('server_version') AS version,
       NOT pg_is_in_recovery() AS is_primary,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS current_lsn,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
       (SELECT status FROM pg_stat_wal_receiver) IS NOT DISTINCT FROM 'streaming' AS is_streaming,
       ARRAY(SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1) AS standbys,
       current_setting('synchronous_standby_names') AS synchronous_standby_names,
       (SELECT last_archived_time FROM pg_stat_archiver)::text AS last_archived,
       (SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver)
       AS archiving_fails,
       ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY name) AS pending_restart,
       ARRAY(SELECT concat_ws(': ', file.name, file.error) FROM pg_file_settings AS file
             LEFT JOIN pg_settings AS setting USING (name)
             WHERE file.error IS NOT NULL AND NOT coalesce(setting.pending_restart, false)
               AND file.error NOT LIKE '%cannot be changed without restarting%') AS configuration_errors
"""


class StoppingError(Exception):
    """The pod is being stopped."""


class PostgresServer:
    """Runs one command at a time (initdb, then Patroni with postgres) and passes on the pod's signals to it."""

    def __init__(self, configuration: InstanceConfiguration, places: Places, member: Member) -> None:
        self.places = places
        self.patroni = PatroniClient(places)
        self._member = member
        self.backups = BaseBackups(places)
        self.last_words: collections.deque[str] = collections.deque(maxlen=5)
        self._configuration = configuration
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._serving = False
        self._stopping = False

    @property
    def configuration(self) -> InstanceConfiguration:
        return self._configuration

    def check_stopping(self) -> None:
        """Raises StoppingError when the pod is being stopped."""
        if self._stopping:
            raise StoppingError

    def run(self, command: list[str]) -> None:
        """Run a command to its end; raises CalledProcessError with its output."""
        if "stop" not in command:
            self.check_stopping()
        # pg_ctl hands its output on to the server it starts: a pipe would stay open as long as that runs.
        output = None if command[0] == "pg_ctl" else subprocess.PIPE
        self._child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        words, _errors = self._child.communicate()
        code, self._child = self._child.returncode, None
        if "stop" not in command:
            self.check_stopping()
        if code != 0:
            raise subprocess.CalledProcessError(code, command, output=words)

    def serve(self) -> int:
        """Run Patroni, and by it postgres, until it ends; the exit code."""
        self.check_stopping()
        self._write_settings(self._configuration)
        self._child = subprocess.Popen(
            ["patroni", str(self.places.patroni)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._serving = True
        assert self._child.stdout is not None  # noqa: S101 - it was asked for
        for line in self._child.stdout:
            sys.stdout.write(line)
            self.last_words.append(line.strip())
            if self._has_ended_for_want_of_room():
                self._child.terminate()
        return self._child.wait()

    def _has_ended_for_want_of_room(self) -> bool:
        """Patroni, which says a word in each of its turns, would start the server again and again."""
        if self._stopping or not is_down(self.places):
            return False
        try:
            check_room(self.places)
        except NoRoomError:
            return True
        return False

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """End the running command. Patroni shuts the server down fast (clients are cut off, data are safe), then gives up its lock."""
        self._stopping = True
        if self._child:
            self._child.terminate()

    def alive(self) -> bool:
        """Whether there is nothing that only a new container could repair."""
        return not self._serving or (self._child is not None and self._child.poll() is None)

    def accepts_connections(self) -> bool:
        """Whether a query is answered."""
        if not self._serving or self._stopping:
            return False
        try:
            with self.connect() as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def connect(self, database: str = "postgres") -> psycopg.Connection[dict[str, Any]]:
        """A session as superuser over the local socket."""
        return psycopg.connect(
            host=str(self.places.sockets),
            user="postgres",
            dbname=database,
            connect_timeout=3,
            autocommit=True,
            application_name="instance manager",
            row_factory=dict_row,
        )

    def status(self) -> dict[str, Any]:
        """What the operator wants to know."""
        answer: dict[str, Any] = {"ready": False, "configuration": self._configuration.digest}
        if not self._serving:
            return answer
        try:
            with self.connect() as connection:
                row = connection.execute(STATUS_QUERY).fetchone()
            patroni = self.patroni.state()
        except (psycopg.Error, PatroniError) as error:
            return answer | {"error": str(error).strip()}
        answer |= {"ready": not self._stopping} | (row or {})
        # PostgreSQL does not know of those that Patroni gives it on the command line.
        pending = {*answer["pending_restart"], *(patroni.get("pending_restart_reason") or {})}
        if answer["archiving_fails"]:
            answer["archiving_error"] = self._archive_failure()
        return answer | {"pending_restart": sorted(pending)}

    def _archive_failure(self) -> str:
        try:
            return self.places.archive_failure.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "the archive command fails"

    def reconfigure(self, configuration: InstanceConfiguration) -> None:
        """Have Patroni, and by it the server, read the new settings. What holds for all members the primary writes down."""
        with self._lock:
            self._write_settings(configuration)
            primary = self._is_primary()
            if primary:
                self.patroni.set_cluster_state(cluster_state(configuration))
            self.patroni.reload()
            # Lower limits on a standby have to wait until the primary has them; Patroni sees to that.
            kept_elsewhere = OWN_PARAMETERS if primary else OWN_PARAMETERS | SHARED_PARAMETERS
            wanted = {name: value for name, value in configuration.parameters.items() if name not in kept_elsewhere}
            patience = time.monotonic() + RELOAD_SECONDS
            while not wanted.items() <= self._settings_in_file().items() and time.monotonic() < patience:
                time.sleep(0.1)
            self._configuration = configuration
        logger.info("configuration %s is loaded", configuration.digest[:12])

    def _write_settings(self, configuration: InstanceConfiguration) -> None:
        write_json(self.places.object_stores, object_stores(configuration))
        # YAML contains JSON.
        write_json(self.places.patroni, patroni_settings(configuration, self.places, self._member))

    def _is_primary(self) -> bool:
        with self.connect() as connection:
            row = connection.execute("SELECT pg_is_in_recovery() AS standby").fetchone()
        return row is not None and not row["standby"]

    def _settings_in_file(self) -> dict[str, str]:
        with self.connect() as connection:
            rows = connection.execute("SELECT name, setting FROM pg_file_settings ORDER BY seqno").fetchall()
        return {row["name"]: row["setting"] for row in rows}


def object_stores(configuration: InstanceConfiguration) -> dict[str, Any]:
    """What the archive and restore commands read: where to, and where from."""
    archive, recovery = configuration.archive, configuration.recovery
    return {
        "archive": archive.as_document() if archive else None,
        "source": recovery.source.as_document() if recovery else None,
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """In one step: a reader finds the old file or the new one."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(document, indent=1), encoding="utf-8")
    os.replace(unfinished, path)
