# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _connectivity

DOCUMENTATION = r"""
name: verification_workloads
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The workloads of a platform as the module verify takes them
description:
  - Derives from the catalogue, for the gateway, every service and every store, its pods' labels, replicas,
    container, probes and ports.
positional: _input, workloads, revisions
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
  revisions:
    description:
      - Workloads (C(namespace/name)) of which only the pods of one revision are meant, with its label C(pod-template-hash), as
        RV(azora.platform.rollout#module:canaries) has them.
    type: dict
"""

EXAMPLES = r"""
- name: Verify the probes of two services
  azora.platform.verify:
    workloads: "{{ catalogue | azora.platform.verification_workloads(['user', 'course']) }}"
    checks: [probes]
"""

RETURN = r"""
_value:
  description: One entry for each workload and store.
  type: list
  elements: dict
  sample: [{name: user, namespace: default, kind: deployment, replicas: 2, container: user}]
"""


def verification_workloads(
    catalogue: dict[str, Any], workloads: list[str] | None = None, revisions: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    try:
        return _connectivity.verification_workloads(catalogue, workloads, revisions)
    except _connectivity.ConnectivityInputError as error:
        raise AnsibleFilterError(f"verification_workloads: {error}") from error


class FilterModule:
    """The filter verification_workloads."""

    def filters(self) -> dict[str, Any]:
        return {"verification_workloads": verification_workloads}
