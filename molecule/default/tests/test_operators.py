# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release manifests on a cluster: moved, mirrored, applied once, and never an older operator over a newer one."""

from __future__ import annotations

import pathlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import yaml

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE = "strimzi-system"
NAME = "of-a-release-manifest"


def deployment(labels: dict[str, str], image: str) -> dict[str, Any]:
    """Of no pods, so that nothing of it ever runs."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": "where-the-vendor-put-it"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME, **labels}},
                "spec": {"containers": [{"name": "operator", "image": image}]},
            },
        },
    }


@contextmanager
def cleaned_up(api: kubernetes.client.ApiClient) -> Iterator[kubernetes.client.AppsV1Api]:
    apps, core = kubernetes.client.AppsV1Api(api), kubernetes.client.CoreV1Api(api)
    named = {"field_selector": f"metadata.name={NAME}"}
    try:
        yield apps
    finally:
        for one in apps.list_deployment_for_all_namespaces(**named).items:
            apps.delete_namespaced_deployment(NAME, one.metadata.namespace)
        for one in core.list_config_map_for_all_namespaces(**named).items:
            core.delete_namespaced_config_map(NAME, one.metadata.namespace)


def test_an_operator_is_not_replaced_by_an_older_one(play: Play, api: kubernetes.client.ApiClient) -> None:
    newer = deployment({"strimzi.io/kind": "cluster-operator"}, "quay.io/strimzi/operator:99.1.0")
    del newer["metadata"]["namespace"]
    with cleaned_up(api) as apps:
        apps.create_namespaced_deployment(NAMESPACE, newer)
        refused = play("playbooks/operators.yml", operators_method="manifest")
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert f"the operator strimzi in {NAMESPACE} is 99.1.0 and would become 1.2.0" in said, refused.stdout
    assert " changed=0 " in refused.stdout


def test_a_release_manifest_is_applied_once(
    play: Play, api: kubernetes.client.ApiClient, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump(deployment({}, "quay.io/strimzi/operator:1.2.0")), encoding="utf-8")
    # The others are there already.
    others = tmp_path / "others.yaml"
    others.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}), encoding="utf-8"
    )
    settings = {
        "operators_method": "manifest",
        "operators_image_mirror": "registry.example.com/mirror",
        "operators_releases": [
            {"name": "cloudnative-pg", "sources": [{"path": str(others)}]},
            {"name": "redis-enterprise", "sources": [{"path": str(others)}]},
            {"name": "strimzi", "version": "1.2.0", "sources": [{"path": str(path)}]},
        ],
    }
    with cleaned_up(api) as apps:
        applied = play("playbooks/operators.yml", **settings)
        assert applied.returncode == 0, applied.stdout + applied.stderr
        found = apps.read_namespaced_deployment(NAME, NAMESPACE)
        assert found.spec.template.spec.containers[0].image == "registry.example.com/mirror/strimzi/operator:1.2.0"
        again = play("playbooks/operators.yml", **settings)
        assert again.returncode == 0, again.stdout + again.stderr
        assert " changed=0 " in again.stdout


OPERATORS = {
    "cnpg-system": "app.kubernetes.io/name=cloudnative-pg",
    "azora-redis": "name=redis-enterprise-operator",
    "strimzi-system": "strimzi.io/kind=cluster-operator",
}


def test_operators_that_are_killed_meanwhile_go_on_where_they_were(
    play: Play, api: kubernetes.client.ApiClient
) -> None:
    core, custom = kubernetes.client.CoreV1Api(api), kubernetes.client.CustomObjectsApi(api)
    topic = ("kafka.strimzi.io", "v1", "azora-data", "kafkatopics", "analytics-events")
    size = ("app.redislabs.com", "v1alpha1", "azora-redis", "redisenterprisedatabases", "session")
    before = custom.get_namespaced_custom_object(*size)["spec"]["memorySize"]
    changed = {"catalogue_redis_database_memory": "110MB", "postgres_parameters": {"work_mem": "8MB"}}
    assert before != changed["catalogue_redis_database_memory"]
    finished = threading.Event()
    killed: set[str] = set()

    def kill_when_it_has_begun() -> None:
        # Not before there is something to go on with: the change must have reached the cluster.
        while not finished.wait(0.2):
            if custom.get_namespaced_custom_object(*size)["spec"]["memorySize"] != before:
                break
        for namespace, label in OPERATORS.items():
            for pod in core.list_namespaced_pod(namespace, label_selector=label).items:
                core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)
                killed.add(namespace)

    killer = threading.Thread(target=kill_when_it_has_begun)
    killer.start()
    try:
        run = play("playbooks/data.yml", **changed)
    finally:
        finished.set()
        killer.join()
    assert run.returncode == 0, run.stdout + run.stderr
    assert killed == set(OPERATORS)
    # The topic operator belongs to the broker's cluster and was not killed; what it keeps is as it was.
    assert custom.get_namespaced_custom_object(*topic)["status"]["conditions"][0]["status"] == "True"
    again = play("playbooks/data.yml", **changed)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
    assert shown(core, custom, "work_mem") == "8MB"
    back = play("playbooks/data.yml")
    assert back.returncode == 0, back.stdout + back.stderr


def shown(core: kubernetes.client.CoreV1Api, custom: kubernetes.client.CustomObjectsApi, parameter: str) -> str:
    """A parameter as the PostgreSQL primary itself has it."""
    cluster = custom.get_namespaced_custom_object("postgresql.cnpg.io", "v1", "azora-data", "clusters", "pg")
    answer: str = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, cluster["status"]["currentPrimary"], "azora-data", container="postgres",
        command=["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", f"SHOW {parameter}"],
        stdout=True, stderr=True, stdin=False, tty=False,
    )  # fmt: skip
    return answer.strip()
