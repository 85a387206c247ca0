# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition says about the requests of an API: tokens, limits, headers, CORS, sizes, timeouts, circuit breakers.

What these blocks may hold in Tyk and the stand-in does not do is a mistake here: nothing is passed over in silence.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SIGNING_METHODS = {
    "hmac": ("HS256", "HS384", "HS512"),
    "rsa": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
}
_PLACE_KEYS = ("path", "method")


class DefinitionError(Exception):
    """Why a definition cannot be served."""


@dataclass(frozen=True)
class Jwt:
    """How the tokens of an API are checked, and whose they are."""

    algorithms: tuple[str, ...]
    # The key itself, or where the set of keys is fetched.
    key: bytes = field(repr=False)
    url: str
    subject_claim: str
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """So many requests in each window of so many seconds; a rate of 0 is no limit."""

    rate: float
    per: float


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed_headers: tuple[str, ...]
    credentials: bool
    max_age: int


@dataclass(frozen=True)
class Breaker:
    threshold: float
    samples: int
    open_seconds: float


@dataclass(frozen=True)
class Rules:
    """All of it; what is None is not asked for."""

    jwt: Jwt | None
    limit: Limit | None
    cors: Cors | None
    size_limit: int
    timeouts: Mapping[str, float]
    breakers: Mapping[str, Breaker]
    request_headers: Mapping[str, str]
    removed_request_headers: tuple[str, ...]
    response_headers: Mapping[str, str]
    removed_response_headers: tuple[str, ...]


def parse_rules(document: Mapping[str, Any], version: Mapping[str, Any]) -> Rules:
    paths = _block(version, "extended_paths")
    refuse_unknown(paths, "extended_paths", ("hard_timeouts", "circuit_breakers", "white_list", "black_list"))
    return Rules(
        jwt=_jwt(document) if document.get("enable_jwt") and not document.get("use_keyless") else None,
        limit=_limit(document),
        cors=_cors(_block(document, "CORS")),
        size_limit=int(_number(version, "global_size_limit")),
        timeouts=_timeouts(paths),
        breakers=_breakers(paths),
        request_headers=_headers(version, "global_headers"),
        removed_request_headers=tuple(_texts(version, "global_headers_remove")),
        response_headers=_headers(version, "global_response_headers"),
        removed_response_headers=tuple(_texts(version, "global_response_headers_remove")),
    )


def _jwt(document: Mapping[str, Any]) -> Jwt | None:
    configs = _block(document, "auth_configs")
    refuse_unknown(configs, "auth_configs", ("jwt",))
    header = _block(configs, "jwt")
    refuse_unknown(header, "auth_configs.jwt", ("auth_header_name",))
    if header.get("auth_header_name", "Authorization") != "Authorization":
        raise DefinitionError("auth_configs.jwt.auth_header_name must be Authorization for the stand-in")
    source = document.get("jwt_source") or ""
    if not source:
        # Tyk would look for the key in the session that the kid names; there are none here, so every token is refused.
        return None
    method = document.get("jwt_signing_method")
    if method not in SIGNING_METHODS:
        raise DefinitionError(
            f"jwt_signing_method {method!r} is not known to the stand-in: {', '.join(SIGNING_METHODS)}"
        )
    try:
        key = source.encode() if _is_url(source) else base64.b64decode(source, validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise DefinitionError("jwt_source is neither a URL nor base64") from None
    url = key.decode() if _is_url(key.decode(errors="replace")) else ""
    return Jwt(
        algorithms=SIGNING_METHODS[method],
        key=key,
        url=url,
        subject_claim=str(document.get("jwt_identity_base_field") or "sub"),
        policies=tuple(_texts(document, "jwt_default_policies")),
    )


def _is_url(text: str) -> bool:
    return re.match(r"https?://", text) is not None


def _limit(document: Mapping[str, Any]) -> Limit | None:
    block = _block(document, "global_rate_limit")
    refuse_unknown(block, "global_rate_limit", ("rate", "per"))
    limit = Limit(_number(block, "rate"), _number(block, "per"))
    if document.get("disable_rate_limit") or not limit.rate:
        return None
    if limit.per <= 0:
        raise DefinitionError("global_rate_limit.per must be above 0")
    return limit


def _cors(block: Mapping[str, Any]) -> Cors | None:
    known = ("allowed_origins", "allowed_methods", "allowed_headers", "exposed_headers", "allow_credentials", "max_age")
    refuse_unknown(block, "CORS", ("enable", *known))
    if not block.get("enable"):
        return None
    if any("*" in origin and origin != "*" for origin in _texts(block, "allowed_origins")):
        raise DefinitionError("CORS.allowed_origins: a pattern is not known to the stand-in")
    return Cors(
        origins=tuple(origin.lower() for origin in _texts(block, "allowed_origins")) or ("*",),
        methods=tuple(_texts(block, "allowed_methods")) or ("GET", "POST", "HEAD"),
        headers=tuple(name.lower() for name in _texts(block, "allowed_headers"))
        or ("accept", "content-type", "x-requested-with"),
        exposed_headers=tuple(_texts(block, "exposed_headers")),
        credentials=bool(block.get("allow_credentials")),
        max_age=int(_number(block, "max_age")),
    )


def _timeouts(paths: Mapping[str, Any]) -> dict[str, float]:
    return {
        method: _number(entry, "timeout")
        for method, entry in _by_method(paths, "hard_timeouts", ("timeout",)).items()
        if _number(entry, "timeout") > 0
    }


def _breakers(paths: Mapping[str, Any]) -> dict[str, Breaker]:
    known = ("threshold_percent", "samples", "return_to_service_after", "disable_half_open_state")
    found = {}
    for method, entry in _by_method(paths, "circuit_breakers", known).items():
        if not entry.get("disable_half_open_state"):
            raise DefinitionError("circuit_breakers: the half-open state is not known to the stand-in; disable it")
        found[method] = Breaker(
            _number(entry, "threshold_percent"),
            int(_number(entry, "samples")),
            _number(entry, "return_to_service_after"),
        )
    return found


def _by_method(paths: Mapping[str, Any], name: str, known: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    entries = paths.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DefinitionError(f"extended_paths.{name} must be a list of objects")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        refuse_unknown(entry, f"extended_paths.{name}", (*_PLACE_KEYS, *known))
        if entry.get("path") not in ("", "/"):
            raise DefinitionError(
                f"extended_paths.{name}: only the path '/' is known to the stand-in, which is all of them"
            )
        found.setdefault(str(entry.get("method")), entry)
    return found


def _block(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name) or {}
    if not isinstance(found, dict):
        raise DefinitionError(f"{name} must be an object")
    return found


def refuse_unknown(block: Mapping[str, Any], name: str, known: Iterable[str]) -> None:
    """What is set to nothing is as good as left out."""
    unknown = sorted(key for key, value in block.items() if value and key not in set(known))
    if unknown:
        raise DefinitionError(f"{name}: {', '.join(unknown)} is not known to the stand-in")


def _number(block: Mapping[str, Any], name: str) -> float:
    found = block.get(name) or 0
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise DefinitionError(f"{name} must be a number")
    return found


def _headers(version: Mapping[str, Any], name: str) -> dict[str, str]:
    found = {str(header): str(value) for header, value in _block(version, name).items()}
    if any("$" in value for value in found.values()):
        raise DefinitionError(f"{name}: variables of Tyk are not known to the stand-in")
    return found


def _texts(block: Mapping[str, Any], name: str) -> list[str]:
    found = block.get(name) or []
    if not isinstance(found, list):
        raise DefinitionError(f"{name} must be a list")
    return [str(item) for item in found]
