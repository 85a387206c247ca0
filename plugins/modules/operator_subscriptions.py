#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operator_subscriptions
short_description: Follow the Operator Lifecycle Manager until operators are installed
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Waits until the ClusterServiceVersion of each operator has succeeded, all of them together.
  - Approves the InstallPlans that lead to the wanted versions, of which there may be several in an upgrade. A plan that goes beyond the wanted version, or
    holds something of another operator, is not approved.
  - Stops at once where OLM has given up, and tells why in its words.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode it looks once, approves nothing, and does not fail.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  operators:
    description:
      - Operators as the filter azora.platform.operator_plan gives them, with C(name), C(namespace) and C(subscription).
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
seealso:
  - module: azora.platform.rollout
"""

EXAMPLES = r"""
- name: Wait until OLM has installed the operators
  azora.platform.operator_subscriptions:
    operators: "{{ operators }}"
    timeout: 600
"""

RETURN = r"""
approved:
  description: The InstallPlans that were approved, as NAMESPACE/NAME.
  returned: always
  type: list
  elements: str
  sample: [strimzi-system/install-7xk2p]
waiting:
  description: A sentence about each operator that OLM has not installed yet.
  returned: always
  type: list
  elements: str
  sample: []
failed_operators:
  description: A sentence about each operator that OLM cannot install.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._operator_subscriptions_wait import (
    ORIGINALS,
    follow,
    path_of,
)


def main() -> None:
    """Look and approve until it is decided, and tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "operators": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 300},
            "interval": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    operators = module.params["operators"]
    try:
        client = KubernetesClient.from_options(module.params)
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")

    def read(plural: str) -> list[dict[str, t.Any]] | KubernetesError:
        namespaces = dict.fromkeys(operator["namespace"] for operator in operators)
        try:
            found = [
                client.list(path_of(plural, namespace), label_selector=ORIGINALS.get(plural, ""))
                for namespace in namespaces
            ]
        except KubernetesError as error:
            return error
        return [entry for entries in found for entry in entries]

    def approve(plan: dict[str, t.Any]) -> None:
        path = path_of("installplans", plan["metadata"]["namespace"], plan["metadata"]["name"])
        client.merge(path, {"spec": plan["spec"]})

    try:
        outcome = follow(
            operators,
            read,
            (lambda _plan: None) if module.check_mode else approve,
            timeout=0 if module.check_mode else module.params["timeout"],
            interval=module.params["interval"],
        )
    except KubernetesError as error:
        module.fail_json(msg=f"An InstallPlan could not be approved: {error}.")
    result = {
        "changed": bool(outcome.approved),
        "approved": outcome.approved,
        "waiting": outcome.waiting,
        "failed_operators": outcome.failed,
    }
    if outcome.is_done or module.check_mode:
        module.exit_json(**result)
    why = "" if outcome.failed else f"Not installed within {module.params['timeout']} s: "
    module.fail_json(msg=f"{why}{'; '.join(outcome.failed + outcome.waiting)}.", **result)


if __name__ == "__main__":
    main()
