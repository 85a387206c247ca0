# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading, writing and making up the values of Secrets."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping
from typing import Any

ALPHABET = string.ascii_letters + string.digits


def new_password(length: int = 32) -> str:
    """A password of letters and digits only: it stands unquoted in any URI or configuration file."""
    return "".join(secrets.choice(ALPHABET) for _position in range(length))


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """The `data` of a Secret."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """The values of a Secret as read from the API."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
