#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove that workloads answer their probes and that exactly the declared connections are open
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Compares the probes of the live pods with the declared ones, and asks each pod for its probe paths on the pod's own address,
    as the kubelet does. A pod that answers a path which is not there just as well proves nothing.
  - Reads the kubelets' own counters, which prove that each declared probe ran and passed meanwhile.
  - Sends real packets from a real replica of every source to every destination, and compares what is open and what is blocked
    with the expected matrix. What is not declared must be blocked.
  - The packets come from a prober, an ephemeral container in a pod of the workload itself, so they have exactly its identity,
    address and node. The prober is a short Python program; it meets the Pod Security level C(restricted), reports through
    its log and ends by itself.
  - A destination is tried at the address of each ready pod and at that of each Service before them.
  - A verdict is V(OPEN), V(BLOCKED), V(FLAKY) or V(INCONCLUSIVE). A silent connection counts as V(BLOCKED) only if the same source reached
    something over the network and something listens on that port; whatever could not be seen is V(INCONCLUSIVE), and that is a
    mismatch too.
  - Only what differs from the expectation is tried again, for O(settle_time) at most, since network policies take effect with
    a delay.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode no prober is added to any pod, and no pod is made. Readiness, declared probes and the policies are compared with what is declared; every
        connection is V(INCONCLUSIVE), for no packet was sent.
      - The module does not fail in check mode, because what check mode did not apply cannot be verified. RV(passed) tells what was
        found, and RV(complete) is V(false).
  diff_mode:
    support: none
    details:
      - There is nothing to compare.
  idempotent:
    support: full
    details:
      - A verification is a check and reports no change. It does leave a trace. Outside check mode each probed pod gets one
        more ephemeral container, which ends within seconds and stays listed in the pod's specification as long as the pod
        lives. The Kubernetes API offers no way to take it away. RV(touched_pods) names those pods.
      - The pods that O(cut_off) makes are deleted before the module ends, however it ends.
