# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _gateway_manifests

DOCUMENTATION = r"""
name: gateway_place
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Where a platform's gateway is asked
description:
  - Derives from the catalogue what M(azora.platform.gateway_info) needs to find the replicas of the gateway and the keys for it.
  - Names Secrets, and has none of their values.
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask every replica of the gateway
  azora.platform.gateway_info:
    gateway: "{{ catalogue | azora.platform.gateway_place }}"
    definitions: "{{ catalogue | azora.platform.gateway_api_definitions }}"
"""

RETURN = r"""
_value:
  description: The option O(azora.platform.gateway_info#module:gateway).
  type: dict
  sample: {namespace: default, selector: {app.kubernetes.io/name: gateway}, port: 8080, control_port: 8080, secret: gateway-credentials, token_key: null}
"""


def gateway_place(catalogue: dict[str, Any]) -> dict[str, Any]:
    return _gateway_manifests.gateway_place(catalogue)


class FilterModule:
    """The filter gateway_place."""

    def filters(self) -> dict[str, Any]:
        return {"gateway_place": gateway_place}
