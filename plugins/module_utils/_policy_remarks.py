# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API would take without a word and people should still know: names that lead nowhere, pods that no policy reaches, and what
had to be assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import EVERYTHING, family, within
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import (
    CompiledPolicy,
    CompiledRule,
    Evaluation,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    DENY,
    DIRECTIONS,
    INGRESS,
    Addresses,
    NamedPort,
    Nodes,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import members
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import listed

MOST_NAMED = 3
GENERATIONS = (("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"), ("ClusterNetworkPolicy",))


def remarks(evaluation: Evaluation) -> list[str]:
    """Each one sentence; the same thing is said once."""
    found: dict[str, None] = {}
    for policy in evaluation.policies:
        found.update(dict.fromkeys(_names_of_ports(policy, evaluation)))
        found.update(dict.fromkeys(_host_network(policy, evaluation)))
        found.update(dict.fromkeys(_one_family(policy, evaluation)))
    found.update(dict.fromkeys(_without_nodes(evaluation)))
    found.update(dict.fromkeys(_without_addresses(evaluation)))
    found.update(dict.fromkeys(_generations(evaluation)))
    return list(found)


def _rules(policy: CompiledPolicy) -> Iterator[CompiledRule]:
    for direction in DIRECTIONS:
        yield from policy.rules[direction]


def _named(words: Iterable[str]) -> str:
    every = list(words)
    left = len(every) - MOST_NAMED
    return listed([*every[:MOST_NAMED], f"{left} more"] if left > 0 else every, "and")


def _workloads(evaluation: Evaluation, groups: int) -> list[str]:
    return list(dict.fromkeys(evaluation.partition.groups[place].workload for place in members(groups)))


def _names_of_ports(policy: CompiledPolicy, evaluation: Evaluation) -> Iterator[str]:
    """A name counts where the connection arrives: at the pods that are selected, or at the peers."""
    partition = evaluation.partition
    for rule in _rules(policy):
        pods = rule.destination & partition.pods
        for number, port in enumerate(rule.rule.ports or ()):
            if not isinstance(port, NamedPort) or not pods:
                continue
            if not any(groups & pods for _protocol, _number, groups in partition.ports_named(port)):
                who = "the pods it selects" if rule.direction == INGRESS else "the pods it leads to"
                place = f"{rule.rule.path}.ports[{number}]"
                yield f'{policy.policy.identity}: {place} is "{port.name}", a name that none of {who} has a port by'


def _host_network(policy: CompiledPolicy, evaluation: Evaluation) -> Iterator[str]:
    partition = evaluation.partition
    # Without any label to go by, a selector is not about these pods.
    if not partition.hosts or policy.policy.subject is None or not policy.policy.subject.pods:
        return
    hosts = partition.selected(policy.policy.subject, among=partition.hosts)
    if hosts:
        yield (
            f"{policy.policy.identity} selects {_named(_workloads(evaluation, hosts))}, whose pods use their node's network: "
            "no policy applies to them"
        )


def _one_family(policy: CompiledPolicy, evaluation: Evaluation) -> Iterator[str]:
    """A block of one family denies, in this judgement, all that goes to a pod with addresses of both."""
    both = [
        pod
        for pod in evaluation.partition.inventory.pods
        if len({family(place) for place in pod.addresses}) == len(EVERYTHING)
    ]
    if not both or policy.policy.isolates:
        return
    for rule in _rules(policy):
        blocks = [peer for peer in rule.rule.peers or () if isinstance(peer, Addresses)]
        for peer in blocks if rule.rule.action == DENY else ():
            inside = [[within(((place, place),), peer.ranges) for place in pod.addresses] for pod in both]
            if any(any(each) and not all(each) for each in inside):
                yield (
                    f"{policy.policy.identity}: {rule.rule.path} denies addresses of one family only; a pod that also has one "
                    "of the other is judged as denied for both"
                )
                return


def _without_nodes(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.partition.inventory.nodes:
        return
    for policy in evaluation.policies:
        if any(isinstance(peer, Nodes) for rule in _rules(policy) for peer in rule.rule.peers or ()):
            yield f"{policy.policy.identity} names nodes, and no Node is among the objects; it is judged as matching none"


def _without_addresses(evaluation: Evaluation) -> Iterator[str]:
    partition = evaluation.partition
    inventory = partition.inventory
    if inventory.pod_networks or not partition.has_blocks:
        return
    nowhere = {partition.group_of_pod[number] for number, pod in enumerate(inventory.pods) if not pod.addresses}
    if nowhere:
        words = _named(dict.fromkeys(partition.groups[place].workload for place in sorted(nowhere)))
        yield (
            f"{words} have no address yet; a block of addresses is judged as not matching them, unless it is everything; "
            "give pod_networks to say where their addresses will be"
        )


def _generations(evaluation: Evaluation) -> Iterator[str]:
    kinds = {one.policy.kind for one in evaluation.policies}
    old, new = (sorted(kinds & set(generation)) for generation in GENERATIONS)
    if old and new:
        yield (
            f"both {listed(old, 'and')} and {listed(new, 'and')} are among the objects; they are judged as one order of priorities, "
            "which no API defines"
        )
