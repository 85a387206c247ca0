# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in the lab's PostgreSQL: Barman's tools (programs of this test in their place), recovery, and what the operator makes of it."""

from __future__ import annotations

import json
import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudnative_pg_resources_double import NAMESPACE, cluster, ready_pod
from kubernetes_double import KubernetesDouble
from lab_operators import cloudnative_pg_databases
from lab_operators.certificates import new_authority
from lab_operators.cloudnative_pg_backups import BackupReconciler, target_instance
from lab_operators.cloudnative_pg_cluster import ClusterReconciler
from lab_operators.cloudnative_pg_databases import ClusterAccess
from lab_operators.cloudnative_pg_definition import instance_configuration
from lab_operators.cloudnative_pg_instance import CredentialStore
from lab_operators.cloudnative_pg_manifests import instance_pod
from lab_operators.cloudnative_pg_object_stores import (
    ObjectStores,
    archive_use,
    plugin_mistakes,
    retention_policy,
    secret_sources,
    store_settings,
)
from lab_operators.cloudnative_pg_scheduled_backups import ScheduledBackupReconciler
from lab_operators.secret_data import encoded
from postgres_instance import wal_transfer
from postgres_instance.base_backups import BaseBackups, BusyError, finished_backup
from postgres_instance.bootstrap import BootstrapError
from postgres_instance.configuration import InstanceConfiguration, Places, Recovery
from postgres_instance.object_store import ObjectStore, environment, last_words
from postgres_instance.recovery import base_of, move_wal, recovery_settings, settings_file

BARMAN = "barman-cloud.cloudnative-pg.io"
PLUGIN = {"name": BARMAN, "isWALArchiver": True, "parameters": {"barmanObjectName": "backups"}}
STORE: dict[str, Any] = {
    "kind": "ObjectStore",
    "metadata": {"name": "backups", "namespace": NAMESPACE},
    "spec": {
        "retentionPolicy": "30d",
        "configuration": {
            "destinationPath": "s3://backups/azora/",
            "endpointURL": "https://s3.example.org",
            "endpointCA": {"name": "keys", "key": "ca.crt"},
            "s3Credentials": {
                "accessKeyId": {"name": "keys", "key": "ID"},
                "secretAccessKey": {"name": "keys", "key": "SECRET"},
            },
            "wal": {"compression": "gzip"},
            "data": {"compression": "zstd", "jobs": 3, "immediateCheckpoint": True},
        },
    },
}
KEYS = {"kind": "Secret", "metadata": {"name": "keys"}, "data": encoded({"ID": "a", "SECRET": "b", "ca.crt": "c"})}
ORIGIN = {"name": BARMAN, "parameters": {"barmanObjectName": "backups", "serverName": "pg"}}
RECOVERY = {
    "bootstrap": {"recovery": {"source": "origin", "recoveryTarget": {"targetTime": "2026-01-01T00:00:00Z"}}},
    "externalClusters": [{"name": "origin", "plugin": ORIGIN}],
}


# --- What a Cluster says


def test_the_server_is_called_as_the_cluster_unless_it_has_a_name_of_its_own() -> None:
    use = archive_use("pg", {"plugins": [PLUGIN]})
    assert use is not None
    assert (use.name, use.server) == ("backups", "pg")
    named = PLUGIN | {"parameters": {"barmanObjectName": "backups", "serverName": "pg-2"}}
    again = archive_use("pg", {"plugins": [named]})
    assert again is not None
    assert again.server == "pg-2"
    assert archive_use("pg", {"plugins": [PLUGIN | {"enabled": False}]}) is None
    assert archive_use("pg", {"plugins": [PLUGIN | {"isWALArchiver": False}]}) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"plugins": [PLUGIN | {"parameters": {}}]}, "needs the parameter barmanObjectName"),
        ({"bootstrap": {"recovery": {"source": "elsewhere"}}}, "must name one of spec.externalClusters"),
        (RECOVERY | {"plugins": [PLUGIN]}, "a new cluster needs its own"),
    ],
)
def test_mistakes_are_said(spec: dict[str, Any], words: str) -> None:
    [mistake] = plugin_mistakes("pg", spec)
    assert words in mistake


