# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _rotation

DOCUMENTATION = r"""
name: rotation_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets with the new passwords of a rotation
description:
  - Gives the Secrets of the bridges, of the roles, or of the gateway, with random passwords.
  - Those of roles and gateway are new at every call. A bridge's is kept if it stands on the cluster.
  - The result holds passwords, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
positional: _input, catalogue, existing
options:
  _input:
    description:
      - What is rotated, as P(azora.platform.rotation_plan#filter) gives it.
    type: dict
    required: true
  catalogue:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  existing:
    description:
      - Secrets of the stores' and the gateway's namespaces, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  of:
    description: Whose Secrets.
    type: str
    choices: [bridges, renewed]
    required: true
"""

EXAMPLES = r"""
- name: Give each bridge its password
  kubernetes.core.k8s:
    resource_definition: "{{ plan | azora.platform.rotation_secrets(catalogue, secrets.resources, of='bridges') }}"
    apply: true
  no_log: true
"""

RETURN = r"""
_value:
  description: Secrets.
  type: list
  elements: dict
"""


def rotation_secrets(
    plan: dict[str, Any], catalogue: dict[str, Any], existing: list[dict[str, Any]], *, of: str
) -> list[dict[str, Any]]:
    if of == "bridges":
        return _rotation.bridge_secrets(plan, existing)
    gateway = _rotation.renewed_gateway_secret(catalogue, existing) if plan["gateway"] else []
    return _rotation.renewed_secrets(plan) + gateway


class FilterModule:
    """The filter rotation_secrets."""

    def filters(self) -> dict[str, Any]:
        return {"rotation_secrets": rotation_secrets}
