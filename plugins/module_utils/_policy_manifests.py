# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes manifests from files and folders: YAML or JSON, any number of documents in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Notes, shown

SUFFIXES = (".yaml", ".yml", ".json")


def manifests_from(given: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """The objects, and warnings; what is no path is an object itself. PolicyInputError with every file that cannot be read."""
    notes = Notes()
    found: list[Any] = []
    for entry in given:
        if isinstance(entry, str):
            found += _at_path(os.path.expanduser(entry), notes)
        else:
            found.append(entry)
    if notes.mistakes:
        raise PolicyInputError(notes.mistakes)
    return found, notes.warnings


def _at_path(path: str, notes: Notes) -> Iterator[Any]:
    if not os.path.isdir(path):
        yield from _documents(path, notes, strict=True)
        return
    paths = sorted(
        os.path.join(folder, name)
        for folder, _folders, names in os.walk(path)
        for name in names
        if name.endswith(SUFFIXES)
    )
    if not paths:
        notes.mistakes.append(f"the folder {path} has no file that ends in {', '.join(SUFFIXES)}")
    for each in paths:
        # A folder may also hold what only looks like manifests, such as the values of a chart.
        yield from _documents(each, notes, strict=False)


def _documents(path: str, notes: Notes, *, strict: bool) -> Iterator[Any]:
    try:
        import yaml  # noqa: PLC0415  (a module must be importable where it is not)
    except ImportError:
        notes.mistakes.append("the Python library PyYAML is needed to read files")
        return
    try:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
    except (OSError, UnicodeDecodeError) as error:
        notes.mistakes.append(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}")
        return
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        notes.mistakes.append(f"{path}{where} is neither YAML nor JSON: {getattr(error, 'problem', None) or error}")
        return
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if isinstance(document, dict) and document.get("kind") and document.get("apiVersion"):
            yield document
            continue
        sentence = f"document {number} of {path} is {shown(document)} that is no Kubernetes object"
        if strict:
            notes.mistakes.append(sentence)
        else:
            notes.warn(f"{sentence}; it is left out")
