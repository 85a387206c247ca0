# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages tell people to type: each block of commands is run by a test or says that it is not, and names only what there is.

The mark is a comment on the line above the block: <!-- run: molecule/default/tests/test_x.py --> or <!-- not run: why -->.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PAGES = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")])
SHELL = {"console", "shell", "bash", "sh"}
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
COMMENT = re.compile(r"^\s*<!-- (?P<kind>run|not run): (?P<what>.+) -->$")
STAGES = {"operators", "namespaces", "data", "services", "gateway", "monitoring"}
# Variables that no role has: playbooks/lab.yml reads the first, the lab's inventory has the second, the examples of the pages the third.
OTHER_VARIABLES = {"lab_state", "azora_connection", "shop_image"}
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)")


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str
    # Of the comment on the line above: "run", "not run" or "".
    mark: str
    what: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: pathlib.Path) -> list[Block]:
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening:
            mark = COMMENT.match(lines[number - 1]) if number else None
            end = next(later for later in range(number + 1, len(lines)) if lines[later].strip() == "```")
            indent = len(opening["indent"])
            text = "\n".join(line[indent:] for line in lines[number + 1 : end])
            given = (mark["kind"], mark["what"]) if mark else ("", "")
            found.append(Block(str(page.relative_to(CHECKOUT)), number + 1, opening["language"], text, *given))
            number = end
        number += 1
    return found


def commands(block: Block) -> list[list[str]]:
    """The words of each command: continued lines joined, prompts and remarks left out. Lines without a prompt are output, if any line has one."""
    lines = block.text.replace("\\\n", " ").splitlines()
    prompted = [line[2:] for line in lines if line.startswith(("$ ", "# "))]
    return [words for line in prompted or lines if (words := shlex.split(line, comments=True))]


def role_options() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted((CHECKOUT / "roles").glob("*/meta/argument_specs.yml")):
        points = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        found[path.parts[-3]] = {name for point in points.values() for name in point.get("options") or {}}
    return found


ALL = [block for page in PAGES for block in blocks(page)]
SHELL_BLOCKS = [block for block in ALL if block.language in SHELL]
ROLE_OPTIONS = role_options()
VARIABLES = set().union(*ROLE_OPTIONS.values()) | OTHER_VARIABLES


def playbook_of(words: list[str]) -> pathlib.Path | None:
    """The playbook that an ansible-playbook command names, as a file of the checkout."""
    for word in words[1:]:
        if word.startswith("azora.platform."):
            return CHECKOUT / "playbooks" / f"{word.removeprefix('azora.platform.')}.yml"
        if word.endswith(".yml") and not word.startswith("@"):
            return CHECKOUT / word
    return None


def options_of(words: list[str], *names: str) -> Iterator[str]:
    """The values of an option, be they a word of their own or behind an equals sign."""
    for number, word in enumerate(words):
        if word in names and number + 1 < len(words):
            yield words[number + 1]
        for name in names:
            if name.startswith("--") and word.startswith(f"{name}="):
                yield word.partition("=")[2]


def extra_variables(words: list[str]) -> Iterator[str]:
    for given in options_of(words, "-e", "--extra-vars"):
        if given.startswith("@"):
            continue
        if given.startswith("{"):
            yield from yaml.safe_load(given)
        else:
            yield from (pair.partition("=")[0] for pair in given.split())


def playbook_commands(block: Block) -> list[list[str]]:
    found = [list(itertools.dropwhile(re.compile(r"\w+=").match, words)) for words in commands(block)]
    return [words for words in found if words[:1] == ["ansible-playbook"]]


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_commands_are_run_by_a_test_or_say_that_they_are_not(block: Block) -> None:
    assert block.mark, "the line above must say <!-- run: TEST --> or <!-- not run: WHY -->"
    if block.mark == "not run":
        return
    tests = [CHECKOUT / name.strip() for name in block.what.split(",")]
    assert [str(path) for path in tests if not path.is_file()] == []
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    for words in playbook_commands(block):
        playbook = playbook_of(words)
        assert playbook is not None
        assert re.search(rf"(?:azora\.platform\.|playbooks/|[\"'\s]){playbook.stem}\b", text), (
            f"no named test runs {playbook.stem}"
        )
        # The lab's own name and number of nodes is what a test is given from outside.
        missing = sorted(set(extra_variables(words)) - {"lab_name"} - set(re.findall(r"\w+", text)))
        assert missing == [], "variables that no named test sets"


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_commands_name_only_what_there_is(block: Block) -> None:
    for words in playbook_commands(block):
        playbook = playbook_of(words)
        assert playbook is not None, words
        assert playbook.is_file(), f"there is no playbook {playbook.name}"
        assert sorted(set(extra_variables(words)) - VARIABLES) == [], "no role has such an option"
        for tags in options_of(words, "--tags", "--skip-tags", "-t"):
            assert set(tags.split(",")) <= STAGES
        for path in [*options_of(words, "-i"), *(one[1:] for one in options_of(words, "-e") if one[:1] == "@")]:
            if path.startswith(("inventories", "docs")):
                assert (CHECKOUT / path).exists(), path
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(block):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets


@pytest.mark.parametrize("block", [block for block in ALL if block.language in ("yaml", "yml", "json")], ids=str)
def test_examples_parse_and_set_real_variables(block: Block) -> None:
    loaded = json.loads(block.text) if block.language == "json" else yaml.safe_load(block.text)
    if not isinstance(loaded, dict):
        return
    for name in loaded:
        owner = max((role for role in ROLE_OPTIONS if str(name).startswith(f"{role}_")), key=len, default=None)
        if owner is not None:
            assert name in VARIABLES, f"the role {owner} has no option {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [target for target in LINK.findall(text) if not (page.parent / target).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    index = (CHECKOUT / "docs/README.md").read_text(encoding="utf-8")
    named = set(LINK.findall(index))
    assert sorted(page.name for page in (CHECKOUT / "docs").glob("[a-z]*.md") if page.name not in named) == []
    assert "docs/README.md" in LINK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
