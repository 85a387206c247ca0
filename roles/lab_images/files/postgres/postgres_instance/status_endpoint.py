# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS endpoint for the kubelet's probes, for the operator, and for the other members' Patroni.

Anyone may read; only a client with a certificate of the cluster's authority may change something.
"""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg

from postgres_instance.base_backups import BusyError
from postgres_instance.configuration import InstanceConfiguration, Places
from postgres_instance.patroni_client import PatroniError
from postgres_instance.patroni_settings import STATUS_PORT
from postgres_instance.server import PostgresServer

#: What is handed on to Patroni: how a member stands, for the others; and what only who is known may ask for.
PATRONI_READS = ("/patroni",)
PATRONI_WRITES = ("/failsafe", "/switchover")
#: Followed by the name of a backup: POST begins it, GET says what became of it.
BACKUPS = "/pg/backups/"
LARGEST_BODY = 1 << 20


def start_status_endpoint(server: PostgresServer, places: Places, port: int = STATUS_PORT) -> ThreadingHTTPServer:
    """Serve in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200 if server.alive() else 503, {"alive": server.alive()})
            elif self.path in ("/readyz", "/startupz"):
                ready = server.accepts_connections()
                self._answer(200 if ready else 503, {"ready": ready})
            elif self.path == "/pg/status":
                self._answer(200, server.status())
            elif self.path.startswith(BACKUPS):
                self._answer(200, server.backups.state(self.path.removeprefix(BACKUPS)))
            elif self.path in PATRONI_READS:
                self._forward("GET")
            else:
                self._answer(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = self._body()
            if self.path not in PATRONI_WRITES and not self.path.startswith(BACKUPS):
                self._answer(404, {"error": "not found"})
            elif not self._peer_is_known():
                self._answer(403, {"error": "a client certificate of this cluster is needed"})
            elif self.path.startswith(BACKUPS):
                self._back_up(self.path.removeprefix(BACKUPS))
            else:
                self._forward("POST", body)

        def do_PUT(self) -> None:
            body = self._body()
            if self.path != "/pg/configuration":
                self._answer(404, {"error": "not found"})
            elif not self._peer_is_known():
                self._answer(403, {"error": "a client certificate of this cluster is needed"})
            else:
                try:
                    server.reconfigure(InstanceConfiguration.parse(body))
                except (ValueError, KeyError, TypeError) as error:
                    self._answer(400, {"error": f"not a configuration: {error}"})
                except (psycopg.Error, PatroniError, OSError) as error:
                    self._answer(503, {"error": str(error).strip()})
                else:
                    self._answer(200, server.status())

        def _back_up(self, name: str) -> None:
            store = server.configuration.archive
            if store is None:
                self._answer(409, {"error": "this cluster has no object store"})
                return
            try:
                server.backups.start(name, store)
            except BusyError as error:
                self._answer(409, {"error": str(error)})
            else:
                self._answer(200, server.backups.state(name))

        def _body(self) -> str:
            return self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST_BODY)).decode()

        def _forward(self, method: str, body: str | None = None) -> None:
            try:
                status, content = server.patroni.forward(method, self.path, body)
            except PatroniError as error:
                self._answer(503, {"error": str(error)})
            else:
                self._send(status, content)

        def _peer_is_known(self) -> bool:
            return isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            self._send(status, json.dumps(body).encode())

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Probes are not worth a log line each."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(places.certificates / "ca.crt"))
    context.load_cert_chain(places.certificates / "tls.crt", places.certificates / "tls.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    endpoint = ThreadingHTTPServer(("", port), Handler)
    endpoint.daemon_threads = True
    # The handshake happens in the thread of the request: a silent client holds up nobody else.
    endpoint.socket = context.wrap_socket(endpoint.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=endpoint.serve_forever, name="status endpoint", daemon=True).start()
    return endpoint
