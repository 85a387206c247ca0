#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_preflight
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Whether a machine can carry a lab
description:
  - Names everything that a machine lacks for a lab, all at once, each in one sentence.
  - What only a trial can tell (overlay file systems, links, nftables rules, control groups) is tried in throwaway namespaces,
    directories and control groups; nothing stays.
extends_documentation_fragment:
  - azora.platform.attributes
  - azora.platform.attributes.info_module
options:
  layout:
    description: The lab, as laid out by P(azora.platform.lab_layout#filter).
    type: dict
    required: true
  memory_mb:
    description: How much memory must be available, in MiB, while the lab does not run yet.
    type: int
    required: true
  disk_mb:
    description: Directories, each with how much must be free on its file system, in MiB, while the lab does not run yet.
    type: dict
    required: true
  labs_directory:
    description: Where the labs of this machine live; those with the same addresses are named.
    type: path
    required: true
  installs_tools:
    description: Missing tools are going to be installed and are no problem yet.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the machine
  azora.platform.lab_preflight:
    layout: "{{ lab_layout }}"
    memory_mb: 3072
    disk_mb: {/var/lib/azora-lab: 6144}
    labs_directory: /var/lib/azora-lab
"""

RETURN = r"""
problems:
  description: What the machine lacks, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["The program nft is missing; install the package nftables."]
missing_packages:
  description: The Debian packages of missing tools.
  returned: always
  type: list
  elements: str
  sample: [nftables]
cgroup_version:
  description: The version of control groups that the lab will use; V(0) where none was found.
  returned: always
  type: int
  sample: 2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups, _lab_machine, _lab_preflight
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError


def main() -> None:
    """Look, judge, report."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "memory_mb": {"type": "int", "required": True},
            "disk_mb": {"type": "dict", "required": True},
            "labs_directory": {"type": "path", "required": True},
            "installs_tools": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    options = module.params
    layout = options["layout"]
    needs = _lab_preflight.Needs(
        name=layout["name"],
        index=layout["index"],
        nodes=len(layout["nodes"]),
        address_range=layout["address_range"],
        host_interface=layout["host_interface"],
        link_alias=layout["link_alias"],
        required_controllers=_lab_cgroups.REQUIRED_CONTROLLERS,
        memory=options["memory_mb"] * _lab_preflight.MEBIBYTE,
        disks=tuple((directory, int(size) * _lab_preflight.MEBIBYTE) for directory, size in options["disk_mb"].items()),
        installs_tools=options["installs_tools"],
    )
    try:
        machine = _lab_machine.observe(layout, list(options["disk_mb"]), options["labs_directory"])
    except (LabError, OSError) as error:
        module.fail_json(msg=f"The machine could not be looked at: {error}")
    for warning in _lab_preflight.warnings(machine, needs):
        module.warn(warning)
    module.exit_json(
        changed=False,
        problems=_lab_preflight.judge(machine, needs),
        missing_packages=sorted({_lab_preflight.TOOLS[tool] for tool in machine.missing_tools}),
        cgroup_version=machine.cgroup_version,
    )


if __name__ == "__main__":
    main()
