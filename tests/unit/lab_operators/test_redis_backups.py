# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the lab's Redis databases: into an S3 service and out of it, with real redis-servers where they are installed."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis_node.backups import Backups, file_name
from redis_node.database import Database, RequestError
from redis_node.object_store import Location, ObjectStoreError, Service, fetch, put
from s3_double import ACCESS_KEY, BUCKET, SECRET_KEY, S3Double
from test_redis_failover import MISSING, Cluster, eventually

MB = 1024 * 1024
PLACE = {
    "type": "s3",
    "bucket_name": BUCKET,
    "subdir": "azora/rec/session",
    "access_key_id": ACCESS_KEY,
    "secret_access_key": SECRET_KEY,
}
NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Double]:
    double = S3Double(tmp_path / "s3")
    yield double
    double.close()


def location(**changes: str) -> Location:
    return Location.from_request({**PLACE, **changes})


def service(s3: S3Double) -> Service:
    return Service(s3.url, str(s3.authority))


class Answering:
    """Datasets of databases whose primary answers, or does not; nothing is ever sent."""

    def __init__(self, keys: int | None = 0) -> None:
        self.count = keys

    def keys(self, _database: Database) -> int | None:
        return self.count


def database(**settings: Any) -> Database:
    body = {"name": "session", "memory_size": 200 * MB, "port": 12000, "backup_interval": 3600}
    return Database.from_request({**body, "backup": True, "backup_location": PLACE, **settings}, uid=1)


