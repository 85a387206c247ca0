# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kafka loses a broker under a steady load of events: no acknowledged event is lost, and each is counted once."""

from __future__ import annotations

import collections
import json
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

import kubernetes
import pytest
from drill import HEALTHY_SECONDS, check, uid_of, wait_for, wait_for_writes, wait_until_steady, writes

from conftest import kill_all

NAMESPACE, CLUSTER, TOPIC = "azora-data", "bus", "analytics-events"
BROKERS = f"strimzi.io/cluster={CLUSTER},strimzi.io/broker-role=true"
COUNTED_SECONDS = 60
READ_SECONDS = 120
CONSUMERS, CONSUMER_NAMESPACE = "app.kubernetes.io/name=analytics", "azora-es"

Topic = Callable[..., dict[str, Any]]


@pytest.fixture
def topic(core: kubernetes.client.CoreV1Api) -> Topic:
    """What the topic has, as analytics sees it: its partitions, and the ids of the events of a type."""
    script = pathlib.Path(__file__).with_name("read_topic.py").read_text(encoding="utf-8")

    def read(*kind: str) -> dict[str, Any]:
        [pod, *_others] = core.list_namespaced_pod(CONSUMER_NAMESPACE, label_selector=CONSUMERS).items
        answer = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            pod.metadata.name,
            CONSUMER_NAMESPACE,
            container="analytics",
            command=["python", "-c", script, *kind],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        answer.run_forever(timeout=READ_SECONDS)
        printed, errors = answer.read_stdout(), answer.read_stderr()
        assert answer.returncode == 0, printed + errors
        found: dict[str, Any] = json.loads(printed)
        return found

    return read


def brokers(core: kubernetes.client.CoreV1Api) -> list[Any]:
    return sorted(core.list_namespaced_pod(NAMESPACE, label_selector=BROKERS).items, key=lambda pod: pod.metadata.name)


def leaders(topic: Topic) -> list[int] | None:
    """The leader of each partition, once each has all its replicas in sync."""
    partitions = topic()["partitions"]
    whole = all(one["replicas"] == one["in_sync"] for one in partitions)
    return [one["leader"] for one in partitions] if whole else None


def test_the_brokers_stand_apart(core: kubernetes.client.CoreV1Api, topic: Topic) -> None:
    found = brokers(core)
    assert len({pod.spec.node_name for pod in found}) == len(found) == 3
    assert wait_for("replicas in sync", HEALTHY_SECONDS, lambda: leaders(topic))
    assert {len(one["replicas"]) for one in topic()["partitions"]} == {3}


def test_a_broker_is_killed(
    core: kubernetes.client.CoreV1Api,
    lab: dict[str, Any],
    topic: Topic,
    outside: Callable[..., tuple[int, Any]],
    record_property: Callable[[str, object], None],
) -> None:
    leading = wait_for("replicas in sync", HEALTHY_SECONDS, lambda: leaders(topic))
    [(number, _partitions)] = collections.Counter(leading).most_common(1)
    [victim] = [pod for pod in brokers(core) if pod.metadata.name.endswith(f"-{number}")]
    name, uid = victim.metadata.name, victim.metadata.uid
    kind = f"drill-{uuid.uuid4().hex[:8]}"

    with writes(lab, kind) as load:
        wait_until_steady(load)
        kill_all(lab, f"{victim.spec.node_name}/kubepods/*/pod{uid}")
        core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
        killed = load.now()
        wait_for("another pod", 60, lambda: uid_of(core, NAMESPACE, name) not in (None, uid))
        wait_for_writes(load, killed)
        wait_for("replicas in sync", HEALTHY_SECONDS, lambda: leaders(topic))
        check(load, "a broker was killed", name, "the others", record_property)

    there = collections.Counter(topic(kind)["ids"])
    acknowledged = {identity for _seconds, identity, _name in load.result["acknowledged"]}
    assert acknowledged <= set(there), f"acknowledged, but not there: {sorted(acknowledged - set(there))}"
    assert set(there.values()) == {1}
    # Analytics counts what it reads in Redis: all of them, and each once.
    counted = wait_for(
        "the count", COUNTED_SECONDS, lambda: outside("GET", f"/analytics/counters/{kind}")[1]["count"] >= len(there)
    )
    assert counted
    assert outside("GET", f"/analytics/counters/{kind}")[1]["count"] == len(there)
