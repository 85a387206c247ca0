# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release manifests on a cluster: moved, mirrored, applied once, and never an older operator over a newer one."""

from __future__ import annotations

import pathlib
import subprocess
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
        "operators_manifests": [
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
