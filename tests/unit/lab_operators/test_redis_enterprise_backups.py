# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the Redis Enterprise operator: backups as the custom resources ask for them, and what the status tells."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_double import KubernetesDouble
from lab_operators.reconciler import Again
from lab_operators.redis_enterprise_backups import (
    AUTHORITY_DIRECTORY,
    cluster_backup_changes,
    cluster_backup_mistakes,
    database_backup_mistakes,
)
from lab_operators.redis_enterprise_cluster import cluster_objects
from lab_operators.secret_data import encoded
from test_redis_enterprise import SETTINGS, ClusterDouble, cluster, database, running

S3 = {"awsSecretName": "rec-backups", "bucketName": "backups", "subdir": "rec/session"}
SERVICE = {"s3": {"url": "https://s3.example.org:9000", "caCertificateSecretName": "rec-backups-ca"}}
DATABASE = database(backup={"interval": 3600, "s3": S3})


def keys(**values: str) -> dict[str, Any]:
    metadata = {"name": "rec-backups", "namespace": "data", "uid": "s"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(values)}


KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


def reconciled(*objects: dict[str, Any]) -> tuple[KubernetesDouble, ClusterDouble, dict[str, Any]]:
    rest = ClusterDouble()
    api, controller = running(rest, *objects)
    controller.reconcile_database("data", "session")
    return api, rest, api.get("RedisEnterpriseDatabase", "session")["status"]


def test_a_database_is_asked_for_with_its_place_and_keys() -> None:
    _api, rest, _status = reconciled(DATABASE, keys(**KEYS))
    [bdb] = rest.bdbs
    assert (bdb["backup"], bdb["backup_interval"]) == (True, 3600)
    assert bdb["backup_location"] == {
        "type": "s3",
        "bucket_name": "backups",
        "subdir": "rec/session",
        "region_name": "",
        "access_key_id": "AK",
        "secret_access_key": "SK",
    }


@pytest.mark.parametrize("objects", [[], [keys(AWS_ACCESS_KEY_ID="AK")]])
def test_without_its_keys_a_database_waits_and_says_for_what(objects: list[dict[str, Any]]) -> None:
    _api, rest, status = reconciled(DATABASE, *objects)
    assert rest.bdbs == []
    assert status["status"] == "pending"
    assert "the Secret rec-backups needs the keys AWS_ACCESS_KEY_ID" in status["lastActionStatus"]


def test_the_status_tells_of_the_last_backup() -> None:
    rest = ClusterDouble()
    api, controller = running(rest, DATABASE, keys(**KEYS))
    controller.reconcile_database("data", "session")
    rest.bdbs[0] |= {
        "backup_status": "failed",
        "backup_failure_reason": "no-permission",
        "backup_progress": 0,
        "last_backup_time": "2026-05-01T00:00:00Z",
    }
    controller.reconcile_database("data", "session")
    resource = api.get("RedisEnterpriseDatabase", "session")
    assert resource["status"]["backupInfo"] == {
        "backupInterval": 3600,
        "backupStatus": "failed",
        "backupProgressPercentage": 0,
        "backupFailureReason": "no-permission",
        "lastBackupTime": "2026-05-01T00:00:00Z",
    }
    del resource["spec"]["backup"]
    controller.reconcile_database("data", "session")
    assert not api.get("RedisEnterpriseDatabase", "session")["status"].get("backupInfo")
    assert rest.bdbs[0]["backup"] is False


def test_a_database_that_imports_is_not_active() -> None:
    rest = ClusterDouble()
    api, controller = running(rest, database())
    controller.reconcile_database("data", "session")
    rest.bdbs[0]["status"] = "import-pending"
    controller.reconcile_database("data", "session")
    assert api.get("RedisEnterpriseDatabase", "session")["status"]["status"] == "import-pending"


def test_the_cluster_learns_where_the_service_is_once() -> None:
    rest = ClusterDouble()
    api, controller = running(rest)
    api.get("RedisEnterpriseCluster", "rec")["spec"]["backup"] = SERVICE
    controller.reconcile_cluster("data", "rec")
    assert rest.settings == {"s3_url": "https://s3.example.org:9000", "s3_ca_cert": f"{AUTHORITY_DIRECTORY}/cert"}
    assert cluster_backup_changes(cluster(backup=SERVICE), rest.settings) == {}
    # A node of an earlier version has no such settings, and none are asked for.
    assert cluster_backup_changes(cluster(), {}) == {}


def test_no_backup_is_asked_for_before_the_cluster_knows_the_service() -> None:
    rest = ClusterDouble()
    api, controller = running(rest, DATABASE, keys(**KEYS))
    api.get("RedisEnterpriseCluster", "rec")["spec"]["backup"] = SERVICE
    controller.reconcile_database("data", "session")
    assert rest.settings["s3_url"] == "https://s3.example.org:9000"
    assert rest.bdbs[0]["backup"] is True


@pytest.mark.parametrize(("status", "seconds"), [("exporting", 1), ("failed", 1), ("succeeded", 30)])
def test_the_status_is_looked_after_while_there_is_news(status: str, seconds: float) -> None:
    rest = ClusterDouble()
    _api, controller = running(rest, DATABASE, keys(**KEYS))
    controller.reconcile_database("data", "session")
    rest.bdbs[0]["backup_status"] = status
    assert controller.reconcile_database("data", "session") == Again(seconds)


def test_the_nodes_have_the_authority_as_a_file_and_no_more_than_that() -> None:
    pod = cluster_objects(cluster(backup=SERVICE), SETTINGS, "x")[-1]["spec"]["template"]["spec"]
    [volume] = [one for one in pod["volumes"] if one["name"] == "s3-ca"]
    assert volume["secret"]["items"] == [{"key": "cert", "path": "cert"}]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["s3-ca"] == AUTHORITY_DIRECTORY
    without = cluster_objects(cluster(), SETTINGS, "x")[-1]["spec"]["template"]["spec"]
    assert "s3-ca" not in {one["name"] for one in without["volumes"]}


@pytest.mark.parametrize(
    ("backup", "words"),
    [
        ({"sftp": {"sftp_url": "sftp://x"}}, "spec.backup.sftp: this stand-in knows s3 only"),
        ({"interval": 3600}, "spec.backup.s3: is missing"),
        ({"s3": S3, "intervalOffset": 60}, "spec.backup.intervalOffset: this stand-in does not support it"),
    ],
)
def test_other_places_are_not_passed_over(backup: dict[str, Any], words: str) -> None:
    assert words in "; ".join(database_backup_mistakes(database(backup=backup)))


def test_a_service_without_tls_is_refused() -> None:
    [mistake] = cluster_backup_mistakes(cluster(backup={"s3": {"url": "http://s3"}}))
    assert "is not https" in mistake
