# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_config_maps
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: ConfigMaps that no revision of a workload refers to any more
description:
  - Each revision of a workload has ConfigMaps of its own, which never change. Picks those that are neither among the derived manifests nor referred to
    by a Deployment or by one of the ReplicaSets of its history.
  - Reads nothing from the cluster and changes nothing.
positional: _input, in_use, manifests
options:
  _input:
    description:
      - The ConfigMaps of the workloads, as M(kubernetes.core.k8s_info) returns them in RV(kubernetes.core.k8s_info#module:resources). Any of them may be
        picked, so they have to be chosen by the platform's labels.
    type: list
    elements: dict
    required: true
  in_use:
    description:
      - The names of those that are in use, by namespace, as RV(azora.platform.rollout#module:config_maps).
      - Nothing is picked in other namespaces.
    type: dict
    required: true
  manifests:
    description: The derived manifests; the ConfigMaps among them stay.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Remove what no revision refers to
  kubernetes.core.k8s:
    state: absent
    definition: "{{ found.resources | azora.platform.stale_config_maps(rolled_out.config_maps, services_manifests) }}"
"""

RETURN = r"""
_value:
  description: The manifests to delete, with kind, namespace and name only.
  type: list
  elements: dict
  sample: [{apiVersion: v1, kind: ConfigMap, metadata: {name: user-config-0a1b2c3d4e, namespace: default}}]
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _config_maps


def stale_config_maps(
    found: list[dict[str, t.Any]], in_use: dict[str, list[str]], manifests: list[dict[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """What to delete."""
    return _config_maps.stale_config_maps(found, in_use, manifests)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"stale_config_maps": stale_config_maps}
