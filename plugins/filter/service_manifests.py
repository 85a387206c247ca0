# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Services of the catalogue as Kubernetes workloads
description:
  - Gives for every service a ServiceAccount, a ConfigMap (immutable, named by its content), a Service, a PodDisruptionBudget, a
    Deployment and, where it scales, a HorizontalPodAutoscaler.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.services.
      - V(openshift), V(secret_checksums), V(image_pull_policy), V(image_pull_secrets), V(run_as_user), V(topology_spread),
        V(min_ready_seconds), V(progress_deadline_seconds), V(revision_history_limit).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.service_manifests({}) }}"
"""

RETURN = r"""
_value:
  description: All manifests of all services.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _workload_manifests


def service_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """All manifests of all services."""
    return _workload_manifests.service_manifests(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"service_manifests": service_manifests}
