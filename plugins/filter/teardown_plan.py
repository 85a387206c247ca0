# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: teardown_plan
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The end of a platform, step by step
description:
  - Sorts what M(azora.platform.inventory_info) found by the steps in which it goes, and says what stays and why.
  - What is not this platform's by its labels, by its owner, or by the store or operator that it is of, is never in a step.
  - Reads nothing from the cluster and changes nothing.
positional: _input, operators, inventory, settings
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role P(azora.platform.catalogue#role).
    type: dict
    required: true
  operators:
    description: The manifests of each operator that the platform brought, by the operator's name.
    type: dict
    required: true
  inventory:
    description: RV(azora.platform.inventory_info#module:namespaces), RV(azora.platform.inventory_info#module:objects) and
      RV(azora.platform.inventory_info#module:unread).
    type: dict
    required: true
  settings:
    description:
      - V(data), V(keep) or V(delete); V(delete_stores), stores whose data go in either case; V(confirm) and V(cluster), the name that was given and
        the one that has to be; V(groups), the API groups of the operators.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would go
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.teardown_plan({}, inventory, settings) }}"
  vars:
    settings: {data: keep, delete_stores: [], confirm: "", cluster: lab, groups: [kafka.strimzi.io]}
"""

RETURN = r"""
_value:
  description:
    - V(refusals), sentences, none if everything may begin; V(notes), what is written on objects before; V(steps), V(operators), V(definitions),
      V(floors) and V(namespaces), what goes; V(returned), namespaces whose labels are taken back; V(kept), sentences about what stays.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _teardown


def teardown_plan(
    catalogue: dict[str, t.Any],
    operators: dict[str, list[dict[str, t.Any]]],
    inventory: dict[str, t.Any],
    settings: dict[str, t.Any],
) -> dict[str, t.Any]:
    """What goes in which step, and what stays."""
    return _teardown.teardown_plan(catalogue, operators, inventory, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"teardown_plan": teardown_plan}
