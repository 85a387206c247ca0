# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint outside of the cluster, over TLS."""

from __future__ import annotations

import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import sys
from typing import Any

import pytest


def ask(outside: Any, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    context = ssl.create_default_context(cafile=str(outside.authority))
    connection = http.client.HTTPSConnection("localhost", outside.port, context=context, timeout=10)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body)
        connection.request(method, path, raw, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def prompt(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}]}


def test_it_answers_each_prompt_the_same_way(outside: Any) -> None:
    before = ask(outside, "GET", "/requests")[1]
    status, first = ask(outside, "POST", "/v1/chat/completions", prompt("hello there"), outside.api_key)
    assert status == 200
    assert first["choices"][0]["message"] == {"role": "assistant", "content": "The outside heard: hello there"}
    assert ask(outside, "POST", "/v1/chat/completions", prompt("hello there"), outside.api_key) == (200, first)
    after = ask(outside, "GET", "/requests")[1]
    assert (after["requests"] - before["requests"], after["answered"] - before["answered"]) == (2, 2)


@pytest.mark.parametrize(
    ("path", "body", "key", "status"),
    [
        ("/v1/chat/completions", prompt("x"), "", 401),
        ("/v1/chat/completions", prompt("x"), "wrong", 401),
        ("/v1/chat/completions", b"{", "the-right-key", 400),
        ("/v1/chat/completions", {"messages": []}, "the-right-key", 400),
        ("/v1/chat/completions", {"messages": [{"role": "system", "content": "x"}]}, "the-right-key", 400),
        ("/v1/chat/completions", prompt("x") | {"stream": True}, "the-right-key", 400),
        ("/v1/models", {}, "the-right-key", 404),
    ],
)
def test_it_refuses(outside: Any, path: str, body: Any, key: str, status: int) -> None:
    found, answer = ask(outside, "POST", path, body, key)
    assert found == status
    assert answer["error"]["message"]


def test_a_client_that_says_nothing_holds_up_nobody(outside: Any) -> None:
    with socket.create_connection(("127.0.0.1", outside.port)):
        assert ask(outside, "GET", "/health") == (200, {"status": "ok"})


def test_its_certificate_is_worth_nothing_without_the_authority(outside: Any) -> None:
    connection = http.client.HTTPSConnection("localhost", outside.port, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/health")


def test_a_key_that_others_can_read_is_refused(outside: Any, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "api-key"
    key.write_text("open")
    key.chmod(0o644)
    folder = outside.authority.parent
    command = [sys.executable, str(outside.path), "--address=127.0.0.1", "--port=0"]
    files = [f"--certificate={folder / 'server.crt'}", f"--key={folder / 'server.key'}", f"--api-key-file={key}"]
    result = subprocess.run([*command, *files], capture_output=True, text=True, check=False, timeout=20)
    assert result.returncode == 1
    assert "its mode must be 0600" in result.stderr
