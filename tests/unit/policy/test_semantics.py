# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the APIs say in words, and what is decided here where they leave it open."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from policy_objects import (
    admin,
    baseline,
    cluster_policy,
    default_deny,
    from_app,
    in_namespace,
    namespace,
    node,
    pod,
    policy,
    ports,
)

NAMESPACES = [namespace("shop", team="red"), namespace("data", team="blue")]
FRONT, API = pod("shop/front", address="10.0.0.1"), pod("shop/api", address="10.0.0.2", ports={"http": 8080})
STORE = pod("data/store", address="10.0.1.1")
PODS = [*NAMESPACES, FRONT, API, STORE]
DENY_API = policy("shop/deny", "api", policyTypes=["Ingress"])


def asked(objects, source, destination, port=8080, protocol="TCP"):
    query = {"source": source, "destination": destination, "port": port, "protocol": protocol}
    return Cluster.from_objects(objects).evaluate([query])[0]


def sentences(answer):
    return [one["sentence"] for one in answer["decided_by"]]


def allowed(objects, *query):
    return asked(objects, *query)["allowed"]


# --- Nodes, pods on the network of nodes, a pod and itself


NODE = node("n1", "192.168.0.1")
ON_NODE = [
    *NAMESPACES,
    NODE,
    node("n2", "192.168.0.2"),
    pod("shop/api", address="10.0.0.2", node="n1"),
    pod("shop/agent", address="192.168.0.1", node="n1", host=True),
    pod("shop/other", address="192.168.0.2", node="n2", host=True),
    policy("shop/deny", policyTypes=["Ingress", "Egress"]),
]


def test_own_node_always_gets_in():
    answer = asked(ON_NODE, "shop/agent", "shop/api")
    assert answer["allowed"]
    assert sentences(answer) == [
        "egress: the source uses its node's network, to which no policy applies",
        "ingress: traffic from a pod's own node is always allowed",
    ]
    assert allowed(ON_NODE, "192.168.0.1", "shop/api")
    assert not allowed(ON_NODE, "shop/other", "shop/api")
    assert not allowed(ON_NODE, "192.168.0.2", "shop/api")


def test_own_node_gets_past_the_admin_tier_too():
    deny_all = cluster_policy(
        "deny", "Admin", 0, {"namespaces": {}}, ingress=[{"action": "Deny", "from": [{"unknown": {}}]}]
    )
    assert allowed([*ON_NODE, deny_all], "shop/agent", "shop/api")


def test_pods_on_the_network_of_nodes_are_matched_by_address_only():
    by_label = policy("shop/by-label", "api", ingress=[{"from": [{"podSelector": {}}]}])
    assert not allowed([*ON_NODE, by_label], "shop/other", "shop/api")
    by_address = policy("shop/by-address", "api", ingress=[{"from": [{"ipBlock": {"cidr": "192.168.0.0/24"}}]}])
    assert allowed([*ON_NODE, by_address], "shop/other", "shop/api")


def test_no_policy_selects_pods_on_the_network_of_nodes():
    objects = [*ON_NODE, policy("shop/agent", "agent", policyTypes=["Ingress", "Egress"])]
    assert allowed([*objects, FRONT], "192.0.2.1", "shop/agent")
    assert allowed(objects, "shop/agent", "192.0.2.1")
    assert (
        "NetworkPolicy shop/agent selects shop/Pod/agent, whose pods use their node's network: no policy applies to them"
        in Cluster.from_objects(objects).warnings
    )


def test_a_pod_reaches_itself():
    objects = [*PODS, default_deny("shop")]
    answer = asked(objects, "shop/api", "shop/api")
    assert answer["allowed"]
    assert sentences(answer)[1] == "ingress: a pod's traffic to its own address is not subject to policies"
    replicas = [pod(f"shop/r{number}", app="r", owner=("StatefulSet", "r")) for number in range(2)]
    assert not allowed([*objects, *replicas], "shop/StatefulSet/r", "shop/StatefulSet/r")
    assert allowed([*objects, *replicas], "shop/r0", "shop/r0")


