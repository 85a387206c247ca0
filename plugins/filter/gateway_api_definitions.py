# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _routes

DOCUMENTATION = r"""
name: gateway_api_definitions
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The API definitions that Tyk reads
description:
  - Derives from the catalogue a classic API definition of Tyk for each route of the gateway.
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the file that Tyk reads for the user service
  ansible.builtin.debug:
    msg: "{{ (catalogue | azora.platform.gateway_api_definitions)['user'] | to_nice_json }}"
"""

RETURN = r"""
_value:
  description: The definitions by the name of their service.
  type: dict
  sample: {user: {api_id: user, proxy: {listen_path: /users}}}
"""


def gateway_api_definitions(catalogue: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return _routes.gateway_api_definitions(catalogue)


class FilterModule:
    """The filter gateway_api_definitions."""

    def filters(self) -> dict[str, Any]:
        return {"gateway_api_definitions": gateway_api_definitions}
