# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to this service's Redis database: made when needed, errors as StoreUnavailableError."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from azora_service.configuration import RedisSettings
from azora_service.failures import StoreUnavailableError

STORE = "redis"
_SECONDS = 2


def redis_client(settings: RedisSettings, service: str) -> Redis:
    return Redis(
        host=settings.host,
        port=settings.port,
        password=settings.password,
        client_name=service,
        decode_responses=True,
        # The protocol that every Redis since 1.2 speaks; nothing here needs more.
        protocol=2,
        socket_connect_timeout=_SECONDS,
        socket_timeout=_SECONDS,
        socket_keepalive=True,
        health_check_interval=15,
        # One more try: a pooled connection may have died with the server's last restart.
        retry=Retry(ConstantBackoff(0.05), 1),
    )


@asynccontextmanager
async def redis_answers() -> AsyncIterator[None]:
    """Turn whatever Redis or the way to it does wrong into StoreUnavailableError."""
    try:
        yield
    except (RedisError, TimeoutError, OSError) as error:
        raise StoreUnavailableError(STORE, error) from error
