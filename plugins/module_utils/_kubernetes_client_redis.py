# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The REST API of a Redis Enterprise cluster, through the API server, and the Secrets that open it and the object store."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._redis_datasets import (
    Database,
    DatasetError,
    RefusedError,
)
from ansible_collections.azora.platform.plugins.module_utils._tunnelled_http import ask

API_PORT = 9443
TIMEOUT = 30.0
CLUSTER = "/apis/app.redislabs.com/v1/namespaces/{}/redisenterpriseclusters/{}"
DATABASE = "/apis/app.redislabs.com/v1alpha1/namespaces/{}/redisenterprisedatabases/{}"
SECRETS = "/api/v1/namespaces/{}/secrets/{}"
PODS = "/api/v1/namespaces/{}/pods"


class ClusterApi:
    """Asks the nodes one after the other until one answers: not every node does."""

    def __init__(self, client: KubernetesClient, namespace: str, cluster: str) -> None:
        self._client = client
        self._namespace = namespace
        self._cluster = cluster
        resource = client.get(CLUSTER.format(namespace, cluster))
        if resource is None:
            raise DatasetError(f"the RedisEnterpriseCluster {namespace}/{cluster} is not there")
        name = resource["spec"].get("clusterCredentialSecretName") or cluster
        values = secret_values(client, namespace, str(name))
        token = base64.b64encode(f"{values.get('username')}:{values.get('password')}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Accept": "application/json"}
        self._pod = ""

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        reasons = []
        # The one that answered last comes first.
        for pod in sorted(self._pods(), key=lambda pod: pod != self._pod):
            try:
                answer = self._ask_pod(pod, method, path, body)
            except (OSError, http.client.HTTPException, ValueError, KubernetesError) as error:
                reasons.append(str(error) or type(error).__name__)
                continue
            self._pod = pod
            return answer
        why = "; ".join(dict.fromkeys(reasons)) or "none of its pods is there"
        raise DatasetError(f"the REST API of the cluster {self._namespace}/{self._cluster} does not answer: {why}")

    def _pods(self) -> list[str]:
        labels = f"redis.io/cluster={self._cluster},redis.io/role=node"
        pods = self._client.list(PODS.format(self._namespace), label_selector=labels)
        return sorted(pod["metadata"]["name"] for pod in pods)

    def _ask_pod(self, pod: str, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        with self._client.tunnel(self._namespace, pod, API_PORT) as tunnel:
            # The certificate is the product's own, of an authority that stands nowhere. Who is at the other end is seen to by the API
            # server and the node's kubelet: the connection ends in the pod itself.
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            tunnel.settimeout(TIMEOUT)
            content = None if body is None else json.dumps(body)
            headers = {**self._headers, **({"Content-Type": "application/json"} if content else {})}
            said = ask(context.wrap_socket(tunnel), API_PORT, method, path, headers=headers, body=content)
        if said.status in (301, 302, 307, 308, 502, 503, 504):
            raise KubernetesError(f"pod {self._namespace}/{pod} answers {said.status}")
        if said.status != http.client.OK:
            raise RefusedError(said.status, _words(said.body) or f"status {said.status}")
        return dict(json.loads(said.body)) if said.body.strip() else {}


def read_database(client: KubernetesClient, namespace: str, name: str) -> tuple[Database, dict[str, str]]:
    """A database, and the keys of the object store of its backups."""
    database = Database.of(f"{namespace}/{name}", client.get(DATABASE.format(namespace, name)))
    return database, secret_values(client, namespace, database.keys_secret)


def secret_values(client: KubernetesClient, namespace: str, name: str) -> dict[str, str]:
    secret = client.get(SECRETS.format(namespace, name))
    if secret is None:
        raise DatasetError(f"the Secret {namespace}/{name} is not there")
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def _words(said: bytes) -> str:
    try:
        return str(json.loads(said).get("description") or "")
    except (ValueError, AttributeError):
        return ""
