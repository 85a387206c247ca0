# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus metrics of the server, under the names that the vendor's exporter gives them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg

from postgres_instance.server import PostgresServer

PORT = 9187


@dataclass(frozen=True)
class Query:
    """One query: text columns are labels, numeric columns are metrics named PREFIX_COLUMN."""

    prefix: str
    kind: str
    statement: str


QUERIES = (
    Query(
        "cnpg_backends",
        "gauge",
        """
        SELECT coalesce(datname, '') AS datname, coalesce(usename, '') AS usename, application_name,
               coalesce(state, '') AS state, count(*) AS total
        FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4
        """,
    ),
    Query(
        "cnpg_pg_database",
        "gauge",
        """
        SELECT datname, pg_database_size(datname) AS size_bytes, age(datfrozenxid) AS xid_age
        FROM pg_database WHERE datallowconn
        """,
    ),
    Query(
        "cnpg_pg_postmaster",
        "gauge",
        "SELECT extract(epoch FROM pg_postmaster_start_time()) AS start_time",
    ),
    Query(
        "cnpg_pg_replication",
        "gauge",
        """
        SELECT CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                    ELSE greatest(0, coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)) END AS lag,
               pg_is_in_recovery()::int AS in_recovery,
               (SELECT count(*) FROM pg_stat_wal_receiver) AS is_wal_receiver_up,
               (SELECT count(*) FROM pg_stat_replication) AS streaming_replicas
        """,
    ),
    Query(
        "cnpg_pg_stat_database",
        "counter",
        """
        SELECT datname, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched, tup_inserted,
               tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks
        FROM pg_stat_database WHERE datname IS NOT NULL
        """,
    ),
    Query(
        "cnpg_pg_stat_archiver",
        "counter",
        """
        SELECT archived_count, failed_count FROM pg_stat_archiver
        """,
    ),
    Query(
        "cnpg_pg_stat_archiver",
        "gauge",
        """
        SELECT coalesce(extract(epoch FROM now() - last_archived_time), -1) AS seconds_since_last_archival,
               coalesce(extract(epoch FROM now() - last_failed_time), -1) AS seconds_since_last_failure
        FROM pg_stat_archiver
        """,
    ),
    Query(
        "cnpg_pg_settings",
        "gauge",
        """
        SELECT name, setting::float AS setting FROM pg_settings WHERE vartype IN ('integer', 'real')
        """,
    ),
)


def sample_lines(query: Query, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The answer of one query in the exposition format, each metric's samples together."""
    samples: dict[str, list[str]] = {}
    for row in rows:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in row.items() if isinstance(value, str))
        for name, value in row.items():
            if not isinstance(value, str) and value is not None:
                metric = f"{query.prefix}_{name}"
                samples.setdefault(metric, []).append(f"{metric}{{{labels}}} {float(value):.15g}")
    return [line for metric, lines in samples.items() for line in (f"# TYPE {metric} {query.kind}", *lines)]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def collect(server: PostgresServer, cluster: str) -> str:
    """All metrics; a server that does not answer is a metric, too."""
    lines: list[str] = []
    version = ""
    up = error = 0
    try:
        with server.connect() as connection:
            up = 1
            row = connection.execute("SELECT current_setting('server_version') AS version").fetchone() or {}
            version = str(row.get("version", "")).split(" ", 1)[0]
            for query in QUERIES:
                lines += sample_lines(query, connection.execute(query.statement.encode()).fetchall())
    except psycopg.Error:
        error = 1
    lines += [
        "# TYPE cnpg_collector_up gauge",
        f'cnpg_collector_up{{cluster="{cluster}"}} {up}',
        "# TYPE cnpg_collector_last_collection_error gauge",
        f"cnpg_collector_last_collection_error {error}",
    ]
    if version:
        lines += [
            "# TYPE cnpg_collector_postgres_version gauge",
            f'cnpg_collector_postgres_version{{cluster="{cluster}",full="{version}"}} {".".join(version.split(".")[:2])}',
        ]
    return "\n".join(lines) + "\n"


def start_metrics_endpoint(server: PostgresServer, cluster: str, port: int = PORT) -> ThreadingHTTPServer:
    """Serve in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            content = collect(server, cluster).encode() if found else b"not found\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Scrapes are not worth a log line each."""

    endpoint = ThreadingHTTPServer(("", port), Handler)
    endpoint.daemon_threads = True
    threading.Thread(target=endpoint.serve_forever, name="metrics endpoint", daemon=True).start()
    return endpoint
