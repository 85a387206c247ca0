# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of PostgreSQL and Redis arrive in the object store and can be restored, and a sentence tells when they do not."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import kubernetes.dynamic
import pytest
from drill import wait_for

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, CLUSTER = "azora-data", "pg"
BACKUPS = f"{CLUSTER}-backups"
PATIENCE = 180


@pytest.fixture
def custom(api: kubernetes.client.ApiClient) -> kubernetes.client.CustomObjectsApi:
    return kubernetes.client.CustomObjectsApi(api)


def conditions(custom: kubernetes.client.CustomObjectsApi) -> dict[str, dict[str, Any]]:
    cluster = custom.get_namespaced_custom_object("postgresql.cnpg.io", "v1", NAMESPACE, "clusters", CLUSTER)
    return {condition["type"]: condition for condition in cluster["status"]["conditions"]}


def test_the_first_backup_is_there(custom: kubernetes.client.CustomObjectsApi) -> None:
    def completed() -> list[dict[str, Any]]:
        of_the_schedule = {"label_selector": f"cnpg.io/scheduled-backup={BACKUPS}"}
        backups = ("postgresql.cnpg.io", "v1", NAMESPACE, "backups")
        found = custom.list_namespaced_custom_object(*backups, **of_the_schedule)["items"]
        return [backup for backup in found if backup.get("status", {}).get("phase") == "completed"]

    [backup, *_others] = wait_for("a completed backup", PATIENCE, completed)
    assert backup["status"]["beginWal"] <= backup["status"]["endWal"]
    assert wait_for("word of it", PATIENCE, lambda: conditions(custom).get("LastBackupSucceeded"))["status"] == "True"
    assert conditions(custom)["ContinuousArchiving"]["status"] == "True"


def test_a_backup_now(play: Play, custom: kubernetes.client.CustomObjectsApi) -> None:
    made = play("playbooks/backup.yml")
    assert made.returncode == 0, made.stdout + made.stderr
    said = " ".join(made.stdout.split())
    assert re.search(r"postgres: backup [0-9T]+ .* can be recovered to any moment since 20[0-9-]+T[0-9:]+Z", said), said
    store = custom.get_namespaced_custom_object("barmancloud.cnpg.io", "v1", NAMESPACE, "objectstores", BACKUPS)
    window = store["status"]["serverRecoveryWindow"][CLUSTER]
    assert window["firstRecoverabilityPoint"] <= window["lastSuccessfulBackupTime"]


Ask = Callable[[str, str, str], str]


@pytest.fixture
def ask(custom: kubernetes.client.CustomObjectsApi, core: kubernetes.client.CoreV1Api) -> Ask:
    """Run SQL in a database of a cluster, on its primary; what it printed."""

    def run(cluster: str, database: str, statement: str) -> str:
        found = custom.get_namespaced_custom_object("postgresql.cnpg.io", "v1", NAMESPACE, "clusters", cluster)
        # Each statement by itself: some must not share a transaction.
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", f"--dbname={database}"]
        answer: str = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            found["status"]["currentPrimary"],
            NAMESPACE,
            command=[*command, f"--command={statement}"],
            container="postgres",
            stderr=True,
            stdout=True,
        )
        return answer.strip()

    return run


@pytest.fixture
def recovered(custom: kubernetes.client.CustomObjectsApi, core: kubernetes.client.CoreV1Api) -> Iterator[str]:
    """The name of a cluster to recover into; nothing of it is left behind."""
    name = "pg-drill"
    yield name
    for group, plural in (("postgresql.cnpg.io", "scheduledbackups"), ("postgresql.cnpg.io", "databases")):
        for one in custom.list_namespaced_custom_object(group, "v1", NAMESPACE, plural)["items"]:
            if one["spec"]["cluster"]["name"] == name:
                custom.delete_namespaced_custom_object(group, "v1", NAMESPACE, plural, one["metadata"]["name"])
    clusters = ("postgresql.cnpg.io", "v1", NAMESPACE, "clusters")
    custom.delete_namespaced_custom_object(*clusters, name)
    pods = {"namespace": NAMESPACE, "label_selector": f"cnpg.io/cluster={name}"}
    wait_for("its pods to go", PATIENCE, lambda: not core.list_namespaced_pod(**pods).items)
    # What Patroni noted, and what nobody owns.
    core.delete_collection_namespaced_config_map(**pods)
    for secret in core.list_namespaced_secret(NAMESPACE).items:
        if secret.metadata.name.startswith(f"{name}-"):
            core.delete_namespaced_secret(secret.metadata.name, NAMESPACE)


