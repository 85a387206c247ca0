# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: definition_findings
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Custom resource definitions that the catalogue's stores lack
description:
  - Tells, in sentences, which definitions that the roles of the stores use are missing, not established, or do not serve the version needed.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  definitions:
    description:
      - Custom resource definitions, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Which definitions are missing
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.definition_findings(definitions.resources) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none if all are there.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _operator_manifests


def definition_findings(catalogue: dict[str, t.Any], definitions: list[dict[str, t.Any]]) -> list[str]:
    """One sentence for each definition that cannot be used."""
    return _operator_manifests.definition_findings(catalogue, definitions)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"definition_findings": definition_findings}
