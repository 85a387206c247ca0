# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation: what it chooses, what its bridges are, when a password counts as applied, and what it refuses to roll."""

from __future__ import annotations

import base64
import copy

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.filter.rotation_plan import rotation_plan as plan_filter
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._credentials import credential_secrets, decoded
from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import gateway_manifests
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_secrets
from ansible_collections.azora.platform.plugins.module_utils._rotation import (
    RotationInputError,
    bridge_secret_names,
    bridge_secrets,
    bridges,
    former_pods,
    pending_changes,
    renewed_gateway_secret,
    renewed_secrets,
    rollouts,
    rotation_plan,
    unapplied_bridges,
    unapplied_passwords,
)
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests


def secret(namespace, name, version="1", **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"namespace": namespace, "name": name, "resourceVersion": version}
    return {"kind": "Secret", "metadata": metadata, "data": data}


@pytest.fixture
def handed_out():
    """What stands in Secrets of the small platform before a rotation."""
    return [
        secret("data", "pg-order-keeper", "41", username="order_keeper", password="pg-word"),
        secret("data", "orders", password="kafka-word"),
        secret("data", "statistics", password="kafka-word-2"),
        secret("data", "bus-cluster-ca-cert", **{"ca.crt": "PEM"}),
        secret("cache", "redb-carts", password="redis-word"),
        secret("cache", "redb-gateway", password="gateway-word"),
        secret("front", "gateway-credentials", TYK_GW_SECRET="old", TYK_GW_NODESECRET="old-too"),
    ]


@pytest.fixture
def plan(catalogue):
    return rotation_plan(catalogue, ["orders"])


def test_everything_that_can_be_rotated_is(catalogue):
    plan = rotation_plan(catalogue, [])
    # Two databases of one owner are one role.
    assert [(role["role"], role["bridge"]) for role in plan["roles"]] == [("order_keeper", "order_keeper_bridge")]
    assert (plan["workloads"], plan["gateway"]) == (["orders"], "gateway")
    assert plan["sentences"] == [
        "role order_keeper of the PostgreSQL cluster data/pg: a new password; rolls orders twice",
        "the keys of gateway's own API: new ones; rolls gateway once",
    ]


@pytest.mark.parametrize(
    ("only", "workloads", "gateway"),
    [(["orders"], ["orders"], None), (["postgres"], ["orders"], None), (["gateway"], [], "gateway")],
)
def test_only_what_is_named_is_rotated(catalogue, only, workloads, gateway):
    plan = rotation_plan(catalogue, only)
    assert (plan["workloads"], plan["gateway"]) == (workloads, gateway)
    assert len(plan["roles"]) == len(workloads)


def test_workloads_that_share_a_role_are_rolled_together(platform):
    shared = copy.deepcopy(platform)
    shared["services"][2]["stores"] = [{"name": "postgres", "database": "archive"}]
    assert rotation_plan(_catalogue.normalised(shared), ["page"])["workloads"] == ["orders", "page"]


def test_a_name_that_is_not_known_is_said_with_those_that_are(catalogue):
    with pytest.raises(RotationInputError) as error:
        rotation_plan(catalogue, ["orders", "oders", "kafka"])
    assert str(error.value) == (
        "rotate_only names 'oders', 'kafka', but what can be rotated are the passwords of: gateway, orders, postgres"
    )
    with pytest.raises(AnsibleFilterError, match=r"^rotate_only names 'oders'"):
        plan_filter(catalogue, ["oders"])


def test_a_role_with_the_name_of_a_bridge_is_refused(platform):
    taken = copy.deepcopy(platform)
    taken["stores"][0]["databases"][1]["owner"] = "order-keeper-bridge"
    with pytest.raises(RotationInputError, match="a rotation of 'order_keeper' makes a role of that name"):
        rotation_plan(_catalogue.normalised(taken), [])


def test_a_bridge_is_a_member_that_acts_as_its_role_and_is_dropped_with_its_resource(plan):
    [bridge] = bridges(plan)
    assert bridge["metadata"]["name"] == "pg-order-keeper-bridge"
    spec = bridge["spec"]
    assert (spec["name"], spec["inRoles"], spec["login"]) == ("order_keeper_bridge", ["order_keeper"], True)
    assert spec["databaseRoleReclaimPolicy"] == "delete"
    assert plan["clusters"] == [
        {
            "namespace": "data",
            "name": "pg",
            "statements": 'ALTER ROLE "order_keeper_bridge" SET role TO "order_keeper"',
        }
    ]
    [named] = bridge_secret_names(plan)
    assert spec["passwordSecret"]["name"] == named["metadata"]["name"]
    assert "data" not in named


def test_a_bridges_password_is_kept_when_a_rotation_is_repeated_and_the_roles_is_not(plan, catalogue, handed_out):
    [first] = bridge_secrets(plan, handed_out)
    assert decoded(first)["username"] == "order_keeper_bridge"
    assert bridge_secrets(plan, [*handed_out, first]) == [first]
    [renewed], [again] = renewed_secrets(plan), renewed_secrets(plan)
    assert decoded(renewed)["password"] not in ("pg-word", decoded(again)["password"], decoded(first)["password"])
    # But for the password it is what the data stage makes, which must change nothing afterwards.
    passwords = {"data/pg-order-keeper": {"password": decoded(renewed)["password"]}}
    assert postgres_secrets(catalogue, passwords) == [renewed]


