# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _network_ends, _network_policies

DOCUMENTATION = r"""
name: network_policies
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The NetworkPolicies of a platform
description:
  - >-
    Derives every NetworkPolicy from the catalogue: default deny and DNS for each namespace, ingress and egress
    of each workload and store, and what the operators, the API server and Prometheus need.
  - Both ends of a connection are written, each from the same description, so they cannot disagree.
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
      - Used are C(pod_cidrs), C(service_cidrs), C(node_cidrs), C(api_server) and C(dns).
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
- name: Apply all NetworkPolicies in one call
  kubernetes.core.k8s:
    definition: "{{ catalogue | azora.platform.network_policies(cluster) }}"
    apply: true
    server_side_apply: {field_manager: azora.platform, force_conflicts: true}
"""

RETURN = r"""
_value:
  description: Manifests of C(networking.k8s.io/v1), sorted by namespace and name.
  type: list
  elements: dict
  sample: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: azora-es}}]
"""


def network_policies(
    catalogue: dict[str, Any], cluster: dict[str, Any], namespaces: list[str] | None = None
) -> list[dict[str, Any]]:
    try:
        return _network_policies.network_policies(catalogue, cluster, namespaces)
    except _network_ends.PolicyInputError as error:
        raise AnsibleFilterError(f"network_policies: {error}") from error


class FilterModule:
    """The filter network_policies."""

    def filters(self) -> dict[str, Any]:
        return {"network_policies": network_policies}
