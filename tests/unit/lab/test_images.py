# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image archives: what they call their images, and which ones a node lacks."""

from __future__ import annotations

import io
import json
import pathlib
import tarfile
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_import as images
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError

LISTING = """\
REF                      TYPE                                       DIGEST     SIZE     PLATFORMS   LABELS
lab.local/azora/one:1    application/vnd.oci.image.manifest.v1+json sha256:aaa 64.4 MiB linux/amd64 io.cri-containerd.image=managed
sha256:ccc               application/vnd.oci.image.manifest.v1+json sha256:aaa 64.4 MiB linux/amd64 io.cri-containerd.image=managed
"""


def archive(path: pathlib.Path, name: str, content: Any) -> str:
    with tarfile.open(path, "w") as file:
        for member, data in (("blobs/sha256/x", b"x" * 4096), (name, json.dumps(content).encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return str(path)


def index(*manifests: tuple[str, dict[str, str]]) -> dict[str, Any]:
    return {"manifests": [{"digest": digest, "annotations": annotations} for digest, annotations in manifests]}


def test_oci_archive(tmp_path: pathlib.Path) -> None:
    content = index(("sha256:aaa", {"org.opencontainers.image.ref.name": "lab.local/azora/one:1"}))
    found = images.read_archive(archive(tmp_path / "one.tar", "index.json", content))
    assert found.images == (images.Image("lab.local/azora/one:1", "sha256:aaa"),)


def test_the_name_that_containerd_prefers(tmp_path: pathlib.Path) -> None:
    annotations = {"org.opencontainers.image.ref.name": "1", "io.containerd.image.name": "lab.local/one:1"}
    found = images.read_archive(archive(tmp_path / "one.tar", "./index.json", index(("sha256:aaa", annotations))))
    assert found.images == (images.Image("lab.local/one:1", "sha256:aaa"),)


def test_docker_archive(tmp_path: pathlib.Path) -> None:
    content = [{"Config": "c.json", "RepoTags": ["vendor/one:1", "vendor/one:2"]}]
    found = images.read_archive(archive(tmp_path / "one.tar", "manifest.json", content))
    assert found.images == (images.Image("vendor/one:1", None), images.Image("vendor/one:2", None))


def test_an_archive_without_a_full_reference_is_refused(tmp_path: pathlib.Path) -> None:
    content = index(("sha256:aaa", {"org.opencontainers.image.ref.name": "latest"}))
    with pytest.raises(LabError, match="names no image; write it with a full reference"):
        images.read_archive(archive(tmp_path / "one.tar", "index.json", content))


def test_what_is_no_archive_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text("hello")
    for path in ("text", "missing"):
        with pytest.raises(LabError, match=f"{path} is not an image archive"):
            images.read_archive(str(tmp_path / path))


@pytest.mark.parametrize(
    ("reference", "digest", "lacking"),
    [
        ("lab.local/azora/one:1", "sha256:aaa", False),
        ("lab.local/azora/one:1", None, False),
        ("lab.local/azora/one:1", "sha256:bbb", True),
        ("lab.local/azora/two:1", "sha256:aaa", True),
    ],
)
def test_what_a_node_lacks(reference: str, digest: str | None, lacking: bool) -> None:
    present = images.parse_list(LISTING)
    assert images.missing(images.Archive("a.tar", (images.Image(reference, digest),)), present) is lacking


def test_only_what_is_lacking_is_imported_and_by_absolute_path(tmp_path: pathlib.Path) -> None:
    """A stand-in for ctr, which writes down how it was called."""
    client = tmp_path / "ctr"
    client.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$6" = list ] && cat {tmp_path}/listing\ntrue\n')
    client.chmod(0o755)
    (tmp_path / "listing").write_text(LISTING)
    node = images.Node("node1", "/run/containerd.sock")
    importer = images.Importer(str(client))
    one = images.Archive("/one.tar", (images.Image("lab.local/azora/one:1", "sha256:aaa"),))
    two = images.Archive("/two.tar", (images.Image("lab.local/azora/two:1", "sha256:bbb"),))
    assert importer.lacking(node, [one, two]) == [two]
    importer.bring(node, [two])
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        "--address /run/containerd.sock --namespace k8s.io images list",
        "--address /run/containerd.sock --namespace k8s.io images import /two.tar",
    ]


def test_all_nodes_are_worked_on_in_their_order() -> None:
    nodes = [images.Node(f"node{number}", "") for number in range(5)]
    assert images.for_all(nodes, lambda node: node.name) == [node.name for node in nodes]
    assert images.for_all([], lambda node: node.name) == []
