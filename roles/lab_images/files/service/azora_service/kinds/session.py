# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions in Redis, each with an end."""

from __future__ import annotations

import hashlib
import json
import secrets

from aiohttp import web

from azora_service.event_reports import EventReporter
from azora_service.failures import NotFoundError
from azora_service.kinds import Routes, Surroundings
from azora_service.redis_store import redis_answers, redis_client
from azora_service.request_bodies import read_body

DEFAULT_SECONDS = 3600
LONGEST_SECONDS = 7 * 24 * 3600
PREFIX = "session:"


async def routes(surroundings: Surroundings) -> Routes:
    settings = surroundings.settings
    if settings.redis is None:
        raise RuntimeError("session needs Redis")
    redis = redis_client(settings.redis, settings.name)
    surroundings.stack.push_async_callback(redis.aclose)
    reporter = await surroundings.stack.enter_async_context(
        EventReporter(settings.name, surroundings.outbound, surroundings.metrics)
    )

    async def create(request: web.Request) -> web.Response:
        body = await read_body(request, ("user_id", "ttl_seconds"))
        user_id = body.identifier("user_id")
        seconds = body.number("ttl_seconds", 1, LONGEST_SECONDS, DEFAULT_SECONDS)
        identifier = secrets.token_hex(24)
        async with redis_answers():
            await redis.set(PREFIX + identifier, json.dumps({"user_id": user_id}), ex=seconds)
        # Who knows the id has the session, so analytics is told a digest of it.
        reporter.report("session.created", hashlib.sha256(identifier.encode()).hexdigest()[:16])
        return web.json_response({"id": identifier, "user_id": user_id, "expires_in": seconds}, status=201)

    async def get(request: web.Request) -> web.Response:
        key = PREFIX + request.match_info["id"]
        async with redis_answers():
            reading = redis.pipeline(transaction=True)
            reading.get(key)
            reading.ttl(key)
            stored, expires_in = await reading.execute()
        if stored is None:
            raise NotFoundError("There is no such session.")
        return web.json_response(
            {"id": request.match_info["id"], "user_id": json.loads(stored)["user_id"], "expires_in": expires_in}
        )

    async def delete(request: web.Request) -> web.Response:
        async with redis_answers():
            deleted = await redis.delete(PREFIX + request.match_info["id"])
        if not deleted:
            raise NotFoundError("There is no such session.")
        return web.Response(status=204)

    return [
        web.post("/sessions", create),
        web.get("/sessions/{id}", get),
        web.delete("/sessions/{id}", delete),
    ]
