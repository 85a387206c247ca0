# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator that starts before its API server, or before its kinds, waits for them."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import urllib3
from lab_operators import watch_settings
from lab_operators.kubernetes_api import CONFIG_MAPS, PODS, KubernetesApi


class SlowStarter:
    """An API server that is nobody's at first, then knows no kinds, then answers."""

    def __init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self.asked: list[str] = []
        self._http: HTTPServer | None = None

    def listen(self, answers: Iterator[tuple[int, object]]) -> None:
        starter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                starter.asked.append(self.path)
                status, content = next(answers)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = HTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._http:
            self._http.shutdown()
            self._http.server_close()


@pytest.fixture
def starter() -> Iterator[SlowStarter]:
    slow = SlowStarter()
    yield slow
    slow.stop()


async def test_it_waits_for_the_api_server_and_then_for_each_kind(
    starter: SlowStarter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("one", encoding="utf-8")
    api = KubernetesApi(f"http://127.0.0.1:{starter.port}", urllib3.PoolManager(retries=False), token, "tester")
    pauses = itertools.count(1)
    answers = iter([(404, {"reason": "NotFound"}), (200, {"items": []}), (200, {"items": []})])

    async def next_try(_seconds: float) -> None:
        if next(pauses) == 2:
            starter.listen(answers)

    monkeypatch.setattr(watch_settings.asyncio, "sleep", next_try)
    await asyncio.wait_for(watch_settings.wait_for_kinds(api, (PODS, CONFIG_MAPS), "data"), 20)
    assert starter.asked == [
        "/api/v1/namespaces/data/pods",
        "/api/v1/namespaces/data/pods",
        "/api/v1/namespaces/data/configmaps",
    ]
