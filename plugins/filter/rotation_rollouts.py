# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _rotation

DOCUMENTATION = r"""
name: rotation_rollouts
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The Deployments that a rotation rolls
description:
  - Chooses them, and the autoscalers that say how many pods they have, among the manifests of all workloads.
  - Tells which of them would change by more than their credentials.
  - Reads nothing from the cluster and changes nothing.
positional: _input, manifests
options:
  _input:
    description:
      - What is rotated, as P(azora.platform.rotation_plan#filter) gives it.
    type: dict
    required: true
  manifests:
    description:
      - The manifests of the workloads, as P(azora.platform.service_manifests#filter) and P(azora.platform.gateway_manifests#filter) give them.
    type: list
    elements: dict
    required: true
  deployments:
    description:
      - Deployments of the cluster, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    default: []
  pods:
    description:
      - Pods of the cluster, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show what is rolled
  ansible.builtin.debug:
    msg: "{{ (plan | azora.platform.rotation_rollouts(services_manifests)).manifests }}"
"""

RETURN = r"""
_value:
  description:
    - Keys C(manifests), C(pending), a sentence for each Deployment that is not there or not as its manifest has it, and C(former), a sentence for each pod
      of theirs that is not of the manifest's template.
  type: dict
"""


def rotation_rollouts(
    plan: dict[str, Any],
    manifests: list[dict[str, Any]],
    *,
    deployments: list[dict[str, Any]] | None = None,
    pods: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    chosen = _rotation.rollouts(plan, manifests)
    return {
        "manifests": chosen,
        "pending": _rotation.pending_changes(chosen, deployments or []),
        "former": _rotation.former_pods(chosen, pods or []),
    }


class FilterModule:
    """The filter rotation_rollouts."""

    def filters(self) -> dict[str, Any]:
        return {"rotation_rollouts": rotation_rollouts}
