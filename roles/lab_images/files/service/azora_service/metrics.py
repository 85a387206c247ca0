# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus reads on the metrics port."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All series of one service, in a registry of its own."""

    def __init__(self, service: str, kind: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Gauge("azora_service_info", "Always 1.", ["service", "kind"], registry=self.registry).labels(service, kind).set(
            1
        )
        self.requests = Counter(
            "azora_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "azora_http_request_duration_seconds",
            "Time to answer a request.",
            ["method", "route"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            "azora_http_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.outbound = Counter(
            "azora_outbound_requests",
            "Calls to other services: ok, refused (4xx), error (5xx), timeout, unreachable.",
            ["callee", "result"],
            registry=self.registry,
        )
        self.outbound_seconds = Histogram(
            "azora_outbound_request_duration_seconds",
            "Time of a call to another service.",
            ["callee"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.store_failures = Counter(
            "azora_store_failures", "Requests that missed a store.", ["store"], registry=self.registry
        )
        self.events_reported = Counter(
            "azora_events_reported",
            "Events reported to analytics: delivered, retried, refused, failed, dropped (queue full), lost (shutdown).",
            ["result"],
            registry=self.registry,
        )
        self.events_produced = Counter(
            "azora_events_produced", "Events written to Kafka.", ["topic", "result"], registry=self.registry
        )
        self.events_consumed = Counter(
            "azora_events_consumed",
            "Events read from Kafka: counted, duplicate (counted before), rejected (not an event).",
            ["topic", "result"],
            registry=self.registry,
        )


def metrics_application(metrics: Metrics) -> web.Application:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    return application
