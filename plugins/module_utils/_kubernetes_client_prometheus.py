# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Prometheus in the cluster, asked through the API server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._tunnelled_http import ask

TIMEOUT = 30.0
PODS = "/api/v1/namespaces/{}/pods"


def ask_prometheus(client: KubernetesClient, place: Mapping[str, Any], path: str) -> Any:
    """What the first pod that answers says under `data`; KubernetesError if none does. `place`: namespace, labels, port."""
    labels = ",".join(f"{name}={value}" for name, value in sorted(place["labels"].items()))
    running = [
        pod["metadata"]["name"]
        for pod in client.list(PODS.format(place["namespace"]), label_selector=labels)
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    reasons = []
    for pod in sorted(running):
        try:
            return _ask_pod(client, place["namespace"], pod, int(place["port"]), path)
        except (OSError, http.client.HTTPException, ValueError, KubernetesError) as error:
            reasons.append(str(error) or type(error).__name__)
    why = "; ".join(dict.fromkeys(reasons)) or f"no pod with the labels {labels} runs"
    raise KubernetesError(f"Prometheus in {place['namespace']} does not answer: {why}")


def _ask_pod(client: KubernetesClient, namespace: str, pod: str, port: int, path: str) -> Any:
    with client.tunnel(namespace, pod, port) as tunnel:
        tunnel.settimeout(TIMEOUT)
        said = ask(tunnel, port, "GET", path, headers={"Accept": "application/json"})
    if said.status != http.client.OK:
        raise KubernetesError(f"pod {namespace}/{pod} answers {said.status}")
    answer = json.loads(said.body)
    if answer.get("status") != "success":
        raise KubernetesError(f"pod {namespace}/{pod} says {answer.get('error') or answer.get('status')}")
    return answer["data"]
