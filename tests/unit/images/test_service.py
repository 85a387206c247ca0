# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service on the wire: each kind as a process, with real stores where they are installed."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]

# Nothing listens on port 1.
NO_POSTGRES = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_PORT": "1",
    "POSTGRES_DATABASE": "user",
    "POSTGRES_USER": "user",
    "POSTGRES_PASSWORD": "pg-password",
}
NO_REDIS = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}
NO_KAFKA = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "KAFKA_PRODUCE_TOPICS": "analytics-events",
    "KAFKA_CONSUME_TOPICS": "analytics-events",
    "KAFKA_GROUP": "analytics",
    "KAFKA_USERNAME": "analytics",
    "KAFKA_PASSWORD": "kafka-password",
}


def event_types(peer: Any) -> list[str]:
    return [json.loads(request["body"])["type"] for request in list(peer.requests)]


# ---- without its stores ---------------------------------------------------------------------------------------------


def test_health_depends_on_nothing_and_a_missing_store_is_503(service: Start) -> None:
    pytest.importorskip("psycopg_pool")
    user = service("user", SERVICE_NAME="user", **NO_POSTGRES)
    assert user.ask("GET", "/health").json == {"status": "ok", "service": "user"}
    answer = user.ask("POST", "/users", {"name": "Ada", "email": "ada@example.org"})
    assert (answer.status, answer.json) == (503, {"error": "postgres is not available."})
    assert user.ask("GET", "/health").status == 200
    assert user.metrics()['azora_store_failures_total{store="postgres"}'] == 1
    assert "pg-password" not in "\n".join(user.lines)


def test_analytics_without_redis_and_kafka_still_answers(service: Start) -> None:
    pytest.importorskip("confluent_kafka")
    pytest.importorskip("redis")
    analytics = service("analytics", **NO_REDIS, **NO_KAFKA)
    assert analytics.ask("GET", "/health").status == 200
    assert analytics.ask("GET", "/counters").json == {"error": "redis is not available."}
    refused = analytics.ask("POST", "/events", {"type": "user created", "subject": "1", "source": "user"})
    assert (refused.status, refused.json["error"].split(" ")[0]) == (400, "type")
    answer = analytics.ask("POST", "/events", {"type": "user.created", "subject": "1", "source": "user"})
    assert (answer.status, answer.json) == (503, {"error": "kafka is not available."})
    assert analytics.stop() == 0
    assert "kafka-password" not in "\n".join(analytics.lines)


def test_a_store_that_comes_later_is_found(
    service: Start, redis_later: tuple[dict[str, str], Callable[[], None]]
) -> None:
    environment, start_redis = redis_later
    session = service("session", **environment)
    assert session.ask("POST", "/sessions", {"user_id": 1}).status == 503
    start_redis()
    assert session.ask("POST", "/sessions", {"user_id": 1}).status == 201


# ---- records --------------------------------------------------------------------------------------------------------


def test_records_are_created_read_and_listed(service: Start, postgres: dict[str, str], peer: Start) -> None:
    analytics = peer()
    user = service("user", SERVICE_NAME="user", ANALYTICS_URL=analytics.url, **postgres)
    created = user.ask(
        "POST", "/users", {"name": " Ada ", "email": "ada@example.org"}, headers={"X-Request-ID": "request-7"}
    )
    assert created.status == 201
    assert created.headers["x-request-id"] == "request-7"
    record = created.json
    assert (record["name"], record["email"]) == ("Ada", "ada@example.org")
    assert created.headers["location"] == f"/users/{record['id']}"
    assert user.ask("GET", f"/users/{record['id']}").json == record

    second = user.ask("POST", "/users", {"name": "Grace", "email": "grace@example.org"}).json
    page = user.ask("GET", f"/users?limit=1&after={record['id'] - 1}").json
    assert page == {"users": [record], "next": record["id"]}
    assert user.ask("GET", f"/users?after={second['id']}").json == {"users": [], "next": None}

    event = next(request for request in wait_for(lambda: analytics.requests) if b"user.created" in request["body"])
    assert event["path"] == "/events"
    assert event["headers"]["X-Request-ID"] == "request-7"
    assert json.loads(event["body"]) | {"id": "", "time": ""} == {
        "id": "",
        "time": "",
        "type": "user.created",
        "subject": str(record["id"]),
        "source": "user",
    }


