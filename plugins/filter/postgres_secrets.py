# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_secrets
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets of the PostgreSQL roles
description:
  - Gives a Secret of type V(kubernetes.io/basic-auth) for each role that owns a database.
  - Gives a Secret with the keys of the object store for each store that is backed up there.
  - A password that stands on the cluster is kept; only where there is none a random one is generated.
  - The result holds passwords, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  existing:
    description:
      - Secrets of the stores' namespaces, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  backup:
    description:
      - What opens the object store for backups, as V(access_key_id), V(secret_access_key) and V(ca), the certificate authority of its endpoint (PEM).
      - Each store with a key C(backup) gets a Secret of what is given.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Give each role its password
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.postgres_secrets(secrets.resources) }}"
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

from ansible_collections.azora.platform.plugins.module_utils import _credentials, _postgres_backups, _postgres_manifests


def postgres_secrets(
    catalogue: dict[str, t.Any], existing: list[dict[str, t.Any]], backup: dict[str, str] | None = None
) -> list[dict[str, t.Any]]:
    """Secrets with the passwords of the cluster, or new ones, and with the keys of the object store."""
    passwords = _credentials.kept_or_generated(_postgres_manifests.wanted_passwords(catalogue), existing)
    backups = _postgres_backups.backup_secrets(catalogue, backup or {})
    return _postgres_manifests.postgres_secrets(catalogue, passwords) + backups


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"postgres_secrets": postgres_secrets}
