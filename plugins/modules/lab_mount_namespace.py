#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_mount_namespace
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A file system view of its own for each node of a lab
description:
  - Makes a mount namespace for each node and keeps it in a file, so that the node's processes can be started in it.
  - In it C(/run), C(/var/lib) and C(/var/log) are the node's own, and the kernel settings on which a kubelet insists read as it
    likes them, while the machine's stay as they are.
  - A namespace that was made for another layout, or for a network namespace that is no more, is replaced; the processes in it
    are ended first.
extends_documentation_fragment:
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  layout:
    description: The lab, as laid out by P(azora.platform.lab_layout#filter).
    type: dict
    required: true
  keep:
    description: Directories that the node's processes must find where they are, for example that of their programs.
    type: list
    elements: path
    default: []
  nodes:
    description:
      - With O(state=absent), let go of the namespaces of these nodes only.
      - By default all of them go, and whatever else is mounted in the directories of the lab.
    type: list
    elements: str
  state:
    description: Whether the namespaces should be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Give each node its own view
  azora.platform.lab_mount_namespace:
    layout: "{{ lab_layout }}"
    keep:
      - "{{ lab_dir }}"
      - "{{ lab_binaries_dir }}"

- name: Let go of them
  azora.platform.lab_mount_namespace:
    layout: "{{ lab_layout }}"
    state: absent
"""

RETURN = r"""
namespaces:
  description: The files whose namespace was made or let go.
  returned: always
  type: list
  elements: str
  sample: [/run/azora-lab/dev/mount-namespaces/node1]
"""

import os
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups, _lab_mount_namespaces, _lab_system


def make(layout: dict[str, t.Any], keep: list[str], check_mode: bool) -> list[str]:
    """Make the namespaces that are missing or outdated."""
    made = []
    mounts = _lab_system.current_mounts()
    for node in layout["nodes"]:
        network = _lab_system.namespace_identity(_lab_system.network_namespace_path(node["netns"]))
        view = _lab_mount_namespaces.View(node["mount_namespace"], node["dir"], node["run_dir"], tuple(keep), network)
        if _lab_mount_namespaces.exists(view, mounts):
            continue
        made.append(view.namespace)
        if not check_mode:
            _lab_cgroups.stop_processes(node["cgroup"], graceful_seconds=0)
            _lab_mount_namespaces.remove(view.namespace)
            # What containerd remembers of running containers is not true any more.
            _lab_mount_namespaces.unmount_below([view.run_directory])
            shutil.rmtree(view.run_directory, ignore_errors=True)
            _lab_mount_namespaces.create(view)
    return made


def let_go(layout: dict[str, t.Any], nodes: list[str] | None, check_mode: bool) -> list[str]:
    """Let go of the namespaces of some nodes, or of everything that the lab mounted."""
    everything = [layout["dir"], layout["run_dir"]]
    if nodes is None:
        found = _lab_mount_namespaces.below(everything, _lab_system.current_mounts())
        if found and not check_mode:
            _lab_mount_namespaces.unmount_below(everything)
        return found
    files = [node["mount_namespace"] for node in layout["possible_nodes"] if node["name"] in nodes]
    found = [file for file in files if os.path.exists(file)]
    if not check_mode:
        for file in found:
            _lab_mount_namespaces.remove(file)
    return found


def main() -> None:
    """Bring the namespaces to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "keep": {"type": "list", "elements": "path", "default": []},
            "nodes": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        if options["state"] == "present":
            touched = make(options["layout"], options["keep"], module.check_mode)
        else:
            touched = let_go(options["layout"], options["nodes"], module.check_mode)
    except (_lab_system.LabError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(touched), namespaces=touched)


if __name__ == "__main__":
    main()
