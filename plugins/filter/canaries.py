# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _canary

DOCUMENTATION = r"""
name: canaries
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Of Deployments those that are held back with one pod of their new revision
description:
  - Picks what P(azora.platform.canary_manifests#filter) has held back, by its annotation C(azora.platform/canary).
positional: _input
options:
  _input:
    description: The Deployments as they stand, as M(kubernetes.core.k8s_info) returns them in RV(kubernetes.core.k8s_info#module:resources).
    type: list
    elements: dict
    required: true
seealso:
  - plugin: azora.platform.canary_manifests
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Return them to the revision before
  azora.platform.rollback:
    deployments: "{{ found.resources | azora.platform.canaries }}"
    revision: previous
"""

RETURN = r"""
_value:
  description: The namespace and name of each.
  type: list
  elements: dict
  sample: [{namespace: default, name: user}]
"""


def canaries(live: list[dict[str, Any]]) -> list[dict[str, str]]:
    return _canary.canaries_among(live)


class FilterModule:
    """The filter canaries."""

    def filters(self) -> dict[str, Any]:
        return {"canaries": canaries}
