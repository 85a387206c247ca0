# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load on a service raises its replicas and later lowers them; the stage that put it in place does not fight with its autoscaler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest
from drill import reads, wait_for

from conftest import catalogue

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, SERVICE = "azora-es", "analytics"
RATE, LOAD_SECONDS = 60, 300
# Of a request of 250m: some 60 requests a second are well above it, an idle service is well below. Down without waiting for minutes.
EAGER = {"enabled": True, "cpu_percent": 12, "scale_down_window_seconds": 5}
SCALED_SECONDS = 180


@pytest.fixture
def eager(play: Play) -> Iterator[dict[str, Any]]:
    platform = catalogue()
    service = next(one for one in platform["services"] if one["name"] == SERVICE)
    service["autoscaling"] = {**service["autoscaling"], **EAGER}
    settings = {"catalogue_platform": platform}
    finished = play("playbooks/services.yml", **settings)
    assert finished.returncode == 0, finished.stdout
    yield settings
    finished = play("playbooks/services.yml")
    assert finished.returncode == 0, finished.stdout


def test_load_raises_the_replicas_and_its_end_lowers_them(
    play: Play, lab: dict[str, Any], api: kubernetes.client.ApiClient, eager: dict[str, Any]
) -> None:
    apps = kubernetes.client.AppsV1Api(api)

    def replicas() -> int:
        """As many as are wanted and ready; 0 while it is on its way."""
        deployment = apps.read_namespaced_deployment(SERVICE, NAMESPACE)
        wanted: int = deployment.spec.replicas
        return wanted if deployment.status.ready_replicas == wanted else 0

    least = wait_for("all replicas", SCALED_SECONDS, replicas)
    with reads(lab, ["/analytics/counters"], seconds=LOAD_SECONDS, rate=RATE) as load:
        most = wait_for("more replicas", SCALED_SECONDS, lambda: count if (count := replicas()) > least else 0)
        again = play("playbooks/services.yml", **eager)
        assert again.returncode == 0, again.stdout
        assert " changed=0 " in again.stdout
        assert replicas() >= most
    assert load.result["failed"] == []
    wait_for("fewer replicas", SCALED_SECONDS, lambda: replicas() == least)
    print(f"\n{least} replicas, under load {most}, then {least}; {load.result['answered']} requests answered")
