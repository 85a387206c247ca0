# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _canary

DOCUMENTATION = r"""
name: canary_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What to apply first, so that one pod of each new revision comes before the others
description:
  - Of each workload with C(canary) in the catalogue that serves with another revision than its manifest's, the Deployment held back, and
    what its pod reads.
  - The Deployment is held back by C(minReadySeconds). As it is meant is remembered in its annotation C(azora.platform/canary).
  - Reads nothing from the cluster and changes nothing.
positional: _input, manifests, live
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  manifests:
    description: What is about to be applied.
    type: list
    elements: dict
    required: true
  live:
    description: The Deployments as they stand, as M(kubernetes.core.k8s_info) returns them in RV(kubernetes.core.k8s_info#module:resources).
    type: list
    elements: dict
    required: true
seealso:
  - plugin: azora.platform.canaries
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Apply one pod of each new revision
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.canary_manifests(services_manifests, found.resources) }}"
    apply: true
"""

RETURN = r"""
_value:
  description: The manifests, none where no revision changes.
  type: list
  elements: dict
  sample:
    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: user, namespace: default, annotations: {azora.platform/canary: "{…}"}}}
"""


def canary_manifests(
    catalogue: dict[str, Any], manifests: list[dict[str, Any]], live: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    return _canary.canary_manifests(catalogue, manifests, live)


class FilterModule:
    """The filter canary_manifests."""

    def filters(self) -> dict[str, Any]:
        return {"canary_manifests": canary_manifests}
