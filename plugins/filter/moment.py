# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: moment
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A moment as a text, however it was read
description:
  - AWX marks each text as unsafe, and Ansible then reads one that is a moment as a date, and an empty one as null.
options:
  _input:
    description: A moment, as a text or as a date. What is neither is left as it is, as a text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Say since when
  ansible.builtin.debug:
    msg: "{{ rollback_since | azora.platform.moment }}"
"""

RETURN = r"""
_value:
  description: The moment in UTC.
  type: str
  sample: "2026-01-31T14:05:00Z"
"""

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _names


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Any]:
        """Names and functions."""
        return {"moment": _names.moment}
