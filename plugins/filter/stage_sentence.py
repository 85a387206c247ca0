# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _summary

DOCUMENTATION = r"""
name: stage_sentence
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A stage of a run in one line
description:
  - How long it took, what it changed, what it waited for, and what its verification said.
positional: _input, check_mode
options:
  _input:
    description: A stage that has ended, as P(azora.platform.stage_marks#filter) returns it.
    type: dict
    required: true
  check_mode:
    description: Whether nothing was really changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say how the stage went
  ansible.builtin.debug:
    msg: "{{ stage | azora.platform.stage_sentence }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
  sample: "services: 31.0 s; 1 object changed (Deployment default/user); 7 ready after 21.4 s; PASSED: 23 of 23 pods ready"
"""


def stage_sentence(stage: dict[str, Any], check_mode: bool = False) -> str:
    return _summary.sentence(stage, check_mode=check_mode)


class FilterModule:
    """The filter stage_sentence."""

    def filters(self) -> dict[str, Any]:
        return {"stage_sentence": stage_sentence}