def test_recovery_to_a_moment_gives_exactly_its_rows(play: Play, ask: Ask, recovered: str) -> None:
    script = pathlib.Path(__file__).parents[3] / "roles/restore/files/tables.sql"
    ask(CLUSTER, "user", "CREATE TABLE drill AS SELECT n, md5(n::text) AS word FROM generate_series(1, 1000) AS n")
    # The log records commits by the clock of the server: nothing else may happen in the same moment.
    moment = ask(CLUSTER, "user", "SELECT pg_sleep(1.1); SELECT now(); SELECT pg_sleep(1.1)").strip("\n |")
    then = json.loads(ask(CLUSTER, "user", script.read_text(encoding="utf-8")))
    assert then["public.drill"]["rows"] == 1000
    ask(CLUSTER, "user", "INSERT INTO drill SELECT n, 'late' FROM generate_series(1001, 2000) AS n")
    ask(CLUSTER, "user", "DROP TABLE drill")
    ask(CLUSTER, "user", "SELECT pg_switch_wal()")

    given = {"restore_cluster": recovered, "restore_time": moment, "restore_expected": {"user": then}}
    restored = play("playbooks/restore.yml", **given)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert json.loads(ask(recovered, "user", script.read_text(encoding="utf-8"))) == then
    # The old cluster went on meanwhile.
    assert "public.drill" not in json.loads(ask(CLUSTER, "user", script.read_text(encoding="utf-8")))

    again = play("playbooks/restore.yml", **given)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
    other = play("playbooks/restore.yml", **{**given, "restore_time": "2020-01-01 00:00:00+00"})
    assert other.returncode != 0
    assert "was not made by this recovery" in " ".join(other.stdout.split())


@pytest.fixture
def wrong_key(core: kubernetes.client.CoreV1Api) -> Iterator[None]:
    """The Secret has another key, as if someone had mistyped it."""
    right = core.read_namespaced_secret(BACKUPS, NAMESPACE).data["ACCESS_SECRET_KEY"]

    def write(value: str) -> None:
        core.patch_namespaced_secret(BACKUPS, NAMESPACE, {"data": {"ACCESS_SECRET_KEY": value}})

    write(base64.b64encode(b"mistyped").decode())
    yield
    write(right)


@pytest.mark.usefixtures("wrong_key")
def test_a_wrong_key_is_said_and_heals(play: Play, ask: Ask, custom: kubernetes.client.CustomObjectsApi) -> None:
    def refused() -> dict[str, Any] | None:
        # The kubelet brings a changed Secret to the pods within a minute or two.
        ask(CLUSTER, "postgres", "SELECT pg_switch_wal() FROM txid_current()")
        condition = conditions(custom)["ContinuousArchiving"]
        return condition if condition["status"] == "False" else None

    assert "403" in wait_for("a refused file", PATIENCE, refused)["message"]
    seen = play("playbooks/verify.yml")
    assert seen.returncode != 0
    said = f"the write-ahead log of {NAMESPACE}/{CLUSTER} does not arrive in the object store"
    assert said in " ".join(seen.stdout.split()), seen.stdout + seen.stderr
    # The inventory still has the right key: the data stage writes it and waits until the log arrives again.
    healed = play("playbooks/data.yml")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert conditions(custom)["ContinuousArchiving"]["status"] == "True"
    assert re.search(rf"{NAMESPACE}/{CLUSTER} can be recovered to any moment since 20[0-9-]+T[0-9:]+Z", healed.stdout)


REDIS_NAMESPACE, REDIS_CLUSTER, REDIS_DATABASE = "azora-redis", "rec", "analytics"
REDIS_KEYS = f"{REDIS_CLUSTER}-backups"


def test_every_redis_database_is_backed_up_by_the_clock(custom: kubernetes.client.CustomObjectsApi) -> None:
    def all_made() -> bool:
        databases = ("app.redislabs.com", "v1alpha1", REDIS_NAMESPACE, "redisenterprisedatabases")
        found = [
            one["status"].get("backupInfo") or {} for one in custom.list_namespaced_custom_object(*databases)["items"]
        ]
        return bool(found) and all(one.get("backupStatus") == "succeeded" and one["lastBackupTime"] for one in found)

    wait_for("backups of all Redis databases", PATIENCE, all_made)


