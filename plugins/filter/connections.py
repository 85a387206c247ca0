# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _connectivity

DOCUMENTATION = r"""
name: connections
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The expected connectivity matrix of a platform
description:
  - Derives from the catalogue, and from nothing else, for every ordered pair of services, gateway and stores
    and for every port, whether the connection is allowed, and why.
  - What the catalogue does not declare is denied.
positional: _input, workloads, external
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  workloads:
    description:
      - Only these workloads and stores, by name, such as V(user), or by identity, such as V(default/user).
      - By default all of the catalogue.
    type: list
    elements: str
  external:
    description:
      - Endpoints outside the cluster to try from every workload and store.
      - Each with C(address), C(host) or both, and C(port) (443 by default).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Prove the connections
  azora.platform.verify:
    workloads: "{{ catalogue | azora.platform.verification_workloads }}"
    connections: "{{ catalogue | azora.platform.connections(external=[{'host': 'llm.outside.example', 'address': '198.51.100.10'}]) }}"
"""

RETURN = r"""
_value:
  description: One row for each connection.
  type: list
  elements: dict
  sample: [{source: default/user, destination: azora-es/analytics, port: 8080, allowed: true, because: user calls analytics}]
"""


def connections(
    catalogue: dict[str, Any],
    workloads: list[str] | None = None,
    external: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    try:
        return _connectivity.connections(catalogue, workloads, external or [])
    except _connectivity.ConnectivityInputError as error:
        raise AnsibleFilterError(f"connections: {error}") from error


class FilterModule:
    """The filter connections."""

    def filters(self) -> dict[str, Any]:
        return {"connections": connections}
