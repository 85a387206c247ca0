# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: store_findings
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What a cluster lacks for its data stores
description:
  - Compares the manifests of the data stores with the nodes, the storage classes and the Redis Enterprise licence of a cluster.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The manifests of PostgreSQL, Redis and Kafka together.
    type: list
    elements: dict
    required: true
  nodes:
    description:
      - Nodes, as M(kubernetes.core.k8s_info) returns them; null if they cannot be read, then they are not compared.
    type: list
    elements: dict
  storage_classes:
    description:
      - StorageClasses, likewise.
    type: list
    elements: dict
  redis_clusters:
    description:
      - RedisEnterpriseClusters as they are on the cluster, likewise.
    type: list
    elements: dict
  postgres_clusters:
    description:
      - Clusters of CloudNativePG as they are on the cluster, likewise.
    type: list
    elements: dict
  claims:
    description:
      - PersistentVolumeClaims of these, likewise.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: What the cluster lacks
  ansible.builtin.debug:
    msg: "{{ postgres_manifests | azora.platform.store_findings(nodes=nodes.resources, storage_classes=classes.resources) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none if nothing is missing.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _store_preflight


def store_findings(
    manifests: list[dict[str, t.Any]],
    *,
    nodes: list[dict[str, t.Any]] | None = None,
    storage_classes: list[dict[str, t.Any]] | None = None,
    redis_clusters: list[dict[str, t.Any]] | None = None,
    postgres_clusters: list[dict[str, t.Any]] | None = None,
    claims: list[dict[str, t.Any]] | None = None,
) -> list[str]:
    """One sentence for each thing that the cluster lacks."""
    return _store_preflight.store_findings(
        manifests,
        nodes=nodes,
        storage_classes=storage_classes,
        redis_clusters=redis_clusters,
        postgres_clusters=postgres_clusters,
        claims=claims,
    )


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"store_findings": store_findings}
