# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quotas and limits: computed with head room where none are given, and a sentence for each that does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _catalogue_namespaces
from ansible_collections.azora.platform.plugins.module_utils._catalogue_quotas import needs
from ansible_collections.azora.platform.plugins.module_utils._quantity import quantity


def namespace_of(platform: dict[str, Any], name: str = "shop") -> dict[str, Any]:
    return next(one for one in _catalogue.normalised(platform)["namespaces"] if one["name"] == name)


def test_a_quota_follows_from_the_services(small: dict[str, Any]) -> None:
    # Two services of two replicas, one more each during an update: 6 pods of 250m and 256Mi, at most 500m and 512Mi.
    assert namespace_of(small)["quota"] == {
        "pods": "9",
        "requests.cpu": "3",
        "requests.memory": "3Gi",
        "limits.cpu": "5",
        "limits.memory": "5Gi",
    }


def test_so_do_the_limits_of_containers_that_say_nothing(small: dict[str, Any]) -> None:
    small["services"][0]["resources"] = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
    assert namespace_of(small)["limits"] == {
        "default": {"cpu": "500m", "memory": "1Gi"},
        "default_request": {"cpu": "100m", "memory": "256Mi"},
    }


def test_it_holds_autoscalers_at_their_most(small: dict[str, Any]) -> None:
    small["services"][0]["autoscaling"] = {"enabled": True, "max_replicas": 20}
    catalogue = _catalogue.normalised(small)
    quota = catalogue["namespaces"][0]["quota"]
    needed = needs(catalogue["services"])
    assert needed["pods"] == 24
    for key, amount in needed.items():
        assert amount < quantity(quota[key]) <= amount * 2


def test_what_is_computed_passes_the_check_of_what_is_given(small: dict[str, Any]) -> None:
    small["namespaces"][0]["quota"] = namespace_of(small)["quota"]
    assert _catalogue.mistakes(small) == []


def test_what_is_given_stays_as_it_is(small: dict[str, Any]) -> None:
    small["namespaces"][0] |= {"quota": {"pods": "100"}, "limits": {"default": {"cpu": "1"}}}
    given = namespace_of(small)
    assert (given["quota"], given["limits"]) == ({"pods": "100"}, {"default": {"cpu": "1"}})


def test_given_empty_is_none(small: dict[str, Any]) -> None:
    small["namespaces"][0] |= {"quota": {}, "limits": {}}
    kinds = {one["kind"] for one in _catalogue_namespaces.namespace_manifests(_catalogue.normalised(small))}
    assert kinds == {"Namespace", "NetworkPolicy"}


@pytest.mark.parametrize("name", ["default", "unused", "operators"])
def test_none_is_computed_where_others_run(small: dict[str, Any], name: str) -> None:
    small["namespaces"].append({"name": name})
    if name == "default":
        small["services"][0]["namespace"] = name
    if name == "operators":
        small["services"][0]["namespace"] = name
        small["operators"] = [{"name": "strimzi", "namespace": name, "pod_labels": {"app": "strimzi"}}]
    found = namespace_of(small, name)
    assert (found["quota"], found["limits"]) == ({}, {})


def test_azoras_services_get_a_computed_one(catalogue: dict[str, Any]) -> None:
    quotas = {one["name"]: one["quota"] for one in catalogue["namespaces"]}
    assert quotas["default"] == {}
    assert quotas["azora-es"]["pods"] == "27"


@pytest.mark.parametrize(
    ("namespace", "service", "sentence"),
    [
        (
            {"quota": {"pods": "5"}},
            {},
            "namespaces.shop.quota.pods: '5' is less than the 6 that its workloads need at their most, "
            "with one replacement pod each during an update; write at least '6'.",
        ),
        (
            {"quota": {"limits.memory": "1Gi"}},
            {},
            "namespaces.shop.quota.limits.memory: '1Gi' is less than the 3072Mi that its workloads need at their most, "
            "with one replacement pod each during an update; write at least '3072Mi'.",
        ),
        (
            {"limits": {"max": {"memory": "256Mi"}}},
            {},
            "namespaces.shop.limits.max.memory: '256Mi' is below the limits.memory '512Mi' of services.back; write at least '512Mi'.",
        ),
        (
            {"limits": {"min": {"cpu": "300m"}}},
            {},
            "namespaces.shop.limits.min.cpu: '300m' is above the requests.cpu '250m' of services.back; write at most '250m'.",
        ),
        (
            {},
            {"autoscaling": {"enabled": True, "min_replicas": 7, "max_replicas": 3}},
            "services.front.autoscaling.min_replicas: 7 is above max_replicas 3; write at most 3.",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    small: dict[str, Any], namespace: dict[str, Any], service: dict[str, Any], sentence: str
) -> None:
    small["namespaces"][0] |= namespace
    small["services"][0] |= service
    if "limits" in namespace:
        small["services"][0]["resources"] = {
            "requests": {"cpu": "300m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"},
        }
    assert _catalogue.mistakes(small) == [sentence]
