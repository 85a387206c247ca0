# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets: generated once and kept, merged for each workload, and never missing without a word."""

from __future__ import annotations

import base64
import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._credentials import (
    credential_secrets,
    decoded,
    kept_or_generated,
    missing_credentials,
    missing_secrets,
    secret_checksums,
    supplied_secrets,
)


def secret(namespace, name, **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"kind": "Secret", "metadata": {"namespace": namespace, "name": name}, "data": data}


@pytest.fixture
def handed_out():
    """What the operators have put into Secrets for the small platform."""
    ca = secret("data", "bus-cluster-ca-cert", **{"ca.crt": "PEM", "ca.password": "never"})
    return [
        secret("data", "pg-order-keeper", username="order_keeper", password="pg-word"),
        secret("data", "orders", password="kafka-word", **{"sasl.jaas.config": "…"}),
        secret("data", "statistics", password="kafka-word-2"),
        ca,
        secret("cache", "redb-carts", password="redis-word", port="12000"),
        secret("cache", "redb-gateway", password="gateway-word"),
    ]


def test_each_workload_gets_one_secret_with_what_it_uses(catalogue, handed_out, find):
    secrets = credential_secrets(catalogue, handed_out)
    assert [entry["metadata"]["name"] for entry in secrets] == [
        "gateway-credentials",
        "orders-credentials",
        "statistics-credentials",
    ]
    assert decoded(find(secrets, "Secret", "orders-credentials")) == {
        "POSTGRES_USER": "order_keeper",
        "POSTGRES_PASSWORD": "pg-word",
        "KAFKA_USERNAME": "orders",
        "KAFKA_PASSWORD": "kafka-word",
        "KAFKA_CA": "PEM",
    }
    statistics = find(secrets, "Secret", "statistics-credentials")
    assert statistics["metadata"]["namespace"] == "back"
    assert decoded(statistics)["REDIS_PASSWORD"] == "redis-word"
    assert "REDIS_PASSWORD" not in decoded(find(secrets, "Secret", "gateway-credentials"))
    assert decoded(find(secrets, "Secret", "gateway-credentials"))["TYK_GW_STORAGE_PASSWORD"] == "gateway-word"


def test_a_second_run_keeps_every_value(catalogue, handed_out):
    first = credential_secrets(catalogue, handed_out)
    assert credential_secrets(catalogue, [*handed_out, *first]) == first
    fresh = credential_secrets(catalogue, handed_out)
    assert fresh != first, "without the Secret on the cluster the gateway's keys are new ones"


def test_generated_values_are_long_and_different():
    wanted = [{"namespace": "a", "name": "b", "keys": ["one", "two"]}]
    values = kept_or_generated(wanted, [secret("a", "b", one="kept")])["a/b"]
    assert values["one"] == "kept"
    assert len(values["two"]) >= 32
    assert kept_or_generated(wanted, [])["a/b"]["one"] != kept_or_generated(wanted, [])["a/b"]["one"]


def test_what_is_missing_is_named_without_any_value(catalogue, handed_out):
    assert missing_credentials(catalogue, handed_out) == []
    fewer = [entry for entry in handed_out if entry["metadata"]["name"] not in ("redb-carts", "statistics")]
    fewer[1]["data"].pop("password")
    assert missing_credentials(catalogue, fewer) == [
        "the Secret data/orders has no key 'password', which orders needs as KAFKA_PASSWORD",
        "the Secret cache/redb-carts with the key 'password', which statistics needs as REDIS_PASSWORD, is not there",
        "the Secret data/statistics with the key 'password', which statistics needs as KAFKA_PASSWORD, is not there",
    ]
    assert len(missing_credentials(catalogue, fewer, "cache")) == 1


def test_given_secrets_are_made_where_services_refer_to_them(catalogue):
    given = {"payment": {"PAYMENT_KEY": "k", "PAYMENT_USER": "u"}, "unused": {"A": "b"}}
    [made] = supplied_secrets(catalogue, given)
    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("front", "payment")
    assert decoded(made) == given["payment"]


CREDENTIALS = [secret("front", "orders-credentials", A="b"), secret("back", "statistics-credentials", A="b")]


def test_a_secret_that_is_neither_given_nor_there_is_named(catalogue):
    [sentence] = missing_secrets(catalogue, {}, CREDENTIALS)
    assert sentence == (
        "the Secret front/payment, which orders needs, does not exist: create it with the keys PAYMENT_KEY, PAYMENT_USER, "
        "or give services_secrets['payment']"
    )
    there = secret("front", "payment", PAYMENT_KEY="k")
    assert missing_secrets(catalogue, {}, [*CREDENTIALS, there]) == [
        "the Secret front/payment lacks the key PAYMENT_USER, which orders needs"
    ]
    given = {"payment": {"PAYMENT_USER": "u"}}
    assert missing_secrets(catalogue, given, [*CREDENTIALS, there]) == [
        "services_secrets['payment'] lacks the key PAYMENT_KEY, which orders needs"
    ]
    assert missing_secrets(catalogue, {"payment": {"PAYMENT_KEY": "k", "PAYMENT_USER": "u"}}, CREDENTIALS) == []