def test_another_name_in_the_same_object_store_is_no_mistake() -> None:
    assert plugin_mistakes("other", RECOVERY | {"plugins": [PLUGIN]}) == []


@pytest.mark.parametrize(
    ("policy", "words"), [("30d", "RECOVERY WINDOW OF 30 DAYS"), ("4w", "RECOVERY WINDOW OF 4 WEEKS"), ("", "")]
)
def test_retention_in_barmans_words(policy: str, words: str) -> None:
    assert retention_policy(policy) == words


def test_operator_and_instance_speak_of_the_same_object_store() -> None:
    stores = ObjectStores(archive=store_settings(STORE, "pg-2"), source=store_settings(STORE, "pg"))
    parsed = InstanceConfiguration.parse(instance_configuration("pg", RECOVERY, stores))
    assert parsed.archive == ObjectStore(
        destination="s3://backups/azora",
        server="pg-2",
        endpoint="https://s3.example.org",
        wal_compression="gzip",
        data_compression="zstd",
        jobs=3,
        immediate_checkpoint=True,
        retention="RECOVERY WINDOW OF 30 DAYS",
    )
    assert parsed.recovery is not None
    assert parsed.recovery.source.server == "pg"
    assert parsed.recovery.target == {"targetTime": "2026-01-01T00:00:00Z"}


def pod_hash(stores: ObjectStores) -> str:
    pod = instance_pod(cluster(), "pg-1", "image", stores)
    return str(pod["metadata"]["annotations"]["cnpg.io/podEnvHash"])


def test_credentials_are_files_of_the_pod_and_the_source_matters_only_at_first() -> None:
    secrets = secret_sources(STORE)
    assert {item["path"] for source in secrets for item in source["secret"]["items"]} == {
        "access-key-id",
        "secret-access-key",
        "ca.crt",
    }
    first = ObjectStores(archive_secrets=secrets, source_secrets=secrets)
    container = instance_pod(cluster(), "pg-1", "image", first)["spec"]["containers"][0]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/controller/object-stores/archive", "/controller/object-stores/source"} <= mounts
    later = ObjectStores(archive_secrets=secrets)
    assert pod_hash(first) == pod_hash(later) != pod_hash(ObjectStores())


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([], "ObjectStore backups of the plugin barman-cloud.cloudnative-pg.io does not exist"),
        ([STORE], "Secret keys of the ObjectStore backups has no key ID or does not exist"),
    ],
)
def test_what_is_missing_is_named_in_the_status(there: list[dict[str, Any]], words: str) -> None:
    api = KubernetesDouble(cluster(plugins=[PLUGIN]), *there)
    ClusterReconciler(api, CredentialStore(), "").reconcile(NAMESPACE, "pg")  # type: ignore[arg-type]
    status = api.get("Cluster", "pg")["status"]
    assert status["phase"] == "Unable to create required cluster objects"
    assert words in status["phaseReason"]


def test_the_instance_gets_what_the_object_store_says() -> None:
    api = KubernetesDouble(cluster(plugins=[PLUGIN]), STORE, KEYS)
    ClusterReconciler(api, CredentialStore(), "").reconcile(NAMESPACE, "pg")  # type: ignore[arg-type]
    parsed = InstanceConfiguration.parse(api.get("ConfigMap", "pg-instance")["data"]["instance.json"])
    assert parsed.archive is not None
    assert parsed.archive.server == "pg"


# --- Barman's tools


TOOL = """#!/bin/sh
echo "$(basename $0) $*" >> {folder}/calls
echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_CA_BUNDLE" >> {folder}/variables
[ -e {folder}/fail-$(basename $0) ] || exit 0
echo "2026-01-01 [7] ERROR: $(cat {folder}/fail-$(basename $0))" >&2
exit {code}
"""


