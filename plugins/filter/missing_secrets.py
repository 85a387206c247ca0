# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets that services need and nobody gave
description:
  - Tells, in sentences without any value, which Secrets that services name in the catalogue are neither given nor on the cluster.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  supplied:
    description:
      - The given values by the name of the Secret and the key.
    type: dict
    required: true
  existing:
    description:
      - Secrets of the workloads' namespaces, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  component:
    description:
      - Judge the workloads of this component, V(service) or V(gateway).
    type: str
    default: service
"""

EXAMPLES = r"""
- name: Every Secret that services name is there or given
  ansible.builtin.assert:
    that: catalogue | azora.platform.missing_secrets({}, secrets.resources) | length == 0
  no_log: true
"""

RETURN = r"""
_value:
  description: Sentences; none if nothing is missing.
  type: list
  elements: str
  sample:
    - the Secret azora-es/llm-provider, which llm-wrapper needs, does not exist
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _credentials


def missing_secrets(
    catalogue: dict[str, t.Any],
    supplied: dict[str, t.Any],
    existing: list[dict[str, t.Any]],
    component: str = "service",
) -> list[str]:
    """One sentence for each Secret, or each key of one, that is missing."""
    return _credentials.missing_secrets(catalogue, supplied, existing, component)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"missing_secrets": missing_secrets}
