# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The floor of cluster-level policies: what is derived, for whom, and what goes away again."""

from __future__ import annotations

import pathlib
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _network_policies
from ansible_collections.azora.platform.plugins.module_utils._cluster_network_policies import (
    API_VERSION,
    cluster_network_policies,
    stale_cluster_policies,
)

DEFINITION = (
    pathlib.Path(__file__).resolve().parents[3] / "roles" / "lab_nodes" / "files" / "cluster_network_policy.yml"
)


@pytest.fixture
def serving(cluster: dict[str, Any]) -> dict[str, Any]:
    return {**cluster, "served_apis": ["v1", "networking.k8s.io/v1", API_VERSION]}


@pytest.fixture
def floor(catalogue: dict[str, Any], serving: dict[str, Any]) -> list[dict[str, Any]]:
    return cluster_network_policies(catalogue, serving)


def test_one_for_each_namespace_that_is_owned(catalogue: dict[str, Any], floor: list[dict[str, Any]]) -> None:
    subjects = [one["spec"]["subject"]["namespaces"]["matchLabels"]["kubernetes.io/metadata.name"] for one in floor]
    assert subjects == sorted(namespace["name"] for namespace in catalogue["namespaces"])
    assert [one["metadata"]["name"] for one in floor] == [f"azora.{name}.floor" for name in subjects]


def test_it_denies_everything_in_and_out_in_the_baseline_tier(floor: list[dict[str, Any]]) -> None:
    for policy in floor:
        spec = policy["spec"]
        assert spec["tier"] == "Baseline"
        [incoming], [outgoing] = spec["ingress"], spec["egress"]
        assert (incoming["action"], outgoing["action"]) == ("Deny", "Deny")
        assert incoming["from"] == [{"namespaces": {}}]
        assert outgoing["to"] == [{"namespaces": {}}, {"networks": ["0.0.0.0/0", "::/0"]}]
        assert "protocols" not in incoming
        assert "protocols" not in outgoing


@pytest.mark.parametrize("served", [[], ["v1"], ["policy.networking.k8s.io/v1alpha1"], None])
def test_a_cluster_that_does_not_serve_the_api_gets_none(
    catalogue: dict[str, Any], cluster: dict[str, Any], served: list[str] | None
) -> None:
    assert cluster_network_policies(catalogue, {**cluster, "served_apis": served}) == []


def test_only_some_namespaces(catalogue: dict[str, Any], serving: dict[str, Any], floor: list[dict[str, Any]]) -> None:
    # Exactly as in the whole: a stage that lays some of it changes nothing of what another stage laid.
    some = cluster_network_policies(catalogue, serving, ["azora-es", "azora-data", "azora-es"])
    assert some == [one for one in floor if one["metadata"]["name"].split(".")[1] in ("azora-data", "azora-es")]
    with pytest.raises(
        _network_policies.PolicyInputError, match="nowhere is not a namespace of the catalogue; known: "
    ):
        cluster_network_policies(catalogue, serving, ["nowhere"])


def test_the_api_takes_it(floor: list[dict[str, Any]]) -> None:
    [version] = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.Draft7Validator.check_schema(schema)
    for policy in floor:
        jsonschema.validate(policy, schema)
        assert len(policy["metadata"]["name"]) <= 253


def test_the_longest_names_fit(small: dict[str, Any], serving: dict[str, Any]) -> None:
    small["name"] = "p" * 63
    small["namespaces"] = [{"name": "n" * 63}]
    small["services"] = [{**service, "namespace": "n" * 63} for service in small["services"]]
    [policy] = cluster_network_policies(_catalogue.normalised(small), serving)
    assert len(policy["metadata"]["name"]) == 133
    assert len(policy["metadata"]["labels"]["app.kubernetes.io/part-of"]) == 63


def test_platforms_on_one_cluster_do_not_meet(small: dict[str, Any], serving: dict[str, Any]) -> None:
    """Names that would be the same with a hyphen between their parts."""

    def names(platform: str, namespace: str) -> set[str]:
        services = [{**service, "namespace": namespace} for service in small["services"]]
        given = {**small, "name": platform, "namespaces": [{"name": namespace}], "services": services}
        found = cluster_network_policies(_catalogue.normalised(given), serving)
        return {one["metadata"]["name"] for one in found}

    assert not names("shop", "x-data") & names("shop-x", "data")
    assert not names("one", "default") & names("two", "default")


def test_what_is_stale(catalogue: dict[str, Any], floor: list[dict[str, Any]]) -> None:
    def named(name: str, **labels: str) -> dict[str, Any]:
        return {**floor[0], "metadata": {"name": name, "labels": {**floor[0]["metadata"]["labels"], **labels}}}

    of_another = named("shop.default.floor", **{"app.kubernetes.io/part-of": "shop"})
    of_nobody = {**floor[0], "metadata": {"name": "azora.old.floor"}}
    given_up = named("azora.old.floor")
    found = [*floor, of_another, of_nobody, given_up]
    assert stale_cluster_policies(catalogue, found, floor) == [
        {"apiVersion": API_VERSION, "kind": "ClusterNetworkPolicy", "metadata": {"name": "azora.old.floor"}}
    ]
    # A stage that looks at some namespaces knows nothing of the others.
    assert stale_cluster_policies(catalogue, found, [], ["azora-es"]) == [
        {"apiVersion": API_VERSION, "kind": "ClusterNetworkPolicy", "metadata": {"name": "azora.azora-es.floor"}}
    ]
    # The floor is skipped from now on.
    assert len(stale_cluster_policies(catalogue, found, [])) == len(floor) + 1
