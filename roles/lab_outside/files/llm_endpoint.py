# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTPS endpoint outside of the lab's cluster: a language model that answers every prompt with the prompt.

It speaks as much of the OpenAI chat completions API as a caller needs to prove that it got out, with the right key, over
TLS that it checked. Standard library only: it runs with whatever Python runs the playbook.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import pathlib
import signal
import ssl
import stat
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

LARGEST_BODY_BYTES = 1024 * 1024
CONNECTION_SECONDS = 30
COMPLETIONS = "/v1/chat/completions"


class ApiError(Exception):
    """An answer other than 200, in the shape that OpenAI gives it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def last_prompt(request: Any) -> str:
    """What the user said last."""
    messages = request.get("messages") if isinstance(request, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "invalid_request", "messages must be a list with at least one message.")
    if request.get("stream"):
        raise ApiError(400, "unsupported", "stream is not supported here.")
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"])
    raise ApiError(400, "invalid_request", "No message has the role user and a text as content.")


def completion(request: dict[str, Any]) -> dict[str, Any]:
    """The same answer to the same prompt, each time."""
    prompt = last_prompt(request)
    content = f"The outside heard: {prompt}"
    return {
        "id": "chatcmpl-" + hashlib.sha256(prompt.encode()).hexdigest()[:24],
        "object": "chat.completion",
        "created": 0,
        "model": str(request.get("model", "")),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": len(prompt.split()),
            "completion_tokens": len(content.split()),
            "total_tokens": len(prompt.split()) + len(content.split()),
        },
    }


class Endpoint(ThreadingHTTPServer):
    """Takes connections; the TLS handshake happens in each connection's own thread, so that no client holds up others."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, api_key: str) -> None:
        super().__init__(address, Handler)
        self._context = context
        self._api_key = api_key.encode()
        self._lock = threading.Lock()
        self._counts = {"requests": 0, "answered": 0, "refused": 0}

    def get_request(self) -> tuple[socket, Any]:
        connection, peer = super().get_request()
        connection.settimeout(CONNECTION_SECONDS)
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that speaks no TLS, trusts another authority or goes away is worth one line."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            print(json.dumps({"peer": client_address[0], "connection": f"{type(error).__name__}: {error}"}), flush=True)
        else:
            super().handle_error(request, client_address)

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def knows_key(self, authorization: str) -> bool:
        scheme, _space, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._api_key)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "outside"
    sys_version = ""
    server: Endpoint

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            self._answer(200, {"status": "ok"})
        elif path == "/requests":
            self._answer(200, self.server.counts())
        else:
            self._answer(404, {"error": {"message": "There is nothing at this path.", "code": "not_found"}})

    def do_POST(self) -> None:
        self.server.count("requests")
        try:
            answer = self._complete()
        except ApiError as error:
            self.server.count("refused")
            # What is left of the body would be taken for the next request.
            self.close_connection = True
            self._answer(error.status, error.body)
        else:
            self.server.count("answered")
            self._answer(200, answer)

    def _complete(self) -> dict[str, Any]:
        if self.path.partition("?")[0] != COMPLETIONS:
            raise ApiError(404, "not_found", "There is nothing at this path.")
        if not self.server.knows_key(self.headers.get("Authorization", "")):
            raise ApiError(401, "invalid_api_key", "The API key is missing or wrong.")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise ApiError(411, "length_required", "Content-Length is needed.")
        if int(length) > LARGEST_BODY_BYTES:
            raise ApiError(413, "too_large", f"The body may hold at most {LARGEST_BODY_BYTES} bytes.")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise ApiError(400, "invalid_request", "The body must be JSON.") from None
        return completion(request)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(encoded)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        line = {"peer": self.client_address[0], "method": self.command, "path": self.path, "status": str(code)}
        print(json.dumps(line), flush=True)

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002
        """Each answer has its line already."""


def read_api_key(path: pathlib.Path) -> str:
    """A key that others can read is no key."""
    if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        raise SystemExit(f"{path} can be read by others: its mode must be 0600")
    api_key = path.read_text(encoding="utf-8").strip()
    if not api_key:
        raise SystemExit(f"{path} holds no key")
    return api_key


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=pathlib.Path, required=True)
    parser.add_argument("--key", type=pathlib.Path, required=True)
    parser.add_argument("--api-key-file", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(arguments.certificate, arguments.key)
    endpoint = Endpoint((arguments.address, arguments.port), context, read_api_key(arguments.api_key_file))
    # shutdown() waits for serve_forever(), so it must not run in the thread that serves.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=endpoint.shutdown).start())
    print(json.dumps({"listening": f"{arguments.address}:{endpoint.server_address[1]}"}), flush=True)
    endpoint.serve_forever(poll_interval=0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
