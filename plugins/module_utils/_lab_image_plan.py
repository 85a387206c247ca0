# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images the lab needs, in which order they are built, and under which name each is cached: the hash of its inputs.

Note: this utility is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import PurePosixPath

#: Part of every hash: raise it when the way images are built changes, so that all are built anew.
BUILD_FORMAT = 1
HASH_LENGTH = 12
REPOSITORY = "lab.local/azora"
KNOWN_KEYS = frozenset({"name", "base", "bootstrap", "binaries", "maven", "pages", "exported"})


class PlanError(ValueError):
    """The list of images cannot be built as it stands; the message says everything that is wrong."""


def image_plan(
    images: list[dict[str, t.Any]],
    files: list[dict[str, t.Any]],
    *,
    files_directory: str,
    archive_directory: str,
) -> list[dict[str, t.Any]]:
    """The images in build order (a base before what stands on it).

    `files` are the facts (path, mode, checksum) of every file in the images' folders, of the binaries they take
    and of the pages they show.
    """
    named = {image["name"]: image for image in images}
    contents = _contents_by_folder(files, files_directory)
    checksums = {file["path"]: file["checksum"] for file in files}
    _refuse_mistakes(images, named, contents, checksums)
    planned: dict[str, dict[str, t.Any]] = {}

    def plan(image: dict[str, t.Any]) -> dict[str, t.Any]:
        name = image["name"]
        if name not in planned:
            base = plan(named[image["base"]]) if image.get("base") else None
            digest = _digest(image, base, contents[name], checksums)
            planned[name] = {
                "name": name,
                "hash": digest,
                "reference": f"{REPOSITORY}/{name}:{digest}",
                "archive": f"{archive_directory}/{name}-{digest}.tar",
                "folder": f"{files_directory}/{name}",
                "base": {key: base[key] for key in ("name", "reference", "archive")} if base else {},
                "bootstrap": image.get("bootstrap") or {},
                "binaries": image.get("binaries") or [],
                "maven": image.get("maven") or "",
                "pages": image.get("pages"),
                "exported": image.get("exported", True) is not False,
            }
        return planned[name]

    for image in images:
        plan(image)
    return list(planned.values())


def missing_images(plan: list[dict[str, t.Any]], archives: t.Collection[str]) -> list[dict[str, t.Any]]:
    """What must be built: each exported image without an archive, and the bases without one that such an image stands on."""
    wanted: set[str] = set()
    for image in reversed(plan):
        if image["archive"] not in archives and (image["exported"] or image["name"] in wanted):
            wanted.add(image["name"])
            if image["base"]:
                wanted.add(image["base"]["name"])
    return [image for image in plan if image["name"] in wanted and image["archive"] not in archives]


def image_index(plan: list[dict[str, t.Any]]) -> dict[str, dict[str, str]]:
    """What a cluster needs to know: where the archive of each exported image is and what the image is called."""
    return {
        image["name"]: {"reference": image["reference"], "archive": image["archive"]}
        for image in sorted(plan, key=lambda image: str(image["name"]))
        if image["exported"]
    }


def _contents_by_folder(files: list[dict[str, t.Any]], directory: str) -> dict[str, list[list[t.Any]]]:
    contents: dict[str, list[list[t.Any]]] = {}
    for file in files:
        path = PurePosixPath(file["path"])
        if not path.is_relative_to(directory):
            continue
        folder, *rest = path.relative_to(directory).parts
        if rest:
            executable = bool(int(file["mode"], 8) & 0o100)
            contents.setdefault(folder, []).append(["/".join(rest), executable, file["checksum"]])
    return contents


def _refuse_mistakes(
    images: list[dict[str, t.Any]],
    named: dict[str, dict[str, t.Any]],
    contents: dict[str, list[list[t.Any]]],
    checksums: dict[str, str],
) -> None:
    mistakes = []
    names = [image["name"] for image in images]
    mistakes += [f"{name} is listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for image in images:
        name = image["name"]
        unknown = sorted(set(image) - KNOWN_KEYS)
        if unknown:
            mistakes.append(f"{name} has unknown keys: {', '.join(unknown)}")
        if "Containerfile" not in [path for path, _executable, _checksum in contents.get(name, [])]:
            mistakes.append(f"{name} has no Containerfile")
        if image.get("bootstrap") and not {"suite", "packages"} <= set(image["bootstrap"]):
            mistakes.append(f"{name} needs a suite and packages to be made from")
        if image.get("base") and image["base"] not in named:
            mistakes.append(f"{name} stands on {image['base']}, which is not in the list")
        mistakes += [
            f"{name} takes {binary}, which is not there"
            for binary in image.get("binaries") or []
            if binary not in checksums
        ]
        if image.get("pages") and "index.html" not in _pages(image["pages"], checksums):
            mistakes.append(f"{name} shows the pages in {image['pages']}, where there is no index.html")
        if _stands_on_itself(name, named):
            mistakes.append(f"{name} stands on itself")
    if mistakes:
        raise PlanError("; ".join(mistakes))


def _pages(folder: str, checksums: dict[str, str]) -> dict[str, str]:
    return {
        str(PurePosixPath(path).relative_to(folder)): checksum
        for path, checksum in checksums.items()
        if PurePosixPath(path).is_relative_to(folder)
    }


def _stands_on_itself(name: str, named: dict[str, dict[str, t.Any]]) -> bool:
    seen = {name}
    base = named[name].get("base")
    while base in named:
        if base == name:
            return True
        if base in seen:
            return False
        seen.add(base)
        base = named[base].get("base")
    return False


def _digest(
    image: dict[str, t.Any],
    base: dict[str, t.Any] | None,
    contents: list[list[t.Any]],
    checksums: dict[str, str],
) -> str:
    inputs = {
        "format": BUILD_FORMAT,
        "files": sorted(contents),
        "base": base["hash"] if base else None,
        "bootstrap": image.get("bootstrap"),
        "binaries": {PurePosixPath(binary).name: checksums[binary] for binary in image.get("binaries") or []},
    }
    # Not for the others, whose names were given before there were any.
    if "pages" in image:
        inputs["pages"] = _pages(image["pages"], checksums) if image["pages"] else {}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:HASH_LENGTH]
