# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a JSON body and checks each member; a mistake becomes one clear sentence."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from azora_service.failures import InvalidRequestError

LARGEST_ID = 2**63 - 1
LARGEST_BODY_BYTES = 256 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_DIGITS = re.compile(r"[0-9]{1,19}")


class Body:
    """The members of one JSON object; every accessor raises InvalidRequestError."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def text(self, name: str, longest: int) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise InvalidRequestError(f"{name} must be a text of 1 to {longest} characters.")
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidRequestError(f"{name} holds a character that cannot be stored.")
        return value.strip()

    def email(self, name: str) -> str:
        value = self.text(name, 254)
        local, at, domain = value.rpartition("@")
        if not (at and local and domain) or any(character.isspace() for character in value):
            raise InvalidRequestError(f"{name} must be an e-mail address such as ada@example.org.")
        return value

    def token(self, name: str, default: str = "") -> str:
        if name not in self._members and default:
            return default
        value = self._members.get(name)
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise InvalidRequestError(f"{name} must be 1 to 128 letters, digits, dots, colons, dashes or underscores.")
        return value

    def identifier(self, name: str) -> int:
        return self.number(name, 1, LARGEST_ID)

    def number(self, name: str, low: int, high: int, default: int | None = None) -> int:
        if name not in self._members and default is not None:
            return default
        value = self._members.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidRequestError(f"{name} must be a whole number from {low} to {high}.")
        return value

    def has(self, name: str) -> bool:
        return self._members.get(name) is not None


async def read_body(request: web.Request, known: tuple[str, ...]) -> Body:
    """Members that nobody reads are mistakes of the caller, so they are refused rather than lost."""
    raw = await request.read()
    try:
        members = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The body must be a JSON object.") from None
    if not isinstance(members, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    for name in members:
        if name not in known:
            raise InvalidRequestError(f"{name[:80]!r} is not known here; known are {', '.join(known)}.")
    return Body(members)


def path_identifier(request: web.Request) -> int:
    value = request.match_info["id"]
    if not _DIGITS.fullmatch(value) or not 1 <= int(value) <= LARGEST_ID:
        raise InvalidRequestError("The id in the path must be a whole number from 1.")
    return int(value)


def query_number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    value = request.query.get(name, str(default))
    if not _DIGITS.fullmatch(value) or not low <= int(value) <= high:
        raise InvalidRequestError(f"{name} must be a whole number from {low} to {high}.")
    return int(value)
