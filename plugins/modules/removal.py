#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: removal
short_description: Delete objects and wait until they are gone, all of them together
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Asks for the end of all given objects at once and waits until all are gone, so that it takes as long as the slowest of them.
  - Finalizers are respected. If one is not done in time, it is said which object it holds, whose work it is, and how that operator stands.
  - What is not there, and what is of a kind that the cluster does not serve, is no change.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - What is removed is named in RV(removed).
  idempotent:
    support: full
options:
  resources:
    description:
      - Objects by C(apiVersion), C(kind), C(metadata.name) and, where they have one, C(metadata.namespace).
      - With C(metadata.uid), only that very object goes and not another one of its name.
      - C(propagationPolicy) says what becomes of what an object owns, by default V(Foreground), gone before the object itself is.
    type: list
    elements: dict
    required: true
  awaited:
    description: Objects that go by themselves meanwhile and have to be gone, too.
    type: list
    elements: dict
    default: []
  applied_by:
    description: Remove only what this field manager has applied; the others are named in RV(foreign).
    type: str
    default: ""
  operators:
    description:
      - Who does the work that finalizers wait for, to say how they stand.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The operator's name.
        type: str
        required: true
      namespace:
        description: Where it lives.
        type: str
        required: true
      pod_labels:
        description: The labels of its pods.
        type: dict
        required: true
      groups:
        description: The API groups of its resources.
        type: list
        elements: str
        required: true
      is_optional:
        description: Whether it may well not be there, and is then not spoken of.
        type: bool
        default: false
  timeout:
    description: How many seconds everything together may take.
    type: int
    default: 300
  interval:
    description: How many seconds lie between two looks.
    type: float
    default: 1.0
seealso:
  - module: azora.platform.inventory_info
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Remove two databases and wait for their operator
  azora.platform.removal:
    resources:
      - {apiVersion: postgresql.cnpg.io/v1, kind: Database, metadata: {name: pg-user, namespace: azora-data}}
      - {apiVersion: postgresql.cnpg.io/v1, kind: Database, metadata: {name: pg-course, namespace: azora-data}}
"""

RETURN = r"""
removed:
  description: What was removed or went along (O(awaited)), or in check mode would.
  returned: always
  type: list
  elements: str
  sample: ["Database azora-data/pg-user"]
foreign:
  description: What is there and stays, because O(applied_by) has not applied it.
  returned: always
  type: list
  elements: str
  sample: []
remaining:
  description: A sentence about each object that is still there.
  returned: always
  type: list
  elements: str
  sample: []
looks:
  description: How often was looked.
  returned: always
  type: int
  sample: 3
"""

import typing as t
from collections.abc import Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_inventory import served_types
from ansible_collections.azora.platform.plugins.module_utils._removal import (
    Calls,
    Target,
    remove,
    sentences,
    targets_of,
)

OPERATOR = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "pod_labels": {"type": "dict", "required": True},
    "groups": {"type": "list", "elements": "str", "required": True},
    "is_optional": {"type": "bool", "default": False},
}


def calls_of(client: KubernetesClient) -> Calls:
    """What reaches the cluster."""

    def read(paths: Sequence[str]) -> list[list[dict[str, t.Any]]]:
        return together([lambda path=path: client.list(path, metadata_only=True) for path in paths])

    def delete(target: Target) -> str:
        try:
            client.delete(target.path, uid=target.uid, propagation=target.propagation)
        except KubernetesError as error:
            return f"{target.shown} cannot be removed: {error}"
        return ""

    return Calls(read, lambda targets: together([lambda target=target: delete(target) for target in targets]))


def main() -> None:
    """Ask for all, wait for all, tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "resources": {"type": "list", "elements": "dict", "required": True},
            "awaited": {"type": "list", "elements": "dict", "default": []},
            "applied_by": {"type": "str", "default": ""},
            "operators": {"type": "list", "elements": "dict", "default": [], "options": OPERATOR},
            "timeout": {"type": "int", "default": 300},
            "interval": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    resources, awaited = module.params["resources"], module.params["awaited"]
    try:
        client = KubernetesClient.from_options(module.params)
        versions = list(dict.fromkeys(resource["apiVersion"] for resource in [*resources, *awaited]))
        types, unread = served_types(client, versions)
        if unread:
            module.fail_json(msg=f"INCONCLUSIVE, nothing was removed: {'; '.join(unread)}.")
        outcome = remove(
            [*targets_of(resources, types), *targets_of(awaited, types, awaited=True)],
            calls_of(client),
            applied_by=module.params["applied_by"],
            dry_run=module.check_mode,
            timeout=module.params["timeout"],
            interval=module.params["interval"],
        )
        remaining = held_back(client, module.params, outcome.remaining)
    except KubernetesError as error:
        module.fail_json(msg=f"INCONCLUSIVE, could not look at what has to go: {error}.")
    result = {
        "changed": bool(outcome.removed),
        "removed": outcome.removed,
        "foreign": outcome.foreign,
        "remaining": remaining,
        "looks": outcome.looks,
    }
    if outcome.refused or remaining:
        module.fail_json(msg=f"{'; '.join([*outcome.refused, *remaining])}.", **result)
    module.exit_json(**result)


def held_back(
    client: KubernetesClient, params: dict[str, t.Any], remaining: Sequence[tuple[Target, t.Mapping[str, t.Any]]]
) -> list[str]:
    """Sentences about what is left, with what only the whole objects and the operators' Deployments tell."""
    if not remaining:
        return []
    whole = [
        (target, (client.get(target.path) or item) if target.type.kind == "Namespace" else item)
        for target, item in remaining
    ]
    places = dict.fromkeys(operator["namespace"] for operator in params["operators"])
    deployments = [one for place in places for one in client.list(f"/apis/apps/v1/namespaces/{place}/deployments")]
    return sentences(whole, params["timeout"], params["operators"], deployments)


if __name__ == "__main__":
    main()
