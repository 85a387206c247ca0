# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports events to analytics, beside the request that caused them.

An event is queued within the request and sent by a worker, so analytics being slow or away costs the caller nothing.
The queue is bounded; retries carry the same event id, by which analytics counts an event once. What is still queued
at shutdown is sent first, within a bound. An event is lost if the process is killed or analytics stays away longer
than the retries last: each loss is logged and counted.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from azora_service.failures import CalleeError, CalleeRefusedError
from azora_service.json_logs import request_id
from azora_service.metrics import Metrics
from azora_service.outbound import Outbound

log = logging.getLogger(__name__)

CALLEE = "analytics"
QUEUE_LENGTH = 1000
WORKERS = 4
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
FLUSH_SECONDS = 5


class EventReporter:
    """A bounded queue in front of POST /events of analytics."""

    def __init__(self, source: str, outbound: Outbound, metrics: Metrics) -> None:
        self._source = source
        self._outbound = outbound
        self._metrics = metrics
        self._queue: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(QUEUE_LENGTH)
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if self._outbound.knows(CALLEE):
            self._workers = [asyncio.create_task(self._work()) for _worker in range(WORKERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._queue.join()
        except TimeoutError:
            lost = self._queue.qsize()
            self._metrics.events_reported.labels("lost").inc(lost)
            log.error("%d events were not reported before shutdown", lost)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def report(self, event_type: str, subject: str) -> None:
        if not self._workers:
            return
        event = {
            "id": uuid.uuid4().hex,
            "type": event_type,
            "subject": subject,
            "source": self._source,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        try:
            self._queue.put_nowait((request_id.get(), event))
        except asyncio.QueueFull:
            self._metrics.events_reported.labels("dropped").inc()
            log.error("event dropped: the queue to analytics is full", extra={"event_type": event_type})

    async def _work(self) -> None:
        while True:
            current, event = await self._queue.get()
            request_id.set(current)
            try:
                await self._deliver(event)
            except Exception:
                log.exception("event not reported", extra={"event_type": event["type"]})
            finally:
                request_id.set("")
                self._queue.task_done()

    async def _deliver(self, event: Mapping[str, Any]) -> None:
        for pause in (*PAUSES, None):
            try:
                await self._outbound.post(CALLEE, "/events", event)
            except CalleeRefusedError as failure:
                self._metrics.events_reported.labels("refused").inc()
                log.error("analytics refused an event", extra={"event_type": event["type"], "reason": failure.reason})
                return
            except CalleeError as failure:
                if pause is None:
                    self._metrics.events_reported.labels("failed").inc()
                    log.error("event not reported", extra={"event_type": event["type"], "reason": failure.message})
                    return
                self._metrics.events_reported.labels("retried").inc()
                await asyncio.sleep(pause)
            else:
                self._metrics.events_reported.labels("delivered").inc()
                return
