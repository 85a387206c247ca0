# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_enlargement
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Which claims are to grow because a PostgreSQL cluster has a full volume
description:
  - CloudNativePG leaves a cluster with a full volume alone, and does not enlarge its claims either.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The manifests of PostgreSQL, with the sizes that are wanted.
    type: list
    elements: dict
    required: true
  clusters:
    description:
      - Clusters of CloudNativePG as they are on the cluster, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  claims:
    description:
      - PersistentVolumeClaims, likewise.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: What is to grow
  ansible.builtin.debug:
    msg: "{{ postgres_manifests | azora.platform.postgres_enlargement(clusters.resources, claims.resources) }}"
"""

RETURN = r"""
_value:
  description: What to write, and for whom.
  type: dict
  contains:
    claims:
      description: Manifests of claims, with their new size only.
      type: list
      elements: dict
    clusters:
      description: Clusters (C(namespace/name)) whose volumes grow by this, or are growing already.
      type: list
      elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _postgres_volumes

Objects = list[dict[str, t.Any]]


def postgres_enlargement(manifests: Objects, clusters: Objects, claims: Objects) -> dict[str, t.Any]:
    """Which claims are to grow, and of which clusters."""
    return _postgres_volumes.enlargement(manifests, clusters, claims)._asdict()


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"postgres_enlargement": postgres_enlargement}
