# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _routes

DOCUMENTATION = r"""
name: gateway_settings
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The settings that Tyk reads
description:
  - Derives from the catalogue the content of Tyk's C(tyk.conf).
  - Holds no secret; those come from the environment, C(TYK_GW_SECRET), C(TYK_GW_NODESECRET) and
    C(TYK_GW_STORAGE_PASSWORD).
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show tyk.conf
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.gateway_settings | to_nice_json }}"
"""

RETURN = r"""
_value:
  description: The settings, with the catalogue's C(gateway.configuration) laid over them.
  type: dict
  sample: {listen_port: 8080, app_path: /opt/tyk-gateway/apps}
"""


def gateway_settings(catalogue: dict[str, Any]) -> dict[str, Any]:
    try:
        return _routes.gateway_settings(catalogue)
    except _routes.NoGatewayError as error:
        raise AnsibleFilterError(f"gateway_settings: {error}") from error


class FilterModule:
    """The filter gateway_settings."""

    def filters(self) -> dict[str, Any]:
        return {"gateway_settings": gateway_settings}
