# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The prober on the wire: real sockets of this machine, the program started the way a kubelet starts it."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _prober_program as program
from ansible_collections.azora.platform.plugins.module_utils._prober import LOADER, observations, packed, program_source

from . import conftest as servers

Serve = Callable[..., int]


def probe(**batch: Any) -> list[dict[str, Any]]:
    document = {
        "run": "r1",
        "timeout": 0.4,
        "settle": 0.0,
        "deadline": 10,
        "concurrency": 64,
        "cells": [],
        "requests": [],
        "self": {"host": "127.0.0.1", "ports": []},
        "dns": None,
        **batch,
    }
    arguments = [packed(program_source()), packed(json.dumps(document))]
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOADER, *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return observations(ended.stdout, "r1")


def cell(port: int, expect: str = "open", host: str = "127.0.0.1", **more: Any) -> dict[str, Any]:
    return {"id": 0, "host": host, "port": port, "expect": expect, **more}


def probe_cell(**arguments: Any) -> dict[str, Any]:
    batch = {key: arguments.pop(key) for key in ("settle", "timeout") if key in arguments}
    return probe(cells=[cell(**arguments)], **batch)[0]


def test_an_open_port_is_open(serve: Serve) -> None:
    seen = probe_cell(port=serve(lambda _request: b""))
    assert (seen["first"], seen["last"], seen["attempts"], seen["opened"]) == ("open", "open", 1, True)
    assert seen["ms"] < 400


def test_a_closed_port_refuses(closed_port: int) -> None:
    seen = probe_cell(port=closed_port, expect="blocked")
    assert (seen["last"], seen["attempts"], seen["opened"]) == ("refused", 1, False)


def test_a_silent_address_times_out(black_hole: tuple[str, int]) -> None:
    host, port = black_hole
    seen = probe_cell(port=port, host=host, expect="blocked")
    assert (seen["last"], seen["attempts"], seen["ms"]) == ("timeout", 1, None)


def test_many_silent_addresses_take_one_timeout(black_hole: tuple[str, int]) -> None:
    host, port = black_hole
    begun = time.monotonic()
    seen = probe(cells=[dict(cell(port, "blocked", host), id=number) for number in range(60)])
    assert {one["last"] for one in seen} == {"timeout"}
    assert time.monotonic() - begun < 5


def test_a_name_that_does_not_resolve_is_an_error_not_a_blocked_port() -> None:
    seen = probe_cell(port=80, host="no-such-host.invalid", expect="blocked", timeout=2)
    assert seen["last"] == "error"
    assert "does not resolve" in seen["error"]


@pytest.mark.parametrize(
    ("application", "answer", "answered"),
    [
        ("http", servers.http_answer(200), "HTTP 404"),
        ("redis", servers.redis_answer, "NOAUTH"),
        ("redis", lambda _request: b"+PONG\r\n", "PONG"),
        ("postgresql", servers.postgresql_answer, "SSLRequest S"),
        ("postgresql", lambda _request: b"N", "SSLRequest N"),
        ("kafka", servers.kafka_answer, "ApiVersions"),
    ],
)
def test_an_application_answers(serve: Serve, application: str, answer: Any, answered: str) -> None:
    seen = probe_cell(port=serve(answer), application=application)
    assert (seen["last"], seen["answer"]) == ("open", answered)


@pytest.mark.parametrize("application", ["http", "https", "redis", "postgresql", "kafka"])
def test_a_server_that_says_something_else_is_open_without_an_answer(serve: Serve, application: str) -> None:
    seen = probe_cell(port=serve(lambda _request: b"220 mail.example ESMTP\r\n"), application=application)
    assert (seen["last"], seen["answer"]) == ("open", None)


@pytest.mark.parametrize("application", ["https", "tls", "kafka"])
def test_tls_shakes_hands_with_the_name_asked_for(serve: Serve, certificate: ssl.SSLContext, application: str) -> None:
    names: list[str | None] = []
    certificate.sni_callback = lambda _socket, name, _context: names.append(name)
    port = serve(lambda _request: b"", context=certificate)
    seen = probe_cell(port=port, application=application, server_name="llm.outside.example")
    assert seen["answer"] == "TLSv1.3"
    assert names == ["llm.outside.example"]


