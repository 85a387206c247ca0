# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A steady load of requests, and meanwhile every service, the gateway and a node go: no request fails."""

from __future__ import annotations

import collections
import itertools
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes
import pytest
from drill import reads, redis_primary, wait_for

from conftest import catalogue

Play = Callable[..., subprocess.CompletedProcess[str]]

RATE, LEAST_REQUESTS, LOAD_SECONDS = 200, 60_000, 900
# Of each service what it answers from its own store.
PATHS = ["/users?limit=1", "/courses?limit=1", "/enrollments?limit=1", "/sessions/nobody", "/analytics/counters"]
SERVICES = [("default", name) for name in ("user", "course", "enrollment", "session")]
SERVICES += [("azora-es", name) for name in ("ai-agent", "analytics", "llm-wrapper")]
GATEWAY = [("default", "gateway")]
DRAIN_SECONDS = 120
EVICTED_NAMESPACES = ("default", "azora-es")


def templates(api: kubernetes.client.ApiClient, names: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    apps = kubernetes.client.AppsV1Api(api)
    return {
        (namespace, name): apps.read_namespaced_deployment(name, namespace).spec.template.to_dict()
        for namespace, name in names
    }


def rolled(
    play: Play, api: kubernetes.client.ApiClient, playbook: str, names: list[tuple[str, str]], **extra: Any
) -> None:
    """Each of them has got another template by the playbook, and stands with it."""
    before = templates(api, names)
    finished = play(playbook, **extra)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    after = templates(api, names)
    assert [name for name in names if after[name] == before[name]] == []


def drain(core: kubernetes.client.CoreV1Api, node: str) -> int:
    """As `kubectl drain` does for the platform's workloads: by the eviction API, which asks the disruption budgets. How many went."""
    pods = [
        pod
        for namespace in EVICTED_NAMESPACES
        for pod in core.list_namespaced_pod(namespace, field_selector=f"spec.nodeName={node}").items
    ]
    for pod in pods:
        wait_for(f"the eviction of {pod.metadata.name}", DRAIN_SECONDS, lambda pod=pod: evicted(core, pod))
    uids = {pod.metadata.uid for pod in pods}

    def gone() -> bool:
        left = itertools.chain.from_iterable(core.list_namespaced_pod(name).items for name in EVICTED_NAMESPACES)
        return not uids & {pod.metadata.uid for pod in left}

    wait_for("their end", DRAIN_SECONDS, gone)
    return len(pods)


def evicted(core: kubernetes.client.CoreV1Api, pod: Any) -> bool:
    """Whether the API took the eviction; a budget that allows none now answers 429."""
    name, namespace = pod.metadata.name, pod.metadata.namespace
    body = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=name, namespace=namespace))
    try:
        core.create_namespaced_pod_eviction(name, namespace, body)
    except kubernetes.client.ApiException as error:
        if error.status not in (404, 429):
            raise
        return error.status == 404
    return True


@pytest.fixture
def cordoned(core: kubernetes.client.CoreV1Api) -> Any:
    """A node that takes no pods any more, and does again in the end."""
    node = redis_primary(core, "session", 12000).spec.node_name
    core.patch_node(node, {"spec": {"unschedulable": True}})
    yield node
    core.patch_node(node, {"spec": {"unschedulable": False}})


def test_no_request_is_lost(
    play: Play,
    lab: dict[str, Any],
    api: kubernetes.client.ApiClient,
    cordoned: str,
    record_property: Callable[[str, object], None],
) -> None:
    core = kubernetes.client.CoreV1Api(api)
    other = catalogue()
    other["gateway"]["environment"] = {"TYK_GW_LOGLEVEL": "warn"}
    with reads(lab, PATHS, seconds=LOAD_SECONDS, rate=RATE) as load:
        went = drain(core, cordoned)
        core.patch_node(cordoned, {"spec": {"unschedulable": False}})
        rolled(play, api, "playbooks/services.yml", SERVICES, catalogue_log_level="warning")
        rolled(play, api, "playbooks/gateway.yml", GATEWAY, catalogue_platform=other)
        rolled(play, api, "playbooks/services.yml", SERVICES)
        rolled(play, api, "playbooks/gateway.yml", GATEWAY)
        wait_for(f"{LEAST_REQUESTS} requests", LOAD_SECONDS, lambda: load.seconds() >= LEAST_REQUESTS / RATE)
    answered, failed = load.result["answered"], load.result["failed"]
    print(f"\n{went} pods evicted, two rollouts of each: {answered} requests answered, {len(failed)} failed")
    for (path, why), times in collections.Counter((path, why) for _seconds, path, why in failed).most_common(10):
        print(f"  {times} failed: {path}: {why}")
    record_property("answered", answered)
    assert failed == []
    assert answered >= LEAST_REQUESTS
