# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: revision_table
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Histories of Deployments as lines for people
description:
  - One line for each revision, the newest first, with its images, its ConfigMaps, and when it was completely rolled out.
options:
  _input:
    description: RV(azora.platform.rollback#module:histories).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the history
  ansible.builtin.debug:
    msg: "{{ result.histories | azora.platform.revision_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _rollout_report


def revision_table(histories: list[dict[str, t.Any]]) -> list[str]:
    """One line for each revision."""
    return _rollout_report.revision_table(histories)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"revision_table": revision_table}