# --- NetworkPolicy


def test_policy_types_default_as_in_the_api():
    closed_in = policy("shop/p", "api", egress=[])
    assert not allowed([*PODS, closed_in], "shop/front", "shop/api")
    assert allowed([*PODS, closed_in], "shop/api", "data/store")
    both = policy("shop/p", "api", egress=[{"ports": ports(1)}])
    assert not allowed([*PODS, both], "shop/front", "shop/api")
    assert not allowed([*PODS, both], "shop/api", "data/store")
    egress_only = policy("shop/p", "api", policyTypes=["Egress"])
    assert allowed([*PODS, egress_only], "shop/front", "shop/api")
    assert not allowed([*PODS, egress_only], "shop/api", "data/store")


def test_rules_for_a_direction_that_is_not_named_have_no_effect():
    objects = [*PODS, policy("shop/p", "api", policyTypes=["Egress"], ingress=[{}])]
    assert (
        "NetworkPolicy shop/p: spec.ingress has no effect, because spec.policyTypes does not name this direction"
        in Cluster.from_objects(objects).warnings
    )


def test_missing_spec_isolates_the_namespace():
    bare = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
    }
    assert not allowed([*PODS, bare], "data/store", "shop/api")


@pytest.mark.parametrize("rule", [{}, {"from": []}, {"from": None, "ports": []}])
def test_empty_lists_mean_everybody_and_every_port(rule):
    objects = [*PODS, policy("shop/p", "api", ingress=[rule])]
    assert allowed(objects, "data/store", "shop/api", 1, "SCTP")
    assert allowed(objects, "192.0.2.1", "shop/api", 65535, "UDP")


def test_empty_and_missing_selectors():
    own_namespace = policy("shop/p", "api", ingress=[{"from": [{"podSelector": {}, "namespaceSelector": None}]}])
    assert allowed([*PODS, own_namespace], "shop/front", "shop/api")
    assert not allowed([*PODS, own_namespace], "data/store", "shop/api")
    every_pod = policy("shop/p", "api", ingress=[{"from": [{"namespaceSelector": {}}]}])
    assert allowed([*PODS, every_pod], "data/store", "shop/api")
    assert not allowed([*PODS, every_pod], "192.0.2.1", "shop/api")


def test_port_name_is_the_destination_s_own():
    other = pod("shop/other", address="10.0.0.3", ports={"http": 9000})
    egress = policy("shop/p", "front", egress=[{"ports": [{"port": "http"}]}])
    objects = [*PODS, other, egress]
    assert allowed(objects, "shop/front", "shop/api", 8080)
    assert not allowed(objects, "shop/front", "shop/api", 9000)
    assert allowed(objects, "shop/front", "shop/other", 9000)
    assert allowed(objects, "shop/front", "shop/other", "http")
    assert not allowed(objects, "shop/front", "192.0.2.1", 8080)
    assert not allowed(objects, "shop/front", "shop/api", 8080, "UDP")


def test_port_name_that_nobody_has():
    objects = [*PODS, policy("shop/p", "api", ingress=[{"ports": [{"port": "htpp"}]}])]
    assert Cluster.from_objects(objects).warnings == [
        'NetworkPolicy shop/p: spec.ingress[0].ports[0] is "htpp", a name that none of the pods it selects has a port by'
    ]
    assert not allowed(objects, "shop/front", "shop/api", 8080)


def test_range_of_ports():
    objects = [*PODS, policy("shop/p", "api", ingress=[{"ports": [{"port": 8000, "endPort": 8010}]}])]
    assert [allowed(objects, "shop/front", "shop/api", port) for port in (7999, 8000, 8010, 8011)] == [
        False,
        True,
        True,
        False,
    ]
    assert allowed(objects, "shop/front", "shop/api", "8001-8009")
    answer = asked(objects, "shop/front", "shop/api", "8001-8011")
    assert (answer["allowed"], answer["partial"]) == (False, True)


