# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Prometheus without an operator scrapes what the monitors name; and what it says of its targets is judged."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import monitors, target_labels
from ansible_collections.azora.platform.plugins.module_utils._monitoring_prometheus import (
    prometheus_manifests,
    scrape_configs,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_targets import expected_targets, judge
from ansible_collections.azora.platform.plugins.modules import prometheus_targets

IMAGE = "lab.local/azora/prometheus:1"


@pytest.fixture
def shop(platform):
    return _catalogue.normalised(
        {
            **platform,
            "namespaces": [*platform["namespaces"], {"name": "watch", "purpose": "monitoring"}],
            "monitoring": {"namespace": "watch"},
        }
    )


@pytest.fixture
def given(settings):
    return settings("monitoring", monitoring_method="lab", monitoring_image=IMAGE)


def relabelled(job, found):
    """What Prometheus makes of a discovered target: its labels, or None where it is not scraped."""
    labels = dict(found)
    for step in job["relabel_configs"]:
        value = ";".join(labels.get(name, "") for name in step.get("source_labels", []))
        action = step.get("action", "replace")
        fits = re.fullmatch(step.get("regex", "(.*)"), value)
        if (action == "keep" and not fits) or (action == "drop" and fits):
            return None
        if action == "replace" and fits:
            labels[step["target_label"]] = step.get("replacement", value)
    return {name: value for name, value in labels.items() if not name.startswith("__")}


def discovered(pod_labels, port, phase="Running"):
    found = {
        "__meta_kubernetes_namespace": "front",
        "__meta_kubernetes_pod_name": "orders-1",
        "__meta_kubernetes_pod_container_name": "orders",
        "__meta_kubernetes_pod_container_port_name": port,
        "__meta_kubernetes_pod_phase": phase,
    }
    return found | {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value for name, value in pod_labels.items()
    }


def job_of(catalogue, given, name):
    return next(job for job in scrape_configs(monitors(catalogue, given)) if job["job_name"] == name)


def test_a_pod_of_the_monitor_is_scraped_with_its_labels_and_no_other(shop, given):
    job = job_of(shop, given, "podMonitor/front/orders/0")
    own = {"app.kubernetes.io/name": "orders", "app.kubernetes.io/part-of": "shop"}
    assert relabelled(job, discovered(own, "metrics")) == {
        "namespace": "front",
        "pod": "orders-1",
        "container": "orders",
        "platform": "shop",
        "component": "service",
        "workload": "orders",
    }
    assert relabelled(job, discovered(own, "http")) is None
    assert relabelled(job, discovered(own, "metrics", "Succeeded")) is None
    assert relabelled(job, discovered({**own, "app.kubernetes.io/name": "page"}, "metrics")) is None
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["front"]}}]


def test_redis_is_found_by_its_service_and_read_over_tls(shop, given):
    job = job_of(shop, given, "serviceMonitor/cache/rec/0")
    assert job["kubernetes_sd_configs"][0]["role"] == "endpointslice"
    assert (job["scheme"], job["metrics_path"], job["tls_config"]) == ("https", "/v2", {"insecure_skip_verify": True})
    service = {"__meta_kubernetes_service_label_redis_io_service": "prom-metrics"}
    found = relabelled(job, {**service, "__meta_kubernetes_endpointslice_port_name": "prometheus"})
    assert found["store"] == "redis"
    assert relabelled(job, {**service, "__meta_kubernetes_endpointslice_port_name": "api"}) is None
    assert relabelled(job, {"__meta_kubernetes_endpointslice_port_name": "prometheus"}) is None


def test_what_only_the_operator_can_do_is_refused(shop, settings):
    tls = settings(
        "monitoring", monitoring_image=IMAGE, monitoring_redis_tls={"ca": {"secret": {"name": "x", "key": "y"}}}
    )
    with pytest.raises(MonitoringInputError, match=r"monitoring_redis_tls\.ca needs the Prometheus operator"):
        prometheus_manifests(shop, tls)


def test_its_pod_is_the_one_that_policies_let_out_and_is_restricted(shop, given, find):
    deployment = find(prometheus_manifests(shop, given), "Deployment", "prometheus")
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"].items() >= shop["monitoring"]["pod_labels"].items()
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert deployment["metadata"]["namespace"] == "watch"


def test_other_rules_are_another_configuration_and_roll_the_pod(shop, given, settings, find):
    def used(settings_):
        deployment = find(prometheus_manifests(shop, settings_), "Deployment", "prometheus")
        return deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]

    other = settings("monitoring", monitoring_image=IMAGE, monitoring_limits={"replication_lag_seconds": 5})
    assert used(given) == used(given)
    assert used(given) != used(other)
    maps = [one for one in prometheus_manifests(shop, given) if one["kind"] == "ConfigMap"]
    assert json.loads(maps[0]["data"]["rules.json"])["groups"]


def test_it_may_look_only_into_the_namespaces_it_scrapes(shop, given):
    roles = [one for one in prometheus_manifests(shop, given) if one["kind"] == "Role"]
    assert sorted(one["metadata"]["namespace"] for one in roles) == ["back", "cache", "data", "front"]
    assert {verb for one in roles for rule in one["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}


def target(labels, health="up", **more):
    return {
        "labels": {"namespace": "front", "pod": "orders-1", **labels},
        "health": health,
        "scrapeUrl": "http://x",
        **more,
    }


def test_replicas_of_the_catalogue_are_expected(shop, given):
    least = {one["monitor"]: one["least"] for one in expected_targets(shop, monitors(shop, given))}
    assert least == {
        "front/orders": 2,
        "back/statistics": 3,  # the least that its autoscaler keeps
        "data/pg": 3,
        "cache/rec": 3,
        "data/bus": 3,
        "data/bus-entity-operator": 2,  # one pod with two ports
    }


def test_all_up_passes_and_targets_of_others_are_not_looked_at(shop, given):
    expected = expected_targets(shop, monitors(shop, given))
    listed = [target(one["labels"]) for one in expected for _number in range(one["least"])]
    judgement = judge([*listed, target({"platform": "other"}, "down")], expected)
    assert (judgement.up, judgement.findings) == (16, ())


def test_what_is_down_missing_or_not_yet_asked_is_said(shop, given):
    expected = [one for one in expected_targets(shop, monitors(shop, given)) if one["monitor"] == "front/orders"]
    labels = target_labels(monitors(shop, given)[0])
    down = target(labels, "down", lastError="context deadline exceeded")
    assert judge([down, target(labels)], expected).findings == (
        "front/orders-1 (http://x) does not answer Prometheus: context deadline exceeded",
    )
    assert judge([target(labels)], expected).findings == ("front/orders has 1 targets, and should have at least 2",)
    assert judge([target(labels, "unknown"), target(labels)], expected).findings == (
        "front/orders-1 (http://x) has not been scraped yet",
    )


class SilentCluster:
    """An API server that knows of no pod of Prometheus."""

    def list(self, _path, **_selectors):
        return []


def test_a_prometheus_that_cannot_be_asked_is_no_success():
    options = {
        "namespace": "watch",
        "labels": {"app": "p"},
        "port": 9090,
        "expected": [],
        "timeout": 0,
        "interval": 0.0,
    }
    with pytest.raises(prometheus_targets.KubernetesError, match="no pod with the labels app=p runs"):
        prometheus_targets.asked(SilentCluster(), options)
