# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_plan
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Which operator is installed how
description:
  - Gives the operators of the catalogue, each with its method, and with what its release says for that method.
  - With them come sentences on settings that cannot be followed.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  releases:
    description:
      - What is known of each operator, the variable C(operators_releases) of the role azora.platform.operators.
    type: list
    elements: dict
    required: true
  method:
    description:
      - The method of the operators that O(methods) does not name.
    type: str
    required: true
  methods:
    description:
      - Methods by the operators' names.
    type: dict
    default: {}
  definitions:
    description:
      - Names of releases of which only the custom resource definitions are installed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Which operators come by Helm
  ansible.builtin.debug:
    msg: "{{ (catalogue | azora.platform.operator_plan(operators_releases, 'manifest', {'strimzi': 'helm'})).operators | selectattr('method', 'eq', 'helm') }}"
"""

RETURN = r"""
_value:
  description: The dictionary C(operators), and C(mistakes), a list of sentences.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_plan


def operator_plan(
    catalogue: dict[str, t.Any],
    releases: list[dict[str, t.Any]],
    method: str,
    methods: dict[str, str] | None = None,
    definitions: list[str] | None = None,
) -> dict[str, list[t.Any]]:
    """The operators with their methods, and what is wrong with the settings."""
    given = (catalogue, releases, method, methods or {}, definitions or [])
    return {
        "operators": _operator_plan.operator_plan(*given),
        "mistakes": _operator_plan.operator_mistakes(*given),
    }


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_plan": operator_plan}
