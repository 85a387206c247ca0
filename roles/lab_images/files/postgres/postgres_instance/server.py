# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL server as a child process, and what it says about itself."""

from __future__ import annotations

import collections
import logging
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import psycopg
from psycopg.rows import dict_row

from postgres_instance.configuration import InstanceConfiguration, Places, write_configuration

logger = logging.getLogger(__name__)

RELOAD_SECONDS = 3.0
STATUS_QUERY = """
SELECT current_setting('server_version') AS version,
       NOT pg_is_in_recovery() AS is_primary,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS current_lsn,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
       ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY name) AS pending_restart,
       ARRAY(SELECT concat_ws(': ', file.name, file.error) FROM pg_file_settings AS file
             LEFT JOIN pg_settings AS setting USING (name)
             WHERE file.error IS NOT NULL AND NOT coalesce(setting.pending_restart, false)
               AND file.error NOT LIKE '%cannot be changed without restarting%') AS configuration_errors
"""


class StoppingError(Exception):
    """The pod is being stopped."""


class PostgresServer:
    """Runs one command at a time (initdb, then postgres) and passes on the pod's signals to it."""

    def __init__(self, configuration: InstanceConfiguration, places: Places) -> None:
        self.places = places
        self.last_words: collections.deque[str] = collections.deque(maxlen=5)
        self._configuration = configuration
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._serving = False
        self._stopping = False

    @property
    def configuration(self) -> InstanceConfiguration:
        return self._configuration

    def run(self, command: list[str]) -> None:
        """Run a command to its end; raises CalledProcessError with its output."""
        if self._stopping and "stop" not in command:
            raise StoppingError
        # pg_ctl hands its output on to the server it starts: a pipe would stay open as long as that runs.
        output = None if command[0] == "pg_ctl" else subprocess.PIPE
        self._child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        words, _errors = self._child.communicate()
        code, self._child = self._child.returncode, None
        if self._stopping and "stop" not in command:
            raise StoppingError
        if code != 0:
            raise subprocess.CalledProcessError(code, command, output=words)

    def serve(self) -> int:
        """Run postgres until it ends; the exit code."""
        if self._stopping:
            raise StoppingError
        write_configuration(self._configuration, self.places, self.places.data)
        self._child = subprocess.Popen(
            ["postgres", "-D", str(self.places.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._serving = True
        assert self._child.stdout is not None  # noqa: S101 - it was asked for
        for line in self._child.stdout:
            sys.stdout.write(line)
            self.last_words.append(line.strip())
        return self._child.wait()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """End the running command: postgres by a fast shutdown (clients are cut off, data are safe)."""
        self._stopping = True
        if self._child:
            self._child.send_signal(signal.SIGINT if self._serving else signal.SIGTERM)

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
        except psycopg.Error as error:
            return answer | {"error": str(error).strip()}
        return answer | {"ready": not self._stopping} | (row or {})

    def reconfigure(self, configuration: InstanceConfiguration) -> None:
        """Write the files anew and have the server read them."""
        with self._lock:
            before = self._loaded_at()
            write_configuration(configuration, self.places, self.places.data)
            with self.connect() as connection:
                connection.execute("SELECT pg_reload_conf()")
            # The server reads them in its own time; a file that it refuses as a whole leaves the time as it was.
            patience = time.monotonic() + RELOAD_SECONDS
            while self._loaded_at() == before and time.monotonic() < patience:
                time.sleep(0.05)
            self._configuration = configuration
        logger.info("configuration %s is loaded", configuration.digest[:12])

    def _loaded_at(self) -> Any:
        """When the server read its configuration; a new session knows the newest answer."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_conf_load_time() AS loaded").fetchone()
        return row and row["loaded"]
