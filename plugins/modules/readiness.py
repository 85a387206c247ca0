#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness
short_description: Wait until data stores and Deployments are ready, all of them together
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Waits for all given resources together, so that it takes as long as the slowest of them.
  - Custom resources of CloudNativePG, Redis Enterprise and Strimzi are judged by the sign that each vendor gives, such as phases, conditions and
    observed generations.
  - A Deployment is ready when every pod is of its current template and available, as many as wanted (with an autoscaler among the
    resources, at least that one's minimum), and none of an older one is left.
  - Stops at once where waiting cannot help, for example at an image that cannot be pulled or a specification that an operator refuses.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
  - azora.platform.attributes.info_module
attributes:
  check_mode:
    details:
      - In check mode it looks once and does not fail, as nothing was applied that could become ready.
options:
  resources:
    description:
      - Manifests as this collection renders them.
      - Kinds that show no readiness of their own are left out of account.
    type: list
    elements: dict
    required: true
  timeout:
    description: How many seconds everything together may take.
    type: int
    default: 300
  interval:
    description: How many seconds lie between two looks.
    type: float
    default: 1.0
  enlarged:
    description:
      - PostgreSQL clusters (C(namespace/name)) whose volumes are being enlarged, so that a full volume there is waited for.
      - Anywhere else a full volume is something that waiting cannot help.
    type: list
    elements: str
    default: []
seealso:
  - module: azora.platform.verify
  - module: kubernetes.core.k8s_info
"""

EXAMPLES = r"""
- name: Wait until every store is ready
  azora.platform.readiness:
    resources: "{{ postgres_manifests + redis_manifests + kafka_manifests }}"
    timeout: 900
"""

RETURN = r"""
ready:
  description: Whether everything is ready.
  returned: always
  type: bool
  sample: true
waiting:
  description: A sentence about each resource that is not ready and may still become so.
  returned: always
  type: list
  elements: str
  sample: ["Cluster azora-data/pg is not ready: phase 'Setting up primary', 0 of 3 instances ready"]
hopeless:
  description: A sentence about each resource that waiting cannot help.
  returned: always
  type: list
  elements: str
  sample: []
looks:
  description: How often was looked.
  returned: always
  type: int
  sample: 12
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._readiness_wait import Collection, wait


def main() -> None:
    """Look until it is decided, and tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "resources": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 300},
            "interval": {"type": "float", "default": 1.0},
            "enlarged": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        client = KubernetesClient.from_options(module.params)
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")

    def read(collection: Collection) -> list[dict[str, t.Any]] | KubernetesError:
        try:
            return client.list(collection.path, label_selector=collection.label_selector)
        except KubernetesError as error:
            return error

    outcome = wait(
        module.params["resources"],
        lambda collections: together([lambda entry=entry: read(entry) for entry in collections]),
        timeout=0 if module.check_mode else module.params["timeout"],
        interval=module.params["interval"],
        enlarged=module.params["enlarged"],
    )
    result = {
        "changed": False,
        "ready": outcome.is_ready,
        "waiting": outcome.waiting,
        "hopeless": outcome.hopeless,
        "looks": outcome.looks,
    }
    if outcome.is_ready or module.check_mode:
        module.exit_json(**result)
    why = "" if outcome.hopeless else f"Not ready within {module.params['timeout']} s: "
    module.fail_json(msg=f"{why}{'; '.join(outcome.hopeless + outcome.waiting)}.", **result)


if __name__ == "__main__":
    main()
