# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS side: the REST API on 9443 (basic authentication) and the metrics on 8070."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import re
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from redis_node.database import RequestError
from redis_node.first_node import FirstNode
from redis_node.following_node import PATH
from redis_node.members import FIRST
from redis_node.metrics import exposition
from redis_node.node import Node

logger = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024

Credentials = Callable[[], tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    protocol_version = "HTTP/1.1"
    server: HttpsServer

    def do_GET(self) -> None:
        self.server.respond(self, "GET")

    def do_POST(self) -> None:
        self.server.respond(self, "POST")

    def do_PUT(self) -> None:
        self.server.respond(self, "PUT")

    def do_DELETE(self) -> None:
        self.server.respond(self, "DELETE")

    def answer(self, status: int, content: str, content_type: str = "application/json") -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="cluster"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Probes and scrapes are not worth a log line each."""


class HttpsServer(ThreadingHTTPServer):
    """A threaded HTTPS server; a client that never finishes its handshake holds one thread, not the server."""

    daemon_threads = True
    #: What its own kind of request means.
    respond: Callable[[_Handler, str], None]

    def __init__(
        self, address: str, port: int, context: ssl.SSLContext, respond: Callable[[_Handler, str], None]
    ) -> None:
        super().__init__((address, port), _Handler)
        self.respond = respond
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name=f"port {self.server_port}", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the names are socketserver's
        logger.debug("connection of %s failed", client_address, exc_info=True)


class ServerCertificate:
    """The node's TLS context, which takes over a renewed certificate."""

    def __init__(self, directory: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate, self._key = directory / "tls.crt", directory / "tls.key"
        self._loaded = b""
        self.reload()

    def reload(self) -> None:
        content = self._certificate.read_bytes()
        if content != self._loaded:
            self.context.load_cert_chain(self._certificate, self._key)
            self._loaded = content


class RestApi:
    """GET /v1/cluster, /v1/nodes, /v1/modules; GET, PUT /v1/license; GET, POST, PUT, DELETE /v1/bdbs; GET /ready without credentials.

    Only the first node answers more than /ready; to the other nodes it also says which databases they have to serve.
    """

    def __init__(self, node: Node, first: FirstNode | None, credentials: Credentials) -> None:
        self._node = node
        self._first = first
        self._credentials = credentials

    def respond(self, handler: _Handler, method: str) -> None:
        path = handler.path.partition("?")[0].rstrip("/")
        if path == "/ready":
            ready = self._node.ready()
            handler.answer(200 if ready else 503, json.dumps({"ready": ready}))
            return
        if not self._authorised(handler.headers.get("Authorization", "")):
            handler.answer(401, json.dumps({"error_code": "unauthorized", "description": "wrong username or password"}))
            return
        try:
            handler.answer(200, json.dumps(self.answer(method, path, _body(handler))))
        except RequestError as error:
            handler.answer(error.status, json.dumps({"error_code": error.code, "description": error.description}))
        except (TypeError, ValueError, KeyError) as error:
            handler.answer(400, json.dumps({"error_code": "bad_request", "description": str(error)}))

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The answer to one request; raises RequestError."""
        node = self._first
        if node is None:
            first = self._node.settings.members.hosts[FIRST]
            raise RequestError(
                503, "not_first_node", f"this node does not answer the API; the first node does: {first}"
            )
        plain: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "/v1/cluster"): node.cluster,
            ("GET", "/v1/nodes"): node.nodes,
            ("GET", "/v1/license"): node.license,
            ("PUT", "/v1/license"): lambda: node.set_license(body),
            ("GET", "/v1/modules"): node.modules,
            ("GET", "/v1/bdbs"): node.databases,
            ("POST", "/v1/bdbs"): lambda: node.create(body),
        }
        if (method, path) in plain:
            return plain[method, path]()
        match = re.fullmatch(PATH + r"/(\d+)", path)
        if match and method == "GET":
            return node.configuration(int(match[1]))
        match = re.fullmatch(r"/v1/bdbs/(\d+)", path)
        if match and method in ("GET", "PUT", "DELETE"):
            uid = int(match[1])
            if method == "GET":
                return node.database(uid)
            if method == "PUT":
                return node.update(uid, body)
            node.delete(uid)
            return {}
        raise RequestError(404, "not_found", f"{method} {path} is not served")

    def _authorised(self, header: str) -> bool:
        username, password = self._credentials()
        expected = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        return hmac.compare_digest(header.encode(), expected.encode())


def metrics_responder(node: Node) -> Callable[[_Handler, str], None]:
    """What the metrics port answers: /v2 and /v2/node."""

    def respond(handler: _Handler, method: str) -> None:
        if method != "GET" or handler.path.partition("?")[0].rstrip("/") not in ("/v2", "/v2/node"):
            handler.answer(404, "not found\n", "text/plain")
            return
        text = exposition(node.settings.cluster_name, node.metrics_input(), node.settings.members.number + 1)
        handler.answer(200, text, "text/plain; version=0.0.4")

    return respond


def _body(handler: _Handler) -> dict[str, Any]:
    length = int(handler.headers.get("Content-Length") or 0)
    if length > LARGEST_BODY:
        raise RequestError(413, "too_large", "the request is too large")
    content = json.loads(handler.rfile.read(length)) if length else {}
    if not isinstance(content, dict):
        raise RequestError(400, "bad_request", "the body is not an object")
    return content
