# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster: three nodes of the version asked for, closed to the world."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from typing import Any

import kubernetes
import pytest
import testinfra


def test_three_nodes_are_ready(core: kubernetes.client.CoreV1Api, lab: dict[str, Any]) -> None:
    nodes = core.list_node().items
    assert [node.metadata.name for node in nodes] == [node["name"] for node in lab["nodes"]]
    for node in nodes:
        assert node.status.node_info.kubelet_version.startswith("v1.37.")
        ready = [condition.status for condition in node.status.conditions if condition.type == "Ready"]
        assert ready == ["True"], node.metadata.name


def test_every_workload_has_two_replicas_on_different_nodes(api: kubernetes.client.ApiClient) -> None:
    deployments = kubernetes.client.AppsV1Api(api).list_deployment_for_all_namespaces(
        label_selector="app.kubernetes.io/part-of=azora,app.kubernetes.io/component in (gateway,service)"
    )
    names = sorted(deployment.metadata.name for deployment in deployments.items)
    assert names == sorted(
        ["gateway", "user", "course", "session", "enrollment", "ai-agent", "analytics", "llm-wrapper"]
    )
    core = kubernetes.client.CoreV1Api(api)
    for deployment in deployments.items:
        selector = ",".join(f"{key}={value}" for key, value in deployment.spec.selector.match_labels.items())
        found = core.list_namespaced_pod(deployment.metadata.namespace, label_selector=selector).items
        # What a rollout of another test has replaced takes its time to go.
        pods = [pod for pod in found if pod.metadata.deletion_timestamp is None]
        assert len(pods) == 2, deployment.metadata.name
        assert len({pod.spec.node_name for pod in pods}) == 2, f"{deployment.metadata.name} stands on one node"


def test_every_pod_runs_without_a_restart(core: kubernetes.client.CoreV1Api) -> None:
    pods = core.list_pod_for_all_namespaces().items
    assert Counter(pod.status.phase for pod in pods) == {"Running": len(pods)}
    restarted = {
        f"{pod.metadata.namespace}/{pod.metadata.name}": status.restart_count
        for pod in pods
        for status in pod.status.container_statuses
        if status.restart_count
    }
    assert restarted == {}


def test_the_lab_is_closed(machine: Any, lab: dict[str, Any]) -> None:
    """The default route of a node leads to the lab's own outside, and from there to nowhere."""
    enter = "nsenter --net=/var/run/netns/"
    for node in lab["nodes"]:
        route = machine.run(f"{enter}{node['netns']} ip -4 route show default").stdout
        assert f"via {lab['outside']['address']} " in route
    assert machine.run(f"{enter}{lab['outside']['netns']} ip -4 route show default").stdout.strip() == ""
    # An address of RFC 5737 that nobody has.
    tried = machine.run(
        f"{enter}{lab['nodes'][0]['netns']} curl --silent --output /dev/null --max-time 3 http://192.0.2.1/"
    )
    assert tried.rc != 0


def test_services_run_unprivileged_on_a_read_only_root(
    core: kubernetes.client.CoreV1Api, lab: dict[str, Any], kubectl: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # testinfra looks for it there.
    monkeypatch.setenv("PATH", str(pathlib.Path(kubectl[0]).parent), prepend=os.pathsep)
    pods = core.list_namespaced_pod("default", label_selector="app.kubernetes.io/name=user").items
    pod = testinfra.get_host(f"kubectl://{pods[0].metadata.name}?namespace=default&kubeconfig={lab['kubeconfig']}")
    assert pod.run("id -u").stdout.strip() not in {"", "0"}
    assert pod.run("touch /root-is-writable").rc != 0
    assert not pod.file("/var/run/secrets/kubernetes.io/serviceaccount/token").exists
