# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects for tests, each as short as it can be said."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(
    place: str,
    *,
    app: str = "",
    address: str | tuple[str, ...] = (),
    node: str = "",
    host: bool = False,
    ports: dict[str, int] | None = None,
    owner: tuple[str, str] | None = None,
    **labels: str,
) -> Object:
    """A running pod, by "namespace/name"; its label app is its name unless said otherwise."""
    where, name = place.split("/")
    metadata: Object = {"name": name, "namespace": where, "labels": {"app": app or name, **labels}}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "x/v1", "kind": owner[0], "name": owner[1], "controller": True}]
    addresses = (address,) if isinstance(address, str) else address
    spec: Object = {
        "hostNetwork": host,
        "containers": [
            {"name": "c", "ports": [{"name": key, "containerPort": number} for key, number in (ports or {}).items()]}
        ],
    }
    if node:
        spec["nodeName"] = node
    status = {"phase": "Running", "podIPs": [{"ip": each} for each in addresses]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def node(name: str, address: str, **labels: str) -> Object:
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"addresses": addresses},
    }


def policy(place: str, app: str = "", **spec: Any) -> Object:
    where, name = place.split("/")
    selector = {"matchLabels": {"app": app}} if app else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": {"podSelector": selector, **spec},
    }


def default_deny(where: str) -> Object:
    return policy(f"{where}/default-deny", policyTypes=["Ingress", "Egress"])


def from_app(app: str) -> Object:
    return {"podSelector": {"matchLabels": {"app": app}}}


def ports(*numbers: int | str) -> list[Object]:
    return [{"port": number} for number in numbers]


def in_namespace(name: str, app: str = "") -> Object:
    """A selection of pods as the cluster-wide kinds write it."""
    selector = {"matchLabels": {"app": app}} if app else {}
    return {
        "pods": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "podSelector": selector,
        }
    }


def admin(name: str, priority: int, subject: Object, **rules: Any) -> Object:
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"priority": priority, "subject": subject, **rules},
    }


def baseline(subject: Object, **rules: Any) -> Object:
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "BaselineAdminNetworkPolicy",
        "metadata": {"name": "default"},
        "spec": {"subject": subject, **rules},
    }


def cluster_policy(name: str, tier: str, priority: int, subject: Object, **rules: Any) -> Object:
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"tier": tier, "priority": priority, "subject": subject, **rules},
    }
