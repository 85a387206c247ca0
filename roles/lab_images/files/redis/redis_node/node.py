# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node: the processes that serve the databases the cluster has, as far as they are this node's."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redis_node.database import Database
from redis_node.members import ALONE, Members
from redis_node.names import Names
from redis_node.proxy import Proxy
from redis_node.redis_server import Place, RedisServer
from redis_node.resp import RedisConnection, RedisError
from redis_node.sentinel import Sentinel, Sentinels

logger = logging.getLogger(__name__)

WATCH_INTERVAL = 0.5


@dataclass(frozen=True)
class NodeSettings:
    """Where the node keeps things and how much it may serve."""

    cluster_name: str
    data: Path
    runtime: Path
    certificates: Path
    shards_limit: int
    memory_limit: int
    redis_version: str
    members: Members = ALONE


class Node:
    """The processes of one node. Its methods may be called from any thread."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self._place = Place(settings.data, settings.runtime, settings.certificates)
        self._lock = threading.RLock()
        self._servers: dict[int, RedisServer] = {}
        self._databases: tuple[Database, ...] | None = None
        self._started = False
        self._stopping = threading.Event()
        self._sentinels = Sentinels(settings.members)
        several = settings.members.several
        self._sentinel = Sentinel(self._sentinels, settings.data) if several else None
        self._proxy = Proxy(settings.members, settings.runtime) if several else None
        self._names = Names(settings.members.hosts) if several else None

    @property
    def stopping(self) -> threading.Event:
        return self._stopping

    def start(self) -> None:
        """Run what the configuration says from now on."""
        with self._lock:
            self._started = True
            self._tend()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def configure(self, databases: Sequence[Database], sentinel_password: str) -> None:
        """Serve these databases; with those that are gone their data goes."""
        with self._lock:
            if tuple(databases) == self._databases or self._stopping.is_set():
                return
            self._databases = tuple(databases)
            self._sentinels.password = sentinel_password
            mine = {database.uid: database for database in databases if self.settings.members.number in database.copies}
            for uid in [uid for uid in self._servers if uid not in mine]:
                self._servers.pop(uid).remove()
            for uid, database in mine.items():
                if uid not in self._servers:
                    self._servers[uid] = RedisServer(database, self._place, self._sentinels)
                elif self._servers[uid].database != database:
                    self._servers[uid].change(database)
            if self._started:
                self._tend()

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            threads = [threading.Thread(target=server.stop) for server in self._servers.values()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for other in (self._proxy, self._sentinel, self._names):
                if other:
                    other.stop()

    def ready(self) -> bool:
        """Whether the node knows its databases and everything of its own answers."""
        if self._stopping.is_set() or self._databases is None:
            return False
        if not all(other.alive() for other in (self._proxy, self._sentinel) if other):
            return False
        return all(server.answers() for server in self._all())

    def primary(self, database: Database) -> int:
        """The node whose copy is the primary."""
        known = self._sentinels.primary(database.uid) if len(database.copies) > 1 else None
        return known if known in database.copies else database.copies[0]

    def serves(self, database: Database) -> bool:
        """Whether a client that comes to this node reaches the database."""
        server = self._servers.get(database.uid)
        if self._proxy is None:
            return server is not None and server.answers()
        listen = self.settings.members.listen
        address = ("127.0.0.1" if listen == "*" else listen, database.port)
        context = None
        if database.tls:
            context = ssl.create_default_context(cafile=str(self.settings.certificates / "ca.crt"))
            # The certificate is for the Services' names.
            context.check_hostname = False
        try:
            with RedisConnection(address, database.authentication_redis_pass, tls=context) as redis:
                return redis.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def metrics_input(self) -> list[tuple[Database, dict[str, str]]]:
        return [(server.database, server.info()) for server in self._all()]

    def _all(self) -> list[RedisServer]:
        with self._lock:
            return list(self._servers.values())

    def _tend(self) -> None:
        """Start what is to run and does not: Sentinel before the databases, since they ask it who is primary."""
        if self._names and not self._stopping.is_set():
            self._names.keep_running()
        if self._databases is None or self._stopping.is_set():
            return
        replicated = [database for database in self._databases if len(database.copies) > 1]
        if self._sentinel:
            self._sentinel.keep_running(replicated)
        for server in self._servers.values():
            server.keep_running()
        if self._sentinel:
            self._sentinel.watch(replicated)
        if self._proxy:
            self._proxy.keep_running(self._databases)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL):
            with self._lock:
                self._tend()
