#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_targets
short_description: Ask Prometheus whether it gets metrics of everything it should
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Compares the targets that a Prometheus in the cluster has with those that are expected, until each is up or the time is over.
  - Asks it through the Kubernetes API server, as C(kubectl port-forward) does, so the right to create C(pods/portforward) is needed, and no
    network policy is in the way.
  - A Prometheus that cannot be asked is no success; the module then fails and says that it could not look.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is ever changed.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  namespace:
    description: Where Prometheus runs.
    type: str
    required: true
  labels:
    description: The labels of its pods.
    type: dict
    required: true
  port:
    description: The port of its API.
    type: int
    default: 9090
  expected:
    description: What it should scrape, from P(azora.platform.expected_targets#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      monitor:
        description: Namespace and name of the PodMonitor or ServiceMonitor, for the messages.
        type: str
        required: true
      labels:
        description: The labels that its targets carry.
        type: dict
        required: true
      least:
        description: How many targets there are at least.
        type: int
        default: 1
  timeout:
    description: How many seconds the targets may take to be up.
    type: int
    default: 120
  interval:
    description: How many seconds lie between two looks.
    type: float
    default: 2.0
seealso:
  - module: azora.platform.verify
"""

EXAMPLES = r"""
- name: Prometheus gets metrics of everything
  azora.platform.prometheus_targets:
    namespace: azora-monitoring
    labels: {app.kubernetes.io/name: prometheus}
    expected: "{{ catalogue | azora.platform.expected_targets(monitoring_manifests) }}"
"""

RETURN = r"""
msg:
  description: The findings in one sentence, or how many targets there are.
  returned: always
  type: str
  sample: Prometheus gets metrics of all 25 targets.
passed:
  description: Whether everything that is expected is up.
  returned: always
  type: bool
  sample: true
complete:
  description: Whether Prometheus could be asked at all.
  returned: always
  type: bool
  sample: true
up:
  description: How many of the expected targets are up.
  returned: success
  type: int
  sample: 25
findings:
  description: A sentence for each target that is not, and for each monitor that has too few.
  returned: always
  type: list
  elements: str
  sample: []
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_prometheus import ask_prometheus
from ansible_collections.azora.platform.plugins.module_utils._monitoring_targets import Judgement, judge

ACTIVE = "/api/v1/targets?state=active"
EXPECTED = {
    "monitor": {"type": "str", "required": True},
    "labels": {"type": "dict", "required": True},
    "least": {"type": "int", "default": 1},
}


def main() -> None:
    """Ask until everything is up, or the time is over."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "namespace": {"type": "str", "required": True},
            "labels": {"type": "dict", "required": True},
            "port": {"type": "int", "default": 9090},
            "expected": {"type": "list", "elements": "dict", "required": True, "options": EXPECTED},
            "timeout": {"type": "int", "default": 120},
            "interval": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    try:
        judgement = asked(KubernetesClient.from_options(module.params), module.params)
    except KubernetesError as error:
        module.fail_json(
            msg=f"INCONCLUSIVE: whether every target is up could not be seen, because {error}.",
            passed=False,
            complete=False,
            findings=[str(error)],
        )
    findings = list(judgement.findings)
    if findings:
        module.fail_json(
            msg=f"Prometheus does not get all metrics: {'; '.join(findings)}.",
            passed=False,
            complete=True,
            up=judgement.up,
            findings=findings,
        )
    said = f"Prometheus gets metrics of all {judgement.up} targets."
    module.exit_json(changed=False, msg=said, passed=True, complete=True, up=judgement.up, findings=[])


def asked(client: KubernetesClient, options: dict[str, t.Any]) -> Judgement:
    """The last judgement; KubernetesError if Prometheus could not be asked at the end."""
    end = time.monotonic() + options["timeout"]
    while True:
        try:
            judgement = judge(ask_prometheus(client, options, ACTIVE)["activeTargets"], options["expected"])
        except KubernetesError:
            if time.monotonic() >= end:
                raise
        else:
            if not judgement.findings or time.monotonic() >= end:
                return judgement
        time.sleep(options["interval"])


if __name__ == "__main__":
    main()
