# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People look for the sentence that they see, so every sentence of docs/troubleshooting.md is one that the collection still says."""

from __future__ import annotations

import ast
import functools
import pathlib
import re

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs" / "troubleshooting.md"
# What differs from run to run: in the page, and in what the sources say.
GAP = "…"
# What is seen there is said by others: kubectl, pods, people.
SIGNS = {"Signs without a sentence"}
QUOTED = re.compile(r"`([^`]+)`")


def quoted_sentences() -> list[str]:
    """The code in the first column of each table."""
    found: list[str] = []
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        if line.startswith("| ") and section and section not in SIGNS:
            found += QUOTED.findall(line.split("|")[1])
    return found


def spoken(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)


@functools.cache
def everything_said() -> list[str]:
    """Every text in the sources: strings of Python, with a gap for what is filled in, and files of YAML in one line."""
    texts: list[str] = []
    for path in [*(CHECKOUT / "plugins").rglob("*.py"), *(CHECKOUT / "roles/lab_images/files/gateway").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append(spoken(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    for path in [*(CHECKOUT / "roles").rglob("tasks/*.yml"), *(CHECKOUT / "roles").rglob("vars/*.yml")]:
        texts.append(path.read_text(encoding="utf-8"))
    return [" ".join(text.split()) for text in texts]


@pytest.mark.parametrize("sentence", quoted_sentences())
def test_the_collection_says_so(sentence: str) -> None:
    parts = [part for one in sentence.split(GAP) if (part := one.strip(" .;:,"))]
    # Something of the sentence must be long enough to be found by.
    assert max(map(len, parts)) >= 8, "only gaps"
    pattern = re.compile(".{0,400}?".join(re.escape(part) for part in parts))
    assert any(pattern.search(text) for text in everything_said()), sentence


def test_there_are_sentences() -> None:
    assert len(quoted_sentences()) > 50
