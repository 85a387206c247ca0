# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_selection
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What an existing Prometheus selects by
description:
  - Reads the selectors of a live Prometheus (the resource of the Prometheus operator) for PodMonitors, ServiceMonitors and PrometheusRules.
  - Tells the labels that make it select the given manifests, and says one sentence for each that no label on the manifest helps, such as a
    namespace that its namespace selector leaves out.
options:
  _input:
    description:
      - The Prometheus, as M(kubernetes.core.k8s_info) returns it.
    type: dict
    required: true
  manifests:
    description:
      - The monitors and rules, from P(azora.platform.monitoring_manifests#filter).
    type: list
    elements: dict
    required: true
  namespaces:
    description:
      - The live namespaces, whose labels namespace selectors look at.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Say what this Prometheus would not find
  ansible.builtin.debug:
    msg: "{{ (prometheus | azora.platform.prometheus_selection(manifests, namespaces)).findings }}"
"""

RETURN = r"""
_value:
  description: V(labels), what the manifests have to carry, and V(findings), a sentence for each thing that will not be found in spite of them.
  type: dict
  sample: {labels: {release: stack}, findings: []}
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _monitoring_selection


def prometheus_selection(
    prometheus: dict[str, t.Any], manifests: list[dict[str, t.Any]], namespaces: list[dict[str, t.Any]] | None = None
) -> dict[str, t.Any]:
    """Labels and findings."""
    return _monitoring_selection.prometheus_selection(prometheus, manifests, namespaces or [])


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"prometheus_selection": prometheus_selection}
