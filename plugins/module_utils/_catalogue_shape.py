# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shapes of settings: each cleans a value, or reports what is wrong with it and what would be right.

A shape never raises, whatever it is given: a mistake becomes a sentence, and the walk goes on, so that one run shows every
mistake. Numbers and switches may come as text, as AWX surveys and older Ansible versions pass them.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.azora.platform.plugins.module_utils._quantity import QuantityError


class _Invalid:
    def __repr__(self) -> str:
        return "INVALID"


INVALID = _Invalid()
MISTAKES_SHOWN_OF_ONE_VALUE = 60


class Report(list[str]):
    """The sentences found so far."""

    def add(self, path: str, problem: str) -> None:
        self.append(f"{path or 'the catalogue'}: {problem}.")


class Shape(Protocol):
    """What a value must look like."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        """Return the cleaned value, or INVALID after reporting why."""


def shown(value: Any) -> str:
    """The value as people recognise it, cut to a readable length."""
    if isinstance(value, str):
        text = repr(str(value))
    elif isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "nothing"}[value]
    elif isinstance(value, (int, float)):
        # Python refuses to print integers of many thousands of digits.
        text = str(value) if not isinstance(value, int) or abs(value) < 10**40 else "a huge number"
    elif isinstance(value, Mapping):
        text = "a dictionary"
    elif isinstance(value, Sequence):
        text = "a list"
    else:
        text = f"a value of type {type(value).__name__}"
    if len(text) > MISTAKES_SHOWN_OF_ONE_VALUE:
        text = text[: MISTAKES_SHOWN_OF_ONE_VALUE - 1] + "…"
    return text


def segment(key: str) -> str:
    """A key as part of a path; one that would break the sentence is quoted."""
    return str(key) if re.fullmatch(r"[A-Za-z0-9_./-]{1,63}", key) else shown(key)


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the name that was probably meant, with the known ones."""
    close = difflib.get_close_matches(name[:200], known, n=1, cutoff=0.5)
    meant = f"did you mean '{close[0]}'? Known" if close else "known"
    return f"{meant}: {', '.join(known) if known else 'none'}"


def is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


@dataclass(frozen=True)
class Text:
    """Text, optionally of a form."""

    form: str = "text"
    pattern: re.Pattern[str] | None = None
    longest: int = 4096
    choices: tuple[str, ...] = ()
    keeps_empty: bool = False

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, str):
            report.add(path, f"{shown(value)} is not text; write {self.form}")
            return INVALID
        text = str(value)
        if self.choices and text not in self.choices:
            report.add(path, f"{shown(text)} is not a choice; {nearest(text, self.choices)}")
            return INVALID
        if len(text) > self.longest or (self.pattern is not None and not self.pattern.fullmatch(text)):
            report.add(path, f"{shown(text)} is not valid; write {self.form}")
            return INVALID
        return text


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int
    what: str = "a whole number"

    def clean(self, value: Any, path: str, report: Report) -> Any:
        number = self._number(value)
        if number is None or not self.least <= number <= self.most:
            report.add(path, f"{shown(value)} is not {self.what} from {self.least} to {self.most}")
            return INVALID
        return number

    @staticmethod
    def _number(value: Any) -> int | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
            return int(value)
        return None


@dataclass(frozen=True)
class Switch:
    """True or false."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, bool):
            return bool(value)
        if isinstance(value, str) and value.lower() in ("true", "yes", "on"):
            return True
        if isinstance(value, str) and value.lower() in ("false", "no", "off"):
            return False
        report.add(path, f"{shown(value)} is not a switch; write true or false")
        return INVALID


@dataclass(frozen=True)
class Amount:
    """A quantity, judged by a function that raises QuantityError."""

    judge: Callable[[str], Any]

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            text = ""
        elif isinstance(value, int) and abs(value) >= 10**18:
            text = "too large"
        else:
            text = str(value).strip()
        try:
            self.judge(text)
        except QuantityError as error:
            report.add(path, f"{shown(value)} {error}")
            return INVALID
        return text


@dataclass(frozen=True)
class Scalar:
    """A plain value that becomes text, such as the value of an environment variable."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return str(value)
        if isinstance(value, (int, float)) and not (isinstance(value, int) and abs(value) >= 10**40):
            return str(value)
        report.add(path, f"{shown(value)} is not a plain value; write text, a number, true or false")
        return INVALID


