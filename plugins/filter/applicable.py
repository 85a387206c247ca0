# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: applicable
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Manifests that a dry run can judge, and the others
description:
  - The API server cannot judge an object whose namespace or kind does not exist yet.
  - Splits manifests into those it can judge and sentences about the others, so that check mode tells the truth on a fresh cluster.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - Manifests.
    type: list
    elements: dict
    required: true
  namespaces:
    description:
      - The namespaces of the cluster, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  definitions:
    description:
      - The custom resource definitions of the cluster, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Apply what can be judged
  kubernetes.core.k8s:
    resource_definition: "{{ (manifests | azora.platform.applicable(namespaces.resources, definitions.resources)).now }}"
    apply: true
  check_mode: true
"""

RETURN = r"""
_value:
  description: V(now), manifests, and V(later), sentences.
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _applicable


def applicable(
    manifests: list[dict[str, t.Any]], namespaces: list[dict[str, t.Any]], definitions: list[dict[str, t.Any]]
) -> dict[str, list[t.Any]]:
    """What can be judged now, and what later."""
    return _applicable.split_by_applicability(manifests, namespaces, definitions)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"applicable": applicable}
