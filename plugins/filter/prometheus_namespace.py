# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _openshift

DOCUMENTATION = r"""
name: prometheus_namespace
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Where the Prometheus is that scrapes a platform
description:
  - The namespace that the network policies let in to the metrics - C(monitoring.prometheus_namespace) of the catalogue, on OpenShift that of
    its user-workload monitoring, else the catalogue's namespace of monitoring.
positional: _input, cluster
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it. It must have C(monitoring).
    type: dict
    required: true
  cluster:
    description: The facts of the cluster, as P(azora.platform.cluster_info#module) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show where it is
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.prometheus_namespace(cluster) }}"
"""

RETURN = r"""
_value:
  description: The name of the namespace.
  type: str
  sample: openshift-user-workload-monitoring
"""


def prometheus_namespace(catalogue: dict[str, Any], cluster: dict[str, Any]) -> str:
    return _openshift.prometheus_namespace(catalogue, cluster)


class FilterModule:
    """The filter prometheus_namespace."""

    def filters(self) -> dict[str, Any]:
        return {"prometheus_namespace": prometheus_namespace}