def test_what_is_put_is_fetched_again(s3: S3Double, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(b"\x00content" * 100_000)
    put(service(s3), location(), "a file.rdb", sent)
    assert list(s3.objects) == ["azora/rec/session/a%20file.rdb"]
    fetch(service(s3), location(), "a file.rdb", received)
    assert received.read_bytes() == sent.read_bytes()


@pytest.mark.parametrize(
    ("changes", "reason", "word"),
    [
        ({"secret_access_key": "mistyped"}, "no-permission", "SignatureDoesNotMatch"),
        ({"access_key_id": "AKOTHER"}, "no-permission", "InvalidAccessKeyId"),
        ({"bucket_name": "other"}, "wrong-file-path", "NoSuchBucket"),
    ],
)
def test_the_reason_of_a_refusal_is_the_vendors_word(
    s3: S3Double, tmp_path: Path, changes: dict[str, str], reason: str, word: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(ObjectStoreError, match=word) as caught:
        put(service(s3), location(**changes), "file", file)
    assert caught.value.reason == reason


def test_a_service_of_an_unknown_authority_gets_nothing(s3: S3Double, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(ObjectStoreError, match="certificate verify failed"):
        put(Service(s3.url), location(), "file", file)
    with pytest.raises(ObjectStoreError, match="must begin with https://"):
        put(Service(s3.url.replace("https", "http")), location(), "file", file)


@pytest.mark.parametrize("body", [None, {"type": "sftp"}, {**PLACE, "bucket_name": ""}])
def test_a_location_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises(RequestError):
        Location.from_request(body)


@pytest.mark.parametrize(
    ("known", "due"),
    [
        ({}, True),
        ({"backup_status": "succeeded", "last_backup_time": "2026-05-01T11:30:00Z"}, False),
        ({"backup_status": "succeeded", "last_backup_time": "2026-05-01T11:00:00Z"}, True),
        ({"backup_status": "failed", "last_backup_time": "2026-05-01T11:30:00Z"}, True),
        # Whoever was to finish it is gone.
        ({"backup_status": "exporting"}, True),
        ({"backup_status": "exporting", "last_backup_time": "2026-05-01T10:59:00Z"}, True),
    ],
)
def test_when_a_backup_is_due(tmp_path: Path, known: dict[str, str], due: bool) -> None:
    (tmp_path / "backups.json").write_text('{"1": ' + repr(known).replace("'", '"') + "}")
    backups = Backups(None, tmp_path, tmp_path)  # type: ignore[arg-type]
    assert backups.due(database(), NOW) is due
    assert not backups.due(database(backup=False), NOW)
    assert backups.due(database(), NOW + timedelta(hours=1))


def test_what_was_in_the_middle_when_the_process_ended(tmp_path: Path) -> None:
    known = '{"1": {"backup_status": "exporting", "export_status": "exporting", "import_status": "importing"}}'
    (tmp_path / "backups.json").write_text(known)
    answer = Backups(Answering(), tmp_path, tmp_path).answer(database())  # type: ignore[arg-type]
    # Nobody waits for a backup by the clock: it is made again.
    assert (answer["backup_status"], answer["backup_failure_reason"]) == ("idle", "")
    assert (answer["export_status"], answer["import_status"]) == ("failed", "failed")


def test_no_backup_begins_before_the_primary_answers(tmp_path: Path) -> None:
    stop = threading.Event()
    datasets = Answering(keys=None)
    backups = Backups(datasets, tmp_path, tmp_path)  # type: ignore[arg-type]
    looked = threading.Event()

    def databases() -> list[Database]:
        looked.set()
        return [database()]

    backups.start(databases, stop)
    assert looked.wait(10)
    looked.clear()
    assert looked.wait(10)
    stop.set()
    assert backups.answer(database()) == {}


def test_files_of_different_moments_have_different_names() -> None:
    names = {file_name(database(name=name), NOW) for name in ("session", "ai-agent")}
    names.add(file_name(database(), NOW + timedelta(seconds=1)))
    assert len(names) == 3
    assert all(name.endswith(".rdb.gz") for name in names)


# --- with redis-server

needs_redis = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def started(folder: Path, s3: S3Double, count: int) -> Iterator[Cluster]:
    cluster = Cluster(folder, count)
    try:
        for number in range(count):
            cluster.start(number)
        eventually(lambda: all(cluster.ready(number) for number in range(count)), 30)
        settings = {"s3_url": s3.url, "s3_ca_cert": str(s3.authority)}
        assert cluster.ask("PUT", "/v1/cluster", settings)[0] == 200
        yield cluster
    finally:
        for number in list(cluster.processes):
            cluster.kill(number)


@pytest.fixture
def three(tmp_path: Path, s3: S3Double) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    yield from started(folder, s3, 3)


@pytest.fixture
def alone(tmp_path: Path, s3: S3Double) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    yield from started(folder, s3, 1)


def about(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.ask("GET", "/v1/bdbs/1")[1])


def ended(cluster: Cluster, kind: str) -> dict[str, Any]:
    return dict(
        eventually(lambda: (one := about(cluster)).get(f"{kind}_status") in ("succeeded", "failed") and one, 60)
    )


def imported(cluster: Cluster, key: str, **changes: str) -> dict[str, Any]:
    subdir, _slash, name = key.rpartition("/")
    source = {**PLACE, "subdir": subdir, "filename": name, **changes}
    assert cluster.ask("POST", "/v1/bdbs/1/actions/import", {"dataset_import_sources": [source]}) == (200, {})
    return ended(cluster, "import")


@needs_redis
def test_a_replicated_database_comes_back_as_it_was_backed_up(three: Cluster, s3: S3Double) -> None:
    three.create(data_persistence="snapshot", snapshot_policy=[{"secs": 3600, "writes": 1}])
    eventually(lambda: three.in_sync(1, 2), 20)
    assert eventually(lambda: three.command(0, "SET", "kept", "yes"), 10) == "OK"
    settings = {"backup": True, "backup_interval": 3600, "backup_location": PLACE}
    assert three.ask("PUT", "/v1/bdbs/1", settings)[0] == 200
    status = ended(three, "backup")
    assert (status["backup_status"], status["backup_failure_reason"]) == ("succeeded", ""), status
    assert status["last_backup_time"].startswith("20")
    [key] = s3.objects
    assert gzip.decompress(s3.objects[key]).startswith(b"REDIS")

    assert three.command(0, "SET", "late", "yes") == "OK"
    assert three.command(0, "DEL", "kept") == 1
    assert three.ask("GET", "/v1/bdbs/stats/last/1")[1]["1"]["no_of_keys"] == 1
    status = imported(three, key)
    assert (status["import_status"], status["status"]) == ("succeeded", "active"), status
    # Every proxy serves it, and the replica has it.
    for number in range(3):
        assert eventually(lambda number=number: three.command(number, "GET", "kept"), 10) == "yes"
        assert three.command(number, "GET", "late") is None
    eventually(lambda: three.in_sync(1, 2), 20)
    assert three.command(2, "GET", "kept", port=22000) == "yes"
    assert three.command(0, "SET", "after", "yes") == "OK"


@needs_redis
def test_the_only_node_exports_when_told_and_imports(alone: Cluster, s3: S3Double) -> None:
    alone.create(replication=False, data_persistence="aof")
    assert alone.command(0, "SET", "kept", "yes") == "OK"
    assert alone.ask("POST", "/v1/bdbs/1/actions/export", {"export_location": PLACE}) == (200, {})
    assert ended(alone, "export")["export_status"] == "succeeded"
    assert alone.command(0, "FLUSHALL") == "OK"
    [key] = s3.objects
    assert imported(alone, key)["import_status"] == "succeeded"
    assert alone.command(0, "GET", "kept") == "yes"
    # It stands on the node's own disk, too.
    alone.end(0)
    alone.start(0)
    eventually(lambda: alone.ready(0), 30)
    assert eventually(lambda: alone.command(0, "GET", "kept"), 10) == "yes"
    assert about(alone)["last_export_time"].startswith("20")


@needs_redis
def test_what_cannot_be_imported_leaves_the_database_as_it_is(alone: Cluster, s3: S3Double) -> None:
    alone.create(replication=False)
    assert alone.command(0, "SET", "kept", "yes") == "OK"
    s3.objects |= {"a.rdb": b"no dataset", "b.rdb.gz": gzip.compress(b"REDIS0010 and then nonsense")}
    reasons = [imported(alone, key)["import_failure_reason"] for key in ("a.rdb", "b.rdb.gz", "absent.rdb")]
    assert reasons == ["file-corrupted", "file-corrupted", "download-error"]
    assert alone.command(0, "GET", "kept") == "yes"
    refused = alone.ask("POST", "/v1/bdbs/1/actions/import", {"dataset_import_sources": [PLACE, PLACE]})
    assert (refused[0], refused[1]["error_code"]) == (400, "invalid_schema")


@needs_redis
def test_a_backup_that_fails_says_why_and_is_tried_again(alone: Cluster, s3: S3Double) -> None:
    wrong = {**PLACE, "secret_access_key": "mistyped"}
    alone.create(replication=False, backup=True, backup_interval=3600, backup_location=wrong)
    status = ended(alone, "backup")
    assert (status["backup_status"], status["backup_failure_reason"]) == ("failed", "no-permission")
    assert alone.ask("PUT", "/v1/bdbs/1", {"backup_location": PLACE})[0] == 200
    eventually(lambda: about(alone)["backup_status"] == "succeeded", 60)
    assert len(s3.objects) == 1
