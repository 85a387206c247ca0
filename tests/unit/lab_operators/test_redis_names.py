# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes' addresses stay known while the name servers are away."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from redis_node.names import HostsFile, Names, address_of, follow

AGENT = Path(__file__).parents[3] / "roles" / "lab_images" / "files" / "redis"


def test_the_last_answer_stays(tmp_path: Path) -> None:
    path, stop = tmp_path / "hosts", threading.Event()
    file = HostsFile(path)
    answers = iter(["10.0.0.1", None, "10.0.0.1", "10.0.0.2", None])
    seen = []

    def ask(name: str) -> str | None:
        seen.append(path.read_text() if path.exists() else "")
        answer = next(answers)
        if len(seen) == 5:
            stop.set()
        return answer

    file.set("rec-0", "10.0.0.9")
    started = path.stat().st_mtime
    follow("rec-1", file, stop, ask)
    both = "10.0.0.9 rec-0\n10.0.0.1 rec-1\n"
    assert seen == ["10.0.0.9 rec-0\n", both, both, both, both.replace("10.0.0.1", "10.0.0.2")]
    # Two changes, each a second later for those who look at nothing finer.
    assert int(path.stat().st_mtime) == int(started) + 2


def test_names_that_nobody_knows_have_no_address() -> None:
    assert address_of("localhost") == "127.0.0.1"
    assert address_of("rec-1.rec.invalid") is None


def test_a_process_of_its_own_asks(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    environment = {
        **os.environ,
        "PYTHONPATH": str(AGENT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NSS_WRAPPER_HOSTS": str(path),
        "LD_PRELOAD": "libnss_wrapper_that_is_not_there.so",
    }
    names = Names(["localhost", "rec-1.rec.invalid"], environment)
    names.keep_running()
    try:
        assert path.exists()
        deadline = time.monotonic() + 20
        while path.read_text() != "127.0.0.1 localhost\n":
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.05)
    finally:
        names.stop()


def test_without_the_library_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(["localhost"], {})
    monkeypatch.setattr("redis_node.names.ChildProcess.start", lambda *_arguments, **_more: pytest.fail("started"))
    names.keep_running()
