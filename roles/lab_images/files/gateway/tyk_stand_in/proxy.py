# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes a request on to its service and the answer back, both as streams."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tyk_stand_in.configuration import Configuration
from tyk_stand_in.definitions import ApiDefinition
from tyk_stand_in.routing import upstream_url
from tyk_stand_in.traffic import Traffic

log = logging.getLogger(__name__)

# RFC 9110 7.6.1: these belong to one connection and end there.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The client's library would add these where the request has none.
_NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


def error(message: str, status: int) -> web.Response:
    return web.json_response({"error": message}, status=status, headers={"X-Generator": "tyk.io"})


class Upstream:
    """The client side. Connections are not kept: a Service balances by connection, so a kept one would pin requests to
    one pod and could break under a request when that pod stops.
    """

    def __init__(self, configuration: Configuration, traffic: Traffic) -> None:
        self._traffic = traffic
        self._read_seconds = configuration.proxy_default_timeout
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(
        self, definition: ApiDefinition, request: web.Request, added: Mapping[str, str]
    ) -> web.StreamResponse:
        """The service's answer, with some headers more."""
        if self._session is None:
            raise RuntimeError("Upstream is not open")
        url = upstream_url(definition, request.rel_url.raw_path, request.rel_url.raw_query_string)
        hard = definition.rules.timeouts.get(request.method)
        try:
            answer = await self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=request_headers(definition, request),
                skip_auto_headers=_NOT_ADDED,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=hard, sock_connect=10, sock_read=self._read_seconds),
            )
        except TimeoutError:
            return self._failed(definition, "Upstream service reached hard timeout.", 504, "timeout")
        except aiohttp.ClientConnectorDNSError as failure:
            return self._failed(definition, "Upstream host lookup failed", 500, str(failure))
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            return self._failed(definition, "There was a problem proxying the request", 500, str(failure))
        async with answer:
            return await self._relay(definition, request, answer, added)

    @staticmethod
    def _failed(definition: ApiDefinition, message: str, status: int, reason: str) -> web.Response:
        log.error("http: proxy error", extra={"api_id": definition.api_id, "reason": reason})
        return error(message, status)

    async def _relay(
        self,
        definition: ApiDefinition,
        request: web.Request,
        answer: aiohttp.ClientResponse,
        added: Mapping[str, str],
    ) -> web.StreamResponse:
        headers = without_hop_by_hop(answer.headers.items(), answer.headers.getall("Connection", []))
        _transform(headers, definition.rules.response_headers, definition.rules.removed_response_headers)
        # What the gateway says of origins takes the place of what the service says.
        headers.update(added)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        if self._traffic.draining:
            response.force_close()
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        except (aiohttp.ClientError, TimeoutError) as failure:
            # The status is sent already; only a broken connection can still say that the body is not whole.
            log.error("answer broke off", extra={"api_id": definition.api_id, "reason": str(failure)})
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response


def without_hop_by_hop(headers: Iterable[tuple[str, str]], connection: Iterable[str]) -> CIMultiDict[str]:
    named = {token.strip().lower() for value in connection for token in value.split(",")}
    return CIMultiDict((name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named)


def request_headers(definition: ApiDefinition, request: web.Request) -> CIMultiDict[str]:
    headers = without_hop_by_hop(request.headers.items(), request.headers.getall("Connection", []))
    headers.popall("Expect", None)
    if not definition.preserve_host_header:
        # Left out, it becomes the target's.
        headers.popall("Host", None)
    client = request.remote or ""
    before = request.headers.getall("X-Forwarded-For", [])
    headers["X-Forwarded-For"] = ", ".join([*before, client])
    headers["X-Real-IP"] = client
    _transform(headers, definition.rules.request_headers, definition.rules.removed_request_headers)
    return headers


def _transform(headers: CIMultiDict[str], added: Mapping[str, str], removed: Iterable[str]) -> None:
    for name in removed:
        headers.popall(name, None)
    headers.update(added)
