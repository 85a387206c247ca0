#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: What a platform must know about the cluster it goes to
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Reads the facts that policies and manifests are derived from, such as address ranges, the API server's own addresses, the
    cluster's DNS, the default StorageClass, and which APIs are served.
  - Each fact can be given in O(overrides), for clusters that do not tell it or do not let this user see it.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
  - azora.platform.attributes.info_module
options:
  overrides:
    description:
      - Facts that are known better than the cluster tells them, by the names under RV(cluster).
      - A fact given here replaces the one that was read. V(null) gives nothing.
      - C(openshift) can only be V(true) where the cluster serves C(security.openshift.io).
    type: dict
    default: {}
seealso:
  - module: azora.platform.verify
"""

EXAMPLES = r"""
- name: Read the facts of the current context's cluster
  azora.platform.cluster_info:
  register: platform_cluster

- name: On a network plugin that hands out pod addresses without the nodes' knowledge
  azora.platform.cluster_info:
    kubeconfig: ~/.kube/production
    overrides:
      pod_cidrs: [10.244.0.0/16]
  register: platform_cluster
"""

RETURN = r"""
cluster:
  description: The facts.
  returned: success
  type: dict
  contains:
    version:
      description: The version of the API server.
      type: str
      returned: success
      sample: v1.37.0
    openshift:
      description: Whether this is OpenShift, which gives pods their users itself; it is judged by the API C(security.openshift.io).
      type: bool
      returned: success
      sample: false
    node_names:
      description: The nodes.
      type: list
      elements: str
      returned: success
      sample: [node1, node2, node3]
    pod_cidrs:
      description: The ranges pods get their addresses from, in as few ranges as possible.
      type: list
      elements: str
      returned: success
      sample: [10.128.1.0/24, 10.128.2.0/23]
    service_cidrs:
      description: The ranges Services get their addresses from.
      type: list
      elements: str
      returned: success
      sample: [10.129.0.0/17]
    node_cidrs:
      description: Each address of each node, as a range of one address.
      type: list
      elements: str
      returned: success
      sample: [10.129.128.11/32, 10.129.128.12/32, 10.129.128.13/32]
    api_server:
      description: The API server's own addresses, behind the Service C(kubernetes).
      type: list
      elements: dict
      returned: success
      contains:
        address:
          description: An address.
          type: str
          returned: success
          sample: 10.129.128.2
        port:
          description: The port on that address.
          type: int
          returned: success
          sample: 6443
    dns:
      description: The cluster's DNS.
      type: dict
      returned: success
      contains:
        namespace:
          description: The namespace of its pods.
          type: str
          returned: success
          sample: kube-system
        pod_labels:
          description: The labels that select its pods.
          type: dict
          returned: success
          sample: {k8s-app: kube-dns}
        addresses:
          description: The addresses of its Service.
          type: list
          elements: str
          returned: success
          sample: [10.129.0.10]
        ports:
          description: Where its pods listen; C(port) is the port of the pods and C(service_port) that of the Service.
          type: list
          elements: dict
          returned: success
          sample:
            - {name: dns, protocol: UDP, port: 53, service_port: 53}
            - {name: dns-tcp, protocol: TCP, port: 53, service_port: 53}
    default_storage_class:
      description: The default StorageClass, or nothing.
      type: str
      returned: success
      sample: local-path
    served_apis:
      description: Every group and version the API server serves.
      type: list
      elements: str
      returned: success
      sample: [v1, apps/v1, networking.k8s.io/v1]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._cluster import cluster_facts, unknown_overrides
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_cluster import read_cluster


def main() -> None:
    """Read, derive, warn, return."""
    module = AnsibleModule(
        argument_spec={**CONNECTION_OPTIONS, "overrides": {"type": "dict", "default": {}}},
        supports_check_mode=True,
    )
    unknown = unknown_overrides(module.params["overrides"])
    if unknown:
        module.fail_json(msg=f"overrides has unknown facts: {', '.join(unknown)}.")
    try:
        objects = read_cluster(KubernetesClient.from_options(module.params))
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")
    try:
        found = cluster_facts(objects, module.params["overrides"])
    except ValueError as error:
        module.fail_json(msg=f"{error}.")
    for warning in found.warnings:
        module.warn(warning)
    module.exit_json(changed=False, cluster=found.facts)


if __name__ == "__main__":
    main()
