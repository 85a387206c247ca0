# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway: routes that a reload replaces as a whole, health, the control API, everything else is proxied."""

from __future__ import annotations

import asyncio
import hmac
import logging
import pathlib
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tyk_stand_in import VERSION
from tyk_stand_in.admission import Admission
from tyk_stand_in.breakers import CircuitBreakers
from tyk_stand_in.configuration import Configuration
from tyk_stand_in.cors import actual_headers, is_preflight, preflight_headers
from tyk_stand_in.definitions import ApiDefinition, read_definitions
from tyk_stand_in.policies import PolicyError, read_policies
from tyk_stand_in.proxy import Upstream, error
from tyk_stand_in.routing import Routes, leaves_its_path
from tyk_stand_in.storage import Storage
from tyk_stand_in.tokens import Tokens
from tyk_stand_in.traffic import Traffic

log = logging.getLogger(__name__)

SECRET_HEADER = "x-tyk-authorization"  # noqa: S105 - the header's name
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """All state of one gateway process."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.routes = Routes([])
        self.reloaded = False
        self.traffic = Traffic()
        self.upstream = Upstream(configuration, self.traffic)
        self.storage = Storage(configuration, self.reload)
        self.tokens = Tokens()
        self.admission = Admission(self.storage, {}, self.tokens)
        self.breakers = CircuitBreakers()

    async def reload(self) -> None:
        """Read definitions and policies anew; keep the old ones if the policies cannot be read."""
        configuration = self.configuration
        try:
            policies = await asyncio.to_thread(
                read_policies,
                configuration.policy_source,
                configuration.policy_record_name,
                configuration.policy_path,
            )
        except PolicyError as failure:
            log.error("reload failed", extra={"reason": str(failure)})
            return
        definitions = await asyncio.to_thread(
            read_definitions,
            pathlib.Path(configuration.app_path),
            custom_domains=configuration.enable_custom_domains,
            limits=configuration.enable_fixed_window_rate_limiter,
        )
        self.routes = Routes(definitions, strict=configuration.enable_strict_routes)
        self.admission = Admission(self.storage, policies, self.tokens)
        self.breakers = CircuitBreakers()
        self.reloaded = True
        log.info("reloaded", extra={"apis": len(definitions), "policies": len(policies)})

    # ---- what answers on which port ---------------------------------------------------------------------------------

    async def answer_all(self, request: web.Request) -> web.StreamResponse:
        """For the one port that serves both: the control API comes first."""
        return await self._control(request) or await self.answer_proxied(request)

    async def answer_control(self, request: web.Request) -> web.StreamResponse:
        return await self._control(request) or _nothing_here()

    async def answer_proxied(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if leaves_its_path(path):
            return error("Bad Request", 400)
        definition = self.routes.match(path)
        if definition is None:
            return _nothing_here()
        with self.traffic.request():
            started = time.perf_counter()
            response = await self._answer(definition, request)
            self.storage.count_hit(definition.api_id, response.status)
            if not response.prepared and self.traffic.draining:
                response.force_close()
            log.info(
                "proxied",
                extra={
                    "api_id": definition.api_id,
                    "method": request.method,
                    "status": response.status,
                    "seconds": round(time.perf_counter() - started, 4),
                },
            )
            return response

    async def _answer(self, definition: ApiDefinition, request: web.Request) -> web.StreamResponse:
        cors = definition.rules.cors
        added = actual_headers(cors, request.method, request.headers) if cors else {}
        if cors and request.method == "OPTIONS":
            if is_preflight(request.method, request.headers):
                return web.Response(status=204, headers=preflight_headers(cors, request.headers))
            return web.Response(headers=added)
        refused = await self.admission.refusal(definition, request)
        if refused is None:
            return await self._forward(definition, request, added)
        refused.headers.update(added)
        return refused

    async def _forward(
        self, definition: ApiDefinition, request: web.Request, added: Mapping[str, str]
    ) -> web.StreamResponse:
        rule = definition.rules.breakers.get(request.method)
        if rule is None:
            return await self.upstream.forward(definition, request, added)
        breaker = self.breakers.of(definition.api_id, request.method, rule)
        if breaker.is_open():
            return error("Service temporarily unavailable.", 503)
        response = await self.upstream.forward(definition, request, added)
        breaker.record(failed=response.status >= 500)
        return response

    # ---- health and control -----------------------------------------------------------------------------------------

    async def _control(self, request: web.Request) -> web.StreamResponse | None:
        path = request.rel_url.raw_path
        if path == f"/{self.configuration.health_check_endpoint_name}":
            return self._hello(request)
        if path == f"/{self.configuration.readiness_check_endpoint_name}":
            return self._ready(request)
        if path != "/tyk" and not path.startswith("/tyk/"):
            return None
        given, secret = request.headers.get(SECRET_HEADER, ""), self.configuration.secret
        if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
            return _status("error", "Attempted administrative access with invalid or missing key!", 403)
        return await self._administer(request, path.removeprefix("/tyk").rstrip("/"))

    async def _administer(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.method != "GET":
            return _status("error", "Method Not Allowed", 405)
        if path == "/apis":
            return web.json_response([dict(definition.document) for definition in self.routes.definitions])
        if path.startswith("/apis/"):
            found: ApiDefinition | None = self.routes.by_id(path.removeprefix("/apis/"))
            if found is None:
                return _status("error", "API not found", 404)
            return web.json_response(dict(found.document))
        if path == "/reload":
            await self.reload()
            return _status("ok", "", 200)
        if path == "/reload/group":
            try:
                await self.storage.announce_reload()
            except Exception as failure:
                log.error("group reload not announced", extra={"reason": str(failure)})
                return _status("error", "Redis does not answer", 500)
            return _status("ok", "", 200)
        return _nothing_here()

    def _hello(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            return error("Method Not Allowed", 405)
        redis = {
            "status": "pass" if self.storage.answers else "fail",
            "componentType": "datastore",
            "time": self.storage.checked.isoformat(timespec="seconds"),
        }
        if not self.storage.answers:
            redis["output"] = self.storage.detail
        return web.json_response(
            {"status": redis["status"], "version": VERSION, "description": "Tyk GW", "details": {"redis": redis}}
        )

    def _ready(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            return error("Method Not Allowed", 405)
        if self.traffic.draining:
            return error("The gateway is shutting down", 503)
        if not self.storage.answers:
            return error("Redis connection is not available", 503)
        if not self.reloaded:
            return error("A successful API reload did not happen", 503)
        return web.json_response({"status": "pass", "version": VERSION, "description": "Tyk GW"})


def application(answer: Answer) -> web.Application:
    made = web.Application()
    made.router.add_route("*", "/{path:.*}", answer)
    return made


def _nothing_here() -> web.Response:
    return web.Response(text="Not Found", status=404)


def _status(status: str, message: str, code: int) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=code)
