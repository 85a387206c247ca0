# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the databases as Prometheus text, under the names of Redis Enterprise's metrics of version 2."""

from __future__ import annotations

from redis_node.database import Database

#: metric name, type, field of INFO
FROM_INFO = (
    ("redis_server_used_memory", "gauge", "used_memory"),
    ("redis_server_used_memory_rss", "gauge", "used_memory_rss"),
    ("redis_server_maxmemory", "gauge", "maxmemory"),
    ("redis_server_mem_fragmentation_ratio", "gauge", "mem_fragmentation_ratio"),
    ("redis_server_connected_clients", "gauge", "connected_clients"),
    ("redis_server_blocked_clients", "gauge", "blocked_clients"),
    ("redis_server_keyspace_read_hits", "counter", "keyspace_hits"),
    ("redis_server_keyspace_read_misses", "counter", "keyspace_misses"),
    ("redis_server_expired_keys", "counter", "expired_keys"),
    ("redis_server_evicted_keys", "counter", "evicted_keys"),
    ("redis_server_total_commands_processed", "counter", "total_commands_processed"),
    ("redis_server_rdb_changes_since_last_save", "gauge", "rdb_changes_since_last_save"),
    ("redis_server_rdb_last_save_time", "gauge", "rdb_last_save_time"),
    ("redis_server_connected_slaves", "gauge", "connected_slaves"),
    ("redis_server_master_repl_offset", "gauge", "master_repl_offset"),
    ("redis_server_slave_repl_offset", "gauge", "slave_repl_offset"),
    ("redis_server_uptime_in_seconds", "counter", "uptime_in_seconds"),
    ("endpoint_client_connections", "counter", "total_connections_received"),
    ("endpoint_ingress", "counter", "total_net_input_bytes"),
    ("endpoint_egress", "counter", "total_net_output_bytes"),
)


def exposition(cluster: str, databases: list[tuple[Database, dict[str, str]]], node: int = 1) -> str:
    """The text of a scrape. A database whose process does not answer has redis_server_up 0 and no other figure."""
    lines = ["# TYPE node_up gauge", f'node_up{{cluster="{cluster}",node="{node}"}} 1']
    here = f'cluster="{cluster}",node="{node}"'
    up = [(database, "1" if info else "0") for database, info in databases]
    lines += _family("redis_server_up", "gauge", here, up)
    # Each node says it of its own copies only; the limit is the database's, which all its copies share.
    limits = [(database, str(database.memory_size)) for database, _information in databases]
    lines += _family("db_memory_limit_bytes", "gauge", here, limits)
    lines += _family("db_config_info", "gauge", here, [(database, "1") for database, _information in databases])
    primaries = [(database, "1" if info["role"] == "master" else "0") for database, info in databases if "role" in info]
    lines += _family("redis_server_is_primary", "gauge", here, primaries)
    for metric, kind, field in FROM_INFO:
        samples = [(database, info[field]) for database, info in databases if field in info]
        lines += _family(metric, kind, here, samples)
    lines += _family(
        "redis_server_keys", "gauge", here, [(database, _keys(info)) for database, info in databases if info]
    )
    return "\n".join(lines) + "\n"


def _family(metric: str, kind: str, here: str, samples: list[tuple[Database, str]]) -> list[str]:
    if not samples:
        return []
    return [
        f"# TYPE {metric} {kind}",
        *(
            f'{metric}{{{here},db="{database.uid}",bdb="{database.uid}",'
            f'uid="{database.uid}",db_name="{database.name}"}} {value}'
            for database, value in samples
        ),
    ]


def _keys(info: dict[str, str]) -> str:
    keyspace = info.get("db0", "keys=0")
    return dict(part.split("=") for part in keyspace.split(","))["keys"]
