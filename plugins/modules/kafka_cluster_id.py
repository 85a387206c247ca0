#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_cluster_id
short_description: Give a Kafka that is made anew the id of the volumes it had
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Kafka refuses volumes that belong to another cluster id, and Strimzi gives each new cluster a new one.
  - Writes the id into the status of a Kafka that has none yet, as Strimzi's own procedure for the recovery of a deleted cluster asks for.
    The Kafka has to be paused (C(strimzi.io/pause-reconciliation)) until then.
  - A Kafka that has an id is left as it is.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - The id is returned.
  idempotent:
    support: full
options:
  clusters:
    description: The clusters, as P(azora.platform.kafka_returning#filter) returns them; its key C(manifest) is not needed.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The Kafka's name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      cluster_id:
        description: The id that its volumes have.
        type: str
        required: true
      manifest:
        description: Is not looked at.
        type: dict
"""

EXAMPLES = r"""
- name: Give the Kafka its old id
  azora.platform.kafka_cluster_id:
    clusters:
      - {namespace: azora-data, name: bus, cluster_id: XP9FP2P-RByvEy0W4cOEUA}
"""

RETURN = r"""
cluster_ids:
  description: The ids that the clusters have now, in their order.
  returned: success
  type: list
  elements: str
  sample: [XP9FP2P-RByvEy0W4cOEUA]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import API_VERSION
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)

CLUSTER = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "cluster_id": {"type": "str", "required": True},
    "manifest": {"type": "dict"},
}


def main() -> None:
    """Look, write, tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "clusters": {"type": "list", "elements": "dict", "required": True, "options": CLUSTER},
        },
        supports_check_mode=True,
    )
    try:
        client = KubernetesClient.from_options(module.params)
        before = [identified(client, cluster) for cluster in module.params["clusters"]]
        if not module.check_mode:
            for cluster, known in zip(module.params["clusters"], before, strict=True):
                if not known:
                    client.merge(f"{path(cluster)}/status", {"status": {"clusterId": cluster["cluster_id"]}})
    except KubernetesError as error:
        module.fail_json(msg=f"A Kafka cannot be given the id of its volumes: {error}.")
    ids = [known or cluster["cluster_id"] for cluster, known in zip(module.params["clusters"], before, strict=True)]
    module.exit_json(changed=not all(before), cluster_ids=ids)


def path(cluster: dict[str, t.Any]) -> str:
    """Where the Kafka is."""
    return f"/apis/{API_VERSION}/namespaces/{cluster['namespace']}/kafkas/{cluster['name']}"


def identified(client: KubernetesClient, cluster: dict[str, t.Any]) -> str:
    """The id that it has already; in check mode it may not be there yet."""
    return str(((client.get(path(cluster)) or {}).get("status") or {}).get("clusterId") or "")


if __name__ == "__main__":
    main()
