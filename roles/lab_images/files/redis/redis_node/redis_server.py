# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One copy of a database: a redis-server process, started, watched, changed while it runs, stopped."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from redis_node.database import Database
from redis_node.members import Members
from redis_node.processes import ChildProcess
from redis_node.resp import RedisConnection, RedisError
from redis_node.sentinel import Sentinels

logger = logging.getLogger(__name__)

ASK_TIMEOUT = 0.5
#: How long a former primary waits for its replica to take over before it serves what its own disk holds.
LONGEST_WAIT = 60.0
#: How long a primary that is stopped waits for its replica to take over.
HAND_OVER_TIMEOUT = 10.0


@dataclass(frozen=True)
class Place:
    """Where a node keeps what belongs to databases."""

    data: Path
    runtime: Path
    certificates: Path


class RedisServer:
    """The process of one copy. Its data lives in a folder of the volume, its configuration and socket do not."""

    def __init__(self, database: Database, place: Place, sentinels: Sentinels) -> None:
        self.database = database
        self.directory = place.data / f"bdb-{database.uid}"
        self._configuration = place.runtime / f"bdb-{database.uid}.conf"
        self._socket = place.runtime / f"bdb-{database.uid}.sock"
        self._certificates = place.certificates
        self._sentinels = sentinels
        self._process = ChildProcess(f"database {database.name}")
        self._waiting_since: float | None = None

    @property
    def _members(self) -> Members:
        return self._sentinels.members

    @property
    def _replicated(self) -> bool:
        return len(self.database.copies) > 1

    def start(self) -> None:
        """Start the process, unless its replica has to take over first: then a later call does."""
        primary = self._primary() if self._replicated else None
        if primary is None and self._replica_takes_over():
            return
        self._waiting_since = None
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.database.data_persistence == "disabled":
            # A database without persistence starts empty, whatever an earlier setting left behind.
            (self.directory / "dump.rdb").unlink(missing_ok=True)
            shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        self._configuration.touch(mode=0o600)
        text = self.database.configuration(
            self.directory, self._socket, self._certificates, self._members, primary=primary
        )
        self._configuration.write_text(text, encoding="utf-8")
        role = "" if primary is None else f" as replica of node {primary}"
        logger.info(
            "starting database %s (uid %d, port %d)%s", self.database.name, self.database.uid, self.database.port, role
        )
        self._process.start("redis-server", str(self._configuration))

    def keep_running(self) -> None:
        """Start the process again if it ended, with growing pauses if it keeps ending."""
        if self._process.due():
            self.start()

    def stop(self) -> None:
        """End the process; redis-server saves its data when persistence is on."""
        if self._replicated and self._process.alive():
            self._hand_over()
        self._process.stop()

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
            self._process.stop()
            self.start()

    def remove(self) -> None:
        """Stop, and delete the data."""
        self._process.stop()
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
        return information(self._socket, self.database)

    def _primary(self) -> int | None:
        """The node to follow; None if this one is the primary."""
        known = self._sentinels.primary(self.database.uid)
        if known not in self.database.copies:
            # Nobody knows: the cluster is new, or the database is.
            known = self.database.copies[0]
        return None if known == self._members.number else known

    def _replica_takes_over(self) -> bool:
        """Whether a replica has what this process has lost.

        Clients were told that their writes are done which no snapshot here holds yet. A replica that was connected has them; the Sentinels
        will make it the primary if this process stays away for some seconds, and it would throw them away if this process came back at once.
        """
        now = time.monotonic()
        if not any(self._is_fit(number) for number in self.database.copies if number != self._members.number):
            return False
        if self._waiting_since is None:
            self._waiting_since = now
            logger.info("database %s waits until its replica has taken over", self.database.name)
        if now - self._waiting_since < LONGEST_WAIT:
            return True
        logger.warning("the replica of database %s has not taken over", self.database.name)
        return False

    def _is_fit(self, number: int) -> bool:
        """Whether the copy of that node has been connected to its primary since it was started."""
        information_there = information((self._members.hosts[number], self.database.inner_port), self.database)
        if information_there.get("role") != "slave" or information_there.get("master_sync_in_progress") == "1":
            return information_there.get("role") == "master"
        up = information_there.get("master_link_status") == "up"
        return up or int(information_there.get("master_link_down_since_seconds", "-1")) >= 0

    def _hand_over(self) -> None:
        """Let the replica become primary before this process ends. Writes are held back, so that it misses none."""
        information_here = self.info()
        if information_here.get("role") != "master" or information_here.get("connected_slaves", "0") == "0":
            return
        deadline = time.monotonic() + HAND_OVER_TIMEOUT
        try:
            with RedisConnection(self._socket, self.database.authentication_redis_pass) as redis:
                redis.command("CLIENT", "PAUSE", str(int(HAND_OVER_TIMEOUT * 2000)), "WRITE")
                if not self._sentinels.fail_over(self.database.uid):
                    redis.command("CLIENT", "UNPAUSE")
                    return
        except (OSError, RedisError) as error:
            logger.warning("database %s was not handed over: %s", self.database.name, error)
            return
        while time.monotonic() < deadline:
            if self._sentinels.primary(self.database.uid) not in (None, self._members.number):
                logger.info("database %s was handed over", self.database.name)
                return
            time.sleep(0.2)


def information(place: Path | tuple[str, int], database: Database) -> dict[str, str]:
    """What INFO says about a copy; empty when it does not answer."""
    timeout = 2 if isinstance(place, Path) else ASK_TIMEOUT
    try:
        with RedisConnection(place, database.authentication_redis_pass, timeout) as redis:
            reply = str(redis.command("INFO"))
    except (OSError, RedisError):
        return {}
    return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line and not line.startswith("#"))
