# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL loses its primary under a steady load of writes: no acknowledged row is lost, and writes work again."""

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
import pytest

from conftest import GATEWAY_PORT, kill_all

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, CLUSTER = "azora-data", "pg"
REDIS_NAMESPACE = "azora-redis"
LOAD_SECONDS, WRITERS, RATE = 240, 8, 20
# Patroni's lock outlives a dead primary by 20 s; a busy machine adds to that.
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
def writes(lab: dict[str, Any]) -> Iterator[Writes]:
    script = pathlib.Path(__file__).with_name("write_load.py")
    url = f"http://{lab['nodes'][0]['address']}:{GATEWAY_PORT}"
    command = ["nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}", sys.executable, str(script), url]
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


def cluster(api: kubernetes.client.ApiClient) -> dict[str, Any]:
    custom = kubernetes.client.CustomObjectsApi(api)
    found: dict[str, Any] = custom.get_namespaced_custom_object(
        "postgresql.cnpg.io", "v1", NAMESPACE, "clusters", CLUSTER
    )
    return found


def wait_for(what: str, seconds: float, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s still waiting for {what}"
        time.sleep(0.25)
    return found


def wait_until_healthy(api: kubernetes.client.ApiClient) -> dict[str, Any]:
    def healthy() -> dict[str, Any] | None:
        status: dict[str, Any] = cluster(api)["status"]
        return status if status["phase"] == "Cluster in healthy state" else None

    status: dict[str, Any] = wait_for("a healthy cluster", HEALTHY_SECONDS, healthy)
    return status


def wait_until_protected(api: kubernetes.client.ApiClient) -> str:
    """The primary, once another instance may take over: Patroni keeps by name which have each committed row."""
    core = kubernetes.client.CoreV1Api(api)

    def protected() -> str | None:
        status = cluster(api)["status"]
        synchronous = core.read_namespaced_config_map(f"{CLUSTER}-sync", NAMESPACE).metadata.annotations or {}
        known = synchronous.get("leader") == status["currentPrimary"] and synchronous.get("sync_standby")
        return status["currentPrimary"] if known else None

    wait_until_healthy(api)
    primary: str = wait_for("standbys with each committed row", HEALTHY_SECONDS, protected)
    return primary


def answer_of(instance: str, core: kubernetes.client.CoreV1Api, statement: str, database: str = "postgres") -> str:
    command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database, "--command", statement]
    answer: str = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, instance, NAMESPACE, command=command, stderr=True, stdout=True
    )
    return answer.strip()


def primary_pods(core: kubernetes.client.CoreV1Api) -> list[str]:
    selector = f"cnpg.io/cluster={CLUSTER},cnpg.io/instanceRole=primary"
    return [pod.metadata.name for pod in core.list_namespaced_pod(NAMESPACE, label_selector=selector).items]


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


def test_commits_stand_on_a_standby_before_they_are_answered(
    api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api
) -> None:
    status = wait_until_healthy(api)
    assert status["readyInstances"] == 3
    names = answer_of(status["currentPrimary"], core, "SHOW synchronous_standby_names")
    assert names.startswith("ANY 1 ("), names
    nodes = {
        pod.spec.node_name
        for pod in core.list_namespaced_pod(NAMESPACE, label_selector=f"cnpg.io/cluster={CLUSTER}").items
    }
    assert len(nodes) == 3
    for instance in status["instanceNames"]:
        standby = answer_of(instance, core, "SELECT pg_is_in_recovery()")
        assert standby == ("f" if instance == status["currentPrimary"] else "t")


def test_the_primarys_pod_is_killed(
    api: kubernetes.client.ApiClient,
    core: kubernetes.client.CoreV1Api,
    lab: dict[str, Any],
    record_property: Callable[[str, object], None],
) -> None:
    before = wait_until_protected(api)
    pod = core.read_namespaced_pod(before, NAMESPACE)
    with writes(lab) as load:
        time.sleep(5)  # the load that was before
        kill_all(lab, f"{pod.spec.node_name}/kubepods/*/pod{pod.metadata.uid}")
        core.delete_namespaced_pod(before, NAMESPACE, grace_period_seconds=0)
        killed = load.now()
        wait_for("another pod", 60, lambda: _uid(core, before) not in (None, pod.metadata.uid))
        wait_for_writes(load, killed)
        after = wait_until_healthy(api)["currentPrimary"]
        check(load, "the primary's pod was killed", before, after, record_property)
    assert primary_pods(core) == [after]


def _uid(core: kubernetes.client.CoreV1Api, name: str) -> str | None:
    try:
        uid: str = core.read_namespaced_pod(name, NAMESPACE).metadata.uid
    except kubernetes.client.ApiException as error:
        if error.status == 404:
            return None
        raise
    return uid


@pytest.fixture
def repaired(play: Play) -> Iterator[Callable[[], None]]:
    """Boots what was killed of the lab again; at the end of the test in any case."""
    done = False

    def repair() -> None:
        nonlocal done
        finished = play("playbooks/lab.yml")
        assert finished.returncode == 0, finished.stdout + finished.stderr
        done = True

    yield repair
    if not done:
        repair()


def test_the_primarys_node_dies(
    api: kubernetes.client.ApiClient,
    core: kubernetes.client.CoreV1Api,
    lab: dict[str, Any],
    repaired: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    before = _primary_apart_from_redis(api, core)
    node = core.read_namespaced_pod(before, NAMESPACE).spec.node_name
    with writes(lab) as load:
        time.sleep(5)
        for part in ("kubelet", "containerd", "shims", "kubepods"):
            kill_all(lab, f"{node}/{part}")
        killed = load.now()
        wait_for("another primary", 120, lambda: cluster(api)["status"]["currentPrimary"] != before)
        after = cluster(api)["status"]["currentPrimary"]
        wait_for("no label at the dead one", 30, lambda: primary_pods(core) == [after])
        wait_for_writes(load, killed)
        check(load, f"the primary's node {node} died", before, after, record_property)
    repaired()
    assert wait_until_healthy(api)["readyInstances"] == 3
    # What was written without it, the old primary has now, too.
    last = load.result["acknowledged"][-1][1]
    for instance in (before, after):
        rows = answer_of(instance, core, f"SELECT count(*) FROM users WHERE id = {int(last)}", "user")
        assert rows == "1", f"{instance}: {rows}"


def _primary_apart_from_redis(api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api) -> str:
    """The gateway counts requests in the lab's only Redis: on a dead node with that nobody could write at all."""
    redis = {
        pod.spec.node_name
        for pod in core.list_namespaced_pod(REDIS_NAMESPACE, label_selector="redis.io/role=node").items
    }
    for _attempt in range(6):
        primary = wait_until_protected(api)
        pod = core.read_namespaced_pod(primary, NAMESPACE)
        if pod.spec.node_name not in redis:
            return primary
        core.delete_namespaced_pod(primary, NAMESPACE)
        wait_for("another pod", 60, lambda uid=pod.metadata.uid, name=primary: _uid(core, name) not in (None, uid))
    pytest.fail(f"the primary always came back to a node of {redis}")


def test_site_changes_nothing_after_a_failover(play: Play, api: kubernetes.client.ApiClient) -> None:
    wait_until_healthy(api)
    again = play("playbooks/data.yml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