def test_two_replicas_make_the_table_together(service: Start, postgres: dict[str, str]) -> None:
    replicas = [service("course", **postgres) for _time in range(2)]
    statuses: list[int] = []

    def create(replica: Any) -> None:
        statuses.append(replica.ask("POST", "/courses", {"title": "Analytical engines"}).status)

    threads = [threading.Thread(target=create, args=[replicas[number % 2]]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8


@pytest.mark.parametrize(
    ("kind", "path", "body", "sentence"),
    [
        ("enrollment", "/enrollments", {"user_id": 1}, "course_id must be a whole number from 1"),
        ("enrollment", "/enrollments", {"user_id": True, "course_id": 1}, "user_id must be a whole number"),
        ("enrollment", "/enrollments", {"user_id": 1, "course_id": 2, "grade": 1}, "'grade' is not known here"),
        ("enrollment", "/enrollments", b"{", "The body must be a JSON object."),
        ("enrollment", "/enrollments", [1], "The body must be a JSON object."),
    ],
)
def test_a_bad_body_is_400_with_one_sentence(shared: Start, kind: str, path: str, body: Any, sentence: str) -> None:
    answer = shared(kind).ask("POST", path, body)
    assert answer.status == 400
    assert answer.json["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/enrollments/abc", None, 400),
        ("GET", "/enrollments/99999999999999999999999", None, 400),
        ("GET", "/enrollments?limit=0", None, 400),
        ("GET", "/nothing", None, 404),
        ("DELETE", "/enrollments", None, 405),
        ("POST", "/enrollments", b"x" * (256 * 1024 + 1), 413),
        ("POST", "/ask", {"question": "?"}, 404),
    ],
)
def test_what_is_not_there_is_said_as_json(shared: Start, method: str, path: str, body: Any, status: int) -> None:
    answer = shared("enrollment").ask(method, path, body)
    assert answer.status == status
    assert answer.json["error"]


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Start:
    """One process for tests that need no store: starting one each would be most of their time."""
    pytest.importorskip("psycopg_pool")
    running: dict[str, Any] = {}
    make = request.getfixturevalue("module_service")

    def get(kind: str) -> Any:
        if kind not in running:
            running[kind] = make(kind, **NO_POSTGRES)
        return running[kind]

    return get


# ---- events ---------------------------------------------------------------------------------------------------------


def test_analytics_being_away_costs_the_caller_nothing(service: Start, redis: Any, peer: Start) -> None:
    analytics = peer()
    analytics.answers = lambda _: (503, {"error": "kafka is not available."})
    session = service("session", SERVICE_NAME="session", ANALYTICS_URL=analytics.url, **redis.environment)
    assert session.ask("POST", "/sessions", {"user_id": 1}).status == 201
    wait_for(lambda: session.metrics().get('azora_events_reported_total{result="retried"}'))
    analytics.answers = lambda _: (202, {"id": "x"})
    wait_for(lambda: session.metrics().get('azora_events_reported_total{result="delivered"}') == 1)
    # The same event each time, so that analytics can tell.
    assert len({request["body"] for request in analytics.requests}) == 1


def test_what_is_queued_is_reported_before_the_end(service: Start, redis: Any, peer: Start) -> None:
    analytics = peer()

    def slowly(_request: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.3)
        return 202, {"id": "x"}

    analytics.answers = slowly
    session = service("session", SERVICE_NAME="session", ANALYTICS_URL=analytics.url, **redis.environment)
    for _time in range(6):
        session.ask("POST", "/sessions", {"user_id": 1})
    assert session.stop() == 0
    assert event_types(analytics) == ["session.created"] * 6


