# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._rollout_report import awaited

DOCUMENTATION = r"""
name: awaited_rollouts
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What a rollout waits for, in a few words
description:
  - Of manifests, those that show readiness at all, as M(azora.platform.rollout) waits for them.
  - For the name of a task, which is all that can be seen while a module runs.
positional: _input
options:
  _input:
    description: The manifests.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: "Wait for {{ services_manifests | azora.platform.awaited_rollouts }}"
  azora.platform.rollout:
    resources: "{{ services_manifests }}"
"""

RETURN = r"""
_value:
  description: Namespaces and names of the first few, and how many more there are.
  type: str
  sample: default/user, default/course
"""


def awaited_rollouts(manifests: list[dict[str, Any]]) -> str:
    return awaited(manifests)


class FilterModule:
    """The filter awaited_rollouts."""

    def filters(self) -> dict[str, Any]:
        return {"awaited_rollouts": awaited_rollouts}
