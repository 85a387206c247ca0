# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes of the lab: the decision what to do, readiness, and real short-lived processes."""

from __future__ import annotations

import contextlib
import http.server
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups, _lab_processes, _lab_readiness
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError

RECORD = _lab_processes.Record(pid=4711, start_time=1, command="c", files="f")


@pytest.mark.parametrize(
    ("record", "observed", "action", "reason"),
    [
        (None, {"alive": False}, "start", "not running"),
        (RECORD, {"alive": False}, "start", "4711 is gone"),
        (RECORD, {"alive": True}, "nothing", ""),
        (RECORD, {"alive": True, "stopped": True}, "restart", "suspended"),
        (RECORD, {"alive": True, "elsewhere": True}, "restart", "namespace was replaced"),
        (RECORD, {"alive": True, "command": "other"}, "restart", "command line or program changed"),
        (RECORD, {"alive": True, "files": "other"}, "restart", "configuration changed"),
    ],
)
def test_decision(record: Any, observed: dict[str, Any], action: str, reason: str) -> None:
    decision = _lab_processes.decide(
        record, **{"stopped": False, "elsewhere": False, "command": "c", "files": "f", **observed}
    )
    assert decision.action == action
    assert reason in decision.reason


def wanted(tmp_path: pathlib.Path, *command: str, **more: Any) -> _lab_processes.Wanted:
    return _lab_processes.Wanted(
        name="test/process",
        command=command or ("/bin/sleep", "60"),
        cgroup=f"/azora-lab-unit-{os.getpid()}/process",
        log=str(tmp_path / "process.log"),
        **more,
    )


def test_command_checksum_sees_what_matters(tmp_path: pathlib.Path) -> None:
    def checksum(process: _lab_processes.Wanted, program: str = "one") -> str:
        return _lab_processes.command_checksum(process, lambda _path: program)

    one = checksum(wanted(tmp_path))
    assert one == checksum(wanted(tmp_path))
    different = [
        checksum(wanted(tmp_path, "/bin/sleep", "61")),
        checksum(wanted(tmp_path), "another program"),
        checksum(wanted(tmp_path, environment=(("A", "1"),))),
        checksum(wanted(tmp_path, environment_files=(("A", "1"),))),
        checksum(wanted(tmp_path, network_namespace="x")),
        checksum(wanted(tmp_path, mount_namespace="/x")),
    ]
    assert len({one, *different}) == 7


def test_files_checksum_tells_absent_from_empty(tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path, watched_files=("/a", "/b"))
    contents: list[dict[str, bytes]] = [{}, {"/a": b""}, {"/b": b""}, {"/a": b"x"}, {"/b": b"x"}]
    assert len({_lab_processes.files_checksum(process, content.get) for content in contents}) == 5


def test_files_of_the_environment_are_watched(tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path, environment_files=(("A", "/a"),))
    contents: list[dict[str, bytes]] = [{}, {"/a": b""}, {"/a": b"x"}]
    assert len({_lab_processes.files_checksum(process, content.get) for content in contents}) == 3


def test_values_of_the_environment_come_out_of_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_text("of two words \n")
    process = wanted(tmp_path, environment=(("A", "1"),), environment_files=(("B", str(tmp_path / "secret")),))
    environment = _lab_processes.full_environment(process)
    assert (environment["A"], environment["B"], environment["LANG"]) == ("1", "of two words ", "C.UTF-8")
    with pytest.raises(FileNotFoundError):
        _lab_processes.full_environment(wanted(tmp_path, environment_files=(("B", str(tmp_path / "none")),)))


def test_command_is_entered_with_nsenter_only_where_needed(tmp_path: pathlib.Path) -> None:
    assert _lab_processes.full_command(wanted(tmp_path)) == ["/bin/sleep", "60"]
    process = wanted(tmp_path, network_namespace="dev-node1", mount_namespace="/run/m")
    assert _lab_processes.full_command(process) == [
        "nsenter",
        "--mount=/run/m",
        "--net=/run/netns/dev-node1",
        "--",
        "/bin/sleep",
        "60",
    ]


