# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 service over TLS with one bucket and one account. It checks signatures by what came in, as the real ones do."""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab_operators.certificates import new_authority, new_server_certificate

BUCKET, ACCESS_KEY, SECRET_KEY = "backups", "AKEXAMPLE", "a secret/key+"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[0-9]{8}/[^/]+/s3/aws4_request),"
    r" ?SignedHeaders=(?P<names>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class S3Double:
    """The service; `objects` are its bucket's, by their keys."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, bytes] = {}
        folder.mkdir()
        authority = new_authority("s3", "s3")
        pair = new_server_certificate(authority, "localhost", ["localhost", "127.0.0.1"])
        self.authority, certificate, key = folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
        self.authority.write_text(authority.certificate)
        certificate.write_text(pair.certificate)
        key.write_text(pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                double.answer(self)

            def do_GET(self) -> None:
                double.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        refusal = self._refusal(request, body)
        prefix = f"/{BUCKET}/"
        if refusal:
            self._send(request, 403, f"<Error><Code>{refusal}</Code></Error>".encode())
        elif not request.path.startswith(prefix):
            self._send(request, 404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif request.command == "PUT":
            self.objects[request.path.removeprefix(prefix)] = body
            self._send(request, 200, b"")
        elif request.path.removeprefix(prefix) in self.objects:
            self._send(request, 200, self.objects[request.path.removeprefix(prefix)])
        else:
            self._send(request, 404, b"<Error><Code>NoSuchKey</Code></Error>")

    @staticmethod
    def _refusal(request: BaseHTTPRequestHandler, body: bytes) -> str:
        found = AUTHORIZATION.fullmatch(request.headers.get("Authorization") or "")
        if found is None:
            return "AccessDenied"
        if found["key"] != ACCESS_KEY:
            return "InvalidAccessKeyId"
        digest = request.headers["x-amz-content-sha256"]
        if digest != hashlib.sha256(body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        signed = [f"{name}:{request.headers[name].strip()}\n" for name in found["names"].split(";")]
        parts = [request.command, request.path, "", "".join(signed), found["names"], digest]
        hashed = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{found['scope']}\n{hashed}"
        key = b"AWS4" + SECRET_KEY.encode()
        for part in found["scope"].split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        right = hmac.new(key, text.encode(), "sha256").hexdigest()
        return "" if right == found["signature"] else "SignatureDoesNotMatch"

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
