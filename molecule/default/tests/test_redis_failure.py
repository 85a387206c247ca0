# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis loses a primary under a steady load of sessions: what its replica had is there, and writes work again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kubernetes
from drill import (
    REDIS_NAMESPACE,
    REPLICATION_SECONDS,
    check,
    redis_nodes,
    redis_primary,
    uid_of,
    wait_for,
    wait_for_writes,
    wait_until_steady,
    writes,
)

from conftest import kill_all

DATABASE, PORT = "session", 12000


def test_the_nodes_stand_apart(core: kubernetes.client.CoreV1Api) -> None:
    assert len({pod.spec.node_name for pod in redis_nodes(core)}) == len(redis_nodes(core)) == 3


def test_the_primarys_pod_is_killed(
    core: kubernetes.client.CoreV1Api, lab: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    before = redis_primary(core, DATABASE, PORT)
    name, uid = before.metadata.name, before.metadata.uid
    with writes(lab, "sessions") as load:
        wait_until_steady(load)
        kill_all(lab, f"{before.spec.node_name}/kubepods/*/pod{uid}")
        core.delete_namespaced_pod(name, REDIS_NAMESPACE, grace_period_seconds=0)
        killed = load.now()
        wait_for("another pod", 60, lambda: uid_of(core, REDIS_NAMESPACE, name) not in (None, uid))
        wait_for_writes(load, killed)
        after = redis_primary(core, DATABASE, PORT).metadata.name
        window = (killed - REPLICATION_SECONDS, killed)
        check(load, "the Redis primary's pod was killed", name, after, record_property, may_be_lost=window)
    assert after != name
