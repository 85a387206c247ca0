# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: credential_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: One Secret of credentials for each workload
description:
  - Merges what the stores' operators and this collection put into Secrets into one Secret NAME-credentials in the namespace of each workload.
  - The keys that the gateway and its API share are generated once and kept.
  - The result holds passwords, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  secrets:
    description:
      - Secrets of the stores' and the gateway's namespaces, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  workloads:
    description: Names of workloads; empty for all.
    type: list
    elements: str
    default: []
  instead:
    description:
      - Secrets that take the place of stores' Secrets, as V({namespace/name{:} namespace/name}).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Hand the credentials to the workloads
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.credential_secrets(secrets.resources) }}"
    apply: true
  no_log: true
"""

RETURN = r"""
_value:
  description: Secrets.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _credentials


def credential_secrets(
    catalogue: dict[str, t.Any],
    secrets: list[dict[str, t.Any]],
    workloads: list[str] | None = None,
    instead: dict[str, str] | None = None,
) -> list[dict[str, t.Any]]:
    """The Secret NAME-credentials of each workload that needs one."""
    return _credentials.credential_secrets(catalogue, secrets, workloads=workloads or [], instead=instead)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"credential_secrets": credential_secrets}