def test_meanwhile_the_workloads_log_in_by_the_bridge_and_no_other_secret_changes(plan, catalogue, handed_out):
    [bridge] = bridge_secrets(plan, handed_out)
    secrets = [*handed_out, bridge]
    [meanwhile] = credential_secrets(catalogue, secrets, workloads=plan["workloads"], instead=plan["instead"])
    before = next(one for one in credential_secrets(catalogue, secrets) if one["metadata"] == meanwhile["metadata"])
    changed = {key for key in before["data"] if before["data"][key] != meanwhile["data"][key]}
    assert changed == {"POSTGRES_USER", "POSTGRES_PASSWORD"}
    assert decoded(meanwhile)["POSTGRES_USER"] == "order_keeper_bridge"


def test_the_gateway_gets_new_keys_and_keeps_what_its_store_gave(catalogue, handed_out):
    [renewed] = renewed_gateway_secret(catalogue, handed_out)
    values = decoded(renewed)
    assert values["TYK_GW_STORAGE_PASSWORD"] == "gateway-word"
    assert len({values["TYK_GW_SECRET"], values["TYK_GW_NODESECRET"], "old", "old-too"}) == 4


def database_role(applied=True, version="7", observed=2, message=None):
    status = {"applied": applied, "secretResourceVersion": version, "observedGeneration": observed, "message": message}
    metadata = {"namespace": "data", "name": "pg-order-keeper-bridge", "generation": 2}
    return {"metadata": metadata, "status": {key: value for key, value in status.items() if value is not None}}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([database_role()], None),
        ([], "DatabaseRole data/pg-order-keeper-bridge is not applied (no reason given)"),
        ([database_role(version="6")], "no reason given"),
        ([database_role(observed=1)], "no reason given"),
        ([database_role(applied=False, message="waiting for the primary")], "(waiting for the primary)"),
    ],
    ids=["applied", "not there", "older Secret", "older form", "refused"],
)
def test_a_bridge_counts_once_its_secret_is_applied(plan, found, sentence):
    said = unapplied_bridges(plan, [secret("data", "pg-order-keeper-bridge", "7")], found)
    assert said == [] if sentence is None else sentence in said[0]


def cluster(version="41", refused=None):
    roles = {"passwordStatus": {"order_keeper": {"resourceVersion": version}}, "cannotReconcile": refused or {}}
    return {"metadata": {"namespace": "data", "name": "pg"}, "status": {"managedRolesStatus": roles}}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([cluster()], None),
        ([], "is not that of the role order_keeper in data/pg yet (no reason given)"),
        ([cluster("40")], "the password of the Secret data/pg-order-keeper is not that of the role"),
        ([cluster(refused={"order_keeper": ["no such Secret"]})], "(no such Secret)"),
    ],
    ids=["applied", "not there", "older Secret", "refused"],
)
def test_a_password_counts_once_the_operator_says_so(plan, handed_out, found, sentence):
    said = unapplied_passwords(plan, handed_out, found)
    assert said == [] if sentence is None else sentence in said[0]
    assert unapplied_passwords(plan, handed_out, found, "elsewhere") == []


def live(manifests):
    return [entry for entry in copy.deepcopy(manifests) if entry["kind"] == "Deployment"]


def test_a_rotation_rolls_deployments_only(catalogue):
    manifests = service_manifests(catalogue, {})
    manifests += gateway_manifests(catalogue, {})
    plan = rotation_plan(catalogue, [])
    found = rollouts(plan, manifests)
    assert [(entry["kind"], entry["metadata"]["name"]) for entry in found] == [
        ("Deployment", "orders"),
        ("Deployment", "gateway"),
    ]


def test_only_other_credentials_are_no_pending_change(catalogue):
    before = service_manifests(catalogue, {"secret_checksums": {"front/orders-credentials": "one"}})
    after = service_manifests(catalogue, {"secret_checksums": {"front/orders-credentials": "two"}})
    assert pending_changes(after, live(before)) == []
    newer = copy.deepcopy(catalogue)
    next(entry for entry in newer["workloads"] if entry["name"] == "orders")["image"] = "registry.example/shop:2.0"
    changed = service_manifests(newer, {"secret_checksums": {"front/orders-credentials": "two"}})
    assert pending_changes(changed, live(before)) == ["front/orders does not run as the inventory has it"]
    assert "front/page is not deployed" in pending_changes(after, live(before)[:1])


def pod(deployment, **changes):
    template = copy.deepcopy(deployment["spec"]["template"]["metadata"])
    metadata = {**template, "namespace": deployment["metadata"]["namespace"], "name": "a-pod"}
    return {"metadata": metadata, "status": {"phase": "Running"}} | changes


def test_a_pod_that_is_on_its_way_out_still_counts(catalogue):
    before = service_manifests(catalogue, {"secret_checksums": {"front/orders-credentials": "one"}})
    after = service_manifests(catalogue, {"secret_checksums": {"front/orders-credentials": "two"}})
    [former], [current] = (
        [entry for entry in live(manifests) if entry["metadata"]["name"] == "orders"] for manifests in (before, after)
    )
    leaving = pod(former)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert former_pods([current], [pod(current), leaving]) == ["front/a-pod still has the credentials before these"]
    assert former_pods([current], [pod(current), pod(former, status={"phase": "Succeeded"})]) == []
    [other] = [entry for entry in live(before) if entry["metadata"]["name"] == "page"]
    assert former_pods([current], [pod(other)]) == []


def test_only_the_namespaces_that_matter_are_read(catalogue):
    plan = rotation_plan(catalogue, ["orders"])
    assert (plan["secrets_in"], plan["pods_in"]) == (["data"], ["front"])
    plan = rotation_plan(catalogue, ["gateway"])
    assert (plan["secrets_in"], plan["pods_in"]) == (["cache", "front"], ["front"])
