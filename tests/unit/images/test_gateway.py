# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway on the wire: between a client and a small service, with a real Redis."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]
NOWHERE = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}


def wait_for(check: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer


# ---- health ---------------------------------------------------------------------------------------------------------


def test_hello_is_always_200_and_ready_needs_redis(
    gateway: Start, redis_later: tuple[dict[str, str], Callable[[], None]]
) -> None:
    environment, start_redis = redis_later
    one = gateway(environment)
    hello = one.ask("GET", "/hello")
    assert (hello.status, hello.json["status"], hello.json["details"]["redis"]["status"]) == (200, "fail", "fail")
    assert (one.ask("GET", "/ready").status, one.ask("POST", "/hello").status) == (503, 405)
    start_redis()
    wait_for(one.is_ready)
    hello = one.ask("GET", "/hello").json
    assert (hello["status"], hello["description"]) == ("pass", "Tyk GW")
    assert (hello["details"]["redis"]["status"], hello["details"]["redis"]["componentType"]) == ("pass", "datastore")


def test_policies_that_cannot_be_read_keep_it_unready(gateway: Start, redis: Any, tmp_path: Any) -> None:
    (tmp_path / "policies.json").write_text("")
    one = gateway(redis.environment)
    wait_for(lambda: one.ask("GET", "/hello").json["status"] == "pass")
    assert one.ask("GET", "/ready").json == {"error": "A successful API reload did not happen"}
    one.policies.write_text("{}")
    one.reload()
    assert one.is_ready()


# ---- the control API ------------------------------------------------------------------------------------------------


def test_the_control_api_needs_the_secret(shared_gateway: Any) -> None:
    one = shared_gateway
    for path in ("/tyk/apis", "/tyk/reload", "/tyk/reload/group"):
        for answer in (one.control(path, "env-override-me"), one.ask("GET", path)):
            assert answer.status == 403
            assert answer.json == {
                "status": "error",
                "message": "Attempted administrative access with invalid or missing key!",
            }


def test_definitions_are_listed_and_reloaded(gateway: Start, peer: Start) -> None:
    one, user = gateway(NOWHERE), peer()
    assert one.control("/tyk/apis").json == []
    assert one.ask("GET", "/user").status == 404
    one.define("user", user.url)
    (one.apps / "broken.json").write_text("{")
    one.reload()
    assert [api["api_id"] for api in one.control("/tyk/apis/").json] == ["user"]
    assert one.control("/tyk/apis/user").json["proxy"]["target_url"] == user.url
    assert one.control("/tyk/apis/course").json == {"status": "error", "message": "API not found"}
    assert one.ask("GET", "/user").status == 200
    assert [line["file"] for line in one.program.logs() if line["message"] == "API definition skipped"] == [
        "broken.json"
    ]


def test_a_group_reload_reaches_every_gateway(gateway: Start, redis: Any, peer: Start) -> None:
    first, second = gateway(redis.environment), gateway(redis.environment)
    first.program.ready()
    # Until both have subscribed.
    wait_for(lambda: redis.client().pubsub_numsub("tyk.cluster.notifications")[0][1] == 2)
    first.define("user", peer().url)
    assert first.control("/tyk/reload/group").json == {"status": "ok", "message": ""}
    wait_for(lambda: [one.ask("GET", "/user").status for one in (first, second)] == [200, 200])


def test_a_control_port_takes_the_control_api_and_health_with_it(
    gateway: Start, redis: Any, peer: Start, port: int
) -> None:
    one = gateway(redis.environment, control_api_port=port)
    one.define("user", peer().url)
    one.reload()
    wait_for(one.is_ready)
    assert one.control("/hello").status == 200
    assert one.control("/user").status == 404
    for path in ("/tyk/apis", "/hello", "/ready"):
        assert one.ask("GET", path, headers={"x-tyk-authorization": "control-secret"}).status == 404
    assert one.ask("GET", "/user").status == 200


# ---- what is not passed ---------------------------------------------------------------------------------------------


def test_what_asks_for_authentication_is_refused_and_never_passed(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    one.define("keys", user.url, use_keyless=False)
    one.define("jwt", user.url, use_keyless=False, enable_jwt=True)
    one.define("listed", user.url, enable_ip_whitelisting=True)
    one.define("off", user.url, active=False)
    one.reload()
    bearer = {"Authorization": "Bearer anything"}
    answers = [
        one.ask("GET", "/keys"),
        one.ask("GET", "/keys", headers=bearer),
        one.ask("GET", "/jwt"),
        one.ask("GET", "/jwt", headers=bearer),
        one.ask("GET", "/off", headers=bearer),
        one.ask("GET", "/keys/../jwt"),
        one.ask("GET", "/listed"),
    ]
    assert [answer.status for answer in answers] == [401, 403, 400, 403, 404, 400, 403]
    assert answers[0].json == answers[2].json == {"error": "Authorization field missing"}
    assert user.requests == []


# ---- what is passed -------------------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_should(shared_gateway: Any, peer: Start) -> None:
    one, agent = shared_gateway, peer()
    default = {"global_headers": {"X-Platform": "azora"}, "global_headers_remove": ["X-Internal"]}
    one.define(
        "ai",
        agent.url,
        proxy={"strip_listen_path": True},
        version_data={"not_versioned": True, "versions": {"Default": default}},
    )
    one.reload()
    answer = one.ask(
        "POST",
        "/ai/ask%20this?q=%C3%A9&q=2",
        {"question": "?"},
        headers={
            "X-Forwarded-For": "192.0.2.1",
            "X-Internal": "secret",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "mine",
            "X-Request-ID": "r-1",
        },
    )
    assert answer.status == 200
    request = agent.requests[0]
    assert (request["method"], request["path"]) == ("POST", "/ask%20this?q=%C3%A9&q=2")
    assert json.loads(request["body"]) == {"question": "?"}
    headers = request["headers"]
    assert headers["Host"] == f"127.0.0.1:{agent.port}"
    assert (headers["X-Forwarded-For"], headers["X-Real-IP"]) == ("192.0.2.1, 127.0.0.1", "127.0.0.1")
    assert (headers["X-Platform"], headers["X-Request-ID"]) == ("azora", "r-1")
    for absent in ("X-Internal", "X-Hop", "User-Agent", "Accept", "Content-Type"):
        assert absent not in headers


def test_the_host_header_is_kept_where_asked(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    one.define("user", user.url, proxy={"preserve_host_header": True})
    one.reload()
    one.ask("GET", "/user", headers={"Host": "azora.example"})
    assert user.requests[0]["headers"]["Host"] == "azora.example"


def test_answers_come_back_as_they_are(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    zipped = gzip.compress(b"hello " * 1000)
    answers: dict[str, Any] = {
        "/user/gone": (302, b"", {"Location": "http://elsewhere.example/", "Keep-Alive": "timeout=5"}),
        "/user/zipped": (200, zipped, {"Content-Encoding": "gzip"}),
        "/user/failed": (503, {"error": "postgres is not available."}),
        "/user/empty": (204, b""),
        "/user": (200, b"x" * 1000, {"Content-Type": "text/plain"}),
    }
    user.answers = lambda request: answers[request["path"]]
    one.define("user", user.url)
    one.reload()
    gone = one.ask("GET", "/user/gone")
    assert (gone.status, gone.headers["location"]) == (302, "http://elsewhere.example/")
    assert "keep-alive" not in gone.headers
    found = one.ask("GET", "/user/zipped")
    assert (found.body, found.headers["content-encoding"]) == (zipped, "gzip")
    assert one.ask("GET", "/user/failed").json == {"error": "postgres is not available."}
    assert one.ask("GET", "/user/empty").status == 204
    head = one.ask("HEAD", "/user")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "1000")


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_streamed(shared_gateway: Any, peer: Start, chunked: bool) -> None:
    one, user = shared_gateway, peer()
    user.answers = lambda request: (200, request["body"])
    one.define("user", user.url)
    one.reload()
    body = b"0123456789abcdef" * 65536 * 4
    connection = http.client.HTTPConnection("127.0.0.1", one.program.port, timeout=20)
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    connection.request("PUT", "/user", chunks if chunked else body, encode_chunked=chunked)
    assert connection.getresponse().read() == body
    connection.close()


def test_a_service_that_is_away_or_slow_is_said(shared_gateway: Any, peer: Start) -> None:
    one, slow = shared_gateway, peer()
    released = threading.Event()

    def wait(_request: dict[str, Any]) -> tuple[int, Any]:
        released.wait(10)
        return 200, {}

    slow.answers = wait
    one.define("away", "http://127.0.0.1:1")
    one.define("unknown", "http://nobody.invalid:8080")
    one.define("slow", slow.url)
    one.reload()
    answers = {name: one.ask("GET", f"/{name}") for name in ("away", "unknown", "slow")}
    released.set()
    assert {name: (answer.status, answer.json["error"]) for name, answer in answers.items()} == {
        "away": (500, "There was a problem proxying the request"),
        "unknown": (500, "Upstream host lookup failed"),
        "slow": (504, "Upstream service reached hard timeout."),
    }


def test_hits_are_counted_in_redis(gateway: Start, redis: Any, peer: Start) -> None:
    one, user = gateway(redis.environment), peer()
    one.define("user", user.url)
    one.define("keys", user.url, use_keyless=False)
    one.reload()
    for path in ("/user", "/user", "/keys"):
        one.ask("GET", path)
    # At the latest when it stops.
    assert one.program.stop() == 0
    assert redis.client().hgetall("stand-in-hits:user") == {"200": "2"}
    assert redis.client().hgetall("stand-in-hits:keys") == {"401": "1"}


# ---- the end --------------------------------------------------------------------------------------------------------


def test_sigterm_lets_requests_finish(gateway: Start, redis: Any, peer: Start) -> None:
    one, user = gateway(redis.environment), peer()
    released, arrived = threading.Event(), threading.Event()

    def slowly(_request: dict[str, Any]) -> tuple[int, Any]:
        arrived.set()
        released.wait(10)
        return 200, {"late": True}

    user.answers = slowly
    one.define("user", user.url)
    one.reload()
    wait_for(one.is_ready)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(one.ask("GET", "/user")))
    asking.start()
    assert arrived.wait(5)
    one.program.signal(signal.SIGTERM)
    wait_for(lambda: one.ask("GET", "/ready").status == 503)
    assert one.ask("GET", "/hello").status == 200
    released.set()
    asking.join(10)
    assert (answers[0].json, answers[0].headers["connection"]) == ({"late": True}, "close")
    assert one.program.wait() == 0


def test_a_wrong_configuration_ends_with_2(gateway: Start) -> None:
    program = gateway(NOWHERE, use_db_app_configs=True).program
    assert program.wait() == 2
    assert "use_db_app_configs is true" in "\n".join(program.lines)
