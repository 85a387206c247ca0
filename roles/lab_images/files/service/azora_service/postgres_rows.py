# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of one table in PostgreSQL. Connections are made when a request needs one, and the table with the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from azora_service.configuration import PostgresSettings
from azora_service.failures import StoreUnavailableError

STORE = "postgres"
STATEMENT_SECONDS = 3
_CONNECT_SECONDS = 2

Connection = psycopg.AsyncConnection[DictRow]


class PostgresRows:
    """Insert, read and list rows that have an id and a time of creation besides the given columns."""

    def __init__(self, settings: PostgresSettings, service: str, table: str, columns: Mapping[str, str]) -> None:
        self._table = sql.Identifier(table)
        self._columns = dict(columns)
        self._created = False
        self._unfinished: set[asyncio.Task[list[dict[str, Any]]]] = set()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs={
                "host": settings.host,
                "port": settings.port,
                "dbname": settings.database,
                "user": settings.user,
                "password": settings.password,
                "application_name": service,
                "connect_timeout": _CONNECT_SECONDS,
                # A server that vanished without a word is noticed within seconds.
                "tcp_user_timeout": STATEMENT_SECONDS * 1000,
                "keepalives_idle": 15,
                "autocommit": True,
                "row_factory": dict_row,
            },
            connection_class=psycopg.AsyncConnection[DictRow],
            check=AsyncConnectionPool.check_connection,
            open=False,
            min_size=0,
            max_size=5,
            timeout=_CONNECT_SECONDS,
            reconnect_timeout=5,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close(timeout=STATEMENT_SECONDS)

    async def insert(self, values: Mapping[str, object]) -> dict[str, Any]:
        names = [sql.Identifier(name) for name in values]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            self._table, sql.SQL(", ").join(names), sql.SQL(", ").join(sql.Placeholder() for _name in names)
        )
        rows = await self._rows(statement, tuple(values.values()))
        return rows[0]

    async def get(self, identifier: int) -> dict[str, Any] | None:
        statement = sql.SQL("SELECT * FROM {} WHERE id = %s").format(self._table)
        rows = await self._rows(statement, (identifier,))
        return rows[0] if rows else None

    async def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        statement = sql.SQL("SELECT * FROM {} WHERE id > %s ORDER BY id LIMIT %s").format(self._table)
        return await self._rows(statement, (after, limit))

    async def _rows(self, statement: sql.Composed, values: Sequence[object]) -> list[dict[str, Any]]:
        async def read(connection: Connection) -> list[dict[str, Any]]:
            if not self._created:
                await self._create(connection)
            try:
                cursor = await connection.execute(statement, values)
            except psycopg.errors.UndefinedTable:
                # The database was made anew while this process ran.
                await self._create(connection)
                cursor = await connection.execute(statement, values)
            return [_plain(row) for row in await cursor.fetchall()]

        return await self._connected(read)

    async def _create(self, connection: Connection) -> None:
        columns = [
            sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(kind))  # type: ignore[arg-type]
            for name, kind in self._columns.items()
        ]
        async with connection.transaction():
            # CREATE TABLE IF NOT EXISTS alone can fail when two replicas run it at the same moment.
            await connection.execute("SELECT pg_advisory_xact_lock(7205759403792793)")
            await connection.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {},"
                    " created_at timestamptz NOT NULL DEFAULT now())"
                ).format(self._table, sql.SQL(", ").join(columns))
            )
        self._created = True

    async def _connected(self, work: Callable[[Connection], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
        async def connected() -> list[dict[str, Any]]:
            async with self._pool.connection() as connection:
                return await work(connection)

        # Giving a statement up takes the driver another ten seconds where the server hangs; the caller has its
        # answer before, and the driver finishes by itself.
        task = asyncio.create_task(connected())
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        try:
            done, _pending = await asyncio.wait({task}, timeout=_CONNECT_SECONDS + STATEMENT_SECONDS)
        finally:
            if not task.done():
                task.cancel()
        if not done:
            raise StoreUnavailableError(STORE, TimeoutError("the statement took too long"))
        try:
            return task.result()
        except (psycopg.Error, PoolTimeout, OSError) as error:
            raise StoreUnavailableError(STORE, error) from error


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
