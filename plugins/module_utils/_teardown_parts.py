# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of an inventory belongs to a platform, by the step of its end in which it goes."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ansible_collections.azora.platform.plugins.module_utils._inventory import Entry
from ansible_collections.azora.platform.plugins.module_utils._resource_types import group_of
from ansible_collections.azora.platform.plugins.module_utils._teardown_ownership import CLUSTER_KINDS, Ownership

# Custom resources that are clusters or parts of them; all others of the stores live in a cluster and go before it.
CLUSTERS = frozenset({*CLUSTER_KINDS, "KafkaNodePool"})
# The instances archive to it until they have ended.
ARCHIVES = frozenset({"ObjectStore"})
# Of an instance that was let go, so that its volumes stay. Its ConfigMaps tell who was the primary, its Secrets open the data.
OF_INSTANCES = frozenset(
    {"Deployment", "Job", "Pod", "PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount"}
)
DATA = frozenset({"ConfigMap", "PersistentVolumeClaim", "Secret"})
# What closes a namespace and bounds it. It outlives everything that has to end in an orderly way.
FLOORS = frozenset({"ClusterNetworkPolicy", "LimitRange", "NetworkPolicy", "ResourceQuota"})


class Sorted(t.NamedTuple):
    """The platform's objects by the step in which they go."""

    workloads: list[Entry]
    entities: list[Entry]
    clusters: list[Entry]
    instances: list[Entry]
    archives: list[Entry]
    data: list[Entry]
    floors: list[Entry]
    foreign: list[Entry]


def sorted_parts(owner: Ownership, objects: Sequence[Entry], groups: Sequence[str]) -> Sorted:
    parts = Sorted([], [], [], [], [], [], [], [])
    for entry in objects:
        kind = entry["kind"]
        if not owner.is_ours(entry):
            if not owner.is_of_everybody(entry):
                parts.foreign.append(entry)
        elif group_of(entry["apiVersion"]) in groups:
            if owner.is_root(entry):
                _part_of_store(parts, kind).append(entry)
        elif kind in DATA and _is_data(owner, entry):
            parts.data.append(entry)
        elif kind in FLOORS and owner.is_labelled(entry):
            parts.floors.append(entry)
        elif kind in OF_INSTANCES and is_of_postgres(owner, entry):
            parts.instances.append(entry)
        elif owner.is_labelled(entry) and owner.is_root(entry):
            parts.workloads.append(entry)
    return parts


def _part_of_store(parts: Sorted, kind: str) -> list[Entry]:
    if kind in CLUSTERS:
        return parts.clusters
    return parts.archives if kind in ARCHIVES else parts.entities


def is_of_postgres(owner: Ownership, entry: Entry) -> bool:
    cluster = owner.cluster_of(entry)
    return cluster is not None and cluster.kind == "postgresql"


def _is_data(owner: Ownership, entry: Entry) -> bool:
    """What a store's data are on, and what opens them: not what its operator makes anew and takes away by itself."""
    if not owner.store_of(entry):
        return owner.is_noted(entry)
    if entry["kind"] == "ConfigMap":
        return is_of_postgres(owner, entry)
    # CloudNativePG owns all of a cluster; the others own what they make anew.
    return entry["kind"] == "PersistentVolumeClaim" or owner.is_root(entry) or is_of_postgres(owner, entry)


def namespace_of(entry: Entry) -> str:
    return str(entry["metadata"].get("namespace") or "")
