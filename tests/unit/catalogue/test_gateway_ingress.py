# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What leads to the gateway by a name, for whom the policies open it, and what a catalogue may not say of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _network_policies
from ansible_collections.azora.platform.plugins.module_utils._catalogue import CatalogueError
from ansible_collections.azora.platform.plugins.module_utils._gateway_ingress import gateway_ingress
from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import gateway_manifests

HOSTS = ["api.example.org", "api.example.net"]
BACKEND = {"service": {"name": "gateway", "port": {"name": "http"}}}


def catalogue(platform: dict[str, Any], **ingress: Any) -> dict[str, Any]:
    platform["gateway"]["ingress"] = {"hosts": HOSTS, **ingress}
    return _catalogue.normalised(platform)


def objects(platform: dict[str, Any], **ingress: Any) -> list[dict[str, Any]]:
    found = catalogue(platform, **ingress)
    made = gateway_ingress(found["gateway"])
    assert [one for one in gateway_manifests(found, {}) if one["kind"] == ingress["kind"]] == made
    for one in made:
        assert one["metadata"]["namespace"] == "default"
        assert one["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway"
    return made


def test_without_it_there_is_none(platform: dict[str, Any]) -> None:
    found = _catalogue.normalised(platform)
    assert {one["kind"] for one in gateway_manifests(found, {})} & {"Ingress", "HTTPRoute", "Route"} == set()


def test_an_ingress_with_a_certificate_by_an_issuer(platform: dict[str, Any]) -> None:
    tls = {"secret": "gateway-tls", "issuer": "letsencrypt"}
    (made,) = objects(platform, kind="Ingress", **{"class": "nginx"}, tls=tls)
    assert made["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    rules = [
        {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}} for host in HOSTS
    ]
    assert made["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"hosts": HOSTS, "secretName": "gateway-tls"}],
        "rules": rules,
    }


def test_an_ingress_without_a_certificate_has_no_tls(platform: dict[str, Any]) -> None:
    (made,) = objects(platform, kind="Ingress")
    assert sorted(made["spec"]) == ["rules"]
    assert "annotations" not in made["metadata"]


def test_an_http_route_belongs_to_a_gateway(platform: dict[str, Any]) -> None:
    (made,) = objects(platform, kind="HTTPRoute", parent={"name": "public", "namespace": "edge", "section": "https"})
    assert made["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "edge", "sectionName": "https"}],
        "hostnames": HOSTS,
        "rules": [{"backendRefs": [{"name": "gateway", "port": 8080}]}],
    }


@pytest.mark.parametrize(
    ("tls", "wanted"),
    [
        ({}, {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}),
        (
            {"secret": "gateway-tls"},
            {
                "termination": "edge",
                "insecureEdgeTerminationPolicy": "Redirect",
                "externalCertificate": {"name": "gateway-tls"},
            },
        ),
    ],
)
def test_each_host_has_a_route(platform: dict[str, Any], tls: dict[str, str], wanted: dict[str, Any]) -> None:
    made = objects(platform, kind="Route", tls=tls)
    everything = gateway_manifests(catalogue(platform, kind="Route", tls=tls), {})
    rights = [one for one in everything if one["kind"] in ("Role", "RoleBinding")]
    assert everything[: len(rights)] == rights
    if "secret" in tls:
        role, binding = rights
        assert role["rules"] == [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": ["gateway-tls"],
                "verbs": ["get", "list", "watch"],
            }
        ]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "router", "namespace": "openshift-ingress"},
        ]
        assert {one["metadata"]["namespace"] for one in rights} == {"default"}
    else:
        assert rights == []
    assert [(one["metadata"]["name"], one["spec"]["host"]) for one in made] == [
        ("gateway", HOSTS[0]),
        ("gateway-1", HOSTS[1]),
    ]
    assert all(one["spec"]["tls"] == wanted for one in made)


def test_the_pods_that_pass_requests_on_are_let_in(platform: dict[str, Any], cluster: dict[str, Any]) -> None:
    pods = {"namespace": "ingress-nginx", "labels": {"app": "ingress"}}
    found = catalogue(platform, kind="Ingress", proxy_pods=pods)
    policies = _network_policies.network_policies(found, cluster, ["default"])
    (rules,) = [one["spec"]["ingress"] for one in policies if one["metadata"]["name"] == "gateway-ingress"]
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}},
        "podSelector": {"matchLabels": {"app": "ingress"}},
    }
    assert [rule["ports"] for rule in rules if peer in rule["from"]] == [[{"protocol": "TCP", "port": 8080}]]


@pytest.mark.parametrize(
    ("ingress", "sentence"),
    [
        ({"kind": "Ingres"}, "gateway.ingress.kind: 'Ingres' is not a choice; did you mean 'Ingress'?"),
        ({"kind": "Route", "class": "nginx"}, "gateway.ingress.class: is for the kind Ingress"),
        ({"kind": "HTTPRoute"}, "gateway.ingress.parent: is missing"),
        ({"kind": "HTTPRoute", "parent": {"name": "public"}, "tls": {}}, "gateway.ingress.tls: belongs to the Gateway"),
        ({"kind": "Ingress", "tls": {"issuer": "letsencrypt"}}, "gateway.ingress.tls.secret: is missing"),
        ({"kind": "Route", "tls": {"issuer": "letsencrypt"}}, "gateway.ingress.tls.issuer: is for the kind Ingress"),
        ({"kind": "Ingress", "hosts": []}, "gateway.ingress.hosts"),
    ],
)
def test_what_does_not_go_together_is_refused(platform: dict[str, Any], ingress: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        catalogue(platform, **ingress)
    assert any(one.startswith(sentence) for one in refused.value.mistakes), refused.value.mistakes
