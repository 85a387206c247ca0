# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_chart_values
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The values for an operator's Helm chart
description:
  - Says to a vendor's chart, in its own words, which namespaces it watches and which mirror images come from.
  - The values of the operator's release lie over these.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - One operator as the filter azora.platform.operator_plan gives it.
    type: dict
    required: true
  mirror:
    description:
      - What stands in front of every image instead of its registry.
    type: str
    default: ""
  without_certificates:
    description:
      - Whether the chart makes no certificates, since somebody else does.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Values for the chart of Strimzi
  ansible.builtin.debug:
    msg: "{{ operator | azora.platform.operator_chart_values('registry.example.com/mirror') }}"
"""

RETURN = r"""
_value:
  description: Values.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_charts


def operator_chart_values(
    operator: dict[str, t.Any], mirror: str = "", without_certificates: bool = False
) -> dict[str, t.Any]:
    """The values for the operator's chart."""
    return _operator_charts.chart_values(operator, mirror, without_certificates=without_certificates)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_chart_values": operator_chart_values}
