# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: webhook_sentence
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Which admission webhook did not answer, and what to look at
description:
  - Turns what the API server says of an admission webhook that it cannot reach into one sentence.
  - Nothing of the objects that were applied is repeated.
options:
  _input:
    description:
      - The API server's message; one that is about something else comes back as it is.
    type: str
    required: true
  configurations:
    description:
      - ValidatingWebhookConfigurations and MutatingWebhookConfigurations, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  seconds:
    description:
      - For how long it was asked.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Say which webhook does not answer
  ansible.builtin.fail:
    msg: "{{ result.msg | azora.platform.webhook_sentence(configurations.resources, 60) }}"
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _webhook_failures


def webhook_sentence(message: str, configurations: list[dict[str, t.Any]], seconds: float) -> str:
    """Which webhook did not answer, and what to look at."""
    return _webhook_failures.webhook_sentence(message, configurations, float(seconds))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"webhook_sentence": webhook_sentence}
