# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platform as its users meet it: through the gateway, from outside."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

Request = Callable[..., tuple[int, Any]]


def counter(outside: Request, name: str) -> int:
    status, body = outside("GET", f"/analytics/counters/{name}")
    assert status == 200, body
    return int(body["count"])


def test_a_student_enrols_and_the_counter_rises(outside: Request) -> None:
    before = counter(outside, "enrollment.created")
    name = uuid.uuid4().hex[:8]
    status, user = outside("POST", "/users", {"name": name, "email": f"{name}@example.org"})
    assert status == 201, user
    status, course = outside("POST", "/courses", {"title": f"Course {name}"})
    assert status == 201, course
    status, enrollment = outside("POST", "/enrollments", {"user_id": user["id"], "course_id": course["id"]})
    assert status == 201, enrollment

    assert outside("GET", f"/users/{user['id']}")[1]["name"] == name
    assert outside("GET", f"/courses/{course['id']}")[1]["title"] == f"Course {name}"
    read_back = outside("GET", f"/enrollments/{enrollment['id']}")[1]
    assert (read_back["user_id"], read_back["course_id"]) == (user["id"], course["id"])

    # The event travels through Kafka; it is counted once it was consumed.
    deadline = time.monotonic() + 30
    while counter(outside, "enrollment.created") <= before:
        assert time.monotonic() < deadline, "the enrollment was never counted"


def test_a_session_expires_in_redis(outside: Request) -> None:
    status, session = outside("POST", "/sessions", {"user_id": 1, "ttl_seconds": 3600})
    assert status == 201, session
    status, found = outside("GET", f"/sessions/{session['id']}")
    assert status == 200
    assert found["user_id"] == 1
    assert outside("DELETE", f"/sessions/{session['id']}")[0] in {200, 204}
    assert outside("GET", f"/sessions/{session['id']}")[0] == 404


def test_ai_agent_brings_the_answer_of_the_endpoint_outside(outside: Request) -> None:
    question = f"What is {uuid.uuid4().hex}?"
    status, answer = outside("POST", "/ai/ask", {"question": question})
    assert status == 200, answer
    assert question in answer["answer"], "the endpoint outside repeats the question in its answer"


@pytest.mark.parametrize("path", ["/", "/llm-wrapper", "/completions", "/metrics"])
def test_what_is_not_exposed_is_not_there(outside: Request, path: str) -> None:
    assert outside("GET", path)[0] == 404


def test_health_is_not_a_catch_all(outside: Request) -> None:
    assert outside("GET", f"/users/{uuid.uuid4().hex}/nothing")[0] == 404
