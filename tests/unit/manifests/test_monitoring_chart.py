# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What kube-prometheus-stack is told: what cannot work here is off, and whatever a site says lies over it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_chart import monitoring_chart_values


def values(labels: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    monitoring = {"pod_labels": labels or {"app.kubernetes.io/name": "prometheus"}}
    return monitoring_chart_values({"monitoring": monitoring}, {"interval": "15s", **settings})


@pytest.mark.parametrize(
    "part", ["nodeExporter", "kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd", "coreDns"]
)
def test_watchers_of_nodes_are_off(part: str) -> None:
    assert values()[part] == {"enabled": False}


def test_prometheus_is_the_one_that_policies_know() -> None:
    assert values()["prometheus"]["prometheusSpec"] == {"scrapeInterval": "15s", "evaluationInterval": "15s"}
    told = values({"app.kubernetes.io/name": "prometheus", "team": "platform"})["prometheus"]["prometheusSpec"]
    assert told["podMetadata"] == {"labels": {"team": "platform"}}


def test_images_come_from_the_mirror() -> None:
    assert "global" not in values(image_mirror="")
    assert values(image_mirror="registry.example.com/")["global"] == {"imageRegistry": "registry.example.com"}


def test_a_site_has_the_last_word() -> None:
    given = {"grafana": {"enabled": False}, "coreDns": {"enabled": True}, "alertmanager": {"config": {"a": 1}}}
    told = values(chart_values=given)
    assert told["grafana"] == {"enabled": False, "initChownData": {"enabled": False}}
    assert told["coreDns"] == {"enabled": True}
    assert told["alertmanager"] == {"config": {"a": 1}}
    # What was given is not changed by it.
    assert given["grafana"] == {"enabled": False}
