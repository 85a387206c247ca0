# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory says of an object: who it is, whose it is, what holds it back. Nothing of what is in it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.azora.platform.plugins.module_utils._resource_types import ResourceType

Entry = dict[str, t.Any]
Identity = tuple[str, str, str, str]

# This collection's own; those of others may hold whole objects (kubectl's last applied configuration).
ANNOTATIONS = "azora.platform/"


def inventory_entry(kind: ResourceType, item: Mapping[str, t.Any]) -> Entry:
    """An object as the API server lists it, without its content."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    entry: Entry = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": metadata["name"],
            "uid": metadata.get("uid") or "",
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {key: value for key, value in annotations.items() if key.startswith(ANNOTATIONS)},
            "ownerReferences": [
                {"kind": owner["kind"], "name": owner["name"], "uid": owner["uid"]}
                for owner in metadata.get("ownerReferences") or []
            ],
            "finalizers": list(metadata.get("finalizers") or []),
        },
    }
    if metadata.get("namespace"):
        entry["metadata"]["namespace"] = metadata["namespace"]
    cluster = _cluster_of(item)
    if cluster:
        entry["cluster"] = cluster
    cluster_id = (item.get("status") or {}).get("clusterId")
    if cluster_id:
        entry["clusterId"] = cluster_id
    return entry


def _cluster_of(item: Mapping[str, t.Any]) -> str:
    """The cluster of an operator to which a custom resource says it belongs."""
    spec = item.get("spec") or {}
    for key in ("cluster", "redisEnterpriseCluster"):
        reference = spec.get(key)
        if isinstance(reference, Mapping) and reference.get("name"):
            return str(reference["name"])
    return str((item["metadata"].get("labels") or {}).get("strimzi.io/cluster") or "")


def identity(item: Mapping[str, t.Any]) -> Identity:
    """Who an object is, whatever version of its group it was read by."""
    metadata = item["metadata"]
    group = str(item["apiVersion"]).rpartition("/")[0]
    return group, item["kind"], metadata.get("namespace") or "", metadata["name"]


def shown(item: Mapping[str, t.Any]) -> str:
    """An object's name for people."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{item['kind']} {f'{namespace}/' if namespace else ''}{metadata['name']}"
