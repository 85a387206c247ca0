# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long-running processes of the lab: what is wanted, what is there, what to do about it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import resource
import signal
import time
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups, _lab_readiness
from ansible_collections.azora.platform.plugins.module_utils._lab_system import (
    LabError,
    namespace_identity,
    network_namespace_path,
)

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOG_TAIL_LINES = 25
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A process as it should be. Its cgroup is its own: whatever runs in there is this process."""

    name: str
    command: tuple[str, ...]
    cgroup: str
    log: str
    network_namespace: str | None = None
    mount_namespace: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    # Name and file: the value, which may be a secret, is read by the child alone.
    environment_files: tuple[tuple[str, str], ...] = ()
    watched_files: tuple[str, ...] = ()
    ready: _lab_readiness.Readiness = dataclasses.field(default_factory=_lab_readiness.Readiness)


@dataclasses.dataclass(frozen=True)
class Record:
    """What is remembered of a process that was started."""

    pid: int
    start_time: int
    command: str
    files: str


@dataclasses.dataclass(frozen=True)
class Decision:
    """What to do with a process (nothing, start, restart, stop) and why."""

    action: str
    reason: str = ""


def command_checksum(wanted: Wanted, describe: t.Callable[[str], str]) -> str:
    """Changes with the command line, the environment, the namespaces and the program file itself."""
    parts = [
        *wanted.command,
        *(f"{key}={value}" for key, value in sorted(wanted.environment)),
        *(f"{key}=<{path}" for key, path in sorted(wanted.environment_files)),
        str(wanted.network_namespace),
        str(wanted.mount_namespace),
        describe(wanted.command[0]),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def files_checksum(wanted: Wanted, read: t.Callable[[str], bytes | None]) -> str:
    """Changes with the content of the files that are watched or give the environment."""
    digest = hashlib.sha256()
    for path in (*wanted.watched_files, *(path for _name, path in sorted(wanted.environment_files))):
        content = read(path)
        digest.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        digest.update(content or b"")
    return digest.hexdigest()


def decide(record: Record | None, *, alive: bool, stopped: bool, elsewhere: bool, command: str, files: str) -> Decision:
    """Compare what was started, and whether it lives, with what is wanted."""
    if record is None or not alive:
        return Decision("start", "it was not running" if record is None else f"its process {record.pid} is gone")
    if stopped:
        return Decision("restart", "its process was suspended")
    if elsewhere:
        return Decision("restart", "its namespace was replaced")
    if record.command != command:
        return Decision("restart", "its command line or program changed")
    if record.files != files:
        return Decision("restart", "its configuration changed")
    return Decision("nothing")


def describe_program(path: str) -> str:
    """A program file changed when its place, size or time did; reading 100 MB to know better would cost too much."""
    try:
        status = os.stat(path)
    except OSError:
        return "absent"
    return f"{os.path.realpath(path)} {status.st_size} {status.st_mtime_ns}"


def read_file(path: str) -> bytes | None:
    """A file's content, or nothing."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with its number, that identifies it."""
    content = read_file(f"/proc/{pid}/stat")
    return int(content.rpartition(b")")[2].split()[19]) if content else None


def log_tail(path: str, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log."""
    content = (read_file(path) or b"").decode("utf-8", "replace")
    return "\n".join(content.splitlines()[-lines:])


class Records:
    """What was started, one file each, in a directory that a restart of the machine empties."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name.replace("/", "-") + ".json")

    def load(self, name: str) -> Record | None:
        """The record of a process; nothing when there is none that can be read."""
        try:
            with open(self._path(name), encoding="utf-8") as file:
                return Record(**json.load(file))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, name: str, record: Record) -> None:
        """Remember a process, all or nothing."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        path = self._path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(record), file)
        os.replace(path + ".new", path)

    def forget(self, name: str) -> None:
        """Forget a process."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))


def is_alive(record: Record, wanted: Wanted, machine: _lab_cgroups.Hierarchies) -> bool:
    """Whether the recorded process still runs, and where it should."""
    return start_time(record.pid) == record.start_time and record.pid in _lab_cgroups.processes(wanted.cgroup, machine)


def is_elsewhere(record: Record, wanted: Wanted) -> bool:
    """Whether a process runs in a namespace that its name no longer leads to."""
    network = network_namespace_path(wanted.network_namespace) if wanted.network_namespace else None
    return any(
        file is not None and namespace_identity(file) != namespace_identity(f"/proc/{record.pid}/ns/{kind}")
        for kind, file in (("net", network), ("mnt", wanted.mount_namespace))
    )


def running(wanted: Wanted, machine: _lab_cgroups.Hierarchies) -> set[int]:
    """What runs in the control group of a process."""
    return _lab_cgroups.processes(wanted.cgroup, machine)


