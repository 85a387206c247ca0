# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service may choose for itself: its image by digest, its users, its account. Nothing of it leaves the restricted standard."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _connectivity
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests

DIGEST = "registry.example/front@sha256:" + "0a" * 32


def platform(**service: Any) -> dict[str, Any]:
    front = {"name": "front", "namespace": "shop", "image": "registry.example/front:1", **service}
    return {"name": "small", "namespaces": [{"name": "shop"}], "services": [front]}


def pod_of(settings: dict[str, Any] | None = None, **service: Any) -> dict[str, Any]:
    (deployment,) = manifests_of("Deployment", settings, **service)
    return deployment["spec"]["template"]["spec"]


def manifests_of(kind: str, settings: dict[str, Any] | None = None, **service: Any) -> list[dict[str, Any]]:
    catalogue = _catalogue.normalised(platform(**service))
    return [one for one in service_manifests(catalogue, settings or {}) if one["kind"] == kind]


def test_an_image_by_its_digest_is_what_runs_and_what_is_verified() -> None:
    assert pod_of(image=DIGEST)["containers"][0]["image"] == DIGEST
    (workload,) = _connectivity.verification_workloads(_catalogue.normalised(platform(image=DIGEST)))
    assert workload["image"] == DIGEST


@pytest.mark.parametrize("wrong", [DIGEST[:-1], DIGEST.replace("0a", "0G", 1), DIGEST.replace("sha256", "md5")])
def test_half_a_digest_is_refused(wrong: str) -> None:
    (sentence,) = _catalogue.mistakes(platform(image=wrong))
    assert sentence.startswith("services.front.image: ")
    assert "digest of 64 digits" in sentence


def test_what_is_chosen_comes_before_what_is_set_for_all() -> None:
    pod = pod_of({"run_as_user": 1000}, security_context={"run_as_user": 10001, "fs_group": 20001})
    chosen = {key: pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")}
    assert chosen == {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 20001}


def test_openshift_chooses_users_itself() -> None:
    pod = pod_of({"openshift": True}, security_context={"run_as_user": 10001, "fs_group": 20001})
    assert set(pod["securityContext"]) == {"runAsNonRoot", "seccompProfile"}


def test_the_restricted_standard_stays_whatever_is_chosen() -> None:
    container = pod_of(security_context={"read_only_root_filesystem": False, "bind_low_ports": True})["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "readOnlyRootFilesystem": False,
        "runAsNonRoot": True,
    }


@pytest.mark.parametrize("user", [0, -1, "root"])
def test_nobody_is_root(user: Any) -> None:
    (sentence,) = _catalogue.mistakes(platform(security_context={"run_as_user": user}))
    assert sentence.startswith("services.front.security_context.run_as_user: ")
    assert "other than root's" in sentence


def test_an_account_that_is_there_is_used_and_not_made() -> None:
    assert pod_of(service_account="orders-of-the-bank")["serviceAccountName"] == "orders-of-the-bank"
    assert manifests_of("ServiceAccount", service_account="orders-of-the-bank") == []


def test_an_account_of_its_own_carries_a_clouds_identity() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/front"}
    (account,) = manifests_of("ServiceAccount", service_account={"annotations": annotations})
    assert account["metadata"]["annotations"] == annotations
    assert account["automountServiceAccountToken"] is False


def test_somebody_elses_account_is_not_annotated() -> None:
    (sentence,) = _catalogue.mistakes(platform(service_account={"name": "bank", "annotations": {"a": "b"}}))
    assert sentence == (
        "services.front.service_account: the account bank is there already and is not changed; leave out name or annotations."
    )
