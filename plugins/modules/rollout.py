#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Wait until workloads and data stores are rolled out, all of them together, and return what fails
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Watches all given resources together, under one deadline, so that it takes as long as the slowest of them.
  - A Deployment, StatefulSet or DaemonSet is ready when every pod is of its current template and available, as many as wanted (with an
    autoscaler among the resources, at least that one's minimum), and none of an older one is left. A Job is ready when it is complete.
  - Custom resources of CloudNativePG, Redis Enterprise and Strimzi are judged by the sign that each vendor gives, such as phases, conditions and
    observed generations.
  - Stops early on what waiting cannot heal, and says of each such workload the reason, the event, the last lines of the failing container's log
    and what to do. That is an image that cannot be pulled, a container that crashes again and again, a missing Secret, ConfigMap or key of
    one, a pod that finds no node, a pod that a quota or Pod Security refuses, an exceeded progress deadline, a specification that an operator refuses.
  - With O(rollback=true) a workload that fails is returned to its last good revision, and that is waited for. The module then fails and says both.
  - A revision that was completely rolled out is remembered as good by the annotation C(azora.platform/rolled-out-at) of its ReplicaSet or
    ControllerRevision. Writing it is not reported as a change.
notes:
  - Needs the rights to get, list and watch the resources, and for workloads pods, ReplicaSets, ControllerRevisions and events, and to get logs;
    to mark and to return, to patch these and the workloads, and to delete the broken pods of a StatefulSet.
  - A log is shown only if the Secrets that the pod reads may be read, too, since their values have to be masked in it.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode it looks once, does not fail, marks and returns nothing, as nothing was applied that could become ready or fail.
  diff_mode:
    support: full
    details:
      - Shows the pod template before and after a return to an earlier revision.
  idempotent:
    support: full
options:
  resources:
    description:
      - Manifests as they were applied.
      - Kinds that show no readiness of their own are left out of account.
    type: list
    elements: dict
    required: true
  timeout:
    description: How many seconds everything together may take.
    type: int
    default: 300
  patience:
    description:
      - After how many seconds without any progress a workload counts as failed that could only go on if something else changed. These are no room on
        a node, an exceeded quota, a registry that does not answer.
      - Room that another workload frees comes only when its old pods are gone, so choose at least their grace period, and more where a cluster
        autoscaler brings nodes.
    type: int
    default: 60
  restarts:
    description: After how many restarts a container that crashes counts as failed.
    type: int
    default: 3
  rollback:
    description:
      - Return each Deployment, StatefulSet and DaemonSet that fails to its last good revision, that is the newest one that is marked as rolled out, or,
        where none is marked, the one that has the most ready pods or is a StatefulSet's current one.
      - A StatefulSet's pods that are not ready with the failed revision are deleted, as its controller would wait for them forever.
      - ConfigMaps return with it as far as each revision has its own, as those that this collection renders do. Secrets stay as they are.
      - Without it the first failure ends the wait.
    type: bool
    default: false
  rollback_timeout:
    description: How many seconds a return may take.
    type: int
    default: 120
  log_lines:
    description: How many of the last lines of a failing container's log are shown. V(0) shows none.
    type: int
    default: 5
  enlarged:
    description:
      - PostgreSQL clusters (C(namespace/name)) whose volumes are being enlarged, so that a full volume there is waited for.
      - Anywhere else a full volume is something that waiting cannot help.
    type: list
    elements: str
    default: []
seealso:
  - module: azora.platform.rollback
  - module: azora.platform.verify
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Wait until every store is ready
  azora.platform.rollout:
    resources: "{{ postgres_manifests + redis_manifests + kafka_manifests }}"
    timeout: 900

- name: Wait until every service is rolled out, and return those that fail
  azora.platform.rollout:
    resources: "{{ services_manifests }}"
    rollback: true
"""

RETURN = r"""
ready:
  description: Whether everything is ready as it was wanted. What was returned to an earlier revision is not.
  returned: always
  type: bool
  sample: true
msg:
  description: How long it took and what was slow, or what failed and why.
  returned: always
  type: str
  sample: "8 ready after 21.4 s; slowest: default/user 21.4 s, default/course 20.9 s."
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 21.4
workloads:
  description: Each resource that was waited for, in the order of O(resources).
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: The kind.
      type: str
    namespace:
      description: The namespace.
      type: str
    name:
      description: The name.
      type: str
    state:
      description: V(ready), V(waiting), V(failed), or V(inconclusive) where nobody could look.
      type: str
    seconds:
      description: After how many seconds it was decided; null if it was not.
      type: float
    message:
      description: What was found, in a sentence.
      type: str
    reason:
      description: Why it failed, in a word.
      type: str
    event:
      description: The event that tells most about a failure.
      type: str
    pod:
      description: The pod that failed.
      type: str
    container:
      description: The container that failed.
      type: str
    log:
      description: The last lines of its log, without secrets.
      type: list
      elements: str
    log_withheld:
      description: Why its log is not shown.
      type: str
    advice:
      description: What to do.
      type: str
    returned_to:
      description: The number of the revision it was returned to.
      type: int
    returned:
      description: Whether it is ready again with that revision.
      type: bool
    returned_seconds:
      description: How long the return took.
      type: float
    not_returned:
      description: Why it was not returned.
      type: str
config_maps:
  description:
    - The ConfigMaps that the Deployments of each namespace and their revisions refer to. A revision beyond its Deployment's history does not count.
    - Namespaces whose Deployments or ReplicaSets could not be looked at are left out.
  returned: always
  type: dict
  sample: {default: [user-config-0a1b2c3d4e]}
canaries:
  description:
    - The label C(pod-template-hash) of the new revision of each Deployment that is held back with one pod of it ready, as the role
      P(azora.platform.canary#role) applies them. Such a Deployment counts as ready then, and its revision is not marked as good.
  returned: always
  type: dict
  sample: {default/user: 7c8fc56c64}
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_rollout import Settings, roll_out
from ansible_collections.azora.platform.plugins.module_utils._rollout import mistakes
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import as_data, message
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import State

OPTIONS = {
    "resources": {"type": "list", "elements": "dict", "required": True},
    "timeout": {"type": "int", "default": 300},
    "patience": {"type": "int", "default": 60},
    "restarts": {"type": "int", "default": 3},
    "rollback": {"type": "bool", "default": False},
    "rollback_timeout": {"type": "int", "default": 120},
    "log_lines": {"type": "int", "default": 5},
    "enlarged": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    """Watch until all is decided, and tell."""
    module = AnsibleModule(argument_spec={**CONNECTION_OPTIONS, **OPTIONS}, supports_check_mode=True)
    if wrong := mistakes(module.params["resources"]):
        module.fail_json(msg=f"{'; '.join(wrong)}.")
    settings = Settings(**{name: module.params[name] for name in OPTIONS if name != "resources"})
    try:
        client = KubernetesClient.from_options(module.params)
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")
    outcome = roll_out(client, module.params["resources"], settings, look_once=module.check_mode)
    for warning in outcome.warnings:
        module.warn(warning)
    courses = outcome.courses
    returns = [course.back for course in courses if course.back is not None]
    result = {
        "changed": bool(returns),
        "ready": all(course.state is State.READY for course in courses),
        "msg": message(courses, outcome.seconds, settings.timeout),
        "seconds": round(outcome.seconds, 1),
        "workloads": [as_data(course) for course in courses],
        "config_maps": outcome.config_maps,
        "canaries": outcome.canaries,
        "waiting": [one.judgement.sentence for one in courses if one.state not in (State.READY, State.FAILED)],
        "hopeless": [one.judgement.sentence for one in courses if one.state is State.FAILED],
    }
    if returns:
        result["diff"] = [back.diff for back in returns]
    if result["ready"] or module.check_mode:
        module.exit_json(**result)
    module.fail_json(**result)


if __name__ == "__main__":
    main()