@pytest.fixture
def redis(core: kubernetes.client.CoreV1Api) -> Callable[..., str]:
    """One command in the database, through its Service; what was printed."""
    secret = core.read_namespaced_secret(f"redb-{REDIS_DATABASE}", REDIS_NAMESPACE).data
    password, port = (base64.b64decode(secret[key]).decode() for key in ("password", "port"))
    client = ["redis-cli", "-h", f"{REDIS_DATABASE}.{REDIS_NAMESPACE}", "-p", port]

    def run(*words: str) -> str:
        answer: str = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            f"{REDIS_CLUSTER}-0",
            REDIS_NAMESPACE,
            command=["env", f"REDISCLI_AUTH={password}", *client, *words],
            container="redis-enterprise-node",
            stderr=True,
            stdout=True,
        )
        return answer.strip()

    return run


def test_a_redis_database_comes_back_as_it_was_backed_up(
    play: Play, redis: Callable[..., str], lab: dict[str, Any]
) -> None:
    folder = pathlib.Path(lab["kubeconfig"]).parent / "outside/object-store/buckets/azora-backups" / REDIS_CLUSTER
    assert redis("FT.CREATE", "drill", "SCHEMA", "word", "TEXT") == "OK"
    assert redis("FT.ADD", "drill", "drill:kept", "1.0", "FIELDS", "word", "hello") == "OK"
    made = play("playbooks/backup.yml", backup_stores=["redis"])
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(
        rf"{REDIS_DATABASE}: as of 20[0-9-]+T[0-9:]+Z, in s3://azora-backups/{REDIS_CLUSTER}/{REDIS_DATABASE}\.",
        " ".join(made.stdout.split()),
    ), made.stdout
    newest = max((folder / REDIS_DATABASE).iterdir(), key=lambda file: file.stat().st_mtime)

    assert redis("FLUSHALL") == "OK"
    assert redis("SET", "drill:late", "yes") == "OK"
    given = {"restore_store": "redis", "restore_database": REDIS_DATABASE, "restore_files": [newest.name]}
    refused = play("playbooks/restore.yml", **given)
    assert refused.returncode != 0
    assert "keys, and an import would replace them" in " ".join(refused.stdout.split()), refused.stdout
    assert redis("GET", "drill:late") == "yes"

    restored = play("playbooks/restore.yml", **given, restore_overwrite=REDIS_DATABASE)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert redis("HGET", "drill:kept", "word") == "hello"
    assert redis("EXISTS", "drill:late") == "0"
    # The search index came back, too.
    assert redis("FT.SEARCH", "drill", "hello", "NOCONTENT").splitlines() == ["1", "drill:kept"]
    assert redis("FT.DROP", "drill") == "OK"


@pytest.fixture
def wrong_redis_key(api: kubernetes.client.ApiClient) -> Iterator[None]:
    secrets = kubernetes.dynamic.DynamicClient(api).resources.get(api_version="v1", kind="Secret")
    there = secrets.get(REDIS_KEYS, REDIS_NAMESPACE).to_dict()
    metadata = {"name": REDIS_KEYS, "namespace": REDIS_NAMESPACE, "labels": there["metadata"]["labels"]}
    right = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": there["type"], "data": there["data"]}

    def write(secret: dict[str, Any]) -> None:
        # As the playbooks do, so that they find nothing to change afterwards.
        secrets.server_side_apply(secret, field_manager="azora.platform", force_conflicts=True)

    write({**right, "data": {**right["data"], "AWS_SECRET_ACCESS_KEY": base64.b64encode(b"mistyped").decode()}})
    yield
    write(right)


@pytest.mark.usefixtures("wrong_redis_key")
def test_a_wrong_key_for_redis_is_said(play: Play) -> None:
    made = play("playbooks/backup.yml", backup_stores=["redis"])
    assert made.returncode != 0
    assert re.search(
        rf"The export of {REDIS_NAMESPACE}/[a-z-]+ failed \(no-permission: the object store refuses the keys\)",
        " ".join(made.stdout.split()),
    ), made.stdout
