# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: names
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Names as a list, however they were given
description:
  - The command line and the surveys of AWX give lists as one text, and an answer that was left out as an empty one. A role takes all of that.
positional: _input, variable
options:
  _input:
    description: Names, as a list or as a text with commas, spaces or line ends between them. An empty one is no name.
    type: raw
    required: true
  variable:
    description: The name of the variable, for the message if these are no names.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say who is meant by -e rollback_workloads=user,course
  ansible.builtin.debug:
    msg: "{{ rollback_workloads | azora.platform.names('rollback_workloads') }}"
"""

RETURN = r"""
_value:
  description: Each name once.
  type: list
  elements: str
  sample: [user, course]
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _names


def names(given: Any, variable: str) -> list[str]:
    """Each name once."""
    try:
        return _names.names(given)
    except _names.NamesError as error:
        raise AnsibleFilterError(f"{variable} {error}.") from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Any]:
        """Names and functions."""
        return {"names": names}
