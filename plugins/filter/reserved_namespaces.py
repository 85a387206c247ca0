# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _openshift

DOCUMENTATION = r"""
name: reserved_namespaces
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Namespaces of a catalogue that the cluster keeps for itself
description:
  - OpenShift gives pods of C(default) and of its own namespaces no users, and asks for no workloads there.
positional: _input, cluster
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it.
    type: dict
    required: true
  cluster:
    description: The facts of the cluster, as P(azora.platform.cluster_info#module) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse namespaces of OpenShift
  ansible.builtin.assert:
    that: catalogue | azora.platform.reserved_namespaces(cluster) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each; none on other clusters.
  type: list
  elements: str
  sample: []
"""


def reserved_namespaces(catalogue: dict[str, Any], cluster: dict[str, Any]) -> list[str]:
    return _openshift.reserved_namespaces(catalogue, cluster)


class FilterModule:
    """The filter reserved_namespaces."""

    def filters(self) -> dict[str, Any]:
        return {"reserved_namespaces": reserved_namespaces}
