# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of ports, as sorted ranges that do not touch, and how people write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ALL_PORTS,
    FIRST_PORT,
    LAST_PORT,
    PROTOCOLS,
    PortRange,
    Ports,
)

ALL = "all"


def joined(ports: Iterable[PortRange]) -> Ports:
    found: list[PortRange] = []
    for entry in sorted(ports):
        if found and found[-1].protocol == entry.protocol and entry.first <= found[-1].last + 1:
            found[-1] = PortRange(entry.protocol, found[-1].first, max(found[-1].last, entry.last))
        else:
            found.append(entry)
    return tuple(found)


def without(ports: Iterable[PortRange], taken: Iterable[PortRange]) -> Ports:
    holes = joined(taken)
    found: list[PortRange] = []
    for protocol, low, high in joined(ports):
        first = low
        for hole in holes:
            if hole.protocol != protocol or hole.last < first or hole.first > high:
                continue
            if hole.first > first:
                found.append(PortRange(protocol, first, hole.first - 1))
            first = hole.last + 1
        if first <= high:
            found.append(PortRange(protocol, first, high))
    return tuple(found)


def common(ports: Iterable[PortRange], others: Iterable[PortRange]) -> Ports:
    every = joined(ports)
    return without(every, without(every, others))


def covers(ports: Iterable[PortRange], others: Iterable[PortRange]) -> bool:
    return not without(others, ports)


def number(value: Any) -> int | None:
    """A port number, or None if it is none: truth values count as numbers in Python, and not here."""
    if isinstance(value, int) and not isinstance(value, bool) and FIRST_PORT <= value <= LAST_PORT:
        return value
    return None


def written(ports: Iterable[PortRange]) -> dict[str, list[str]]:
    """For each protocol its ports as people write them: "all", "80", "8000-8010"."""
    found: dict[str, list[str]] = {}
    for protocol, first, last in joined(ports):
        words = ALL if (first, last) == (FIRST_PORT, LAST_PORT) else str(first) if first == last else f"{first}-{last}"
        found.setdefault(PROTOCOLS[protocol], []).append(words)
    return found


def in_words(ports: Iterable[PortRange]) -> str:
    every = joined(ports)
    if every == ALL_PORTS:
        return "all ports"
    return ", ".join(
        f"{protocol} {' and '.join(words) if words != [ALL] else 'on all ports'}"
        for protocol, words in written(every).items()
    )


def read(protocol: int, words: Sequence[Any]) -> Ports:
    """What `written` wrote; ValueError if it is something else. Names of ports are the caller's business."""
    found = []
    for word in words:
        text = str(word).strip()
        if text == ALL:
            found.append(PortRange(protocol, FIRST_PORT, LAST_PORT))
            continue
        first, dash, last = text.partition("-")
        bounds = int(first), int(last if dash else first)
        if not FIRST_PORT <= bounds[0] <= bounds[1] <= LAST_PORT:
            raise ValueError(text)
        found.append(PortRange(protocol, *bounds))
    return joined(found)