def test_events_go_through_kafka_and_are_counted_once(service: Start, redis: Any, kafka: dict[str, str]) -> None:
    environment = {**kafka, **redis.environment}
    analytics = service("analytics", **environment)
    event = {"id": "event-1", "type": "enrollment.created", "subject": "1", "source": "enrollment"}
    for _time in range(3):
        assert analytics.ask("POST", "/events", event).json == {"id": "event-1"}
    assert analytics.ask("POST", "/events", {**event, "id": "event-2"}).status == 202
    assert analytics.ask("POST", "/events", {**event, "id": "event-3", "type": "user.created"}).status == 202

    expected = {"enrollment.created": 2, "user.created": 1}
    wait_for(lambda: analytics.ask("GET", "/counters").json == expected, 20)
    consumed = 'azora_events_consumed_total{result="%s",topic="analytics-events"}'
    wait_for(lambda: analytics.metrics().get(consumed % "duplicate") == 2)
    assert analytics.metrics()[consumed % "counted"] == 3
    assert analytics.ask("GET", "/counters/user.created").json == {"type": "user.created", "count": 1}
    assert analytics.ask("GET", "/counters/never").json == {"type": "never", "count": 0}
    assert analytics.stop() == 0


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_session_lives_as_long_as_it_should(service: Start, redis: Any) -> None:
    session = service("session", **redis.environment)
    created = session.ask("POST", "/sessions", {"user_id": 7}).json
    assert created["expires_in"] == 3600
    found = session.ask("GET", f"/sessions/{created['id']}").json
    assert (found["user_id"], 3590 < found["expires_in"] <= 3600) == (7, True)
    assert session.ask("DELETE", f"/sessions/{created['id']}").status == 204
    assert session.ask("GET", f"/sessions/{created['id']}").status == 404
    assert session.ask("DELETE", f"/sessions/{created['id']}").status == 404

    brief = session.ask("POST", "/sessions", {"user_id": 7, "ttl_seconds": 1}).json
    wait_for(lambda: session.ask("GET", f"/sessions/{brief['id']}").status == 404)
    assert session.ask("POST", "/sessions", {"user_id": 7, "ttl_seconds": 0}).status == 400
    # The id is a secret: it is in no line of the log.
    assert created["id"] not in "\n".join(session.lines)


# ---- questions ------------------------------------------------------------------------------------------------------


def test_a_question_reaches_the_outside_and_comes_back(
    service: Start, redis: Any, outside: Any, postgres: dict[str, str], peer: Start
) -> None:
    sessions = peer()
    sessions.answers = lambda _: (200, {"id": "s", "user_id": 1, "expires_in": 60})
    wrapper = service("llm-wrapper", **outside.environment)
    course = service("course", **postgres)
    agent = service(
        "ai-agent",
        LLM_WRAPPER_URL=f"http://127.0.0.1:{wrapper.port}",
        COURSE_URL=f"http://127.0.0.1:{course.port}",
        SESSION_URL=sessions.url,
        **redis.environment,
    )
    user = service("user", AI_AGENT_URL=f"http://127.0.0.1:{agent.port}", **postgres)
    for called in (wrapper, agent):
        called.ready()

    course_id = course.ask("POST", "/courses", {"title": "Difference engines"}).json["id"]
    question = {"question": "What is it about?", "course_id": course_id, "session_id": "s", "conversation_id": "c"}
    first = user.ask("POST", "/ask", question, headers={"X-Request-ID": "asked-1"})
    assert first.status == 200
    assert first.json["answer"].startswith("The outside heard: ")
    assert "What is it about?" in first.json["answer"]
    assert "Difference engines" in first.json["answer"]
    assert first.json["context"]["course"]["title"] == "Difference engines"
    assert first.json["context"]["session"] == {"user_id": 1, "expires_in": 60}
    assert [line["request_id"] for line in wrapper.logs() if line.get("route") == "/completions"] == ["asked-1"]

    second = agent.ask("POST", "/ask", {"question": "And then?", "conversation_id": "c"}).json
    assert second["context"] == {"earlier_turns": 1}
    assert "earlier question: What is it about?" in second["answer"]
    assert 0 < redis.client().ttl("conversation:c") <= 3600

    unknown = user.ask("POST", "/ask", {"question": "?", "course_id": 10**9})
    assert (unknown.status, unknown.json) == (404, {"error": f"There is no such course {10**9}."})
    # This agent was not told where user is.
    assert user.ask("POST", "/ask", {"question": "?", "user_id": 1}).status == 400
    assert outside.api_key not in "\n".join([*wrapper.lines, *agent.lines])


