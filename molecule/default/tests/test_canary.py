# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pod of a new revision first: one that gets ready but is not as declared goes again, one that is brings the others."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes
from drill import reads

from conftest import catalogue

Play = Callable[..., subprocess.CompletedProcess[str]]
NAMESPACE, NAME = "default", "course"
LOAD_SECONDS, RATE = 120, 40
CANARY = "azora.platform/canary"


def changed(**environment: str) -> dict[str, Any]:
    """Azora's catalogue with a canary, and other settings of its service."""
    platform = catalogue()
    service = next(service for service in platform["services"] if service["name"] == NAME)
    service |= {"canary": True, "environment": environment}
    return {"catalogue_platform": platform}


def state(api: kubernetes.client.ApiClient) -> tuple[Any, ...]:
    """What a rollout changes, of a Deployment whose pods are all of one revision."""
    deployment = kubernetes.client.AppsV1Api(api).read_namespaced_deployment(NAME, NAMESPACE)
    status, spec = deployment.status, deployment.spec
    assert {status.replicas, status.updated_replicas, status.available_replicas} == {spec.replicas}
    assert CANARY not in deployment.metadata.annotations
    return spec.template.to_dict(), spec.min_ready_seconds, spec.progress_deadline_seconds


def test_a_first_pod_that_is_ready_and_not_as_declared_goes_again(
    play: Play, lab: dict[str, Any], api: kubernetes.client.ApiClient
) -> None:
    before = state(api)
    with reads(lab, ["/courses?limit=1"], seconds=LOAD_SECONDS, rate=RATE) as load:
        # It answers its probes, but nobody would get its metrics.
        bad = play("playbooks/services.yml", **changed(METRICS_PORT="9099"))
    assert bad.returncode != 0, bad.stdout
    told = " ".join(bad.stdout.split())
    assert "The first pod of the new revision of default/course was tried, and the rest was not rolled out: " in told
    why = told.split("the rest was not rolled out: ")[1]
    assert "default/course" in why
    assert "9090" in why
    assert "default/course was returned to revision " in why
    assert load.result["failed"] == []
    assert state(api) == before


def test_a_first_pod_that_is_as_declared_brings_the_others(play: Play, api: kubernetes.client.ApiClient) -> None:
    before = state(api)
    good = play("playbooks/services.yml", **changed(LOG_LEVEL="debug"))
    assert good.returncode == 0, good.stdout
    # Two verifications: of the first pod alone, and of all.
    rows = [line.split() for line in good.stdout.splitlines() if line.split()[:2] == ["default/course", "deployment"]]
    assert [row[2] for row in rows] == ["1/1", "2/2"], good.stdout
    assert state(api)[1:] == before[1:]
    assert state(api)[0] != before[0]
    back = play("playbooks/rollback.yml", rollback_workloads=[NAME], rollback_revision="previous")
    assert back.returncode == 0, back.stdout
    assert state(api) == before
