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


def alert_groups_of(catalogue: Catalogue, settings: Settings, namespace: str) -> dict[str, list[Alert]]:
    """Those about what is in one namespace, for a Prometheus that lets a rule see the series of its own namespace only.

    Certificates are left out: cert-manager's series carry cert-manager's namespace there. Who sends the findings of verifications as metrics
    does so in the namespace of monitoring.
    """
    at = limits(settings.get("limits"))
    own = _part(catalogue, namespace)
    found = monitors(own, settings)
    # Who uses a store may be anywhere.
    stores = {**catalogue, "stores": own["stores"]}
    return {
        "targets": target_alerts(own, found) if found else [],
        "services": workload_alerts(own, at) if own["workloads"] else [],
        "stores": [*store_alerts(stores, at, settings["kafka_parts"]), *volume_alerts(own, at)],
        "operators": operator_alerts(own),
        "verification": verification_alerts(at) if namespace == catalogue["monitoring"]["namespace"] else [],
    }


def _part(catalogue: Catalogue, namespace: str) -> dict[str, t.Any]:
    parts = ("workloads", "stores", "operators")
    return {**catalogue, **{key: [one for one in catalogue[key] if one["namespace"] == namespace] for key in parts}}


def rule_groups(catalogue: Catalogue, settings: Settings) -> list[dict[str, t.Any]]:
    """The groups as Prometheus itself reads them."""
    return _written(catalogue, settings, _records(catalogue), alert_groups(catalogue, settings))


def _written(
    catalogue: Catalogue, settings: Settings, records: list[dict[str, t.Any]], found: t.Mapping[str, list[Alert]]
) -> list[dict[str, t.Any]]:
    platform = catalogue["labels"][PART_OF]
    groups = [{"name": f"{platform}-records", "rules": records}] if records else []
    for name, alerts in found.items():
        if alerts:
            rules = [alert.rule(platform, settings["runbook_url"]) for alert in alerts]
            groups.append({"name": f"{platform}-{name}", "rules": rules})
    return groups


def prometheus_rule(catalogue: Catalogue, settings: Settings) -> Manifest:
    return _rule(catalogue, settings, catalogue["monitoring"]["namespace"], rule_groups(catalogue, settings))


def prometheus_rules_by_namespace(catalogue: Catalogue, settings: Settings) -> list[Manifest]:
    """One in each namespace that something can be said of."""
    found = []
    for namespace in sorted(entry["name"] for entry in catalogue["namespaces"]):
        records = _records(catalogue) if _part(catalogue, namespace)["workloads"] else []
        groups = _written(catalogue, settings, records, alert_groups_of(catalogue, settings, namespace))
        if groups:
            found.append(_rule(catalogue, settings, namespace, groups))
    return found


def _rule(catalogue: Catalogue, settings: Settings, namespace: str, groups: list[dict[str, t.Any]]) -> Manifest:
    name = catalogue["labels"][PART_OF]
    return manifest(
        API_VERSION,
        "PrometheusRule",
        name,
        namespace,
        labels={**platform_labels(catalogue, name, MONITORING), **(settings.get("labels") or {})},
        spec={"groups": groups},
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
