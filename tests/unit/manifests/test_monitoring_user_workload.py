# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenShift's monitoring of user-defined projects: what it ignores is left out, and every rule sees what it is about."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.filter.user_workload_monitoring import user_workload_monitoring
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_manifests import monitoring_manifests
from ansible_collections.azora.platform.plugins.module_utils._monitoring_targets import expected_targets
from ansible_collections.azora.platform.plugins.module_utils._monitoring_user_workload import kept_away

from .test_vendor_schemas import VENDORS, definitions_in, mistakes

PARTS = ["entity-operator", "kafka-exporter"]
# Left out: what it is about is not in the namespace of the rule.
NOT_THERE = {"CertificateExpires"}


@pytest.fixture
def given(settings):
    return settings("monitoring", monitoring_method="openshift", monitoring_kafka_parts=PARTS)


def rules(manifests):
    return {one["metadata"]["namespace"]: one["spec"]["groups"] for one in manifests if one["kind"] == "PrometheusRule"}


def test_everything_passes_the_vendors_schema(azora, given):
    if not VENDORS.is_dir():
        pytest.skip("the vendors' definitions are not beside this checkout (../shared/crds)")
    vendors = definitions_in(VENDORS / "prometheus-operator")
    found = [
        mistake
        for one in monitoring_manifests(azora, given)
        for mistake in mistakes(one, vendors[one["apiVersion"], one["kind"]])
    ]
    assert found == []


def test_monitors_say_nothing_that_is_ignored_or_refused(azora, given):
    monitors = [one for one in monitoring_manifests(azora, given) if one["kind"] != "PrometheusRule"]
    assert len(monitors) > 10
    for one in monitors:
        assert "namespaceSelector" not in one["spec"]
        for endpoint in one["spec"].get("podMetricsEndpoints") or one["spec"]["endpoints"]:
            assert {"bearerTokenFile", "honorLabels", "honorTimestamps"} & set(endpoint) == set()
            assert {"caFile", "certFile", "keyFile"} & set(endpoint.get("tlsConfig", {})) == set()
            # The label that is enforced is no other's to write.
            assert "namespace" not in {step["targetLabel"] for step in endpoint["relabelings"]}
        assert not [label for label in one["metadata"]["labels"] if label.startswith("openshift.io/")]


def test_all_alerts_are_there_and_none_twice_of_the_same(azora, given, settings):
    everywhere = monitoring_manifests(azora, settings("monitoring", monitoring_kafka_parts=PARTS))[-1]["spec"]["groups"]
    wanted = {rule["alert"] for group in everywhere for rule in group["rules"] if "alert" in rule}
    found = {
        rule["alert"]
        for groups in rules(monitoring_manifests(azora, given)).values()
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }
    assert wanted - found == NOT_THERE
    missing = [
        rule["labels"]["monitor"]
        for groups in rules(monitoring_manifests(azora, given)).values()
        for group in groups
        for rule in group["rules"]
        if rule.get("alert") == "MetricsTargetMissing"
    ]
    assert (
        len(missing)
        == len(set(missing))
        == len([one for one in monitoring_manifests(azora, given) if one["kind"] != "PrometheusRule"])
    )


def test_a_rule_is_about_its_own_namespace(azora, given):
    """Any other is taken out of its expressions' sight: what is absent there would be absent for ever."""
    names = {one["name"] for one in azora["namespaces"]}
    for namespace, groups in rules(monitoring_manifests(azora, given)).items():
        said = [rule for group in groups for rule in group["rules"]]
        for rule in said:
            for asked in re.findall(r'namespace=~?"([^"]+)"', rule["expr"]):
                assert asked == namespace, rule
            if rule.get("alert") == "MetricsTargetMissing":
                assert rule["labels"]["monitor"].split("/")[0] == namespace
        assert namespace in names
    of_verification = [
        name for name, groups in rules(monitoring_manifests(azora, given)).items() if "PolicyDrift" in repr(groups)
    ]
    assert of_verification == [azora["monitoring"]["namespace"]]


def test_records_are_where_services_are(azora, given):
    with_records = {
        namespace
        for namespace, groups in rules(monitoring_manifests(azora, given)).items()
        if any("record" in rule for group in groups for rule in group["rules"])
    }
    assert with_records == {one["namespace"] for one in azora["workloads"]}


def test_the_same_targets_are_expected(azora, given, settings):
    def monitors(of):
        return [one for one in monitoring_manifests(azora, of) if one["kind"] != "PrometheusRule"]

    usual = settings("monitoring", monitoring_kafka_parts=PARTS)
    assert expected_targets(azora, monitors(given)) == expected_targets(azora, monitors(usual))


def test_files_of_prometheus_are_refused_in_one_sentence(azora, settings):
    given = settings("monitoring", monitoring_method="openshift", monitoring_redis_tls={"caFile": "/etc/ca.crt"})
    with pytest.raises(MonitoringInputError, match=r"monitoring_redis_tls\.caFile names a file of Prometheus"):
        monitoring_manifests(azora, given)


def config_map(text):
    return [{"metadata": {"name": "cluster-monitoring-config"}, "data": {"config.yaml": text}}]


@pytest.mark.parametrize(
    ("found", "enabled"),
    [
        ([], False),
        ([{"metadata": {"name": "cluster-monitoring-config"}}], False),
        (config_map(""), False),
        (config_map("enableUserWorkload: false\n"), False),
        (config_map("# enableUserWorkload: true\n"), False),
        (config_map('enableUserWorkload: "true"\n'), False),
        (config_map("prometheusK8s:\n  enableUserWorkload: true\n"), False),
        (config_map("enableUserWorkload: true\n"), True),
        (config_map("{enableUserWorkload: true, prometheusK8s: {}}"), True),
    ],
)
def test_whether_it_is_on(found, enabled):
    said = user_workload_monitoring(found)
    assert said["enabled"] is enabled
    assert ("openshift-monitoring/cluster-monitoring-config" in said["finding"]) is not enabled
    assert yaml.safe_load(said["manifest"]["data"]["config.yaml"])["enableUserWorkload"] is True


def test_switching_it_on_leaves_everything_else_as_it_is():
    before = "# ours, do not touch\nprometheusK8s:\n  retention: 30d  # a month\nenableUserWorkload: false # not yet"
    after = user_workload_monitoring(config_map(before))["manifest"]["data"]["config.yaml"]
    assert after == "# ours, do not touch\nprometheusK8s:\n  retention: 30d  # a month\nenableUserWorkload: true"
    more = user_workload_monitoring(config_map("prometheusK8s: {retention: 30d}"))["manifest"]["data"]["config.yaml"]
    assert more == "prometheusK8s: {retention: 30d}\nenableUserWorkload: true\n"


@pytest.mark.parametrize(("text", "sentence"), [("- a list\n", "is no"), ("{", "is not YAML")])
def test_what_is_no_configuration_is_said(text, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        user_workload_monitoring(config_map(text))


def test_a_namespace_that_is_kept_away_is_named(azora, given):
    manifests = monitoring_manifests(azora, given)
    labels = {"openshift.io/user-monitoring": "false"}
    namespaces = [
        {"metadata": {"name": "azora-es", "labels": labels}},
        {"metadata": {"name": "other", "labels": labels}},
    ]
    (sentence,) = kept_away(manifests, namespaces)
    assert "stays away from azora-es, because it has the label openshift.io/user-monitoring=false" in sentence
    assert kept_away(manifests, []) == []
