# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks each replica of a gateway, through the API server and hence past every network policy."""

from __future__ import annotations

import functools
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._credentials import decoded
from ansible_collections.azora.platform.plugins.module_utils._gateway_truth import (
    answer_problem,
    loaded_problems,
    minted_token,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._tunnelled_http import Answer, ask

PODS = "/api/v1/namespaces/{}/pods"
SECRETS = "/api/v1/namespaces/{}/secrets/{}"
TIMEOUT = 20.0
API_KEY = "TYK_GW_SECRET"


class GatewayReplicas:
    """The pods of one gateway, and the keys that open it."""

    def __init__(self, client: KubernetesClient, gateway: Mapping[str, Any]) -> None:
        self._client = client
        self._namespace = str(gateway["namespace"])
        self._selector = ",".join(f"{key}={value}" for key, value in sorted(gateway["selector"].items()))
        self._ports = (int(gateway["control_port"]), int(gateway["port"]))
        self._key = self._secret(gateway["secret"]).get(API_KEY, "")
        held = gateway.get("token_key") or {}
        self._token_key = self._secret(held["secret"]).get(held["key"], "") if held else ""
        self._variable = str(held.get("variable", ""))

    def pods(self) -> list[str]:
        """Those that serve; one that is leaving or not ready yet is not asked."""
        found = self._client.list(PODS.format(self._namespace), label_selector=self._selector)
        return sorted(pod["metadata"]["name"] for pod in found if _serves(pod))

    def examined(
        self, intended: Sequence[Mapping[str, Any]], routes: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """One entry for each replica: its pod, what is wrong, and what could not be seen."""
        return together([functools.partial(self._examine, pod, intended, routes) for pod in self.pods()])

    def _examine(
        self, pod: str, intended: Sequence[Mapping[str, Any]], routes: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        problems: list[str] = []
        unseen: list[str] = []
        control, port = self._ports
        try:
            status, _headers, said = self._ask(pod, control, "/tyk/apis", {"x-tyk-authorization": self._key})
            if status == http.client.OK:
                problems += loaded_problems(intended, json.loads(said), {self._variable: self._token_key})
            else:
                problems.append(f"its own API answers {status} to the key in its Secret")
            for route in routes:
                problems += self._tried(pod, port, route)
                if route["authentication"] and not self._token_key:
                    unseen.append(
                        f"whether {route['path']} leads to {route['service']}: no token can be made without the issuer's key"
                    )
        except (OSError, http.client.HTTPException, ValueError, KubernetesError) as error:
            unseen.append(f"what pod {self._namespace}/{pod} says: {str(error) or type(error).__name__}")
        return {"pod": pod, "problems": problems, "unseen": unseen}

    def _tried(self, pod: str, port: int, route: Mapping[str, Any]) -> list[str]:
        problems = []
        status, headers, said = self._ask(pod, port, route["path"], {})
        problems.append(answer_problem(route, status, headers, said, with_token=False))
        if route["authentication"] and self._token_key:
            token = {"Authorization": f"Bearer {minted_token(self._token_key, time.time())}"}
            status, headers, said = self._ask(pod, port, route["path"], token)
            problems.append(answer_problem(route, status, headers, said, with_token=True))
        return [problem for problem in problems if problem]

    def _ask(self, pod: str, port: int, path: str, headers: Mapping[str, str]) -> Answer:
        with self._client.tunnel(self._namespace, pod, port) as tunnel:
            tunnel.settimeout(TIMEOUT)
            return ask(tunnel, port, "GET", path, headers={**headers, "Connection": "close"})

    def _secret(self, name: str) -> dict[str, str]:
        secret = self._client.get(SECRETS.format(self._namespace, name))
        if secret is None:
            raise KubernetesError(f"the Secret {self._namespace}/{name} is not there")
        return decoded(secret)


def _serves(pod: Mapping[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in (pod.get("status") or {}).get("conditions") or []}
    return not pod["metadata"].get("deletionTimestamp") and conditions.get("Ready") == "True"
