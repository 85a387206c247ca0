# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side that every kind shares: health, request ids, errors as JSON, metrics, one log line a request."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from azora_service.failures import RequestError, StoreUnavailableError
from azora_service.json_logs import request_id
from azora_service.metrics import Metrics
from azora_service.request_bodies import LARGEST_BODY_BYTES

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_QUIET_SECONDS = 0.5


class Health:
    """What /health says. It depends on nothing, and can be switched off to rehearse a failure."""

    def __init__(self) -> None:
        self.failing = False

    def fail(self) -> None:
        log.warning("/health answers 503 from now on (SIGUSR1); SIGUSR2 restores it.")
        self.failing = True

    def restore(self) -> None:
        log.warning("/health answers 200 again (SIGUSR2).")
        self.failing = False


class Traffic:
    """The requests in flight; knows when the last one is answered."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.draining = False
        self._change = asyncio.Event()

    def begin(self) -> None:
        self.in_flight += 1
        self._change.set()

    def end(self) -> None:
        self.in_flight -= 1
        self._change.set()

    async def drained(self) -> None:
        """Wait until nothing is in flight and nothing new has come for a moment.

        Callers that hold a connection are told to close it with the answer they get meanwhile; closing
        idle connections at once would break the request that is just being written to one of them.
        """
        self.draining = True
        while True:
            self._change.clear()
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    await self._change.wait()
            except TimeoutError:
                if not self.in_flight:
                    return


def build_application(
    service: str, routes: Iterable[web.RouteDef], metrics: Metrics, health: Health, traffic: Traffic
) -> web.Application:
    async def answer_health(_request: web.Request) -> web.Response:
        if health.failing:
            return web.json_response({"status": "failing", "service": service}, status=503)
        return web.json_response({"status": "ok", "service": service})

    application = web.Application(
        middlewares=[_observe(metrics, traffic), _answer_failures(metrics)], client_max_size=LARGEST_BODY_BYTES
    )
    application.router.add_get("/health", answer_health)
    application.router.add_routes(routes)
    return application


def _observe(metrics: Metrics, traffic: Traffic) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        identifier = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(identifier)
        started = time.perf_counter()
        # The pattern, not the path: paths hold session ids, and labels must be few.
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unmatched"
        probe = route == "/health"
        if not probe:
            traffic.begin()
            metrics.requests_in_flight.inc()
        status = 500
        try:
            response = await handler(request)
            status = response.status
            response.headers[REQUEST_ID_HEADER] = identifier
            if traffic.draining:
                response.force_close()
            return response
        except asyncio.CancelledError:
            status = 499
            raise
        finally:
            seconds = time.perf_counter() - started
            metrics.requests.labels(request.method, route, status).inc()
            metrics.request_seconds.labels(request.method, route).observe(seconds)
            log.log(
                logging.DEBUG if probe else logging.INFO,
                "%s %s %d",
                request.method,
                route,
                status,
                extra={"method": request.method, "route": route, "status": status, "seconds": round(seconds, 4)},
            )
            if not probe:
                metrics.requests_in_flight.dec()
                traffic.end()
            request_id.reset(token)

    return observe


def _answer_failures(metrics: Metrics) -> Middleware:
    @web.middleware
    async def answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except StoreUnavailableError as failure:
            metrics.store_failures.labels(failure.store).inc()
            log.warning("%s is not available", failure.store, extra={"detail": failure.detail})
            return web.json_response({"error": failure.message}, status=failure.status)
        except RequestError as failure:
            return web.json_response({"error": failure.message}, status=failure.status)
        except web.HTTPNotFound:
            return web.json_response({"error": "There is nothing at this path."}, status=404)
        except web.HTTPMethodNotAllowed as failure:
            allowed = ", ".join(sorted(failure.allowed_methods))
            return web.json_response(
                {"error": f"This path answers only {allowed}."}, status=405, headers={"Allow": allowed}
            )
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"error": f"The body may hold at most {LARGEST_BODY_BYTES} bytes."}, status=413)
        except web.HTTPException as failure:
            return web.json_response({"error": failure.reason}, status=failure.status)
        except Exception:
            log.exception("request failed")
            return web.json_response({"error": "This request failed; the log says why."}, status=500)

    return answer_failures
