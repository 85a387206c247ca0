# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /ask: a question that goes on to ai-agent."""

from __future__ import annotations

from aiohttp import web

from azora_service.failures import CalleeRefusedError, InvalidRequestError, NotFoundError
from azora_service.kinds import Routes, Surroundings
from azora_service.request_bodies import Body, read_body

LONGEST_QUESTION = 4000
SUBJECTS = ("user", "course", "enrollment")
MEMBERS = ("question", "conversation_id", "user_id", "course_id", "enrollment_id", "session_id")
# How much longer than the LLM itself each step on the way to it waits, so that the innermost gives up first.
AGENT_MARGIN_SECONDS = 3
CALLER_MARGIN_SECONDS = 8


def read_question(body: Body) -> dict[str, str | int]:
    question: dict[str, str | int] = {"question": body.text("question", LONGEST_QUESTION)}
    if body.has("conversation_id"):
        question["conversation_id"] = body.token("conversation_id")
    if body.has("session_id"):
        question["session_id"] = body.token("session_id")
    for subject in SUBJECTS:
        if body.has(f"{subject}_id"):
            question[f"{subject}_id"] = body.identifier(f"{subject}_id")
    return question


def question_routes(surroundings: Surroundings) -> Routes:
    """Nothing where ai-agent is not among the callees."""
    outbound = surroundings.outbound
    if not outbound.knows("ai-agent"):
        return []
    seconds = surroundings.settings.llm_timeout_seconds + CALLER_MARGIN_SECONDS

    async def ask(request: web.Request) -> web.Response:
        question = read_question(await read_body(request, MEMBERS))
        try:
            return web.json_response(await outbound.post("ai-agent", "/ask", question, seconds=seconds))
        except CalleeRefusedError as failure:
            if failure.answer_status == 404:
                raise NotFoundError(failure.reason) from None
            raise InvalidRequestError(failure.reason) from None

    return [web.post("/ask", ask)]