def test_what_keeps_the_outside_away_is_said(service: Start, outside: Any) -> None:
    changes = {
        "The LLM endpoint refused the key in LLM_API_KEY (401).": {"LLM_API_KEY": "wrong"},
        "llm cannot be reached (ClientConnectorCertificateError).": {"TRUSTED_CA": ""},
        "llm cannot be reached (ClientConnectorError).": {"LLM_ENDPOINT": "https://127.0.0.1:1/"},
    }
    wrappers = {
        sentence: service("llm-wrapper", **{**outside.environment, **change}) for sentence, change in changes.items()
    }
    for sentence, wrapper in wrappers.items():
        answer = wrapper.ask("POST", "/completions", {"prompt": "hello"})
        assert (answer.status, answer.json) == (502, {"error": sentence})
        assert wrapper.ask("POST", "/completions", {"prompt": "x" * 16001}).status == 400


# ---- signals --------------------------------------------------------------------------------------------------------


def test_sigterm_lets_requests_finish(service: Start, redis: Any, peer: Start) -> None:
    """In flight when the signal comes: answered. Health: answers to the end. Then the exit code is 0."""
    released, arrived = threading.Event(), threading.Event()
    wrapper = peer()

    def slowly(_request: dict[str, Any]) -> tuple[int, Any]:
        arrived.set()
        released.wait(10)
        return 200, {"text": "late, but here"}

    wrapper.answers = slowly
    agent = service("ai-agent", LLM_WRAPPER_URL=wrapper.url, **redis.environment)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(agent.ask("POST", "/ask", {"question": "?"})))
    asking.start()
    assert arrived.wait(5)
    agent.signal(signal.SIGTERM)
    wait_for(lambda: any(line["message"] == "stopping" for line in agent.logs()))
    assert agent.ask("GET", "/health").status == 200
    # A request that comes while others finish is still answered, and its connection is not kept.
    late = agent.ask("POST", "/ask", {})
    assert (late.status, late.headers["connection"]) == (400, "close")
    released.set()
    asking.join(10)
    assert answers[0].json["answer"] == "late, but here"
    assert agent.wait() == 0


def test_sigusr1_makes_health_fail_and_sigusr2_restores_it(shared: Start) -> None:
    enrollment = shared("enrollment")
    enrollment.ready()
    enrollment.signal(signal.SIGUSR1)
    wait_for(lambda: enrollment.ask("GET", "/health").status == 503)
    assert enrollment.ask("GET", "/health").json == {"status": "failing", "service": "enrollment"}
    enrollment.signal(signal.SIGUSR2)
    wait_for(lambda: enrollment.ask("GET", "/health").status == 200)


def test_metrics_and_logs_speak_of_routes(shared: Start) -> None:
    enrollment = shared("enrollment")
    enrollment.ask("GET", "/enrollments/abc")
    samples = enrollment.metrics()
    assert samples['azora_http_requests_total{method="GET",route="/enrollments/{id}",status="400"}'] >= 1
    assert samples["process_resident_memory_bytes"] < 120e6
    wait_for(lambda: any(line.get("route") == "/enrollments/{id}" for line in enrollment.logs()))
    line = next(line for line in enrollment.logs() if line.get("route") == "/enrollments/{id}")
    assert (line["level"], line["status"], line["method"]) == ("info", 400, "GET")


# ---- shared ---------------------------------------------------------------------------------------------------------


def wait_for(check: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer
