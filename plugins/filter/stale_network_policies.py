# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._cluster_network_policies import (
    KIND,
    stale_cluster_policies,
)
from ansible_collections.azora.platform.plugins.module_utils._network_policies import stale_policies

DOCUMENTATION = r"""
name: stale_network_policies
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Network policies of a platform that its catalogue no longer asks for
description:
  - Picks, from NetworkPolicies and ClusterNetworkPolicies found in a cluster, those that carry this platform's labels but are not among
    the derived ones.
  - Policies of anybody else are never picked.
positional: _input, found, derived, namespaces
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  found:
    description: Policies of both kinds as M(kubernetes.core.k8s_info) returns them in RV(kubernetes.core.k8s_info#module:resources).
    type: list
    elements: dict
    required: true
  derived:
    description:
      - Policies as P(azora.platform.network_policies#filter) and P(azora.platform.cluster_network_policies#filter) return them.
    type: list
    elements: dict
    required: true
  namespaces:
    description:
      - Only these namespaces.
      - By default every namespace, so that also those are found that the catalogue has given up.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Remove what is no longer derived
  kubernetes.core.k8s:
    state: absent
    definition: "{{ catalogue | azora.platform.stale_network_policies(found.resources, derived) }}"
"""

RETURN = r"""
_value:
  description: The manifests to delete, with kind, namespace (if they have one) and name only.
  type: list
  elements: dict
  sample: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: old-ingress, namespace: azora-es}}]
"""


def stale_network_policies(
    catalogue: dict[str, Any],
    found: list[dict[str, Any]],
    derived: list[dict[str, Any]],
    namespaces: list[str] | None = None,
) -> list[dict[str, Any]]:
    def of_cluster(policies: list[dict[str, Any]], *, wanted: bool) -> list[dict[str, Any]]:
        return [policy for policy in policies if (policy.get("kind") == KIND) is wanted]

    cluster_found, cluster_derived = of_cluster(found, wanted=True), of_cluster(derived, wanted=True)
    return [
        *stale_policies(catalogue, of_cluster(found, wanted=False), of_cluster(derived, wanted=False), namespaces),
        *stale_cluster_policies(catalogue, cluster_found, cluster_derived, namespaces),
    ]


class FilterModule:
    """The filter stale_network_policies."""

    def filters(self) -> dict[str, Any]:
        return {"stale_network_policies": stale_network_policies}