def test_host_bits_are_taken_off_and_told():
    objects = [*PODS, policy("shop/p", "api", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.77/24"}}]}])]
    assert allowed(objects, "192.0.2.1", "shop/api")
    assert Cluster.from_objects(objects).warnings == [
        'NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.cidr "192.0.2.77/24" has host bits set; it is judged as 192.0.2.0/24'
    ]


def test_blocks_of_ipv6():
    six = pod("shop/six", address=("10.0.0.9", "fd00::9"))
    block = {"ipBlock": {"cidr": "fd00::/64", "except": ["fd00::8/127"]}}
    objects = [*PODS, six, policy("shop/p", "api", ingress=[{"from": [block]}])]
    assert not allowed(objects, "shop/six", "shop/api")
    assert allowed(objects, "fd00::7", "shop/api")
    assert not allowed(objects, "fd00::9", "shop/api")
    assert not allowed(objects, "2001:db8::1", "shop/api")


def test_completed_pods_are_left_out():
    done = pod("shop/job", address="10.0.0.2")
    done["status"]["phase"] = "Succeeded"
    cluster = Cluster.from_objects([*NAMESPACES, FRONT, done])
    assert list(cluster.ends.workloads) == ["shop/Pod/front"]


# --- Tiers


def test_admin_tier_comes_before_network_policies():
    subject = in_namespace("shop", "api")
    deny = cluster_policy("deny", "Admin", 10, subject, ingress=[{"action": "Deny", "from": [in_namespace("data")]}])
    accept = cluster_policy(
        "accept", "Admin", 5, subject, ingress=[{"action": "Accept", "from": [in_namespace("data")]}]
    )
    assert not allowed([*PODS, deny], "data/store", "shop/api")
    assert allowed([*PODS, deny], "shop/front", "shop/api")
    assert allowed([*PODS, deny, accept, DENY_API], "data/store", "shop/api")


def test_pass_hands_on_to_network_policies_and_then_to_the_baseline():
    subject = in_namespace("shop", "api")
    passing = cluster_policy("pass", "Admin", 5, subject, ingress=[{"action": "Pass", "from": [in_namespace("data")]}])
    deny = cluster_policy("deny", "Admin", 10, subject, ingress=[{"action": "Deny", "from": [in_namespace("data")]}])
    last = cluster_policy("last", "Baseline", 1, subject, ingress=[{"action": "Deny", "from": [in_namespace("data")]}])
    assert allowed([*PODS, passing, deny], "data/store", "shop/api")
    assert not allowed([*PODS, passing, deny, last], "data/store", "shop/api")
    opened = policy("shop/p", "api", ingress=[{"from": [{"namespaceSelector": {}}]}])
    # Where a NetworkPolicy selects the pod the baseline has nothing to say.
    assert allowed([*PODS, passing, deny, last, opened], "data/store", "shop/api")
    answer = asked([*PODS, passing, deny, DENY_API], "data/store", "shop/api")
    assert sentences(answer)[1] == (
        "ingress: NetworkPolicy shop/deny isolates the destination, and no rule of it allows this"
    )


def test_first_rule_of_a_policy_decides():
    rules = [
        {"action": "Allow", "from": [in_namespace("data", "store")]},
        {"action": "Deny", "from": [in_namespace("data")]},
    ]
    objects = [*PODS, pod("data/else", address="10.0.1.9"), admin("a", 1, {"namespaces": {}}, ingress=rules)]
    assert allowed(objects, "data/store", "shop/api")
    assert not allowed(objects, "data/else", "shop/api")


def test_baseline_admin_network_policy():
    closed = baseline(in_namespace("shop", "api"), ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}])
    assert not allowed([*PODS, closed], "shop/front", "shop/api")
    opened = policy("shop/p", "api", ingress=[{"from": [from_app("front")]}])
    assert allowed([*PODS, closed, opened], "shop/front", "shop/api")
    assert not allowed([*PODS, closed, opened], "data/store", "shop/api")


