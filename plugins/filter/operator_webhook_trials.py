# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_webhook_trials
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Resources that show whether webhooks answer
description:
  - Gives the smallest resource of each operator that has a webhook. Tried as a dry run, it shows whether the webhook answers.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - Operators as the filter azora.platform.operator_plan gives them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: What is tried
  ansible.builtin.debug:
    msg: "{{ operators | azora.platform.operator_webhook_trials }}"
"""

RETURN = r"""
_value:
  description: Manifests.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_webhooks


def operator_webhook_trials(operators: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """A resource for each operator with a webhook."""
    return _operator_webhooks.webhook_trials(operators)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_webhook_trials": operator_webhook_trials}
