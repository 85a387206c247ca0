# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers questions: gathers what the other services know, asks llm-wrapper, remembers the conversation."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from aiohttp import web

from azora_service.failures import CalleeRefusedError, InvalidRequestError, NotFoundError
from azora_service.kinds import Routes, Surroundings
from azora_service.questions import AGENT_MARGIN_SECONDS, MEMBERS, SUBJECTS, read_question
from azora_service.redis_store import redis_answers, redis_client
from azora_service.request_bodies import read_body

REMEMBERED_TURNS = 5
REMEMBERED_SECONDS = 3600
# How much of an earlier question or answer the next prompt repeats.
REPEATED_CHARACTERS = 400
PREFIX = "conversation:"


async def routes(surroundings: Surroundings) -> Routes:
    settings, outbound = surroundings.settings, surroundings.outbound
    if settings.redis is None:
        raise RuntimeError("ai-agent needs Redis")
    redis = redis_client(settings.redis, settings.name)
    surroundings.stack.push_async_callback(redis.aclose)
    llm_seconds = settings.llm_timeout_seconds + AGENT_MARGIN_SECONDS

    async def look_up(subject: str, identifier: str | int) -> dict[str, Any]:
        if not outbound.knows(subject):
            raise InvalidRequestError(f"{subject}_id cannot be used: this service does not call {subject}.")
        try:
            return await outbound.get(subject, f"/{subject}s/{identifier}")
        except CalleeRefusedError as failure:
            if failure.answer_status == 404:
                # A session's id is a secret and is not repeated.
                which = subject if subject == "session" else f"{subject} {identifier}"
                raise NotFoundError(f"There is no such {which}.") from None
            raise

    async def gather(question: dict[str, str | int]) -> dict[str, Any]:
        named = [subject for subject in (*SUBJECTS, "session") if f"{subject}_id" in question]
        found = await asyncio.gather(*(look_up(subject, question[f"{subject}_id"]) for subject in named))
        context = dict(zip(named, found, strict=True))
        if "session" in context:
            context["session"] = {name: value for name, value in context["session"].items() if name != "id"}
        return context

    async def ask(request: web.Request) -> web.Response:
        question = read_question(await read_body(request, MEMBERS))
        conversation = str(question.get("conversation_id") or uuid.uuid4().hex)
        key = PREFIX + conversation
        # Before the LLM is asked: without its memory this service does not answer.
        async with redis_answers():
            history = [json.loads(turn) for turn in await redis.lrange(key, -REMEMBERED_TURNS, -1)]
        context = await gather(question)
        prompt = compose_prompt(str(question["question"]), context, history)
        completion = await outbound.post("llm-wrapper", "/completions", {"prompt": prompt}, seconds=llm_seconds)
        answer = str(completion.get("text", ""))
        turn = json.dumps({"question": question["question"], "answer": answer})
        async with redis_answers():
            memory = redis.pipeline(transaction=True)
            memory.rpush(key, turn)
            memory.ltrim(key, -REMEMBERED_TURNS, -1)
            memory.expire(key, REMEMBERED_SECONDS)
            await memory.execute()
        return web.json_response(
            {
                "answer": answer,
                "conversation_id": conversation,
                "context": {**context, "earlier_turns": len(history)},
            }
        )

    return [web.post("/ask", ask)]


def compose_prompt(question: str, context: dict[str, Any], history: list[dict[str, str]]) -> str:
    """Put what is known before the question, the question last."""
    parts = [f"{subject}: {json.dumps(known, sort_keys=True)}" for subject, known in context.items()]
    for turn in history:
        parts.append(f"earlier question: {turn['question'][:REPEATED_CHARACTERS]}")
        parts.append(f"earlier answer: {turn['answer'][:REPEATED_CHARACTERS]}")
    return "\n".join([*parts, question])
