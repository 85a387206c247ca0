# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A platform of three workloads on real sockets of this machine, to verify and to break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import conftest as servers

SHOP, STORE, OTHER = "default/shop", "data/pg", "default/other"
ALL = ["probes", "connectivity", "policies"]


class Platform:
    """Two pods of a shop, one PostgreSQL, and another service that may not talk to either."""

    def __init__(self, api: servers.FakeKubernetes, serve: Callable[..., int], black_hole: tuple[str, int]) -> None:
        self.api, self.serve = api, serve
        api.black_hole = black_hole
        self.catch_all: set[str] = set()
        self.health = {"127.0.0.11": 200, "127.0.0.12": 200, "127.0.0.13": 200}
        self.http = self._on_all(self.health, self._http)
        self.sql = serve(servers.postgresql_answer, "127.0.0.21")
        for name, address in (("shop-a", "127.0.0.11"), ("shop-b", "127.0.0.12"), ("other-a", "127.0.0.13")):
            self._add_http_pod(name, address)
        api.add_pod("data", "pg-1", "127.0.0.21", {"cluster": "pg"})
        # Default deny, but for the one declared connection.
        shops, others = ("shop-a", "shop-b"), ("other-a",)
        for pod in shops:
            self._close(pod, "127.0.0.13", self.http)
        for pod in others:
            self._close(pod, "127.0.0.11", self.http)
            self._close(pod, "127.0.0.12", self.http)
            self._close(pod, "127.0.0.21", self.sql)

    def _on_all(self, addresses: Any, answer: Callable[[str], servers.Answer]) -> int:
        port = 0
        for address in addresses:
            port = self.serve(answer(address), address, port)
        return port

    def _http(self, address: str) -> servers.Answer:
        def answer(request: bytes) -> bytes:  # by what a test makes of its health meanwhile
            path = request.split(b" ")[1].decode() if address in self.catch_all else "/health"
            return servers.http_answer(self.health[address], only=path)(request)

        return answer

    def _add_http_pod(self, name: str, address: str) -> None:
        probe = {
            "httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        }
        ports = [{"name": "http", "containerPort": self.http}]
        app = name.split("-", maxsplit=1)[0]
        container = {"name": app, "ports": ports, "readinessProbe": probe, "securityContext": {"runAsUser": 10020}}
        self.api.add_pod("default", name, address, {"app": app}, spec={"containers": [container]})

    def _close(self, pod: str, address: str, port: int) -> None:
        self.api.closed.add((pod, address, port))

    def options(self, **changes: Any) -> dict[str, Any]:
        http = [{"name": "http", "port": self.http, "protocol": "TCP", "application": "http"}]
        sql = [{"name": "postgresql", "port": self.sql, "protocol": "TCP", "application": "postgresql"}]
        probes = {"readiness": {"path": "/health", "port": "http", "period_seconds": 5, "timeout_seconds": 5}}

        def service(name: str, replicas: int) -> dict[str, Any]:
            return {
                "name": name,
                "namespace": "default",
                "kind": "deployment",
                "selector": {"app": name},
                "replicas": replicas,
                "container": name,
                "probes": probes,
                "listens": http,
            }

        def row(source: str, destination: str, allowed: bool) -> dict[str, Any]:
            store = destination == STORE
            return {
                "source": source,
                "destination": destination,
                "port": self.sql if store else self.http,
                "port_name": "postgresql" if store else "http",
                "protocol": "TCP",
                "application": "postgresql" if store else "http",
                "allowed": allowed,
                "because": "shop uses pg" if allowed else "not declared",
                "kind": "store" if store else "service",
            }

        store = {
            "name": "pg",
            "namespace": "data",
            "kind": "store",
            "selector": {"cluster": "pg"},
            "replicas": 1,
            "listens": sql,
        }
        return {
            "host": self.api.url,
            "api_key": "token",
            "prober_image": "python:3",
            "connect_timeout": 0.5,
            "settle_time": 0.0,
            "checks": ["probes", "connectivity"],
            "timeout": 30,
            "workloads": [service("shop", 2), service("other", 1), store],
            "connections": [
                row(SHOP, STORE, True),
                row(SHOP, OTHER, False),
                row(OTHER, SHOP, False),
                row(OTHER, STORE, False),
            ],
            **changes,
        }

    def add_policies(self) -> None:
        """What the packets of this platform obey."""

        def policy(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
            return {"metadata": {"namespace": namespace, "name": name}, "spec": {"podSelector": {}, **spec}}

        shop = {"podSelector": {"matchLabels": {"app": "shop"}}, "namespaceSelector": {}}
        self.api.policies = [
            policy("default", "default-deny", policyTypes=["Ingress"]),
            policy("data", "default-deny", policyTypes=["Ingress"]),
            policy("data", "pg", ingress=[{"from": [shop], "ports": [{"port": self.sql}]}]),
        ]
