# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strimzi's resources follow from the catalogue."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import kafka_manifests


def test_controllers_and_brokers_have_pools_of_their_own(catalogue, settings, find):
    manifests = kafka_manifests(catalogue, settings("kafka"))
    controller = find(manifests, "KafkaNodePool", "controller")
    broker = find(manifests, "KafkaNodePool", "broker")
    assert (controller["spec"]["roles"], controller["spec"]["replicas"]) == (["controller"], 3)
    assert (broker["spec"]["roles"], broker["spec"]["replicas"]) == (["broker"], 3)
    assert broker["metadata"]["labels"]["strimzi.io/cluster"] == "bus"
    [volume] = broker["spec"]["storage"]["volumes"]
    assert volume["deleteClaim"] is False
    assert "class" not in volume


def test_one_pool_does_both_without_controllers(catalogue, settings, find):
    manifests = kafka_manifests(catalogue, settings("kafka", kafka_controllers=0))
    pools = [entry for entry in manifests if entry["kind"] == "KafkaNodePool"]
    assert [pool["metadata"]["name"] for pool in pools] == ["combined"]
    assert pools[0]["spec"]["roles"] == ["controller", "broker"]


# Brokers, copies of each topic, how many of them must be in sync.
@pytest.mark.parametrize("numbers", [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)])
def test_copies_follow_from_the_number_of_brokers(platform, settings, find, numbers):
    brokers, copies, in_sync = numbers
    given = copy.deepcopy(platform)
    given["stores"][2]["replicas"] = brokers
    manifests = kafka_manifests(_catalogue.normalised(given), settings("kafka"))
    config = find(manifests, "Kafka", "bus")["spec"]["kafka"]["config"]
    assert config["default.replication.factor"] == copies
    assert config["min.insync.replicas"] == in_sync
    assert config["auto.create.topics.enable"] is False
    topic = find(manifests, "KafkaTopic", "sales")["spec"]
    assert topic["partitions"] == 6
    assert topic["replicas"] == copies
    assert topic["config"]["min.insync.replicas"] == in_sync


def test_only_clients_may_reach_the_listener(catalogue, settings, find):
    [listener] = find(kafka_manifests(catalogue, settings("kafka")), "Kafka", "bus")["spec"]["kafka"]["listeners"]
    assert (listener["port"], listener["tls"]) == (9093, True)
    assert listener["authentication"] == {"type": "scram-sha-512"}
    reached = {
        (
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        )
        for peer in listener["networkPolicyPeers"]
    }
    assert reached == {("front", "orders"), ("back", "statistics")}


def test_a_cluster_without_clients_is_not_open_to_everyone(platform, settings, find):
    given = copy.deepcopy(platform)
    for service in given["services"]:
        service["stores"] = [use for use in service.get("stores", []) if use["name"] != "kafka"]
    catalogue = _catalogue.normalised(given)
    [listener] = find(kafka_manifests(catalogue, settings("kafka")), "Kafka", "bus")["spec"]["kafka"]["listeners"]
    assert listener["networkPolicyPeers"], "no peers at all would let the operator open the port to every pod"


def _rights(user):
    return {
        (acl["resource"]["type"], acl["resource"]["name"]): set(acl["operations"])
        for acl in user["spec"]["authorization"]["acls"]
    }


def test_a_user_may_do_what_the_catalogue_says_and_no_more(catalogue, settings, find):
    manifests = kafka_manifests(catalogue, settings("kafka"))
    assert find(manifests, "Kafka", "bus")["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert _rights(find(manifests, "KafkaUser", "orders")) == {("topic", "sales"): {"Describe", "Write"}}
    assert _rights(find(manifests, "KafkaUser", "statistics")) == {
        ("topic", "sales"): {"Describe", "Read"},
        ("topic", "returns"): {"Describe", "Read", "Write"},
        ("group", "statistics"): {"Describe", "Read"},
    }


def test_metrics_are_served_where_the_catalogue_expects_them(platform, catalogue, settings, find):
    served = find(kafka_manifests(catalogue, settings("kafka")), "Kafka", "bus")["spec"]["kafka"]
    assert served["metricsConfig"]["type"] == "strimziMetricsReporter"
    given = copy.deepcopy(platform)
    given["stores"][2]["metrics"] = False
    silent = find(kafka_manifests(_catalogue.normalised(given), settings("kafka")), "Kafka", "bus")["spec"]["kafka"]
    assert "metricsConfig" not in silent
