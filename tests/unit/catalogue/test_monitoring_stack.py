# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parts of kube-prometheus-stack are let to do in the namespace of monitoring, and what the catalogue says of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._network_ends import PolicyInputError
from ansible_collections.azora.platform.plugins.module_utils._network_policies import network_policies

HOME = "azora-monitoring"
API = {"ipBlock": {"cidr": "10.155.128.2/32"}}


def part(name: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": HOME}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }


def by_name(policies: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in policies if one["metadata"]["namespace"] == HOME}


def ports(policy: dict[str, Any], direction: str, peer: dict[str, Any]) -> list[int]:
    key = {"ingress": "from", "egress": "to"}[direction]
    return sorted(
        port["port"] for rule in policy[direction] if peer in rule[key] for port in rule.get("ports", [{"port": 0}])
    )


@pytest.fixture
def stacked(platform: dict[str, Any]) -> dict[str, Any]:
    platform["monitoring"]["stack"] = True
    return _catalogue.normalised(platform)


@pytest.fixture
def policies(stacked: dict[str, Any], cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return by_name(network_policies(stacked, cluster))


def test_without_it_nobody_but_prometheus_is_let_to_anything(
    catalogue: dict[str, Any], cluster: dict[str, Any]
) -> None:
    assert sorted(by_name(network_policies(catalogue, cluster))) == ["allow-dns", "default-deny", "prometheus-egress"]


def test_each_part_gets_what_it_needs(policies: dict[str, dict[str, Any]]) -> None:
    assert policies["prometheus-operator-egress"]["podSelector"] == {
        "matchLabels": {"app.kubernetes.io/component": "prometheus-operator"}
    }
    for name in ("prometheus-operator", "prometheus-operator-webhook", "kube-state-metrics", "grafana", "prometheus"):
        assert ports(policies[f"{name}-egress"], "egress", API) == [6443], name
    # Its webhooks are called by the API server, or by a node that translated its address.
    webhooks = [rule for rule in policies["prometheus-operator-ingress"]["ingress"] if API in rule["from"]]
    assert [[port["port"] for port in rule["ports"]] for rule in webhooks] == [[10250]]
    assert ports(policies["prometheus-operator-ingress"], "ingress", part("prometheus")) == [8080, 10250]
    assert ports(policies["kube-state-metrics-ingress"], "ingress", part("prometheus")) == [8080, 8081]
    assert ports(policies["grafana-egress"], "egress", part("prometheus")) == [9090]
    assert ports(policies["prometheus-egress"], "egress", part("alertmanager")) == [8080, 9093]
    assert ports(policies["alertmanager-ingress"], "ingress", part("alertmanager")) == [8080, 9093, 9094]


def test_kubelets_are_asked_on_the_nodes_alone(policies: dict[str, dict[str, Any]]) -> None:
    (rule,) = [
        rule
        for rule in policies["prometheus-egress"]["egress"]
        if {"protocol": "TCP", "port": 10250} in rule["ports"] and len(rule["ports"]) == 1
    ]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.155.128.11/32"}}, {"ipBlock": {"cidr": "10.155.128.12/31"}}]


def test_nobody_leaves_the_cluster_unless_the_catalogue_says_where(
    policies: dict[str, dict[str, Any]], platform: dict[str, Any], cluster: dict[str, Any]
) -> None:
    def outside(found: dict[str, dict[str, Any]], name: str) -> list[Any]:
        rules = found[f"{name}-egress"]["egress"]
        return [peer for rule in rules for peer in rule["to"] if "198.51.100.0/24" in str(peer)]

    assert outside(policies, "grafana") == []
    platform["monitoring"] |= {"stack": True, "external": [{"name": "chat", "cidrs": ["198.51.100.0/24"]}]}
    opened = by_name(network_policies(_catalogue.normalised(platform), cluster))
    for name in ("alertmanager", "grafana"):
        assert outside(opened, name) == [{"ipBlock": {"cidr": "198.51.100.0/24"}}]
    assert outside(opened, "kube-state-metrics") == []


def test_nodes_that_are_not_known_open_nothing(stacked: dict[str, Any], cluster: dict[str, Any]) -> None:
    with pytest.raises(PolicyInputError, match="node_cidrs are not known; set catalogue_cluster"):
        network_policies(stacked, cluster | {"node_cidrs": []})


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"operator": True},
            "monitoring.operator: kube-prometheus-stack brings the Prometheus operator; set one of operator and stack",
        ),
        (
            {"prometheus_namespace": "elsewhere"},
            "monitoring.prometheus_namespace: kube-prometheus-stack stands in monitoring.namespace; leave it out",
        ),
    ],
)
def test_what_contradicts_it_is_refused(platform: dict[str, Any], more: dict[str, Any], sentence: str) -> None:
    platform["monitoring"] |= {"stack": True, **more}
    with pytest.raises(_catalogue.CatalogueError) as refused:
        _catalogue.normalised(platform)
    assert sentence in str(refused.value)


def test_it_stands_where_helm_is_to_put_it(render: Any) -> None:
    assert render()["monitoring"]["stack"] is False
    assert render({"monitoring_method": "existing"})["monitoring"]["stack"] is False
    assert render({"monitoring_method": "helm"})["monitoring"]["stack"] is True
