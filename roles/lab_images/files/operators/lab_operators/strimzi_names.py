# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and labels as Strimzi gives them, for one Kafka cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

GROUP = "kafka.strimzi.io"
API_VERSION = f"{GROUP}/v1"
CLUSTER_LABEL = "strimzi.io/cluster"
PAUSE_ANNOTATION = "strimzi.io/pause-reconciliation"

CONTROL_PLANE_PORT = 9090
REPLICATION_PORT = 9091
AGENT_PORT = 8443
METRICS_PORT = 9404

#: How the operator and the brokers name themselves to brokers.
ORGANISATION = "io.strimzi"
OPERATOR_NAME = "cluster-operator"


@dataclass(frozen=True)
class ClusterNames:
    """Everything that follows from a cluster's name and namespace."""

    cluster: str
    namespace: str
    domain: str = "cluster.local"

    @property
    def component(self) -> str:
        return f"{self.cluster}-kafka"

    @property
    def bootstrap_service(self) -> str:
        return f"{self.cluster}-kafka-bootstrap"

    @property
    def brokers_service(self) -> str:
        return f"{self.cluster}-kafka-brokers"

    @property
    def node_certificates_secret(self) -> str:
        return f"{self.cluster}-kafka-brokers"

    @property
    def operator_certificate_secret(self) -> str:
        return f"{self.cluster}-cluster-operator-certs"

    def authority_secrets(self, kind: str) -> tuple[str, str]:
        """The Secrets with certificate and key of the `cluster` or `clients` authority."""
        return f"{self.cluster}-{kind}-ca-cert", f"{self.cluster}-{kind}-ca"

    @property
    def network_policy(self) -> str:
        return f"{self.cluster}-network-policy-kafka"

    def pool(self, pool: str) -> str:
        return f"{self.cluster}-{pool}"

    def pod(self, pool: str, node_id: int | str) -> str:
        return f"{self.cluster}-{pool}-{node_id}"

    def bootstrap_host(self) -> str:
        return f"{self.bootstrap_service}.{self.namespace}.svc"

    def pod_host(self, pod: str, *, with_domain: bool) -> str:
        """A pod's name in DNS. With the domain a pod finds its own name in /etc/hosts, before DNS knows it."""
        host = f"{pod}.{self.brokers_service}.{self.namespace}.svc"
        return f"{host}.{self.domain}" if with_domain else host

    def certificate_names(self, pod: str) -> list[str]:
        names = []
        for service in (self.bootstrap_service, self.brokers_service):
            short = f"{service}.{self.namespace}"
            names += [service, short, f"{short}.svc", f"{short}.svc.{self.domain}"]
        return [*names, self.pod_host(pod, with_domain=False), self.pod_host(pod, with_domain=True)]

    @property
    def selector(self) -> dict[str, str]:
        """Every Kafka pod of the cluster."""
        return {CLUSTER_LABEL: self.cluster, "strimzi.io/kind": "Kafka", "strimzi.io/name": self.component}

    def labels(self, name: str | None = None, kind: str = "Kafka", application: str = "kafka") -> dict[str, str]:
        return {
            CLUSTER_LABEL: self.cluster,
            "strimzi.io/kind": kind,
            "strimzi.io/name": name or self.component,
            "app.kubernetes.io/name": application,
            "app.kubernetes.io/instance": self.cluster,
            "app.kubernetes.io/part-of": f"strimzi-{self.cluster}",
            "app.kubernetes.io/managed-by": "strimzi-cluster-operator",
        }

    def pod_labels(self, pool: str, roles: list[str]) -> dict[str, str]:
        return {
            **self.labels(),
            "strimzi.io/component-type": "kafka",
            "strimzi.io/pool-name": pool,
            "strimzi.io/broker-role": str("broker" in roles).lower(),
            "strimzi.io/controller-role": str("controller" in roles).lower(),
        }


def owner_reference(owner: Manifest) -> Manifest:
    """Makes an object go with its custom resource."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }


def is_paused(resource: Manifest) -> bool:
    return (resource["metadata"].get("annotations") or {}).get(PAUSE_ANNOTATION) == "true"