def test_redis_behind_tls_answers_too(serve: Serve, certificate: ssl.SSLContext) -> None:
    assert probe_cell(port=serve(servers.redis_answer, context=certificate), application="redis")["answer"] == "NOAUTH"


@pytest.mark.parametrize(("application", "answered"), [("dns", "DNS"), ("none", None)])
def test_an_answer_over_udp(name_server: int, application: str, answered: str | None) -> None:
    """The name server answers whatever it is sent; what is no DNS gets bytes that are none either."""
    seen = probe_cell(port=name_server, protocol="UDP", application=application)
    assert (seen["last"], seen["opened"]) == ("open", True)
    assert seen["answer"] == answered if answered else seen["answer"].endswith(" bytes")


def test_a_closed_port_refuses_over_udp_and_a_silent_one_times_out(closed_port: int) -> None:
    assert probe_cell(port=closed_port, protocol="UDP", expect="blocked")["last"] == "refused"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        seen = probe_cell(port=silent.getsockname()[1], protocol="UDP", expect="blocked")
    assert (seen["last"], seen["opened"], seen["answer"]) == ("timeout", False, None)


def test_sctp_where_the_kernel_has_it_and_else_an_error() -> None:
    with contextlib.ExitStack() as sockets:
        try:
            listener = sockets.enter_context(socket.socket(type=socket.SOCK_STREAM, proto=program.IPPROTO_SCTP))
        except OSError:
            seen = probe_cell(port=9, protocol="SCTP", expect="blocked")
            assert (seen["last"], seen["opened"]) == ("error", False)
            assert "rotocol not supported" in seen["error"]
            return
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert probe_cell(port=listener.getsockname()[1], protocol="SCTP")["last"] == "open"


def test_behind_the_proxy_of_a_mesh_only_an_answer_is_open(serve: Serve) -> None:
    accepting, answering = serve(lambda _request: b""), serve(servers.http_answer(200, only="/"))
    mesh = {"mesh": True, "application": "http"}
    assert probe_cell(port=accepting, expect="blocked", **mesh)["opened"] is False
    seen = probe_cell(port=answering, expect="blocked", **mesh)
    assert (seen["opened"], seen["answer"]) == (True, "HTTP 200")


def test_what_differs_is_tried_again_until_it_agrees_twice(serve: Serve, closed_port: int) -> None:
    threading.Timer(1.0, serve, [lambda _request: b"", "127.0.0.1", closed_port]).start()
    seen = probe_cell(port=closed_port, settle=6.0)
    assert (seen["first"], seen["last"], seen["changes"], seen["opened"]) == ("refused", "open", 1, True)
    assert seen["attempts"] >= 3
    assert seen["seconds"] < 6


def test_a_closed_door_that_stays_open_is_tried_until_the_settle_time_is_over(serve: Serve) -> None:
    seen = probe_cell(port=serve(lambda _request: b""), expect="blocked", settle=1.2)
    assert (seen["first"], seen["last"], seen["changes"]) == ("open", "open", 0)
    assert seen["attempts"] == 2


def test_a_door_that_opens_and_closes_counts_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter(["open", "timeout", "open", "timeout", "timeout"])
    monkeypatch.setattr(
        program,
        "observe_cell",
        lambda _cell: {"outcome": next(outcomes), "ms": None, "answer": None, "error": None},
    )
    monkeypatch.setattr(program, "FIRST_PAUSE", 0.01)
    watch = program.watch_cell(cell(80, "blocked"), time.monotonic() + 5)
    while watch.observe() is not None:
        pass
    seen = watch.conclusion()
    assert (seen["first"], seen["last"], seen["changes"], seen["attempts"]) == ("open", "timeout", 3, 5)


