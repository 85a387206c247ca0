# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets for the operator of Redis stores
description:
  - Gives a Secret with the keys of the object store for each Redis store that is backed up there, and one with the endpoint's authority.
  - Gives a Secret with the licence beside each cluster, if there is one.
  - The passwords of the databases are the operator's own.
  - The result holds secrets, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  backup:
    description:
      - What opens the object store, as V(access_key_id), V(secret_access_key) and V(ca), the certificate authority of its endpoint (PEM).
    type: dict
    required: true
  licence:
    description:
      - The licence as its vendor wrote it.
    type: str
    default: ""
  licence_name:
    description:
      - The name of the Secret with the licence.
    type: str
    default: redis-license
"""

EXAMPLES = r"""
- name: Hand the operator what it needs of secrets
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.redis_secrets({'access_key_id': id, 'secret_access_key': key}) }}"
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

from ansible_collections.azora.platform.plugins.module_utils import _redis_backups, _redis_manifests


def redis_secrets(
    catalogue: dict[str, t.Any], backup: dict[str, str], licence: str = "", licence_name: str = "redis-license"
) -> list[dict[str, t.Any]]:
    """Secrets with what opens the object store, and with the licence."""
    licences = _redis_manifests.license_secrets(catalogue, licence, licence_name) if licence else []
    return licences + _redis_backups.backup_secrets(catalogue, backup)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"redis_secrets": redis_secrets}
