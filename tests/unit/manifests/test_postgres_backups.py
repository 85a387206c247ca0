# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of PostgreSQL follow from the catalogue's key backup, and there is nothing of them without it."""

from __future__ import annotations

import base64
import copy
import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._postgres_backups import backup_secrets
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_manifests

KEYS = {"postgres_backup_access_key_id": "AK", "postgres_backup_secret_access_key": "SK"}


@pytest.fixture
def backed_up(platform: dict[str, t.Any]) -> dict[str, t.Any]:
    given = copy.deepcopy(platform)
    given["stores"][0]["backup"] = {"destination": "s3://shop/pg", "endpoint": "https://s3.example.org:9000"}
    return _catalogue.normalised(given)


def test_without_the_key_there_is_nothing_of_them(catalogue, settings):
    manifests = postgres_manifests(catalogue, settings("postgres", **KEYS))
    assert {manifest["kind"] for manifest in manifests} == {"Cluster", "Database"}
    assert "plugins" not in manifests[0]["spec"]
    assert backup_secrets(catalogue, {"access_key_id": "AK", "secret_access_key": "SK"}) == []


def test_the_cluster_archives_to_the_object_store_under_its_own_name(backed_up, settings, find):
    manifests = postgres_manifests(backed_up, settings("postgres", **KEYS))
    assert manifests[0]["kind"] == "ObjectStore"  # before the Cluster that names it
    [plugin] = find(manifests, "Cluster", "pg")["spec"]["plugins"]
    assert plugin["isWALArchiver"] is True
    assert plugin["parameters"] == {"barmanObjectName": manifests[0]["metadata"]["name"], "serverName": "pg"}
    named = postgres_manifests(backed_up, settings("postgres", **KEYS, postgres_backup_server_name="pg-2"))
    [plugin] = find(named, "Cluster", "pg")["spec"]["plugins"]
    assert plugin["parameters"]["serverName"] == "pg-2"


def test_the_object_store_is_the_catalogues(backed_up, settings, find):
    spec = find(postgres_manifests(backed_up, settings("postgres", **KEYS)), "ObjectStore", "pg-backups")["spec"]
    configuration = spec["configuration"]
    assert configuration["destinationPath"] == "s3://shop/pg"
    assert configuration["endpointURL"] == "https://s3.example.org:9000"
    assert "endpointCA" not in configuration
    assert "serverName" not in configuration
    assert spec["retentionPolicy"] == "30d"


def test_a_backup_is_made_at_once_and_then_by_the_clock(backed_up, settings, find):
    spec = find(postgres_manifests(backed_up, settings("postgres", **KEYS)), "ScheduledBackup", "pg-backups")["spec"]
    assert len(spec["schedule"].split()) == 6
    assert (spec["immediate"], spec["method"]) == (True, "plugin")
    assert spec["cluster"] == {"name": "pg"}


def test_the_secret_holds_what_the_object_store_names(backed_up, settings, find):
    values = {"access_key_id": "AK", "secret_access_key": "SK", "ca": "-----BEGIN"}
    [secret] = backup_secrets(backed_up, values)
    given = settings("postgres", **KEYS, postgres_backup_ca="-----BEGIN")
    configuration = find(postgres_manifests(backed_up, given), "ObjectStore", "pg-backups")["spec"]["configuration"]
    references = [*configuration["s3Credentials"].values(), configuration["endpointCA"]]
    assert {reference["name"] for reference in references} == {secret["metadata"]["name"]}
    decoded = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert [decoded[reference["key"]] for reference in references] == ["AK", "SK", "-----BEGIN"]


def test_without_keys_the_pods_own_identity_must_do(backed_up, settings, find):
    manifests = postgres_manifests(backed_up, settings("postgres"))
    configuration = find(manifests, "ObjectStore", "pg-backups")["spec"]["configuration"]
    assert configuration["s3Credentials"] == {"inheritFromIAMRole": True}
    assert backup_secrets(backed_up, {"access_key_id": "", "secret_access_key": "", "ca": ""}) == []
