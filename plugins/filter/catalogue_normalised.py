# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils._catalogue import CatalogueError, normalised

DOCUMENTATION = r"""
name: catalogue_normalised
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A platform's description with everything filled in
description:
  - >-
    Returns a platform's description with every default filled in and with what follows from it: who calls whom,
    the labels, names and ports of every workload and store.
  - Everything else of the collection is derived from the result.
  - Fails with all mistakes if the description has any.
options:
  _input:
    description:
      - The description of a platform, in the form of the variable C(catalogue_platform) of the role
        P(azora.platform.catalogue#role).
      - Numbers and switches may be text, as AWX surveys pass them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Who calls analytics
  ansible.builtin.debug:
    msg: "{{ (catalogue.workloads | selectattr('name', 'equalto', 'analytics') | first).callers }}"
  vars:
    catalogue: "{{ catalogue_platform | azora.platform.catalogue_normalised }}"
"""

RETURN = r"""
_value:
  description:
    - The normalised catalogue with C(name), C(namespaces), C(operators), C(stores), C(services), C(gateway), C(workloads) (the
      gateway first) and C(monitoring).
  type: dict
  sample: {name: azora, services: [{name: user, namespace: default, callers: [gateway, ai-agent]}]}
"""


def catalogue_normalised(platform: Any) -> dict[str, Any]:
    try:
        return normalised(platform)
    except CatalogueError as error:
        raise AnsibleFilterError(f"catalogue_normalised: {error}") from error


class FilterModule:
    """The filter catalogue_normalised."""

    def filters(self) -> dict[str, Any]:
        return {"catalogue_normalised": catalogue_normalised}
