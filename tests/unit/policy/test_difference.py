# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The closed-world difference, and the changes that mend it: each is applied to the objects and judged anew."""

from __future__ import annotations

import random

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import address, given_range
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PROTOCOLS
from naive_evaluator import ALLOWED, NaiveEvaluator
from policy_objects import (
    admin,
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
from random_clusters import OUTSIDE, PROBED_PORTS, ClusterMaker

FRONT, API, STORE, OTHER = "shop/Pod/front", "shop/Pod/api", "data/Pod/store", "shop/Pod/other"
PODS = [
    namespace("shop"),
    namespace("data"),
    pod("shop/front", address="10.0.0.1"),
    pod("shop/api", address="10.0.0.2", ports={"http": 8080}),
    pod("shop/other", address="10.0.0.3"),
    pod("data/store", address="10.0.1.1"),
]
TO_API = [{"source": FRONT, "destination": API, "port": 8080, "because": "front calls api"}]
DENIED = [{"source": OTHER, "destination": API, "port": 8080, "allowed": False}]
TO_STORE = [{"source": API, "destination": STORE, "port": 5432}]
CLOSED = [default_deny("shop"), default_deny("data")]
OPEN_API = policy(
    "shop/api", "api", policyTypes=["Ingress"], ingress=[{"from": [from_app("front")], "ports": ports(8080)}]
)
OPEN_FRONT = policy(
    "shop/front", "front", policyTypes=["Egress"], egress=[{"to": [from_app("api")], "ports": ports(8080)}]
)


def difference(objects, expected, **options):
    return Cluster.from_objects(objects).difference(expected, **options)


def cells(rows):
    return [(row["source"], row["destination"], row["protocol"], row["ports"]) for row in rows]


def applied(objects, mend):
    """The objects with the change made, as kubectl would."""
    found = list(objects)
    for change in mend["changes"]:
        place = change["kind"], change["namespace"], change["name"]
        kept = [one for one in found if place_of(one) != place]
        assert (len(kept) < len(found)) == (change["action"] != "create"), change
        found = kept if change["manifest"] is None else [*kept, change["manifest"]]
    return found


def place_of(one):
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def mended(objects, expected, **options):
    """The one difference's change, proven once more from the objects."""
    found = difference(objects, expected, **options)
    rows = found["missing"] + found["unexpected"] + found["undefined"]
    assert rows
    mend = rows[0]["mend"]
    assert mend is not None, rows[0]["decided_by"]
    after = difference(applied(objects, mend), expected, **options)
    assert not any(after["counts"].values()), after
    return mend


def test_as_expected():
    found = difference([*PODS, *CLOSED, OPEN_API, OPEN_FRONT], TO_API + DENIED)
    assert found == {
        "missing": [],
        "unexpected": [],
        "undefined": [],
        "counts": {"missing": 0, "unexpected": 0, "undefined": 0},
        "warnings": [],
    }


def test_missing_says_why_and_what_decides():
    found = difference([*PODS, *CLOSED, OPEN_API], TO_API)
    assert cells(found["missing"]) == [(FRONT, API, "TCP", ["8080"])]
    [row] = found["missing"]
    assert row["because"] == "front calls api"
    assert row["decided_by"][0]["sentence"] == (
        "egress: NetworkPolicy shop/default-deny isolates the source, and no rule of it allows this"
    )


def test_unexpected_is_every_port_and_protocol():
    rule = {"from": [from_app("front")], "ports": [{"port": 8080, "endPort": 8090}, {"protocol": "UDP", "port": 53}]}
    objects = [*PODS, policy("shop/api", "api", ingress=[rule])]
    found = difference(objects, TO_API)
    assert cells(found["unexpected"])[:2] == [
        (FRONT, API, "TCP", ["8081-8090"]),
        (FRONT, API, "UDP", ["53"]),
    ]


def test_world_is_closed_between_the_named_ends_only():
    objects = [*PODS, OPEN_API]
    # The store may be reached by everybody, but no row is about the store.
    found = difference(objects, [*TO_API, {"source": API, "destination": FRONT, "port": 1}])
    assert {row["destination"] for row in found["unexpected"]} == {FRONT}
    whole = difference(objects, TO_API, world="cluster")
    assert {row["destination"] for row in whole["unexpected"]} == {FRONT, OTHER, STORE, "0.0.0.0/0"}
    within = difference(objects, TO_API, world="cluster", namespaces=["data"])
    assert all("data/" in row["source"] + row["destination"] for row in within["unexpected"])


def test_connections_are_an_expectation_of_their_own():
    objects = [
        *PODS,
        *CLOSED,
        OPEN_API,
        OPEN_FRONT,
        policy("data/p", egress=[{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]),
    ]
    rows = Cluster.from_objects(objects).connections()
    found = difference(objects, rows, world="cluster")
    assert not any(found["counts"].values())
    fewer = difference(objects, rows[1:], world="cluster")
    assert fewer["counts"]["unexpected"] == 1


def test_addresses_outside_and_exceptions_from_them():
    egress = [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": ports(443)}]
    objects = [*PODS, *CLOSED, policy("shop/api", "api", egress=egress)]
    rows = [
        {"source": API, "destination": "0.0.0.0/0", "port": 443},
        {"source": API, "destination": "169.254.169.254", "port": 443, "allowed": False},
    ]
    found = difference(objects, rows)
    assert cells(found["unexpected"]) == [(API, "169.254.169.254", "TCP", ["443"])]
    mend = mended(objects, rows)
    assert mend["sentence"] == "in NetworkPolicy shop/api except 169.254.169.254 from spec.egress[0].to[0]"
    assert mend["also_closes"] == []


def test_row_with_only_a_host_is_told():
    row = {"source": API, "destination": "llm", "kind": "external", "host": "llm.example", "port": 443}
    found = difference(PODS, [row])
    assert found["warnings"] == [
        "expected[0] names only the host llm.example, and which addresses it has is not known here"
    ]
    with_address = {**row, "address": "192.0.2.1"}
    assert difference([*PODS, *CLOSED], [with_address])["missing"][0]["destination"] == "192.0.2.1"


def test_port_by_name_and_pods_that_differ():
    pods = [
        pod(
            f"shop/w{number}", app="w", owner=("StatefulSet", "w"), ports={"http": port}, address=f"10.0.2.{number + 1}"
        )
        for number, port in enumerate((8080, 9090))
    ]
    allow = policy("shop/w", "w", ingress=[{"ports": ports("http")}])
    row = [{"source": FRONT, "destination": "shop/w", "port": "http"}]
    assert not any(difference([*PODS, *pods, allow], row, world="declared")["counts"][kind] for kind in ("missing",))
    by_number = policy("shop/w", "w", ingress=[{"ports": ports(8080)}])
    [missing] = difference([*PODS, *pods, by_number], row)["missing"]
    assert (missing["ports"], missing["partial"]) == (["9090"], True)


def test_undefined_is_told_where_nothing_is_expected_and_missing_where_something_is():
    subject = in_namespace("shop", "api")
    accept = {"action": "Accept", "from": [in_namespace("shop", "front")], "protocols": [{"tcp": {}}]}
    deny = {**accept, "action": "Deny"}
    objects = [
        *PODS,
        *CLOSED,
        policy("shop/front", "front", egress=[{}], policyTypes=["Egress"]),
        cluster_policy("one", "Admin", 3, subject, ingress=[accept]),
        cluster_policy("two", "Admin", 3, subject, ingress=[deny]),
    ]
    found = difference(objects, TO_API)
    assert cells(found["missing"]) == [(FRONT, API, "TCP", ["8080"])]
    assert cells(found["undefined"]) == [(FRONT, API, "TCP", ["1-8079", "8081-65535"])]
    nothing = [{**TO_API[0], "allowed": False}]
    mend = mended(objects, nothing)
    assert mend["sentence"] in (
        "set the priority of ClusterNetworkPolicy one to 4",
        "set the priority of ClusterNetworkPolicy two to 2",
    )


def test_limit_and_counts():
    found = difference(PODS, TO_API + TO_STORE, limit=1, mends=0)
    assert found["counts"]["unexpected"] > 1
    assert len({(row["source"], row["destination"]) for row in found["unexpected"]}) == 1
    assert found["unexpected"][0]["mend"] is None


# --- The smallest change


def test_missing_port_is_added_to_the_rule():
    other_port = policy("shop/api", "api", ingress=[{"from": [from_app("front")], "ports": ports(8081)}])
    rows = [*TO_API, {**TO_API[0], "port": 8081}, *DENIED]
    egress = policy("shop/front", "front", egress=[{"to": [from_app("api")], "ports": ports(8080, 8081)}])
    mend = mended([*PODS, *CLOSED, other_port, egress], rows)
    assert mend["sentence"] == "in NetworkPolicy shop/api add TCP 8080 to spec.ingress[0]"
    assert (mend["touched_rules"], mend["mends"], mend["also_closes"]) == (1, 1, [])
    [change] = mend["changes"]
    assert change["action"] == "replace"
    assert change["manifest"]["spec"]["ingress"][0]["ports"] == [{"port": 8081}, {"protocol": "TCP", "port": 8080}]


def test_missing_peer_is_added_to_the_rule():
    other_peer = policy("shop/api", "api", ingress=[{"from": [from_app("other")], "ports": ports(8080)}])
    other_way = policy("shop/other", "other", egress=[{"to": [from_app("api")], "ports": ports(8080)}])
    rows = [*TO_API, {**TO_API[0], "source": OTHER}]
    mend = mended([*PODS, *CLOSED, other_peer, other_way, OPEN_FRONT], rows)
    assert mend["sentence"] == "in NetworkPolicy shop/api add shop/Pod/front to spec.ingress[0].from"


def test_missing_connection_gets_the_pair_of_policies():
    mend = mended([*PODS, *CLOSED], TO_API)
    assert mend["sentence"] == (
        "create NetworkPolicy shop/front-egress-to-api: egress of shop/Pod/front to shop/Pod/api, TCP 8080; and create "
        "NetworkPolicy shop/api-ingress-from-front: ingress of shop/Pod/api from shop/Pod/front, TCP 8080"
    )
    assert [change["manifest"]["spec"] for change in mend["changes"]] == [
        {
            "podSelector": {"matchLabels": {"app": "front"}},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [{"podSelector": {"matchLabels": {"app": "api"}}}],
                    "ports": [{"protocol": "TCP", "port": 8080}],
                }
            ],
        },
        {
            "podSelector": {"matchLabels": {"app": "api"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {"app": "front"}}}],
                    "ports": [{"protocol": "TCP", "port": 8080}],
                }
            ],
        },
    ]


