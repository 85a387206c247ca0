# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_findings
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Operators that are not available
description:
  - Tells, in sentences, which operators of the catalogue have no Deployment or not all of its pods.
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
"""

EXAMPLES = r"""
- name: Which operators are not available
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.operator_findings(deployments.resources) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none if all are available.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_manifests


def operator_findings(catalogue: dict[str, t.Any], deployments: list[dict[str, t.Any]]) -> list[str]:
    """One sentence for each operator that is not available."""
    return _operator_manifests.operator_findings(catalogue, deployments)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_findings": operator_findings}
