# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What Prometheus is to scrape and to warn of
description:
  - Gives a PodMonitor or ServiceMonitor for every service, gateway, store and operator that has metrics, beside its pods, and one
    PrometheusRule with the recording rules and alerts of the platform, in the namespace of monitoring.
  - Every series gets the labels C(platform), C(component) and, by the component, C(workload), C(store) or C(operator).
  - Reads nothing from the cluster and changes nothing. A catalogue without monitoring gives nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.monitoring.
      - V(labels), V(interval), V(runbook_url), V(limits), V(kafka_parts), V(redis_tls).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: >-
      {{ catalogue | azora.platform.monitoring_manifests(
           {'labels': {'release': 'stack'}, 'runbook_url': 'https://wiki.example.org/alerts', 'kafka_parts': []}) }}
"""

RETURN = r"""
_value:
  description: Monitors, then the rules.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _monitoring_manifests
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError


def monitoring_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Monitors, then the rules."""
    try:
        return _monitoring_manifests.monitoring_manifests(catalogue, settings)
    except MonitoringInputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"monitoring_manifests": monitoring_manifests}
