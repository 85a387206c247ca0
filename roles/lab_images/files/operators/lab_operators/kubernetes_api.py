# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few verbs of the Kubernetes API that the stand-ins need, over one pooled connection.

Objects are plain dictionaries, as in manifests. Every write names its field manager, so that `kubectl` shows who owns
what.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = urllib3.Timeout(connect=5, read=30)

Manifest = dict[str, Any]


class KubernetesError(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class ResourceKind:
    """Where objects of one kind live in the API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def root(self) -> str:
        return f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


PODS = ResourceKind("v1", "Pod", "pods")
SERVICES = ResourceKind("v1", "Service", "services")
SECRETS = ResourceKind("v1", "Secret", "secrets")
CONFIG_MAPS = ResourceKind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNTS = ResourceKind("v1", "ServiceAccount", "serviceaccounts")
PERSISTENT_VOLUME_CLAIMS = ResourceKind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
STATEFUL_SETS = ResourceKind("apps/v1", "StatefulSet", "statefulsets")
DEPLOYMENTS = ResourceKind("apps/v1", "Deployment", "deployments")
POD_DISRUPTION_BUDGETS = ResourceKind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICIES = ResourceKind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
STORAGE_CLASSES = ResourceKind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
ROLES = ResourceKind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDINGS = ResourceKind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")

BUILT_IN_KINDS = (
    PODS,
    SERVICES,
    SECRETS,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    PERSISTENT_VOLUME_CLAIMS,
    STATEFUL_SETS,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    STORAGE_CLASSES,
    ROLES,
    ROLE_BINDINGS,
)


class KubernetesApi:
    """A client for one API server. Safe to share between threads."""

    def __init__(self, server: str, pool: urllib3.PoolManager, token_file: Path | None, field_manager: str) -> None:
        self._server = server.rstrip("/")
        self._pool = pool
        self._token_file = token_file
        self._field_manager = field_manager
        self._kinds = {(kind.api_version, kind.kind): kind for kind in BUILT_IN_KINDS}

    @classmethod
    def in_cluster(cls, field_manager: str) -> KubernetesApi:
        """The client of a pod with a service account."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        pool = urllib3.PoolManager(maxsize=8, ca_certs=str(SERVICE_ACCOUNT / "ca.crt"), timeout=TIMEOUT)
        return cls(f"https://{host}:{port}", pool, SERVICE_ACCOUNT / "token", field_manager)

    def register(self, *kinds: ResourceKind) -> None:
        """Make custom kinds known to `apply`."""
        self._kinds.update({(kind.api_version, kind.kind): kind for kind in kinds})

    def read(self, kind: ResourceKind, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None when there is none."""
        return self._unless_absent("GET", kind.path(namespace, name))

    def find(
        self, kind: ResourceKind, namespace: str | None = None, labels: dict[str, str] | None = None
    ) -> list[Manifest]:
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        items: list[Manifest] = self._request("GET", kind.path(namespace), query=query)["items"]
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]

    def create(self, manifest: Manifest) -> bool:
        """Create the object; False when one of that name exists already (it is left as it is)."""
        kind = self._kind_of(manifest)
        path = kind.path(manifest["metadata"].get("namespace"))
        try:
            self._request("POST", path, body=manifest, query={"fieldManager": self._field_manager})
        except KubernetesError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return False
            raise
        return True

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply, taking over fields that someone else owns. The answer is the object as stored."""
        metadata = manifest["metadata"]
        path = self._kind_of(manifest).path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": self._field_manager, "force": "true"}
        return self._request("PATCH", path, body=manifest, query=query, content_type="application/apply-patch+yaml")

    def patch(self, kind: ResourceKind, namespace: str | None, name: str, change: Manifest) -> Manifest | None:
        """JSON merge patch: None values remove keys. The answer is None when there is no such object."""
        query = {"fieldManager": self._field_manager}
        return self._unless_absent(
            "PATCH", kind.path(namespace, name), body=change, query=query, content_type="application/merge-patch+json"
        )

    def patch_status(self, kind: ResourceKind, namespace: str | None, name: str, status: Manifest) -> Manifest | None:
        """JSON merge patch of the status subresource."""
        query = {"fieldManager": self._field_manager}
        return self._unless_absent(
            "PATCH",
            kind.path(namespace, name, "status"),
            body={"status": status},
            query=query,
            content_type="application/merge-patch+json",
        )

    def delete(self, kind: ResourceKind, namespace: str | None, name: str, uid: str | None = None) -> bool:
        """Delete the object (only the one with this UID, when given); False when there is none."""
        body: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        return self._unless_absent("DELETE", kind.path(namespace, name), body=body) is not None

    def _kind_of(self, manifest: Manifest) -> ResourceKind:
        return self._kinds[manifest["apiVersion"], manifest["kind"]]

    def _unless_absent(self, method: str, path: str, **details: Any) -> Manifest | None:
        try:
            return self._request(method, path, **details)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if self._token_file:
            # Read every time: the kubelet replaces the token before it expires.
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        response = self._pool.request(method, url, body=json.dumps(body) if body is not None else None, headers=headers)
        answer: Manifest = _decoded(response.data)
        if response.status >= 400:
            raise KubernetesError(response.status, answer.get("reason", ""), answer.get("message", f"{method} {path}"))
        return answer


def _decoded(data: bytes) -> Manifest:
    try:
        answer = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")[:200]}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:200]}
