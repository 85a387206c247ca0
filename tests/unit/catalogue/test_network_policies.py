# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NetworkPolicies and the expected matrix come from one catalogue by different ways.

Here a third party, a small evaluator of NetworkPolicies written for these tests alone, reads the policies and must find what the
matrix says.
"""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import json
import re
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _connectivity, _network_policies

OUTSIDE = {"host": "llm.outside.example", "address": "198.51.100.10", "port": 443}
API_SERVER, NODE = "10.155.128.2", "10.155.128.11"
# Pods, Services, the API server, the nodes.
OWN = ["10.154.0.0/16", "10.155.0.0/17", "10.155.128.2/32", "10.155.128.11/32", "10.155.128.12/31"]
MARKS = {
    "app.kubernetes.io/managed-by": "azora.platform",
    "app.kubernetes.io/part-of": "azora",
    "app.kubernetes.io/component": "network-policy",
}


# --- The evaluator: what the API's documentation says, for one connection at a time.


@dataclasses.dataclass(frozen=True)
class End:
    """A pod, or an address that is none."""

    address: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        key, operator = expression["key"], expression["operator"]
        holds = {
            "In": lambda key=key, expression=expression: labels.get(key) in expression["values"],
            "NotIn": lambda key=key, expression=expression: labels.get(key) not in expression["values"],
            "Exists": lambda key=key: key in labels,
            "DoesNotExist": lambda key=key: key not in labels,
        }[operator]()
        if not holds:
            return False
    return True


def matches(peer: dict[str, Any], end: End, own_namespace: str) -> bool:
    if "ipBlock" in peer:
        address, block = ipaddress.ip_address(end.address), peer["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(cidr) for cidr in block.get("except", [])
        )
    if not end.namespace:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != own_namespace:
        return False
    return selects(peer.get("podSelector", {}), dict(end.labels))


def opens(rules: list[dict[str, Any]], *, direction: str, other: End, port: int, protocol: str, namespace: str) -> bool:
    for rule in rules:
        peers, ports = rule.get(direction), rule.get("ports")
        if peers and not any(matches(peer, other, namespace) for peer in peers):
            continue
        if not ports:
            return True
        for entry in ports:
            last = entry.get("endPort", entry.get("port"))
            right_port = "port" not in entry or entry["port"] <= port <= last
            if entry.get("protocol", "TCP") == protocol and right_port:
                return True
    return False


def allowed(policies: list[dict[str, Any]], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    for end, other, kind, key, direction in (
        (source, target, "Egress", "egress", "to"),
        (target, source, "Ingress", "ingress", "from"),
    ):
        mine = [
            policy["spec"]
            for policy in policies
            if policy["metadata"]["namespace"] == end.namespace
            and kind in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], dict(end.labels))
        ]
        if mine and not any(
            opens(
                spec.get(key, []),
                direction=direction,
                other=other,
                port=port,
                protocol=protocol,
                namespace=end.namespace,
            )
            for spec in mine
        ):
            return False
    return True


# --- The pods of Azora, with the labels that its roles and the vendors' operators give them.


def labelled(number: int, namespace: str, labels: dict[str, str]) -> End:
    return End(f"10.154.1.{number}", namespace, tuple(labels.items()))


def workload(number: int, namespace: str, name: str) -> End:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "azora", "pod-template-hash": "abc"}
    return labelled(number, namespace, labels)


PODS = {
    "default/gateway": workload(1, "default", "gateway"),
    "default/user": workload(2, "default", "user"),
    "default/course": workload(3, "default", "course"),
    "default/enrollment": workload(4, "default", "enrollment"),
    "default/session": workload(5, "default", "session"),
    "azora-es/ai-agent": workload(6, "azora-es", "ai-agent"),
    "azora-es/analytics": workload(7, "azora-es", "analytics"),
    "azora-es/llm-wrapper": workload(8, "azora-es", "llm-wrapper"),
    "azora-data/pg": labelled(
        9,
        "azora-data",
        {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance", "cnpg.io/instanceRole": "primary"},
    ),
    "azora-redis/rec": labelled(
        10, "azora-redis", {"app": "redis-enterprise", "redis.io/cluster": "rec", "redis.io/role": "node"}
    ),
    "azora-data/bus": labelled(
        11,
        "azora-data",
        {
            "strimzi.io/cluster": "bus",
            "strimzi.io/kind": "Kafka",
            "strimzi.io/name": "bus-kafka",
            "strimzi.io/pool-name": "broker",
        },
    ),
    "pg job": labelled(12, "azora-data", {"cnpg.io/cluster": "pg", "cnpg.io/jobRole": "join"}),
    "pg replica": labelled(
        13,
        "azora-data",
        {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance", "cnpg.io/instanceRole": "replica"},
    ),
    "rec node 2": labelled(
        14, "azora-redis", {"app": "redis-enterprise", "redis.io/cluster": "rec", "redis.io/role": "node"}
    ),
    "rigger": labelled(15, "azora-redis", {"app": "redis-enterprise", "redis.io/cluster": "rec"}),
    "broker 2": labelled(
        16,
        "azora-data",
        {"strimzi.io/cluster": "bus", "strimzi.io/kind": "Kafka", "strimzi.io/name": "bus-kafka"},
    ),
    "entity operator": labelled(
        17,
        "azora-data",
        {"strimzi.io/cluster": "bus", "strimzi.io/kind": "Kafka", "strimzi.io/name": "bus-entity-operator"},
    ),
    "kafka exporter": labelled(
        18,
        "azora-data",
        {"strimzi.io/cluster": "bus", "strimzi.io/kind": "Kafka", "strimzi.io/name": "bus-kafka-exporter"},
    ),
    "cloudnative-pg": labelled(19, "cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}),
    "redis-enterprise": labelled(20, "azora-redis", {"name": "redis-enterprise-operator", "app": "redis-enterprise"}),
    "strimzi": labelled(
        21, "strimzi-system", {"name": "strimzi-cluster-operator", "strimzi.io/kind": "cluster-operator"}
    ),
    "prometheus": labelled(22, "azora-monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "dns": labelled(23, "kube-system", {"k8s-app": "kube-dns"}),
    "elsewhere": labelled(24, "other", {"app.kubernetes.io/name": "user", "app.kubernetes.io/part-of": "azora"}),
    "api server": End(API_SERVER),
    "node": End(NODE),
    "outside": End(OUTSIDE["address"]),
}
NAMESPACES = ["default", "azora-es", "azora-data", "azora-redis", "azora-monitoring", "cnpg-system", "strimzi-system"]
for _index, _namespace in enumerate(NAMESPACES):
    PODS[f"stranger in {_namespace}"] = labelled(100 + _index, _namespace, {"app": "stranger"})

# What the stack needs beyond the matrix: operators, replication, API server, webhooks, metrics, DNS, the way in.
NEEDED = [
    ("outside", "default/gateway", 8080),
    ("node", "default/gateway", 8080),
    ("cloudnative-pg", "azora-data/pg", 8000),
    ("cloudnative-pg", "azora-data/pg", 5432),
    ("pg replica", "azora-data/pg", 5432),
    ("azora-data/pg", "pg replica", 8000),
    ("pg job", "azora-data/pg", 5432),
    ("pg job", "api server", 6443),
    ("azora-data/pg", "api server", 6443),
    ("redis-enterprise", "azora-redis/rec", 9443),
    ("redis-enterprise", "azora-redis/rec", 8080),
    ("rigger", "azora-redis/rec", 9443),
    ("rigger", "api server", 6443),
    ("azora-redis/rec", "rec node 2", 3333),
    ("rec node 2", "azora-redis/rec", 12001),
    ("azora-redis/rec", "api server", 6443),
    ("strimzi", "azora-data/bus", 9090),
    ("strimzi", "azora-data/bus", 9091),
    ("strimzi", "azora-data/bus", 8443),
    ("broker 2", "azora-data/bus", 9090),
    ("azora-data/bus", "broker 2", 9091),
    ("azora-data/bus", "api server", 6443),
    ("entity operator", "azora-data/bus", 9091),
    ("entity operator", "api server", 6443),
    ("kafka exporter", "azora-data/bus", 9091),
    ("api server", "cloudnative-pg", 9443),
    ("node", "cloudnative-pg", 9443),
    ("api server", "redis-enterprise", 8443),
    ("cloudnative-pg", "api server", 6443),
    ("redis-enterprise", "api server", 6443),
    ("strimzi", "api server", 6443),
    ("prometheus", "api server", 6443),
    ("prometheus", "default/user", 9090),
    ("prometheus", "azora-es/llm-wrapper", 9090),
    ("prometheus", "azora-data/pg", 9187),
    ("prometheus", "azora-redis/rec", 8070),
    ("prometheus", "azora-data/bus", 9404),
    ("prometheus", "kafka exporter", 9404),
    ("prometheus", "entity operator", 8081),
    ("prometheus", "cloudnative-pg", 8080),
    ("prometheus", "strimzi", 8080),
]
# What nothing needs, near to what something needs.
FORBIDDEN = [
    ("outside", "default/gateway", 9090),
    ("outside", "default/user", 8080),
    ("outside", "azora-data/pg", 5432),
    ("elsewhere", "default/gateway", 8080),
    ("elsewhere", "azora-es/analytics", 8080),
    ("elsewhere", "azora-data/pg", 5432),
    ("default/user", "azora-data/pg", 8000),
    ("default/session", "azora-redis/rec", 12001),
    ("default/session", "azora-redis/rec", 9443),
    ("azora-es/analytics", "azora-data/bus", 9091),
    ("prometheus", "default/user", 8080),
    ("prometheus", "azora-data/pg", 5432),
    ("default/user", "api server", 6443),
    ("azora-es/llm-wrapper", "api server", 443),
    ("azora-es/llm-wrapper", "node", 443),
    ("azora-es/llm-wrapper", "outside", 80),
    ("azora-es/llm-wrapper", "elsewhere", 443),
    ("strimzi", "azora-data/pg", 5432),
    ("cloudnative-pg", "azora-data/bus", 9090),
    ("azora-data/pg", "azora-data/bus", 9091),
    ("azora-data/pg", "outside", 443),
    ("pg job", "azora-data/bus", 9091),
    ("rigger", "azora-redis/rec", 12000),
    ("redis-enterprise", "outside", 443),
    ("api server", "cloudnative-pg", 8080),
    ("outside", "cloudnative-pg", 9443),
    ("dns", "default/user", 8080),
    ("default/user", "dns", 9153),
    *[(f"stranger in {namespace}", "outside", 443) for namespace in NAMESPACES],
    *[("outside", f"stranger in {namespace}", 8080) for namespace in NAMESPACES],
    *[(f"stranger in {namespace}", "azora-data/pg", 5432) for namespace in NAMESPACES],
]


def expectations(catalogue: dict[str, Any]) -> list[tuple[str, str, int, str, bool]]:
    """The matrix, what else the stack needs, what nobody may, and DNS for everybody."""
    rows = [
        (
            row["source"],
            "outside" if row["kind"] == "external" else row["destination"],
            row["port"],
            "TCP",
            row["allowed"],
        )
        for row in _connectivity.connections(catalogue, external=[OUTSIDE])
    ]
    rows += [(source, target, port, "TCP", True) for source, target, port in NEEDED]
    rows += [(source, target, port, "TCP", False) for source, target, port in FORBIDDEN]
    rows += [
        (name, "dns", 53, protocol, True)
        for name, end in PODS.items()
        if end.namespace in NAMESPACES
        for protocol in ("UDP", "TCP")
    ]
    return rows


def differences(policies: list[dict[str, Any]], catalogue: dict[str, Any]) -> list[tuple[str, str, int, str, bool]]:
    return [
        row
        for row in expectations(catalogue)
        if allowed(policies, PODS[row[0]], PODS[row[1]], row[2], row[3]) is not row[4]
    ]


@pytest.fixture
def policies(catalogue: dict[str, Any], cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return _network_policies.network_policies(catalogue, cluster)


def named(policies: list[dict[str, Any]], namespace: str, name: str) -> dict[str, Any]:
    return next(
        policy
        for policy in policies
        if (policy["metadata"]["namespace"], policy["metadata"]["name"]) == (namespace, name)
    )


# --- The two derivations agree.


def test_policies_allow_exactly_what_is_expected(policies: list[dict[str, Any]], catalogue: dict[str, Any]) -> None:
    assert differences(policies, catalogue) == []


def test_the_matrix_is_worth_agreeing_with(catalogue: dict[str, Any]) -> None:
    """Both verdicts occur in number, so that a policy that allows or denies everything cannot pass."""
    verdicts = [row["allowed"] for row in _connectivity.connections(catalogue, external=[OUTSIDE])]
    assert verdicts.count(True) > 20
    assert verdicts.count(False) > 100


def test_every_policy_matters(policies: list[dict[str, Any]], catalogue: dict[str, Any]) -> None:
    """Without any one of them, something that works stops, or something that is closed opens."""
    idle = [
        f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"
        for policy in policies
        if not differences([other for other in policies if other is not policy], catalogue)
    ]
    assert idle == []


def test_an_added_policy_that_allows_all_is_noticed(policies: list[dict[str, Any]], catalogue: dict[str, Any]) -> None:
    for namespace in ("default", "azora-es", "azora-data", "azora-redis"):
        wide = {
            "metadata": {"namespace": namespace, "name": "allow-all"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
        }
        assert differences([*policies, wide], catalogue)


def test_another_catalogue_too(small: dict[str, Any], cluster: dict[str, Any]) -> None:
    small["namespaces"].append({"name": "store"})
    small["stores"] = [
        {"name": "cache", "kind": "redis", "namespace": "store", "databases": [{"name": "a", "port": 10001}, {"name": "b", "port": 10002}]}
    ]  # fmt: skip
    small["services"][0]["stores"] = [{"name": "cache", "database": "a"}]
    small["services"][1] |= {"stores": [{"name": "cache", "database": "b"}], "ports": {"http": 3000}}
    catalogue = _catalogue.normalised(small)
    policies = _network_policies.network_policies(catalogue, cluster)
    ends = {
        found["namespace"] + "/" + found["name"]: labelled(number, found["namespace"], found["selector"])
        for number, found in enumerate(_connectivity.verification_workloads(catalogue), start=1)
    }
    rows = _connectivity.connections(catalogue)
    for row in rows:
        verdict = allowed(policies, ends[row["source"]], ends[row["destination"]], row["port"])
        assert verdict is row["allowed"], row
    assert {(row["source"], row["destination"], row["port"]) for row in rows if row["allowed"]} == {
        ("shop/front", "shop/back", 3000),
        ("shop/front", "store/rec", 10001),
        ("shop/back", "store/rec", 10002),
    }


# --- The policies themselves.


def check_selector(selector: dict[str, Any]) -> None:
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for key, value in selector.get("matchLabels", {}).items():
        assert isinstance(key, str)
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value)
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] in ("In", "NotIn", "Exists", "DoesNotExist")
        assert bool(expression.get("values")) is (expression["operator"] in ("In", "NotIn"))


def check_rule(rule: dict[str, Any], direction: str) -> None:
    assert set(rule) <= {direction, "ports"}
    assert rule[direction], "no peers would mean everybody"
    for peer in rule[direction]:
        if "ipBlock" in peer:
            assert set(peer) == {"ipBlock"}
            network = ipaddress.ip_network(peer["ipBlock"]["cidr"])
            for without in peer["ipBlock"].get("except", []):
                inner = ipaddress.ip_network(without)
                assert inner != network
                assert inner.version == network.version
                assert inner.subnet_of(network)
        else:
            # One peer with both: pods with these labels and in this namespace.
            assert set(peer) == {"namespaceSelector", "podSelector"}
            assert peer["namespaceSelector"]["matchLabels"].keys() == {"kubernetes.io/metadata.name"}
            assert peer["podSelector"]["matchLabels"], "no labels would mean every pod of the namespace"
            check_selector(peer["podSelector"])
    for port in rule.get("ports", []):
        assert set(port) == {"protocol", "port"}
        assert port["protocol"] in ("TCP", "UDP", "SCTP")
        assert isinstance(port["port"], int)
        assert not isinstance(port["port"], bool)
        assert 1 <= port["port"] <= 65535


def test_policies_are_well_formed(policies: list[dict[str, Any]]) -> None:
    for policy in policies:
        assert set(policy) == {"apiVersion", "kind", "metadata", "spec"}
        assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", policy["metadata"]["name"])
        assert policy["metadata"]["labels"] == MARKS
        spec = policy["spec"]
        assert set(spec) <= {"podSelector", "policyTypes", "ingress", "egress"}
        check_selector(spec["podSelector"])
        for kind, key, direction in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
            if key in spec:
                assert kind in spec["policyTypes"]
                assert spec[key], "no rules: leave the policy out"
            for rule in spec.get(key, []):
                check_rule(rule, direction)


def test_only_redis_nodes_speak_on_every_port(policies: list[dict[str, Any]]) -> None:
    free = {
        policy["metadata"]["name"]
        for policy in policies
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
        if "ports" not in rule
    }
    assert free == {"rec-ingress", "rec-egress"}


def test_order_does_not_depend_on_the_catalogue_s(platform: dict[str, Any], cluster: dict[str, Any]) -> None:
    one = _network_policies.network_policies(_catalogue.normalised(platform), cluster)
    for key in ("services", "stores", "operators", "namespaces"):
        platform[key].reverse()
    for service in platform["services"]:
        service.get("calls", []).reverse()
    other = _network_policies.network_policies(_catalogue.normalised(platform), cluster)
    assert json.dumps(one) == json.dumps(other)


def test_input_stays_as_it_is(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    before = copy.deepcopy((catalogue, cluster))
    policies = _network_policies.network_policies(catalogue, cluster)
    policies[0]["metadata"]["labels"].clear()
    assert (catalogue, cluster) == before


def test_names(policies: list[dict[str, Any]]) -> None:
    assert [policy["metadata"]["name"] for policy in policies if policy["metadata"]["namespace"] == "azora-es"] == [
        "ai-agent-egress",
        "ai-agent-ingress",
        "allow-dns",
        "analytics-egress",
        "analytics-ingress",
        "default-deny",
        "llm-wrapper-egress",
        "llm-wrapper-ingress",
    ]


def test_only_the_wanted_namespaces(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    some = _network_policies.network_policies(catalogue, cluster, ["cnpg-system"])
    assert {policy["metadata"]["namespace"] for policy in some} == {"cnpg-system"}
    assert [policy["metadata"]["name"] for policy in some] == [
        "allow-dns",
        "cloudnative-pg-operator-egress",
        "cloudnative-pg-operator-ingress",
        "default-deny",
    ]
    with pytest.raises(_network_policies.PolicyInputError, match="elsewhere is not a namespace"):
        _network_policies.network_policies(catalogue, cluster, ["elsewhere"])


# --- What the cluster says.


def external_blocks(catalogue: dict[str, Any], cluster: dict[str, Any], service: str = "llm-wrapper") -> list[Any]:
    policies = _network_policies.network_policies(catalogue, cluster)
    rules = named(policies, "azora-es", f"{service}-egress")["spec"]["egress"]
    return [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]


@pytest.mark.parametrize(
    ("endpoint", "port"), [("https://s3.example.org:9000", 9000), ("http://s3.example.org/", 80), (None, 443)]
)
def test_a_store_reaches_its_backups_and_nothing_else_outside(
    render: Any, cluster: dict[str, Any], endpoint: str | None, port: int
) -> None:
    backup = {"destination": "s3://backups", "endpoint": endpoint, "cidrs": ["198.51.100.0/24"]}
    with_tls = port != 80
    given = {"catalogue_backup": backup, "catalogue_redis_backup": with_tls}
    backed_up = _catalogue.normalised(render(given))
    policies = _network_policies.network_policies(backed_up, cluster)
    service = End("198.51.100.10")
    for namespace, store in (("azora-data", "pg"), *([("azora-redis", "rec")] if with_tls else [])):
        rules = named(policies, namespace, f"{store}-egress")["spec"]["egress"]
        outside = [
            rule
            for rule in rules
            if any("ipBlock" in peer and peer["ipBlock"]["cidr"].startswith("198.") for peer in rule["to"])
        ]
        assert [rule["ports"] for rule in outside] == [[{"protocol": "TCP", "port": port}]]
        assert allowed(policies, PODS[f"{namespace}/{store}"], service, port, "TCP")
        assert not allowed(policies, PODS[f"{namespace}/{store}"], End("203.0.113.1"), port, "TCP")
    for other in ("azora-data/bus", "default/user"):
        assert not allowed(policies, PODS[other], service, port, "TCP")


def test_the_plugin_for_backups_is_called_by_the_operator_alone(render: Any, cluster: dict[str, Any]) -> None:
    backup = {"destination": "s3://backups", "endpoint": "https://s3.example.org"}
    found = _network_policies.network_policies(
        _catalogue.normalised(render({"catalogue_backup": backup})), cluster, ["cnpg-system"]
    )
    specs = {policy["metadata"]["name"]: policy["spec"] for policy in found}
    plugin, operator = {"matchLabels": {"app": "barman-cloud"}}, {"app.kubernetes.io/name": "cloudnative-pg"}
    ingress = specs["barman-cloud-operator-ingress"]
    assert ingress["podSelector"] == plugin
    (rule,) = ingress["ingress"]
    assert [peer["podSelector"]["matchLabels"] for peer in rule["from"]] == [operator]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9090}]
    # Both ends: the operator may open what the plugin lets in, and the plugin reaches the API server alone.
    assert any(
        peer.get("podSelector") == plugin
        for rule in specs["cloudnative-pg-operator-egress"]["egress"]
        for peer in rule["to"]
    )
    assert [rule["ports"][0]["port"] for rule in specs["barman-cloud-operator-egress"]["egress"]] == [6443]
    # An operator that makes backups by itself has no such policies.
    alone = _catalogue.normalised(render({"catalogue_backup": backup, "catalogue_backup_plugin": False}))
    names = {policy["metadata"]["name"] for policy in _network_policies.network_policies(alone, cluster)}
    assert not [name for name in names if name.startswith("barman-cloud")]


def test_external_egress_leaves_the_cluster_out(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    [block] = external_blocks(catalogue, cluster)
    assert block == {
        "cidr": "0.0.0.0/0",
        "except": OWN,
    }


def test_two_families(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    cluster["pod_cidrs"].append("fd00:10::/56")
    cluster["service_cidrs"].append("fd00:20::/112")
    assert external_blocks(catalogue, cluster)[1] == {"cidr": "::/0", "except": ["fd00:10::/56", "fd00:20::/112"]}
    gateway = named(_network_policies.network_policies(catalogue, cluster), "default", "gateway-ingress")
    assert [peer["ipBlock"]["except"] for peer in gateway["spec"]["ingress"][0]["from"]] == [
        ["10.154.0.0/16"],
        ["fd00:10::/56"],
    ]


def test_narrowed_egress(render: Any, cluster: dict[str, Any]) -> None:
    catalogue = _catalogue.normalised(render({"catalogue_external_cidrs": ["198.51.100.0/24", "10.0.0.0/8"]}))
    assert external_blocks(catalogue, cluster) == [
        {"cidr": "10.0.0.0/8", "except": OWN},
        {"cidr": "198.51.100.0/24"},
    ]
    policies = _network_policies.network_policies(catalogue, cluster)
    rows = _connectivity.connections(catalogue, ["llm-wrapper"], [OUTSIDE, {"address": "203.0.113.5"}])
    assert [row["allowed"] for row in rows] == [True, False]
    for row in rows:
        assert allowed(policies, PODS[row["source"]], End(row["destination"]), 443) is row["allowed"]


def test_dns_pods_that_listen_elsewhere(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    """A policy sees the pods' port, which on OpenShift is not the Service's; the pods' metrics are no DNS."""
    cluster["dns"]["ports"] = [
        {"name": "dns", "protocol": "UDP", "port": 5353, "service_port": 53},
        {"name": "metrics", "protocol": "TCP", "port": 9154, "service_port": 9154},
    ]
    [rule] = named(_network_policies.network_policies(catalogue, cluster), "azora-es", "allow-dns")["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
        ("UDP", 5353),
        ("TCP", 5353),
    }


