# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One redis-server process: started, watched, changed while it runs, stopped."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from pathlib import Path

from redis_node.database import Database
from redis_node.resp import RedisConnection, RedisError

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 20
LONGEST_PAUSE = 10.0


class RedisServer:
    """The process of one database. Its data lives in a folder of the volume, its configuration and socket do not."""

    def __init__(self, database: Database, data: Path, runtime: Path, certificates: Path) -> None:
        self.database = database
        self.directory = data / f"bdb-{database.uid}"
        self._configuration = runtime / f"bdb-{database.uid}.conf"
        self._socket = runtime / f"bdb-{database.uid}.sock"
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = 0.0
        self._next_start = 0.0

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.database.data_persistence == "disabled":
            # A database without persistence starts empty, whatever an earlier setting left behind.
            (self.directory / "dump.rdb").unlink(missing_ok=True)
            shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(
            self.database.configuration(self.directory, self._socket, self._certificates), encoding="utf-8"
        )
        logger.info("starting database %s (uid %d, port %d)", self.database.name, self.database.uid, self.database.port)
        self._process = subprocess.Popen(["redis-server", str(self._configuration)])
        # A process that dies at once is not started again and again without a pause.
        self._pause = min(LONGEST_PAUSE, max(0.5, self._pause * 2))
        self._next_start = time.monotonic() + self._pause

    def keep_running(self) -> None:
        """Start the process again if it ended, with growing pauses if it keeps ending."""
        if self._process is None or self._process.poll() is None:
            if time.monotonic() > self._next_start + LONGEST_PAUSE:
                self._pause = 0.0
            return
        if time.monotonic() >= self._next_start:
            logger.warning("database %s ended with exit code %d", self.database.name, self._process.returncode)
            self.start()

    def stop(self) -> None:
        """End the process; redis-server saves its data when persistence is on."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            logger.warning("database %s did not stop in %d s", self.database.name, STOP_TIMEOUT)
            process.kill()
            process.wait()

    def change(self, database: Database) -> None:
        """Take over new settings, in the running process where it can."""
        old, self.database = self.database, database
        if old.start_settings() != database.start_settings():
            self.stop()
            self.start()
            return
        changed = {key: value for key, value in database.settings().items() if old.settings()[key] != value}
        if not changed:
            return
        try:
            with RedisConnection(self._socket, old.authentication_redis_pass) as redis:
                redis.command("CONFIG", "SET", *(word for pair in changed.items() for word in pair))
        except (OSError, RedisError):
            # Not running, or still loading: a new process reads the new file.
            self.stop()
            self.start()

    def remove(self) -> None:
        """Stop, and delete the data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._configuration.unlink(missing_ok=True)

    def answers(self) -> bool:
        try:
            with RedisConnection(self._socket, self.database.authentication_redis_pass) as redis:
                return redis.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def info(self) -> dict[str, str]:
        """The figures of INFO; empty when the process does not answer."""
        try:
            with RedisConnection(self._socket, self.database.authentication_redis_pass) as redis:
                reply = str(redis.command("INFO"))
        except (OSError, RedisError):
            return {}
        return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line and not line.startswith("#"))
