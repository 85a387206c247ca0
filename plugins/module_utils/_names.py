# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list of names as people give it: a list, or one text as the command line and the surveys of AWX have it."""

from __future__ import annotations

import datetime
import re
from typing import Any

SEPARATORS = re.compile(r"[,\s]+")


class NamesError(ValueError):
    """What was given is no list of names; the message is one sentence without its beginning, the name of the variable."""


def names(given: Any) -> list[str]:
    """Each name once, in the order given; none of nothing, of an empty text and of an empty list.

    >>> names("[user, course]"), names("user\\ncourse"), names(["user"]), names("")
    (['user', 'course'], ['user', 'course'], ['user'], [])
    """
    if given is None:
        return []
    if isinstance(given, str):
        parts: list[Any] = SEPARATORS.split(given.strip().removeprefix("[").removesuffix("]"))
        parts = [part.strip("\"'") for part in parts]
    elif isinstance(given, (list, tuple)):
        parts = [part.strip() if isinstance(part, str) else part for part in given]
    else:
        raise NamesError(f"is {given!r}; write names, as a list or with commas between them")
    for part in parts:
        if not isinstance(part, (str, int)) or isinstance(part, bool):
            raise NamesError(
                f"has {part!r} in it, which is not a name; write names, as a list or with commas between them"
            )
    return list(dict.fromkeys(str(part) for part in parts if part != ""))


def moment(given: Any) -> str:
    """A moment in UTC as it is written, 2026-01-31T14:05:00Z, also where it was read as a date; a text is left as it is, nothing is an empty one."""
    if isinstance(given, datetime.datetime):
        aware = given if given.tzinfo else given.replace(tzinfo=datetime.UTC)
        return aware.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if given is None else str(given)
