# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PrometheusRule of a platform: what dashboards and alerts share, and an alert for each of the platform's promises."""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._catalogue import PART_OF
from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, manifest, platform_labels
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import Alert, limits, selected
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import (
    API_VERSION,
    MONITORING,
    monitors,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_service_alerts import (
    certificate_alerts,
    operator_alerts,
    target_alerts,
    verification_alerts,
    volume_alerts,
    workload_alerts,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_store_alerts import store_alerts

Catalogue = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]


def alert_groups(catalogue: Catalogue, settings: Settings) -> dict[str, list[Alert]]:
    """Every alert, by its group."""
    at = limits(settings.get("limits"))
    return {
        "targets": target_alerts(catalogue, monitors(catalogue, settings)),
        "services": workload_alerts(catalogue, at),
        "stores": [*store_alerts(catalogue, at, settings["kafka_parts"]), *volume_alerts(catalogue, at)],
        "operators": [*operator_alerts(catalogue), *certificate_alerts(at)],
        "verification": verification_alerts(at),
    }


def rule_groups(catalogue: Catalogue, settings: Settings) -> list[dict[str, t.Any]]:
    """The groups as Prometheus itself reads them."""
    platform = catalogue["labels"][PART_OF]
    groups = [{"name": f"{platform}-records", "rules": _records(catalogue)}]
    for name, alerts in alert_groups(catalogue, settings).items():
        if alerts:
            rules = [alert.rule(platform, settings["runbook_url"]) for alert in alerts]
            groups.append({"name": f"{platform}-{name}", "rules": rules})
    return groups


def prometheus_rule(catalogue: Catalogue, settings: Settings) -> Manifest:
    name = catalogue["labels"][PART_OF]
    return manifest(
        API_VERSION,
        "PrometheusRule",
        name,
        catalogue["monitoring"]["namespace"],
        labels={**platform_labels(catalogue, name, MONITORING), **(settings.get("labels") or {})},
        spec={"groups": rule_groups(catalogue, settings)},
    )


def _records(catalogue: Catalogue) -> list[dict[str, t.Any]]:
    """What several panels and alerts ask, once. Named level:metric:operations, as Prometheus advises."""
    own = selected(catalogue)
    failed = own[:-1] + ',status=~"5.."}'
    by = "sum by (platform, workload)"
    requests = f"{by} (rate(azora_http_requests_total{own}[5m]))"
    errors = f"{by} (rate(azora_http_requests_total{failed}[5m]))"
    buckets = f"sum by (platform, workload, le) (rate(azora_http_request_duration_seconds_bucket{own}[5m]))"
    records = {
        "component:target_up:ratio": f"avg by (platform, component) (up{own})",
        "workload:http_requests:rate5m": requests,
        # A workload without errors has no series of them: it counts as none, and one without requests has no ratio.
        "workload:http_errors:ratio5m": f"({errors} or {requests} * 0) / ({requests} > 0)",
        "workload:http_request_duration_seconds:p95_5m": f"histogram_quantile(0.95, {buckets})",
    }
    return [{"record": name, "expr": expression} for name, expression in records.items()]
