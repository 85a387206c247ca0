# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces: closed from their first moment, with level, quota and limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue_namespaces
from ansible_collections.azora.platform.plugins.module_utils._quantity import quantity

ALL = ["default", "azora-es", "azora-data", "azora-redis", "azora-monitoring", "cnpg-system", "strimzi-system"]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {
        manifest["metadata"].get("namespace", manifest["metadata"]["name"]): manifest
        for manifest in manifests
        if manifest["kind"] == kind
    }


def test_order_leaves_no_gap(catalogue: dict[str, Any]) -> None:
    kinds = [manifest["kind"] for manifest in _catalogue_namespaces.namespace_manifests(catalogue)]
    assert list(dict.fromkeys(kinds)) == ["Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange"]
    assert kinds == sorted(kinds, key=["Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange"].index)


def test_every_namespace_denies_by_default(catalogue: dict[str, Any]) -> None:
    policies = of_kind(_catalogue_namespaces.namespace_manifests(catalogue), "NetworkPolicy")
    assert list(policies) == ALL
    for policy in policies.values():
        assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_namespace_has_its_level(catalogue: dict[str, Any]) -> None:
    namespaces = of_kind(_catalogue_namespaces.namespace_manifests(catalogue), "Namespace")
    for namespace in namespaces.values():
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert labels["pod-security.kubernetes.io/enforce-version"] == "latest"


def test_the_namespace_that_everybody_has_is_not_ours(catalogue: dict[str, Any]) -> None:
    namespaces = of_kind(_catalogue_namespaces.namespace_manifests(catalogue), "Namespace")
    managed = {
        name
        for name, namespace in namespaces.items()
        if "app.kubernetes.io/managed-by" in namespace["metadata"]["labels"]
    }
    assert managed == set(ALL) - {"default"}


def test_quota_and_limits_everywhere_but_no_quota_in_default(catalogue: dict[str, Any]) -> None:
    manifests = _catalogue_namespaces.namespace_manifests(catalogue)
    quotas, limits = of_kind(manifests, "ResourceQuota"), of_kind(manifests, "LimitRange")
    assert set(quotas) == set(ALL) - {"default"}
    assert set(limits) == set(ALL)
    # Nobody else's new pods are limited in the namespace that everybody has.
    assert set(limits["default"]["spec"]["limits"][0]) == {"type", "defaultRequest"}


def test_quota_and_limits_leave_room(catalogue: dict[str, Any]) -> None:
    """Where a quota counts limits, a container without its own must get one; and every service fits at its most, while updated."""
    manifests = _catalogue_namespaces.namespace_manifests(catalogue)
    limits = of_kind(manifests, "LimitRange")
    for namespace, quota in of_kind(manifests, "ResourceQuota").items():
        hard, [default] = quota["spec"]["hard"], limits[namespace]["spec"]["limits"]
        for kind in ("cpu", "memory"):
            if f"limits.{kind}" in hard:
                assert kind in default["default"]
            if f"requests.{kind}" in hard:
                assert kind in default["defaultRequest"]
        needed = sum(
            (
                quantity(service["resources"]["requests"]["cpu"]) * (service["autoscaling"]["max_replicas"] + 1)
                for service in catalogue["services"]
                if service["namespace"] == namespace
            ),
            Decimal(0),
        )
        assert quantity(hard["requests.cpu"]) >= needed


def test_only_the_wanted_ones(catalogue: dict[str, Any]) -> None:
    manifests = _catalogue_namespaces.namespace_manifests(catalogue, ["cnpg-system"])
    assert [manifest["kind"] for manifest in manifests] == ["Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange"]
    with pytest.raises(_catalogue_namespaces.UnknownNamespaceError, match="elsewhere is not a namespace"):
        _catalogue_namespaces.namespace_manifests(catalogue, ["elsewhere"])
