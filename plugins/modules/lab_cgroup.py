#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_cgroup
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Control groups of a lab, version 1 and version 2
description:
  - Makes control groups in every hierarchy of the machine, ready to take processes (version 1) or to hand their controllers on
    (version 2).
  - Removing one ends every process in it and below it first. Since all processes of a lab live below one control group, nothing
    has to be found by its name.
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
  paths:
    description: The control groups, for example V(/azora-lab-dev/node1).
    type: list
    elements: str
    required: true
  cpu_weights:
    description:
      - The shares of some of them in the processors, beside their siblings, by their path; 1 to 10000, in the terms of version 2,
        where V(100) is what a group or a process has by default.
    type: dict
    default: {}
  graceful_seconds:
    description: How long processes have between TERM and KILL when O(state=absent). With V(0) they are killed at once.
    type: float
    default: 0
  state:
    description: Whether the control groups should be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Make the control groups of a node
  azora.platform.lab_cgroup:
    paths:
      - /azora-lab-dev
      - /azora-lab-dev/node1
    cpu_weights:
      /azora-lab-dev: 1000

- name: End every process of a lab
  azora.platform.lab_cgroup:
    paths: [/azora-lab-dev]
    state: absent
"""

RETURN = r"""
version:
  description: The version whose controllers are used, V(1) or V(2).
  returned: always
  type: int
  sample: 1
touched:
  description: The control groups that were made or removed.
  returned: always
  type: list
  elements: str
  sample: [/azora-lab-dev/node1]
ended:
  description: How many processes were ended.
  returned: always
  type: int
  sample: 42
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError


def main() -> None:
    """Bring the control groups to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "str", "required": True},
            "cpu_weights": {"type": "dict", "default": {}},
            "graceful_seconds": {"type": "float", "default": 0},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    machine = _lab_cgroups.hierarchies()
    touched, ended = [], 0
    try:
        for path in module.params["paths"]:
            weight = int(module.params["cpu_weights"].get(path, 0))
            if len(path.strip("/")) == 0:
                raise LabError("the root control group is not the lab's")
            if module.params["state"] == "present":
                absent = bool(_lab_cgroups.missing(path, machine))
                if absent and not module.check_mode:
                    _lab_cgroups.create(path, machine)
                check = module.check_mode
                if (weight and _lab_cgroups.weigh(path, weight, machine, check_mode=check)) or absent:
                    touched.append(path)
            elif _lab_cgroups.exists(path, machine):
                touched.append(path)
                if not module.check_mode:
                    seconds = module.params["graceful_seconds"]
                    ended += _lab_cgroups.stop_processes(path, graceful_seconds=seconds, machine=machine)
                    _lab_cgroups.remove(path, machine)
    except (LabError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(touched), version=machine.version, touched=touched, ended=ended)


if __name__ == "__main__":
    main()
