# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Elements of HTML and SVG. Text is escaped unless it is markup by its type, so that nothing has to be remembered."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._report_words import printable, printable_everywhere

VOID = frozenset({"input", "meta", "br"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()

    def __add__(self, other: str) -> Markup:
        return joined([self, other])


def escaped(text: str) -> Markup:
    return Markup(html.escape(printable(text), quote=True))


def element(name: str, *content: str, **attributes: str | int | float | bool | None) -> Markup:
    """`class_` is class and `data_cell` is data-cell; an attribute that is None or False is left out."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(printable(str(value)), quote=True)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(content)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    return Markup(between.join(one if isinstance(one, Markup) else escaped(one) for one in parts))


def script_data(value: Any) -> Markup:
    """JSON inside an element `script`: nothing in it can end the element or begin a comment."""
    text = json.dumps(printable_everywhere(value), ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