def test_missing_way_outside_leaves_out_the_networks_of_pods():
    rows = [
        {"source": API, "destination": "0.0.0.0/0", "port": 443},
        {"source": API, "destination": "169.254.169.254", "port": 443, "allowed": False},
        {"source": FRONT, "destination": API, "port": 1, "allowed": False},
    ]
    objects = [*PODS, *CLOSED, node("n1", "192.168.0.1")]
    objects[-1]["spec"] = {"podCIDRs": ["10.0.0.0/16"]}
    mend = mended(objects, rows)
    [change] = mend["changes"]
    assert change["name"] == "api-egress-to-outside"
    assert change["manifest"]["spec"]["egress"] == [
        {
            "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/16", "169.254.169.254/32"]}}],
            "ports": [{"protocol": "TCP", "port": 443}],
        }
    ]


def test_no_rule_is_added_that_would_open_more():
    # default-deny selects every pod of the namespace: a rule in it would open other pods, too.
    mend = mended([*PODS, *CLOSED, OPEN_FRONT], TO_API)
    assert [change["action"] for change in mend["changes"]] == ["create"]


def test_missing_behind_a_deny_of_the_admin_tier():
    deny = cluster_policy(
        "deny", "Admin", 3, in_namespace("shop", "api"), ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}]
    )
    mend = mended([*PODS, *CLOSED, OPEN_API, OPEN_FRONT, deny], TO_API)
    assert mend["sentence"] == (
        "in ClusterNetworkPolicy deny put a rule before spec.ingress[0]: Pass from shop/Pod/front, TCP 8080"
    )
    without_policy = mended([*PODS, *CLOSED, OPEN_FRONT, deny], TO_API)
    assert "Accept from shop/Pod/front" in without_policy["sentence"]


