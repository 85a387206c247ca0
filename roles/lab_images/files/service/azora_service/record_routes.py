# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What user, course and enrollment have in common: records in PostgreSQL, an event for each, questions to ai-agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from azora_service.event_reports import EventReporter
from azora_service.failures import NotFoundError
from azora_service.kinds import Routes, Surroundings
from azora_service.postgres_rows import PostgresRows
from azora_service.questions import question_routes
from azora_service.request_bodies import LARGEST_ID, Body, path_identifier, query_number, read_body

LARGEST_PAGE = 500


@dataclass(frozen=True)
class Record:
    """A kind of record: its singular name, its columns, and how a body becomes one."""

    name: str
    columns: Mapping[str, str]
    read: Callable[[Body], dict[str, object]]

    @property
    def plural(self) -> str:
        return f"{self.name}s"


async def record_routes(record: Record, surroundings: Surroundings) -> Routes:
    settings = surroundings.settings
    if settings.postgres is None:
        raise RuntimeError(f"{settings.kind} needs PostgreSQL")
    reporter = await surroundings.stack.enter_async_context(
        EventReporter(settings.name, surroundings.outbound, surroundings.metrics)
    )
    rows = await surroundings.stack.enter_async_context(
        PostgresRows(settings.postgres, settings.name, record.plural, record.columns)
    )

    async def create(request: web.Request) -> web.Response:
        body = await read_body(request, tuple(record.columns))
        row = await rows.insert(record.read(body))
        reporter.report(f"{record.name}.created", str(row["id"]))
        return web.json_response(row, status=201, headers={"Location": f"/{record.plural}/{row['id']}"})

    async def get(request: web.Request) -> web.Response:
        identifier = path_identifier(request)
        row = await rows.get(identifier)
        if row is None:
            raise NotFoundError(f"There is no {record.name} {identifier}.")
        return web.json_response(row)

    async def page(request: web.Request) -> web.Response:
        limit = query_number(request, "limit", 100, 1, LARGEST_PAGE)
        after = query_number(request, "after", 0, 0, LARGEST_ID)
        found = await rows.page(after, limit)
        # A full page may have a successor; its caller asks with ?after=<next>.
        following = found[-1]["id"] if len(found) == limit else None
        return web.json_response({record.plural: found, "next": following})

    return [
        web.post(f"/{record.plural}", create),
        web.get(f"/{record.plural}", page),
        web.get(f"/{record.plural}/{{id}}", get),
        *question_routes(surroundings),
    ]
