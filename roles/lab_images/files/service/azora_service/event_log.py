# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events in Kafka: a producer that knows when an event is stored, a consumer that forgets none.

librdkafka works in threads of its own; one thread here serves its callbacks and one reads. Both hand over to the event
loop, which stays the only place where requests are answered.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from azora_service.configuration import KafkaSettings
from azora_service.event_counters import Event
from azora_service.failures import StoreUnavailableError
from azora_service.metrics import Metrics

log = logging.getLogger(__name__)

STORE = "kafka"
DELIVERY_SECONDS = 3
_BATCH = 200
_LONGEST_PAUSE = 5.0
_ERROR_SECONDS = 15.0

Count = Callable[[Sequence[Event]], Awaitable[list[bool]]]


def client_configuration(settings: KafkaSettings, service: str) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "client.id": service,
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 3000,
        "allow.auto.create.topics": False,
        "error_cb": KafkaErrors(),
        "logger": logging.getLogger("librdkafka"),
        # Errors come through error_cb as well; each once is enough.
        "log_level": 2,
    }
    if settings.security_protocol == "SASL_SSL":
        configuration |= {
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": settings.username,
            "sasl.password": settings.password,
        }
        if settings.certificate_authority:
            configuration["ssl.ca.pem"] = settings.certificate_authority
    return configuration


class KafkaErrors:
    """Logs each kind of error now and then: an unreachable broker is tried several times a second."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        now = time.monotonic()
        if now - self._logged.get(error.name(), -_ERROR_SECONDS) >= _ERROR_SECONDS:
            self._logged[error.name()] = now
            log.warning("kafka: %s", error.str(), extra={"kafka_error": error.name()})


class EventProducer:
    """Writes events and answers when all in-sync replicas have them."""

    def __init__(self, settings: KafkaSettings, service: str, metrics: Metrics) -> None:
        self._topic = settings.produce_topics[0]
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            client_configuration(settings, service)
            | {
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
                "linger.ms": 2,
                "queue.buffering.max.kbytes": 8192,
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name="kafka-producer", daemon=True)
        self._thread.start()

    def _serve_callbacks(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.2)

    async def produce(self, event: Mapping[str, str]) -> None:
        delivered: asyncio.Future[None] = self._loop.create_future()

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            self._loop.call_soon_threadsafe(_settle, delivered, error)

        try:
            self._producer.produce(
                self._topic,
                value=json.dumps(event).encode(),
                # Events about one subject stay in order.
                key=f"{event['source']}:{event['subject']}".encode(),
                on_delivery=on_delivery,
            )
            async with asyncio.timeout(DELIVERY_SECONDS + 1):
                await delivered
        except (KafkaException, BufferError, TimeoutError) as error:
            self._metrics.events_produced.labels(self._topic, "failed").inc()
            raise StoreUnavailableError(STORE, error) from error
        self._metrics.events_produced.labels(self._topic, "delivered").inc()

    async def close(self) -> None:
        left = await asyncio.to_thread(self._producer.flush, DELIVERY_SECONDS)
        if left:
            log.error("%d events were not written to Kafka before shutdown", left)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 1)


def _settle(delivered: asyncio.Future[None], error: KafkaError | None) -> None:
    if delivered.done():
        return
    if error is None:
        delivered.set_result(None)
    else:
        delivered.set_exception(KafkaException(error))


class EventConsumer:
    """Reads the topics of the consumer group and has each event counted before its offset is stored."""

    def __init__(self, settings: KafkaSettings, service: str, count: Count, metrics: Metrics) -> None:
        self._count = count
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._consumer = Consumer(
            client_configuration(settings, service)
            | {
                "group.id": settings.group,
                # Events written before the first consumer came are counted, too.
                "auto.offset.reset": "earliest",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,
                "session.timeout.ms": 10000,
                "queued.max.messages.kbytes": 4096,
            }
        )
        self._topics = list(settings.consume_topics)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._consume, name="kafka-consumer", daemon=True)
        self._thread.start()

    def _consume(self) -> None:
        self._consumer.subscribe(self._topics)
        while not self._stopping.is_set():
            try:
                messages = self._consumer.consume(_BATCH, timeout=0.3)
                events = [message for message in messages if self._is_event_carrier(message)]
                if events and self._counted(events):
                    self._store_offsets(events)
            except Exception:
                # Whatever it was, the next batch gets its chance; the offsets of this one are not stored.
                log.exception("consuming failed")
                self._stopping.wait(1)
        # Commits the stored offsets and leaves the group, so that another replica takes over at once.
        self._consumer.close()

    def _is_event_carrier(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() != KafkaError._PARTITION_EOF:
            log.warning("kafka: %s", error.str(), extra={"kafka_error": error.name()})
        return False

    def _counted(self, messages: Sequence[Message]) -> bool:
        """Count the batch, again and again while Redis is away; give up only at shutdown."""
        events = [(message.topic() or "", event_of(message.value())) for message in messages]
        known = [event for _message, event in events if event is not None]
        pause = 0.2
        while True:
            try:
                counted = asyncio.run_coroutine_threadsafe(self._counts(known), self._loop).result()
                break
            except StoreUnavailableError as failure:
                log.warning("events wait: %s", failure.message, extra={"detail": failure.detail})
                if self._stopping.wait(pause):
                    return False
                pause = min(pause * 2, _LONGEST_PAUSE)
        news = iter(counted)
        for topic, event in events:
            result = "rejected" if event is None else "counted" if next(news) else "duplicate"
            self._metrics.events_consumed.labels(topic, result).inc()
        return True

    async def _counts(self, events: Sequence[Event]) -> list[bool]:
        return await self._count(events) if events else []

    def _store_offsets(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                self._consumer.store_offsets(message=message)
            except KafkaException as error:
                # The partition moved to another replica meanwhile; it counts these again, without effect.
                log.info("offset not stored", extra={"detail": str(error)})

    async def close(self) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 5)


def event_of(value: bytes | str | None) -> Event | None:
    """Read an event out of a message; None if it is none."""
    try:
        members = json.loads(value or b"")
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict):
        identifier, event_type = members.get("id"), members.get("type")
        if isinstance(identifier, str) and isinstance(event_type, str) and identifier and event_type:
            return Event(identifier, event_type)
    log.error("a message in Kafka is no event")
    return None
