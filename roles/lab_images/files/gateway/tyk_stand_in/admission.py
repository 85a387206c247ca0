# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a request may pass, asked in the order in which Tyk asks: size, token, rights, the client's limit, the API's limit."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

from aiohttp import web

from tyk_stand_in.definitions import ApiDefinition
from tyk_stand_in.policies import Policy
from tyk_stand_in.proxy import error
from tyk_stand_in.rules import Limit
from tyk_stand_in.storage import Storage, StorageError
from tyk_stand_in.tokens import TokenError, Tokens

log = logging.getLogger(__name__)

_WITHOUT_SIZE_LIMIT = ("GET", "DELETE", "TRACE", "OPTIONS", "HEAD")
_DISALLOWED = "Access to this API has been disallowed"


class Admission:
    """Judges requests by the definitions and policies of the last reload."""

    def __init__(self, storage: Storage, policies: Mapping[str, Policy], tokens: Tokens) -> None:
        self._storage = storage
        self._policies = policies
        self._tokens = tokens

    async def refusal(self, definition: ApiDefinition, request: web.Request) -> web.Response | None:
        """The answer to a request that may not pass."""
        if definition.restrictions:
            # Asked for and not implemented: better closed than wrongly open.
            return error(_DISALLOWED, 403)
        if too_large := self._size_refusal(definition, request):
            return too_large
        if not definition.keyless and (refused := await self._client_refusal(definition, request)):
            return refused
        limit = definition.rules.limit
        if limit is None:
            return None
        try:
            exceeded = await self._exceeds(limit, f"apilimiter-{definition.api_id}")
        except StorageError:
            # Tyk lets pass what it could not count for an API; what it could not count for a client it does not.
            return None
        return error("API Rate Limit Exceeded", 429) if exceeded else None

    @staticmethod
    def _size_refusal(definition: ApiDefinition, request: web.Request) -> web.Response | None:
        limit = definition.rules.size_limit
        if not limit or request.method in _WITHOUT_SIZE_LIMIT:
            return None
        if request.headers.get("Content-Length") is None:
            return error("Content length is required for this request", 411)
        return error("Request is too large", 400) if (request.content_length or 0) > limit else None

    async def _client_refusal(self, definition: ApiDefinition, request: web.Request) -> web.Response | None:
        authorization = request.headers.get("Authorization")
        if not authorization:
            # Seen on Tyk 5.11: a missing token is 400, a missing key 401.
            return error("Authorization field missing", 400 if definition.jwt else 401)
        rule = definition.rules.jwt
        if rule is None:
            return error("Key not authorized" if definition.jwt else _DISALLOWED, 403)
        try:
            subject = await self._tokens.subject(rule, authorization)
        except TokenError as failure:
            return error(failure.message, failure.status)
        policy = self._policies.get(rule.policies[0]) if rule.policies else None
        if policy is None or not policy.active or policy.org_id != definition.org_id:
            return error("key not authorized: no matching policy", 403)
        if definition.api_id not in policy.apis:
            return error(_DISALLOWED, 403)
        if not policy.limit.rate:
            return None
        # No client's name is in Redis.
        client = hashlib.sha256(f"{definition.org_id} {subject}".encode()).hexdigest()[:32]
        try:
            exceeded = await self._exceeds(policy.limit, client)
        except StorageError:
            return error("There was a problem proxying the request", 500)
        return error("Rate Limit Exceeded", 429) if exceeded else None

    async def _exceeds(self, limit: Limit, who: str) -> bool:
        return await self._storage.count_in_window(who, limit.per) > limit.rate
