# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests from outside of the cluster come to the gateway by a name: an Ingress, an HTTPRoute of the Gateway API, or Routes of OpenShift.

Sources: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/,
https://gateway-api.sigs.k8s.io/reference/spec/#httproute, https://cert-manager.io/docs/usage/ingress/, `oc explain route.spec`,
https://github.com/openshift/enhancements/blob/master/enhancements/ingress/route-secret-injection-external-certificate-management.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, manifest, without_empty
from ansible_collections.azora.platform.plugins.module_utils._openshift import ROUTER_ACCOUNT, ROUTER_NAMESPACE

INGRESS, HTTP_ROUTE, ROUTE = "Ingress", "HTTPRoute", "Route"
API_VERSION = {
    INGRESS: "networking.k8s.io/v1",
    HTTP_ROUTE: "gateway.networking.k8s.io/v1",
    ROUTE: "route.openshift.io/v1",
}
ISSUER_ANNOTATION = {"ClusterIssuer": "cert-manager.io/cluster-issuer", "Issuer": "cert-manager.io/issuer"}
PORT_NAME = "http"
RBAC = "rbac.authorization.k8s.io"


def gateway_ingress(gateway: Mapping[str, Any]) -> list[Manifest]:
    """What leads to the gateway's Service; none where the catalogue says nothing of it."""
    given = gateway.get("ingress")
    return _MAKERS[given["kind"]](gateway, given) if given else []


def _ingress(gateway: Mapping[str, Any], given: Mapping[str, Any]) -> list[Manifest]:
    tls = given.get("tls") or {}
    backend = {"service": {"name": gateway["name"], "port": {"name": PORT_NAME}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    issuer = tls.get("issuer")
    return [
        manifest(
            API_VERSION[INGRESS],
            INGRESS,
            gateway["name"],
            gateway["namespace"],
            labels=gateway["labels"],
            annotations={ISSUER_ANNOTATION[tls["issuer_kind"]]: issuer} if issuer else None,
            spec=without_empty(
                {
                    "ingressClassName": given.get("class"),
                    "tls": [{"hosts": list(given["hosts"]), "secretName": tls["secret"]}] if tls else None,
                    "rules": [{"host": host, "http": http} for host in given["hosts"]],
                }
            ),
        )
    ]


def _http_route(gateway: Mapping[str, Any], given: Mapping[str, Any]) -> list[Manifest]:
    parent = given["parent"]
    reference = without_empty(
        {
            "name": parent["name"],
            "namespace": parent.get("namespace") or gateway["namespace"],
            "sectionName": parent.get("section"),
        }
    )
    backend = {"name": gateway["name"], "port": int(gateway["ports"]["http"])}
    return [
        manifest(
            API_VERSION[HTTP_ROUTE],
            HTTP_ROUTE,
            gateway["name"],
            gateway["namespace"],
            labels=gateway["labels"],
            spec={"parentRefs": [reference], "hostnames": list(given["hosts"]), "rules": [{"backendRefs": [backend]}]},
        )
    ]


def _routes(gateway: Mapping[str, Any], given: Mapping[str, Any]) -> list[Manifest]:
    """One for each host: a Route has one."""
    tls = given.get("tls")
    certificate = (tls or {}).get("secret")
    secured = without_empty(
        {
            "termination": "edge",
            "insecureEdgeTerminationPolicy": "Redirect",
            # Without a Secret the router's own certificate serves.
            "externalCertificate": {"name": certificate} if certificate else None,
        }
    )
    return [
        manifest(
            API_VERSION[ROUTE],
            ROUTE,
            gateway["name"] if number == 0 else f"{gateway['name']}-{number}",
            gateway["namespace"],
            labels=gateway["labels"],
            spec=without_empty(
                {
                    "host": host,
                    "to": {"kind": "Service", "name": gateway["name"], "weight": 100},
                    "port": {"targetPort": PORT_NAME},
                    "tls": secured if tls is not None else None,
                    "wildcardPolicy": "None",
                }
            ),
        )
        for number, host in enumerate(given["hosts"])
    ]


def certificate_rights(gateway: Mapping[str, Any]) -> list[Manifest]:
    """For OpenShift's routers to read the one Secret that Routes name; without it no such Route is taken."""
    given = gateway.get("ingress") or {}
    secret = (given.get("tls") or {}).get("secret")
    if given.get("kind") != ROUTE or not secret:
        return []
    name, namespace, labels = f"{gateway['name']}-certificate", gateway["namespace"], gateway["labels"]
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get", "list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": ROUTER_ACCOUNT, "namespace": ROUTER_NAMESPACE}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    return [
        manifest(f"{RBAC}/v1", "Role", name, namespace, labels=labels, rules=[rule]),
        manifest(f"{RBAC}/v1", "RoleBinding", name, namespace, labels=labels, roleRef=reference, subjects=[subject]),
    ]


_MAKERS = {INGRESS: _ingress, HTTP_ROUTE: _http_route, ROUTE: _routes}
