# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_layout
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Everything that follows from a lab's name
description:
  - Derives the names, addresses and paths of a lab from its name, so that two labs live side by side on one machine.
  - Looks at nothing and changes nothing.
options:
  _input:
    description: The lab's name, V(^[a-z][a-z0-9-]{0,19}$).
    type: str
    required: true
  nodes:
    description: How many nodes the lab has, 1 to 9.
    type: int
    default: 3
  directory:
    description: Where the lab keeps what outlives a restart of the machine.
    type: path
    required: true
  run_directory:
    description: Where the lab keeps what does not.
    type: path
    required: true
  index:
    description:
      - Which of the 60 address ranges the lab uses.
      - By default it follows from the name.
    type: int
  kubeconfig:
    description:
      - The administrator's kubeconfig.
      - By default C(kubeconfig) in O(directory).
    type: path
"""

EXAMPLES = r"""
- name: Lay out a lab
  ansible.builtin.set_fact:
    lab_layout: "{{ 'dev' | azora.platform.lab_layout(nodes=3, directory='/srv/dev', run_directory='/run/dev') }}"
"""

RETURN = r"""
_value:
  description: Names, addresses and paths of the lab.
  type: dict
  sample:
    name: dev
    index: 13
    pod_cidr: 10.154.0.0/16
    outside: {external_name: llm.outside.example, external_address: 198.51.100.10, external_port: 443, object_store_port: 9000}
    nodes: [{name: node1, address: 10.155.128.11, netns: dev-node1}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _lab_layout


def lab_layout(
    name: t.Any,
    *,
    nodes: t.Any = 3,
    directory: str = "",
    run_directory: str = "",
    index: t.Any = None,
    kubeconfig: str | None = None,
) -> dict[str, t.Any]:
    """Lay out a lab; variables from the command line arrive as text, so numbers are converted here."""
    if not directory or not run_directory:
        raise AnsibleFilterError("lab_layout needs directory and run_directory")
    try:
        return _lab_layout.layout(
            str(name),
            nodes=int(nodes),
            directory=str(directory),
            run_directory=str(run_directory),
            index=int(index) if index not in (None, "") else None,
            kubeconfig=str(kubeconfig) if kubeconfig else None,
        )
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of the lab."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"lab_layout": lab_layout}