class Tools:
    """Programs with the names of Barman's, which note how they were called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for tool in ("wal-archive", "wal-restore", "check-wal-archive", "backup", "backup-list", "backup-delete"):
            self.write(tool)

    def write(self, tool: str, code: int = 1, content: str = "") -> None:
        path = self._folder / f"barman-cloud-{tool}"
        path.write_text(content or TOOL.format(folder=self._folder, code=code))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def fail(self, tool: str, words: str, code: int = 1) -> None:
        self.write(tool, code)
        (self._folder / f"fail-barman-cloud-{tool}").write_text(words)

    def mend(self, tool: str) -> None:
        (self._folder / f"fail-barman-cloud-{tool}").unlink()

    def calls(self) -> list[str]:
        path = self._folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def variables(self) -> list[str]:
        return (self._folder / "variables").read_text().splitlines()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Tools(folder)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in {"access-key-id": "id\n", "secret-access-key": "secret", "ca.crt": "ca"}.items():
        (credentials / name).write_text(value)
    found = Places(
        data=tmp_path / "pgdata",
        sockets=tmp_path / "run",
        object_stores=tmp_path / "object-stores.json",
        archive_credentials=credentials,
        source_credentials=credentials,
        archive_failure=tmp_path / "archive-failure",
    )
    store = ObjectStore("s3://backups", "pg", "https://s3.example.org", "gzip").as_document()
    found.object_stores.write_text(json.dumps({"archive": store, "source": store}))
    return found


def test_a_file_of_the_log_goes_to_the_servers_place(tools: Tools, places: Places) -> None:
    assert wal_transfer.archive(places, "pg_wal/1") == 0
    assert tools.calls() == [
        "barman-cloud-wal-archive --cloud-provider aws-s3 --endpoint-url https://s3.example.org --gzip "
        "s3://backups pg pg_wal/1"
    ]
    assert tools.variables() == [f"id secret {places.archive_credentials / 'ca.crt'}"]


def test_no_secret_is_an_argument(tools: Tools, places: Places) -> None:
    wal_transfer.archive(places, "pg_wal/1")
    wal_transfer.restore(places, "1", "pg_wal/1")
    assert len(tools.calls()) == 2
    assert not [call for call in tools.calls() if "secret" in call]


def test_why_a_file_is_not_archived_is_kept_until_one_is(tools: Tools, places: Places) -> None:
    tools.fail("wal-archive", "the key is wrong")
    assert wal_transfer.archive(places, "pg_wal/1") == 1
    assert places.archive_failure.read_text() == "barman-cloud-wal-archive: the key is wrong"
    tools.mend("wal-archive")
    assert wal_transfer.archive(places, "pg_wal/1") == 0
    assert not places.archive_failure.exists()


def test_the_reason_is_the_one_that_a_short_request_is_told(tools: Tools, places: Places) -> None:
    tools.fail("wal-archive", "SSL validation failed")
    tools.fail("backup-list", "SignatureDoesNotMatch")
    assert wal_transfer.archive(places, "pg_wal/1") == 1
    assert places.archive_failure.read_text() == "barman-cloud-backup-list: SignatureDoesNotMatch"


def test_a_new_cluster_does_not_write_into_another_ones_archive(tools: Tools, places: Places) -> None:
    places.empty_archive_check.touch()
    tools.fail("check-wal-archive", "Expected empty archive")
    assert wal_transfer.archive(places, "pg_wal/1") == 1
    assert not [call for call in tools.calls() if call.startswith("barman-cloud-wal-archive")]
    assert "Expected empty archive" in places.archive_failure.read_text()
    tools.mend("check-wal-archive")
    assert wal_transfer.archive(places, "pg_wal/1") == 0
    assert wal_transfer.archive(places, "pg_wal/2") == 0
    # Once it was empty nobody looks any more.
    assert len([call for call in tools.calls() if call.startswith("barman-cloud-check-wal-archive")]) == 2


@pytest.mark.parametrize(("code", "answer"), [(1, 1), (2, 255), (4, 255)])
def test_a_network_that_fails_is_not_the_end_of_the_log(tools: Tools, places: Places, code: int, answer: int) -> None:
    assert wal_transfer.restore(places, "1", "pg_wal/1") == 0
    tools.fail("wal-restore", "no", code)
    assert wal_transfer.restore(places, "1", "pg_wal/1") == answer


def test_without_an_object_store_nothing_is_archived(tools: Tools, places: Places) -> None:
    places.object_stores.write_text(json.dumps({"archive": None, "source": None}))
    assert wal_transfer.archive(places, "pg_wal/1") == 0
    assert wal_transfer.restore(places, "1", "pg_wal/1") == 1
    assert tools.calls() == []


def test_only_credentials_that_are_there_are_set(tmp_path: Path) -> None:
    assert environment(tmp_path, {"HOME": "/"}) == {"HOME": "/"}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", ""),
        ("2026 [1] INFO: begin\n2026 [1] ERROR: Bucket x does not exist\n", "Bucket x does not exist"),
        ("2026 [1] ERROR: first\nTraceback\n", "first"),
        ("Killed\n", "Killed"),
    ],
)
def test_what_a_tool_says_last(output: str, words: str) -> None:
    assert last_words(output) == words


# --- Base backups


def listed(name: str, end: str) -> dict[str, Any]:
    return {
        "backup_id": end[:10],
        "backup_name": name,
        "status": "DONE",
        "begin_wal": "1",
        "end_wal": "2",
        "begin_xlog": "0/1",
        "end_xlog": "0/2",
        "begin_time_iso": end,
        "end_time_iso": end,
    }


DONE = [listed("old", "2026-01-01T00:00:00+00:00"), listed("new", "2026-01-02T01:00:00+01:00")]
LIST = {"backups_list": [*DONE, {"backup_id": "x", "status": "FAILED", "end_time_iso": None}]}


def outcome(backups: BaseBackups, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while (state := backups.state(name))["phase"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return state


def test_a_backup_is_made_and_found_in_the_list(tools: Tools, places: Places) -> None:
    tools.write("backup-list", content=f"#!/bin/sh\necho '{json.dumps(LIST)}'\n")
    backups = BaseBackups(places)
    assert backups.state("new") == {"phase": "unknown"}
    backups.start("new", ObjectStore("s3://backups", "pg", retention="RECOVERY WINDOW OF 1 DAYS"))
    state = outcome(backups, "new")
    assert (state["phase"], state["backup"]["id"]) == ("completed", "2026-01-02")
    assert state["window"] == {"first": "2026-01-01T00:00:00+00:00", "last": "2026-01-02T01:00:00+01:00"}
    made, deleted = tools.calls()
    assert made.startswith("barman-cloud-backup ")
    assert "--name new" in made
    assert "--retention-policy RECOVERY WINDOW OF 1 DAYS s3://backups pg" in deleted


def test_a_backup_that_fails_says_why(tools: Tools, places: Places) -> None:
    tools.fail("backup", "Bucket backups does not exist")
    backups = BaseBackups(places)
    backups.start("one", ObjectStore("s3://backups", "pg"))
    assert outcome(backups, "one") == {"phase": "failed", "error": "barman-cloud-backup: Bucket backups does not exist"}


def test_one_backup_at_a_time(tools: Tools, places: Places) -> None:
    tools.write("backup", content=f"#!/bin/sh\nwhile [ ! -e {places.data} ]; do sleep 0.01; done\n")
    backups = BaseBackups(places)
    store = ObjectStore("s3://backups", "pg")
    backups.start("one", store)
    backups.start("one", store)  # asked again, not begun again
    with pytest.raises(BusyError):
        backups.start("two", store)
    places.data.touch()
    outcome(backups, "one")


def test_a_backup_that_is_not_listed_is_none() -> None:
    with pytest.raises(LookupError, match="no backup other"):
        finished_backup("other", DONE)


# --- Recovery


def test_the_target_in_postgresqls_words() -> None:
    target = {"targetTime": "2026-01-01 00:00:00+00", "exclusive": True}
    settings = recovery_settings(Recovery(ObjectStore("s3://backups", "pg"), target))
    assert settings["recovery_target_time"] == "2026-01-01 00:00:00+00"
    assert settings["recovery_target_inclusive"] == "off"
    assert settings["recovery_target_action"] == "promote"
    assert settings["archive_mode"] == "off"  # what is recovered from stays as it is
    assert not settings["synchronous_standby_names"]


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ({}, "2026-01-02"),
        ({"targetTime": "2026-01-01 12:00:00+00"}, "2026-01-01"),
        ({"targetTime": "2026-01-02T00:00:00"}, "2026-01-02"),
        ({"targetLSN": "0/2"}, "2026-01-02"),
        ({"backupID": "2026-01-01", "targetImmediate": True}, "2026-01-01"),
    ],
)
def test_recovery_begins_with_the_last_backup_before_the_target(target: dict[str, Any], chosen: str) -> None:
    assert base_of(DONE, Recovery(ObjectStore("s3://backups", "pg"), target)) == chosen


@pytest.mark.parametrize("target", [{"targetTime": "2025-12-31 00:00:00+00"}, {"targetLSN": "0/1"}, {"backupID": "x"}])
def test_a_target_before_every_backup_is_refused(target: dict[str, Any]) -> None:
    with pytest.raises(BootstrapError, match="pg has no backup"):
        base_of(DONE, Recovery(ObjectStore("s3://backups", "pg"), target))


def test_a_quote_in_a_setting_is_doubled() -> None:
    assert settings_file({"log_line_prefix": "%m 'x'"}) == "log_line_prefix = '%m ''x'''\n"


def test_the_log_moves_to_its_volume(tmp_path: Path) -> None:
    (tmp_path / "data/pg_wal/archive_status").mkdir(parents=True)
    (tmp_path / "data/pg_wal/1").write_text("log")
    (tmp_path / "volume").mkdir()
    move_wal(tmp_path / "data", tmp_path / "volume/pg_wal")
    assert (tmp_path / "data/pg_wal").is_symlink()
    assert (tmp_path / "data/pg_wal/1").read_text() == "log"
    assert (tmp_path / "volume/pg_wal/archive_status").is_dir()


# --- The operator's Backups


class InstanceDouble:
    """An instance that makes backups."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"phase": "running"}
        self.asked: list[str] = []
        self.statements: list[str] = []

    def back_up(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        return self.state

    def backup(self, name: str) -> dict[str, Any]:
        return self.state

    def connect(self) -> InstanceDouble:
        return self

    def __enter__(self) -> InstanceDouble:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str) -> None:
        self.statements.append(statement)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> InstanceDouble:
    double = InstanceDouble()
    monkeypatch.setattr(cloudnative_pg_databases, "Instance", lambda _address, _credentials: double)
    return double


