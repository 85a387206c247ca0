# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _summary

DOCUMENTATION = r"""
name: stage_marks
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A stage of a run, as it begins or ends
description:
  - A stage that begins is a name, a time and a mark in each list. When it ends, it has its seconds and what came to the lists meanwhile.
positional: _input, now, lists, complete
options:
  _input:
    description: The name of a stage that begins, or the stage, as this filter returned it, when it ends.
    type: raw
    required: true
  now:
    description: The time, in seconds.
    type: float
    required: true
  lists:
    description:
      - What was gathered in this run so far, with the keys C(changed), C(waited) and C(verified), each a list of texts.
    type: dict
    required: true
  complete:
    description: Whether a stage that ends came to its end.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Note that a stage begins
  ansible.builtin.set_fact:
    stage: "{{ 'services' | azora.platform.stage_marks(now().timestamp(), {'changed': [], 'waited': [], 'verified': []}) }}"
"""

RETURN = r"""
_value:
  description: The stage.
  type: dict
  sample: {name: services, began: 1767225600.0, since: {changed: 0, waited: 0, verified: 0}}
"""


def stage_marks(
    stage: str | dict[str, Any], now: float, lists: dict[str, list[str]], complete: bool = True
) -> dict[str, Any]:
    if isinstance(stage, str):
        return _summary.begun(stage, now, lists)
    return _summary.ended(stage, now, lists, complete=complete)


class FilterModule:
    """The filter stage_marks."""

    def filters(self) -> dict[str, Any]:
        return {"stage_marks": stage_marks}
