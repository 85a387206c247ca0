# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export and import of Redis databases: what the REST API is asked in which order, and which sentence tells of what it answers."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils._redis_datasets import (
    Database,
    DatasetError,
    Patience,
    RefusedError,
    exported,
    imported,
    key_count,
)

RESOURCE = {
    "spec": {
        "redisEnterpriseCluster": {"name": "rec"},
        "backup": {"s3": {"awsSecretName": "rec-backups", "bucketName": "shop", "subdir": "rec/carts"}},
    },
    "status": {"databaseUID": "3"},
}
KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
LOCATION = {
    "type": "s3",
    "bucket_name": "shop",
    "subdir": "rec/carts",
    "access_key_id": "AK",
    "secret_access_key": "SK",
}
PATIENCE = Patience(timeout=5, interval=0.001)
CARTS = Database.of("data/carts", RESOURCE)


class Scripted:
    """Gives one answer after the other; an exception is raised."""

    def __init__(self, *answers: t.Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, t.Any]] = []

    def ask(self, method: str, path: str, body: t.Any = None) -> dict[str, t.Any]:
        self.asked.append((method, path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_export_begins_clean_and_is_waited_for():
    done = {"export_status": "succeeded", "last_export_time": "2026-05-01T00:00:00Z"}
    api = Scripted({}, {}, {"export_status": "exporting"}, done)
    assert exported(api, CARTS, CARTS.location(KEYS), PATIENCE) == done
    assert api.asked == [
        ("PUT", "/v1/bdbs/3/actions/export_reset_status", None),
        ("POST", "/v1/bdbs/3/actions/export", {"export_location": LOCATION}),
        ("GET", "/v1/bdbs/3", None),
        ("GET", "/v1/bdbs/3", None),
    ]


def test_each_file_is_a_source_of_its_own():
    api = Scripted({}, {}, {"import_status": "succeeded"})
    imported(api, CARTS, CARTS.location(KEYS, "other"), ["a.rdb.gz", "b.rdb.gz"], PATIENCE)
    sources = api.asked[1][2]["dataset_import_sources"]
    assert [source["filename"] for source in sources] == ["a.rdb.gz", "b.rdb.gz"]
    assert {source["subdir"] for source in sources} == {"other"}


def test_a_busy_database_is_asked_again():
    busy = RefusedError(409, "database is busy: backup")
    api = Scripted(busy, {}, busy, {}, {"export_status": "succeeded"})
    exported(api, CARTS, CARTS.location(KEYS), PATIENCE)
    assert api.answers == []


@pytest.mark.parametrize(
    ("answers", "patience", "words"),
    [
        (
            [{}, {}, {"export_status": "failed", "export_failure_reason": "no-permission"}],
            PATIENCE,
            "the export of data/carts failed (no-permission: the object store refuses the keys)",
        ),
        (
            [{}, {}, {"export_status": "failed", "export_failure_reason": "out-of-memory"}],
            PATIENCE,
            "the export of data/carts failed (out-of-memory)",
        ),
        (
            [{}, {}, {"export_status": "exporting", "export_progress": 30}],
            Patience(timeout=-1, interval=0),
            "the export of data/carts did not end in -1 s (exporting, 30 %)",
        ),
        (
            [{}, RefusedError(406, "no such module")],
            PATIENCE,
            "refuses POST /v1/bdbs/3/actions/export for data/carts: no such module",
        ),
    ],
)
def test_how_it_can_fail(answers, patience, words):
    with pytest.raises(DatasetError) as caught:
        exported(Scripted(*answers), CARTS, CARTS.location(KEYS), patience)
    assert words in str(caught.value)
    assert "SK" not in str(caught.value)


def test_keys_are_counted_by_the_cluster_or_not_at_all():
    assert key_count(Scripted({"3": {"no_of_keys": 12.0}}), CARTS) == 12
    for answer in ({}, {"3": {}}, RefusedError(406, "not active")):
        with pytest.raises(DatasetError, match="how many keys data/carts has is not known"):
            key_count(Scripted(answer), CARTS)


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (None, "is not there"),
        ({"spec": {}}, "names no S3 service for its backups"),
        (
            {"spec": RESOURCE["spec"], "status": {"status": "pending"}},
            "has not made the database data/carts yet: pending",
        ),
    ],
)
def test_what_a_database_must_have(resource, words):
    with pytest.raises(DatasetError, match=words):
        Database.of("data/carts", resource)


def test_a_secret_without_a_key_is_named():
    with pytest.raises(DatasetError, match="the Secret rec-backups of data/carts has no key AWS_SECRET_ACCESS_KEY"):
        CARTS.location({"AWS_ACCESS_KEY_ID": "AK"})
