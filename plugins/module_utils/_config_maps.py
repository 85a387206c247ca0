# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ConfigMaps of the platform's workloads that no revision refers to any more."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._rollout_kinds import REVISION
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import referred
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Object

# Kubernetes' own number of old ReplicaSets that are kept.
HISTORY = 10


def config_maps_in_use(deployments: Sequence[Object], replica_sets: Sequence[Object]) -> list[str]:
    """The names of all ConfigMaps that the Deployments of a namespace and their histories refer to.

    A ReplicaSet that is beyond its Deployment's history is on its way out, and counts as gone already.
    """
    workloads = [*deployments, *[one for one in replica_sets if _is_kept(one, deployments, replica_sets)]]
    return sorted({name for entry in workloads for name in referred(entry["spec"]["template"], "configMap")})


def stale_config_maps(
    found: Sequence[Object], in_use: Mapping[str, Sequence[str]], manifests: Sequence[Object]
) -> list[dict[str, t.Any]]:
    """Of the ConfigMaps FOUND those that neither MANIFESTS nor anything IN_USE (by namespace) names, as manifests to delete.

    Of a namespace of which nothing is known nothing is stale.
    """
    kept = {_place(entry) for entry in manifests if entry["kind"] == "ConfigMap"}
    kept |= {(namespace, name) for namespace, names in in_use.items() for name in names}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}}
        for namespace, name in sorted({_place(entry) for entry in found} - kept)
        if namespace in in_use
    ]


def _is_kept(replica_set: Object, deployments: Sequence[Object], replica_sets: Sequence[Object]) -> bool:
    """By the rule of the Deployment controller: the newest old ones, and whatever has pods."""
    owner = next((one for one in deployments if _owns(one, replica_set)), None)
    if owner is None or int(replica_set["spec"].get("replicas") or 0):
        return True
    current = (owner["metadata"].get("annotations") or {}).get(REVISION)
    old = sorted(
        (one for one in replica_sets if _owns(owner, one) and _revision(one) != int(current or 0)),
        key=lambda one: -_revision(one),
    )
    limit = owner["spec"].get("revisionHistoryLimit")
    kept = old[: HISTORY if limit is None else int(limit)]
    return _revision(replica_set) == int(current or 0) or any(one is replica_set for one in kept)


def _owns(deployment: Object, replica_set: Object) -> bool:
    owners = replica_set["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == deployment["metadata"].get("uid") for owner in owners)


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _place(entry: Object) -> tuple[str, str]:
    metadata: Mapping[str, t.Any] = entry["metadata"]
    return str(metadata["namespace"]), str(metadata["name"])
