# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a wait for many rollouts takes, against the slowest of them, and against one kubernetes.core.k8s call that waits.

    python benchmarks/rollout.py --kubeconfig FILE --image IMAGE [--workloads 20] [--seconds 10] [--without-k8s] [--json FILE]

It needs a cluster (make up) and an image that runs until it is told to end (the lab's agnhost: see images.json). Each workload is a Deployment
of one pod that counts as available SECONDS after it is ready (minReadySeconds), so that the cluster has next to nothing to do meanwhile.

Measured is a whole `ansible-playbook`, with one task that applies the list and one that waits (azora.platform.rollout), and another with one
task of kubernetes.core.k8s that has `wait: true`. What counts is the time from the first Deployment's creation to the end, against the slowest workload's
own: from its creation until its condition Available. The cluster has both to the second, and its clock must be this machine's (the lab's is).

All that was made is deleted in the end, also after an error.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from checkout import CHECKOUT

NAMESPACE = "rollout-benchmark"
TIMEOUT = 600
Object = dict[str, Any]


def workloads(count: int, seconds: int, image: str) -> list[Object]:
    return [_workload(f"workload-{number}", seconds, image) for number in range(count)]


def _workload(name: str, seconds: int, image: str) -> Object:
    labels = {"app": name}
    container = {
        "name": "main",
        "image": image,
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "minReadySeconds": seconds,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


class Cluster:
    """kubectl's and Ansible's view of the same cluster."""

    def __init__(self, kubeconfig: str, kubectl: str) -> None:
        self._kubeconfig, self._kubectl = kubeconfig, kubectl

    def kubectl(self, *arguments: str) -> str:
        command = [self._kubectl, "--kubeconfig", self._kubeconfig, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @contextmanager
    def namespace(self) -> Iterator[None]:
        self.kubectl("create", "namespace", NAMESPACE)
        try:
            yield
        finally:
            self.kubectl("delete", "namespace", NAMESPACE, "--wait=true")

    def play(self, tasks: list[Object], objects: list[Object]) -> float:
        """The seconds that a playbook of these tasks takes, its start included."""
        with tempfile.TemporaryDirectory() as folder:
            playbook = pathlib.Path(folder) / "playbook.yml"
            variables = {"objects": objects, "ansible_python_interpreter": sys.executable}
            play = {
                "hosts": "localhost",
                "connection": "local",
                "gather_facts": False,
                "vars": variables,
                "tasks": tasks,
            }
            playbook.write_text(json.dumps([play]), encoding="utf-8")
            environment = {
                **os.environ,
                "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
                "K8S_AUTH_KUBECONFIG": self._kubeconfig,
            }
            began = time.monotonic()
            ended = subprocess.run(
                ["ansible-playbook", "-i", "localhost,", str(playbook)],
                cwd=CHECKOUT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - began
        if ended.returncode:
            raise SystemExit(f"the playbook failed:\n{ended.stdout}\n{ended.stderr}")
        return seconds

    def times(self) -> tuple[datetime.datetime, float]:
        """When the first Deployment was created, and the longest time from a creation until it was available."""
        found = json.loads(self.kubectl("get", "deployments", "--namespace", NAMESPACE, "--output", "json"))["items"]
        times, creations = [], []
        for entry in found:
            conditions = {one["type"]: one for one in entry["status"]["conditions"]}
            available, created = conditions["Available"], entry["metadata"]["creationTimestamp"]
            times.append(_time(available["lastTransitionTime"]) - _time(created))
            creations.append(_time(created))
        return min(creations), max(times).total_seconds()


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


APPLY = {
    "state": "present",
    "resource_definition": "{{ objects }}",
    "apply": True,
    "server_side_apply": {"field_manager": "benchmark"},
}
TOGETHER = [
    {"kubernetes.core.k8s": APPLY},
    {"azora.platform.rollout": {"resources": "{{ objects }}", "timeout": TIMEOUT}},
]
ONE_AFTER_THE_OTHER = [{"kubernetes.core.k8s": {**APPLY, "wait": True, "wait_timeout": TIMEOUT}}]


def measure(cluster: Cluster, tasks: list[Object], objects: list[Object]) -> dict[str, float]:
    with cluster.namespace():
        seconds = cluster.play(tasks, objects)
        ended = datetime.datetime.now(datetime.UTC)
        first, slowest = cluster.times()
    waited = (ended - first).total_seconds()
    return {
        "seconds": round(seconds, 1),
        "waited": round(waited, 1),
        "slowest": slowest,
        "ratio": round(waited / slowest, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--kubectl", default="kubectl")
    parser.add_argument("--image", required=True)
    parser.add_argument("--workloads", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--without-k8s", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    cluster = Cluster(options.kubeconfig, options.kubectl)
    objects = workloads(options.workloads, options.seconds, options.image)
    empty = cluster.play([], [])
    results = {"an empty playbook": {"seconds": round(empty, 1)}}
    results["azora.platform.rollout"] = measure(cluster, TOGETHER, objects)
    if not options.without_k8s:
        results["kubernetes.core.k8s, wait: true"] = measure(cluster, ONE_AFTER_THE_OTHER, objects)
    print(f"{options.workloads} Deployments that are available {options.seconds} s after they are ready")
    for name, result in results.items():
        ratio = ""
        if "ratio" in result:
            ratio = f", of which {result['waited']:.1f} s after the first creation: {result['ratio']:.2f} times the slowest ({result['slowest']:.0f} s)"
        print(f"{name:32} {result['seconds']:6.1f} s{ratio}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