def test_log_tail_takes_the_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100)))
    assert _lab_processes.log_tail(str(tmp_path / "log"), 2) == "line 98\nline 99"
    assert _lab_processes.log_tail(str(tmp_path / "none")) == ""


def test_records_survive_nonsense(tmp_path: pathlib.Path) -> None:
    records = _lab_processes.Records(str(tmp_path / "records"))
    assert records.load("a/b") is None
    records.save("a/b", RECORD)
    assert records.load("a/b") == RECORD
    (tmp_path / "records" / "a-b.json").write_text("{")
    assert records.load("a/b") is None
    records.forget("a/b")
    records.forget("a/b")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def web_server() -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_readiness_http(web_server: int) -> None:
    def probe(path: str) -> str | None:
        return _lab_readiness.probe(_lab_readiness.Readiness("http", url=f"http://127.0.0.1:{web_server}{path}"))

    assert probe("/healthz") is None
    assert "answers 503" in (probe("/other") or "")


def test_readiness_http_ignores_the_proxy_of_the_environment(web_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert _lab_readiness.probe(_lab_readiness.Readiness("http", url=f"http://127.0.0.1:{web_server}/healthz")) is None


def test_readiness_tcp(web_server: int) -> None:
    assert _lab_readiness.probe(_lab_readiness.Readiness("tcp", port=web_server)) is None
    assert _lab_readiness.probe(_lab_readiness.Readiness("tcp", port=free_port()))


def test_readiness_unix(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "socket")
    assert _lab_readiness.probe(_lab_readiness.Readiness("unix", path=path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert _lab_readiness.probe(_lab_readiness.Readiness("unix", path=path)) is None


def test_readiness_of_what_only_has_to_run() -> None:
    assert _lab_readiness.probe(_lab_readiness.Readiness()) is None


@pytest.fixture
def supervisor(tmp_path: pathlib.Path) -> Iterator[_lab_processes.Supervisor]:
    """Starts real processes, in a cgroup of their own that is gone afterwards, with all that is in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make control groups")
    cgroup = f"/azora-lab-unit-{os.getpid()}"
    try:
        _lab_cgroups.create(f"{cgroup}/process")
    except (OSError, LabError) as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    yield _lab_processes.Supervisor(_lab_processes.Records(str(tmp_path / "records")), ready_timeout=5, stop_timeout=1)
    _lab_cgroups.stop_processes(cgroup, graceful_seconds=0)
    _lab_cgroups.remove(cgroup)
    assert not _lab_cgroups.exists(cgroup)


def start(supervisor: _lab_processes.Supervisor, process: _lab_processes.Wanted) -> int:
    supervisor.start(process)
    assert supervisor.settle([process]) == {}
    record = supervisor.records.load(process.name)
    assert record is not None
    return record.pid


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while _lab_cgroups.process_state(pid) not in ("", "Z", "X") and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_process_is_started_once_and_found_again(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    process = wanted(tmp_path)
    assert supervisor.decision(process).action == "start"
    pid = start(supervisor, process)
    assert supervisor.decision(process).action == "nothing"
    assert _lab_cgroups.processes(process.cgroup) == {pid}
    assert os.getsid(pid) == os.getpgid(pid) != os.getsid(0), "it must outlive the session that started it"


def test_a_killed_process_is_noticed(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path)
    pid = start(supervisor, process)
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    assert supervisor.decision(process) == _lab_processes.Decision("start", f"its process {pid} is gone")
    assert start(supervisor, process) != pid


def test_a_suspended_process_is_noticed(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path)
    pid = start(supervisor, process)
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while _lab_cgroups.process_state(pid) != "T" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert supervisor.decision(process).action == "restart"


def test_another_process_with_the_recorded_number_is_not_mistaken(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    process = wanted(tmp_path)
    supervisor.start(process)
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        record = supervisor.records.load(process.name)
        assert record is not None
        supervisor.records.save(
            process.name,
            _lab_processes.Record(
                stranger.pid, _lab_processes.start_time(stranger.pid) or 0, record.command, record.files
            ),
        )
        assert supervisor.decision(process).action == "start"
        supervisor.start(process)
        assert stranger.poll() is None, "a process outside of the cgroup is never touched"
        stranger.kill()


def test_a_start_ends_what_was_left_behind(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path, "/bin/sh", "-c", "sleep 60 & sleep 60")
    pid = start(supervisor, process)
    deadline = time.monotonic() + 5
    while len(_lab_cgroups.processes(process.cgroup)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    orphans = _lab_cgroups.processes(process.cgroup) - {pid}
    assert len(orphans) == 2
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    start(supervisor, wanted(tmp_path))
    assert not orphans & _lab_cgroups.processes(process.cgroup)
    assert len(_lab_cgroups.processes(process.cgroup)) == 1


def test_a_process_that_ignores_term_is_killed(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    process = wanted(tmp_path, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    start(supervisor, process)
    deadline = time.monotonic() + 5
    while not pathlib.Path(process.log).read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert supervisor.stop(process)
    assert not _lab_cgroups.processes(process.cgroup)
    assert not supervisor.stop(process)


def test_a_process_that_ends_is_reported_with_its_log(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    process = wanted(
        tmp_path,
        "/bin/sh",
        "-c",
        "echo no such option; exit 2",
        ready=_lab_readiness.Readiness("tcp", port=free_port()),
    )
    supervisor.start(process)
    assert supervisor.settle([process]) == {process.name: "it ended"}
    assert _lab_processes.log_tail(process.log) == "no such option"


def test_a_process_that_never_gets_ready_is_reported(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    supervisor.ready_timeout = 0.3
    port = free_port()
    process = wanted(tmp_path, ready=_lab_readiness.Readiness("tcp", port=port))
    supervisor.start(process)
    assert f"127.0.0.1:{port} is not ready" in supervisor.settle([process])[process.name]


def test_the_log_of_the_start_before_is_kept(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    for word in ("first", "second"):
        supervisor.start(wanted(tmp_path, "/bin/sh", "-c", f"echo {word}; sleep 60"))
        deadline = time.monotonic() + 5
        while not (tmp_path / "process.log").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (tmp_path / "process.log").read_text() == "second\n"
    assert (tmp_path / "process.log.previous").read_text() == "first\n"


def test_a_program_that_is_not_there_is_named(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    with pytest.raises(LabError, match="/no/such/program is not an executable file"):
        supervisor.start(wanted(tmp_path, "/no/such/program"))


def test_a_secret_reaches_the_process_and_nothing_else(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("b7c1f6\n")
    process = wanted(tmp_path, environment_files=(("SECRET", str(secret)),))
    pid = start(supervisor, process)
    assert b"SECRET=b7c1f6\0" in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert "b7c1f6" not in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    assert (
        "b7c1f6" not in (tmp_path / "records" / "test-process.json").read_text() + pathlib.Path(process.log).read_text()
    )
    secret.write_text("another")
    assert supervisor.decision(process) == _lab_processes.Decision("restart", "its configuration changed")


def test_a_secret_that_is_not_there_is_named(supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path) -> None:
    with pytest.raises(LabError, match=r"FileNotFoundError: .*/none"):
        supervisor.start(wanted(tmp_path, environment_files=(("SECRET", str(tmp_path / "none")),)))


def test_a_namespace_that_is_not_there_is_told_by_the_log(
    supervisor: _lab_processes.Supervisor, tmp_path: pathlib.Path
) -> None:
    process = wanted(tmp_path, network_namespace="azora-no-such-namespace")
    supervisor.start(process)
    with contextlib.suppress(ProcessLookupError):
        wait_until_gone((supervisor.records.load(process.name) or RECORD).pid)
    assert supervisor.settle([process]) == {process.name: "it ended"}
    assert "azora-no-such-namespace" in _lab_processes.log_tail(process.log)
