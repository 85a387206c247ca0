# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_subscriptions
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What the Operator Lifecycle Manager is given
description:
  - Gives a Subscription for each operator, and an OperatorGroup for each of their namespaces that has none of somebody else.
  - With them come sentences on what OLM must not be asked for, such as an older version than the one that is installed.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - Operators as the filter azora.platform.operator_plan gives them.
    type: list
    elements: dict
    required: true
  groups:
    description:
      - The OperatorGroups that are there.
    type: list
    elements: dict
    default: []
  subscriptions:
    description:
      - The Subscriptions that are there.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: What is applied for OLM
  ansible.builtin.debug:
    msg: "{{ (operators | azora.platform.operator_subscriptions).manifests }}"
"""

RETURN = r"""
_value:
  description: C(manifests), a list of dictionaries, and C(refusals), a list of sentences.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_subscriptions


def operator_subscriptions(
    operators: list[dict[str, t.Any]],
    groups: list[dict[str, t.Any]] | None = None,
    subscriptions: list[dict[str, t.Any]] | None = None,
) -> dict[str, list[t.Any]]:
    """Subscriptions and OperatorGroups, and what must not be asked for."""
    return {
        "manifests": _operator_subscriptions.olm_manifests(operators, groups or []),
        "refusals": _operator_subscriptions.olm_refusals(operators, groups or [], subscriptions or []),
    }


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_subscriptions": operator_subscriptions}
