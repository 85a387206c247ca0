#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory_info
short_description: What stands in namespaces, whatever its kind, and whose it is
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Lists the objects of every kind that the cluster serves, in the given namespaces and in those that carry the given labels.
  - Besides them, what is in no namespace and carries the labels, and everything of the given API groups in the whole cluster.
  - Reads names, labels, owners and finalizers only. What is in an object, such as a Secret, does not leave the API server.
  - Leaves out what nobody puts there, such as events, leases, endpoints and metrics.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
  - azora.platform.attributes.info_module
options:
  namespaces:
    description: The namespaces; those that do not exist are left out.
    type: list
    elements: str
    required: true
  labels:
    description: The labels of what belongs together.
    type: dict
    required: true
  groups:
    description: API groups of operators, whose resources are listed in the whole cluster.
    type: list
    elements: str
    default: []
seealso:
  - module: azora.platform.removal
"""

EXAMPLES = r"""
- name: Look at what stands in a platform's namespaces
  azora.platform.inventory_info:
    namespaces: [azora-es, azora-data]
    labels: {app.kubernetes.io/managed-by: azora.platform, app.kubernetes.io/part-of: azora}
    groups: [kafka.strimzi.io]
  register: inventory
"""

RETURN = r"""
namespaces:
  description: The namespaces that exist.
  returned: success
  type: list
  elements: dict
  sample: [{apiVersion: v1, kind: Namespace, metadata: {name: azora-es, labels: {}}}]
objects:
  description: The objects, with C(cluster), the cluster of an operator that one belongs to, and C(clusterId) of a Kafka.
  returned: success
  type: list
  elements: dict
  sample: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: analytics, namespace: azora-es, labels: {}, ownerReferences: [], finalizers: []}}]
unread:
  description: A sentence about each kind that could not be looked at. Nothing may be concluded from its absence.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_inventory import read_inventory


def main() -> None:
    """Read and return."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "namespaces": {"type": "list", "elements": "str", "required": True},
            "labels": {"type": "dict", "required": True},
            "groups": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        found = read_inventory(
            KubernetesClient.from_options(params), params["namespaces"], params["labels"], params["groups"]
        )
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
