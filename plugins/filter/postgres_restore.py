# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import (
    _network_ends,
    _network_policies,
    _postgres_manifests,
    _postgres_restores,
)

DOCUMENTATION = r"""
name: postgres_restore
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A PostgreSQL store recovered into a new cluster
description:
  - Gives what has to stand for a backed up store to be recovered beside the old one, up to a moment of its past.
  - The new cluster archives to a place of its own in the same bucket, and nobody uses it before the catalogue says so.
  - Reads nothing from the cluster and changes nothing.
positional: _input, cluster
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  cluster:
    description:
      - What is known of the Kubernetes cluster, the fact C(cluster) of the same role.
    type: dict
    required: true
  settings:
    description:
      - The settings of the stores' manifests, as P(azora.platform.postgres_manifests#filter) takes them.
    type: dict
    required: true
  store:
    description: The name of the store in the catalogue.
    type: str
    required: true
  name:
    description: The name of the new cluster. The catalogue must not have it.
    type: str
    required: true
  target:
    description:
      - Up to which moment, as one of V(time), V(lsn) and V(backup); none of them for everything that was archived.
      - V(server_name) is under which name the old cluster's backups lie in the bucket, if not under that of the settings.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what a recovery would make
  ansible.builtin.debug:
    msg: "{{ (catalogue | azora.platform.postgres_restore(cluster, settings=settings, store='postgres', name='pg-2', target=target)).manifests }}"
  vars:
    target: {time: "2026-01-01 12:00:00+00"}
"""

RETURN = r"""
_value:
  description: Keys C(catalogue) (with nothing but the recovered store), C(manifests) and C(policies).
  type: dict
"""


def postgres_restore(
    catalogue: dict[str, Any],
    cluster: dict[str, Any],
    *,
    settings: dict[str, Any],
    store: str,
    name: str,
    target: dict[str, Any] | None = None,
) -> dict[str, Any]:
    try:
        recovered = _postgres_restores.recovered_store(catalogue, store, name)
        wanted = _postgres_restores.recovery_settings(catalogue, store, settings, target or {})
        alone = _postgres_restores.only_recovered(catalogue, recovered)
        both = _postgres_restores.with_recovered(catalogue, recovered)
        return {
            "catalogue": alone,
            "manifests": _postgres_manifests.postgres_manifests(alone, wanted),
            "policies": _network_policies.additional_policies(catalogue, both, cluster, "recovered"),
        }
    except (_postgres_restores.RestoreInputError, _network_ends.PolicyInputError) as error:
        raise AnsibleFilterError(f"postgres_restore: {error}") from error


class FilterModule:
    """The filter postgres_restore."""

    def filters(self) -> dict[str, Any]:
        return {"postgres_restore": postgres_restore}
