# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control groups and mount namespaces of the lab, as far as they can be judged from texts."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups, _lab_mount_namespaces, _lab_system

VERSION_1 = """\
30 20 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
"""
UNIFIED = "40 30 0:40 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
VERSION_2 = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def read_controllers(path: str) -> str:
    return {"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}.get(path, "")


def test_version_1() -> None:
    machine = _lab_cgroups.parse_hierarchies(VERSION_1, read_controllers)
    assert machine.version == 1
    assert machine.controllers == {"cpu", "memory", "name=systemd"}
    assert machine.directories("/lab") == [
        "/sys/fs/cgroup/cpu/lab",
        "/sys/fs/cgroup/memory/lab",
        "/sys/fs/cgroup/systemd/lab",
    ]


def test_version_1_with_a_unified_hierarchy_beside_it() -> None:
    machine = _lab_cgroups.parse_hierarchies(VERSION_1 + UNIFIED, read_controllers)
    assert machine.version == 1
    assert "/sys/fs/cgroup/unified/lab" not in machine.directories("/lab"), (
        "a shim that left its parent stays there with it"
    )
    assert "/sys/fs/cgroup/unified/lab" in machine.all_directories("/lab"), (
        "runc leaves its mark there, and it has to go"
    )


def test_version_2() -> None:
    machine = _lab_cgroups.parse_hierarchies(VERSION_2, read_controllers)
    assert machine.version == 2
    assert set(_lab_cgroups.REQUIRED_CONTROLLERS) <= machine.controllers
    assert machine.directories("/lab/node1") == ["/sys/fs/cgroup/lab/node1"]


def test_no_hierarchy_at_all() -> None:
    assert _lab_cgroups.parse_hierarchies("", read_controllers).mounted == ()


def unified(root: pathlib.Path, controllers: str) -> _lab_cgroups.Hierarchies:
    """A directory that looks like a unified hierarchy, as far as files can."""
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text("")
    return _lab_cgroups.Hierarchies(2, (_lab_cgroups.Hierarchy(str(root), tuple(controllers.split()), unified=True),))


def test_version_2_hands_controllers_on_from_the_root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str]] = []

    def write(path: str, text: str) -> None:
        written.append((str(pathlib.Path(path).relative_to(tmp_path)), text))

    machine = unified(tmp_path, "cpu memory hugetlb")
    monkeypatch.setattr(_lab_cgroups, "_write", write)
    assert _lab_cgroups.create("/lab/node1/kubelet", machine)
    assert written == [("cgroup.subtree_control", "+cpu"), ("cgroup.subtree_control", "+memory")]
    assert (tmp_path / "lab" / "node1" / "kubelet").is_dir()
    assert not _lab_cgroups.create("/lab/node1/kubelet", machine)


def test_version_2_says_why_controllers_cannot_be_handed_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_path: str, _text: str) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(_lab_cgroups, "_write", busy)
    with pytest.raises(_lab_system.LabError, match="holds processes cannot hand controllers on"):
        _lab_cgroups.create("/lab", unified(tmp_path, "cpu"))


def test_a_version_1_cpuset_is_filled_from_its_parent(tmp_path: pathlib.Path) -> None:
    for name, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
        (tmp_path / name).write_text(value)
    machine = _lab_cgroups.Hierarchies(1, (_lab_cgroups.Hierarchy(str(tmp_path), ("cpuset",), unified=False),))
    _lab_cgroups.create("/lab/node1", machine)
    assert (tmp_path / "lab" / "node1" / "cpuset.cpus").read_text() == "0-1"
    assert (tmp_path / "lab" / "node1" / "cpuset.mems").read_text() == "0"


def test_shares_of_the_processors(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lab").mkdir()
    for version, file, value in ((1, "cpu.shares", "2048"), (2, "cpu.weight", "200")):
        (tmp_path / "lab" / file).write_text("1")
        hierarchy = _lab_cgroups.Hierarchy(str(tmp_path), ("cpu",), unified=version == 2)
        machine = _lab_cgroups.Hierarchies(version, (hierarchy,))
        assert _lab_cgroups.weigh("/lab", 200, machine, check_mode=True)
        assert (tmp_path / "lab" / file).read_text() == "1"
        assert _lab_cgroups.weigh("/lab", 200, machine)
        assert (tmp_path / "lab" / file).read_text() == value
        assert not _lab_cgroups.weigh("/lab", 200, machine)


def test_state_of_a_process() -> None:
    assert _lab_cgroups.process_state(os.getpid()) == "R"
    assert _lab_cgroups.process_state(2**30) == ""


def test_mount_points_are_read_as_they_are_called() -> None:
    text = "1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 net:[1] /run/netns/a\\040b rw shared:3 - nsfs nsfs rw\n"
    assert _lab_system.mount_points(text) == [("/", "ext4"), ("/run/netns/a b", "nsfs")]


def view(*keep: str) -> _lab_mount_namespaces.View:
    return _lab_mount_namespaces.View("/run/l/mnt/node1", "/var/lib/l/node1", "/run/l/node1", keep)


def test_a_view_puts_back_only_what_it_hides() -> None:
    targets = [target for _source, target in view("/var/lib/l", "/home/someone/.cache", "/var/libexec").mounts()]
    assert targets == ["/run", "/var/log", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/l"]


def test_a_view_is_known_by_its_file_and_its_marker(tmp_path: pathlib.Path) -> None:
    node = _lab_mount_namespaces.View("/run/l/mnt/node1", str(tmp_path / "lib"), str(tmp_path), ())
    mounts = [("/run/l/mnt/node1", "nsfs")]
    assert not _lab_mount_namespaces.exists(node, mounts), "it was not finished"
    marker = tmp_path / _lab_mount_namespaces.MARKER.removeprefix("/run/")
    marker.write_text(node.checksum())
    assert _lab_mount_namespaces.exists(node, mounts)
    assert not _lab_mount_namespaces.exists(node, [])
    marker.write_text(view("/var/lib/else").checksum())
    assert not _lab_mount_namespaces.exists(node, mounts), "it was made for something else"


def test_mounts_of_a_lab_are_found_deepest_first_and_no_others() -> None:
    mounts = [("/", "ext4"), ("/run/l", "tmpfs"), ("/run/l/a", "nsfs"), ("/run/lab", "tmpfs"), ("/var/l/x", "ext4")]
    assert _lab_mount_namespaces.below(["/run/l"], mounts) == ["/run/l/a", "/run/l"]
