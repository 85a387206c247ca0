# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The gateway as a Kubernetes workload with its configuration
description:
  - Gives the gateway's ServiceAccount, ConfigMaps (tyk.conf, API definitions, policies; immutable, each named by its content), Service,
    PodDisruptionBudget and Deployment, and what leads to it by a name (an Ingress, an HTTPRoute or Routes), if the catalogue wants that.
  - No secret is in a ConfigMap; the gateway takes them from its Secret as C(TYK_GW_…) variables.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.gateway.
      - V(openshift), V(secret_checksums), V(image_pull_policy), V(image_pull_secrets), V(run_as_user), V(topology_spread),
        V(min_ready_seconds), V(progress_deadline_seconds), V(revision_history_limit), V(service_type), V(node_port).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.gateway_manifests({}) }}"
"""

RETURN = r"""
_value:
  description: All manifests of the gateway.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _gateway_manifests


def gateway_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """All manifests of the gateway."""
    return _gateway_manifests.gateway_manifests(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"gateway_manifests": gateway_manifests}