options:
  workloads:
    description:
      - The workloads, as the filter P(azora.platform.verification_workloads#filter) derives them from the catalogue.
      - Each is a dictionary with C(name), C(namespace), C(selector) (pod labels), C(replicas) and, where they apply, C(kind)
        (V(deployment) or V(store)), C(max_replicas), C(container), C(image), C(disruption_budget) and C(autoscaled) (whether it
        should have one), C(product) (V(postgresql), V(redis) or V(kafka)), C(backed_up) (whether the cluster of this name should be),
        C(probes) and C(listens).
      - A workload is called C(namespace/name) in O(connections).
      - C(probes) has C(liveness), C(readiness) and C(startup), each with C(path), C(port) (a number or a name from C(listens)), C(scheme),
        C(initial_delay_seconds), C(period_seconds), C(timeout_seconds), C(success_threshold) and C(failure_threshold). What is left
        out is not compared. Liveness and readiness on one path pass only if C(liveness) has C(dependency_free), or if O(cut_off) shows
        that the path depends on nothing.
      - C(listens) is a list of dictionaries with C(name), C(port), C(protocol) and C(application).
    type: list
    elements: dict
    required: true
  connections:
    description:
      - The expected matrix, as the filter P(azora.platform.connections#filter) derives it from the catalogue.
      - Each row is a dictionary with C(source), C(destination), C(port), C(allowed) and, where they apply, C(protocol), C(application),
        C(because) and C(kind).
      - The destination is a workload, all of whose ready pods are tried, or with C(kind) V(external) an address outside the
        cluster; C(host) is then the name asked for in TLS.
      - C(application) is V(http), V(https), V(tls), V(redis), V(postgresql), V(kafka) or V(none). An allowed connection must not only open,
        the application must answer.
    type: list
    elements: dict
    default: []
  prober_image:
    description:
      - Image with C(python3), version 3.9 or later, in its path; nothing else is asked of it.
      - Required unless in check mode.
    type: str
  checks:
    description:
      - What to verify.
      - V(workloads) looks at what stands around the pods of a Deployment, that is its rollout, images, the endpoints of its Services, its
        spread over nodes, its disruption budget and autoscaler, and whether a pod restarted meanwhile.
      - V(backups) looks at the CloudNativePG Clusters that should be backed up, whether their write-ahead log arrives in the object store,
        whether the last backup failed, and since when they can be recovered; and at the Redis databases, whether their last backup failed
        or is overdue, and of when it is.
      - V(policies) judges the live policies as M(azora.platform.reachability_info) does. Where packets are sent, a contradiction between
        the two is a mismatch of its own; in check mode and without V(connectivity), the policies are compared with the declaration.
      - It needs the right to list pods, namespaces and policies in the whole cluster; a user without it gets a remark.
    type: list
    elements: str
    choices: [probes, workloads, backups, connectivity, policies]
    default: [probes, workloads, backups, connectivity, policies]
  cut_off:
    description:
      - Workloads, as C(namespace/name), that are to be healthy without what they depend on, or V(all) for each service that declares a liveness
        probe. Stores are never tested.
      - For each, one pod is made that is a copy of a ready replica with no label but its own, so that no policy allows it anything but what
        holds for every pod of its namespace, and no Service, ReplicaSet or disruption budget selects it. Live replicas are not touched.
      - Its liveness probe passes if, cut off from its first moment, it passed as often in a row as it may fail. Its kubelet's counters
        tell; where they may not be read, that it was not restarted and answers itself.
      - That it was cut off is proven by packets from within it, by what it is connected to, and by the live policies. Without proof, without
        a pod (a quota, no node, no right to C(create) and C(delete) C(pods)), and for pods that share volumes with others or
        use a service mesh, it is V(INCONCLUSIVE), which is a mismatch.
      - This takes as long as the slowest liveness probe needs to fail for good; everything else is verified meanwhile.
      - It is part of V(probes) in O(checks).
    type: list
    elements: str
    default: []
  cut_off_timeout:
    description:
      - Seconds from the making of the pods of O(cut_off) within which their liveness probes have to have had their turns.
      - A workload whose probe needs longer is not tested, and V(INCONCLUSIVE).
    type: int
    default: 300
  kubelet_counters:
    description:
      - Whether the kubelets' own counters have to prove that each declared probe ran, and passed, while the verification looked.
      - They are read through the API server, which needs the right to C(get) C(nodes/proxy); that is a far-reaching right.
      - With V(if_permitted) a user without it gets a remark, and RV(complete) is V(false). With V(required) it is a mismatch.
      - Waiting for a probe's turn takes its period at most.
    type: str
    choices: [if_permitted, required, skipped]
    default: if_permitted
  record:
    description:
      - A ConfigMap in which a verification that passed completely is remembered by a hash of what it rested on, that is the options, pods
        with their labels, addresses, nodes and restarts, namespaces, and policies.
      - While that is unchanged, no packet is sent and no pod gets a prober; RV(unchanged_since) says so. Everything that needs no
        packet is looked at all the same.
      - A network plugin that stops to enforce policies changes nothing of this. A schedule should set O(force).
      - Writing the ConfigMap is not reported as a change. Without this option nothing is remembered.
    type: dict
    suboptions:
      namespace:
        description: The namespace of the ConfigMap, which has to exist.
        type: str
        required: true
      name:
        description: The name of the ConfigMap.
        type: str
        default: azora-verification
  force:
    description: Send packets even if nothing has changed since the last verification that passed.
    type: bool
    default: false
  prober_methods:
    description:
      - How packets are sent from a pod, the most preferred first. In each pod the first that the API permits is used, which is asked
        before anything is done.
      - V(ephemeral_container) adds a container to the pod, which needs the rights to C(patch) C(pods/ephemeralcontainers) and to C(get)
        C(pods/log).
      - V(exec) runs a command in the pod's own container, which has to have python3, and needs the rights to C(create) and C(get)
        C(pods/exec).
      - V(policies_only) sends nothing. Connections from there are V(INCONCLUSIVE) without being a mismatch for that, the check
        V(policies) compares the policies with the declaration, and RV(complete) is V(false).
    type: list
    elements: str
    choices: [ephemeral_container, exec, policies_only]
    default: [ephemeral_container]
  max_ephemeral_containers:
    description:
      - How many ephemeral containers a pod may hold, whoever added them, before this module adds no more. They cannot be removed, so
        they go only with the pod. Connections are sent from the replica that holds the fewest.
      - Then the next of O(prober_methods) is used, if there is one.
    type: int
    default: 30
  untouched:
    description:
      - Workloads, as C(namespace/name), whose pods get no prober.
      - Connections from them are V(INCONCLUSIVE); leave them out of O(connections). Connections to them are still tried from
        elsewhere, but count as V(BLOCKED) only where another source gets through.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds after which no prober is waited for any more. Pulling the image counts.
    type: int
    default: 120
  connect_timeout:
    description:
      - Seconds after which a connection without an answer counts as silent.
    type: float
    default: 1.0
  settle_time:
    description:
      - Seconds within which what differs from the expectation is tried again.
    type: float
    default: 10.0
  concurrency:
    description:
      - How many connections one prober opens at a time.
    type: int
    default: 256
  report_path:
    description:
      - Where to write reports of the result, on the host on which the module runs; one path or several. By default nothing is written.
      - 'The ending chooses the format: C(.json) for programs, C(.xml) for build servers (JUnit), C(.sarif) or C(.sarif.json) for code
        scanning (SARIF 2.1.0), C(.html) for people (one page that needs nothing else), C(.prom) for Prometheus (a file that
        the textfile collector of node_exporter reads, or a Pushgateway takes).'
      - The directory must exist. That, and the ending, is looked at before anything is probed.
      - Each file is replaced as a whole, with mode C(0644), whether the verification passes or not.
      - A report is no change of the cluster, so writing it is not reported as one. Each run writes it anew, and the time in it differs.
      - In check mode nothing is written, because nothing was proven. RV(reports) is empty.
      - A relative path counts from the playbook's directory with a local connection, and from the user's home elsewhere.
    type: list
    elements: path
    default: []
seealso:
  - module: azora.platform.cluster_info
"""

EXAMPLES = r"""
- name: Verify the whole platform from the catalogue
  azora.platform.verify:
    workloads: "{{ catalogue | azora.platform.verification_workloads }}"
    connections: "{{ catalogue | azora.platform.connections }}"
    prober_image: registry.example/python:3.13-slim
  register: platform_verification

- name: Verify, and leave a page for people and a file for the build server
  azora.platform.verify:
    workloads: "{{ catalogue | azora.platform.verification_workloads }}"
    connections: "{{ catalogue | azora.platform.connections }}"
    prober_image: registry.example/python:3.13-slim
    report_path:
      - /srv/reports/platform.html
      - /srv/reports/platform.xml

- name: Verify, and that every service stays healthy while its stores and callees are out of reach
  azora.platform.verify:
    workloads: "{{ catalogue | azora.platform.verification_workloads }}"
    connections: "{{ catalogue | azora.platform.connections }}"
    prober_image: registry.example/python:3.13-slim
    cut_off: [all]

- name: Verify one pair of workloads, and that nothing else gets in
  azora.platform.verify:
    prober_image: registry.example/python:3.13-slim
    workloads:
      - name: shop
        namespace: default
        selector: {app.kubernetes.io/name: shop}
        replicas: 2
        probes:
          readiness: {path: /health, port: http, period_seconds: 5}
        listens:
          - {name: http, port: 8080, application: http}
      - name: database
        namespace: data
        kind: store
        selector: {app: postgres}
        replicas: 1
        listens:
          - {name: postgresql, port: 5432, application: postgresql}
    connections:
      - {source: default/shop, destination: data/database, port: 5432, application: postgresql, allowed: true, kind: store}
      - {source: data/database, destination: default/shop, port: 8080, allowed: false}
"""

RETURN = r"""
passed:
  description: Whether everything that was looked at is as declared.
  returned: always, unless the verification could not begin
  type: bool
  sample: false
complete:
  description: Whether everything could be looked at; V(false) in check mode and whenever something is V(INCONCLUSIVE).
  returned: always, unless the verification could not begin
  type: bool
  sample: true
checks:
  description: What was verified, as O(checks) says.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample: [probes, connectivity]
summary:
  description: Counts.
  returned: always, unless the verification could not begin
  type: dict
  sample:
    workloads: 11
    pods: 19
    ready_pods: 19
    connections: 176
    allowed: 41
    denied: 135
    open: 40
    blocked: 136
    flaky: 0
    inconclusive: 0
    mismatches: 1
    probers: 19
    seconds: 6.3
workloads:
  description: One entry for each of O(workloads), in the same order.
  returned: always, unless the verification could not begin
  type: list
  elements: dict
  contains:
    workload:
      description: Namespace and name.
      returned: always
      type: str
      sample: default/user
    kind:
      description: The kind as given.
      returned: always
      type: str
      sample: deployment
    expected_pods:
      description: How many ready pods there should be.
      returned: always
      type: int
      sample: 2
    ready_pods:
      description: How many there are.
      returned: always
      type: int
      sample: 2
    probes:
      description: The probes that were declared.
      returned: always
      type: list
      elements: str
      sample: [liveness, readiness]
    pods:
      description:
        - Each pod with its address, node, readiness, restarts, the answers of its probe paths, and how often its kubelet
          ran each probe meanwhile (of a startup probe, since the start), and whether its initial delay was over.
      returned: always
      type: list
      elements: dict
      sample:
        - name: default/user-7d9c5b6f4-x2x8k
          address: 10.128.1.12
          node: node1
          ready: true
          restarts: 0
          probers: 1
          probes_as_declared: true
          answers:
            - {probes: [liveness, readiness], path: /health, port: 8080, status: 200, milliseconds: 3.1, ok: true, error: null}
          kubelet:
            - {probe: liveness, passed: 1, failed: 0, due: true}
            - {probe: readiness, passed: 2, failed: 0, due: true}
    dns:
      description: What the name servers of the workload answered.
      returned: always
      type: list
      elements: dict
      sample:
        - {server: 10.129.0.10, protocol: UDP, outcome: open, ms: 1.2}
        - {server: 10.129.0.10, protocol: TCP, outcome: open, ms: 1.9}
    recovery:
      description:
        - Of a store that is backed up, to which moments it can be recovered, as its operator says. Nothing of other workloads, and where that
          could not be seen.
        - Of a Redis cluster, C(databases) has the moment of each database's last backup, and C(since) is nothing.
      returned: always
      type: dict
      sample:
        since: "2026-05-01T00:00:04Z"
        last_backup: "2026-05-02T00:00:03Z"
        sentence: can be recovered to any moment since 2026-05-01T00:00:04Z; its last backup ended at 2026-05-02T00:00:03Z
    cut_off:
      description: What the test of O(cut_off) showed; nothing of workloads that were not to be tested.
      returned: always
      type: dict
      contains:
        verdict:
          description:
            - V(HEALTHY), V(UNHEALTHY) (its liveness probe failed), V(ENDED) (its container ended by itself or did not start up) or
              V(INCONCLUSIVE).
          returned: always
          type: str
          sample: HEALTHY
        ok:
          description: Whether it is V(HEALTHY).
          returned: always
          type: bool
          sample: true
        pod:
          description: The pod that was made, and is gone; nothing if none was.
          returned: always
          type: str
          sample: default/user-cut-off-5f0c1d2e
        copy_of:
          description: The replica that it was a copy of.
          returned: always
          type: str
          sample: default/user-7d9c5b6f4-x2x8k
        probe:
          description: What its liveness probe asks.
          returned: always
          type: str
          sample: GET /health on port 8080
        cut_off_from:
          description: The workload's allowed O(connections).
          returned: always
          type: list
          elements: str
          sample: [azora-es/ai-agent:8080, azora-data/pg:5432]
        passed:
          description: How often its kubelet saw the liveness probe pass; nothing where its counters were not read.
          returned: always
          type: int
          sample: 3
        failed:
          description: How often it failed.
          returned: always
          type: int
          sample: 0
        restarts:
          description: How often its container was restarted.
          returned: always
          type: int
          sample: 0
        seconds:
          description: How long it took, from the making of the pod.
          returned: always
          type: float
          sample: 58.3
        reason:
          description: What the verdict rests on.
          returned: always
          type: str
          sample: its liveness probe passed 3 of 3 times and answered status 200
        sentence:
          description: All of it in one sentence.
          returned: always
          type: str
          sample: >-
            default/user stays healthy while it is cut off from azora-es/ai-agent:8080 and azora-data/pg:5432: its liveness probe
            passed 3 of 3 times and answered status 200
connections:
  description: One entry for each of O(connections), in the same order, with all that was given and what was found.
  returned: always, unless the verification could not begin
  type: list
  elements: dict
  contains:
    expected:
      description: V(OPEN) or V(BLOCKED).
      returned: always
      type: str
      sample: OPEN
    verdict:
      description: V(OPEN), V(BLOCKED), V(FLAKY) or V(INCONCLUSIVE), from what was observed.
      returned: always
      type: str
      sample: BLOCKED
    ok:
      description: Whether the verdict is the expected one and, where it should, the application answered.
      returned: always
      type: bool
      sample: false
    reason:
      description: What the verdict rests on.
      returned: always
      type: str
      sample: no answer from pg-1, which listens on 5432
    answered:
      description: How the application answered, where it was asked.
      returned: always
      type: str
      sample: SSLRequest S
    milliseconds:
      description: How long the connect took.
      returned: always
      type: float
      sample: 0.7
    attempts:
      description: How many connects were tried, over all addresses of the destination.
      returned: always
      type: int
      sample: 5
    allowed_by_policies:
      description:
        - Whether the live policies alone allow it; nothing if they could not be judged, or if they do not say the same of all pods.
      returned: always
      type: bool
      sample: true
    decided_by:
      description: What in the policies decides, in words, for each direction.
      returned: always
      type: list
      elements: str
      sample: ["ingress: NetworkPolicy azora-data/pg-ingress allows it (spec.ingress[0])"]
mismatches:
  description: Each thing that is not as it should be; a cause of many others comes first.
  returned: always, unless the verification could not begin
  type: list
  elements: dict
  contains:
    check:
      description: V(enforcement), V(readiness), V(probes), V(workloads), V(backups), V(prober), V(dns), V(contradiction), V(policies) or V(connectivity).
      returned: always
      type: str
      sample: connectivity
    source:
      description: The workload that it concerns, or that the connection comes from.
      returned: always
      type: str
      sample: default/user
    destination:
      description: The destination of the connection, or the pod.
      returned: always
      type: str
      sample: azora-data/pg
    port:
      description: The port, if one is concerned.
      returned: always
      type: int
      sample: 5432
    expected:
      description: What should be.
      returned: always
      type: str
      sample: OPEN
    found:
      description: What is.
      returned: always
      type: str
      sample: BLOCKED
    reason:
      description: What that rests on.
      returned: always
      type: str
      sample: no answer from pg-1, which listens on 5432
    sentence:
      description: All of it in one sentence.
      returned: always
      type: str
      sample: >-
        default/user cannot reach azora-data/pg:5432 (postgresql): expected OPEN, found BLOCKED (no answer from pg-1, which
        listens on 5432)
remarks:
  description:
    - What is as declared and yet worth a sentence, such as an answer that takes more than half of its probe's timeout, a start that takes more than
      half of its budget, or kubelet counters that this user may not read.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample: ["pod default/user-7d9c5b6f4-x2x8k answered GET /health after 620 ms; its probe's timeout is 1 s"]
policy_levels:
  description:
    - The levels of policies that the cluster serves and that were judged beside the packets, in the order in which they decide.
    - Empty if O(checks) leaves V(policies) out, or if they could not be judged; RV(remarks) says why.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample: [ClusterNetworkPolicy Admin, NetworkPolicy, ClusterNetworkPolicy Baseline]
hairpins:
  description:
    - The way of a pod back to its own workload through a Service before it, as the pod that sent the packets saw it.
    - Apart from the connections, and nothing is expected of it. No policy applies to what a pod sends to its own address, but through a
      Service, which may also choose another replica, one does, and network plugins differ in whether they let it pass.
  returned: always, unless the verification could not begin
  type: list
  elements: dict
  contains:
    workload:
      description: Namespace and name.
      type: str
      returned: always
      sample: default/user
    service:
      description: Namespace and name.
      type: str
      returned: always
      sample: default/user
    address:
      description: The address of the Service.
      type: str
      returned: always
      sample: 10.96.12.7
    port:
      description: The port of the Service.
      type: int
      returned: always
      sample: 8001
    outcome:
      description: What the connection ended in, V(open), V(refused), V(timeout), V(unreachable) or V(error).
      type: str
      returned: always
      sample: timeout
unchanged_since:
  description: When the same was verified with packets and passed; nothing if packets were sent now.
  returned: always, unless the verification could not begin
  type: str
  sample: "2026-05-01T12:00:00+00:00"
touched_pods:
  description: The pods that got an ephemeral container.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample: [default/user-7d9c5b6f4-x2x8k]
reports:
  description: The files written, with absolute paths. Empty in check mode.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample: [/srv/reports/platform.html, /srv/reports/platform.xml]
table:
  description: The same for a terminal, line by line.
  returned: always, unless the verification could not begin
  type: list
  elements: str
  sample:
    - "FROM ↓ TO →   user  pg"
    - "default/user        B"
"""

import datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._report_words import Occasion
from ansible_collections.azora.platform.plugins.module_utils._verification import CHECKS, order_from, verify
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import failure_message
from ansible_collections.azora.platform.plugins.module_utils._verification_input import VerificationError
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import EPHEMERAL_CONTAINER, METHODS
from ansible_collections.azora.platform.plugins.module_utils._verification_report_files import (
    refuse_unwritable,
    report_paths,
    write_reports,
)

OPTIONS = {
    "workloads": {"type": "list", "elements": "dict", "required": True},
    "connections": {"type": "list", "elements": "dict", "default": []},
    "prober_image": {"type": "str"},
    "checks": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": list(CHECKS)},
    "cut_off": {"type": "list", "elements": "str", "default": []},
    "cut_off_timeout": {"type": "int", "default": 300},
    "kubelet_counters": {
        "type": "str",
        "choices": ["if_permitted", "required", "skipped"],
        "default": "if_permitted",
    },
    "record": {
        "type": "dict",
        "options": {
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "default": "azora-verification"},
        },
    },
    "force": {"type": "bool", "default": False},
    "prober_methods": {"type": "list", "elements": "str", "choices": list(METHODS), "default": [EPHEMERAL_CONTAINER]},
    "max_ephemeral_containers": {"type": "int", "default": 30},
    "untouched": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 120},
    "connect_timeout": {"type": "float", "default": 1.0},
    "settle_time": {"type": "float", "default": 10.0},
    "concurrency": {"type": "int", "default": 256},
    "report_path": {"type": "list", "elements": "path", "default": []},
}


def main() -> None:
    """Options in, verification, result out; the same structure when it fails."""
    module = AnsibleModule(argument_spec={**CONNECTION_OPTIONS, **OPTIONS}, supports_check_mode=True)
    if not (module.check_mode or module.params["prober_image"]):
        module.fail_json(msg="prober_image is needed: an image with python3 that the nodes can get.")
    try:
        order = order_from(module.params, look_only=module.check_mode)
        paths = report_paths(module.params["report_path"])
        if not module.check_mode:
            refuse_unwritable(paths)
        client = KubernetesClient.from_options(module.params)
        outcome = verify(client, order)
    except (KubernetesError, VerificationError) as error:
        module.fail_json(msg=f"The verification cannot be done: {error}.")
    failures = [] if outcome["passed"] else [failure_message(outcome["mismatches"], outcome["summary"])]
    outcome["reports"] = []
    if module.check_mode:
        module.exit_json(**outcome)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    outcome["reports"], unwritten = write_reports(paths, outcome, Occasion(now, client.address))
    if failures or unwritten:
        module.fail_json(msg=" ".join(failures + unwritten), **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
