# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the derived policies allow on OpenShift that they do not allow elsewhere, and what namespaces it keeps for itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._gateway_ingress import gateway_ingress
from ansible_collections.azora.platform.plugins.module_utils._network_policies import (
    additional_policies,
    network_policies,
)
from ansible_collections.azora.platform.plugins.module_utils._openshift import reserved_namespaces

ROUTERS = {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/ingress": ""}}}
HOST_NETWORK = {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/host-network": ""}}}
USER_WORKLOAD = "openshift-user-workload-monitoring"


def prometheus_in(namespace: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    }


def ports_for(policies: list[dict[str, Any]], namespace: str, name: str, peer: dict[str, Any]) -> list[int]:
    """The ports on which an ingress policy lets the peer in."""
    (policy,) = [
        one for one in policies if (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, name)
    ]
    return [port["port"] for rule in policy["spec"]["ingress"] if peer in rule["from"] for port in rule["ports"]]


@pytest.fixture
def okd(cluster: dict[str, Any]) -> dict[str, Any]:
    dns = {
        "namespace": "openshift-dns",
        "pod_labels": {"dns.operator.openshift.io/daemonset-dns": "default"},
        "addresses": ["10.155.0.10"],
        "ports": [{"name": "dns", "protocol": "UDP", "port": 5353, "service_port": 53}],
    }
    return {**cluster, "openshift": True, "dns": dns}


def test_routers_reach_the_gateway_and_nothing_else(
    catalogue: dict[str, Any], okd: dict[str, Any], cluster: dict[str, Any]
) -> None:
    policies = network_policies(catalogue, okd)
    for peer in (ROUTERS, HOST_NETWORK):
        assert ports_for(policies, "default", "gateway-ingress", peer) == [8080]
    routed = [one for one in policies if any(ROUTERS in rule["from"] for rule in one["spec"].get("ingress", []))]
    assert [one["metadata"]["name"] for one in routed] == ["gateway-ingress"]
    assert ports_for(network_policies(catalogue, cluster), "default", "gateway-ingress", ROUTERS) == []


def test_webhooks_are_called_from_the_host_network(
    catalogue: dict[str, Any], okd: dict[str, Any], cluster: dict[str, Any]
) -> None:
    """With OVN-Kubernetes such a call comes from an address in the pods' ranges."""
    place = ("cnpg-system", "cloudnative-pg-operator-ingress", HOST_NETWORK)
    assert ports_for(network_policies(catalogue, okd), *place) == [9443]
    assert ports_for(network_policies(catalogue, cluster), *place) == []


def test_names_are_asked_of_openshift(catalogue: dict[str, Any], okd: dict[str, Any]) -> None:
    asked = [
        one["spec"]["egress"][0] for one in network_policies(catalogue, okd) if one["metadata"]["name"] == "allow-dns"
    ]
    assert len(asked) == len(catalogue["namespaces"])
    for rule in asked:
        assert rule["to"] == [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}},
                "podSelector": {"matchLabels": {"dns.operator.openshift.io/daemonset-dns": "default"}},
            }
        ]
        assert ("UDP", 5353) in {(port["protocol"], port["port"]) for port in rule["ports"]}


def test_metrics_are_for_user_workload_monitoring(
    catalogue: dict[str, Any], okd: dict[str, Any], cluster: dict[str, Any]
) -> None:
    policies = network_policies(catalogue, okd)
    assert ports_for(policies, "default", "user-ingress", prometheus_in(USER_WORKLOAD)) == [9090]
    assert ports_for(policies, "azora-data", "pg-ingress", prometheus_in(USER_WORKLOAD)) == [9187]
    assert ports_for(policies, "default", "user-ingress", prometheus_in("azora-monitoring")) == []
    # What OpenShift's own Prometheus may do is not this platform's business.
    named = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in policies}
    assert not [place for place in named if place[0] == USER_WORKLOAD or place[1].startswith("prometheus-")]
    elsewhere = network_policies(catalogue, cluster)
    assert ports_for(elsewhere, "default", "user-ingress", prometheus_in("azora-monitoring")) == [9090]


def test_a_prometheus_of_ones_own_on_openshift(platform: dict[str, Any], okd: dict[str, Any]) -> None:
    platform["monitoring"]["prometheus_namespace"] = "azora-monitoring"
    policies = network_policies(_catalogue.normalised(platform), okd)
    assert ports_for(policies, "default", "user-ingress", prometheus_in("azora-monitoring")) == [9090]
    assert ("azora-monitoring", "prometheus-egress") in {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in policies
    }


def test_a_recovered_store_adds_nothing_to_openshifts_namespaces(platform: dict[str, Any], okd: dict[str, Any]) -> None:
    catalogue = _catalogue.normalised(platform)
    recovered = {**platform["stores"][0], "name": "recovered", "cluster": "recovered"}
    extended = _catalogue.normalised({**platform, "stores": [*platform["stores"], recovered]})
    more = additional_policies(catalogue, extended, okd, "recovered")
    assert more
    assert {one["metadata"]["namespace"] for one in more} == {"azora-data", "cnpg-system"}


def test_namespaces_that_openshift_keeps_for_itself(platform: dict[str, Any], okd: dict[str, Any]) -> None:
    platform["namespaces"].append({"name": "openshift-shop"})
    catalogue = _catalogue.normalised(platform)
    first, second = reserved_namespaces(catalogue, okd)
    assert first.startswith("default is one of OpenShift's own namespaces")
    assert "catalogue_core_namespace" in first
    assert second.startswith("openshift-shop is one of")
    assert reserved_namespaces(catalogue, {**okd, "openshift": False}) == []


def test_azoras_gateway_gets_a_route_by_one_variable(render: Any) -> None:
    given = {"kind": "Route", "hosts": ["api.apps.example.org"], "tls": {}}
    catalogue = _catalogue.normalised(render({"catalogue_gateway_ingress": given}))
    (route,) = gateway_ingress(catalogue["gateway"])
    assert (route["kind"], route["spec"]["host"]) == ("Route", "api.apps.example.org")
    assert route["spec"]["tls"] == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    assert gateway_ingress(_catalogue.normalised(render({}))["gateway"]) == []
