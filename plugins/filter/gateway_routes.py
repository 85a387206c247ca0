# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _routes

DOCUMENTATION = r"""
name: gateway_routes
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The routes of a platform's gateway
description:
  - Derives from the catalogue which path of the gateway leads to which service.
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the routes
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.gateway_routes }}"
"""

RETURN = r"""
_value:
  description: One route for each service that exposes a path, sorted by path.
  type: list
  elements: dict
  sample: [{service: user, path: /users, strip_path: false, target: 'http://user.default.svc.cluster.local:8080'}]
"""


def gateway_routes(catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    return _routes.gateway_routes(catalogue)


class FilterModule:
    """The filter gateway_routes."""

    def filters(self) -> dict[str, Any]:
        return {"gateway_routes": gateway_routes}