def test_unexpected_peer_is_taken_out():
    both = policy("shop/api", "api", ingress=[{"from": [from_app("front"), from_app("other")], "ports": ports(8080)}])
    other = policy("shop/other", "other", egress=[{"to": [from_app("api")]}])
    mend = mended([*PODS, *CLOSED, both, OPEN_FRONT, other], TO_API + DENIED)
    assert mend["sentence"] == "in NetworkPolicy shop/api take out spec.ingress[0].from[1]"


def test_unexpected_port_is_taken_out():
    two = policy("shop/api", "api", ingress=[{"from": [from_app("front")], "ports": ports(8080, 22)}])
    front = policy("shop/front", "front", egress=[{"to": [from_app("api")]}])
    mend = mended([*PODS, *CLOSED, two, front], TO_API)
    assert mend["sentence"] == "in NetworkPolicy shop/api take out spec.ingress[0].ports[1]"


def test_last_peer_takes_the_rule_with_it():
    # An empty list of peers would let everybody in.
    only = policy("shop/api", "api", ingress=[{"from": [from_app("other")]}])
    other = policy("shop/other", "other", egress=[{"to": [from_app("api")]}])
    mend = mended([*PODS, *CLOSED, only, other], [*DENIED])
    [change] = mend["changes"]
    assert change["manifest"] is None or "ingress" not in change["manifest"]["spec"]
    assert change["manifest"] is None or change["manifest"]["spec"]["policyTypes"] == ["Ingress"]


