# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _routes

DOCUMENTATION = r"""
name: gateway_policies
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The policies that Tyk reads
description:
  - Derives from the catalogue the content of Tyk's C(policies.json).
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show policies.json
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.gateway_policies | to_nice_json }}"
"""

RETURN = r"""
_value:
  description: The policies by their id; empty while every API is keyless.
  type: dict
  sample: {}
"""


def gateway_policies(catalogue: dict[str, Any]) -> dict[str, Any]:
    return _routes.gateway_policies(catalogue)


class FilterModule:
    """The filter gateway_policies."""

    def filters(self) -> dict[str, Any]:
        return {"gateway_policies": gateway_policies}
