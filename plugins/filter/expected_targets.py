# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: expected_targets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What Prometheus should scrape
description:
  - Tells for each monitor which labels its targets carry and how many there are at least, by the replicas of the catalogue.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  manifests:
    description:
      - The monitors, from P(azora.platform.monitoring_manifests#filter); other manifests are not looked at.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what has to be up
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.expected_targets(monitoring_manifests) }}"
"""

RETURN = r"""
_value:
  description: One entry for each monitor.
  type: list
  elements: dict
  sample: [{monitor: default/user, labels: {platform: azora, component: service, workload: user}, least: 2}]
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _monitoring_targets


def expected_targets(catalogue: dict[str, t.Any], manifests: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Labels and least numbers."""
    monitors = [one for one in manifests if one["kind"] in ("PodMonitor", "ServiceMonitor")]
    return _monitoring_targets.expected_targets(catalogue, monitors)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"expected_targets": expected_targets}
