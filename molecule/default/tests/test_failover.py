# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL loses its primary under a steady load of writes: no acknowledged row is lost, and writes work again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest
from drill import (
    HEALTHY_SECONDS,
    REPLICATION_SECONDS,
    check,
    redis_primary,
    uid_of,
    wait_for,
    wait_for_writes,
    wait_until_steady,
    writes,
)

from conftest import kill_all

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, CLUSTER = "azora-data", "pg"
REDIS_DATABASE, REDIS_PORT = "session", 12000


def cluster(api: kubernetes.client.ApiClient) -> dict[str, Any]:
    custom = kubernetes.client.CustomObjectsApi(api)
    found: dict[str, Any] = custom.get_namespaced_custom_object(
        "postgresql.cnpg.io", "v1", NAMESPACE, "clusters", CLUSTER
    )
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
    with writes(lab, "users") as load:
        wait_until_steady(load)
        kill_all(lab, f"{pod.spec.node_name}/kubepods/*/pod{pod.metadata.uid}")
        core.delete_namespaced_pod(before, NAMESPACE, grace_period_seconds=0)
        killed = load.now()
        wait_for("another pod", 60, lambda: uid_of(core, NAMESPACE, before) not in (None, pod.metadata.uid))
        wait_for_writes(load, killed)
        after = wait_until_healthy(api)["currentPrimary"]
        check(load, "the primary's pod was killed", before, after, record_property)
    assert primary_pods(core) == [after]


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
    redis_before = redis_primary(core, REDIS_DATABASE, REDIS_PORT)
    node = redis_before.spec.node_name
    before = _primary_on(node, api, core)
    with writes(lab, "users") as load, writes(lab, "sessions") as sessions:
        wait_until_steady(load)
        wait_until_steady(sessions)
        for part in ("kubelet", "containerd", "shims", "kubepods"):
            kill_all(lab, f"{node}/{part}")
        killed, killed_for_sessions = load.now(), sessions.now()
        # The operator, which tells it in the Cluster and takes the label from the dead one, may have died with the node.
        [after] = wait_for("another primary", 120, lambda: [pod for pod in primary_pods(core) if pod != before])
        wait_for_writes(load, killed)
        wait_for_writes(sessions, killed_for_sessions)
        redis_after = redis_primary(core, REDIS_DATABASE, REDIS_PORT, replicas=0).metadata.name
        check(load, f"the PostgreSQL primary's node {node} died", before, after, record_property)
        window = (killed_for_sessions - REPLICATION_SECONDS, killed_for_sessions)
        what = f"the Redis primary's node {node} died"
        check(sessions, what, redis_before.metadata.name, redis_after, record_property, may_be_lost=window)
    assert redis_after != redis_before.metadata.name
    repaired()
    assert wait_until_healthy(api)["readyInstances"] == 3
    assert primary_pods(core) == [after]
    # What was written without it, the old primary has now, too.
    last = load.result["acknowledged"][-1][1]
    for instance in (before, after):
        rows = answer_of(instance, core, f"SELECT count(*) FROM users WHERE id = {int(last)}", "user")
        assert rows == "1", f"{instance}: {rows}"


def _primary_on(node: str, api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api) -> str:
    """The primary, once it is on this node: a primary whose pod goes hands over to one of the others."""
    for _attempt in range(8):
        primary = wait_until_protected(api)
        pod = core.read_namespaced_pod(primary, NAMESPACE)
        if pod.spec.node_name == node:
            return primary
        core.delete_namespaced_pod(primary, NAMESPACE)
        wait_for(
            "another pod",
            60,
            lambda uid=pod.metadata.uid, name=primary: uid_of(core, NAMESPACE, name) not in (None, uid),
        )
    pytest.fail(f"the primary never came to {node}")


def test_site_changes_nothing_after_a_failover(play: Play, api: kubernetes.client.ApiClient) -> None:
    wait_until_healthy(api)
    again = play("site.yml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout.partition("PLAY RECAP")[2], again.stdout
