# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A Prometheus that needs no operator
description:
  - Gives a Prometheus in the catalogue's namespace of monitoring, whose configuration scrapes what the catalogue's PodMonitors and
    ServiceMonitors name, with the same labels, and has the same rules.
  - It may see the pods, Services and EndpointSlices of the namespaces it scrapes, and nothing else. The lab uses it.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - The settings of P(azora.platform.monitoring_manifests#filter), and V(image), V(retention), V(storage_size), V(resources), V(openshift).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.prometheus_manifests(settings) }}"
"""

RETURN = r"""
_value:
  description: Account, roles, configuration, Service and Deployment.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _monitoring_prometheus
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError


def prometheus_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Account, roles, configuration, Service and Deployment."""
    try:
        return _monitoring_prometheus.prometheus_manifests(catalogue, settings)
    except MonitoringInputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"prometheus_manifests": prometheus_manifests}
