# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Monitors, rules and dashboards: what the catalogue has, nothing else, and every alert explained."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import (
    LIMITS,
    MonitoringInputError,
    limits,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_manifests import (
    dashboard_manifests,
    monitoring_manifests,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import monitors, target_labels
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import alert_groups, rule_groups
from ansible_collections.azora.platform.plugins.module_utils._network_flows import flows

from .test_vendor_schemas import VENDORS, definitions_in, mistakes

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
ALL_PARTS = ["entity-operator", "kafka-exporter"]
CLUSTER = {
    "pod_cidrs": ["10.244.0.0/16"],
    "service_cidrs": ["10.96.0.0/12"],
    "node_cidrs": ["10.200.0.0/24"],
    "api_server": [{"address": "10.200.0.1", "port": 6443}],
}


@pytest.fixture
def shop(platform):
    """The small platform, monitored."""
    return _catalogue.normalised(
        {
            **platform,
            "namespaces": [*platform["namespaces"], {"name": "watch", "purpose": "monitoring"}],
            "monitoring": {"namespace": "watch"},
        }
    )


def by_name(manifests, kind, name):
    found = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def test_everything_passes_the_vendors_schema(azora, shop, settings):
    if not VENDORS.is_dir():
        pytest.skip("the vendors' definitions are not beside this checkout (../shared/crds)")
    vendors = definitions_in(VENDORS / "prometheus-operator")
    given = settings("monitoring", monitoring_kafka_parts=ALL_PARTS, monitoring_labels={"release": "stack"})
    tls = settings(
        "monitoring",
        monitoring_redis_tls={"ca": {"secret": {"name": "rec-ca", "key": "ca.crt"}}, "serverName": "rec.cache"},
    )
    manifests = [one for catalogue in (azora, shop) for one in monitoring_manifests(catalogue, given)]
    manifests += monitoring_manifests(shop, tls)
    assert {one["kind"] for one in manifests} == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    assert [mistake for one in manifests for mistake in mistakes(one, vendors[one["apiVersion"], one["kind"]])] == []


def test_what_has_metrics_has_a_monitor_and_nothing_else(shop, settings):
    found = monitors(shop, settings("monitoring"))
    assert {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found} == {
        ("front", "orders"),
        ("back", "statistics"),  # "page" has no port for metrics, the gateway has none either
        ("data", "pg"),
        ("cache", "rec"),
        ("data", "bus"),
        ("data", "bus-entity-operator"),
    }


def test_a_gateway_with_metrics_is_scraped(platform, settings):
    gateway = {**platform["gateway"], "ports": {"http": 8080, "metrics": 9090}}
    catalogue = _catalogue.normalised({**platform, "gateway": gateway, "monitoring": {"namespace": "data"}})
    found = by_name(monitors(catalogue, settings("monitoring")), "PodMonitor", "gateway")
    assert target_labels(found) == {"platform": "shop", "component": "gateway", "workload": "gateway"}


def test_operators_are_found_by_name_or_number(azora, settings):
    found = monitors(azora, settings("monitoring"))
    ports = {
        one["metadata"]["name"]: one["spec"]["podMetricsEndpoints"][0]
        for one in found
        if one["metadata"]["name"].endswith("-operator") and one["metadata"]["name"] != "bus-entity-operator"
    }
    assert {name: endpoint["port"] for name, endpoint in ports.items()} == {
        "cloudnative-pg-operator": "metrics",
        "strimzi-operator": "http",
    }


def test_an_operator_of_ones_own_is_found_by_the_number(platform, settings):
    place = {"namespace": "operators", "pod_labels": {"app": "mine"}, "metrics_port": 9876}
    operator = {"name": "mine", "manages": "kafka", **place}
    catalogue = _catalogue.normalised(
        {**platform, "operators": [*platform["operators"][:2], operator], "monitoring": {"namespace": "data"}}
    )
    found = by_name(monitors(catalogue, settings("monitoring")), "PodMonitor", "mine-operator")
    assert found["spec"]["podMetricsEndpoints"][0]["portNumber"] == 9876


def test_metrics_of_redis_are_read_over_tls(shop, settings):
    endpoint = by_name(monitors(shop, settings("monitoring")), "ServiceMonitor", "rec")["spec"]["endpoints"][0]
    assert (endpoint["scheme"], endpoint["path"]) == ("https", "/v2")
    assert endpoint["tlsConfig"] == {"insecureSkipVerify": True}
    checked = {"ca": {"secret": {"name": "rec-ca", "key": "ca.crt"}}}
    strict = monitors(shop, settings("monitoring", monitoring_redis_tls=checked))
    assert by_name(strict, "ServiceMonitor", "rec")["spec"]["endpoints"][0]["tlsConfig"] == checked


def test_whatever_is_scraped_lets_prometheus_in(azora, settings):
    """Each monitor's pods are those that a flow from Prometheus goes to."""
    allowed = {
        (flow.destination.namespace, flow.destination.labels)
        for flow in flows(azora, CLUSTER)
        if getattr(flow.source, "name", "") == "prometheus" and hasattr(flow.destination, "labels")
    }
    stores = {store["cluster"]: store for store in azora["stores"]}
    for monitor in monitors(azora, settings("monitoring", monitoring_kafka_parts=ALL_PARTS)):
        selector = monitor["spec"]["selector"]["matchLabels"]
        if monitor["kind"] == "ServiceMonitor":
            selector = stores[monitor["metadata"]["name"]]["selector"]
        assert (monitor["metadata"]["namespace"], tuple(sorted(selector.items()))) in allowed


def test_labels_of_an_existing_prometheus_are_on_everything(shop, settings):
    manifests = monitoring_manifests(shop, settings("monitoring", monitoring_labels={"release": "stack"}))
    assert {one["metadata"]["labels"]["release"] for one in manifests} == {"stack"}


def test_nothing_for_a_catalogue_without_monitoring(catalogue, settings):
    assert monitoring_manifests(catalogue, settings("monitoring")) == []


def test_series_of_two_monitors_are_told_apart(azora, settings):
    found = [target_labels(one) for one in monitors(azora, settings("monitoring", monitoring_kafka_parts=ALL_PARTS))]
    assert len({tuple(sorted(labels.items())) for labels in found}) == len(found)


def test_only_a_store_that_is_backed_up_has_alerts_of_backups(platform, shop, settings):
    def names(catalogue):
        return {alert.name for group in alert_groups(catalogue, settings("monitoring")).values() for alert in group}

    of_backups = {"PostgresArchivingFails", "PostgresBackupOld"}
    assert not names(shop) & of_backups
    stores = [{**platform["stores"][0], "backup": {"destination": "s3://shop/pg"}}, *platform["stores"][1:]]
    assert (
        names(_catalogue.normalised({**platform, "stores": stores, "monitoring": {"namespace": "data"}})) > of_backups
    )


def test_consumer_lag_needs_the_exporter(shop, settings):
    def rules(parts):
        groups = rule_groups(shop, settings("monitoring", monitoring_kafka_parts=parts))
        return {rule.get("alert"): rule for group in groups for rule in group["rules"]}

    assert "KafkaConsumerLag" not in rules(["entity-operator"])
    assert 'consumergroup=~"statistics"' in rules(ALL_PARTS)["KafkaConsumerLag"]["expr"]


def test_one_instance_has_no_standby_to_miss(platform, settings):
    stores = [{**platform["stores"][0], "replicas": 1}, *platform["stores"][1:]]
    catalogue = _catalogue.normalised({**platform, "stores": stores, "monitoring": {"namespace": "data"}})
    names = {alert.name for group in alert_groups(catalogue, settings("monitoring")).values() for alert in group}
    assert "PostgresDown" in names
    assert "PostgresStandbyMissing" not in names


def test_limits_are_laid_over_and_wrong_ones_refused():
    assert limits({"replication_lag_seconds": 90}) == {**LIMITS, "replication_lag_seconds": 90}
    with pytest.raises(
        MonitoringInputError, match=r"monitoring_limits\.replication_lag is no limit; known: backup_age"
    ):
        limits({"replication_lag": 90})
    with pytest.raises(MonitoringInputError, match="write a number that is not negative, such as 30"):
        limits({"replication_lag_seconds": "much"})


def test_a_part_of_kafka_without_metrics_is_refused(shop, settings):
    with pytest.raises(MonitoringInputError, match="known: entity-operator, kafka-exporter"):
        monitoring_manifests(shop, settings("monitoring", monitoring_kafka_parts=["cruise-control"]))


def test_every_alert_has_an_entry_in_the_docs_and_every_entry_an_alert(azora, shop, settings):
    text = (CHECKOUT / "docs" / "alerts.md").read_text(encoding="utf-8")
    entries = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert len(entries) == len(set(entries))
    given = settings("monitoring", monitoring_kafka_parts=ALL_PARTS)
    backed_up = {**azora, "stores": [{**store, "backup": {"destination": "s3://x/y"}} for store in azora["stores"]]}
    alerts = {
        alert.name: alert
        for catalogue in (backed_up, shop)
        for group in alert_groups(catalogue, given).values()
        for alert in group
    }
    # A platform with one instance of each has no standby to miss.
    assert set(entries) - {"PostgresStandbyMissing"} <= set(alerts) <= set(entries)
    for name, alert in alerts.items():
        entry = text.split(f"\n### {name}\n")[1].split("\n### ")[0]
        assert (alert.needs in entry) if alert.needs else True, f"{name}: the entry does not name {alert.needs}"
        assert f"*{alert.severity}*" in entry, f"{name}: the entry does not say that it is {alert.severity}"


def test_an_alert_points_at_its_entry(shop, settings):
    given = settings("monitoring", monitoring_runbook_url="https://wiki.example.org/alerts")
    for group in rule_groups(shop, given):
        for rule in group["rules"]:
            if "alert" in rule:
                anchor = f"https://wiki.example.org/alerts#{rule['alert'].lower()}"
                assert rule["annotations"]["runbook_url"] == anchor
                assert rule["labels"]["platform"] == "shop"


def test_the_rules_are_plain_data(azora, settings):
    groups = rule_groups(azora, settings("monitoring"))
    assert yaml.safe_load(yaml.safe_dump(groups)) == groups
    assert len({group["name"] for group in groups}) == len(groups)


def test_dashboards_become_config_maps(shop, settings):
    made = dashboard_manifests(shop, settings("monitoring"), {"overview": '{"title":  "Overview",\n "panels": []}'})
    assert [one["metadata"]["name"] for one in made] == ["shop-dashboard-overview"]
    assert made[0]["metadata"]["namespace"] == "watch"
    assert made[0]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(made[0]["data"]["overview.json"]) == {"title": "Overview", "panels": []}
    assert "\n" not in made[0]["data"]["overview.json"]
