# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server of dictionaries, for the controllers' tests: what was applied can be read back."""

from __future__ import annotations

import copy
from typing import Any

from lab_operators.kubernetes_api import ResourceKind

Manifest = dict[str, Any]


class KubernetesDouble:
    """The verbs of KubernetesApi over a dictionary."""

    def __init__(self, *objects: Manifest) -> None:
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.statuses: list[Manifest] = []
        for manifest in objects:
            self.put(manifest)

    def put(self, manifest: Manifest) -> Manifest:
        manifest = copy.deepcopy(manifest)
        metadata = manifest["metadata"]
        metadata.setdefault("namespace", "data")
        metadata.setdefault("uid", f"uid-{manifest['kind']}-{metadata['name']}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("resourceVersion", "1")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.objects[manifest["kind"], metadata["namespace"], metadata["name"]] = manifest
        return manifest

    def get(self, kind: str, name: str, namespace: str = "data") -> Manifest:
        return self.objects[kind, namespace, name]

    def register(self, *kinds: ResourceKind) -> None:
        pass

    def read(self, kind: ResourceKind, namespace: str | None, name: str) -> Manifest | None:
        return copy.deepcopy(self.objects.get((kind.kind, namespace or "", name)))

    def find(
        self, kind: ResourceKind, namespace: str | None = None, labels: dict[str, str] | None = None
    ) -> list[Manifest]:
        return [
            copy.deepcopy(manifest)
            for (this_kind, this_namespace, _name), manifest in self.objects.items()
            if this_kind == kind.kind
            and namespace in (None, this_namespace)
            and (labels or {}).items() <= (manifest["metadata"].get("labels") or {}).items()
        ]

    def create(self, manifest: Manifest) -> bool:
        key = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if key in self.objects:
            return False
        self.put(manifest)
        return True

    def apply(self, manifest: Manifest) -> Manifest:
        key = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        status = self.objects.get(key, {}).get("status")
        return copy.deepcopy(self.put({**manifest, **({"status": status} if status else {})}))

    def patch(self, kind: ResourceKind, namespace: str | None, name: str, change: Manifest) -> Manifest | None:
        manifest = self.objects[kind.kind, namespace or "", name]
        for part, values in change.items():
            manifest.setdefault(part, {}).update(values)
        return manifest

    def patch_status(self, kind: ResourceKind, namespace: str | None, name: str, status: Manifest) -> Manifest | None:
        manifest = self.objects[kind.kind, namespace or "", name]
        manifest.setdefault("status", {}).update(copy.deepcopy(status))
        self.statuses.append(status)
        return manifest

    def delete(self, kind: ResourceKind, namespace: str | None, name: str, uid: str | None = None) -> bool:
        return self.objects.pop((kind.kind, namespace or "", name), None) is not None


def roll_out(stateful_set: Manifest) -> None:
    """What the StatefulSet controller writes once every pod is ready."""
    stateful_set["status"] = {
        "observedGeneration": stateful_set["metadata"]["generation"],
        "readyReplicas": stateful_set["spec"]["replicas"],
        "updatedReplicas": stateful_set["spec"]["replicas"],
        "currentRevision": "1",
        "updateRevision": "1",
    }
