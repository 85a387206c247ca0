# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault under a steady load of writes from outside the cluster: what was acknowledged is there, and writes work again."""

from __future__ import annotations

import base64
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
from tokens import load_environment

from conftest import GATEWAY_PORT

LOAD_SECONDS, WRITERS, RATE = 600, 8, 20
# Patroni's lock outlives a dead primary by 20 s; a busy machine adds to that. Brokers are missed after less.
OUTAGE_SECONDS = 90
HEALTHY_SECONDS = 240
UNDER_WAY_SECONDS = 1
STEADY_SECONDS = 5
# Redis replicates after it has answered: what a primary answered in its last moments may not have reached its replica.
REPLICATION_SECONDS = 1
REDIS_NAMESPACE, REDIS_NODES = "azora-redis", "redis.io/cluster=rec,redis.io/role=node"
# A database's own process listens behind the proxies.
REDIS_INNER_PORTS = 10000
# Tries each address from within a pod: which of them let it in.
KNOCK = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1.5).close()
        print(address)
    except OSError:
        pass
"""


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
    """Users, sessions, or events of the given type: see write_load.py."""
    script = pathlib.Path(__file__).with_name("write_load.py")
    url = f"http://{lab['nodes'][0]['address']}:{GATEWAY_PORT}"
    command = ["nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}", sys.executable, str(script), url, kind]
    process = subprocess.Popen(
        [*command, str(LOAD_SECONDS), str(WRITERS), str(RATE)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=load_environment(lab),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield Writes(process)
    finally:
        process.kill()
        process.wait()


class Reads:
    """A load of reads, and what it saw when it is over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._started = time.monotonic()
        self.result: dict[str, Any] = {}

    def seconds(self) -> float:
        """For how long it goes on."""
        assert self._process.poll() is None, "the load has ended"
        return time.monotonic() - self._started

    def finish(self) -> None:
        out, _err = self._process.communicate("", timeout=LOAD_SECONDS)
        assert self._process.returncode == 0
        self.result = json.loads(out)


@contextmanager
def reads(lab: dict[str, Any], paths: list[str], *, seconds: float, rate: float) -> Iterator[Reads]:
    """Requests for the paths in turn: see read_load.py. Its result is there at the end of the block."""
    script = pathlib.Path(__file__).with_name("read_load.py")
    url = f"http://{lab['nodes'][0]['address']}:{GATEWAY_PORT}"
    command = ["nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}", sys.executable, str(script), url]
    process = subprocess.Popen(
        [*command, str(seconds), str(rate), *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=load_environment(lab),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        load = Reads(process)
        yield load
        load.finish()
    finally:
        process.kill()
        process.wait()


def wait_for(what: str, seconds: float, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s still waiting for {what}"
        time.sleep(0.25)
    return found


def wait_until_steady(load: Writes) -> None:
    """Until it has been acknowledged for some seconds: the load that was before."""
    wait_for("steady writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(STEADY_SECONDS))


def wait_for_writes(load: Writes, killed: float) -> None:
    """Until the load is steady again; what was under way when the primary died may still be answered after that."""
    again = wait_for("writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(killed + UNDER_WAY_SECONDS))
    wait_for("more writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(again + STEADY_SECONDS))


def check(
    load: Writes,
    what: str,
    before: str,
    after: str,
    record: Callable[[str, object], None],
    *,
    may_be_lost: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Nothing acknowledged is lost, but for what was acknowledged between two moments of the load if the store promises no more."""
    load.finish()
    acknowledged, failed, missing = (load.result[kind] for kind in ("acknowledged", "failed", "lost"))
    begin, end = may_be_lost
    excused = {identity for seconds, identity, _name in acknowledged if begin < seconds <= end}
    lost = [identity for identity in missing if identity not in excused]
    outage = load.outage()
    print(
        f"\n{what}: {before} -> {after}, {outage:.1f} s without an acknowledged write, "
        f"{len(acknowledged)} acknowledged, {len(failed)} failed, {len(missing)} lost"
    )
    for reason, times in collections.Counter(reason for _seconds, reason in failed).most_common():
        print(f"  {times} failed: {reason}")
    record("outage_seconds", round(outage, 1))
    assert not lost, f"acknowledged, but not there: {lost}"
    assert outage < OUTAGE_SECONDS


def redis_nodes(core: kubernetes.client.CoreV1Api) -> list[Any]:
    return sorted(
        core.list_namespaced_pod(REDIS_NAMESPACE, label_selector=REDIS_NODES).items, key=lambda pod: pod.metadata.name
    )


def redis_role(core: kubernetes.client.CoreV1Api, pod: str, database: str, port: int) -> list[str]:
    """What a node's own process of a database says it is: ["master", …] or ["slave", host, port, "connected", …]; [] where none answers."""
    secret = core.read_namespaced_secret(f"redb-{database}", REDIS_NAMESPACE)
    password = base64.b64decode(secret.data["password"]).decode()
    command = ["env", f"REDISCLI_AUTH={password}", "redis-cli", "-p", str(port + REDIS_INNER_PORTS), "ROLE"]
    try:
        answer = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec, pod, REDIS_NAMESPACE, command=command, stdout=True, stderr=False
        )
    except kubernetes.client.ApiException:
        return []
    return list(answer.split())


def redis_primary(core: kubernetes.client.CoreV1Api, database: str, port: int, *, replicas: int = 1) -> Any:
    """The pod with the primary, once that many replicas follow it."""

    def protected() -> Any:
        roles = {pod.metadata.name: redis_role(core, pod.metadata.name, database, port) for pod in redis_nodes(core)}
        following = [role for role in roles.values() if role[:1] == ["slave"] and "connected" in role]
        primaries = [name for name, role in roles.items() if role[:1] == ["master"]]
        return primaries[0] if len(primaries) == 1 and len(following) >= replicas else None

    name = wait_for(f"a replica of the database {database}", HEALTHY_SECONDS, protected)
    return core.read_namespaced_pod(name, REDIS_NAMESPACE)


def uid_of(core: kubernetes.client.CoreV1Api, namespace: str, name: str) -> str | None:
    try:
        uid: str = core.read_namespaced_pod(name, namespace).metadata.uid
    except kubernetes.client.ApiException as error:
        if error.status == 404:
            return None
        raise
    return uid