@dataclass(frozen=True)
class Cidr:
    """A network in CIDR form."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, str) or "/" not in value:
            report.add(path, f"{shown(value)} is not a network; write a CIDR such as '203.0.113.0/24'")
            return INVALID
        text = str(value)
        try:
            return str(ipaddress.ip_network(text, strict=True))
        except ValueError:
            pass
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            report.add(path, f"{shown(text)} is not a network; write a CIDR such as '203.0.113.0/24'")
            return INVALID
        report.add(path, f"{shown(text)} has address bits beyond its prefix; write '{meant}'")
        return INVALID


@dataclass(frozen=True)
class Anything:
    """Settings of another product, handed on as they are."""

    def clean(self, value: Any, path: str, report: Report, depth: int = 0) -> Any:
        if depth > 20:
            report.add(path, "is nested too deeply; 20 levels are enough for settings")
            return INVALID
        if isinstance(value, Mapping):
            cleaned = {str(key): self.clean(item, path, report, depth + 1) for key, item in value.items()}
            return INVALID if any(item is INVALID for item in cleaned.values()) else cleaned
        if is_list(value):
            items = [self.clean(item, path, report, depth + 1) for item in value]
            return INVALID if any(item is INVALID for item in items) else items
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return str(value)
        report.add(path, f"{shown(value)} is not a setting; write text, a number, a list or a dictionary")
        return INVALID


@dataclass(frozen=True)
class ListOf:
    """A list; with `named`, its items are found by their name in messages, and no name comes twice."""

    item: Shape
    named: bool = False
    least: int = 0
    distinct: bool = False

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if not is_list(value):
            report.add(path, f"{shown(value)} is not a list; write a list, one item a line beginning with '- '")
            return INVALID
        if len(value) < self.least:
            report.add(path, f"the list is empty; write at least {self.least} item")
            return INVALID
        cleaned, seen = [], set()
        for index, item in enumerate(value):
            name = item.get("name") if self.named and isinstance(item, Mapping) else None
            place = f"{path}.{segment(name)}" if isinstance(name, str) and name else f"{path}[{index}]"
            if isinstance(name, str) and name:
                if name in seen:
                    report.add(f"{path}[{index}].name", f"{shown(name)} is there twice; give each its own name")
                seen.add(name)
            result = self.item.clean(item, place, report)
            if result is INVALID:
                continue
            if self.distinct and result in cleaned:
                report.add(f"{path}[{index}]", f"{shown(result)} is there twice; leave one out")
                continue
            cleaned.append(result)
        return cleaned


@dataclass(frozen=True)
class MapOf:
    """A dictionary with keys of the user's own."""

    value: Shape
    key: Text = field(default_factory=Text)
    drops_empty: bool = False

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, Mapping):
            report.add(path, f"{shown(value)} is not a dictionary; write keys with values, 'key: value'")
            return INVALID
        cleaned = {}
        for key, item in value.items():
            name = self.key.clean(key, path, report)
            if name is INVALID or (item is None and self.drops_empty):
                continue
            result = self.value.clean(item, f"{path}.{segment(name)}", report)
            if result is not INVALID:
                cleaned[name] = result
        return cleaned


@dataclass(frozen=True)
class Key:
    """One key of a record."""

    shape: Shape
    required: bool = False


@dataclass(frozen=True)
class Record:
    """A dictionary with known keys; a key without a value counts as left out."""

    keys: Mapping[str, Key]
    example: str = ""
    short: Callable[[Any], Any] | None = None

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if self.short is not None and isinstance(value, str):
            value = self.short(str(value))
        if not isinstance(value, Mapping):
            example = f", for example {self.example}" if self.example else ""
            report.add(path, f"{shown(value)} is not a dictionary; write {', '.join(self.keys)} with values{example}")
            return INVALID
        cleaned: dict[str, Any] = {}
        for key in value:
            if not isinstance(key, str) or key not in self.keys:
                known = tuple(self.keys)
                hint = nearest(key, known) if isinstance(key, str) else f"known: {', '.join(known)}"
                place = path if not isinstance(key, str) else f"{path}.{segment(key)}" if path else segment(key)
                report.add(place, f"{shown(key)} is not a known key; {hint}")
        for name, key in self.keys.items():
            place = f"{path}.{name}" if path else name
            item = value.get(name)
            absent = item is None or (isinstance(item, str) and item == "" and not _keeps_empty(key.shape))
            if absent:
                if key.required:
                    report.add(place, f"is missing; write {_form(key.shape)}")
                continue
            result = key.shape.clean(item, place, report)
            if result is not INVALID:
                cleaned[name] = result
        return cleaned


def _keeps_empty(shape: Shape) -> bool:
    return isinstance(shape, Scalar) or (isinstance(shape, Text) and shape.keeps_empty)


def _form(shape: Shape) -> str:
    if isinstance(shape, Text):
        return f"one of {', '.join(shape.choices)}" if shape.choices else shape.form
    if isinstance(shape, Whole):
        return f"{shape.what} from {shape.least} to {shape.most}"
    if isinstance(shape, ListOf):
        return "a list"
    return "a dictionary" if isinstance(shape, (Record, MapOf)) else "a value"
