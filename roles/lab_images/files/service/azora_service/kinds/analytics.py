# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes events, writes them to Kafka, reads them back and counts them in Redis."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from aiohttp import web

from azora_service.event_counters import EventCounters
from azora_service.event_log import EventConsumer, EventProducer
from azora_service.kinds import Routes, Surroundings
from azora_service.redis_store import redis_client
from azora_service.request_bodies import read_body


async def routes(surroundings: Surroundings) -> Routes:
    settings = surroundings.settings
    if settings.redis is None or settings.kafka is None:
        raise RuntimeError("analytics needs Redis and Kafka")
    redis = redis_client(settings.redis, settings.name)
    surroundings.stack.push_async_callback(redis.aclose)
    counters = EventCounters(redis, settings.event_memory_seconds)
    producer = EventProducer(settings.kafka, settings.name, surroundings.metrics)
    surroundings.stack.push_async_callback(producer.close)
    consumer = EventConsumer(settings.kafka, settings.name, counters.count, surroundings.metrics)
    surroundings.stack.push_async_callback(consumer.close)

    async def take(request: web.Request) -> web.Response:
        body = await read_body(request, ("id", "type", "subject", "source", "time"))
        event = {
            "id": body.token("id", default=uuid.uuid4().hex),
            "type": body.token("type"),
            "subject": body.text("subject", 200),
            "source": body.token("source"),
            "time": body.text("time", 40) if body.has("time") else datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        await producer.produce(event)
        return web.json_response({"id": event["id"]}, status=202)

    async def all_counters(_request: web.Request) -> web.Response:
        return web.json_response(await counters.all())

    async def one_counter(request: web.Request) -> web.Response:
        event_type = request.match_info["type"]
        return web.json_response({"type": event_type, "count": await counters.one(event_type)})

    return [
        web.post("/events", take),
        web.get("/counters", all_counters),
        web.get("/counters/{type}", one_counter),
    ]
