# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _catalogue_namespaces

DOCUMENTATION = r"""
name: namespace_claims
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Namespaces that another platform on the cluster has already
description:
  - Several platforms may stand on one cluster, each in namespaces of its own. A namespace of two would be closed and opened by both.
  - Tells them by the labels that the collection gives to namespaces.
positional: _input, namespaces
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  namespaces:
    description: The namespaces that stand on the cluster, as the API returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse namespaces of other platforms
  ansible.builtin.assert:
    that: catalogue | azora.platform.namespace_claims(found.resources) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each.
  type: list
  elements: str
  sample: []
"""


def namespace_claims(catalogue: dict[str, Any], namespaces: list[dict[str, Any]]) -> list[str]:
    return _catalogue_namespaces.foreign_claims(catalogue, namespaces)


class FilterModule:
    """The filter namespace_claims."""

    def filters(self) -> dict[str, Any]:
        return {"namespace_claims": namespace_claims}
