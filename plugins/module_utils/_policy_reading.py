# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes values out of Kubernetes objects and notes, for people, what is wrong with them and where. Never stops at the first mistake."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import CidrError, cidr
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    PROTOCOLS,
    Requirement,
    Selector,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_ports import number

WITH_VALUES, WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")
LONGEST_SHOWN = 60


def shown(value: Any) -> str:
    """A value in a sentence."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "…"}"'
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, Sequence):
        return "a list"
    return str(value)


def listed(words: Iterable[str], last: str = "or") -> str:
    every = list(words)
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} {last} {every[-1]}"


@dataclass
class Notes:
    """What there is to say about the input."""

    mistakes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@dataclass
class Reader:
    """One object being read; `path` is always the place of the value within it."""

    title: str
    notes: Notes

    def wrong(self, path: str, what: str) -> None:
        self.notes.mistakes.append(f"{self.title}: {path} {what}" if path else f"{self.title} {what}")

    def warn(self, path: str, what: str) -> None:
        self.notes.warn(f"{self.title}: {path} {what}" if path else f"{self.title} {what}")

    def mapping(self, value: Any, path: str) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        if value is not None:
            self.wrong(path, f"is {shown(value)}; it must be a dictionary")
        return {}

    def sequence(self, value: Any, path: str) -> Sequence[Any]:
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            return value
        if value is not None:
            self.wrong(path, f"is {shown(value)}; it must be a list")
        return ()

    def text(self, value: Any, path: str) -> str:
        if isinstance(value, str):
            return value
        if value is not None:
            self.wrong(path, f"is {shown(value)}; it must be text{_quoted(value)}")
        return ""

    def choice(self, value: Any, path: str, known: Sequence[str]) -> str | None:
        if isinstance(value, str) and value in known:
            return value
        self.wrong(path, f"is {shown(value)}; it must be {listed(known)}")
        return None

    def protocol(self, value: Any, path: str) -> int | None:
        """TCP where none is said."""
        chosen = self.choice(value, path, PROTOCOLS) if value is not None else "TCP"
        return None if chosen is None else PROTOCOLS.index(chosen)

    def port(self, value: Any, path: str) -> int | None:
        found = number(value)
        if found is None:
            self.wrong(path, f"is {shown(value)}; it must be a port number from 1 to 65535")
        return found

    def labels(self, value: Any, path: str) -> dict[str, str]:
        found = {}
        for key, word in self.mapping(value, path).items():
            if isinstance(word, str):
                found[str(key)] = word
            elif word is None:
                found[str(key)] = ""
            else:
                self.wrong(f"{path}.{key}", f"is {shown(word)}; it must be text{_quoted(word)}")
        return found

    def selector(self, value: Any, path: str) -> Selector:
        selector = self.mapping(value, path)
        found = [
            Requirement(key, "In", (word,))
            for key, word in self.labels(selector.get("matchLabels"), f"{path}.matchLabels").items()
        ]
        expressions = self.sequence(selector.get("matchExpressions"), f"{path}.matchExpressions")
        for index, entry in enumerate(expressions):
            requirement = self._requirement(entry, f"{path}.matchExpressions[{index}]")
            if requirement is not None:
                found.append(requirement)
        for key in selector:
            if key not in ("matchLabels", "matchExpressions"):
                # A misspelt key would select everything.
                self.wrong(f"{path}.{key}", "is unknown; a selector has matchLabels and matchExpressions")
        return tuple(sorted(set(found)))

    def _requirement(self, value: Any, path: str) -> Requirement | None:
        entry = self.mapping(value, path)
        key = entry.get("key")
        if not isinstance(key, str) or not key:
            self.wrong(f"{path}.key", f"is {shown(key)}; it must be the key of a label")
            return None
        operator = self.choice(entry.get("operator"), f"{path}.operator", (*WITH_VALUES, *WITHOUT_VALUES))
        if operator is None:
            return None
        values = []
        for index, word in enumerate(self.sequence(entry.get("values"), f"{path}.values")):
            values.append(self.text(word, f"{path}.values[{index}]"))
        if operator in WITH_VALUES and not values:
            self.wrong(f"{path}.values", f"is missing; {operator} needs at least one value")
            return None
        if operator in WITHOUT_VALUES and values:
            self.wrong(f"{path}.values", f"must be left out; {operator} takes no values")
            return None
        return Requirement(key, operator, tuple(sorted(set(values))))

    def cidr(self, value: Any, path: str) -> tuple[int, int] | None:
        text = value if isinstance(value, str) else ""
        try:
            bounds, plain = cidr(text)
        except CidrError as error:
            self.wrong(path, f"{shown(value)} {error}")
            return None
        address, network = (one.partition("/")[0] for one in (text, plain))
        if ipaddress.ip_address(address) != ipaddress.ip_address(network):
            self.warn(path, f"{shown(value)} has host bits set; it is judged as {plain}")
        return bounds


def _quoted(value: Any) -> str:
    return ", so put it in quotes" if isinstance(value, (bool, int, float)) else ""
