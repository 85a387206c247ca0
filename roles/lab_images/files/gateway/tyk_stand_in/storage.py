# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis as the gateway uses it: is it there, counters of hits, the word that all gateways reload."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from tyk_stand_in.configuration import Configuration

log = logging.getLogger(__name__)

RELOAD_CHANNEL = "tyk.cluster.notifications"
RELOAD_COMMAND = "NoticeGroupReload"
LIVENESS_KEY = "tyk-liveness-probe"
HITS_PREFIX = "stand-in-hits:"
_RETRY_SECONDS = 1.0
_FLUSH_SECONDS = 1.0

_FAILURES = (RedisError, TimeoutError, OSError)
WINDOW_PREFIX = "rate-limit-"


class StorageError(Exception):
    """Redis does not answer."""


def redis_client(configuration: Configuration) -> Redis:
    host, port = configuration.storage_address
    return Redis(
        host=host,
        port=port,
        db=configuration.storage_database,
        username=configuration.storage_username or None,
        password=configuration.storage_password or None,
        client_name="gateway",
        decode_responses=True,
        protocol=2,
        socket_connect_timeout=configuration.storage_timeout,
        socket_timeout=configuration.storage_timeout,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ConstantBackoff(0.05), 1),
        ssl=configuration.storage_use_ssl,
        ssl_cert_reqs=ssl.CERT_NONE if configuration.storage_ssl_insecure_skip_verify else ssl.CERT_REQUIRED,
        ssl_check_hostname=not configuration.storage_ssl_insecure_skip_verify,
        ssl_ca_certs=configuration.storage_ca_file or None,
    )


class Storage:
    """What is known of Redis, kept current by tasks in the background; only requests that are limited wait for it."""

    def __init__(self, configuration: Configuration, reload: Callable[[], Awaitable[None]]) -> None:
        self._redis = redis_client(configuration)
        self._check_seconds = max(configuration.check_duration, 1)
        self._reload = reload
        self._hits: Counter[tuple[str, int]] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self.answers = False
        self.detail = "not checked yet"
        self.checked = datetime.now(UTC)

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(work()) for work in (self._check_forever, self._flush_forever, self._listen_forever)
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush()
        await self._redis.aclose()

    def count_hit(self, api_id: str, status: int) -> None:
        self._hits[api_id, status] += 1

    async def count_in_window(self, who: str, seconds: float) -> int:
        """Count one more in the present window, which all gateways share as they share Redis and the time."""
        window = int(time.time() // seconds)
        key = f"{WINDOW_PREFIX}{who}-{window}"
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.incr(key)
        pipeline.expire(key, math.ceil(seconds) + 1)
        try:
            count, _kept = await pipeline.execute()
        except _FAILURES as error:
            log.error("a request could not be counted", extra={"reason": f"{type(error).__name__}: {error}"})
            raise StorageError from error
        return int(count)

    async def announce_reload(self) -> None:
        await self._redis.publish(RELOAD_CHANNEL, json.dumps({"command": RELOAD_COMMAND, "payload": ""}))

    async def check(self) -> None:
        try:
            await self._redis.set(LIVENESS_KEY, LIVENESS_KEY, ex=10)
        except _FAILURES as error:
            if self.answers or self.detail == "not checked yet":
                log.error("Redis does not answer", extra={"reason": str(error)})
            self.answers, self.detail = False, f"{type(error).__name__}: {error}"
        else:
            if not self.answers:
                log.info("Redis answers")
            self.answers, self.detail = True, ""
        self.checked = datetime.now(UTC)

    async def _check_forever(self) -> None:
        while True:
            await self.check()
            # Looked for more often while it is missing, so that readiness returns soon after Redis.
            await asyncio.sleep(self._check_seconds if self.answers else _RETRY_SECONDS)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        hits, self._hits = self._hits, Counter()
        if not hits:
            return
        pipeline = self._redis.pipeline(transaction=True)
        for (api_id, status), count in hits.items():
            pipeline.hincrby(HITS_PREFIX + api_id, str(status), count)
        try:
            await pipeline.execute()
        except _FAILURES:
            # Kept until Redis is back; there is one number for each API and status, so this does not grow.
            self._hits.update(hits)

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except _FAILURES:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(RELOAD_CHANNEL)
            while True:
                message = await channel.get_message(timeout=5)
                if message is not None and is_reload(message["data"]):
                    await self._reload()


def is_reload(data: object) -> bool:
    try:
        notice = json.loads(data) if isinstance(data, str) else None
    except ValueError:
        return False
    return isinstance(notice, dict) and notice.get("command") == RELOAD_COMMAND
