# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the system's own tools for the lab, and entering its namespaces."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import typing as t

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
NETNS_DIRECTORY = "/run/netns"

T = t.TypeVar("T")


class LabError(Exception):
    """Something of the lab could not be done; the message says what and why."""


def run(command: t.Sequence[str], *, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run COMMAND; a failure becomes one sentence with what the command said."""
    try:
        # No module is at hand here whose run_command could be called.
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabError(f"{command[0]} could not be run: {error}") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(command)} failed ({done.returncode}): {said}")
    return done


def network_namespace_path(name: str) -> str:
    """Where iproute2 keeps the network namespace NAME."""
    return os.path.join(NETNS_DIRECTORY, name)


def namespace_identity(path: str) -> tuple[int, int] | None:
    """What tells one namespace from another, whatever file leads to it; nothing when none does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def system_call(name: str, *arguments: t.Any) -> None:
    """Call a function of the C library that Python does not offer before 3.12 (setns, unshare, mount, umount2)."""
    encoded = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    if getattr(_libc(), name)(*encoded) != 0:
        number = ctypes.get_errno()
        shown = ", ".join(str(argument) for argument in arguments)
        raise OSError(number, f"{name}({shown}): {os.strerror(number)}")


def enter_network_namespace(name: str) -> None:
    """Move the calling thread, and only it, into a network namespace."""
    descriptor = os.open(network_namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        system_call("setns", descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)


def in_network_namespace(name: str | None, work: t.Callable[[], T]) -> T:
    """Do WORK in a thread of its own inside a network namespace, so that the caller stays where it is."""
    if not name:
        return work()
    result: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            enter_network_namespace(name)
            result.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def mount_points(mountinfo: str) -> list[tuple[str, str]]:
    """The (mount point, file system type) pairs of a /proc/self/mountinfo text, in order."""
    found = []
    for line in mountinfo.splitlines():
        before, _separator, after = line.partition(" - ")
        fields = before.split()
        if len(fields) >= 5 and after:
            # The kernel writes blanks and the like in octal: \040.
            point = fields[4].encode("latin-1").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
            found.append((point, after.split()[0]))
    return found


def current_mounts() -> list[tuple[str, str]]:
    """What is mounted in the caller's mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return mount_points(file.read())
