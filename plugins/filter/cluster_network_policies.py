# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _cluster_network_policies
from ansible_collections.azora.platform.plugins.module_utils._network_ends import PolicyInputError

DOCUMENTATION = r"""
name: cluster_network_policies
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The floor under the NetworkPolicies of a platform
description:
  - Derives a ClusterNetworkPolicy of the Baseline tier for each namespace of the catalogue. It denies what comes from any pod and what goes
    anywhere, for pods and directions that no NetworkPolicy selects, so that a deleted NetworkPolicy opens nothing.
  - On a cluster that does not serve C(policy.networking.k8s.io/v1alpha2) there is nothing to derive, and the list is empty.
positional: _input, cluster, namespaces
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  cluster:
    description:
      - What is known of the cluster, as M(azora.platform.cluster_info) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(cluster).
      - Used is C(served_apis).
    type: dict
    required: true
  namespaces:
    description:
      - Only these namespaces.
      - By default all namespaces of the catalogue.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Lay the floor in one call
  kubernetes.core.k8s:
    definition: "{{ catalogue | azora.platform.cluster_network_policies(cluster) }}"
    apply: true
    server_side_apply: {field_manager: azora.platform, force_conflicts: true}
"""

RETURN = r"""
_value:
  description: Manifests of C(policy.networking.k8s.io/v1alpha2), sorted by namespace.
  type: list
  elements: dict
  sample: [{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: azora.azora-es.floor}}]
"""


def cluster_network_policies(
    catalogue: dict[str, Any], cluster: dict[str, Any], namespaces: list[str] | None = None
) -> list[dict[str, Any]]:
    try:
        return _cluster_network_policies.cluster_network_policies(catalogue, cluster, namespaces)
    except PolicyInputError as error:
        raise AnsibleFilterError(f"cluster_network_policies: {error}") from error


class FilterModule:
    """The filter cluster_network_policies."""

    def filters(self) -> dict[str, Any]:
        return {"cluster_network_policies": cluster_network_policies}