def test_dns_on_the_nodes(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    cluster["dns"]["addresses"].append("169.254.20.10")
    [rule] = named(_network_policies.network_policies(catalogue, cluster), "azora-es", "allow-dns")["spec"]["egress"]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    assert len(rule["to"]) == 2


def test_every_api_server(catalogue: dict[str, Any], cluster: dict[str, Any]) -> None:
    cluster["api_server"] = [{"address": "192.0.2.1", "port": 6443}, {"address": "192.0.2.2", "port": "443"}]
    policies = _network_policies.network_policies(catalogue, cluster)
    assert allowed(policies, PODS["strimzi"], End("192.0.2.1"), 6443)
    assert allowed(policies, PODS["strimzi"], End("192.0.2.2"), 443)
    assert not allowed(policies, PODS["strimzi"], End("192.0.2.2"), 6443)


@pytest.mark.parametrize("key", ["pod_cidrs", "service_cidrs", "node_cidrs", "api_server", "dns"])
def test_what_is_not_known_is_not_guessed(catalogue: dict[str, Any], cluster: dict[str, Any], key: str) -> None:
    cluster[key] = None
    with pytest.raises(_network_policies.PolicyInputError, match=f"set catalogue_cluster.{key}"):
        _network_policies.network_policies(catalogue, cluster)


# --- Policies that are no longer derived.


def test_stale_policies(policies: list[dict[str, Any]], catalogue: dict[str, Any]) -> None:
    def found(namespace: str, name: str, labels: dict[str, str] | None) -> dict[str, Any]:
        return {"metadata": {"namespace": namespace, "name": name, "labels": labels, "uid": "x"}, "spec": {}}

    others = [
        found("azora-es", "somebody-else", None),
        found("azora-es", "other-platform", MARKS | {"app.kubernetes.io/part-of": "shop"}),
        found("azora-es", "other-kind", {key: value for key, value in MARKS.items() if "component" not in key}),
    ]
    old = [found("azora-es", "gone-ingress", MARKS), found("given-up", "default-deny", MARKS)]
    stale = _network_policies.stale_policies(catalogue, [*policies, *others, *old], policies)
    assert [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in stale] == [
        ("azora-es", "gone-ingress"),
        ("given-up", "default-deny"),
    ]
    assert set(stale[0]) == {"apiVersion", "kind", "metadata"}
    some = _network_policies.stale_policies(catalogue, old, policies, ["azora-es"])
    assert [item["metadata"]["namespace"] for item in some] == ["azora-es"]