def test_peer_that_is_too_wide_is_replaced_by_what_is_declared():
    wide = policy("shop/api", "api", ingress=[{"from": [{"podSelector": {}}], "ports": ports(8080)}])
    everything = policy("shop/out", egress=[{"to": [from_app("api")]}], policyTypes=["Egress"])
    mend = mended([*PODS, *CLOSED, wide, everything], TO_API + DENIED)
    assert mend["sentence"] == (
        "in NetworkPolicy shop/api put what is declared in the place of spec.ingress[0].from[0]"
    )


def test_pod_that_nothing_isolates_is_closed_but_for_what_is_declared():
    closed_front = policy("shop/front-in", "front", policyTypes=["Ingress"])
    outside = {"source": "0.0.0.0/0", "destination": API, "port": 8080, "allowed": False}
    mend = mended([*PODS, closed_front, OPEN_FRONT], [*TO_API, outside])
    assert mend["sentence"] == (
        "create NetworkPolicy shop/api-ingress: deny ingress of shop/Pod/api but for what is declared (1 rule)"
    )
    assert mend["touched_rules"] == 2
    # What is outside of the closed world is not expected, and still somebody may miss it.
    assert mend["also_closes"] == [
        "shop/Pod/other to shop/Pod/api (all ports)",
        "data/Pod/store to shop/Pod/api (all ports)",
    ]


def test_policy_that_opens_too_much_is_deleted_or_emptied():
    door = policy("shop/door", ingress=[{}], policyTypes=["Ingress"])
    front = policy("shop/all", egress=[{}], policyTypes=["Egress"])
    mend = mended(
        [*PODS, *CLOSED, OPEN_API, front, door],
        [*TO_API, *DENIED, {"source": API, "destination": FRONT, "port": 1, "allowed": False}],
    )
    assert mend["sentence"] == "in NetworkPolicy shop/door take out spec.ingress[0]"
    assert mend["mends"] > 1


def test_unexpected_behind_an_accept_of_the_admin_tier():
    accept = admin("a", 3, in_namespace("shop", "api"), ingress=[{"action": "Allow", "from": [in_namespace("shop")]}])
    closed = [
        policy("shop/front-in", "front", policyTypes=["Ingress"]),
        policy("shop/other-in", "other", policyTypes=["Ingress"]),
    ]
    mend = mended([*PODS, *closed, OPEN_API, OPEN_FRONT, accept], TO_API + DENIED, world="declared")
    assert mend["sentence"] == "in AdminNetworkPolicy a take out spec.ingress[0].from[0]"
    other_too = {"action": "Allow", "from": [in_namespace("data"), in_namespace("shop")]}
    wider = admin("a", 3, in_namespace("shop", "api"), ingress=[other_too])
    declared = [*TO_API, *DENIED, {"source": STORE, "destination": API, "ports": ["all"]}]
    declared += [{**declared[-1], "protocol": protocol} for protocol in ("UDP", "SCTP")]
    data = default_deny("data")
    data["spec"]["policyTypes"] = ["Ingress"]
    mend = mended([*PODS, *closed, data, OPEN_API, OPEN_FRONT, wider], declared)
    assert mend["sentence"] == "in AdminNetworkPolicy a take out spec.ingress[0].from[1]"


