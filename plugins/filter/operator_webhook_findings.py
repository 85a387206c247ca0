# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_webhook_findings
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Webhooks of operators that do not answer
description:
  - Tells, in sentences, which operators' webhooks did not answer when the resources of the filter azora.platform.operator_webhook_trials were tried.
  - A webhook that refuses a resource has answered.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - Operators as the filter azora.platform.operator_plan gives them.
    type: list
    elements: dict
    required: true
  results:
    description:
      - What M(kubernetes.core.k8s) returned of the trials with C(continue_on_error), in their order.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Which webhooks do not answer
  ansible.builtin.debug:
    msg: "{{ operators | azora.platform.operator_webhook_findings(tried.result.results) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none if all answer.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_webhooks


def operator_webhook_findings(operators: list[dict[str, t.Any]], results: list[dict[str, t.Any]]) -> list[str]:
    """One sentence for each operator whose webhook did not answer."""
    return _operator_webhooks.webhook_findings(operators, results)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_webhook_findings": operator_webhook_findings}
