# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_index
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The address range that a lab's name leads to
description:
  - Spreads the names of labs over the 60 address ranges. Two names may meet; the preflight of the lab says so.
options:
  _input:
    description: The lab's name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which range the lab dev uses
  ansible.builtin.debug:
    msg: "{{ 'dev' | azora.platform.lab_index }}"
"""

RETURN = r"""
_value:
  description: A number from 0 to 59.
  type: int
  sample: 13
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_layout


def lab_index(name: t.Any) -> int:
    """The address range that a lab's name leads to."""
    return _lab_layout.index_of(str(name))


class FilterModule:
    """Filters of the lab."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"lab_index": lab_index}