def test_what_cannot_be_mended_has_no_change():
    objects = [*PODS, node("n1", "192.168.0.1"), pod("shop/agent", address="192.168.0.1", node="n1", host=True)]
    objects[2]["spec"]["nodeName"] = "n1"
    rows = [{"source": "shop/Pod/agent", "destination": FRONT, "port": 1, "allowed": False}]
    found = difference(objects, rows)
    own_node = [row for row in found["unexpected"] if row["source"] == "shop/Pod/agent"]
    assert own_node
    assert all(row["mend"] is None for row in own_node)


# --- By chance


def sampled(found, kinds=("missing", "unexpected")):
    """The differences as single connections of sampled addresses and ports."""
    return {
        (kind, source, destination, protocol, port)
        for kind in kinds
        for row in found[kind]
        for source in places(row["source"])
        for destination in places(row["destination"])
        for protocol, first, last in _policy_ports.read(PROTOCOLS.index(row["protocol"]), row["ports"])
        for port in PROBED_PORTS
        if first <= port <= last
    }


def places(end):
    try:
        ranges = [given_range(words)[0] for words in end.split(" and ")[0].split(", ")]
    except ValueError:
        return [end]
    return [text for text in OUTSIDE if any(first <= address(text) <= last for first, last in ranges)]


def told_apart(seed):
    """A cluster in which labels can tell every workload from every other."""
    objects = ClusterMaker(seed).objects()
    for one in objects:
        if one["kind"] == "Pod":
            own = "set" if one["metadata"].get("ownerReferences") else one["metadata"]["name"]
            one["metadata"]["labels"]["own"] = own
    return objects


@pytest.mark.parametrize("batch", range(4))
def test_connections_and_difference_are_each_other_s_opposite(batch):
    for seed in range(batch, 400, 4):
        objects = told_apart(seed)
        cluster = Cluster.from_objects(objects)
        rows = cluster.connections()
        if any(row["partial"] for row in rows):
            continue
        found = cluster.difference(rows, world="cluster")
        assert found["counts"]["missing"] == found["counts"]["unexpected"] == 0, seed


@pytest.mark.parametrize("batch", range(4))
def test_every_suggested_change_mends_and_breaks_nothing(batch):
    changes = 0
    for seed in range(1000 + batch, 1200, 4):
        objects = told_apart(seed)
        cluster, chance = Cluster.from_objects(objects), random.Random(seed)
        workloads = list(cluster.ends.workloads)
        expected = [row for row in cluster.connections() if not row["partial"] and chance.random() < 0.9]
        for _time in range(2):
            source, destination = chance.choice(workloads), chance.choice(workloads)
            if source != destination:
                expected.append({"source": source, "destination": destination, "port": chance.choice((80, 81, 8080))})
        found = cluster.difference(expected, world="cluster", mends=4)
        before = sampled(found)
        for kind in ("missing", "unexpected"):
            for row in found[kind]:
                if row["mend"] is None:
                    continue
                changes += 1
                where = f"seed {seed}: {row['mend']['sentence']}"
                after_objects = applied(objects, row["mend"])
                after = sampled(Cluster.from_objects(after_objects).difference(expected, world="cluster", mends=0))
                assert after <= before, where
                assert not sampled({kind: [row]}, (kind,)) & after, where
                assert row["mend"]["also_closes"] == [], where
                agree(after_objects, row, kind, where)
    assert changes > 15


def agree(objects, row, kind, where):
    """The second evaluator finds the connection mended, too."""
    naive = NaiveEvaluator(objects)
    for _kind, source, destination, protocol, port in sampled({kind: [row]}, (kind,)):
        pairs = [(a, b) for a in named(naive, source) for b in named(naive, destination) if a is not b]
        for one, other in pairs:
            verdict = naive.verdict(one, other, PROTOCOLS[protocol], port)
            assert (verdict == ALLOWED) == (kind == "missing"), f"{where}, {source} to {destination}"


def named(naive, end):
    if end in OUTSIDE:
        return [end]
    where, kind, name = end.split("/")
    return [
        one
        for one in naive.of_kind["Pod"]
        if one["metadata"]["namespace"] == where
        and (
            one["metadata"]["name"] == name
            if kind == "Pod"
            else [owner["name"] for owner in one["metadata"].get("ownerReferences", [])] == [name]
        )
    ]
