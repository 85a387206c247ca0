# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentinel: one process a node; together they decide who is the primary of a replicated database."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from redis_node.database import Database, quoted
from redis_node.members import Members
from redis_node.processes import ChildProcess
from redis_node.resp import RedisConnection, RedisError

logger = logging.getLogger(__name__)

PORT = 26379
DOWN_AFTER_MS = 2500
FAILOVER_TIMEOUT_MS = 10000
ASK_TIMEOUT = 0.5
#: What Sentinel itself writes and has to find again.
KEPT = (
    "sentinel monitor ",
    "sentinel config-epoch ",
    "sentinel leader-epoch ",
    "sentinel current-epoch ",
    "sentinel known-",
    "sentinel myid ",
    "sentinel down-after-milliseconds ",
    "sentinel failover-timeout ",
)


def monitor_name(uid: int) -> str:
    return f"bdb-{uid}"


def configuration(
    members: Members, directory: Path, password: str, databases: Iterable[Database] = (), previous: str = ""
) -> str:
    """The file Sentinel starts with. It writes the file itself later; of that only its memory is taken over.

    Passwords are not: Sentinel writes them bare, and does not read one with a space again.
    """
    lines = [
        f"bind {'* -::*' if members.listen == '*' else members.listen}",
        f"port {PORT}",
        "protected-mode no",
        "daemonize no",
        f"dir {directory}",
        f"requirepass {quoted(password)}",
        f"sentinel sentinel-pass {quoted(password)}",
        # Pods come back under the same name with another address.
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        f"sentinel announce-ip {members.host}",
        f"sentinel announce-port {PORT}",
    ]
    kept = [line for line in previous.splitlines() if line.startswith(KEPT)]
    watched = {line.split()[2] for line in kept if line.startswith("sentinel monitor ")}
    passwords = [
        f"sentinel auth-pass {monitor_name(database.uid)} {quoted(database.authentication_redis_pass)}"
        for database in databases
        if database.authentication_redis_pass and monitor_name(database.uid) in watched
    ]
    return "\n".join([*lines, *kept, *passwords]) + "\n"


class Sentinels:
    """The Sentinels of all nodes, as someone who asks them."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.password = ""

    def connection(self, number: int) -> RedisConnection:
        return RedisConnection((self.members.hosts[number], PORT), self.password, ASK_TIMEOUT)

    def primary(self, uid: int) -> int | None:
        """The node with the primary, as the Sentinel with the latest decision knows it; None when none knows."""
        best: tuple[int, int] | None = None
        name = monitor_name(uid)
        for number in range(len(self.members.hosts)):
            try:
                with self.connection(number) as sentinel:
                    epoch = int(_pairs(sentinel.command("SENTINEL", "MASTER", name))["config-epoch"])
                    address = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
            except (OSError, RedisError, KeyError):
                continue
            host = str(address[0]) if isinstance(address, list) else ""
            if host in self.members.hosts and (best is None or epoch > best[0]):
                best = (epoch, self.members.hosts.index(host))
        return None if best is None else best[1]

    def fail_over(self, uid: int) -> bool:
        """Ask for a new primary although the present one lives. False when nobody could be asked, or none is fit for it."""
        for number in range(len(self.members.hosts)):
            if number != self.members.number:
                try:
                    with self.connection(number) as sentinel:
                        sentinel.command("SENTINEL", "FAILOVER", monitor_name(uid))
                    return True
                except (OSError, RedisError) as error:
                    logger.info("node %d will not replace the primary of database %d: %s", number, uid, error)
        return False


class Sentinel:
    """The Sentinel of this node."""

    def __init__(self, sentinels: Sentinels, data: Path) -> None:
        self._sentinels = sentinels
        self._directory = data / "sentinel"
        self._process = ChildProcess("sentinel")
        self._watched: dict[int, str] = {}

    def keep_running(self, databases: Iterable[Database]) -> None:
        if not self._process.due():
            return
        # Sentinel replaces its file, readable for everyone, and there are passwords in it.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._directory / "sentinel.conf"
        file.touch(mode=0o600)
        members, password = self._sentinels.members, self._sentinels.password
        previous = file.read_text(encoding="utf-8")
        file.write_text(configuration(members, self._directory, password, databases, previous), encoding="utf-8")
        self._watched = {}
        self._process.start("redis-server", str(file), "--sentinel")

    def watch(self, databases: Iterable[Database]) -> None:
        """Have it watch these databases and no others."""
        wanted = {database.uid: database for database in databases}
        passwords = {uid: database.authentication_redis_pass for uid, database in wanted.items()}
        if passwords == self._watched:
            return
        try:
            with self._sentinels.connection(self._sentinels.members.number) as sentinel:
                masters = sentinel.command("SENTINEL", "MASTERS")
                names = {_pairs(master)["name"] for master in masters} if isinstance(masters, list) else set()
                for name in names - {monitor_name(uid) for uid in wanted}:
                    sentinel.command("SENTINEL", "REMOVE", name)
                for uid, database in wanted.items():
                    if monitor_name(uid) not in names:
                        self._monitor(sentinel, database)
                    if passwords[uid]:
                        sentinel.command("SENTINEL", "SET", monitor_name(uid), "auth-pass", passwords[uid])
        except (OSError, RedisError) as error:
            # Not up yet, or a name that cannot be resolved now; the next round tries again.
            logger.debug("sentinel: %s", error)
            return
        self._watched = passwords

    def alive(self) -> bool:
        return self._process.alive()

    def stop(self) -> None:
        self._process.stop()

    def _monitor(self, sentinel: RedisConnection, database: Database) -> None:
        members = self._sentinels.members
        known = self._sentinels.primary(database.uid)
        host = members.hosts[database.copies[0] if known is None else known]
        name = monitor_name(database.uid)
        sentinel.command("SENTINEL", "MONITOR", name, host, str(database.inner_port), str(members.majority))
        # Without the password first: it would take the database for dead.
        if database.authentication_redis_pass:
            sentinel.command("SENTINEL", "SET", name, "auth-pass", database.authentication_redis_pass)
        times = (("down-after-milliseconds", DOWN_AFTER_MS), ("failover-timeout", FAILOVER_TIMEOUT_MS))
        for option, value in times:
            sentinel.command("SENTINEL", "SET", name, option, str(value))


def _pairs(reply: object) -> dict[str, str]:
    words = [str(word) for word in reply] if isinstance(reply, list) else []
    return dict(zip(words[::2], words[1::2], strict=False))
