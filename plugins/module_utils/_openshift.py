# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is elsewhere, or called otherwise, on OpenShift: the one place that knows it.

Sources: https://docs.redhat.com/en/documentation/openshift_container_platform (networking, monitoring, authentication), and the manifests of
github.com/openshift/cluster-dns-operator, cluster-ingress-operator and cluster-monitoring-operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# What decides over pods: OpenShift has it in every flavour, MicroShift included, and no other cluster has.
FLAVOUR_API = "security.openshift.io/"

DNS_NAMESPACE, DNS_LABEL = "openshift-dns", "dns.operator.openshift.io/owning-dns=default"

# Groups that OpenShift gives to namespaces. A router on its nodes' network, and everything else there, is in the second one: with OVN-Kubernetes
# such packets come from an address of the pods' ranges, which no range of nodes has.
ROUTERS = "policy-group.network.openshift.io/ingress"
HOST_NETWORK = "policy-group.network.openshift.io/host-network"

# Who reads the Secret of a Route's certificate.
ROUTER_NAMESPACE, ROUTER_ACCOUNT = "openshift-ingress", "router"

# Prometheus of user-workload monitoring.
USER_WORKLOAD_NAMESPACE = "openshift-user-workload-monitoring"

# Where OpenShift applies no SecurityContextConstraints, and asks for no workloads.
OWN_NAMESPACES, OWN_PREFIXES = frozenset({"default", "openshift"}), ("openshift-", "kube-")

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def is_openshift(served_apis: Iterable[str]) -> bool:
    """By the groups that the API server offers."""
    return any(api.startswith(FLAVOUR_API) for api in served_apis)


def chosen_flavour(given: Any, served_apis: Iterable[str]) -> bool:
    """The flavour that somebody has said; ValueError with a sentence if it cannot be."""
    said = str(given).lower()
    if said not in (*TRUE, *FALSE):
        raise ValueError(f"catalogue_cluster.openshift is {given!r}, and must be true or false")
    if said in TRUE and not is_openshift(served_apis):
        raise ValueError(
            "catalogue_cluster.openshift is true, but this cluster serves no security.openshift.io, so nothing on it would give pods"
            " their users; leave it out"
        )
    return said in TRUE


def reserved_namespaces(catalogue: Mapping[str, Any], cluster: Mapping[str, Any]) -> list[str]:
    """A sentence for each namespace of the catalogue that OpenShift keeps for itself."""
    if not cluster.get("openshift"):
        return []
    return [
        f"{name} is one of OpenShift's own namespaces, where it gives pods no users and asks for no workloads;"
        " give the catalogue another one (of Azora's platform: catalogue_core_namespace)"
        for name in (namespace["name"] for namespace in catalogue["namespaces"])
        if name in OWN_NAMESPACES or name.startswith(OWN_PREFIXES)
    ]


def prometheus_namespace(catalogue: Mapping[str, Any], cluster: Mapping[str, Any]) -> str:
    """Where the Prometheus is that scrapes the platform: as the catalogue says, on OpenShift its own, else beside the rest of monitoring."""
    monitoring = catalogue["monitoring"]
    elsewhere = USER_WORKLOAD_NAMESPACE if cluster.get("openshift") else monitoring["namespace"]
    return str(monitoring.get("prometheus_namespace") or elsewhere)