def test_equal_priorities_that_disagree_are_undefined_and_count_as_denied():
    subject = in_namespace("shop", "api")
    one = cluster_policy("one", "Admin", 7, subject, ingress=[{"action": "Accept", "from": [in_namespace("data")]}])
    two = cluster_policy("two", "Admin", 7, subject, ingress=[{"action": "Deny", "from": [in_namespace("data")]}])
    answer = asked([*PODS, one, two], "data/store", "shop/api")
    assert (answer["allowed"], answer["undefined"]) == (False, True)
    assert sentences(answer)[1] == (
        "ingress: ClusterNetworkPolicy one allows it (spec.ingress[0]) and ClusterNetworkPolicy two denies it (spec.ingress[0]), both "
        "with priority 7; which of them an implementation follows is not defined, so it counts as denied"
    )
    same = cluster_policy("two", "Admin", 7, subject, ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}])
    answer = asked([*PODS, one, same], "data/store", "shop/api")
    assert (answer["allowed"], answer["undefined"]) == (True, False)


def test_what_is_denied_elsewhere_is_not_undefined():
    subject = in_namespace("shop", "api")
    one = cluster_policy("one", "Admin", 7, subject, ingress=[{"action": "Accept", "from": [in_namespace("data")]}])
    two = cluster_policy("two", "Admin", 7, subject, ingress=[{"action": "Deny", "from": [in_namespace("data")]}])
    answer = asked([*PODS, one, two, default_deny("data")], "data/store", "shop/api")
    assert (answer["allowed"], answer["undefined"]) == (False, False)


@pytest.mark.parametrize(("action", "expected"), [("Accept", True), ("Deny", False), ("Pass", False)])
def test_peers_of_a_newer_api_fail_closed(action, expected):
    rule = {"action": action, "from": [{"clusterSets": {}}, in_namespace("data")], "protocols": [{"tcp": {}}]}
    objects = [*PODS, cluster_policy("new", "Admin", 1, in_namespace("shop", "api"), ingress=[rule])]
    # Accept matches nothing, so what follows decides; the others deny whatever it is.
    assert allowed(objects, "shop/front", "shop/api") == expected
    assert allowed(objects, "shop/front", "shop/api", 53, "UDP") == expected
    [warning] = Cluster.from_objects(objects).warnings
    assert "says what is not understood here" in warning


def test_protocols_of_a_newer_api_fail_closed():
    rule = {"action": "Deny", "from": [in_namespace("data")], "protocols": [{"quic": {}}]}
    objects = [*PODS, cluster_policy("new", "Admin", 1, in_namespace("shop", "api"), ingress=[rule])]
    assert not allowed(objects, "shop/front", "shop/api")


def test_domain_names_match_nothing_and_are_told():
    rule = {"action": "Accept", "to": [{"domainNames": ["*.example.org"]}]}
    deny = {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]}
    objects = [*PODS, cluster_policy("names", "Admin", 1, in_namespace("shop", "api"), egress=[rule, deny])]
    assert not allowed(objects, "shop/api", "192.0.2.1")
    assert Cluster.from_objects(objects).warnings == [
        "ClusterNetworkPolicy names: spec.egress[0].to[0].domainNames is not judged: which addresses a name has is not known here, so "
        "it matches nothing"
    ]


def test_networks_of_the_cluster_wide_kinds_match_pods_too():
    rule = {"action": "Deny", "to": [{"networks": ["10.0.1.0/24"]}]}
    objects = [*PODS, cluster_policy("nets", "Admin", 1, in_namespace("shop", "api"), egress=[rule])]
    assert not allowed(objects, "shop/api", "data/store")
    assert allowed(objects, "shop/api", "shop/front")