METHOD = {"method": "plugin", "pluginConfiguration": {"name": BARMAN}}


def backup(name: str = "now", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"cluster": {"name": "pg"}, **METHOD, **spec},
    }


def running_cluster(**status: Any) -> KubernetesDouble:
    authority = new_authority("pg", NAMESPACE)
    given = cluster(instances=2, plugins=[PLUGIN])
    given["status"] = {"currentPrimary": "pg-1", "instancesStatus": {"healthy": ["pg-1", "pg-2"]}, **status}
    secret = {
        "kind": "Secret",
        "metadata": {"name": "pg-ca"},
        "data": encoded({"ca.crt": authority.certificate, "ca.key": authority.key}),
    }
    pods = [ready_pod(instance_pod(cluster(), name, "image")) for name in ("pg-1", "pg-2")]
    return KubernetesDouble(given, secret, STORE, *pods)


def reconciled(api: KubernetesDouble, name: str = "now") -> dict[str, Any]:
    access = ClusterAccess(api, CredentialStore())  # type: ignore[arg-type]
    BackupReconciler(access).reconcile(NAMESPACE, name)
    return dict(api.get("Backup", name).get("status") or {})


def test_a_backup_runs_on_a_standby_until_it_is_complete(instance: InstanceDouble) -> None:
    api = running_cluster()
    api.put(backup())
    status = reconciled(api)
    assert (status["phase"], status["instanceID"], instance.asked) == ("running", {"podName": "pg-2"}, ["now"])
    assert reconciled(api)["phase"] == "running"
    instance.state = {"phase": "completed", **finished_backup("new", DONE)}
    status = reconciled(api)
    assert (status["phase"], status["backupId"]) == ("completed", "2026-01-02")
    assert status["stoppedAt"] == "2026-01-02T00:00:00Z"
    # What a standby's backup needs of the primary's log is archived now.
    assert instance.statements == ["SELECT pg_switch_wal()"]
    window = api.get("ObjectStore", "backups")["status"]["serverRecoveryWindow"]["pg"]
    assert window["firstRecoverabilityPoint"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("wanted", "chosen"), [("primary", "pg-1"), ("prefer-standby", "pg-2"), (None, "pg-2")])
