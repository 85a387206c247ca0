# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's control groups: each process of the lab lives in one, so that it can be found and ended without guessing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError

# What the kubelet and runc need from the unified hierarchy.
UNIFIED_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
REQUIRED_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy."""

    mount_point: str
    controllers: tuple[str, ...]
    unified: bool


@dataclasses.dataclass(frozen=True)
class Hierarchies:
    """The hierarchies of this machine. VERSION 2 means that the controllers are in the unified one."""

    version: int
    mounted: tuple[Hierarchy, ...]
    # A unified hierarchy without controllers beside those of version 1. Nobody is put there and nobody is looked for there
    # (a shim that leaves its parent's cgroup stays in it there), but runc makes cgroups in it, which have to go in the end.
    beside: tuple[Hierarchy, ...] = ()

    @property
    def controllers(self) -> set[str]:
        """The controllers that can be had."""
        return {name for hierarchy in self.mounted for name in hierarchy.controllers}

    def directories(self, path: str) -> list[str]:
        """PATH in every hierarchy that the lab uses."""
        return [hierarchy.mount_point + path for hierarchy in self.mounted]

    def all_directories(self, path: str) -> list[str]:
        """PATH in every hierarchy in which something may be left of it."""
        return [hierarchy.mount_point + path for hierarchy in (*self.mounted, *self.beside)]


def parse_hierarchies(mountinfo: str, read: t.Callable[[str], str]) -> Hierarchies:
    """The hierarchies of a /proc/self/mountinfo text; READ gives the content of a file, or nothing."""
    version_1: list[Hierarchy] = []
    version_2: list[Hierarchy] = []
    for line in mountinfo.splitlines():
        before, _separator, after = line.partition(" - ")
        mount, kind = before.split(), after.split()
        if len(mount) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup":
            options = tuple(o for o in kind[2].split(",") if o not in ("rw", "ro", "xattr", "clone_children"))
            version_1.append(Hierarchy(mount[4], options, unified=False))
        elif kind[0] == "cgroup2":
            version_2.append(Hierarchy(mount[4], tuple(read(f"{mount[4]}/cgroup.controllers").split()), unified=True))
    if any("memory" in hierarchy.controllers for hierarchy in version_1):
        return Hierarchies(1, tuple(version_1), tuple(version_2[:1]))
    return Hierarchies(2, tuple(version_2[:1]))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def hierarchies() -> Hierarchies:
    """The hierarchies of this machine."""
    return parse_hierarchies(_read("/proc/self/mountinfo"), _read)


def _ancestors(path: str) -> list[str]:
    """/a, /a/b, /a/b/c for /a/b/c."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[: index + 1]) for index in range(len(parts))]


def _delegate(directory: str) -> None:
    """Give the children of a unified cgroup the controllers that its own parent gives it."""
    available = set(_read(f"{directory}/cgroup.controllers").split())
    enabled = set(_read(f"{directory}/cgroup.subtree_control").split())
    for controller in UNIFIED_CONTROLLERS:
        if controller in available - enabled:
            try:
                _write(f"{directory}/cgroup.subtree_control", f"+{controller}")
            except OSError as error:
                raise LabError(
                    f"the cgroup controller {controller} cannot be handed on in {directory}: {error}; "
                    "a cgroup that holds processes cannot hand controllers on to its children"
                ) from error


def missing(path: str, machine: Hierarchies | None = None) -> list[str]:
    """The directories of the cgroup PATH that do not exist."""
    return [directory for directory in (machine or hierarchies()).directories(path) if not os.path.isdir(directory)]


def create(path: str, machine: Hierarchies | None = None) -> bool:
    """Make the cgroup PATH in every hierarchy, ready to take processes; say whether anything was missing."""
    machine = machine or hierarchies()
    changed = False
    for hierarchy in machine.mounted:
        parent = hierarchy.mount_point
        for ancestor in _ancestors(path):
            if hierarchy.unified:
                _delegate(parent)
            directory = hierarchy.mount_point + ancestor
            if not os.path.isdir(directory):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory)
                changed = True
            if "cpuset" in hierarchy.controllers and not hierarchy.unified:
                # A version 1 cpuset starts empty and takes no process until it is filled.
                for name in ("cpuset.cpus", "cpuset.mems"):
                    if not _read(f"{directory}/{name}").strip():
                        _write(f"{directory}/{name}", _read(f"{parent}/{name}").strip())
            parent = directory
    return changed