def test_nodes_as_peers():
    rule = {"action": "Deny", "to": [{"nodes": {"matchLabels": {"role": "control"}}}]}
    deny = cluster_policy("nodes", "Admin", 1, in_namespace("shop", "api"), egress=[rule])
    nodes = [node("c", "192.168.0.1", role="control"), node("w", "192.168.0.2", role="worker")]
    assert not allowed([*PODS, *nodes, deny], "shop/api", "192.168.0.1", 6443)
    assert allowed([*PODS, *nodes, deny], "shop/api", "192.168.0.2", 6443)
    assert (
        "ClusterNetworkPolicy nodes names nodes, and no Node is among the objects; it is judged as matching none"
        in Cluster.from_objects([*PODS, deny]).warnings
    )


def test_ports_of_the_cluster_wide_kinds():
    subject = in_namespace("shop", "api")
    peers = [{"namespaces": {}}]
    new = [
        {"tcp": {"destinationPort": {"number": 1}}},
        {"udp": {"destinationPort": {"range": {"start": 10, "end": 20}}}},
        {"sctp": {}},
        {"destinationNamedPort": "http"},
    ]
    old = [
        {"portNumber": {"port": 1}},
        {"portRange": {"protocol": "UDP", "start": 10, "end": 20}},
        {"portRange": {"protocol": "SCTP", "start": 1, "end": 65535}},
        {"namedPort": "http"},
    ]
    for deny in (
        cluster_policy("p", "Admin", 1, subject, ingress=[{"action": "Deny", "from": peers, "protocols": new}]),
        admin("p", 1, subject, ingress=[{"action": "Deny", "from": peers, "ports": old}]),
    ):
        objects = [*PODS, deny]
        denied = [("TCP", 1), ("TCP", 8080), ("UDP", 10), ("UDP", 20), ("SCTP", 1), ("SCTP", 65535)]
        opened = [("TCP", 2), ("TCP", 10), ("UDP", 9), ("UDP", 21), ("UDP", 8080)]
        for protocol, port in denied:
            assert not allowed(objects, "shop/front", "shop/api", port, protocol), (protocol, port)
        for protocol, port in opened:
            assert allowed(objects, "shop/front", "shop/api", port, protocol), (protocol, port)


def test_two_generations_at_once_are_told():
    objects = [
        *PODS,
        admin("a", 1, {"namespaces": {}}),
        cluster_policy("c", "Admin", 2, {"namespaces": {}}),
    ]
    [warning] = Cluster.from_objects(objects).warnings
    assert warning.startswith("both AdminNetworkPolicy and ClusterNetworkPolicy are among the objects")


# --- What is given


def test_policies_of_other_products_are_named():
    objects = [
        *PODS,
        {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "l7", "namespace": "shop"}},
        {"apiVersion": "crd.projectcalico.org/v1", "kind": "GlobalNetworkPolicy", "metadata": {"name": "all"}},
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "a", "namespace": "x"},
        },
        {"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy", "metadata": {"name": "new"}},
        {"apiVersion": "cilium.io/v2", "kind": "CiliumEndpoint", "metadata": {"name": "e", "namespace": "shop"}},
    ]
    assert Cluster.from_objects(objects).not_judged == [
        "CiliumNetworkPolicy shop/l7 (cilium.io/v2)",
        "GlobalNetworkPolicy all (crd.projectcalico.org/v1)",
        "AuthorizationPolicy x/a (security.istio.io/v1)",
        "ClusterNetworkPolicy new (policy.networking.k8s.io/v1beta1)",
    ]


def template(kind, place, version="apps/v1", app="", **spec):
    where, name = place.split("/")
    labels = {"app": app or name}
    pods = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
    }
    inner = {"selector": {"matchLabels": labels}, "template": pods, **spec}
    if kind == "CronJob":
        inner = {"jobTemplate": {"spec": {"template": pods}}}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": where}, "spec": inner}


