# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first node: it keeps the truth about the databases on its volume, and answers the REST API."""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from redis_node.database import PORTS, SEARCH, Database, RequestError
from redis_node.members import FIRST
from redis_node.node import Node

logger = logging.getLogger(__name__)

TRIAL_DAYS = 30
#: The vendor's licences are signed; the lab's only say what they allow.
LICENCE = re.compile(r"lab licence: (?P<shards>[1-9][0-9]{0,3}) shards until (?P<until>[0-9]{4}-[0-9]{2}-[0-9]{2})")
#: A node that has not asked for its databases for so long is away.
NODE_SILENT_AFTER = 5.0


class FirstNode:
    """The databases of the cluster. Its methods may be called from any thread."""

    def __init__(self, node: Node) -> None:
        self.settings = node.settings
        self.node = node
        self._file = self.settings.data / "cluster.json"
        self._lock = threading.RLock()
        stored = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        self._next_uid: int = stored.get("next_uid", 1)
        self._created: str = stored.get("created", datetime.now(UTC).isoformat(timespec="seconds"))
        self._sentinel_password: str = stored.get("sentinel_password") or secrets.token_urlsafe(24)
        self._licence: str = stored.get("licence", "")
        databases = [Database.from_file(database) for database in stored.get("databases", [])]
        self._databases: dict[int, Database] = {database.uid: database for database in databases}
        self._heard: dict[int, float] = {}
        self._configure()

    def start(self) -> None:
        with self._lock:
            self._save()
        self.node.start()

    def configuration(self, asking: int) -> dict[str, Any]:
        """What another node has to know."""
        with self._lock:
            self._heard[asking] = time.monotonic()
            databases = [database.to_file() for database in self._databases.values()]
            return {"databases": databases, "sentinel_password": self._sentinel_password}

    def cluster(self) -> dict[str, Any]:
        return {"name": self.settings.cluster_name, "created_time": self._created, "rack_aware": False}

    def nodes(self) -> list[dict[str, Any]]:
        now, databases = time.monotonic(), self._all()
        answer = []
        for number, host in enumerate(self.settings.members.hosts):
            heard = number == FIRST or now - self._heard.get(number, -NODE_SILENT_AFTER) < NODE_SILENT_AFTER
            answer.append(
                {
                    "uid": number + 1,
                    "addr": host,
                    "status": "active" if heard else "down",
                    "shard_count": sum(database.shards_count for database in databases if number in database.copies),
                    "total_memory": self.settings.memory_limit,
                    "bundled_redis_version": self.settings.redis_version,
                }
            )
        return answer

    def license(self) -> dict[str, Any]:
        with self._lock:
            text, limit, until = self._licence, self._shards_limit(), self._licensed_until()
        return {
            "license": text,
            "owner": "",
            "cluster_name": self.settings.cluster_name,
            "activation_date": self._created,
            "expiration_date": until.isoformat(timespec="seconds"),
            "expired": until <= datetime.now(UTC),
            "features": [] if text else ["trial"],
            "shards_limit": limit,
            "ram_shards_limit": limit,
            "ram_shards_in_use": sum(database.shards for database in self._all()),
        }

    def set_license(self, body: Mapping[str, Any]) -> dict[str, Any]:
        text = str(body["license"]).strip()
        match = LICENCE.fullmatch(text)
        try:
            date.fromisoformat(match["until"] if match else "")
        except ValueError:
            expected = "lab licence: N shards until YYYY-MM-DD"
            raise RequestError(400, "invalid_license", f"not a licence of the lab, {expected!r}") from None
        with self._lock:
            self._licence = text
            self._save()
        return self.license()

    def modules(self) -> list[dict[str, Any]]:
        return [{"uid": "search", "module_name": SEARCH, "display_name": "RediSearch", "semantic_version": "1.2.2"}]

    def databases(self) -> list[dict[str, Any]]:
        return [self._answer(database) for database in self._all()]

    def database(self, uid: int) -> dict[str, Any]:
        return self._answer(self._found(uid))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            port = body.get("port") or self._free_port()
            nodes = len(self.settings.members.hosts)
            database = Database.from_request({**body, "port": port}, uid=self._next_uid, nodes=nodes)
            self._check_room(database)
            self._next_uid += 1
            self._databases[database.uid] = database
            self._save()
            self._configure()
        return self._answer(database)

    def update(self, uid: int, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            current = self._found(uid)
            if body.get("replication", True) is False and current.replication:
                # The copy that stays is the one that clients write to.
                primary = self.node.primary(current)
                others = tuple(number for number in current.copies if number != primary)
                current = replace(current, copies=(primary, *others))
            database = Database.from_request(body, current, nodes=len(self.settings.members.hosts))
            self._check_room(database)
            self._databases[uid] = database
            self._save()
            self._configure()
        return self._answer(database)

    def delete(self, uid: int) -> None:
        with self._lock:
            self._found(uid)
            del self._databases[uid]
            self._save()
            self._configure()

    def _all(self) -> list[Database]:
        with self._lock:
            return list(self._databases.values())

    def _found(self, uid: int) -> Database:
        with self._lock:
            database = self._databases.get(uid)
        if database is None:
            raise RequestError(404, "db_not_exist", f"there is no database with uid {uid}")
        return database

    def _shards_limit(self) -> int:
        match = LICENCE.fullmatch(self._licence)
        return int(match["shards"]) if match else self.settings.shards_limit

    def _licensed_until(self) -> datetime:
        match = LICENCE.fullmatch(self._licence)
        if match:
            return datetime.combine(date.fromisoformat(match["until"]), datetime.min.time(), UTC)
        # The lab's trial does not run out.
        return datetime.now(UTC) + timedelta(days=TRIAL_DAYS)

    def _configure(self) -> None:
        self.node.configure(list(self._databases.values()), self._sentinel_password)

    def _check_room(self, database: Database) -> None:
        others = [other for other in self._all() if other.uid != database.uid]
        for other in others:
            if other.port == database.port:
                raise RequestError(409, "port_unavailable", f"port {database.port} belongs to database {other.name!r}")
            if other.name == database.name:
                raise RequestError(409, "name_conflict", f"a database named {database.name!r} exists")
        if self._licensed_until() <= datetime.now(UTC):
            raise RequestError(402, "license_error", "the licence has expired")
        shards, limit = database.shards + sum(other.shards for other in others), self._shards_limit()
        if shards > limit:
            raise RequestError(
                402,
                "license_error",
                f"the licence allows {limit} shards; with database {database.name!r} there would be {shards}",
            )
        for number in database.copies:
            memory = sum(other.memory_of_a_copy for other in (database, *others) if number in other.copies)
            if self.settings.memory_limit and memory > self.settings.memory_limit:
                raise RequestError(
                    406,
                    "insufficient_memory",
                    f"the node has {self.settings.memory_limit} bytes; with database {database.name!r} {memory} would be needed",
                )

    def _free_port(self) -> int:
        used = {database.port for database in self._all()}
        return next(port for port in PORTS if port not in used)

    def _answer(self, database: Database) -> dict[str, Any]:
        endpoint = {"dns_name": f"redis-{database.port}.{self.settings.cluster_name}", "port": database.port}
        return {
            **database.to_answer(),
            "status": "active" if self.node.serves(database) else "pending",
            "redis_version": self.settings.redis_version,
            "endpoints": [endpoint],
            "shard_list": [database.uid],
        }

    def _save(self) -> None:
        databases = [database.to_file() for database in self._databases.values()]
        content = {
            "next_uid": self._next_uid,
            "created": self._created,
            "sentinel_password": self._sentinel_password,
            "licence": self._licence,
            "databases": databases,
        }
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
        new.replace(self._file)
