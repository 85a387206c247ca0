# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dashboard_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Dashboards as ConfigMaps for Grafana
description:
  - Gives a ConfigMap for each dashboard, in the catalogue's namespace of monitoring, with the labels by which Grafana's sidecar finds it.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  dashboards:
    description:
      - The dashboards as JSON text, by their names.
    type: dict
    required: true
  settings:
    description:
      - V(dashboard_labels), those that the sidecar looks for (C(grafana_dashboard=1) by default), and V(dashboard_annotations).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the ConfigMaps
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.dashboard_manifests({'overview': lookup('ansible.builtin.file', 'overview.json')}) }}"
"""

RETURN = r"""
_value:
  description: A ConfigMap for each dashboard.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _monitoring_manifests


def dashboard_manifests(
    catalogue: dict[str, t.Any], dashboards: dict[str, str], settings: dict[str, t.Any] | None = None
) -> list[dict[str, t.Any]]:
    """A ConfigMap for each dashboard."""
    return _monitoring_manifests.dashboard_manifests(catalogue, settings or {}, dashboards)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"dashboard_manifests": dashboard_manifests}
