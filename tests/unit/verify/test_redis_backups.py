# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Redis database that should be backed up passes only while its last backup is complete and recent."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._redis_backup_truth import (
    databases_of,
    recovery_points,
    redis_backup_untruths,
)
from ansible_collections.azora.platform.plugins.modules import verify

from .conftest import FakeKubernetes

NOW = datetime.datetime(2026, 5, 2, 12, 0, tzinfo=datetime.UTC)
LAST = "2026-05-02T11:30:00Z"
PATH = "/apis/app.redislabs.com/v1alpha1/namespaces/data/redisenterprisedatabases"


def database(
    name: str = "session", *, cluster: str = "rec", backup: Any = "given", **information: Any
) -> dict[str, Any]:
    spec = {"redisEnterpriseCluster": {"name": cluster}}
    if backup:
        spec["backup"] = {"interval": 3600, "s3": {}}
    return {
        "metadata": {"name": name, "namespace": "data"},
        "spec": spec,
        "status": {"backupInfo": information or {"backupStatus": "succeeded", "lastBackupTime": LAST}},
    }


def test_what_works_is_nothing_to_tell_but_its_moments() -> None:
    databases = [database(), database("carts", backupStatus="succeeded", lastBackupTime="2026-05-02T11:10:00Z")]
    assert redis_backup_untruths("data/rec", databases, NOW) == []
    points = recovery_points(databases)
    assert points.sentence == (
        "can be recovered by database: carts as of 2026-05-02T11:10:00Z, session as of 2026-05-02T11:30:00Z"
    )
    assert (points.since, points.last_backup) == (None, "2026-05-02T11:10:00Z")
    new = recovery_points([database(), database("carts", backupStatus="exporting")])
    assert new.last_backup is None
    assert new.sentence.endswith("; no backup is complete of carts")


def test_only_its_own_databases_count() -> None:
    assert databases_of("rec", [database(), database("other", cluster="rec-2")]) == [database()]


@pytest.mark.parametrize(
    ("databases", "certain", "words"),
    [
        ([], True, "data/rec should be backed up, and no RedisEnterpriseDatabase of it is there"),
        (
            [database(backup=None)],
            True,
            "data/session should be backed up, and its RedisEnterpriseDatabase names no place",
        ),
        (
            [database(backupStatus="failed", backupFailureReason="no-permission", lastBackupTime=LAST)],
            True,
            f"the last backup of data/session failed: no-permission; the last complete one is of {LAST}",
        ),
        ([database(backupStatus="failed")], True, "failed: no reason given; none is complete"),
        ([database(backupStatus="exporting")], False, "data/session cannot be recovered: no backup of it is complete"),
        (
            [database(backupStatus="succeeded", lastBackupTime="2026-05-02T10:44:59Z")],
            True,
            "the last backup of data/session is of 2026-05-02T10:44:59Z, and one was due since",
        ),
    ],
)
def test_what_does_not_work_is_told(databases: list[Any], *, certain: bool, words: str) -> None:
    [untruth] = redis_backup_untruths("data/rec", databases, NOW)
    assert words in untruth.sentence
    assert untruth.certain is certain


@pytest.mark.parametrize("moment", ["2026-05-02T10:50:00Z", "2026-05-02 10:50:00", "lately"])
def test_a_moment_within_its_time_or_of_another_form_is_no_mistake(moment: str) -> None:
    databases = [database(backupStatus="succeeded", lastBackupTime=moment)]
    assert redis_backup_untruths("data/rec", databases, NOW) == []


@pytest.fixture
def looked(kubernetes_api: FakeKubernetes, run: Callable[..., dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    kubernetes_api.add_pod("data", "rec-0", "127.0.0.1", {"app": "rec"})

    def look() -> dict[str, Any]:
        store = {"name": "rec", "namespace": "data", "kind": "store", "product": "redis", "selector": {"app": "rec"}}
        options = {"host": kubernetes_api.url, "api_key": "token", "checks": ["backups"], "prober_image": "python:3"}
        return run(verify, **options, workloads=[{**store, "backed_up": True}])

    return look


def recent() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_module_tells_the_moments(looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes) -> None:
    kubernetes_api.objects[PATH] = {"items": [database(backupStatus="succeeded", lastBackupTime=recent())]}
    result = looked()
    assert result["passed"]
    assert result["complete"]
    assert result["workloads"][0]["recovery"]["databases"]["session"].startswith("20")
    assert any(line.startswith("data/rec can be recovered by database: session as of") for line in result["table"])


def test_the_module_fails_after_a_failure(looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes) -> None:
    kubernetes_api.objects[PATH] = {"items": [database(backupStatus="failed", backupFailureReason="wrong-file-path")]}
    result = looked()
    assert result["failed"]
    assert "the last backup of data/session failed: wrong-file-path" in result["msg"]


def test_who_may_not_look_gets_no_ok(looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes) -> None:
    kubernetes_api.forbidden_paths.add(PATH)
    result = looked()
    assert not result["complete"]
    assert any("whether data/rec can be recovered is not known" in remark for remark in result["remarks"])
