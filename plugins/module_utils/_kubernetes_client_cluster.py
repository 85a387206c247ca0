# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what `_cluster` needs, several requests at a time. What a cluster does not serve, or hides, is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._cluster import DNS_SERVICES, ClusterObjects
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)

SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


def read_cluster(client: KubernetesClient) -> ClusterObjects:
    """Version and API groups must be readable; each of the rest may be missing."""
    version, groups, *rest = together(
        [
            lambda: client.get("/version"),
            lambda: client.get("/apis"),
            lambda: _listed(client, "/api/v1/nodes"),
            lambda: _listed(client, "/apis/networking.k8s.io/v1/servicecidrs"),
            lambda: _visible(lambda: client.get("/api/v1/namespaces/default/services/kubernetes")),
            lambda: _listed(client, SLICES.format("default"), "kubernetes.io/service-name=kubernetes"),
            lambda: _listed(client, "/apis/storage.k8s.io/v1/storageclasses"),
            lambda: _visible(lambda: client.get("/apis/config.openshift.io/v1/networks/cluster")),
            *[_services(client, namespace, selector) for namespace, selector in DNS_SERVICES],
        ]
    )
    nodes, service_cidrs, api_service, api_endpoints, storage_classes, openshift_network, *found = rest
    dns_services = [service for services in found for service in services]
    return ClusterObjects(
        version=str((version or {}).get("gitVersion") or ""),
        groups=(groups or {}).get("groups") or [],
        nodes=nodes,
        service_cidrs=service_cidrs,
        api_service=api_service,
        api_endpoints=api_endpoints,
        dns_services=dns_services,
        dns_endpoints=[one for service in dns_services for one in _slices_of(client, service)],
        storage_classes=storage_classes,
        openshift_network=openshift_network,
    )


def _services(client: KubernetesClient, namespace: str, selector: str) -> Callable[[], list[dict[str, Any]]]:
    return lambda: _listed(client, f"/api/v1/namespaces/{namespace}/services", selector)


def _slices_of(client: KubernetesClient, service: dict[str, Any]) -> list[dict[str, Any]]:
    metadata = service["metadata"]
    selector = f"kubernetes.io/service-name={metadata['name']}"
    return _listed(client, SLICES.format(metadata["namespace"]), selector)


def _listed(client: KubernetesClient, path: str, selector: str = "") -> list[dict[str, Any]]:
    return _visible(lambda: client.list(path, label_selector=selector)) or []


def _visible(call: Callable[[], Any]) -> Any:
    """The answer, or None where it is not served (404) or not for this user (403)."""
    try:
        return call()
    except KubernetesError as error:
        if error.status in (403, 404):
            return None
        raise
