#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: List the revisions of Deployments and return them to one
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Lists what revisions Deployments have, with their images and ConfigMaps, and when each was completely rolled out.
  - Returns all of them together to a revision and waits until each is ready with it.
  - What a revision reads from ConfigMaps returns with it as far as each revision has its own, as those that this collection renders do. Secrets stay as
    they are.
  - A mistake in one of them (no such revision, a ConfigMap that is gone) is said before anything changes.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the pod template before and after.
  idempotent:
    support: partial
    details:
      - A ReplicaSet's name stays, so that naming it twice changes nothing the second time. A revision that is returned to becomes the newest and
        gets a new number, and V(previous) is another one then.
options:
  deployments:
    description: The Deployments.
    type: list
    elements: dict
    required: true
    suboptions:
      namespace:
        description: The namespace.
        type: str
        required: true
      name:
        description: The name.
        type: str
        required: true
  revision:
    description:
      - The revision to return to, by its number or by the name of its ReplicaSet.
      - V(previous) is the newest other one that was completely rolled out.
      - Empty only lists.
    type: str
    default: ""
  since:
    description:
      - A moment in UTC, such as V(2026-01-31T14:05:00Z). V(previous) of O(revision) is then the revision that served at that moment, and what has not been
        rolled out since stays as it is.
    type: str
    default: ""
  timeout:
    description: How many seconds all may take together.
    type: int
    default: 300
  restarts:
    description: After how many restarts a container that crashes counts as failed.
    type: int
    default: 3
  log_lines:
    description: How many of the last lines of a failing container's log are shown. V(0) shows none.
    type: int
    default: 5
seealso:
  - module: azora.platform.rollout
"""

EXAMPLES = r"""
- name: List the revisions of two services
  azora.platform.rollback:
    deployments:
      - {namespace: default, name: user}
      - {namespace: default, name: course}

- name: Return one service to the revision before
  azora.platform.rollback:
    deployments:
      - {namespace: default, name: user}
    revision: previous

- name: Return what a run brought that began at two o'clock
  azora.platform.rollback:
    deployments:
      - {namespace: default, name: user}
      - {namespace: default, name: course}
    revision: previous
    since: "2026-01-31T14:00:00Z"
"""

RETURN = r"""
histories:
  description: The revisions of each Deployment as they were found, the newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - deployment: default/user
      revisions:
        - {revision: 4, replica_set: user-7c8fc56c64, images: ["user:2"], config_maps: [user-config-0a1b2c3d4e], rolled_out_at: "2026-01-01T00:00:00Z",
           ready: 2, current: true}
returned:
  description: Which Deployments were returned, or in check mode would be, and to which revision.
  returned: success
  type: dict
  sample: {default/user: 3}
msg:
  description: What was done, or what is wrong.
  returned: always
  type: str
  sample: "default/user was returned to revision 3 (user:1); ready after 8.2 s."
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_rollback import roll_back
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import history_as_data, rollback_message
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import since_mistake

OPTIONS = {
    "deployments": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"namespace": {"type": "str", "required": True}, "name": {"type": "str", "required": True}},
    },
    "revision": {"type": "str", "default": ""},
    "since": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 300},
    "restarts": {"type": "int", "default": 3},
    "log_lines": {"type": "int", "default": 5},
}


def main() -> None:
    """Look, return, wait, tell."""
    module = AnsibleModule(argument_spec={**CONNECTION_OPTIONS, **OPTIONS}, supports_check_mode=True)
    if mistake := since_mistake(module.params["since"], module.params["revision"]):
        module.fail_json(msg=f"{mistake}. Nothing was changed.")
    try:
        client = KubernetesClient.from_options(module.params)
        given = {name: module.params[name] for name in OPTIONS}
        result = roll_back(client, **given, look_only=module.check_mode)
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")
    for warning in result.warnings:
        module.warn(warning)
    numbers = {identity: revision.number for identity, revision in result.returned.items()}
    if result.mistakes:
        module.fail_json(msg=f"{'; '.join(result.mistakes)}. Nothing was changed.")
    answer = {
        "changed": bool(numbers),
        "histories": [history_as_data(identity, found) for identity, found in result.histories.items()],
        "returned": numbers,
        "diff": result.diffs,
        "msg": "\n".join(result.failures)
        or rollback_message(result.returned, result.seconds, planned=module.check_mode),
    }
    if result.failures:
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
