# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of foreign programs without the secrets in them: known values, and what looks like a secret."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "***"
# Shorter values (a port, a user's name) stand in any text, and masking them would make it unreadable.
SHORTEST = 6
SENSITIVE = r"(?:pass(?:word|wd)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
PATTERNS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    # user:password@host
    re.compile(r"(?<=://)[^\s/@]+:[^\s@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]+"),
    re.compile(r"(?i)(?<=basic )[\w+/=-]{8,}"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"\bAKIA[0-9A-Z]{12,}\b"),
)
NAMED = re.compile(rf"(?i)(\b[\w.-]*{SENSITIVE}[\w.-]*[\"']?(?:\s*=|:)\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}}]+)")


def secret_values(secrets: Iterable[Mapping[str, Any]]) -> list[str]:
    """The values of Secrets as they may stand in a text, the longest first."""
    found = {text for secret in secrets for value in (secret.get("data") or {}).values() for text in _spellings(value)}
    return sorted((text for text in found if len(text) >= SHORTEST), key=lambda text: (-len(text), text))


def masked(text: str, values: Iterable[str]) -> str:
    """TEXT without VALUES and without what looks like a secret."""
    for value in values:
        text = text.replace(value, MASK)
    for pattern in PATTERNS:
        text = pattern.sub(MASK, text)
    return NAMED.sub(lambda match: f"{match[1]}{MASK}", text)


def _spellings(encoded: str) -> Iterator[str]:
    yield encoded
    try:
        text = base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield text
    yield json.dumps(text)[1:-1]
    # A key is printed in lines, too.
    yield from (line for line in text.splitlines() if len(line) >= 16 and not line.startswith("-----"))