@pytest.mark.parametrize(("status", "expected"), [(200, 200), (302, 302), (503, 503)])
def test_a_probe_path_is_asked_on_the_given_address(serve: Serve, status: int, expected: int) -> None:
    port = serve(servers.http_answer(status), "127.0.0.2")
    request = {"id": 4, "host": "127.0.0.2", "port": port, "path": "/health", "scheme": "HTTP", "timeout": 1}
    (seen,) = probe(requests=[request])
    assert (seen["kind"], seen["id"], seen["status"], seen["error"]) == ("request", 4, expected, None)


def test_a_server_on_localhost_only_does_not_answer_on_the_pods_address(serve: Serve) -> None:
    port = serve(servers.http_answer(200), "127.0.0.1")
    request = {"id": 0, "host": "127.0.0.2", "port": port, "path": "/health", "scheme": "HTTP", "timeout": 1}
    (seen,) = probe(requests=[request])
    assert (seen["status"], seen["error"]) == (None, "refused")


def test_a_probe_path_that_is_slower_than_its_timeout_does_not_pass(serve: Serve) -> None:
    def slow(request: bytes) -> bytes:
        time.sleep(0.6)
        return servers.http_answer(200)(request)

    request = {"id": 0, "host": "127.0.0.1", "port": serve(slow), "path": "/health", "scheme": "HTTP", "timeout": 0.3}
    (seen,) = probe(requests=[request])
    assert (seen["status"], seen["error"]) == (None, "timeout")


def test_a_probe_path_over_tls(serve: Serve, certificate: ssl.SSLContext) -> None:
    port = serve(servers.http_answer(200), context=certificate)
    request = {"id": 0, "host": "127.0.0.1", "port": port, "path": "/health", "scheme": "HTTPS", "timeout": 1}
    assert probe(requests=[request])[0]["status"] == 200


def test_own_ports_tell_what_listens(serve: Serve, closed_port: int) -> None:
    port = serve(lambda _request: b"")
    seen = probe(self={"host": "127.0.0.1", "ports": [port, closed_port]})
    assert {one["port"]: one["outcome"] for one in seen} == {port: "open", closed_port: "refused"}


def test_name_servers_are_asked_over_udp_and_tcp(name_server: int, tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "resolv.conf"
    settings.write_text("search shop.svc.example.test svc.example.test example.test\nnameserver 127.0.0.1\n")
    seen = probe(dns={"resolver": str(settings), "port": name_server})
    told = sorted((one["protocol"], one["outcome"], one["code"], one["answers"], one["name"]) for one in seen)
    name = "kubernetes.default.svc.example.test"
    assert told == [("TCP", "open", 0, 1, name), ("UDP", "open", 0, 1, name)]


def test_a_name_server_that_is_not_there(closed_port: int, tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "resolv.conf"
    settings.write_text("nameserver 127.0.0.1\n")
    seen = probe(dns={"resolver": str(settings), "port": closed_port})
    assert {one["protocol"]: one["outcome"] for one in seen} == {"TCP": "refused", "UDP": "refused"}


def test_the_deadline_keeps_what_was_observed(black_hole: tuple[str, int], serve: Serve) -> None:
    host, port = black_hole
    cells = [cell(port, "open", host), dict(cell(serve(lambda _request: b"")), id=1)]
    seen = probe(cells=cells, settle=30, timeout=20, deadline=0.7)
    assert [one["id"] for one in seen if one["kind"] == "cell"] == [1]
    assert seen[-1] == {"kind": "note", "text": "1 observations were not finished in 0.7 s"}


def test_more_addresses_than_may_be_tried_at_a_time(
    black_hole: tuple[str, int], closed_port: int, serve: Serve
) -> None:
    host, port = black_hole
    listening = serve(lambda _request: b"")
    cells = [dict(cell(port, "blocked", host), id=number) for number in range(5)]
    cells += [dict(cell(closed_port, "blocked"), id=5), dict(cell(listening, "open"), id=6)]
    seen = {one["id"]: one["last"] for one in probe(cells=cells, concurrency=2)}
    assert seen == {**dict.fromkeys(range(5), "timeout"), 5: "refused", 6: "open"}
