# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_licenses
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Secrets with the licence of Redis Enterprise
description:
  - Gives a Secret with the licence for each Redis store of the catalogue.
  - The result holds the licence, so a task that uses it needs C(no_log).
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  text:
    description:
      - The licence as its vendor wrote it.
    type: str
    required: true
  name:
    description:
      - The name of the Secret.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Bring the licence
  kubernetes.core.k8s:
    resource_definition: "{{ catalogue | azora.platform.redis_licenses(redis_license, 'redis-license') }}"
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

from ansible_collections.azora.platform.plugins.module_utils import _redis_manifests


def redis_licenses(catalogue: dict[str, t.Any], text: str, name: str) -> list[dict[str, t.Any]]:
    """A Secret with the licence beside each cluster."""
    return _redis_manifests.license_secrets(catalogue, text, name)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"redis_licenses": redis_licenses}
