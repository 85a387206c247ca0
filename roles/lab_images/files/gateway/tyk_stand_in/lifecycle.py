# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From start to exit: load, listen, drain, close."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from aiohttp import web

from tyk_stand_in.configuration import Configuration
from tyk_stand_in.gateway import Answer, Gateway, application

log = logging.getLogger(__name__)


async def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT, finish what is in flight, close what is open."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    gateway = Gateway(configuration)
    async with AsyncExitStack() as stack:
        gateway.upstream.open()
        stack.push_async_callback(gateway.upstream.close)
        gateway.storage.start()
        stack.push_async_callback(gateway.storage.close)
        await gateway.reload()
        if configuration.control_port == configuration.listen_port:
            await _listen(stack, gateway.answer_all, configuration, configuration.listen_port)
        else:
            await _listen(stack, gateway.answer_control, configuration, configuration.control_port)
            await _listen(stack, gateway.answer_proxied, configuration, configuration.listen_port)
        log.info("listening", extra={"port": configuration.listen_port, "control_port": configuration.control_port})

        await stop.wait()
        # From here /ready says no, while requests are still answered.
        gateway.traffic.draining = True
        log.info("stopping", extra={"in_flight": gateway.traffic.in_flight})
        await asyncio.sleep(configuration.graceful_shutdown_delay_seconds)
        try:
            async with asyncio.timeout(configuration.graceful_shutdown_timeout_duration):
                await gateway.traffic.drained()
        except TimeoutError:
            log.warning("requests are still in flight", extra={"in_flight": gateway.traffic.in_flight})
    log.info("stopped")


async def _listen(stack: AsyncExitStack, answer: Answer, configuration: Configuration, port: int) -> None:
    runner = web.AppRunner(
        application(answer),
        handle_signals=False,
        access_log=None,
        shutdown_timeout=1,
        # Bodies pass as they come, compressed or not.
        auto_decompress=False,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, configuration.listen_address or "0.0.0.0", port, backlog=1024).start()  # noqa: S104
