# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings image archives into the nodes' containerd, all nodes at the same time."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import tarfile
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_system as system

NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
# The kubelet and its garbage collection look only into this namespace.
NAMESPACE = "k8s.io"


@dataclasses.dataclass(frozen=True)
class Image:
    """An image as an archive names it. DIGEST is nothing where the format has none (docker save)."""

    reference: str
    digest: str | None


@dataclasses.dataclass(frozen=True)
class Archive:
    """An image archive and what is in it."""

    path: str
    images: tuple[Image, ...]


@dataclasses.dataclass(frozen=True)
class Node:
    """A node and the socket of its containerd."""

    name: str
    socket: str


def read_archive(path: str) -> Archive:
    """Read what an OCI archive, or one that `docker save` wrote, calls its images."""
    try:
        with tarfile.open(path, "r:*") as archive:
            # Archives of one's own lead with their index, so most are known without reading on.
            for member in archive:
                name = member.name.removeprefix("./")
                content = archive.extractfile(member) if name in ("index.json", "manifest.json") else None
                if content is None:
                    continue
                images = _images(name, json.load(content))
                if images:
                    return Archive(path, images)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise system.LabError(f"{path} is not an image archive: {error}") from error
    raise system.LabError(
        f"{path} names no image; write it with a full reference, for example oci-archive:FILE:registry/name:tag"
    )


def _images(name: str, content: t.Any) -> tuple[Image, ...]:
    if name == "manifest.json":
        return tuple(Image(tag, None) for entry in content for tag in entry.get("RepoTags") or [])
    found = []
    for manifest in content.get("manifests", []):
        annotations = manifest.get("annotations") or {}
        reference = next((annotations[key] for key in NAME_ANNOTATIONS if annotations.get(key)), "")
        # A bare tag is no reference: nothing could ask for the image by it.
        if "/" in reference or ":" in reference:
            found.append(Image(reference, manifest["digest"]))
    return tuple(found)


def parse_list(text: str) -> dict[str, str]:
    """Reference and digest of each image in the output of `ctr images list`."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) >= 3}


def missing(archive: Archive, present: dict[str, str]) -> bool:
    """Whether a node lacks something of the archive, or has something else under its name."""
    return any(
        image.reference not in present or (image.digest is not None and present[image.reference] != image.digest)
        for image in archive.images
    )


class Importer:
    """Imports archives into nodes with containerd's own client."""

    def __init__(self, client: str) -> None:
        self.client = client

    def _client(self, node: Node, *arguments: str) -> str:
        command = [self.client, "--address", node.socket, "--namespace", NAMESPACE, *arguments]
        return system.run(command).stdout

    def lacking(self, node: Node, archives: t.Sequence[Archive]) -> list[Archive]:
        """The archives that a node does not have."""
        present = parse_list(self._client(node, "images", "list"))
        return [archive for archive in archives if missing(archive, present)]

    def bring(self, node: Node, archives: t.Sequence[Archive]) -> None:
        """Import archives into a node, one after the other."""
        for archive in archives:
            self._client(node, "images", "import", os.path.abspath(archive.path))

    def remove_others(self, node: Node, archives: t.Sequence[Archive]) -> None:
        """Remove the images that no archive names, with what belongs to them alone."""
        wanted = {image.reference for archive in archives for image in archive.images}
        others = sorted(set(parse_list(self._client(node, "images", "list"))) - wanted)
        if others:
            self._client(node, "images", "remove", "--sync", *others)


def for_all(nodes: t.Sequence[Node], work: t.Callable[[Node], t.Any]) -> list[t.Any]:
    """Do WORK for every node at the same time."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return list(pool.map(work, nodes))
