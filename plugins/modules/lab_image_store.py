#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_image_store
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: New nodes of a lab with their images unpacked already
description:
  - Unpacks image archives once, into a store in the cache, and fills the containerd directory of each new node from there by hard
    links. Unpacking them on every node would take most of the time of a boot.
  - Nodes that hold images already are left alone; M(azora.platform.lab_image_import) brings them what they lack.
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
  archives:
    description: OCI archives, or archives written by C(docker save), whose images have full references.
    type: list
    elements: path
    required: true
  layout:
    description: The lab, as laid out by P(azora.platform.lab_layout#filter). The mount namespaces of its nodes must be there.
    type: dict
    required: true
  store:
    description: The directory of the stores, one for each set of images. The two that were used last are kept.
    type: path
    required: true
  binaries:
    description: The directory of C(containerd) and C(ctr).
    type: path
    required: true
seealso:
  - module: azora.platform.lab_image_import
"""

EXAMPLES = r"""
- name: Fill new nodes with images
  azora.platform.lab_image_store:
    archives: [/srv/images/vendor.tar]
    layout: "{{ lab_layout }}"
    store: "{{ lab_cache_dir }}/image-stores"
    binaries: "{{ lab_binaries_dir }}"
"""

RETURN = r"""
built:
  description: Whether the store had to be built.
  returned: always
  type: bool
  sample: false
filled:
  description: The nodes that were filled.
  returned: always
  type: list
  elements: str
  sample: [node1, node2, node3]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_import as images
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_store as stores
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError


def fill(options: dict[str, t.Any], nodes: list[dict[str, t.Any]]) -> bool:
    """Fill new nodes; say whether the store had to be built for that."""
    layout = options["layout"]
    builder = stores.Builder(
        binaries=options["binaries"],
        cgroup=f"{layout['cgroup']}/image-store",
        log=f"{layout['log_dir']}/image-store.log",
        records=layout["records_dir"],
        network_namespace=nodes[0]["netns"],
        mount_namespace=nodes[0]["mount_namespace"],
        run_directory_inside="/run/image-store",
        run_directory=f"{nodes[0]['run_dir']}/image-store",
    )
    archives = [images.read_archive(path) for path in options["archives"]]
    store, built = stores.Store(options["store"]).ensure(archives, builder, f"{options['binaries']}/ctr")
    for node in nodes:
        stores.clone(store, f"{node['dir']}/containerd")
    return built


def main() -> None:
    """Fill what is empty."""
    module = AnsibleModule(
        argument_spec={
            "archives": {"type": "list", "elements": "path", "required": True},
            "layout": {"type": "dict", "required": True},
            "store": {"type": "path", "required": True},
            "binaries": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    nodes = [n for n in module.params["layout"]["nodes"] if not stores.is_filled(f"{n['dir']}/containerd")]
    built = False
    try:
        if nodes and not module.check_mode:
            built = fill(module.params, nodes)
    except (LabError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(nodes), built=built, filled=[node["name"] for node in nodes])


if __name__ == "__main__":
    main()
