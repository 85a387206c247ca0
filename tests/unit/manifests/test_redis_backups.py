# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of Redis databases: where they go follows from the catalogue, what opens it from the role's variables."""

from __future__ import annotations

import base64
import copy
import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._redis_backups import backup_secrets
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import redis_manifests

KEYS = {"access_key_id": "AK", "secret_access_key": "SK"}
PLACE = {"destination": "s3://shop/nightly/", "endpoint": "https://s3.example.org:9000/"}


@pytest.fixture
def backed_up(platform: dict[str, t.Any]) -> t.Callable[..., dict[str, t.Any]]:
    def render(**place: t.Any) -> dict[str, t.Any]:
        given = copy.deepcopy(platform)
        given["stores"][1]["backup"] = {**PLACE, **place}
        return _catalogue.normalised(given)

    return render


def test_the_cluster_knows_the_endpoint_and_its_authority(backed_up, settings, find):
    manifests = redis_manifests(backed_up(), settings("redis", redis_backup_ca="-----BEGIN"))
    backup = find(manifests, "RedisEnterpriseCluster", "rec")["spec"]["backup"]
    assert backup == {"s3": {"url": "https://s3.example.org:9000", "caCertificateSecretName": "rec-backups-ca"}}


def test_amazons_own_service_needs_nothing_said_of_it(backed_up, settings, find):
    manifests = redis_manifests(backed_up(endpoint=None), settings("redis"))
    assert "backup" not in find(manifests, "RedisEnterpriseCluster", "rec")["spec"]


def test_each_database_has_a_folder_of_its_own(backed_up, settings):
    given = settings("redis", redis_backup_interval=3600, redis_backup_region="eu-central-1")
    backups = {
        one["metadata"]["name"]: one["spec"]["backup"]
        for one in redis_manifests(backed_up(), given)
        if one["kind"] == "RedisEnterpriseDatabase"
    }
    assert backups["carts"] == {
        "interval": 3600,
        "s3": {
            "awsSecretName": "rec-backups",
            "bucketName": "shop",
            "subdir": "nightly/rec/carts",
            "regionName": "eu-central-1",
        },
    }
    assert len({backup["s3"]["subdir"] for backup in backups.values()}) == len(backups) > 1


def test_without_the_key_there_are_none(catalogue, settings):
    assert all("backup" not in one["spec"] for one in redis_manifests(catalogue, settings("redis")))
    assert backup_secrets(catalogue, KEYS) == []


def test_secrets_have_the_keys_that_the_product_looks_for(backed_up):
    [keys, authority] = backup_secrets(backed_up(), {**KEYS, "ca": "-----BEGIN"})
    assert {key: base64.b64decode(value).decode() for key, value in keys["data"].items()} == {
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "SK",
    }
    assert keys["metadata"]["name"] == "rec-backups"
    assert (authority["metadata"]["name"], list(authority["data"])) == ("rec-backups-ca", ["cert"])
    assert len(backup_secrets(backed_up(), KEYS)) == 1


def test_an_endpoint_without_tls_is_refused_in_a_sentence(backed_up):
    with pytest.raises(_catalogue.CatalogueError, match="Redis Enterprise speaks TLS with it, hence https"):
        backed_up(endpoint="http://s3.example.org")
