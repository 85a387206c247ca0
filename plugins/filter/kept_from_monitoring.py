# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_from_monitoring
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Namespaces that OpenShift's user-workload monitoring stays away from
description:
  - Finds the namespaces of monitors and rules whose labels keep OpenShift's Prometheus of user-defined projects away.
options:
  _input:
    description:
      - Monitors and rules, from P(azora.platform.monitoring_manifests#filter).
    type: list
    elements: dict
    required: true
  namespaces:
    description:
      - The namespaces that stand on the cluster, as the API returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: All of them are monitored
  ansible.builtin.assert:
    that: manifests | azora.platform.kept_from_monitoring(found.resources) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each.
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._monitoring_user_workload import kept_away


def kept_from_monitoring(manifests: list[dict[str, t.Any]], namespaces: list[dict[str, t.Any]]) -> list[str]:
    """One sentence for each."""
    return kept_away(manifests, namespaces)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"kept_from_monitoring": kept_from_monitoring}
