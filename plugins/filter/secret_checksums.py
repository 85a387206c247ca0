# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_checksums
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Checksums of Secrets
description:
  - Gives a checksum of each Secret's data. It changes with the data and does not reveal it.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - Secrets, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Remember what the credentials were
  ansible.builtin.set_fact:
    credential_checksums: "{{ secrets.resources | azora.platform.secret_checksums }}"
"""

RETURN = r"""
_value:
  description: Checksums by C(namespace/name).
  type: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _credentials


def secret_checksums(secrets: list[dict[str, t.Any]]) -> dict[str, str]:
    """Checksums by "namespace/name"."""
    return _credentials.secret_checksums(secrets)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"secret_checksums": secret_checksums}
