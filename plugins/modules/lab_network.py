#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_network
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The closed network of a lab
description:
  - Makes, repairs and removes the network namespaces, links, addresses, routes and packet filter rules of a lab.
  - The lab is closed. Its only way out ends in a network namespace that forwards nothing, and the host drops whatever the lab
    might try to send through it. The host's own kernel settings are not touched.
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
  nodes:
    description:
      - With O(state=absent), remove only the network namespaces of these nodes and leave the lab in place.
      - By default the whole network goes.
    type: list
    elements: str
  state:
    description: Whether the network should be there.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - iproute2
  - nftables
"""

EXAMPLES = r"""
- name: Make the network of the lab
  azora.platform.lab_network:
    layout: "{{ lab_layout }}"

- name: Remove it
  azora.platform.lab_network:
    layout: "{{ lab_layout }}"
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["ip netns add dev-node1"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_network, _lab_network_setup
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError


def main() -> None:
    """Bring the network to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "nodes": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    layout = module.params["layout"]
    network = _lab_network_setup.LabNetwork(_lab_network.network(layout), check_mode=module.check_mode)
    try:
        if module.params["state"] == "present":
            network.present()
        elif module.params["nodes"] is not None:
            names = [n["netns"] for n in layout["possible_nodes"] if n["name"] in module.params["nodes"]]
            network.remove_namespaces(_lab_network_setup.matching(names))
        else:
            network.absent(_lab_network.netns_pattern(layout["name"]), layout["link_alias"])
    except (LabError, OSError) as error:
        module.fail_json(msg=str(error), actions=network.done)
    module.exit_json(changed=bool(network.done), actions=network.done)


if __name__ == "__main__":
    main()