def test_workloads_without_pods_are_judged_by_their_templates():
    objects = [
        *NAMESPACES,
        template("Deployment", "shop/web", replicas=2),
        template("CronJob", "shop/nightly", "batch/v1"),
        template("StatefulSet", "data/store"),
        policy("shop/p", "web", ingress=[{"from": [from_app("nightly")], "ports": ports("http")}]),
    ]
    cluster = Cluster.from_objects(objects)
    assert list(cluster.ends.workloads) == ["shop/Deployment/web", "shop/CronJob/nightly", "data/StatefulSet/store"]
    assert allowed(objects, "shop/nightly", "shop/web", "http")
    assert not allowed(objects, "data/store", "shop/web", 8080)
    # Two replicas are two pods.
    assert not allowed(objects, "shop/web", "shop/web", 8080)
    assert allowed([*objects[:2], template("Deployment", "shop/web", replicas=1), objects[-1]], "shop/web", "shop/web")


def test_pods_come_before_templates_and_are_called_by_the_head_of_their_owners():
    replica_set = template("ReplicaSet", "shop/web-6f7", app="web")
    replica_set["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    running = pod("shop/web-6f7-abc", app="web", owner=("ReplicaSet", "web-6f7"), address="10.0.0.5")
    objects = [*NAMESPACES, template("Deployment", "shop/web"), replica_set, running]
    cluster = Cluster.from_objects(objects)
    assert cluster.ends.workloads == {"shop/Deployment/web": [0]}
    # Without the ReplicaSet its name and the pod's label say the same.
    alone = pod("shop/web-6f7-abc", app="web", owner=("ReplicaSet", "web-6f7"), **{"pod-template-hash": "6f7"})
    assert list(Cluster.from_objects([*NAMESPACES, alone]).ends.workloads) == ["shop/Deployment/web"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "done", "namespace": "shop"},
        "spec": {"template": {}},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    }
    assert list(Cluster.from_objects([*objects, job]).ends.workloads) == ["shop/Deployment/web"]


def test_pods_without_addresses_and_blocks():
    blocks = [{"ipBlock": {"cidr": "10.128.0.0/14"}}]
    objects = [
        *NAMESPACES,
        template("Deployment", "shop/web"),
        template("Deployment", "shop/api"),
        policy("shop/p", "api", ingress=[{"from": blocks}]),
    ]
    query = [{"source": "shop/web", "destination": "shop/api", "port": 1}]
    unknown = Cluster.from_objects(objects)
    assert not unknown.evaluate(query)[0]["allowed"]
    [warning] = unknown.warnings
    assert warning.startswith("shop/Deployment/web and shop/Deployment/api have no address yet")
    within = Cluster.from_objects(objects, pod_networks=["10.128.0.0/16", "fd00::/64"])
    assert within.evaluate(query)[0]["allowed"]
    assert within.warnings == []
    assert not Cluster.from_objects(objects, pod_networks=["10.0.0.0/8"]).evaluate(query)[0]["allowed"]
    everything = [*objects[:-1], policy("shop/p", "api", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])]
    assert Cluster.from_objects(everything).evaluate(query)[0]["allowed"]


def test_lists_as_the_api_returns_them():
    bare = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in (FRONT, API)]
    cluster = Cluster.from_objects([{"apiVersion": "v1", "kind": "PodList", "items": bare}])
    assert list(cluster.ends.workloads) == ["shop/Pod/front", "shop/Pod/api"]
    assert cluster.warnings == ["the Namespace shop is not among the objects; it is judged with no label but its name"]


def test_given_workloads_name_pods():
    cluster = Cluster.from_objects(
        PODS,
        workloads=[
            {"name": "backend", "namespace": "shop", "selector": {"app": "api"}},
            {
                "name": "later",
                "namespace": "shop",
                "selector": {"matchLabels": {"app": "later"}},
                "listens": [{"name": "http", "port": 8080}],
            },
        ],
    )
    assert set(cluster.ends.workloads) == {"shop/Pod/front", "shop/backend", "shop/later", "data/Pod/store"}
    assert cluster.evaluate([{"source": "shop/backend", "destination": "shop/later", "port": "http"}])[0]["allowed"]
    assert cluster.warnings == [
        "no pod of shop/later is among the objects; it is judged as a pod with just its selector's labels"
    ]


