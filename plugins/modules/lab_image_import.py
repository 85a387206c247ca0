#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_image_import
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Image archives on every node of a lab
description:
  - Imports image archives into the containerd of every node, all nodes at the same time.
  - An archive whose images a node has already, with the same digests, is not imported again.
  - Without a registry this has to happen before pods are scheduled; a pull would hang for minutes.
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
    description: The lab, as laid out by P(azora.platform.lab_layout#filter).
    type: dict
    required: true
  client:
    description: The program C(ctr).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Bring an image to every node
  azora.platform.lab_image_import:
    archives: [/srv/images/vendor.tar]
    layout: "{{ lab_layout }}"
    client: "{{ lab_binaries_dir }}/ctr"
"""

RETURN = r"""
imported:
  description: The archives that were imported, by node.
  returned: always
  type: dict
  sample: {node1: [/srv/images/vendor.tar]}
references:
  description: What the archives call their images.
  returned: always
  type: list
  elements: str
  sample: [registry.example/vendor:1.0]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_import as images
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError


def main() -> None:
    """Import what the nodes lack."""
    module = AnsibleModule(
        argument_spec={
            "archives": {"type": "list", "elements": "path", "required": True},
            "layout": {"type": "dict", "required": True},
            "client": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    importer = images.Importer(module.params["client"])
    nodes = [images.Node(node["name"], node["containerd_socket"]) for node in module.params["layout"]["nodes"]]
    try:
        archives = [images.read_archive(path) for path in module.params["archives"]]

        def bring(node: images.Node) -> list[str]:
            # In check mode, a node that does not run yet lacks them all.
            to_come = module.check_mode and not os.path.exists(node.socket)
            lacking = archives if to_come else importer.lacking(node, archives)
            if not module.check_mode:
                importer.bring(node, lacking)
            return [archive.path for archive in lacking]

        imported = {node.name: paths for node, paths in zip(nodes, images.for_all(nodes, bring), strict=True) if paths}
    except LabError as error:
        module.fail_json(msg=str(error))
    references = [image.reference for archive in archives for image in archive.images]
    module.exit_json(changed=bool(imported), imported=imported, references=references)


if __name__ == "__main__":
    main()
