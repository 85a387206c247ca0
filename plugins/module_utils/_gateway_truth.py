# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running gateway says of itself, against what it should do: the APIs that it has loaded, and how it answers on each route."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

Definition = Mapping[str, Any]

TOKEN_SECONDS = 60
SUBJECT = "azora-platform-verification"
# The mark of an answer that the gateway made itself.
GENERATOR = ("x-generator", "tyk.io")
# Its answer to a path that it does not know is plain text without the mark.
UNKNOWN_PATH = b"Not Found"
# What Tyk answers where there is no token.
NO_TOKEN = 400


def minted_token(key: str, now: float, subject: str = SUBJECT) -> str:
    """A token of HS256 that is good for a minute; the key in base64, as the gateway has it."""
    claims = {"sub": subject, "iat": int(now), "exp": int(now) + TOKEN_SECONDS}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(base64.b64decode(key), signed.encode(), 'sha256'))}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def loaded_problems(
    intended: Sequence[Definition], loaded: Sequence[Definition], variables: Mapping[str, str]
) -> list[str]:
    """One sentence for each API that is missing, too much, or another than intended. None of them has a value: some are secret."""
    found = {str(definition.get("api_id")): definition for definition in loaded}
    wanted = {str(definition["api_id"]): definition for definition in intended}
    problems = [f"the API {name} is not loaded" for name in wanted if name not in found]
    problems += [
        f"the API {name} is loaded, and nothing in the catalogue is called so" for name in found if name not in wanted
    ]
    for name, definition in wanted.items():
        if name in found:
            keys = _differing(definition, found[name], variables)
            problems += [f"the API {name} is loaded with another {key}" for key in keys]
    return problems


def _differing(wanted: Any, found: Any, variables: Mapping[str, str], path: str = "") -> list[str]:
    """Where what is wanted is not found. Tyk shows all of its settings; those that nobody set are left aside."""
    if isinstance(wanted, Mapping):
        holder = found if isinstance(found, Mapping) else {}
        return [
            place
            for key, value in wanted.items()
            for place in _differing(value, holder.get(key), variables, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return [] if not wanted and not found else [path]
        pairs = zip(wanted, found, strict=True)
        return list(dict.fromkeys(place for one, other in pairs for place in _differing(one, other, variables, path)))
    if isinstance(wanted, str) and wanted.startswith("env://"):
        wanted = variables.get(wanted.removeprefix("env://"), wanted)
    # A setting that is off may be left out.
    return [] if wanted == found or (not wanted and not found) else [path]


def answer_problem(
    route: Mapping[str, Any], status: int, headers: Mapping[str, str], said: bytes, *, with_token: bool
) -> str:
    """What is wrong with an answer on a route, or nothing: an answer of the service behind it is right, whatever it says."""
    name, value = GENERATOR
    own = any(key.lower() == name and value in given for key, given in headers.items()) or said.strip() == UNKNOWN_PATH
    path, service = route["path"], route["service"]
    if route["authentication"] and not with_token:
        refused = own and status == NO_TOKEN
        return "" if refused else f"{path} answers {status} to who has no token, where {NO_TOKEN} would be right"
    return f"{path} does not lead to {service}: the answer is {status}" if own or status >= 500 else ""
