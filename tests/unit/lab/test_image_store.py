# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of unpacked images: how it is named, and how new nodes are born from it."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_store as stores
from ansible_collections.azora.platform.plugins.module_utils._lab_image_import import Archive, Image
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError

BLOB = f"{stores.CONTENT}/blobs/sha256/aaa"
LAYER = f"{stores.SNAPSHOTS}/1/fs/bin/program"
DATABASES = (stores.SNAPSHOT_DATABASE, stores.IMAGE_DATABASE)


@pytest.fixture
def store(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "store"
    for name in (BLOB, LAYER, *DATABASES, "io.containerd.grpc.v1.introspection/uuid"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / LAYER).chmod(0o755)
    (root / stores.SNAPSHOTS / "1/fs/link").symlink_to("bin/program")
    return root


def test_a_store_is_named_after_what_is_in_it_not_after_order_or_place() -> None:
    one = Archive("/a/one.tar", (Image("one:1", "sha256:aaa"),))
    two = Archive("/a/two.tar", (Image("two:1", "sha256:bbb"),))
    moved = Archive("/b/one.tar", one.images)
    changed = Archive("/a/one.tar", (Image("one:1", "sha256:ccc"),))
    assert stores.key([one, two]) == stores.key([two, moved])
    assert len({stores.key([one]), stores.key([two]), stores.key([one, two]), stores.key([changed])}) == 4


def test_an_archive_without_digests_counts_by_its_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "one.tar"
    file.write_text("1")
    archive = Archive(str(file), (Image("one:1", None),))
    before = stores.key([archive])
    assert stores.key([archive]) == before
    file.write_text("22")
    assert stores.key([archive]) != before


def test_layers_and_blobs_are_shared_and_databases_are_not(store: pathlib.Path, tmp_path: pathlib.Path) -> None:
    node = tmp_path / "node"
    stores.clone(str(store), str(node))
    for name in (BLOB, LAYER):
        assert (node / name).stat().st_ino == (store / name).stat().st_ino
    for name in DATABASES:
        assert (node / name).read_text() == name
        assert (node / name).stat().st_ino != (store / name).stat().st_ino
    assert (node / stores.SNAPSHOTS / "1/fs/link").readlink() == pathlib.Path("bin/program")
    assert (node / LAYER).stat().st_mode & 0o777 == 0o755
    assert not (node / "io.containerd.grpc.v1.introspection").exists(), "every containerd has a name of its own"


def test_a_node_is_filled_only_when_it_is_complete(store: pathlib.Path, tmp_path: pathlib.Path) -> None:
    node = tmp_path / "node"
    assert not stores.is_filled(str(node))
    stores.clone(str(store), str(node))
    assert stores.is_filled(str(node))
    (node / stores.IMAGE_DATABASE).unlink()
    (node / "left over").mkdir()
    inode = node.stat().st_ino
    stores.clone(str(store), str(node))
    assert stores.is_filled(str(node))
    assert not (node / "left over").exists()
    assert node.stat().st_ino == inode, "the directory itself is mounted in the node's view"


def test_what_cannot_be_linked_is_told(
    store: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cp").write_text("#!/bin/sh\necho No space left on device >&2\nexit 1\n")
    (tools / "cp").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    with pytest.raises(LabError, match="No space left on device"):
        stores.clone(str(store), str(tmp_path / "node"))
    assert not stores.is_filled(str(tmp_path / "node"))


def test_only_the_stores_used_last_are_kept(store: pathlib.Path, tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "stores"
    for age, name in enumerate(("newest", "new", "old", "oldest")):
        stores.clone(str(store), str(directory / name))
        os.utime(directory / name, (1000 - age, 1000 - age))
    stores.clone(str(store), str(directory / "other.building"))
    stores.Store(str(directory))._forget_old()
    assert sorted(path.name for path in directory.iterdir()) == ["new", "newest", "other.building"]
