# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to other services: bounded in time, counted, with the request id passed on."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from azora_service.configuration import Settings
from azora_service.failures import CalleeError, CalleeRefusedError, CalleeTimeoutError
from azora_service.json_logs import request_id
from azora_service.metrics import Metrics

LARGEST_ANSWER_BYTES = 4 * 1024 * 1024


def trusting_context(trusted_ca: str) -> ssl.SSLContext:
    """The system's certificate authorities and, in addition, the given ones."""
    context = ssl.create_default_context()
    if trusted_ca:
        context.load_verify_locations(cadata=trusted_ca)
    return context


class Outbound:
    """One HTTP client for all callees.

    Connections are not kept: a Service balances by connection, so a kept one would pin all requests to one pod, and
    a kept connection to a pod that stops would lose the request that is written to it in that moment.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(force_close=True, limit=100, ssl=trusting_context(self._settings.trusted_ca))
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def knows(self, callee: str) -> bool:
        return callee in self._settings.callees

    async def get(self, callee: str, path: str) -> dict[str, Any]:
        url = self._settings.callees[callee] + path
        return await self.exchange(callee, "GET", url, seconds=self._settings.outbound_timeout_seconds)

    async def post(
        self, callee: str, path: str, body: Mapping[str, Any], seconds: float | None = None
    ) -> dict[str, Any]:
        url = self._settings.callees[callee] + path
        limit = seconds or self._settings.outbound_timeout_seconds
        return await self.exchange(callee, "POST", url, body=body, seconds=limit)

    async def exchange(
        self,
        callee: str,
        method: str,
        url: str,
        *,
        seconds: float,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the JSON object of a 2xx answer; everything else is a CalleeError."""
        started = time.perf_counter()
        result = "error"
        try:
            answer = await self._exchange(callee, method, url, seconds=seconds, body=body, headers=headers)
            result = "ok"
            return answer
        except CalleeRefusedError:
            result = "refused"
            raise
        except TimeoutError:
            result = "timeout"
            raise CalleeTimeoutError(callee, f"{callee} did not answer within {seconds:g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            result = "unreachable"
            raise CalleeError(callee, f"{callee} cannot be reached ({type(error).__name__}).") from error
        finally:
            self._metrics.outbound.labels(callee, result).inc()
            self._metrics.outbound_seconds.labels(callee).observe(time.perf_counter() - started)

    async def _exchange(
        self,
        callee: str,
        method: str,
        url: str,
        *,
        seconds: float,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("Outbound is used outside of its context")
        sent = {"Accept": "application/json", **(headers or {})}
        if current := request_id.get():
            sent["X-Request-ID"] = current
        async with self._session.request(
            method,
            url,
            json=body,
            headers=sent,
            # A redirect could carry a key to a place nobody chose.
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            answer = _json_object(await _read(callee, response))
            if 400 <= response.status < 500:
                raise CalleeRefusedError(callee, response.status, _reason(answer, response.status))
            if not 200 <= response.status < 300:
                raise CalleeError(callee, f"{callee} failed: {_reason(answer, response.status)}")
            if answer is None and response.status != 204:
                raise CalleeError(callee, f"{callee} answered something that is no JSON object.")
            return answer or {}


async def _read(callee: str, response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST_ANSWER_BYTES:
            raise CalleeError(callee, f"{callee} answered more than {LARGEST_ANSWER_BYTES} bytes.")
    return bytes(raw)


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _reason(answer: dict[str, Any] | None, status: int) -> str:
    error = (answer or {}).get("error")
    return error if isinstance(error, str) else f"it answered {status}."
