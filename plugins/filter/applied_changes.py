# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _summary

DOCUMENTATION = r"""
name: applied_changes
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What the module k8s has made or changed
description:
  - Names the objects of a result of M(kubernetes.core.k8s), which has another form for one object than for a list.
positional: _input
options:
  _input:
    description: The registered result.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what was changed
  ansible.builtin.debug:
    msg: "{{ applied | azora.platform.applied_changes }}"
"""

RETURN = r"""
_value:
  description: Kind, namespace and name of each object that is not as it was.
  type: list
  elements: str
  sample: [Deployment default/user]
"""


def applied_changes(result: dict[str, Any]) -> list[str]:
    return _summary.applied_changes(result)


class FilterModule:
    """The filter applied_changes."""

    def filters(self) -> dict[str, Any]:
        return {"applied_changes": applied_changes}