def test_which_instance_makes_it(wanted: str | None, chosen: str) -> None:
    given = running_cluster().get("Cluster", "pg")
    assert target_instance(backup(**({"target": wanted} if wanted else {})), given) == chosen


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cluster": {"name": "gone"}}, "cluster gone does not exist"),
        ({"method": "volumeSnapshot"}, "makes backups with method plugin"),
        ({"pluginConfiguration": {"name": "other"}}, "makes backups with method plugin"),
    ],
)
def test_a_backup_that_cannot_be_says_why(spec: dict[str, Any], words: str) -> None:
    api = running_cluster()
    api.put(backup(**spec))
    status = reconciled(api)
    assert status["phase"] == "failed"
    assert words in status["error"]


def test_a_backup_waits_for_the_one_before(instance: InstanceDouble) -> None:
    api = running_cluster()
    api.put(backup("first") | {"status": {"phase": "running", "instanceID": {"podName": "pg-2"}}})
    api.put(backup())
    assert reconciled(api) == {"phase": "pending", "error": "backup first is under way"}
    assert instance.asked == []


def test_a_backup_waits_for_the_archive(instance: InstanceDouble) -> None:
    failing = {"type": "ContinuousArchiving", "status": "False", "message": "the key is wrong"}
    api = running_cluster(conditions=[failing])
    api.put(backup())
    assert reconciled(api) == {"phase": "walArchivingFailing", "error": "the key is wrong"}
    assert instance.asked == []


