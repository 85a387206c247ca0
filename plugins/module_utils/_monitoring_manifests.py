# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the role monitoring applies: monitors, rules, and the dashboards as ConfigMaps for Grafana's sidecar."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, manifest, platform_labels
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import (
    KAFKA_PARTS,
    MONITORING,
    monitors,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import prometheus_rule
from ansible_collections.azora.platform.plugins.module_utils._monitoring_user_workload import user_workload_manifests

Catalogue = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]
# https://github.com/grafana-community/helm-charts/tree/main/charts/grafana (sidecar.dashboards.label)
DASHBOARD_LABELS = {"grafana_dashboard": "1"}


def monitoring_manifests(catalogue: Catalogue, settings: Settings) -> list[Manifest]:
    """Monitors, then the rules. Nothing for a catalogue without monitoring."""
    if not catalogue["monitoring"]:
        return []
    for part in settings["kafka_parts"]:
        if part not in KAFKA_PARTS:
            raise MonitoringInputError(
                f"monitoring_kafka_parts: {part!r} has no metrics; known: {', '.join(KAFKA_PARTS)}"
            )
    if settings.get("user_workload"):
        return user_workload_manifests(catalogue, settings)
    return [*monitors(catalogue, settings), prometheus_rule(catalogue, settings)]


def dashboard_manifests(catalogue: Catalogue, settings: Settings, dashboards: t.Mapping[str, str]) -> list[Manifest]:
    """A ConfigMap for each dashboard, with the labels that Grafana's sidecar looks for."""
    labels = settings.get("dashboard_labels") or DASHBOARD_LABELS
    return [
        manifest(
            "v1",
            "ConfigMap",
            f"{catalogue['name']}-dashboard-{name}",
            catalogue["monitoring"]["namespace"],
            labels={**platform_labels(catalogue, name, MONITORING), **labels},
            annotations=settings.get("dashboard_annotations") or None,
            # Small enough for every way of applying it, and still the same dashboard.
            data={f"{name}.json": json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True)},
        )
        for name, text in sorted(dashboards.items())
    ]
