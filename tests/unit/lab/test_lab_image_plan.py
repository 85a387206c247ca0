# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are built, in which order, and when again."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_plan as plan_module

FILES = "/roles/lab_images/files"
ARCHIVES = "/cache"
IMAGES: list[dict[str, Any]] = [
    {"name": "redis", "base": "python"},
    {"name": "base", "bootstrap": {"suite": "bookworm", "packages": ["tini"]}},
    {"name": "python", "base": "base", "exported": False},
    {"name": "agnhost", "binaries": ["/bin/agnhost"]},
]


def file(path: str, checksum: str = "c", mode: str = "0644") -> dict[str, Any]:
    return {"path": path, "checksum": checksum, "mode": mode}


SOURCES = [
    file(f"{FILES}/containerignore"),
    *[file(f"{FILES}/{name}/Containerfile", name) for name in ("base", "python", "redis", "agnhost")],
    file(f"{FILES}/redis/run.sh", "run", "0755"),
    file("/bin/agnhost", "agnhost"),
]


def plan(images: list[dict[str, Any]] | None = None, files: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    planned = plan_module.image_plan(
        images or IMAGES, files or SOURCES, files_directory=FILES, archive_directory=ARCHIVES
    )
    return {image["name"]: image for image in planned}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if before[name]["hash"] != after[name]["hash"]}


def replaced(path: str, **facts: str) -> list[dict[str, Any]]:
    return [{**source, **facts} if source["path"] == path else source for source in SOURCES]


def test_a_base_comes_before_what_stands_on_it() -> None:
    assert list(plan()) == ["base", "python", "redis", "agnhost"]


def test_names_follow_from_the_hash() -> None:
    redis = plan()["redis"]
    assert len(redis["hash"]) == 12
    assert redis["reference"] == f"lab.local/azora/redis:{redis['hash']}"
    assert redis["archive"] == f"/cache/redis-{redis['hash']}.tar"
    assert redis["base"]["reference"] == plan()["python"]["reference"]


def test_the_same_inputs_give_the_same_names_in_any_order() -> None:
    assert changed(plan(), plan(list(reversed(IMAGES)), list(reversed(SOURCES)))) == set()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (replaced(f"{FILES}/redis/run.sh", checksum="other"), {"redis"}),
        (replaced(f"{FILES}/redis/run.sh", mode="0644"), {"redis"}),
        (replaced(f"{FILES}/redis/run.sh", mode="0700"), set()),
        ([*SOURCES, file(f"{FILES}/redis/deep/new")], {"redis"}),
        (replaced(f"{FILES}/base/Containerfile", checksum="other"), {"base", "python", "redis"}),
        (replaced("/bin/agnhost", checksum="other"), {"agnhost"}),
        ([*SOURCES, file("/bin/other")], set()),
    ],
)
def test_a_changed_input_changes_what_stands_on_it_and_nothing_else(
    files: list[dict[str, Any]], expected: set[str]
) -> None:
    assert changed(plan(), plan(files=files)) == expected


def test_packages_are_inputs() -> None:
    images = [*IMAGES[:1], {"name": "base", "bootstrap": {"suite": "bookworm", "packages": []}}, *IMAGES[2:]]
    assert changed(plan(), plan(images)) == {"base", "python", "redis"}


PAGES = {"name": "agnhost", "binaries": ["/bin/agnhost"], "pages": "/bin/pages"}
PAGE_FILES = [*SOURCES, file("/bin/pages/index.html", "index"), file("/bin/pages/assets/index.js", "script")]


def with_pages(*, at: str = "/bin/pages", script: str = "script") -> str:
    files = [file(f"{at}/index.html", "index"), file(f"{at}/assets/index.js", script)]
    return str(plan([{**PAGES, "pages": at}], [*SOURCES, *files])["agnhost"]["hash"])


def test_pages_are_inputs_wherever_they_are() -> None:
    assert with_pages(at="/other/place") == with_pages()
    without = {plan([image])["agnhost"]["hash"] for image in ({**PAGES, "pages": ""}, IMAGES[3])}
    assert len({with_pages(), with_pages(script="other"), *without}) == 4


def test_an_image_says_which_pages_it_shows() -> None:
    assert plan([PAGES], PAGE_FILES)["agnhost"]["pages"] == "/bin/pages"
    assert plan([{**PAGES, "pages": ""}])["agnhost"]["pages"] == ""
    assert plan()["agnhost"]["pages"] is None


def missing(*there: str) -> list[str]:
    planned = list(plan().values())
    archives = [image["archive"] for image in planned if image["name"] in there]
    return [image["name"] for image in plan_module.missing_images(planned, archives)]


def test_only_what_is_missing_is_built() -> None:
    assert missing() == ["base", "python", "redis", "agnhost"]
    assert missing("base", "redis", "agnhost") == []
    assert missing("base", "agnhost") == ["python", "redis"]
    assert missing("base", "python", "agnhost") == ["redis"]
    assert missing("python", "redis", "agnhost") == ["base"]


def test_the_index_names_what_a_node_needs() -> None:
    index = plan_module.image_index(list(plan().values()))
    assert list(index) == ["agnhost", "base", "redis"]
    assert set(index["redis"]) == {"reference", "archive"}


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([{"name": "redis", "base": "nowhere"}], "redis stands on nowhere, which is not in the list"),
        ([{"name": "other"}], "other has no Containerfile"),
        ([{"name": "redis"}, {"name": "redis"}], "redis is listed twice"),
        ([{"name": "redis", "bas": "base"}], "redis has unknown keys: bas"),
        ([{"name": "agnhost", "binaries": ["/bin/gone"]}], "agnhost takes /bin/gone, which is not there"),
        ([PAGES], "agnhost shows the pages in /bin/pages, where there is no index.html"),
        ([{"name": "base", "bootstrap": {"suite": "x"}}], "base needs a suite and packages"),
        ([{"name": "redis", "base": "python"}, {"name": "python", "base": "redis"}], "python stands on itself"),
    ],
)
def test_mistakes_are_said(images: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(plan_module.PlanError, match=words):
        plan(images)


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(plan_module.PlanError) as caught:
        plan([{"name": "other"}, {"name": "redis", "base": "nowhere"}])
    assert str(caught.value).count(";") == 1
