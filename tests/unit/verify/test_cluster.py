# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about clusters, from objects as different clusters have them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._cluster import (
    FACTS,
    ClusterObjects,
    cluster_facts,
    unknown_overrides,
)


def node(name: str, address: str, *cidrs: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"podCIDRs": list(cidrs)},
        "status": {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]},
    }


def endpoint_slice(address: str, port: int, *, ready: bool = True) -> dict[str, Any]:
    return {
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


DNS = {
    "metadata": {"name": "kube-dns", "namespace": "kube-system"},
    "spec": {
        "selector": {"k8s-app": "kube-dns"},
        "clusterIPs": ["10.129.0.10"],
        "ports": [
            {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53},
            {"name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 53},
            {"name": "metrics", "protocol": "TCP", "port": 9153, "targetPort": 9153},
        ],
    },
}
OBJECTS = ClusterObjects(
    version="v1.37.0",
    groups=[{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}],
    nodes=[
        node("node2", "10.129.128.12", "10.128.2.0/24"),
        node("node1", "10.129.128.11", "10.128.1.0/24"),
        node("node3", "10.129.128.13", "10.128.3.0/24"),
    ],
    service_cidrs=[{"spec": {"cidrs": ["10.129.0.0/17"]}}],
    api_endpoints=[endpoint_slice("10.129.128.2", 6443), endpoint_slice("10.129.128.3", 6443, ready=False)],
    dns_services=[DNS],
    storage_classes=[
        {"metadata": {"name": "other"}},
        {
            "metadata": {
                "name": "local-path",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            }
        },
    ],
)


def test_an_ordinary_cluster() -> None:
    found = cluster_facts(OBJECTS)
    assert found.warnings == []
    assert found.facts == {
        "version": "v1.37.0",
        "openshift": False,
        "node_names": ["node1", "node2", "node3"],
        "pod_cidrs": ["10.128.1.0/24", "10.128.2.0/23"],
        "service_cidrs": ["10.129.0.0/17"],
        "node_cidrs": ["10.129.128.11/32", "10.129.128.12/32", "10.129.128.13/32"],
        "api_server": [{"address": "10.129.128.2", "port": 6443}],
        "dns": {
            "namespace": "kube-system",
            "pod_labels": {"k8s-app": "kube-dns"},
            "addresses": ["10.129.0.10"],
            "ports": [
                {"name": "dns", "protocol": "UDP", "port": 53, "service_port": 53},
                {"name": "dns-tcp", "protocol": "TCP", "port": 53, "service_port": 53},
            ],
        },
        "default_storage_class": "local-path",
        "served_apis": ["v1", "apps/v1"],
    }
    assert tuple(found.facts) == FACTS


def test_a_cluster_before_service_cidr_objects_is_guessed_around_its_first_service() -> None:
    objects = ClusterObjects(nodes=OBJECTS.nodes, api_service={"spec": {"clusterIPs": ["10.96.0.1", "fd00:10:96::1"]}})
    found = cluster_facts(objects)
    assert found.facts["service_cidrs"] == ["10.96.0.0/16", "fd00:10:96::/112"]
    assert any("10.96.0.0/16" in warning for warning in found.warnings)


OPENSHIFT = [{"versions": [{"groupVersion": "security.openshift.io/v1"}]}]


def test_openshift() -> None:
    dns = {
        "metadata": {"name": "dns-default", "namespace": "openshift-dns"},
        "spec": {
            "selector": {"dns.operator.openshift.io/daemonset-dns": "default"},
            "clusterIP": "172.30.0.10",
            "ports": [{"name": "dns", "protocol": "UDP", "port": 53, "targetPort": "dns"}],
        },
    }
    objects = ClusterObjects(
        groups=OPENSHIFT,
        nodes=[node("worker", "192.0.2.7")],
        openshift_network={
            "status": {
                "clusterNetwork": [{"cidr": "10.128.0.0/14", "hostPrefix": 23}],
                "serviceNetwork": ["172.30.0.0/16"],
            }
        },
        api_endpoints=[endpoint_slice("192.0.2.2", 6443)],
        # Somebody's own CoreDNS beside it.
        dns_services=[DNS, dns],
        dns_endpoints=[
            {"metadata": {"namespace": "kube-system"}, "ports": [{"name": "dns", "protocol": "UDP", "port": 53}]},
            {"metadata": {"namespace": "openshift-dns"}, "ports": [{"name": "dns", "protocol": "UDP", "port": 5353}]},
        ],
    )
    found = cluster_facts(objects)
    assert found.warnings == []
    assert found.facts["openshift"] is True
    assert found.facts["pod_cidrs"] == ["10.128.0.0/14"]
    assert found.facts["service_cidrs"] == ["172.30.0.0/16"]
    assert found.facts["dns"]["namespace"] == "openshift-dns"
    assert found.facts["dns"]["ports"] == [{"name": "dns", "protocol": "UDP", "port": 5353, "service_port": 53}]
    plain = cluster_facts(objects, {"openshift": "False"}).facts
    assert plain["openshift"] is False
    assert plain["dns"]["namespace"] == "kube-system"
    assert [port["port"] for port in plain["dns"]["ports"]] == [53, 53]


@pytest.mark.parametrize(
    ("groups", "given", "sentence"),
    [
        (OPENSHIFT, "perhaps", "catalogue_cluster.openshift is 'perhaps', and must be true or false"),
        ([], True, "catalogue_cluster.openshift is true, but this cluster serves no security.openshift.io"),
        # The definitions of its configuration alone make no OpenShift.
        (
            [{"versions": [{"groupVersion": "config.openshift.io/v1"}]}],
            "true",
            "catalogue_cluster.openshift is true, but this cluster serves no security.openshift.io",
        ),
    ],
)
def test_a_flavour_that_cannot_be_is_refused(groups: list[dict[str, Any]], given: Any, sentence: str) -> None:
    assert cluster_facts(ClusterObjects(groups=groups)).facts["openshift"] is (groups == OPENSHIFT)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        cluster_facts(ClusterObjects(groups=groups), {"openshift": given})


def test_a_cluster_says_its_flavour_or_is_told() -> None:
    assert cluster_facts(ClusterObjects(groups=OPENSHIFT)).facts["openshift"] is True
    assert cluster_facts(ClusterObjects(groups=OPENSHIFT), {"openshift": True}).facts["openshift"] is True
    assert cluster_facts(ClusterObjects(groups=OPENSHIFT), {"openshift": None}).facts["openshift"] is True


def test_both_families_of_addresses() -> None:
    objects = ClusterObjects(
        nodes=[node("a", "fd00::11", "10.0.1.0/24", "fd01:0:0:1::/64"), node("b", "10.9.0.2", "10.0.0.0/24")]
    )
    found = cluster_facts(objects).facts
    assert found["pod_cidrs"] == ["10.0.0.0/23", "fd01:0:0:1::/64"]
    assert found["node_cidrs"] == ["10.9.0.2/32", "fd00::11/128"]


def test_an_override_replaces_the_fact_and_its_warning() -> None:
    bare = cluster_facts(ClusterObjects())
    assert len(bare.warnings) == 4
    given = {
        "pod_cidrs": ["10.128.0.0/16"],
        "service_cidrs": ["10.129.0.0/17"],
        "dns": {"namespace": "dns"},
        "api_server": [{"address": "192.0.2.2", "port": 443}],
        "version": None,
    }
    found = cluster_facts(ClusterObjects(version="v1.36.1"), given)
    assert found.warnings == []
    assert found.facts["pod_cidrs"] == ["10.128.0.0/16"]
    assert found.facts["version"] == "v1.36.1"


def test_a_misspelt_override_is_known_as_such() -> None:
    assert unknown_overrides({"pod_cidr": [], "dns": {}}) == ["pod_cidr"]
