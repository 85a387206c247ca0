# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster lacks for its data stores is one clear sentence, before anything has changed; without the fault all is as before."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import pytest

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE = "azora-redis"
OPERATOR = "redis-enterprise-operator"
CLUSTERS = ("app.redislabs.com", "v1", NAMESPACE, "redisenterpriseclusters")


def refused(run: subprocess.CompletedProcess[str]) -> str:
    """What a refused run says, in one line."""
    assert run.returncode != 0, run.stdout
    assert " changed=0 " in run.stdout
    return " ".join(run.stdout.split())


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"postgres_storage_class": "quick"},
            "postgres_storage_class names the StorageClass 'quick' for the PostgreSQL cluster azora-data/pg, which does not exist",
        ),
        (
            {"catalogue_postgres_instances": 4},
            "the PostgreSQL cluster azora-data/pg has 4 pods, each on a node of its own, but 3 nodes can take one",
        ),
        (
            {"kafka_resources": {"requests": {"memory": "4Ti"}}},
            "the Kafka node pool azora-data/combined asks for memory 4Ti on 3 nodes, but 0 nodes can give it",
        ),
        (
            {"catalogue_redis_database_memory": "2GB"},
            "the databases of the Redis cluster azora-redis/rec are 16000 MB together, replicas counted",
        ),
    ],
    ids=["storage class", "too few nodes", "too small nodes", "too little memory"],
)
def test_what_the_cluster_lacks_is_said(play: Play, setting: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(play("playbooks/data.yml", **setting))


@contextmanager
def expired_licence(api: kubernetes.client.ApiClient) -> Iterator[None]:
    """The status says so, while the operator that would write the truth again is away."""
    apps, core = kubernetes.client.AppsV1Api(api), kubernetes.client.CoreV1Api(api)
    custom = kubernetes.client.CustomObjectsApi(api)
    (operator,) = apps.list_namespaced_deployment(NAMESPACE, field_selector=f"metadata.name={OPERATOR}").items
    truth = custom.get_namespaced_custom_object(*CLUSTERS, "rec")["status"]["licenseStatus"]

    def say(licence: dict[str, Any]) -> None:
        custom.patch_namespaced_custom_object_status(*CLUSTERS, "rec", {"status": {"licenseStatus": licence}})

    def scale(replicas: int) -> None:
        apps.patch_namespaced_deployment_scale(OPERATOR, NAMESPACE, {"spec": {"replicas": replicas}})
        # A pod that is ending still writes; the Deployment does not count it any more.
        deadline = time.monotonic() + 120
        while True:
            pods = core.list_namespaced_pod(NAMESPACE, label_selector=f"name={OPERATOR}").items
            ready = [
                pod
                for pod in pods
                if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
            ]
            if len(pods) == len(ready) == replicas:
                return
            assert time.monotonic() < deadline, f"{OPERATOR} did not come to {replicas} replicas"
            time.sleep(0.5)

    scale(0)
    try:
        say({**truth, "licenseState": "Expired", "expirationDate": "2026-01-31"})
        yield
    finally:
        say(truth)
        scale(operator.spec.replicas)


def test_an_expired_licence_is_said_and_the_next_run_completes(play: Play, api: kubernetes.client.ApiClient) -> None:
    with expired_licence(api):
        said = refused(play("playbooks/data.yml"))
    assert "the licence of the Redis cluster azora-redis/rec is Expired (until 2026-01-31)" in said
    assert "give another one as redis_license" in said
    again = play("playbooks/data.yml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
