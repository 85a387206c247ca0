# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file system view of its own for each node of the lab.

The kubelet and containerd keep some things in fixed places whatever their configuration says (/var/lib/kubelet/device-plugins,
/var/log/containers, /run/containerd/s, /var/lib/cni). In a mount namespace of its own every node finds its own there, nothing
of it appears on the host, and what the node mounts is gone with its last process. The kubelet also insists on some kernel
settings and would set them for the whole machine; there it finds them already as it likes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_system as system

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2

# The fixed places, each replaced by a directory of the node.
MASKED = ("/run", "/var/lib", "/var/log")
# What the kubelet wants to find (pkg/kubelet/cm, setupKernelTunables).
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
MARKER = "/run/azora-lab-view"


@dataclasses.dataclass(frozen=True)
class View:
    """The view of one node. The file NAMESPACE holds it; KEEP are directories that stay where they are."""

    namespace: str
    directory: str
    run_directory: str
    keep: tuple[str, ...] = ()
    # Which network namespace the node's pods hang on: with another one, they all have to be made anew.
    network: tuple[int, int] | None = None

    def mounts(self) -> list[tuple[str, str]]:
        """(what, where) for every directory that appears in the node's view, in this order."""
        own = [
            (self.run_directory, "/run"),
            (f"{self.directory}/log", "/var/log"),
            (f"{self.directory}/containerd", "/var/lib/containerd"),
            (f"{self.directory}/kubelet", "/var/lib/kubelet"),
        ]
        # Only what the masks would hide needs to be put back.
        hidden = [path for path in self.keep if any(path.startswith(masked + "/") for masked in MASKED)]
        return [*own, *((path, path) for path in hidden)]

    def checksum(self) -> str:
        """Changes when the view has to be made anew."""
        text = repr((self.mounts(), sorted(KERNEL_SETTINGS.items()), self.network))
        return hashlib.sha256(text.encode()).hexdigest()


def exists(view: View, mounts: t.Iterable[tuple[str, str]]) -> bool:
    """Whether the file of the view holds a namespace, made for what the view is now."""
    if (view.namespace, "nsfs") not in set(mounts):
        return False
    # The marker lies in the node's own /run, which the host sees at its real place.
    try:
        with open(view.run_directory + MARKER.removeprefix("/run"), encoding="utf-8") as file:
            return file.read() == view.checksum()
    except OSError:
        return False


def create(view: View) -> None:
    """Make the namespace and keep it in its file, as `unshare --mount=FILE` does."""
    holder = os.path.dirname(view.namespace)
    os.makedirs(holder, mode=0o700, exist_ok=True)
    if not any(point == holder for point, _kind in system.current_mounts()):
        # The kernel keeps a mount namespace only in a mount that is not shared.
        system.system_call("mount", holder, holder, None, MS_BIND, None)
        system.system_call("mount", None, holder, None, MS_PRIVATE, None)
    for source, _target in view.mounts():
        os.makedirs(source, exist_ok=True)
    with open(view.namespace, "w", encoding="utf-8"):
        pass

    ready_reader, ready_writer = os.pipe()
    go_reader, go_writer = os.pipe()
    child = os.fork()
    if child == 0:
        message = b"ok"
        try:
            _arrange(view)
        except BaseException as error:
            message = str(error).encode() or b"failed"
        with contextlib.suppress(BaseException):
            os.write(ready_writer, message)
            os.close(go_writer)
            os.read(go_reader, 1)
        os._exit(0)
    os.close(ready_writer)
    os.close(go_reader)
    try:
        said = os.read(ready_reader, 4096).decode("utf-8", "replace")
        if said != "ok":
            raise system.LabError(f"the view of {view.directory} cannot be made: {said or 'no answer'}")
        system.system_call("mount", f"/proc/{child}/ns/mnt", view.namespace, None, MS_BIND, None)
    finally:
        os.close(go_writer)
        os.close(ready_reader)
        os.waitpid(child, 0)
    # Last: a view without its marker counts as not made.
    with open(view.run_directory + MARKER.removeprefix("/run"), "w", encoding="utf-8") as file:
        file.write(view.checksum())


def _arrange(view: View) -> None:
    """Turn the calling process's mount namespace, new, into the node's view."""
    system.system_call("unshare", system.CLONE_NEWNS)
    # What the host mounts or unmounts later follows here; nothing from here reaches the host.
    system.system_call("mount", None, "/", None, MS_REC | MS_SLAVE, None)
    # Held by descriptors: the paths are about to be hidden.
    held = [(os.open(source, os.O_PATH | os.O_DIRECTORY), target) for source, target in view.mounts()]
    settings = f"{view.run_directory}/kernel"
    os.makedirs(settings, exist_ok=True)
    for name, value in KERNEL_SETTINGS.items():
        file_name = f"{settings}/{name.replace('/', '.')}"
        with open(file_name, "w", encoding="utf-8") as file:
            file.write(f"{value}\n")
        if os.path.exists(f"/proc/sys/{name}"):
            system.system_call("mount", file_name, f"/proc/sys/{name}", None, MS_BIND, None)
    # Small things in there (/var/lib/cni) may go with the node's last process.
    system.system_call("mount", "azora-lab", "/var/lib", "tmpfs", 0, "mode=755,size=64m")
    for descriptor, target in held:
        os.makedirs(target, exist_ok=True)
        system.system_call("mount", f"/proc/self/fd/{descriptor}", target, None, MS_BIND | MS_REC, None)
        os.close(descriptor)
    # Inside, mounts are shared, as a pod with bidirectional mount propagation expects.
    system.system_call("mount", None, "/", None, MS_REC | MS_SHARED, None)


def remove(namespace: str) -> None:
    """Let go of a namespace; it ends with its last process."""
    with contextlib.suppress(OSError):
        system.system_call("umount2", namespace, MNT_DETACH)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(namespace)


def below(directories: t.Sequence[str], mounts: t.Iterable[tuple[str, str]]) -> list[str]:
    """The mount points at or below these directories, deepest first."""
    return [
        point
        for point, _kind in reversed(list(mounts))
        if any(point == directory or point.startswith(directory + "/") for directory in directories)
    ]


def unmount_below(directories: t.Sequence[str]) -> None:
    """Unmount everything at or below these directories, so that removing them never reaches into something else."""
    for point in below(directories, system.current_mounts()):
        with contextlib.suppress(OSError):
            system.system_call("umount2", point, MNT_DETACH)
    left = below(directories, system.current_mounts())
    if left:
        raise system.LabError(f"cannot be unmounted: {', '.join(left)}")
