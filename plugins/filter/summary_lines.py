# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _summary

DOCUMENTATION = r"""
name: summary_lines
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A run of all stages, as a table
description:
  - A row for each stage, then the time of all, the last verdict, where the gateway is, and where the run stopped if it did.
positional: _input, gateway, service, url, check_mode
options:
  _input:
    description: The stages that have ended, as P(azora.platform.stage_marks#filter) returns them.
    type: list
    elements: dict
    required: true
  gateway:
    description: Whether the platform has a gateway.
    type: bool
    default: false
  service:
    description: The gateway's Service as it stands; none if it is not there.
    type: dict
  url:
    description: Where the gateway is reached, as the configuration says.
    type: str
    default: ""
  check_mode:
    description: Whether nothing was really changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Sum up
  ansible.builtin.debug:
    msg: "{{ stages | azora.platform.summary_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample: ["STAGE     SECONDS  CHANGED  READY                 VERIFICATION"]
"""


def summary_lines(
    stages: list[dict[str, Any]],
    gateway: bool = False,
    service: dict[str, Any] | None = None,
    url: str = "",
    check_mode: bool = False,
) -> list[str]:
    place = _summary.gateway_place(service, url) if gateway else ""
    return _summary.lines(stages, gateway=place, check_mode=check_mode)


class FilterModule:
    """The filter summary_lines."""

    def filters(self) -> dict[str, Any]:
        return {"summary_lines": summary_lines}
