# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store of unpacked images in the cache, from which new nodes are born.

Unpacking the lab's images is most of the time of a boot, and every node would do it again. So it is done once, by a containerd
that only does that, and a new node gets the result by hard links. That is safe because nobody ever writes to it: what an image
brings is the lower layer of overlay file systems, and blobs are named after their content. The databases are copied.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import os
import shutil
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_image_import as images
from ansible_collections.azora.platform.plugins.module_utils import _lab_processes, _lab_readiness
from ansible_collections.azora.platform.plugins.module_utils import _lab_system as system

CONTENT = "io.containerd.content.v1.content"
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
SNAPSHOT_DATABASE = "io.containerd.snapshotter.v1.overlayfs/metadata.db"
# Copied last: a directory without it counts as empty.
IMAGE_DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
KEPT_STORES = 2


@dataclasses.dataclass(frozen=True)
class Builder:
    """The containerd that unpacks; it runs in the namespaces of a node, so that its mounts end with it."""

    binaries: str
    cgroup: str
    log: str
    records: str
    network_namespace: str
    mount_namespace: str
    # The same directory as the builder and as the caller see it.
    run_directory_inside: str
    run_directory: str

    def process(self) -> _lab_processes.Wanted:
        """The process."""
        return _lab_processes.Wanted(
            name="image-store/containerd",
            command=(f"{self.binaries}/containerd", "--config", f"{self.run_directory_inside}/containerd.toml"),
            cgroup=self.cgroup,
            log=self.log,
            network_namespace=self.network_namespace,
            mount_namespace=self.mount_namespace,
            ready=_lab_readiness.Readiness("unix", path=f"{self.run_directory}/containerd.sock"),
        )

    def configuration(self, root: str) -> str:
        """Its settings: no containers, only images."""
        return (
            "version = 3\n"
            f'root = "{root}"\n'
            f'state = "{self.run_directory_inside}/state"\n'
            "disabled_plugins = [\n"
            '  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",\n'
            '  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart", "io.containerd.nri.v1.nri",\n'
            '  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs",\n'
            '  "io.containerd.snapshotter.v1.native",\n'
            "]\n"
            f'[grpc]\n  address = "{self.run_directory_inside}/containerd.sock"\n'
        )


def key(archives: t.Sequence[images.Archive]) -> str:
    """Names the store of a set of archives; an archive without digests counts by its size and time."""
    parts = []
    for archive in archives:
        for image in archive.images:
            identity = image.digest
            if identity is None:
                status = os.stat(archive.path)
                identity = f"{status.st_size} {status.st_mtime_ns}"
            parts.append(f"{image.reference} {identity}")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]


def is_filled(directory: str) -> bool:
    """Whether a containerd directory holds anything already."""
    return os.path.exists(os.path.join(directory, IMAGE_DATABASE))


def clone(store: str, directory: str) -> None:
    """Fill the containerd directory of a new node from a store."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    # What an interrupted attempt left; the directory itself stays, since it is mounted in the node's view.
    for name in os.listdir(directory):
        shutil.rmtree(os.path.join(directory, name))
    for tree in (CONTENT, SNAPSHOTS):
        _link_tree(os.path.join(store, tree), os.path.join(directory, tree))
    for database in (SNAPSHOT_DATABASE, IMAGE_DATABASE):
        _copy_database(os.path.join(store, database), os.path.join(directory, database))


def _link_tree(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    done = system.run(["cp", "--archive", "--link", source, target], check=False)
    if done.returncode == 0:
        return
    if (
        os.stat(source).st_dev == os.stat(os.path.dirname(target)).st_dev
        and os.strerror(errno.EMLINK) not in done.stderr
    ):
        raise system.LabError(f"{source} cannot be linked to {target}: {done.stderr.strip()}")
    # The cache lies on another file system.
    shutil.rmtree(target, ignore_errors=True)
    system.run(["cp", "--archive", "--reflink=auto", source, target])


def _copy_database(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o711, exist_ok=True)
    shutil.copy2(source, target + ".new")
    os.replace(target + ".new", target)


class Store:
    """The stores in a directory of the cache, one for each set of images."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, name: str) -> str:
        """Where the store of this name lies."""
        return os.path.join(self.directory, name)

    def ensure(self, archives: t.Sequence[images.Archive], builder: Builder, client: str) -> tuple[str, bool]:
        """The store of these archives, and whether it had to be built."""
        path = self.path(key(archives))
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        # Two labs may want the same store at the same time; the second waits and finds it.
        with open(os.path.join(self.directory, "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            built = not is_filled(path)
            if built:
                self._build(path, archives, builder, client)
            os.utime(path)
            self._forget_old()
        return path, built

    def _build(self, path: str, archives: t.Sequence[images.Archive], builder: Builder, client: str) -> None:
        unfinished = f"{path}.building"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
        seed = next(iter(self._finished()), None)
        if seed:
            # Most images are the same as last time.
            clone(seed, unfinished)
        shutil.rmtree(builder.run_directory, ignore_errors=True)
        os.makedirs(builder.run_directory, mode=0o700)
        with open(f"{builder.run_directory}/containerd.toml", "w", encoding="utf-8") as file:
            file.write(builder.configuration(unfinished))
        process = builder.process()
        records = _lab_processes.Records(builder.records)
        supervisor = _lab_processes.Supervisor(records, ready_timeout=60, stop_timeout=20)
        try:
            supervisor.start(process)
            failures = supervisor.settle([process])
            if failures:
                tail = _lab_processes.log_tail(process.log)
                raise system.LabError(
                    f"{process.name} did not come up: {failures[process.name]}. Its log ends:\n{tail}"
                )
            self._fill(archives, images.Node("store", f"{builder.run_directory}/containerd.sock"), client)
        finally:
            supervisor.stop(process)
            shutil.rmtree(builder.run_directory, ignore_errors=True)
        os.rename(unfinished, path)

    @staticmethod
    def _fill(archives: t.Sequence[images.Archive], node: images.Node, client: str) -> None:
        importer = images.Importer(client)
        importer.bring(node, importer.lacking(node, archives))
        importer.remove_others(node, archives)

    def _finished(self) -> list[str]:
        """Finished stores, the one that was used last first."""
        with contextlib.suppress(FileNotFoundError):
            paths = [entry.path for entry in os.scandir(self.directory) if entry.is_dir() and is_filled(entry.path)]
            return sorted(
                (path for path in paths if "." not in os.path.basename(path)), key=os.path.getmtime, reverse=True
            )
        return []

    def _forget_old(self) -> None:
        for path in self._finished()[KEPT_STORES:]:
            shutil.rmtree(path, ignore_errors=True)
