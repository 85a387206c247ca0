# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One database: what the REST API says about it, checked, and the same as a redis-server configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from redis_node.members import ALONE, FIRST, Members, placement, second_node

MEGABYTE = 1024 * 1024
SMALLEST_MEMORY = 100 * MEGABYTE
PORTS = range(10000, 20000)
#: Where a database of a cluster with several nodes listens for the proxies and its replica, and with TLS for the proxies.
INNER_PORT_OFFSET = 10000
INNER_TLS_PORT_OFFSET = 20000
EVICTION_POLICIES = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "noeviction",
)
PERSISTENCE = ("disabled", "aof", "snapshot")
AOF_POLICIES = {"appendfsync-every-sec": "everysec", "appendfsync-always": "always"}
SEARCH = "search"
#: Modules of this node and the files that hold them.
MODULES = {SEARCH: Path("/usr/lib/redis/modules/redisearch.so")}


class RequestError(Exception):
    """A request that the node refuses; status and code as the vendor's API has them."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Database:
    """Settings of a database, named as in the REST API."""

    uid: int
    name: str
    port: int
    memory_size: int
    authentication_redis_pass: str = field(default="", repr=False)
    type: str = "redis"
    data_persistence: str = "disabled"
    snapshot_policy: tuple[tuple[int, int], ...] = ()
    aof_policy: str = "appendfsync-every-sec"
    eviction_policy: str = "volatile-lru"
    tls_mode: str = "disabled"
    shards_count: int = 1
    replication: bool = False
    module_list: tuple[str, ...] = ()
    backup: bool = False
    backup_interval: int = 86400
    backup_location: Mapping[str, Any] | None = field(default=None, repr=False)
    #: Numbers of the nodes that hold it, the one that was primary at first in front. Not a setting of the API's.
    copies: tuple[int, ...] = (FIRST,)

    @classmethod
    def from_request(
        cls, body: Mapping[str, Any], current: Database | None = None, uid: int = 0, nodes: int = 1
    ) -> Database:
        """The database that a POST (current is None) or PUT asks for, in a cluster of so many nodes."""
        own = ("uid", "copies")
        changes = {key: value for key, value in body.items() if key in cls.__dataclass_fields__ and key not in own}
        if "snapshot_policy" in changes:
            changes["snapshot_policy"] = tuple(
                (int(row["secs"]), int(row["writes"])) for row in changes["snapshot_policy"]
            )
        if "module_list" in changes:
            changes["module_list"] = tuple(module["module_name"] for module in changes["module_list"])
        if current:
            if changes.get("port", current.port) != current.port:
                raise RequestError(400, "bad_request", "the port of a database cannot be changed")
            database = replace(current, **changes)
        else:
            for key in ("name", "memory_size", "port"):
                if key not in changes:
                    raise RequestError(400, "missing_fields", f"{key} is missing")
            database = cls(uid=uid, **changes)
        database.check(nodes)
        return database._placed(current, nodes)

    @classmethod
    def from_file(cls, stored: Mapping[str, Any]) -> Database:
        policy = tuple((secs, writes) for secs, writes in stored["snapshot_policy"])
        tuples = {"module_list": tuple(stored["module_list"]), "copies": tuple(stored.get("copies", (FIRST,)))}
        return cls(**{**stored, "snapshot_policy": policy, **tuples})

    def to_file(self) -> dict[str, Any]:
        return asdict(self)

    def to_answer(self) -> dict[str, Any]:
        settings = asdict(self)
        del settings["copies"]
        return {
            **settings,
            "snapshot_policy": [{"secs": secs, "writes": writes} for secs, writes in self.snapshot_policy],
            "module_list": [{"module_name": name} for name in self.module_list],
        }

    @property
    def shards(self) -> int:
        """What the licence counts."""
        return self.shards_count * (2 if self.replication else 1)

    @property
    def tls(self) -> bool:
        return self.tls_mode == "enabled"

    @property
    def inner_port(self) -> int:
        """Where the proxies ask who is primary, where the replica and Sentinel connect, and plain clients are passed to."""
        return self.port + INNER_PORT_OFFSET

    @property
    def inner_tls_port(self) -> int:
        """Where clients of a database with TLS are passed to."""
        return self.port + INNER_TLS_PORT_OFFSET

    @property
    def memory_of_a_copy(self) -> int:
        """The limit is for primary and replica together."""
        return self.memory_size // len(self.copies)

    def check(self, nodes: int = 1) -> None:
        """Raise RequestError for what no node could do, and for what this cluster cannot."""
        mistakes = (
            (self.type != "redis", "invalid_schema", f"type {self.type!r}: this node serves redis databases only"),
            (
                self.memory_size < SMALLEST_MEMORY,
                "invalid_memory_size",
                f"memory_size {self.memory_size}: at least 100MB ({SMALLEST_MEMORY} bytes)",
            ),
            (self.port not in PORTS, "bad_port", f"port {self.port}: must be from {PORTS[0]} to {PORTS[-1]}"),
            (
                self.eviction_policy not in EVICTION_POLICIES,
                "invalid_eviction_policy",
                f"eviction_policy {self.eviction_policy!r}: one of {', '.join(EVICTION_POLICIES)}",
            ),
            (
                self.data_persistence not in PERSISTENCE,
                "invalid_data_persistence",
                f"data_persistence {self.data_persistence!r}: one of {', '.join(PERSISTENCE)}",
            ),
            (self.aof_policy not in AOF_POLICIES, "invalid_aof_policy", f"aof_policy {self.aof_policy!r} is unknown"),
            (
                self.tls_mode not in ("enabled", "disabled", "replica_ssl"),
                "invalid_tls_mode",
                f"tls_mode {self.tls_mode!r}: enabled, disabled or replica_ssl",
            ),
            (self.shards_count < 1, "invalid_shards_count", f"shards_count {self.shards_count}: at least 1"),
            (
                self.backup and self.backup_interval < 1,
                "missing_backup_interval",
                f"backup_interval {self.backup_interval}: at least one second",
            ),
        )
        for wrong, code, description in mistakes:
            if wrong:
                raise RequestError(400, code, description)
        for module in self.module_list:
            if module not in MODULES:
                raise RequestError(
                    406,
                    "no_module_found",
                    f"module {module!r} is not on this node; it has: {', '.join(sorted(MODULES))}",
                )
        if self.replication and nodes == 1:
            raise RequestError(406, "not_enough_nodes", "replication needs a second node; the cluster has one")

    def settings(self) -> dict[str, str]:
        """What redis-server can change while it runs."""
        snapshots = " ".join(f"{secs} {writes}" for secs, writes in self.snapshot_policy)
        return {
            "maxmemory": str(self.memory_of_a_copy),
            "maxmemory-policy": self.eviction_policy,
            "requirepass": self.authentication_redis_pass,
            # The replica shows it to the primary; which of them a server is changes while it runs.
            "masterauth": self.authentication_redis_pass,
            "save": snapshots if self.data_persistence == "snapshot" else "",
            "appendonly": "yes" if self.data_persistence == "aof" else "no",
            "appendfsync": AOF_POLICIES[self.aof_policy],
        }

    def start_settings(self) -> tuple[object, ...]:
        """What only a new process takes over."""
        return (self.tls, self.module_list)

    def configuration(
        self, directory: Path, socket: Path, certificates: Path, members: Members = ALONE, primary: int | None = None
    ) -> str:
        """The file redis-server starts with. `primary` is the node whose database this one is the replica of."""
        bind = "* -::*" if members.listen == "*" else members.listen
        lines = [
            f"bind {bind}\nprotected-mode no\ndatabases 1\ndir {directory}\nunixsocket {socket}\nunixsocketperm 700",
            # The agent starts it again; a process in the background would be lost to it.
            "daemonize no",
            "rdbcompression yes",
        ]
        # The only node serves clients itself; several have proxies in front, which ask without TLS who is primary.
        plain_port = self.inner_port if members.several else 0 if self.tls else self.port
        lines.append(f"port {plain_port}")
        if self.tls:
            lines.append(
                f"tls-port {self.inner_tls_port if members.several else self.port}\ntls-auth-clients no\n"
                f"tls-cert-file {certificates / 'tls.crt'}\n"
                f"tls-key-file {certificates / 'tls.key'}\ntls-ca-cert-file {certificates / 'ca.crt'}"
            )
        if members.several:
            lines.append(f"replica-announce-ip {members.host}\nreplica-announce-port {self.inner_port}")
            lines.append("repl-diskless-sync-delay 0")
        if primary is not None:
            lines.append(f"replicaof {members.hosts[primary]} {self.inner_port}")
        lines += [f"loadmodule {MODULES[name]}" for name in self.module_list]
        # Only `save` has several words; in a password a space is part of it.
        lines += [
            f"{key} {value if _plain(value, spaces=key == 'save') else quoted(value)}"
            for key, value in self.settings().items()
        ]
        return "\n".join(lines) + "\n"

    def _placed(self, current: Database | None, nodes: int) -> Database:
        if current is None:
            return replace(self, copies=placement(self.uid, 2 if self.replication else 1, nodes))
        if self.replication == (len(current.copies) > 1):
            return self
        if self.replication:
            return replace(self, copies=(current.copies[0], second_node(current.copies[0], self.uid, nodes)))
        return replace(self, copies=current.copies[:1])


def quoted(value: str) -> str:
    """A value for the configuration file, safe whatever it holds."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'


def _plain(value: str, *, spaces: bool) -> bool:
    allowed = " -" if spaces else "-"
    return bool(value) and value.isascii() and all(character.isalnum() or character in allowed for character in value)
