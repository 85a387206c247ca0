# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From start to exit: listen, obey signals, drain, close."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from aiohttp import web

from azora_service.application import Health, Traffic, build_application
from azora_service.configuration import Settings
from azora_service.kinds import Surroundings, routes_of_kind
from azora_service.metrics import Metrics, metrics_application
from azora_service.outbound import Outbound

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, finish what is in flight, close what is open."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    health, traffic = Health(), Traffic()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, health.fail)
    loop.add_signal_handler(signal.SIGUSR2, health.restore)

    metrics = Metrics(settings.name, settings.kind)
    async with AsyncExitStack() as stack:
        outbound = await stack.enter_async_context(Outbound(settings, metrics))
        # Prometheus reads to the end: this listener opens before the stores and closes after them.
        await _listen(stack, metrics_application(metrics), settings.http_host, settings.metrics_port)
        surroundings = Surroundings(settings=settings, metrics=metrics, outbound=outbound, stack=stack)
        routes = await routes_of_kind(surroundings)
        application = build_application(settings.name, routes, metrics, health, traffic)
        runner = await _listen(stack, application, settings.http_host, settings.http_port)
        log.info("listening", extra={"port": settings.http_port, "metrics_port": settings.metrics_port})

        await stop.wait()
        log.info("stopping", extra={"in_flight": traffic.in_flight})
        deadline = loop.time() + settings.shutdown_seconds
        try:
            async with asyncio.timeout_at(deadline):
                await traffic.drained()
        except TimeoutError:
            log.warning("requests are still in flight after %d s", settings.shutdown_seconds)
        await runner.cleanup()
    log.info("stopped")


async def _listen(stack: AsyncExitStack, application: web.Application, host: str, port: int) -> web.AppRunner:
    # What is in flight was waited for already; whatever is left then has had its time.
    runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return runner
