# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node: which databases it has, kept on its volume, and the processes that serve them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis_node.database import PORTS, SEARCH, Database, RequestError
from redis_node.redis_server import RedisServer

logger = logging.getLogger(__name__)

WATCH_INTERVAL = 0.5
TRIAL_DAYS = 30


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


class Node:
    """All databases of a one-node cluster. Its methods may be called from any thread."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self._file = settings.data / "cluster.json"
        self._lock = threading.RLock()
        self._servers: dict[int, RedisServer] = {}
        self._stopping = threading.Event()
        stored = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        self._next_uid: int = stored.get("next_uid", 1)
        self._created: str = stored.get("created", datetime.now(UTC).isoformat(timespec="seconds"))
        for database in stored.get("databases", []):
            self._servers[database["uid"]] = self._server(Database.from_file(database))

    def start(self) -> None:
        with self._lock:
            self._save()
            for server in self._servers.values():
                server.start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            threads = [threading.Thread(target=server.stop) for server in self._servers.values()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def ready(self) -> bool:
        """Whether every database answers."""
        return not self._stopping.is_set() and all(server.answers() for server in self._all())

    def cluster(self) -> dict[str, Any]:
        return {"name": self.settings.cluster_name, "created_time": self._created, "rack_aware": False}

    def nodes(self) -> list[dict[str, Any]]:
        shards = sum(server.database.shards for server in self._all())
        memory, version = self.settings.memory_limit, self.settings.redis_version
        return [
            {
                "uid": 1,
                "status": "active",
                "shard_count": shards,
                "total_memory": memory,
                "bundled_redis_version": version,
            }
        ]

    def license(self) -> dict[str, Any]:
        return {
            "license": "",
            "owner": "",
            "cluster_name": self.settings.cluster_name,
            "activation_date": self._created,
            # The lab's licence does not run out: what happens then is the product's business, not the platform's.
            "expiration_date": (datetime.now(UTC) + timedelta(days=TRIAL_DAYS)).isoformat(timespec="seconds"),
            "expired": False,
            "features": ["trial"],
            "shards_limit": self.settings.shards_limit,
            "ram_shards_limit": self.settings.shards_limit,
            "ram_shards_in_use": sum(server.database.shards for server in self._all()),
        }

    def modules(self) -> list[dict[str, Any]]:
        return [{"uid": "search", "module_name": SEARCH, "display_name": "RediSearch", "semantic_version": "1.2.2"}]

    def databases(self) -> list[dict[str, Any]]:
        return [self._answer(server) for server in self._all()]

    def database(self, uid: int) -> dict[str, Any]:
        return self._answer(self._found(uid))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            port = body.get("port") or self._free_port()
            database = Database.from_request({**body, "port": port}, uid=self._next_uid)
            self._check_room(database)
            self._next_uid += 1
            server = self._servers[database.uid] = self._server(database)
            self._save()
            server.start()
            return self._answer(server)

    def update(self, uid: int, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            server = self._found(uid)
            database = Database.from_request(body, server.database)
            self._check_room(database)
            server.change(database)
            self._save()
            return self._answer(server)

    def delete(self, uid: int) -> None:
        with self._lock:
            server = self._found(uid)
            del self._servers[uid]
            self._save()
            server.remove()

    def metrics_input(self) -> list[tuple[Database, dict[str, str]]]:
        return [(server.database, server.info()) for server in self._all()]

    def _all(self) -> list[RedisServer]:
        with self._lock:
            return list(self._servers.values())

    def _found(self, uid: int) -> RedisServer:
        with self._lock:
            server = self._servers.get(uid)
        if server is None:
            raise RequestError(404, "db_not_exist", f"there is no database with uid {uid}")
        return server

    def _server(self, database: Database) -> RedisServer:
        return RedisServer(database, self.settings.data, self.settings.runtime, self.settings.certificates)

    def _check_room(self, database: Database) -> None:
        others = [server.database for server in self._all() if server.database.uid != database.uid]
        for other in others:
            if other.port == database.port:
                raise RequestError(409, "port_unavailable", f"port {database.port} belongs to database {other.name!r}")
            if other.name == database.name:
                raise RequestError(409, "name_conflict", f"a database named {database.name!r} exists")
        shards = database.shards + sum(other.shards for other in others)
        if shards > self.settings.shards_limit:
            raise RequestError(
                402,
                "license_error",
                f"the licence allows {self.settings.shards_limit} shards; with database {database.name!r} there would be {shards}",
            )
        memory = database.memory_size + sum(other.memory_size for other in others)
        if self.settings.memory_limit and memory > self.settings.memory_limit:
            raise RequestError(
                406,
                "insufficient_memory",
                f"the node has {self.settings.memory_limit} bytes; with database {database.name!r} {memory} would be needed",
            )

    def _free_port(self) -> int:
        used = {server.database.port for server in self._all()}
        return next(port for port in PORTS if port not in used)

    def _answer(self, server: RedisServer) -> dict[str, Any]:
        database = server.database
        endpoint = {"dns_name": f"redis-{database.port}.{self.settings.cluster_name}", "port": database.port}
        return {
            **database.to_answer(),
            "status": "active" if server.answers() else "pending",
            "redis_version": self.settings.redis_version,
            "endpoints": [endpoint],
            "shard_list": [database.uid],
        }

    def _save(self) -> None:
        databases = [server.database.to_file() for server in self._servers.values()]
        content = {"next_uid": self._next_uid, "created": self._created, "databases": databases}
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
        new.replace(self._file)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL):
            with self._lock:
                for server in self._servers.values():
                    if not self._stopping.is_set():
                        server.keep_running()
