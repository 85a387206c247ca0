#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_info
short_description: Compare what each replica of the gateway does with what it should do
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Asks every replica of a Tyk Gateway for the APIs that it has loaded, and compares them with those that it should have.
    Tyk skips a file that it cannot read, and is ready all the same.
  - Then tries every route on every replica, without a token and, if the key that signs them is in a Secret, with one.
  - All of it goes through the Kubernetes API server, as C(kubectl port-forward) does, so the right to create C(pods/portforward) is needed.
  - Reads the keys from Secrets; no key, token or value of a definition is an option or in the result.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  gateway:
    description: Where the gateway is.
    type: dict
    required: true
    suboptions:
      namespace:
        description: Where its pods and Secrets are.
        type: str
        required: true
      selector:
        description: The labels of its pods.
        type: dict
        required: true
      port:
        description: The port on which it serves.
        type: int
        required: true
      control_port:
        description: The port of its own API.
        type: int
        required: true
      secret:
        description: The Secret with the key C(TYK_GW_SECRET).
        type: str
        required: true
      token_key:
        description:
          - Where the key of HS256 is, as C(secret), C(key), and C(variable), the environment variable that the gateway has it in.
          - Without it no token is made.
        type: dict
  definitions:
    description: The API definitions that it should have loaded, as P(azora.platform.gateway_api_definitions#filter) returns them.
    type: dict
    required: true
  routes:
    description: The routes to try, as P(azora.platform.gateway_routes#filter) returns them.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: azora.platform.gateway_api_definitions
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Ask every replica of the gateway
  azora.platform.gateway_info:
    gateway:
      namespace: default
      selector: {app.kubernetes.io/name: gateway}
      port: 8080
      control_port: 8080
      secret: gateway-credentials
    definitions: "{{ catalogue | azora.platform.gateway_api_definitions }}"
    routes: "{{ catalogue | azora.platform.gateway_routes }}"
"""

RETURN = r"""
replicas:
  description: One entry for each replica that serves.
  returned: success
  type: list
  elements: dict
  contains:
    pod:
      description: The name of its pod.
      type: str
    problems:
      description: What is other than it should be, in sentences.
      type: list
      elements: str
    unseen:
      description: What could not be looked at, and why.
      type: list
      elements: str
problems:
  description: All of them, with the pod.
  returned: success
  type: list
  elements: str
  sample: ["gateway-5d8f-x2x: the API course is not loaded"]
unseen:
  description: What could not be looked at on any of them; what is named here is not known to be right.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_gateway import GatewayReplicas

GATEWAY = {
    "namespace": {"type": "str", "required": True},
    "selector": {"type": "dict", "required": True},
    "port": {"type": "int", "required": True},
    "control_port": {"type": "int", "required": True},
    # Names of Secrets, no secrets.
    "secret": {"type": "str", "required": True, "no_log": False},
    "token_key": {"type": "dict", "no_log": False},
}


def main() -> None:
    """Ask all of them, and tell."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "gateway": {"type": "dict", "required": True, "options": GATEWAY},
            "definitions": {"type": "dict", "required": True},
            "routes": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    intended = list(module.params["definitions"].values())
    try:
        client = KubernetesClient.from_options(module.params)
        replicas = GatewayReplicas(client, module.params["gateway"]).examined(intended, module.params["routes"])
    except KubernetesError as error:
        module.exit_json(changed=False, replicas=[], problems=[], unseen=[f"the gateway: {error}"])
    unseen = list(dict.fromkeys(sentence for replica in replicas for sentence in replica["unseen"]))
    module.exit_json(
        changed=False,
        replicas=replicas,
        problems=[f"{replica['pod']}: {problem}" for replica in replicas for problem in replica["problems"]],
        unseen=unseen if replicas else ["the gateway: no replica of it serves"],
    )


if __name__ == "__main__":
    main()
