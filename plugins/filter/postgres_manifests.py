# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: PostgreSQL stores as CloudNativePG resources
description:
  - Gives, for every store of kind V(postgresql), a Cluster and a Database for each of its databases.
  - A store with a key C(backup) gets an ObjectStore and a ScheduledBackup besides, and its Cluster archives to that ObjectStore.
  - Each database is owned by a role of its own, whose password stands in a Secret (see P(azora.platform.postgres_secrets#filter)).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.postgres.
      - V(image), V(storage_size), V(storage_class), V(wal_storage_size), V(resources), V(parameters), V(synchronous_standbys),
        V(data_durability), V(anti_affinity), V(cluster_settings).
      - V(backup), for stores that are backed up, is a dictionary of V(schedule), V(retention), V(compression), V(target), V(immediate_checkpoint),
        V(server_name), V(has_credentials) and V(has_ca).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.postgres_manifests({'image': 'registry.example/postgresql:18', 'storage_size': '10Gi', 'anti_affinity': 'required'}) }}"
"""

RETURN = r"""
_value:
  description: Clusters and Databases, ObjectStores and ScheduledBackups.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _postgres_manifests


def postgres_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Clusters, each followed by its Databases."""
    return _postgres_manifests.postgres_manifests(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"postgres_manifests": postgres_manifests}
