# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_downgrades
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Operators that would be replaced by older ones
description:
  - Tells, in sentences, which operators of the catalogue run in a newer version than the one to be installed, by the tags of their images.
  - A tag that is no version tells nothing.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  deployments:
    description:
      - Deployments, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  versions:
    description:
      - The versions to be installed, by the operators' names.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Which operators would be replaced by older ones
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.operator_downgrades(deployments.resources, {'strimzi': '1.2.0'}) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none if there is no such operator.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_manifests


def operator_downgrades(
    catalogue: dict[str, t.Any], deployments: list[dict[str, t.Any]], versions: dict[str, str]
) -> list[str]:
    """One sentence for each operator that would be replaced by an older one."""
    return _operator_manifests.operator_downgrades(catalogue, deployments, versions)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_downgrades": operator_downgrades}
