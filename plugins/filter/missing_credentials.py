# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_credentials
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: What the stores have not handed out yet
description:
  - Tells, in sentences without any value, which Secrets of the stores that workloads need are not there or lack a key.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  secrets:
    description:
      - Secrets of the stores' namespaces, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  namespace:
    description:
      - Judge only the Secrets of this namespace.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Every credential is there
  ansible.builtin.assert:
    that: catalogue | azora.platform.missing_credentials(secrets.resources) | length == 0
  no_log: true
"""

RETURN = r"""
_value:
  description: Sentences; none if nothing is missing.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _credentials


def missing_credentials(catalogue: dict[str, t.Any], secrets: list[dict[str, t.Any]], namespace: str = "") -> list[str]:
    """One sentence for each key that is missing."""
    return _credentials.missing_credentials(catalogue, secrets, namespace)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"missing_credentials": missing_credentials}