def test_credentials_that_the_data_stage_has_not_made_are_named(catalogue):
    sentences = missing_secrets(catalogue, {"payment": {"PAYMENT_KEY": "k", "PAYMENT_USER": "u"}}, [])
    assert sentences == [
        f"the Secret {name}, which {workload} needs, does not exist: run the data stage first"
        for name, workload in [("front/orders-credentials", "orders"), ("back/statistics-credentials", "statistics")]
    ]
    assert missing_secrets(catalogue, {}, [], "gateway") == [
        "the Secret front/gateway-credentials, which gateway needs, does not exist: run the data stage first"
    ]


def test_one_name_in_two_namespaces_is_two_secrets(platform):
    given = copy.deepcopy(platform)
    given["services"][1]["secrets"] = [{"name": "payment", "keys": ["PAYMENT_KEY"]}]
    catalogue = _catalogue.normalised(given)
    made = supplied_secrets(catalogue, {"payment": {"PAYMENT_KEY": "k", "PAYMENT_USER": "u"}})
    assert {entry["metadata"]["namespace"] for entry in made} == {"front", "back"}


def test_a_checksum_changes_with_the_data_and_hides_it():
    one = secret_checksums([secret("a", "b", key="value")])
    assert one == secret_checksums([secret("a", "b", key="value")])
    assert one != secret_checksums([secret("a", "b", key="other")])
    assert "value" not in str(one)


def with_tokens(platform, **authentication):
    given = copy.deepcopy(platform)
    given["gateway"]["authentication"] = {"method": "jwt", **authentication}
    return _catalogue.normalised(given)


def test_the_key_of_tokens_is_generated_once_and_kept(platform, handed_out, find):
    catalogue = with_tokens(platform)
    made = find(credential_secrets(catalogue, handed_out), "Secret", "gateway-jwt")
    assert set(decoded(made)) == {"JWT_HMAC_KEY"}
    assert len(base64.b64decode(decoded(made)["JWT_HMAC_KEY"], validate=True)) == 32
    again = find(credential_secrets(catalogue, [*handed_out, made]), "Secret", "gateway-jwt")
    assert again["data"] == made["data"]
    # Who rolls one workload, as a rotation does, does not touch the clients' key.
    names = [entry["metadata"]["name"] for entry in credential_secrets(catalogue, handed_out, workloads=["gateway"])]
    assert names == ["gateway-credentials"]


@pytest.mark.parametrize(
    "authentication",
    [
        {"secret": {"name": "clients", "key": "hmac"}},
        {"algorithm": "RS256", "jwks_url": "https://login.example.org/keys"},
    ],
)
def test_no_key_of_tokens_is_generated_where_another_is_meant(platform, handed_out, authentication):
    made = credential_secrets(with_tokens(platform, **authentication), handed_out)
    assert not [entry for entry in made if "JWT_HMAC_KEY" in entry["data"] or entry["metadata"]["name"] == "clients"]


def test_a_key_of_tokens_that_is_missing_or_none_is_named(platform):
    credentials = secret("front", "gateway-credentials", TYK_GW_SECRET="s")
    own, named = with_tokens(platform), with_tokens(platform, secret={"name": "clients", "key": "hmac"})
    assert missing_secrets(own, {}, [credentials], "gateway") == [
        "the Secret front/gateway-jwt, which gateway needs to check tokens, does not exist: run the data stage first"
    ]
    assert missing_secrets(named, {}, [credentials], "gateway") == [
        "the Secret front/clients, which gateway needs to check tokens, does not exist: create it, with the key hmac in base64"
    ]
    [lacking] = missing_secrets(named, {}, [credentials, secret("front", "clients", other="x")], "gateway")
    assert lacking.startswith("the Secret front/clients lacks the key hmac, which gateway needs to check tokens: ")
    for value in ("not base64!", base64.b64encode(b"short").decode()):
        [wrong] = missing_secrets(named, {}, [credentials, secret("front", "clients", hmac=value)], "gateway")
        assert wrong == (
            "the key hmac of the Secret front/clients must be the base64 of at least 32 bytes, to check tokens of HS256"
        )
    right = secret("front", "clients", hmac=base64.b64encode(bytes(32)).decode())
    assert missing_secrets(named, {}, [credentials, right], "gateway") == []
