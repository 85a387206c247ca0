# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kafka clusters that are made anew over volumes which a teardown has kept: they need the id that those have.

Source: https://strimzi.io/docs/operators/latest/deploying#proc-cluster-recovery-volume-str
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, merged

# On a kept volume, the id of the Kafka that wrote it: only its resource knew it.
CLUSTER_ID = "azora.platform/kafka-cluster-id"
CLUSTER_LABEL = "strimzi.io/cluster"
PAUSED = {"metadata": {"annotations": {"strimzi.io/pause-reconciliation": "true"}}}


def returning_clusters(
    manifests: Sequence[Mapping[str, t.Any]],
    volumes: Sequence[Mapping[str, t.Any]],
    standing: Sequence[Mapping[str, t.Any]],
) -> list[dict[str, t.Any]]:
    """{manifest, namespace, name, cluster_id} of each Kafka that has kept volumes and no id of its own; the manifest waits."""
    kept = {
        (metadata["namespace"], metadata["labels"][CLUSTER_LABEL]): metadata["annotations"][CLUSTER_ID]
        for metadata in (volume["metadata"] for volume in volumes)
        if (metadata.get("annotations") or {}).get(CLUSTER_ID) and CLUSTER_LABEL in (metadata.get("labels") or {})
    }
    identified = {_place(kafka) for kafka in standing if (kafka.get("status") or {}).get("clusterId")}
    returning = []
    for manifest in manifests:
        place = _place(manifest)
        if manifest["kind"] == "Kafka" and place in kept and place not in identified:
            paused: Manifest = merged(manifest, PAUSED)
            returning.append(
                {"manifest": paused, "namespace": place[0], "name": place[1], "cluster_id": str(kept[place])}
            )
    return returning


def _place(item: Mapping[str, t.Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]
