# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _rotation

DOCUMENTATION = r"""
name: rotation_unapplied
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Passwords that PostgreSQL does not have yet
description:
  - Compares the versions of Secrets with those that the operator says it has brought into PostgreSQL.
  - Reads nothing from the cluster and changes nothing.
positional: _input, secrets, resources
options:
  _input:
    description:
      - What is rotated, as P(azora.platform.rotation_plan#filter) gives it.
    type: dict
    required: true
  secrets:
    description:
      - Secrets of the stores' namespaces, as M(kubernetes.core.k8s_info) returns them. Only their names and versions are looked at.
    type: list
    elements: dict
    required: true
  resources:
    description:
      - The DatabaseRoles (of bridges) or the Clusters (of roles), as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  of:
    description: Whose passwords.
    type: str
    choices: [bridges, roles]
    required: true
  namespace:
    description: The namespace the resources are of; empty for all.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Every role has the password of its Secret
  ansible.builtin.assert:
    that: plan | azora.platform.rotation_unapplied(secrets.resources, clusters.resources, of='roles') | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each password that is not applied yet.
  type: list
  elements: str
"""


def rotation_unapplied(
    plan: dict[str, Any],
    secrets: list[dict[str, Any]],
    resources: list[dict[str, Any]],
    *,
    of: str,
    namespace: str = "",
) -> list[str]:
    judge = _rotation.unapplied_bridges if of == "bridges" else _rotation.unapplied_passwords
    return judge(plan, secrets, resources, namespace)


class FilterModule:
    """The filter rotation_unapplied."""

    def filters(self) -> dict[str, Any]:
        return {"rotation_unapplied": rotation_unapplied}