def test_a_backup_fails_with_its_instance(instance: InstanceDouble) -> None:
    api = running_cluster()
    api.put(backup())
    reconciled(api)
    instance.state = {"phase": "unknown"}
    assert "instance pg-2 was restarted" in reconciled(api)["error"]


# --- By the clock


def scheduled(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "ScheduledBackup",
        "metadata": {"name": "daily", "namespace": NAMESPACE},
        "spec": {"cluster": {"name": "pg"}, "schedule": "0 0 2 * * *", **METHOD, **spec},
    }


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, second, tzinfo=UTC)


def backups_at(api: KubernetesDouble, *moments: datetime) -> list[str]:
    for moment in moments:
        ScheduledBackupReconciler(api).reconcile_at(NAMESPACE, "daily", moment)  # type: ignore[arg-type]
    return sorted(name for kind, _namespace, name in api.objects if kind == "Backup")


def test_a_schedule_waits_for_its_hour_and_makes_each_backup_once() -> None:
    api = KubernetesDouble(scheduled(backupOwnerReference="self"))
    assert backups_at(api, at(1, 1), at(1, 1, 59)) == []
    assert api.get("ScheduledBackup", "daily")["status"]["nextScheduleTime"] == "2026-01-01T02:00:00Z"
    assert backups_at(api, at(1, 2), at(1, 2, 0, 1)) == ["daily-20260101020000"]
    made = api.get("Backup", "daily-20260101020000")
    assert made["spec"]["method"] == "plugin"
    assert made["metadata"]["ownerReferences"][0]["name"] == "daily"


def test_an_immediate_schedule_makes_one_at_once() -> None:
    api = KubernetesDouble(scheduled(immediate=True))
    assert backups_at(api, at(1, 1), at(1, 1, 1)) == ["daily-20260101010000"]


def test_what_was_missed_is_made_up_for_once() -> None:
    api = KubernetesDouble(scheduled())
    assert backups_at(api, at(1, 1), at(5, 12)) == ["daily-20260105020000"]


def test_a_suspended_schedule_makes_none() -> None:
    api = KubernetesDouble(scheduled(suspend=True, immediate=True))
    assert backups_at(api, at(1, 1), at(2, 3)) == []


@pytest.mark.parametrize("schedule", ["0 2 * * *", "0 0 25 * * *", "often"])
def test_a_schedule_that_is_none_is_said(schedule: str) -> None:
    api = KubernetesDouble(scheduled(schedule=schedule))
    assert backups_at(api, at(1)) == []
    assert api.get("ScheduledBackup", "daily")["status"]["error"].startswith(f"spec.schedule '{schedule}'")