def full_command(wanted: Wanted) -> list[str]:
    """The command inside its namespaces. Never `ip netns exec`: it remounts /sys, and kubelets then find no cgroups."""
    enter = ["nsenter"]
    if wanted.mount_namespace:
        enter.append(f"--mount={wanted.mount_namespace}")
    if wanted.network_namespace:
        enter.append(f"--net={network_namespace_path(wanted.network_namespace)}")
    return [*(enter if len(enter) > 1 else []), *(["--"] if len(enter) > 1 else []), *wanted.command]


def full_environment(wanted: Wanted) -> dict[str, str]:
    """The environment, with the values that lie in files."""
    environment = {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8", **dict(wanted.environment)}
    for name, path in wanted.environment_files:
        with open(path, encoding="utf-8") as file:
            environment[name] = file.read().rstrip("\n")
    return environment


def spawn(wanted: Wanted, machine: _lab_cgroups.Hierarchies) -> int:
    """Start a process that outlives this one; returns its number."""
    if not os.access(wanted.command[0], os.X_OK):
        raise LabError(f"{wanted.name} cannot be started: {wanted.command[0]} is not an executable file")
    os.makedirs(os.path.dirname(wanted.log), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.replace(wanted.log, wanted.log + ".previous")
    _lab_cgroups.create(wanted.cgroup, machine)
    # The child says its number, then why it failed; a successful exec closes the pipe without a word.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() > 0:
                os._exit(0)
            os.write(writer, f"{os.getpid()}\n".encode())
            _become(wanted, machine)
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(127)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        number, _newline, failure = pipe.read().decode("utf-8", "replace").partition("\n")
    if failure or not number:
        raise LabError(f"{wanted.name} cannot be started: {failure or 'the child said nothing'}")
    return int(number)


def _become(wanted: Wanted, machine: _lab_cgroups.Hierarchies) -> t.NoReturn:
    _lab_cgroups.join(wanted.cgroup, machine)
    os.chdir("/")
    os.umask(0o022)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(wanted.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Python ignores SIGPIPE, and an ignored signal stays ignored after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    command = full_command(wanted)
    os.execvpe(command[0], command, full_environment(wanted))  # noqa: S606  (nothing here is for a shell)


class Supervisor:
    """Brings processes to the wanted state, all at once."""

    def __init__(self, records: Records, *, ready_timeout: float, stop_timeout: float) -> None:
        self.records = records
        self.ready_timeout = ready_timeout
        self.stop_timeout = stop_timeout
        self.machine = _lab_cgroups.hierarchies()

    def decision(self, wanted: Wanted) -> Decision:
        """What has to be done for a process to be as wanted."""
        record = self.records.load(wanted.name)
        return decide(
            record,
            alive=record is not None and is_alive(record, wanted, self.machine),
            stopped=record is not None and _lab_cgroups.process_state(record.pid) == "T",
            elsewhere=record is not None and is_elsewhere(record, wanted),
            command=command_checksum(wanted, describe_program),
            files=files_checksum(wanted, read_file),
        )

    def stop(self, wanted: Wanted) -> bool:
        """End a process and all that it left in its cgroup; say whether there was anything."""
        ended = _lab_cgroups.stop_processes(wanted.cgroup, graceful_seconds=self.stop_timeout, machine=self.machine)
        self.records.forget(wanted.name)
        return ended > 0

    def start(self, wanted: Wanted) -> None:
        """Start a process and remember it."""
        # What a killed parent left behind would hold its ports and locks.
        self.stop(wanted)
        pid = spawn(wanted, self.machine)
        record = Record(
            pid,
            start_time(pid) or 0,
            command_checksum(wanted, describe_program),
            files_checksum(wanted, read_file),
        )
        self.records.save(wanted.name, record)

    def wait(self, wanted: Wanted) -> str | None:
        """Watch a process until it is ready; nothing, or why it is not."""
        deadline = time.monotonic() + self.ready_timeout
        while True:
            record = self.records.load(wanted.name)
            if record is None or not is_alive(record, wanted, self.machine):
                return "it ended"
            why = _lab_readiness.probe(wanted.ready, wanted.network_namespace)
            if why is None:
                return None
            if time.monotonic() > deadline:
                return f"{wanted.ready} is not ready after {self.ready_timeout:.0f} s: {why}"
            time.sleep(POLL_SECONDS)

    def settle(self, processes: t.Sequence[Wanted]) -> dict[str, str]:
        """Wait for all at once; the ones that did not become ready, with the reason."""
        if not processes:
            return {}
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(processes)) as pool:
            reasons = list(pool.map(self.wait, processes))
        return {wanted.name: reason for wanted, reason in zip(processes, reasons, strict=True) if reason}
