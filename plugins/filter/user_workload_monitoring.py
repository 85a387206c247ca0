# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: user_workload_monitoring
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Whether OpenShift monitors user-defined projects
description:
  - Reads the configuration of OpenShift's monitoring, and gives the same with the monitoring of user-defined projects switched on.
  - Changes nothing itself.
options:
  _input:
    description:
      - The ConfigMap C(cluster-monitoring-config) of the namespace C(openshift-monitoring), as a list of one, or an empty list where there is none.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse to go on without it
  ansible.builtin.assert:
    that: (found.resources | azora.platform.user_workload_monitoring).enabled
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    enabled:
      description: Whether it is on.
      type: bool
    finding:
      description: A sentence if it is not.
      type: str
    manifest:
      description: The ConfigMap with which it is on; nothing else of it differs.
      type: dict
"""

import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_user_workload import (
    CONFIG_MAP,
    is_on,
    switched_off_sentence,
    switched_on,
)

KEY = "config.yaml"


def user_workload_monitoring(config_maps: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Whether it is on, and what to apply where it is not."""
    text = str(((config_maps[0].get("data") if config_maps else None) or {}).get(KEY) or "")
    enabled = is_on(_parsed(text))
    wanted = text if enabled else switched_on(text)
    if not is_on(_parsed(wanted)):
        raise AnsibleFilterError(
            f"{KEY} of the ConfigMap {CONFIG_MAP} is no mapping of settings; have an administrator mend it."
        )
    namespace, name = CONFIG_MAP.split("/")
    return {
        "enabled": enabled,
        "finding": "" if enabled else switched_off_sentence(),
        "manifest": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {KEY: wanted},
        },
    }


def _parsed(text: str) -> t.Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AnsibleFilterError(f"{KEY} of the ConfigMap {CONFIG_MAP} is not YAML: {error}") from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"user_workload_monitoring": user_workload_monitoring}
