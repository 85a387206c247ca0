# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON Web Tokens as Tyk checks them, with the keys of a file or of a set that is fetched and kept for a while."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import jwt

from tyk_stand_in.rules import Jwt

log = logging.getLogger(__name__)

# Tyk keeps a set of keys for so long; a key that appears meanwhile is not known until then.
KEY_SET_SECONDS = 240
_FETCH_SECONDS = 10
_OWN_CHECKS = {"verify_signature": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
_OWN_CHECKS |= {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False}


class TokenError(Exception):
    """Why a token is refused, in Tyk's words, and with which status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class Tokens:
    """Checks tokens; keeps sets of keys."""

    def __init__(self) -> None:
        self._sets: dict[str, tuple[float, dict[str, jwt.PyJWK]]] = {}
        self._fetching: dict[str, asyncio.Lock] = {}

    async def subject(self, rule: Jwt, authorization: str) -> str:
        """Whose token it is."""
        token = authorization[7:] if authorization[:7].upper() == "BEARER " else authorization
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenError("Key not authorized", 403) from None
        if header.get("alg") not in rule.algorithms:
            raise TokenError("Key not authorized: Unexpected signing method", 403)
        key = await self._key(rule, header)
        try:
            claims = jwt.decode(token, key, algorithms=list(rule.algorithms), options=_OWN_CHECKS)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.info("token refused", extra={"reason": type(error).__name__})
            raise TokenError("Key not authorized", 403) from None
        check_times(claims, time.time())
        for name in (rule.subject_claim, "sub"):
            if isinstance(claims.get(name), str) and claims[name]:
                return str(claims[name])
            if claims.get(name) == "":
                raise TokenError(f"found an empty user ID in predefined base claim, claim: {name}", 403)
        raise TokenError("no suitable claims for user ID were found", 403)

    async def _key(self, rule: Jwt, header: Mapping[str, Any]) -> Any:
        if not rule.url:
            return rule.key
        kid = header.get("kid")
        found = (await self._key_set(rule.url)).get(kid) if isinstance(kid, str) else None
        if found is None:
            raise TokenError("Key not authorized", 403)
        return found.key

    async def _key_set(self, url: str) -> dict[str, jwt.PyJWK]:
        async with self._fetching.setdefault(url, asyncio.Lock()):
            fetched, keys = self._sets.get(url, (float("-inf"), {}))
            if time.monotonic() - fetched < KEY_SET_SECONDS:
                return keys
            try:
                keys = await _fetch(url)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, jwt.PyJWTError) as error:
                log.error("key set not fetched", extra={"url": url, "reason": str(error) or type(error).__name__})
                raise TokenError("Key not authorized", 403) from None
            self._sets[url] = (time.monotonic(), keys)
            return keys


async def _fetch(url: str) -> dict[str, jwt.PyJWK]:
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        document = json.loads(await answer.text())
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no set of keys")
    usable = {}
    for entry in document["keys"]:
        # Other kinds may stand beside the one that is asked for.
        if isinstance(entry, dict) and entry.get("kty") == "RSA" and isinstance(entry.get("kid"), str):
            usable[entry["kid"]] = jwt.PyJWK(entry)
    return usable


def check_times(claims: Mapping[str, Any], now: float) -> None:
    """Claims that are not there are not asked for; one that is no number is never met."""
    for name, problem in (
        ("exp", "token has expired"),
        ("iat", "token used before issued"),
        ("nbf", "token is not valid yet"),
    ):
        given = claims.get(name)
        if given is None or given == 0:
            continue
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not number or (int(now) >= given if name == "exp" else int(now) < given):
            raise TokenError(f"Key not authorized: {problem}", 401)
