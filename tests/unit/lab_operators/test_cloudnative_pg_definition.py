# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Cluster asks for, and what the stand-in refuses."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cloudnative_pg_resources_double import cluster
from lab_operators.cloudnative_pg_definition import (
    application_database,
    application_secret_name,
    configuration_digest,
    instance_configuration,
    mistakes,
    unknown_plugins,
)


def test_a_plain_cluster_has_no_mistakes() -> None:
    assert mistakes("pg", cluster()["spec"], "") == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"instances": 3, "postgresql": {"synchronous": {"method": "any", "number": 3}}},
            "spec.postgresql.synchronous.number is 3, it must be at least 1 and less than spec.instances (3)",
        ),
        ({"imageName": ""}, "spec.imageName is needed"),
        ({"imageName": "", "imageCatalogRef": {"kind": "ImageCatalog", "name": "c", "major": 17}}, "imageCatalogRef"),
        ({"storage": {}}, "spec.storage.size is needed"),
        ({"walStorage": {}}, "spec.walStorage.size is needed"),
        ({"bootstrap": {"recovery": {"source": "origin"}}}, "spec.bootstrap.recovery.source must name"),
        ({"bootstrap": {"initdb": {"import": {"type": "monolith"}}}}, "initdb.import is beyond"),
        ({"postgresql": {"parameters": {"port": "1"}}}, "parameters.port is fixed"),
        (
            {"instances": 3, "postgresql": {"synchronous": {"method": "first", "number": 1}}},
            "spec.postgresql.synchronous.method first is beyond",
        ),
        ({"managed": {"roles": [{"name": "a"}, {"name": "a"}]}}, "names a twice"),
        ({"managed": {"roles": [{"name": "pg_a"}]}}, "pg_a is a reserved name"),
        (
            {"managed": {"roles": [{"name": "a", "passwordSecret": {"name": "s"}, "disablePassword": True}]}},
            "both passwordSecret and disablePassword",
        ),
    ],
)
def test_each_mistake_is_said(spec: dict[str, Any], words: str) -> None:
    assert words in "; ".join(mistakes("pg", cluster(**spec)["spec"], ""))


def test_all_mistakes_are_said_at_once() -> None:
    spec = cluster(imageCatalogRef={"name": "c"}, storage={}, replica={"enabled": True})["spec"]
    assert len(mistakes("p" * 51, spec, "")) == 4


def test_the_operators_default_image_is_enough() -> None:
    assert mistakes("pg", cluster(imageName=None)["spec"], "postgres:1") == []


def test_a_disabled_plugin_is_not_missed() -> None:
    assert unknown_plugins({"plugins": [{"name": "a"}, {"name": "b", "enabled": False}]}) == ["a"]


def test_first_database_and_its_owner() -> None:
    assert application_database({}) == ("app", "app")
    assert application_database({"bootstrap": {"initdb": {"database": "shop"}}}) == ("shop", "shop")
    assert application_database({"bootstrap": {"initdb": {"database": "shop", "owner": "o"}}}) == ("shop", "o")
    assert application_secret_name("pg", {}) == "pg-app"
    assert application_secret_name("pg", {"bootstrap": {"initdb": {"secret": {"name": "mine"}}}}) == "mine"


def test_configuration_is_canonical() -> None:
    one = {"postgresql": {"parameters": {"a": "1", "b": "2"}}}
    other = {"postgresql": {"parameters": {"b": "2", "a": "1"}}}
    assert instance_configuration("pg", one) == instance_configuration("pg", other)
    text = instance_configuration("pg", one)
    assert configuration_digest(text) == hashlib.sha256(text.encode()).hexdigest()


def test_configuration_carries_what_the_instance_needs() -> None:
    spec = {
        "postgresql": {
            "parameters": {"work_mem": "8MB", "timezone": "Europe/Zurich"},
            "shared_preload_libraries": ["pg_stat_statements", "auto_explain"],
            "pg_hba": ["host all all 10.0.0.0/8 md5"],
        },
        "bootstrap": {"initdb": {"database": "shop", "dataChecksums": False, "postInitSQL": ["SELECT 1"]}},
    }
    document = json.loads(instance_configuration("pg", spec))
    assert document["parameters"]["work_mem"] == "8MB"
    assert document["parameters"]["timezone"] == "Europe/Zurich"
    assert document["parameters"]["shared_preload_libraries"] == "pg_stat_statements,auto_explain"
    assert document["pg_hba"] == ["host all all 10.0.0.0/8 md5"]
    assert document["initdb"] == {
        "database": "shop",
        "owner": "shop",
        "data_checksums": False,
        "post_init_sql": ["SELECT 1"],
    }


@pytest.mark.parametrize(("durability", "strict"), [({}, True), ({"dataDurability": "preferred"}, False)])
def test_a_commit_waits_for_standbys_unless_it_is_only_preferred(durability: dict[str, str], strict: bool) -> None:
    synchronous = {"method": "any", "number": 1, **durability}
    spec = cluster(instances=3, postgresql={"synchronous": synchronous})["spec"]
    assert mistakes("pg", spec, "") == []
    assert json.loads(instance_configuration("pg", spec))["synchronous"] == {"number": 1, "strict": strict}
