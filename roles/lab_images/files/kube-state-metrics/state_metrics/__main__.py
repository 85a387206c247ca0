# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve them on port 8080: /metrics, /livez, and /readyz once everything has been listed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from state_metrics.families import KINDS, exposition
from state_metrics.watching import Watched

PORT = 8080
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def server(watched: Mapping[str, Watched], port: int = PORT) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_listed = all(one.is_listed.is_set() for one in watched.values())
            if self.path == "/livez":
                self._answer(HTTPStatus.OK, "ok\n")
            elif self.path not in ("/readyz", "/metrics"):
                self._answer(HTTPStatus.NOT_FOUND, "not here\n")
            elif not is_listed:
                # Metrics of half a cluster would be wrong.
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "not everything has been listed yet\n")
            elif self.path == "/readyz":
                self._answer(HTTPStatus.OK, "ok\n")
            else:
                self._answer(HTTPStatus.OK, exposition({kind: one.objects() for kind, one in watched.items()}))

        def _answer(self, status: HTTPStatus, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class')
            """Nothing: Prometheus asks every few seconds."""

    return ThreadingHTTPServer(("", port), Handler)


def main() -> None:
    watched = {kind: Watched(where.path) for kind, where in KINDS.items()}
    for one in watched.values():
        threading.Thread(target=one.run, daemon=True).start()
    server(watched).serve_forever()


if __name__ == "__main__":
    main()