def weigh(path: str, weight: int, machine: Hierarchies | None = None, *, check_mode: bool = False) -> bool:
    """Give the cgroup PATH its share of the processors, in the terms of version 2; say whether it was another."""
    for hierarchy in (machine or hierarchies()).mounted:
        if "cpu" not in hierarchy.controllers:
            continue
        name, value = ("cpu.weight", weight) if hierarchy.unified else ("cpu.shares", weight * 1024 // 100)
        file = f"{hierarchy.mount_point}{path}/{name}"
        if _read(file).strip() == str(value):
            return False
        if not check_mode:
            _write(file, str(value))
        return True
    return False


def join(path: str, machine: Hierarchies | None = None) -> None:
    """Move the calling process into the cgroup PATH."""
    for directory in (machine or hierarchies()).directories(path):
        _write(f"{directory}/cgroup.procs", str(os.getpid()))


def _below(directory: str) -> t.Iterator[str]:
    """DIRECTORY and all below it, deepest first."""
    for current, _children, _files in os.walk(directory, topdown=False):
        yield current


def processes(path: str, machine: Hierarchies | None = None, *, recursive: bool = True) -> set[int]:
    """The processes in the cgroup PATH (and below it), in whichever hierarchy they are; zombies are not counted."""
    found: set[int] = set()
    for directory in (machine or hierarchies()).directories(path):
        for current in _below(directory) if recursive else [directory]:
            found.update(int(word) for word in _read(f"{current}/cgroup.procs").split())
    return {pid for pid in found if pid > 0 and process_state(pid) not in ("", "Z", "X")}


def process_state(pid: int) -> str:
    """The state letter of a process, or nothing when it is gone."""
    # The command name, in brackets, may itself hold brackets and blanks.
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].strip()[:1]


def signal_all(pids: t.Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stop_processes(path: str, *, graceful_seconds: float, machine: Hierarchies | None = None) -> int:
    """End every process in the cgroup PATH: TERM, then KILL after GRACEFUL_SECONDS. Returns how many there were."""
    machine = machine or hierarchies()
    pids = processes(path, machine)
    if not pids:
        return 0
    seen = set(pids)
    if graceful_seconds > 0:
        signal_all(pids, signal.SIGTERM)
        deadline = time.monotonic() + graceful_seconds
        while (pids := processes(path, machine)) and time.monotonic() < deadline:
            seen |= pids
            time.sleep(0.02)
    deadline = time.monotonic() + 30
    # Those that are left may still start others: again until none is.
    while pids := processes(path, machine):
        seen |= pids
        signal_all(pids, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes in the cgroup {path} survive SIGKILL: {', '.join(map(str, sorted(pids)))}")
        time.sleep(0.02)
    return len(seen)


def exists(path: str, machine: Hierarchies | None = None) -> bool:
    """Whether the cgroup PATH is there, in any hierarchy."""
    return any(os.path.isdir(directory) for directory in (machine or hierarchies()).all_directories(path))


def remove(path: str, machine: Hierarchies | None = None) -> bool:
    """Remove the cgroup PATH with all below it; its processes must be gone."""
    machine = machine or hierarchies()
    changed = False
    deadline = time.monotonic() + 10
    for directory in machine.all_directories(path):
        for current in list(_below(directory)) if os.path.isdir(directory) else []:
            changed = True
            while True:
                try:
                    os.rmdir(current)
                    break
                except FileNotFoundError:
                    break
                except OSError as error:
                    # A process that was just killed counts until it has been reaped.
                    if time.monotonic() > deadline:
                        raise LabError(f"the cgroup {current} cannot be removed: {error}") from error
                    time.sleep(0.02)
    return changed
