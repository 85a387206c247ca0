# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _rotation

DOCUMENTATION = r"""
name: rotation_plan
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Which passwords a rotation renews, and how
description:
  - Gives the roles of PostgreSQL that get a new password, each with its bridge, and the workloads that are rolled for it.
  - A bridge is a second role that is a member of the first. The workloads log in by it while the password of the first changes.
  - Fails with one sentence if a name is not known.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  only:
    description:
      - Names of workloads and of PostgreSQL stores. Empty for everything that can be rotated.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what would be rotated
  ansible.builtin.debug:
    msg: "{{ (catalogue | azora.platform.rotation_plan(['user'])).sentences }}"
"""

RETURN = r"""
_value:
  description:
    - Keys C(roles), C(workloads) (that use them), C(gateway) (its name, if its own keys are rotated), C(secrets_in) and
      C(pods_in) (namespaces), C(clusters) (with the statements that have the
      bridges act as their roles), C(bridges) (as DatabaseRole resources), C(bridge_secrets) (the names of their Secrets, as manifests), C(instead)
      (whose Secret takes the place of whose meanwhile) and C(sentences) (all of it in words). No password is among them.
  type: dict
"""


def rotation_plan(catalogue: dict[str, Any], only: list[str] | None = None) -> dict[str, Any]:
    try:
        plan = _rotation.rotation_plan(catalogue, only or [])
    except _rotation.RotationInputError as error:
        raise AnsibleFilterError(str(error)) from error
    return {**plan, "bridges": _rotation.bridges(plan), "bridge_secrets": _rotation.bridge_secret_names(plan)}


class FilterModule:
    """The filter rotation_plan."""

    def filters(self) -> dict[str, Any]:
        return {"rotation_plan": rotation_plan}
