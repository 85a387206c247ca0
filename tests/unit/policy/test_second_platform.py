# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two platforms on one cluster: Azora's, and the example beside it. Nothing of one is the other's, and no packet goes from one to the other."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import (
    _catalogue,
    _catalogue_namespaces,
    _cluster_network_policies,
    _connectivity,
    _network_policies,
    _operator_plan,
    _teardown,
    _workload_manifests,
)
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "shop.yml"
SERVED = ["networking.k8s.io/v1", _cluster_network_policies.API_VERSION]


@pytest.fixture
def given():
    platform = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["catalogue_platform"]
    platform["defaults"]["image"] = "registry.example/shop:1"
    return platform


@pytest.fixture
def shop(given):
    return _catalogue.normalised(given)


def manifests(catalogue, cluster):
    facts = {**cluster, "served_apis": SERVED}
    return [
        *_catalogue_namespaces.namespace_manifests(catalogue),
        *_network_policies.network_policies(catalogue, facts),
        *_cluster_network_policies.cluster_network_policies(catalogue, facts),
        *_workload_manifests.service_manifests(catalogue, {}),
    ]


def identities(found):
    return {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found}


def test_no_object_is_of_both(azora, shop, cluster_facts):
    ours, theirs = identities(manifests(azora, cluster_facts)), identities(manifests(shop, cluster_facts))
    assert len(theirs) > 40
    assert ours & theirs == set()


def test_no_packet_goes_from_one_to_the_other(azora, shop, cluster_facts):
    policies = [
        one
        for catalogue in (azora, shop)
        for one in manifests(catalogue, cluster_facts)
        if one["kind"] in ("Namespace", "NetworkPolicy", "ClusterNetworkPolicy")
    ]
    ends = {one["name"]: _connectivity.verification_workloads(one) for one in (azora, shop)}
    cluster = Cluster.from_objects(
        policies, workloads=[*ends["azora"], *ends["shop"]], pod_networks=cluster_facts["pod_cidrs"]
    )
    crossing = [
        {
            "source": f"{source['namespace']}/{source['name']}",
            "destination": f"{destination['namespace']}/{destination['name']}",
            "port": listen["port"],
        }
        for one, other in itertools.permutations(ends.values(), 2)
        for source in one
        for destination in other
        for listen in destination["listens"]
    ]
    answers = cluster.evaluate(crossing)
    assert len(answers) > 150
    assert [row for row, answer in zip(crossing, answers, strict=True) if answer["allowed"]] == []
    # Within each, what is declared is open, so that the engine did look.
    declared = [row for one in (azora, shop) for row in _connectivity.connections(one)]
    within = cluster.evaluate(declared)
    assert [answer["allowed"] for answer in within] == [row["allowed"] for row in declared]


def test_a_provided_operator_gets_one_policy_beside_its_own(azora, shop, cluster_facts):
    there = [
        one
        for one in _network_policies.network_policies(shop, cluster_facts)
        if one["metadata"]["namespace"] == "cnpg-system"
    ]
    (policy,) = there
    assert policy["metadata"]["name"] == "shop-cloudnative-pg-operator-egress"
    assert policy["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
    (rule,) = policy["spec"]["egress"]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "shop-data"}
    assert {port["port"] for port in rule["ports"]} == {5432, 8000}
    # The stages that close some namespaces only leave it to the one that closes all.
    some = _network_policies.network_policies(shop, cluster_facts, ["shop-data"])
    assert {one["metadata"]["namespace"] for one in some} == {"shop-data"}
    # And Azora's cleaning up does not take it.
    assert (
        _network_policies.stale_policies(azora, there, _network_policies.network_policies(azora, cluster_facts)) == []
    )


def test_a_provided_operator_is_neither_installed_nor_removed(shop):
    (planned,) = _operator_plan.operator_plan(shop, [], "lab", {})
    assert planned["method"] == "present"
    assert _operator_plan.operator_mistakes(shop, [], "manifest", {}) == []
    (sentence,) = _operator_plan.operator_mistakes(shop, [], "manifest", {"cloudnative-pg": "helm"})
    assert "is provided; leave one out" in sentence
    inventory = {"objects": [], "namespaces": [], "unread": []}
    given = {"data": "delete", "delete_stores": [], "confirm": "shop", "cluster": "shop", "groups": []}
    plan = _teardown.teardown_plan(shop, {}, inventory, given)
    assert plan["refusals"] == plan["operators"] == plan["definitions"] == []
    assert plan["kept"] == ["the operator cloudnative-pg and its definitions: another platform provides it"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda platform: platform["namespaces"].append({"name": "cnpg-system", "purpose": "operator"}),
            "operators.cloudnative-pg.provided: the operator's namespace cnpg-system is in namespaces",
        ),
        (
            lambda platform: platform["operators"].append(
                {"name": "redis-enterprise", "namespace": "azora-redis", "pod_labels": {"name": "x"}, "provided": True}
            ),
            "operators.redis-enterprise.provided: Redis Enterprise's operator serves its own namespace only",
        ),
        (
            lambda platform: platform["operators"][0].pop("provided"),
            "operators.cloudnative-pg.namespace: 'cnpg-system' is not in namespaces",
        ),
    ],
)
def test_what_cannot_be_provided(given, change, sentence):
    platform = copy.deepcopy(given)
    change(platform)
    assert [one for one in _catalogue.mistakes(platform) if one.startswith(sentence)]


def standing(name, **labels):
    return {"metadata": {"name": name, "labels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()}}}


def test_a_namespace_of_another_platform_is_refused(shop):
    theirs = standing("shop", **{"part-of": "azora", "managed-by": "azora.platform"})
    ours = standing("shop-data", **{"part-of": "shop", "managed-by": "azora.platform"})
    # The label is anybody's to use.
    helms = standing("shop-staff", **{"part-of": "something", "managed-by": "Helm"})
    elsewhere = standing("azora-es", **{"part-of": "azora", "managed-by": "azora.platform"})
    (sentence,) = _catalogue_namespaces.foreign_claims(
        shop, [theirs, ours, helms, elsewhere, {"metadata": {"name": "x"}}]
    )
    assert sentence.startswith(
        "namespaces.shop: belongs to the platform 'azora' on this cluster; give 'shop' namespaces of its own"
    )


def test_the_namespace_that_everybody_has_belongs_to_the_first(azora):
    renamed = {**azora, "name": "second"}
    (sentence,) = _catalogue_namespaces.foreign_claims(renamed, [standing("default", **{"part-of": "azora"})])
    assert sentence.startswith("namespaces.default: belongs to the platform 'azora'")
