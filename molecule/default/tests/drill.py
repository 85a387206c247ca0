# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault under a steady load of writes from outside the cluster: what was acknowledged is there, and writes work again."""

from __future__ import annotations

import collections
import itertools
import json
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes

from conftest import GATEWAY_PORT

LOAD_SECONDS, WRITERS, RATE = 240, 8, 20
# Patroni's lock outlives a dead primary by 20 s; a busy machine adds to that. Brokers are missed after less.
OUTAGE_SECONDS = 90
HEALTHY_SECONDS = 240
UNDER_WAY_SECONDS = 1
STEADY_SECONDS = 5


class Writes:
    """The load, and what it says when it is over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.started = time.monotonic()
        self._reader.start()
        self.result: dict[str, Any] = {}

    def now(self) -> float:
        return time.monotonic() - self.started

    def acknowledged_after(self, seconds: float) -> float | None:
        """When the last write was acknowledged, if that was after the given time; both in seconds of the load."""
        # What the load prints after "started": seconds, one line for each acknowledged write.
        last = float(self._lines[-1]) if self._lines else 0.0
        return last if last > seconds else None

    def finish(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        errors = self._process.stderr.read()
        self._reader.join(timeout=LOAD_SECONDS)
        assert self._process.wait(timeout=LOAD_SECONDS) == 0, errors
        self.result = json.loads(self._lines[-1])

    def outage(self) -> float:
        """The longest time without an acknowledged write, in seconds."""
        times = sorted([0.0, *(write[0] for write in self.result["acknowledged"]), self.result["seconds"]])
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)


@contextmanager
def writes(lab: dict[str, Any], kind: str) -> Iterator[Writes]:
    """Users, or events of the given type: see write_load.py."""
    script = pathlib.Path(__file__).with_name("write_load.py")
    url = f"http://{lab['nodes'][0]['address']}:{GATEWAY_PORT}"
    command = ["nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}", sys.executable, str(script), url, kind]
    process = subprocess.Popen(
        [*command, str(LOAD_SECONDS), str(WRITERS), str(RATE)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield Writes(process)
    finally:
        process.kill()
        process.wait()


def wait_for(what: str, seconds: float, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s still waiting for {what}"
        time.sleep(0.25)
    return found


def wait_for_writes(load: Writes, killed: float) -> None:
    """Until the load is steady again; what was under way when the primary died may still be answered after that."""
    again = wait_for("writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(killed + UNDER_WAY_SECONDS))
    wait_for("more writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(again + STEADY_SECONDS))


def check(load: Writes, what: str, before: str, after: str, record: Callable[[str, object], None]) -> None:
    load.finish()
    acknowledged, failed, lost = (load.result[kind] for kind in ("acknowledged", "failed", "lost"))
    outage = load.outage()
    print(
        f"\n{what}: {before} -> {after}, {outage:.1f} s without an acknowledged write, "
        f"{len(acknowledged)} acknowledged, {len(failed)} failed, {len(lost)} lost"
    )
    for reason, times in collections.Counter(reason for _seconds, reason in failed).most_common():
        print(f"  {times} failed: {reason}")
    record("outage_seconds", round(outage, 1))
    assert not lost, f"acknowledged, but not there: {lost}"
    assert outage < OUTAGE_SECONDS


def uid_of(core: kubernetes.client.CoreV1Api, namespace: str, name: str) -> str | None:
    try:
        uid: str = core.read_namespaced_pod(name, namespace).metadata.uid
    except kubernetes.client.ApiException as error:
        if error.status == 404:
            return None
        raise
    return uid
