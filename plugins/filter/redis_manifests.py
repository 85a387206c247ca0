# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Redis stores as Redis Enterprise resources
description:
  - Gives, for every store of kind V(redis), a RedisEnterpriseCluster and a RedisEnterpriseDatabase for each of its databases.
  - A database's Service has the database's name and its port.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.redis.
      - V(image), V(storage_size), V(storage_class), V(resources), V(license_secret_name), V(cluster_settings), V(database_settings).
      - For stores with a key C(backup) also V(backup), a dictionary with V(interval), V(region) and V(has_ca).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.redis_manifests({'storage_size': '20Gi'}) }}"
"""

RETURN = r"""
_value:
  description: Clusters and databases.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _redis_manifests


def redis_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Clusters, each followed by its databases."""
    return _redis_manifests.redis_manifests(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"redis_manifests": redis_manifests}
