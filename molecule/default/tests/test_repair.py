# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes of the lab are killed; booting it again repairs it, and then finds nothing more to do."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import kubernetes

from conftest import processes

Play = Callable[..., subprocess.CompletedProcess[str]]

KILLED = [
    "control/etcd",
    "control/kube-apiserver",
    "control/kube-controller-manager",
    "control/kube-scheduler",
    "outside/llm-endpoint",
    "outside/object-store",
    "node1/kube-proxy",
    "node1/network-policy-agent",
    "node2/kubelet",
    "node2/containerd",
    "node3/shims",
]
READY_SECONDS = 180


def not_ready(core: kubernetes.client.CoreV1Api) -> list[str]:
    def is_ready(thing: Any) -> bool:
        return any(condition.type == "Ready" and condition.status == "True" for condition in thing.status.conditions)

    things = [*core.list_node().items, *core.list_pod_for_all_namespaces().items]
    return [thing.metadata.name for thing in things if not is_ready(thing)]


def test_killed_processes_come_back(play: Play, lab: dict[str, Any], core: kubernetes.client.CoreV1Api) -> None:
    killed = {group: processes(lab, group) for group in KILLED}
    for group, numbers in killed.items():
        assert numbers, f"{group} has no process"
        for number in numbers:
            os.kill(number, signal.SIGKILL)

    repaired = play("playbooks/lab.yml")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    for group in set(KILLED) - {"node3/shims"}:  # a pod's shim comes back under another name, or on another node
        assert processes(lab, group) - killed[group], f"{group} was not started again"

    deadline = time.monotonic() + READY_SECONDS
    while waiting := not_ready(core):
        assert time.monotonic() < deadline, f"not ready after {READY_SECONDS} s: {waiting}"
        time.sleep(0.5)

    again = play("playbooks/lab.yml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
