#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_export
short_description: Back up Redis Enterprise databases now
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Has Redis Enterprise export databases to where their resources have them backed up, all of them together, and waits for the end.
  - Asks the cluster's REST API through the Kubernetes API server, as C(kubectl port-forward) does, so the right to create C(pods/portforward) is needed.
  - Reads the keys of the object store and those of the REST API from the cluster's Secrets; none of them is an option or in the result.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode the databases are looked up, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run makes further files.
options:
  databases:
    description:
      - RedisEnterpriseDatabases by C(namespace) and C(name).
    type: list
    elements: dict
    required: true
    suboptions:
      namespace:
        description: Where the resource is.
        type: str
        required: true
      name:
        description: The name of the resource.
        type: str
        required: true
  timeout:
    description: How many seconds all of them together may take.
    type: int
    default: 3600
  interval:
    description: How many seconds lie between two looks.
    type: float
    default: 2.0
seealso:
  - module: azora.platform.redis_import
"""

EXAMPLES = r"""
- name: Back up two databases now
  azora.platform.redis_export:
    databases:
      - {namespace: azora-redis, name: session}
      - {namespace: azora-redis, name: analytics}
"""

RETURN = r"""
databases:
  description: One entry for each database, in the same order.
  returned: success
  type: list
  elements: dict
  sample:
    - {namespace: azora-redis, name: session, destination: "s3://backups/azora/rec/session", moment: "2026-05-02T00:00:03Z"}
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_redis import ClusterApi, read_database
from ansible_collections.azora.platform.plugins.module_utils._redis_datasets import DatasetError, Patience, exported


def main() -> None:
    """Export all of them, and tell."""
    names = {"namespace": {"type": "str", "required": True}, "name": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "databases": {"type": "list", "elements": "dict", "required": True, "options": names},
            "timeout": {"type": "int", "default": 3600},
            "interval": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    patience = Patience(module.params["timeout"], module.params["interval"])
    try:
        client = KubernetesClient.from_options(module.params)
        made = together(
            [
                functools.partial(
                    _export, client, one["namespace"], one["name"], None if module.check_mode else patience
                )
                for one in module.params["databases"]
            ]
        )
    except (DatasetError, KubernetesError) as error:
        module.fail_json(msg=f"{str(error)[:1].upper()}{str(error)[1:]}.")
    module.exit_json(changed=bool(made), databases=made)


def _export(client: KubernetesClient, namespace: str, name: str, patience: Patience | None) -> dict[str, t.Any]:
    """One database; without patience it is only looked up."""
    database, keys = read_database(client, namespace, name)
    location = database.location(keys)
    made = {"namespace": namespace, "name": name, "destination": database.destination, "moment": None}
    if patience:
        api = ClusterApi(client, namespace, database.cluster)
        made["moment"] = exported(api, database, location, patience).get("last_export_time")
    return made


if __name__ == "__main__":
    main()
