# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring_chart_values
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The values for the Helm chart kube-prometheus-stack
description:
  - Says to the chart how often Prometheus scrapes, which labels its pods have, which mirror images come from, and which of its parts cannot run or reach
    anything under the platform's Pod Security and network policies.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - V(interval), V(image_mirror), and V(chart_values), which lie over all.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the chart is told
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.monitoring_chart_values({'interval': '30s'}) }}"
"""

RETURN = r"""
_value:
  description: Values.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _monitoring_chart


def monitoring_chart_values(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> dict[str, t.Any]:
    """The values for the chart."""
    return _monitoring_chart.monitoring_chart_values(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"monitoring_chart_values": monitoring_chart_values}
