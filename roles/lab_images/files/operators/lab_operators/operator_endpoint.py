# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP endpoint that every operator has: liveness, readiness, Prometheus metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab_operators.reconciler import Counters, Reconciler


class OperatorEndpoint:
    """Answers /healthz (the process runs), /readyz (it watches) and /metrics."""

    def __init__(
        self,
        reconcilers: Iterable[Reconciler],
        *,
        port: int = 8080,
        liveness: str = "/healthz",
        readiness: str = "/readyz",
    ) -> None:
        self.ready = threading.Event()
        self._reconcilers = list(reconcilers)
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = endpoint._answer(self.path.partition("?")[0], liveness, readiness)
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                """Probes and scrapes are not worth a log line each."""

        self._server = ThreadingHTTPServer(("", port), Handler)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()

    def _answer(self, path: str, liveness: str, readiness: str) -> tuple[int, bytes]:
        if path == liveness:
            return 200, b"ok\n"
        if path == readiness:
            return (200, b"ok\n") if self.ready.is_set() else (503, b"not watching yet\n")
        if path == "/metrics":
            return 200, self._metrics().encode()
        return 404, b"not found\n"

    def _metrics(self) -> str:
        rows: list[tuple[str, Callable[[Counters], float]]] = [
            ("controller_runtime_reconcile_total", lambda counters: counters.reconciliations),
            ("controller_runtime_reconcile_errors_total", lambda counters: counters.errors),
            ("controller_runtime_reconcile_time_seconds_total", lambda counters: round(counters.seconds, 3)),
        ]
        lines = []
        for metric, value in rows:
            lines.append(f"# TYPE {metric} counter")
            lines += [f'{metric}{{controller="{r.kind}"}} {value(r.counters)}' for r in self._reconcilers]
        return "\n".join(lines) + "\n"
