# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils._catalogue_namespaces import (
    UnknownNamespaceError,
    namespace_manifests,
)

DOCUMENTATION = r"""
name: namespaces
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The namespaces of a platform, closed from their first moment
description:
  - Derives from the catalogue each Namespace with its Pod Security labels, its default-deny NetworkPolicy,
    ResourceQuota and LimitRange.
  - Applied in order, a namespace is closed before anything else can be put into it.
positional: _input, names
options:
  _input:
    description:
      - The normalised catalogue, as P(azora.platform.catalogue_normalised#filter) returns it and the role
        P(azora.platform.catalogue#role) sets it as the fact C(catalogue).
    type: dict
    required: true
  names:
    description:
      - Only these namespaces.
      - By default all namespaces of the catalogue.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Apply the namespaces in one call
  kubernetes.core.k8s:
    definition: "{{ catalogue | azora.platform.namespaces(['azora-es']) }}"
    apply: true
    server_side_apply: {field_manager: azora.platform, force_conflicts: true}
"""

RETURN = r"""
_value:
  description: Manifests of the Namespaces, their default deny, then quotas and limits.
  type: list
  elements: dict
  sample: [{apiVersion: v1, kind: Namespace, metadata: {name: azora-es}}]
"""


def namespaces(catalogue: dict[str, Any], names: list[str] | None = None) -> list[dict[str, Any]]:
    try:
        return namespace_manifests(catalogue, names)
    except UnknownNamespaceError as error:
        raise AnsibleFilterError(f"namespaces: {error}") from error


class FilterModule:
    """The filter namespaces."""

    def filters(self) -> dict[str, Any]:
        return {"namespaces": namespaces}
