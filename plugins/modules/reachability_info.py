#!/usr/bin/python

# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reachability_info
short_description: Who may connect to whom, from the policies alone
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - Judges policies without sending a packet. Reads pods and policies from a cluster, or from manifests that no cluster has seen
    yet, and tells what is open, what decides about a connection, and where that differs from what should be.
  - Judges NetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy (C(policy.networking.k8s.io/v1alpha1)) and
    ClusterNetworkPolicy (C(policy.networking.k8s.io/v1alpha2)), in the order of their APIs. Policies of other products are named in
    RV(not_judged).
  - With O(expected) the world is closed, so whatever is not expected must be denied. For each difference the smallest change that
    mends it is sought, and proven by judging the changed policies.
  - Pods that use their node's network are subject to no policy and are matched as peers by their addresses only. A pod's traffic
    to itself, and traffic from a pod's own node, is always allowed.
extends_documentation_fragment:
  - azora.platform.kubernetes
  - azora.platform.attributes
  - azora.platform.attributes.info_module
options:
  manifests:
    description:
      - Judge these instead of a cluster. No connection to a cluster is made then.
      - Each entry is a Kubernetes object, or a path to a file (YAML or JSON, any number of documents) or to a folder of such files.
      - A workload without pods among the manifests, such as a Deployment in a pull request, is judged by its template, as one pod
        without an address.
      - Objects of kinds that do not matter here are left out of account.
    type: list
    elements: raw
  queries:
    description:
      - Single connections to judge, each a dictionary with C(source), C(destination), C(port) and C(protocol) (V(TCP) by default).
      - C(source) and C(destination) are a workload (V(namespace/Kind/name), or V(namespace/name) where that is unambiguous), a pod
        (V(namespace/name)), an address, a CIDR, a range such as V(192.0.2.1-192.0.2.9), or several of these with commas.
      - C(port) is a number, a range such as V(8000-8010), V(all), or a name that the pods of the destination have a port by.
    type: list
    elements: dict
  expected:
    description:
      - What should be open. Each row is a dictionary with C(source), C(destination), C(port) (or C(ports), a list), C(protocol) and
        C(allowed) (V(true) by default), in the words of O(queries). The filter P(azora.platform.connections#filter) derives such rows
        from the catalogue, and RV(connections) has their form, too.
      - C(because) is repeated in RV(missing). In a row with C(kind) V(external) the destination is C(address).
      - The world is closed. Between the ends that the rows name, on every port and protocol, whatever no row allows should be
        denied. A row with C(allowed) V(false) names ends, or makes an exception from a row about more addresses.
    type: list
    elements: dict
  world:
    description:
      - With V(declared) the world is closed between the ends that the rows of O(expected) name.
      - With V(cluster) it is closed between all workloads, and between them and everything outside.
    type: str
    choices: [declared, cluster]
    default: declared
  workloads:
    description:
      - Names for groups of pods, as the filter P(azora.platform.verification_workloads#filter) derives them from the catalogue. Each is a
        dictionary with C(name), C(namespace), C(selector) (pod labels) and, where they apply, C(listens) and C(replicas).
      - Such a workload is called C(namespace/name). If no pod matches, it is judged as one pod with just these labels.
    type: list
    elements: dict
    default: []
  namespaces:
    description:
      - Report only connections of which at least one end is in these namespaces. Everything is judged all the same.
    type: list
    elements: str
    default: []
  pod_networks:
    description:
      - The CIDRs that pods get their addresses from. They are not outside, and blocks around them match pods that have no address yet.
      - By default what the nodes say (C(spec.podCIDRs)). If that is nothing, only a block of all addresses matches such pods.
    type: list
    elements: str
    default: []
  limit:
    description:
      - How many pairs of ends at most to list in each of RV(missing), RV(unexpected) and RV(undefined). All are counted.
    type: int
    default: 1000
  suggestions:
    description:
      - For how many of the differences at most to seek a change.
    type: int
    default: 25
seealso:
  - module: azora.platform.verify
  - module: azora.platform.cluster_info
"""

EXAMPLES = r"""
- name: Compare the policies of a cluster with the catalogue
  azora.platform.reachability_info:
    workloads: "{{ catalogue | azora.platform.verification_workloads }}"
    expected: "{{ catalogue | azora.platform.connections }}"
  register: platform_reachability

- name: Refuse a pull request that opens or closes what the catalogue does not say
  azora.platform.reachability_info:
    manifests: ["{{ playbook_dir }}/manifests"]
    expected: "{{ lookup('file', 'connections.yml') | from_yaml }}"
    world: cluster
    pod_networks: [10.128.0.0/14]
  register: change
  failed_when: not change.passed

- name: Ask for single connections
  azora.platform.reachability_info:
    queries:
      - {source: shop/front, destination: shop/Deployment/api, port: http}
      - {source: 0.0.0.0/0, destination: data/pg, port: 5432}
  register: answers

- name: Show why
  ansible.builtin.debug:
    msg: "{{ answers.results | map(attribute='decided_by') | flatten | map(attribute='sentence') }}"

- name: List all that is open for one namespace
  azora.platform.reachability_info:
    namespaces: [shop]
  register: shop
"""

RETURN = r"""
results:
  description: One entry for each of O(queries), in the same order, with all that was given.
  returned: with O(queries)
  type: list
  elements: dict
  contains:
    allowed:
      description: Whether every pod at one end may reach every pod at the other, on every port asked for.
      returned: always
      type: bool
      sample: false
    partial:
      description: Whether some pods may and others may not.
      returned: always
      type: bool
      sample: false
    undefined:
      description:
        - Whether policies of the same priority say different things, so that nobody can tell. RV(results[].allowed) is V(false) then.
      returned: always
      type: bool
      sample: false
    decided_by:
      description: What decides, for egress and for ingress; where pods differ, for a pair that is denied.
      returned: always
      type: list
      elements: dict
      contains:
        direction:
          description: V(egress) or V(ingress).
          returned: always
          type: str
          sample: ingress
        outcome:
          description: V(allowed), V(denied) or V(undefined).
          returned: always
          type: str
          sample: allowed
        policies:
          description: The policies that decide.
          returned: always
          type: list
          elements: str
          sample: [NetworkPolicy shop/api]
        rules:
          description: Their rules that match.
          returned: always
          type: list
          elements: str
          sample: ["spec.ingress[0]"]
        sentence:
          description: All of it in one sentence.
          returned: always
          type: str
          sample: "ingress: NetworkPolicy shop/api allows it (spec.ingress[0])"
connections:
  description: Everything that is open, over workloads and ranges of addresses outside.
  returned: without O(queries) and O(expected)
  type: list
  elements: dict
  contains:
    source:
      description: A workload, or a range of addresses.
      returned: always
      type: str
      sample: shop/Deployment/front
    destination:
      description: A workload, or a range of addresses.
      returned: always
      type: str
      sample: shop/Deployment/api
    protocol:
      description: V(TCP), V(UDP) or V(SCTP).
      returned: always
      type: str
      sample: TCP
    ports:
      description: Ports and ranges of ports, or V(all).
      returned: always
      type: list
      elements: str
      sample: ["8080", "9000-9010"]
    partial:
      description: Whether this is open between some of the pods only.
      returned: always
      type: bool
      sample: false
passed:
  description: Whether everything is as expected.
  returned: with O(expected)
  type: bool
  sample: false
counts:
  description: How many ordered pairs of ends differ, by kind.
  returned: with O(expected)
  type: dict
  sample: {missing: 1, unexpected: 0, undefined: 0}
missing:
  description: What should be open and is not.
  returned: with O(expected)
  type: list
  elements: dict
  contains:
    source:
      description: As in RV(connections).
      returned: always
      type: str
      sample: shop/Deployment/front
    destination:
      description: As in RV(connections).
      returned: always
      type: str
      sample: shop/Deployment/api
    protocol:
      description: As in RV(connections).
      returned: always
      type: str
      sample: TCP
    ports:
      description: As in RV(connections).
      returned: always
      type: list
      elements: str
      sample: ["8080"]
    partial:
      description: Whether it is so for some of the pods only.
      returned: always
      type: bool
      sample: false
    because:
      description: What the expected row says.
      returned: if it says something
      type: str
      sample: front calls api
    decided_by:
      description: As in RV(results[].decided_by).
      returned: always
      type: list
      elements: dict
      sample: []
    mend:
      description: The smallest change that was found, and proven to mend it without opening or breaking anything else; or nothing.
      returned: always
      type: dict
      contains:
        sentence:
          description: The change in words.
          returned: if there is one
          type: str
          sample: "in NetworkPolicy shop/api add TCP 8080 to spec.ingress[0]"
        touched_rules:
          description: How many rules it adds, changes or removes.
          returned: if there is one
          type: int
          sample: 1
        mends:
          description: How many pairs it mends altogether.
          returned: if there is one
          type: int
          sample: 1
        also_closes:
          description: What it closes of which nothing is expected, outside the closed world.
          returned: if there is one
          type: list
          elements: str
          sample: []
        changes:
          description: The policies to create, replace or delete, with their manifests.
          returned: if there is one
          type: list
          elements: dict
          sample:
            - action: replace
              kind: NetworkPolicy
              namespace: shop
              name: api
              manifest: {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: api, namespace: shop}, spec: {}}
unexpected:
  description: What is open and should not be, in the form of RV(missing).
  returned: with O(expected)
  type: list
  elements: dict
  sample: []
undefined:
  description: What nobody expects and nobody can tell to be closed, in the form of RV(missing).
  returned: with O(expected)
  type: list
  elements: dict
  sample: []
not_judged:
  description: Policies of other products' kinds, which also decide about connections.
  returned: success
  type: list
  elements: str
  sample: [CiliumNetworkPolicy shop/api (cilium.io/v2)]
summary:
  description: How much was judged.
  returned: success
  type: dict
  sample: {pods: 5052, workloads: 1002, policies: 2100, groups: 5064}
mistakes:
  description: Everything in the input that the API server would not take, or that names nothing, one sentence each.
  returned: if the input cannot be judged
  type: list
  elements: str
  sample:
    - >-
      NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.cidr "10.0.0.0/33" is not a CIDR; give an address and a prefix length such as
      10.0.0.0/24
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_reachability import read_objects
from ansible_collections.azora.platform.plugins.module_utils._policy_manifests import manifests_from
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from ansible_collections.azora.platform.plugins.module_utils._reachability import OPTIONS, reachability


def main() -> None:
    """Objects in, judgement out."""
    module = AnsibleModule(argument_spec={**CONNECTION_OPTIONS, **OPTIONS}, supports_check_mode=True)
    try:
        if module.params["manifests"] is None:
            objects, warnings = read_objects(KubernetesClient.from_options(module.params))
        else:
            objects, warnings = manifests_from(module.params["manifests"])
        result, more = reachability(objects, module.params)
    except KubernetesError as error:
        module.fail_json(msg=f"The cluster cannot be read: {error}.")
    except PolicyInputError as error:
        module.fail_json(msg=f"This cannot be judged: {'; '.join(error.mistakes)}.", mistakes=error.mistakes)
    for warning in [*warnings, *more]:
        module.warn(f"{warning}.")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
