# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: supplied_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets that were given as variables
description:
  - Gives a Secret, in each namespace where a service refers to it, for each name in O(supplied) that the catalogue knows.
  - The result holds secret values, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  supplied:
    description:
      - The values by the name of the Secret and the key.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Create the provider's Secret where services need it
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.supplied_secrets({'llm-provider': {'LLM_API_KEY': llm_api_key}}) }}"
    apply: true
  no_log: true
"""

RETURN = r"""
_value:
  description: Secrets.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _credentials


def supplied_secrets(catalogue: dict[str, t.Any], supplied: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """The Secrets to create."""
    return _credentials.supplied_secrets(catalogue, supplied)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"supplied_secrets": supplied_secrets}
