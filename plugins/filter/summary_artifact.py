# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: summary_artifact
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What a run did, for the next node of a workflow
description:
  - When the run began, what its stages changed, which Deployments are among that, and the last verdict. No secret, and no text of the cluster's but names.
options:
  _input:
    description: The stages, as the filter P(azora.platform.stage_marks#filter) makes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Hand it to what follows in a workflow of AWX
  ansible.builtin.set_stats:
    data:
      azora_site: "{{ {inventory_hostname: summary_stages | azora.platform.summary_artifact} }}"
"""

RETURN = r"""
_value:
  description: The run as data.
  type: dict
  sample:
    began: "2026-01-31T14:05:00Z"
    complete: true
    changed: 2
    deployments: [default/user]
    stages:
      services: {complete: true, changed: 2, seconds: 21.4}
    verification: "PASSED: 25 of 25 pods ready, 272 connections: 31 open, 241 blocked, 0 inconclusive, in 8.2 s"
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _summary


def summary_artifact(stages: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """The run as data."""
    return _summary.artifact(stages)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"summary_artifact": summary_artifact}
