# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters, through Ansible's own plugin loader: found under their names, documented, mistakes told as errors of a filter."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

FILTERS = [
    "canaries",
    "canary_manifests",
    "catalogue_mistakes",
    "catalogue_normalised",
    "cluster_network_policies",
    "connections",
    "gateway_api_definitions",
    "gateway_place",
    "gateway_policies",
    "gateway_routes",
    "gateway_settings",
    "namespaces",
    "network_policies",
    "stale_network_policies",
    "verification_workloads",
]


def module_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.azora.platform.plugins.filter.{name}")


def templated(name: str, *arguments: Any, **options: Any) -> Any:
    """As in a playbook: what Ansible hands to a filter are lists and dicts of its own kind, which are not quite Python's."""
    variables = {f"argument_{position}": argument for position, argument in enumerate(arguments)}
    given, *more = variables
    more += [f"{option}={option}" for option in options]
    expression = f"{{{{ {given} | azora.platform.{name}({', '.join(more)}) }}}}"
    # Before 2.19 every text is a template; since then only one that is trusted.
    trusted = getattr(importlib.import_module("ansible.template"), "trust_as_template", str)(expression)
    return Templar(loader=DataLoader(), variables=variables | options).template(trusted)


def call(name: str, *arguments: Any, **options: Any) -> Any:
    return module_of(name).FilterModule().filters()[name](*arguments, **options)


@pytest.mark.parametrize("name", FILTERS)
def test_documentation(name: str) -> None:
    module = module_of(name)
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["name"] == name
    assert next(iter(documentation["options"])) == "_input"
    positional = [part.strip() for part in documentation.get("positional", "_input").split(",")]
    function = module.FilterModule().filters()[name]
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    assert list(documentation["options"]) == positional
    assert list(parameters)[1:] == positional[1:]
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)["_value"]["type"] in ("list", "dict")


def test_from_description_to_everything(platform: dict[str, Any], cluster: dict[str, Any]) -> None:
    assert templated("catalogue_mistakes", platform) == []
    catalogue = templated("catalogue_normalised", platform)
    policies = templated("network_policies", catalogue, cluster)
    assert templated("network_policies", catalogue, cluster, ["azora-es"])[0] in policies
    assert templated("stale_network_policies", catalogue, policies, policies) == []
    assert len(templated("stale_network_policies", catalogue, policies, [])) == len(policies)
    assert templated("cluster_network_policies", catalogue, cluster) == []
    floor = call(
        "cluster_network_policies", catalogue, cluster | {"served_apis": ["policy.networking.k8s.io/v1alpha2"]}
    )
    assert len(floor) == len(catalogue["namespaces"])
    assert templated("stale_network_policies", catalogue, [*policies, *floor], [*policies, *floor]) == []
    assert {one["kind"] for one in templated("stale_network_policies", catalogue, [*policies, *floor], policies)} == {
        "ClusterNetworkPolicy"
    }
    assert templated("namespaces", catalogue, ["azora-es"])[0]["kind"] == "Namespace"
    assert len(templated("gateway_routes", catalogue)) == len(templated("gateway_api_definitions", catalogue)) == 6
    assert templated("gateway_settings", catalogue)["listen_port"] == 8080
    assert list(templated("gateway_policies", catalogue)) == ["clients"]
    assert templated("gateway_place", catalogue)["token_key"]["secret"] == "gateway-jwt"
    assert templated("connections", catalogue, ["user", "analytics"])
    assert templated("verification_workloads", catalogue, workloads=["user"])[0]["name"] == "user"
    assert templated("canary_manifests", catalogue, [], []) == []
    assert templated("canaries", []) == []


def test_errors_are_sentences(platform: dict[str, Any], cluster: dict[str, Any]) -> None:
    catalogue = call("catalogue_normalised", platform)
    with pytest.raises(AnsibleFilterError, match=r"namespaces: is missing; write a list\. services: is missing"):
        call("catalogue_normalised", {"name": "empty"})
    with pytest.raises(AnsibleFilterError, match=r"set catalogue_cluster\.pod_cidrs"):
        call("network_policies", catalogue, cluster | {"pod_cidrs": []})
    for name, rest in {"namespaces": (), "cluster_network_policies": (cluster,)}.items():
        with pytest.raises(AnsibleFilterError, match="is not a namespace of the catalogue"):
            call(name, catalogue, *rest, ["nowhere"])
    with pytest.raises(AnsibleFilterError, match="neither a workload nor a store"):
        call("connections", catalogue, ["nobody"])
    with pytest.raises(AnsibleFilterError, match="neither a workload nor a store"):
        call("verification_workloads", catalogue, ["nobody"])
