# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-origin requests, answered as the library that Tyk uses answers them."""

from __future__ import annotations

from collections.abc import Mapping

from tyk_stand_in.rules import Cors

_ASKED_METHOD, _ASKED_HEADERS = "Access-Control-Request-Method", "Access-Control-Request-Headers"


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    return method == "OPTIONS" and bool(headers.get(_ASKED_METHOD))


def preflight_headers(cors: Cors, headers: Mapping[str, str]) -> dict[str, str]:
    found = {"Vary": f"Origin, {_ASKED_METHOD}, {_ASKED_HEADERS}"}
    asked = [name.strip().lower() for name in headers.get(_ASKED_HEADERS, "").split(",") if name.strip()]
    method = headers[_ASKED_METHOD]
    if (
        not _origin_allowed(cors, headers)
        or not _method_allowed(cors, method)
        or ("*" not in cors.headers and not set(asked) <= set(cors.headers))
    ):
        return found
    found |= _origin(cors, headers) | {"Access-Control-Allow-Methods": method}
    if asked:
        found["Access-Control-Allow-Headers"] = headers[_ASKED_HEADERS]
    if cors.max_age > 0:
        found["Access-Control-Max-Age"] = str(cors.max_age)
    return found


def actual_headers(cors: Cors, method: str, headers: Mapping[str, str]) -> dict[str, str]:
    found = {"Vary": "Origin"}
    if not _origin_allowed(cors, headers) or not _method_allowed(cors, method):
        return found
    found |= _origin(cors, headers)
    if cors.exposed_headers:
        found["Access-Control-Expose-Headers"] = ", ".join(cors.exposed_headers)
    return found


def _origin_allowed(cors: Cors, headers: Mapping[str, str]) -> bool:
    origin = headers.get("Origin", "")
    return bool(origin) and ("*" in cors.origins or origin.lower() in cors.origins)


def _method_allowed(cors: Cors, method: str) -> bool:
    return method == "OPTIONS" or method in cors.methods


def _origin(cors: Cors, headers: Mapping[str, str]) -> dict[str, str]:
    found = {"Access-Control-Allow-Origin": "*" if "*" in cors.origins else headers["Origin"]}
    if cors.credentials:
        found["Access-Control-Allow-Credentials"] = "true"
    return found
