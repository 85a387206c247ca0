# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of a verification: what it rested on when it last passed, in a ConfigMap of the cluster itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod

FIELD_MANAGER_LABELS = {"app.kubernetes.io/managed-by": "azora.platform", "app.kubernetes.io/component": "verification"}
# What the API server and controllers write without a change of what is meant.
_VOLATILE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "annotations", "uid")


@dataclass(frozen=True)
class Record:
    """The ConfigMap."""

    namespace: str
    name: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"


def fingerprint(asked: Any, pods: Mapping[str, Sequence[Pod]], objects: Iterable[Mapping[str, Any]]) -> str:
    """A hash of everything that packets depend on: what is asked, the pods, and the policies with their namespaces and nodes."""
    standing = {
        workload: [
            {
                "uid": pod.manifest["metadata"].get("uid"),
                "labels": pod.manifest["metadata"].get("labels"),
                "address": pod.address,
                "node": pod.node,
                "ready": pod.ready,
                "restarts": pod.restarts,
                "containers": pod.manifest.get("spec", {}).get("containers"),
            }
            for pod in found
        ]
        for workload, found in pods.items()
    }
    kinds = [
        {"kind": listed.get("kind"), "items": [_meant(item) for item in listed.get("items") or []]}
        for listed in objects
        if listed.get("kind") not in ("PodList", "NodeList")
    ]
    text = json.dumps([asked, standing, kinds], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _meant(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _VOLATILE}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def last_passed(client: KubernetesClient, record: Record, wanted: str) -> str | None:
    """When a verification of exactly this passed last; None if it did not."""
    found = client.get(f"{record.path}/{record.name}")
    data = (found or {}).get("data") or {}
    return data.get("passed_at") if data.get("fingerprint") == wanted else None


def keep(client: KubernetesClient, record: Record, wanted: str, passed_at: str) -> None:
    """Remember that it passed; nothing is remembered of one that did not, and it forgets the one before."""
    data = {"fingerprint": wanted, "passed_at": passed_at}
    if client.get(f"{record.path}/{record.name}") is None:
        metadata = {"name": record.name, "namespace": record.namespace, "labels": FIELD_MANAGER_LABELS}
        client.create(record.path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    else:
        client.patch(f"{record.path}/{record.name}", {"data": data})
