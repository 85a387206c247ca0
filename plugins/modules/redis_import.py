#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_import
short_description: Restore a Redis Enterprise database from its backup
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Has Redis Enterprise import files of the object store into a database, and waits for the end.
  - An import replaces everything in the database, so one that has keys is refused unless O(overwrite) is true.
  - Asks the cluster's REST API through the Kubernetes API server, as C(kubectl port-forward) does, so the right to create C(pods/portforward) is needed.
  - Reads the keys of the object store and those of the REST API from the cluster's Secrets; none of them is an option or in the result.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode the database is looked up and judged, and nothing is imported.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run replaces the content of the database.
options:
  namespace:
    description: Where the RedisEnterpriseDatabase is.
    type: str
    required: true
  name:
    description: The name of the RedisEnterpriseDatabase. It must name an S3 service for its backups.
    type: str
    required: true
  files:
    description: The names of the files, one of each shard of the database at the time of the backup.
    type: list
    elements: str
    required: true
  subdir:
    description: The folder of the bucket in which they are; the one of the database's own backups if it is left out.
    type: str
  overwrite:
    description: Whether what is in the database may be replaced.
    type: bool
    default: false
  timeout:
    description: How many seconds it may take.
    type: int
    default: 3600
  interval:
    description: How many seconds lie between two looks.
    type: float
    default: 2.0
seealso:
  - module: azora.platform.redis_export
"""

EXAMPLES = r"""
- name: Restore a database that was lost with its cluster
  azora.platform.redis_import:
    namespace: azora-redis
    name: session
    files: [session-2026-05-02T000003Z-1_of_1-0-16383.rdb.gz]
"""

RETURN = r"""
source:
  description: Where the files were.
  returned: success
  type: str
  sample: s3://backups/azora/rec/session
keys_before:
  description: How many keys were in the database.
  returned: success
  type: int
  sample: 0
keys_after:
  description: How many keys are in it now, as the cluster counts them; as before in check mode.
  returned: success
  type: int
  sample: 1204
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_redis import ClusterApi, read_database
from ansible_collections.azora.platform.plugins.module_utils._redis_datasets import (
    DatasetError,
    Patience,
    imported,
    key_count,
)


def main() -> None:
    """Judge, import, and tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "str", "required": True},
            "subdir": {"type": "str"},
            "overwrite": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 3600},
            "interval": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        client = KubernetesClient.from_options(given)
        database, secrets = read_database(client, given["namespace"], given["name"])
        location = database.location(secrets, given["subdir"])
        api = ClusterApi(client, given["namespace"], database.cluster)
        before = after = key_count(api, database)
        if before and not given["overwrite"]:
            raise DatasetError(
                f"the database {database.identity} has {before} keys, and an import would replace them: empty it, or allow that (overwrite)"
            )
        if not module.check_mode:
            imported(api, database, location, given["files"], Patience(given["timeout"], given["interval"]))
            after = key_count(api, database)
    except (DatasetError, KubernetesError) as error:
        module.fail_json(msg=f"{str(error)[:1].upper()}{str(error)[1:]}.")
    source = "/".join(part for part in (f"s3://{database.bucket}", location["subdir"]) if part)
    module.exit_json(changed=True, source=source, keys_before=before, keys_after=after)


if __name__ == "__main__":
    main()