def test_names_that_can_mean_several_things():
    objects = [*NAMESPACES, template("Deployment", "shop/web"), template("StatefulSet", "shop/web")]
    with pytest.raises(ValueError, match="can be shop/Deployment/web or shop/StatefulSet/web; name one of them"):
        asked(objects, "shop/web", "192.0.2.1")


def test_an_address_of_a_pod_is_that_pod():
    objects = [*PODS, policy("shop/p", "api", ingress=[{"from": [from_app("front")]}])]
    assert allowed(objects, "10.0.0.1", "10.0.0.2")
    assert not allowed(objects, "10.0.0.0/24", "10.0.0.2")


def test_connections_list_workloads_and_ranges():
    block = {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}
    objects = [
        *NAMESPACES,
        FRONT,
        API,
        default_deny("shop"),
        policy("shop/api", "api", ingress=[{"from": [from_app("front"), block], "ports": ports(80, 81, 8080)}]),
        policy(
            "shop/front", "front", egress=[{"to": [from_app("api")]}, {"to": [block], "ports": [{"protocol": "UDP"}]}]
        ),
    ]
    assert Cluster.from_objects(objects).connections() == [
        {
            "source": "shop/Pod/front",
            "destination": "shop/Pod/api",
            "protocol": "TCP",
            "ports": ["80-81", "8080"],
            "partial": False,
        },
        {
            "source": "shop/Pod/front",
            "destination": "192.0.2.0/25",
            "protocol": "UDP",
            "ports": ["all"],
            "partial": False,
        },
        {
            "source": "192.0.2.0/25",
            "destination": "shop/Pod/api",
            "protocol": "TCP",
            "ports": ["80-81", "8080"],
            "partial": False,
        },
    ]
    assert Cluster.from_objects(objects).connections(["data"]) == []


def test_networks_of_pods_are_not_outside():
    rows = Cluster.from_objects([*NAMESPACES, FRONT], pod_networks=["10.0.0.0/8"]).connections()
    assert {row["destination"] for row in rows} == {
        "0.0.0.0-9.255.255.255",
        "11.0.0.0-255.255.255.255",
        "shop/Pod/front",
    }
    with pytest.raises(ValueError, match="has no address but those of pods; name the pods"):
        Cluster.from_objects([*NAMESPACES, FRONT], pod_networks=["10.0.0.0/8"]).evaluate(
            [{"source": FRONT["metadata"]["name"], "destination": "10.1.0.0/16", "port": 1}]
        )


def test_pods_of_one_workload_that_differ():
    pods = [
        pod(f"shop/w{number}", app="w", owner=("StatefulSet", "w"), track=track) for number, track in enumerate("ab")
    ]
    allow = policy("shop/p", "front", egress=[{"to": [{"podSelector": {"matchLabels": {"track": "a"}}}]}])
    cluster = Cluster.from_objects([*NAMESPACES, FRONT, *pods, allow])
    [row] = [one for one in cluster.connections() if one["source"] == "shop/Pod/front" and one["protocol"] == "TCP"]
    assert (row["destination"], row["ports"], row["partial"]) == ("shop/StatefulSet/w", ["all"], True)
    [answer] = cluster.evaluate([{"source": "shop/front", "destination": "shop/w", "port": 80}])
    assert (answer["allowed"], answer["partial"]) == (False, True)
    assert "denied" in [one["outcome"] for one in answer["decided_by"]]


def test_pods_that_nothing_tells_apart_are_one_group():
    pods = [
        pod(
            f"shop/w{number}",
            app="w",
            owner=("StatefulSet", "w"),
            address=f"10.0.0.{number + 1}",
            **{"pod-index": str(number)},
        )
        for number in range(50)
    ]
    by_app = policy("shop/p", "w", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])
    assert Cluster.from_objects([*NAMESPACES, *pods, by_app]).summary["groups"] == 1 + 3
    one = policy("shop/q", ingress=[{"from": [{"podSelector": {"matchLabels": {"pod-index": "7"}}}]}])
    assert Cluster.from_objects([*NAMESPACES, *pods, by_app, one]).summary["groups"] == 2 + 3
