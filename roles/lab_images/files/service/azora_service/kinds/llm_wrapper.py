# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes prompts by asking an OpenAI-compatible endpoint outside of the cluster."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from azora_service.failures import CalleeError, CalleeRefusedError
from azora_service.kinds import Routes, Surroundings
from azora_service.request_bodies import read_body

CALLEE = "llm"
LONGEST_PROMPT = 16000


async def routes(surroundings: Surroundings) -> Routes:
    settings, outbound = surroundings.settings, surroundings.outbound
    llm = settings.llm
    if llm is None:
        raise RuntimeError("llm-wrapper needs an LLM endpoint")

    async def complete(request: web.Request) -> web.Response:
        body = await read_body(request, ("prompt",))
        prompt = body.text("prompt", LONGEST_PROMPT)
        try:
            answer = await outbound.exchange(
                CALLEE,
                "POST",
                llm.endpoint,
                body={"model": llm.model, "messages": [{"role": "user", "content": prompt}]},
                headers={"Authorization": f"Bearer {llm.api_key}"},
                seconds=settings.llm_timeout_seconds,
            )
        except CalleeRefusedError as failure:
            # Not the caller's fault, so not a 4xx of this service; what the endpoint said may quote the key.
            reason = "the key in LLM_API_KEY" if failure.answer_status in (401, 403) else "the request"
            raise CalleeError(CALLEE, f"The LLM endpoint refused {reason} ({failure.answer_status}).") from None
        return web.json_response({"text": completion_text(answer)})

    return [web.post("/completions", complete)]


def completion_text(answer: dict[str, Any]) -> str:
    match answer:
        case {"choices": [{"message": {"content": str() as text}}, *_]}:
            return text
    raise CalleeError(CALLEE, "The LLM endpoint answered without choices[0].message.content.")
