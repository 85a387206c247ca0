# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input is told in sentences that name the object and the place, all at once, and never with a traceback."""

from __future__ import annotations

import copy
import random

import pytest
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from random_clusters import ClusterMaker


def network_policy(**spec):
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": spec,
    }


def ingress(*rules):
    return network_policy(ingress=list(rules))


def peer(value):
    return ingress({"from": [{"podSelector": {}}, value]})


def port(**value):
    return ingress({"ports": [value]})


def cluster_policy(kind="ClusterNetworkPolicy", version="v1alpha2", name="one", **spec):
    spec = {"priority": 1, "tier": "Admin", "subject": {"namespaces": {}}, **spec}
    if kind != "ClusterNetworkPolicy":
        spec.pop("tier")
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def admin_policy(**spec):
    return cluster_policy("AdminNetworkPolicy", "v1alpha1", **spec)


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {}}

MISTAKES = [
    (
        peer({"ipBlock": {"cidr": "10.0.0.0/33"}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.cidr "10.0.0.0/33" is not a CIDR; give an address and a prefix '
        "length such as 10.0.0.0/24",
    ),
    (
        peer({"ipBlock": {"cidr": "fd00::/129"}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.cidr "fd00::/129" is not a CIDR; give an address and a prefix '
        "length such as 2001:db8::/64",
    ),
    (
        peer({"ipBlock": {"cidr": "10.0.0.1"}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.cidr "10.0.0.1" is not a CIDR; give an address and a prefix '
        "length such as 10.0.0.0/24",
    ),
    (
        peer({"ipBlock": {}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.cidr null is not a CIDR; give an address and a prefix length "
        "such as 10.0.0.0/24",
    ),
    (
        peer({"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.1.0/25"]}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.except[0] "10.0.1.0/25" is not a part of cidr "10.0.0.0/24"',
    ),
    (
        peer({"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.0/24"]}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].ipBlock.except[0] "10.0.0.0/24" is not a part of cidr "10.0.0.0/24"',
    ),
    (
        peer({"ipBlock": {"cidr": "10.0.0.0/24"}, "podSelector": {}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1] has ipBlock and podSelector; a peer with ipBlock can have nothing else",
    ),
    (
        peer({}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1] names nobody; give podSelector, namespaceSelector or ipBlock",
    ),
    (
        peer({"namespaceselector": {}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].namespaceselector is unknown; a peer has podSelector, namespaceSelector "
        "or ipBlock",
    ),
    (
        peer({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Equals", "values": ["a"]}]}}),
        'NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.matchExpressions[0].operator is "Equals"; it must be In, '
        "NotIn, Exists or DoesNotExist",
    ),
    (
        peer({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.matchExpressions[0].values is missing; In needs at least one "
        "value",
    ),
    (
        peer({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["a"]}]}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.matchExpressions[0].values must be left out; Exists takes no "
        "values",
    ),
    (
        peer({"podSelector": {"matchExpressions": [{"operator": "Exists"}]}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.matchExpressions[0].key is null; it must be the key of a label",
    ),
    (
        peer({"podSelector": {"matchLabels": {"version": 2}}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.matchLabels.version is 2; it must be text, so put it in quotes",
    ),
    (
        peer({"podSelector": {"app": "a"}}),
        "NetworkPolicy shop/api: spec.ingress[0].from[1].podSelector.app is unknown; a selector has matchLabels and "
        "matchExpressions",
    ),
    (
        ingress({"form": []}),
        "NetworkPolicy shop/api: spec.ingress[0].form is unknown; a rule for ingress has from and ports",
    ),
    (
        network_policy(ingress=[{"to": []}]),
        "NetworkPolicy shop/api: spec.ingress[0].to is unknown; a rule for ingress has from and ports",
    ),
    (
        network_policy(ingress={"from": []}),
        "NetworkPolicy shop/api: spec.ingress is a dictionary; it must be a list",
    ),
    (ingress("all"), 'NetworkPolicy shop/api: spec.ingress[0] is "all"; it must be a dictionary'),
    (
        network_policy(policyTypes=["ingress"]),
        'NetworkPolicy shop/api: spec.policyTypes[0] is "ingress"; it must be Ingress or Egress',
    ),
    (network_policy(podSelector=[]), "NetworkPolicy shop/api: spec.podSelector is a list; it must be a dictionary"),
    (port(endPort=90), "NetworkPolicy shop/api: spec.ingress[0].ports[0].endPort needs port, the first of the range"),
    (port(port=90, endPort=80), "NetworkPolicy shop/api: spec.ingress[0].ports[0].endPort is 80, below port 90"),
    (
        port(port="http", endPort=80),
        'NetworkPolicy shop/api: spec.ingress[0].ports[0].endPort needs a number in port, not the name "http"',
    ),
    (
        port(port="80"),
        'NetworkPolicy shop/api: spec.ingress[0].ports[0].port is "80", which is no name of a port; a number is written without '
        "quotes",
    ),
    (
        port(port="a-name-that-is-too-long"),
        'NetworkPolicy shop/api: spec.ingress[0].ports[0].port is "a-name-that-is-too-long", which is no name of a port',
    ),
    (
        port(port=70000),
        "NetworkPolicy shop/api: spec.ingress[0].ports[0].port is 70000; it must be a port number from 1 to 65535",
    ),
    (
        port(port=True),
        "NetworkPolicy shop/api: spec.ingress[0].ports[0].port is true; it must be a port number from 1 to 65535",
    ),
    (
        port(port=80, protocol="tcp"),
        'NetworkPolicy shop/api: spec.ingress[0].ports[0].protocol is "tcp"; it must be TCP, UDP or SCTP',
    ),
    (
        cluster_policy(tier="Middle"),
        'ClusterNetworkPolicy one: spec.tier is "Middle"; it must be Admin or Baseline',
    ),
    (
        cluster_policy(priority=1001),
        "ClusterNetworkPolicy one: spec.priority is 1001; it must be a whole number from 0 to 1000",
    ),
    (cluster_policy(subject={}), "ClusterNetworkPolicy one: spec.subject selects nothing; give namespaces or pods"),
    (
        cluster_policy(subject={"namespaces": {}, "pods": {"podSelector": {}}}),
        "ClusterNetworkPolicy one: spec.subject has namespaces and pods; a subject has only one of them",
    ),
    (
        cluster_policy(ingress=[{"action": "Allow", "from": [{"namespaces": {}}]}]),
        'ClusterNetworkPolicy one: spec.ingress[0].action is "Allow"; it must be Accept, Deny or Pass',
    ),
    (
        cluster_policy(ingress=[{"action": "Deny"}]),
        "ClusterNetworkPolicy one: spec.ingress[0].from is missing; a rule of this kind needs at least one peer",
    ),
    (
        cluster_policy(egress=[{"action": "Deny", "to": [{"networks": ["10.0.0.0"]}]}]),
        'ClusterNetworkPolicy one: spec.egress[0].to[0].networks[0] "10.0.0.0" is not a CIDR; give an address and a prefix length '
        "such as 10.0.0.0/24",
    ),
    (
        cluster_policy(
            egress=[
                {
                    "action": "Deny",
                    "to": [{"namespaces": {}}],
                    "protocols": [{"tcp": {"destinationPort": {"range": {"start": 90, "end": 80}}}}],
                }
            ]
        ),
        "ClusterNetworkPolicy one: spec.egress[0].protocols[0].tcp.destinationPort.range.end is 80, below start 90",
    ),
    (
        admin_policy(ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]),
        'AdminNetworkPolicy one: spec.ingress[0].action is "Accept"; it must be Allow, Deny or Pass',
    ),
    (
        admin_policy(ingress=[{"action": "Deny", "from": [{"pods": {"namespaceSelector": {}}}]}]),
        "AdminNetworkPolicy one: spec.ingress[0].from[0].pods.podSelector is missing; {} selects every pod",
    ),
    (
        admin_policy(
            ingress=[{"action": "Deny", "from": [{"namespaces": {}}], "ports": [{"portNumber": {"port": "http"}}]}]
        ),
        'AdminNetworkPolicy one: spec.ingress[0].ports[0].portNumber.port is "http"; it must be a port number from 1 to 65535',
    ),
    (
        cluster_policy("BaselineAdminNetworkPolicy", "v1alpha1", name="mine"),
        'BaselineAdminNetworkPolicy mine: metadata.name is "mine"; the API knows only one, named "default"',
    ),
    ({**POD, "status": {"podIP": "10.0.0"}}, 'Pod shop/p: status.podIPs "10.0.0" is not an address'),
    (
        {**POD, "spec": {"containers": [{"ports": [{"name": "http", "containerPort": "http"}]}]}},
        'Pod shop/p: spec.containers[0].ports[0].containerPort is "http"; it must be a port number from 1 to 65535',
    ),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": {}}, "object 1 (Pod) has no metadata.name"),
    ({"kind": "Pod"}, "object 1 has no kind or no apiVersion; it must be a Kubernetes object"),
    ("text", 'object 1 is "text"; it must be a Kubernetes object'),
]


@pytest.mark.parametrize(("given", "sentence"), MISTAKES, ids=[sentence[:90] for _given, sentence in MISTAKES])
def test_mistake(given, sentence):
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([given])
    assert sentence in caught.value.mistakes


def test_all_mistakes_at_once():
    given = [one for one, _sentence in MISTAKES]
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects(given)
    told = "\n".join(caught.value.mistakes)
    for _given, sentence in MISTAKES:
        # The objects without names are called by their place.
        assert sentence.removeprefix("object 1") in told


def test_a_list_is_opened_and_its_items_are_called_by_their_place():
    given = {"apiVersion": "v1", "kind": "List", "items": [POD, {"kind": "Pod"}]}
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([given])
    assert caught.value.mistakes == ["object 1, item 2 has no kind or no apiVersion; it must be a Kubernetes object"]


QUERY = {"source": "shop/p", "destination": "192.0.2.1", "port": 80}
QUESTIONS = [
    (
        {"source": "shop/q"},
        'queries[0]: source "shop/q" is neither a workload nor a pod nor an address; did you mean shop/p?',
    ),
    ({"source": None}, "queries[0]: source is null; it must name a workload, a pod or an address"),
    (
        {"port": "http"},
        'queries[0]: port is "http"; an address outside has no names of ports, so give a number',
    ),
    (
        {"destination": "shop/p", "source": "192.0.2.1", "port": "http"},
        'queries[0]: port is "http", but shop/Pod/p has no TCP port of that name',
    ),
    ({"port": 0}, "queries[0]: port is 0; it must be a port number from 1 to 65535, a range or a name of a port"),
    ({"port": None}, "queries[0]: port is null; it must be a port number from 1 to 65535, a range or a name of a port"),
    ({"protocol": "ICMP"}, 'queries[0]: protocol is "ICMP"; it must be TCP, UDP or SCTP'),
]


@pytest.mark.parametrize(("change", "sentence"), QUESTIONS)
def test_question_that_cannot_be_asked(change, sentence):
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([POD]).evaluate([{**QUERY, **change}])
    assert caught.value.mistakes == [sentence]


EXPECTED = [
    ({"allowed": "yes"}, 'expected[0]: allowed is "yes"; it must be true or false'),
    ({"port": None}, 'expected[0]: port is missing; give a number, a name, a range such as 8000-8010, or "all"'),
    ({"source": "192.0.2.9"}, "expected[0]: has no end in the cluster, so no policy applies to it"),
    (
        {"source": "shop/x"},
        'expected[0]: source "shop/x" is neither a workload nor a pod nor an address; did you mean shop/p?',
    ),
]


@pytest.mark.parametrize(("change", "sentence"), EXPECTED)
def test_row_that_cannot_be_expected(change, sentence):
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([POD]).difference([{**QUERY, **change}])
    assert [one.replace("expected[0] ", "expected[0]: ") for one in caught.value.mistakes] == [sentence]


def test_rows_that_contradict_each_other():
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([POD]).difference([QUERY, {**QUERY, "allowed": False}])
    assert caught.value.mistakes == ["expected[1] says the opposite of expected[0]"]


def test_workloads_that_share_pods():
    pod = {**POD, "metadata": {**POD["metadata"], "labels": {"app": "a", "tier": "front"}}}
    workloads = [
        {"name": "one", "namespace": "shop", "selector": {"app": "a"}},
        {"name": "two", "namespace": "shop", "selector": {"tier": "front"}},
        {"name": "three", "namespace": "shop"},
    ]
    with pytest.raises(PolicyInputError) as caught:
        Cluster.from_objects([pod], workloads=workloads)
    assert caught.value.mistakes == [
        "workloads[1]: selector selects shop/p, which is already of shop/one",
        "workloads[2] needs name, namespace and selector, a dictionary of pod labels",
    ]


WRONG = (None, True, 7, -1, 3.5, "", "text", [], ["x"], {}, {"x": "y"}, [None], [[]], {"podSelector": 3})


def places(value, path=()):
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


def spoiled(objects, chance):
    objects = copy.deepcopy(objects)
    for _time in range(chance.randint(1, 3)):
        every = [path for path in places(objects) if path]
        *above, last = chance.choice(every)
        place = objects
        for key in above:
            place = place[key]
        place[last] = copy.deepcopy(chance.choice(WRONG))
    return objects


def test_no_input_ends_in_a_traceback():
    """Objects with something wrong somewhere are either judged, or told to be wrong."""
    told = []
    for seed in range(1500):
        objects = spoiled(ClusterMaker(seed).objects(), random.Random(seed))
        try:
            cluster = Cluster.from_objects(objects)
            rows = cluster.connections()
            assert cluster.warnings is not None
            if seed % 5 == 0:
                cluster.difference(rows[::2], world="cluster", mends=3)
        except PolicyInputError as error:
            told.append(error.mistakes)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    assert len(told) > 300
    assert all(isinstance(sentence, str) and sentence for sentences in told for sentence in sentences)
