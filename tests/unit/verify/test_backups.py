# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that should be backed up passes only while it can be recovered; each way in which it cannot is one sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._backup_truth import (
    archive_of,
    backup_untruths,
    recovery_window,
)
from ansible_collections.azora.platform.plugins.module_utils._report_html import html_report
from ansible_collections.azora.platform.plugins.module_utils._report_junit import junit_report
from ansible_collections.azora.platform.plugins.module_utils._report_sarif import sarif_report
from ansible_collections.azora.platform.plugins.module_utils._verification_backups import Backups
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import Untruth
from ansible_collections.azora.platform.plugins.modules import verify

from .azora_results import OCCASION, World, verified
from .conftest import FakeKubernetes

NAME = "data/pg"
SINCE, LAST = "2026-05-01T00:00:04Z", "2026-05-02T00:00:03Z"
CLUSTER = {
    "metadata": {"name": "pg", "namespace": "data"},
    "spec": {
        "plugins": [
            {
                "name": "barman-cloud.cloudnative-pg.io",
                "isWALArchiver": True,
                "parameters": {"barmanObjectName": "pg-backups", "serverName": "pg"},
            }
        ]
    },
    "status": {"conditions": [{"type": "ContinuousArchiving", "status": "True"}]},
}
STORE = {
    "metadata": {"name": "pg-backups", "namespace": "data"},
    "status": {
        "serverRecoveryWindow": {
            "pg": {"firstRecoverabilityPoint": SINCE, "lastSuccessfulBackupTime": LAST},
            "other": {"lastFailedBackupTime": "2026-06-01T00:00:00Z"},
        }
    },
}
CLUSTER_PATH = "/apis/postgresql.cnpg.io/v1/namespaces/data/clusters/pg"
STORE_PATH = "/apis/barmancloud.cnpg.io/v1/namespaces/data/objectstores/pg-backups"


def changed(thing: Any, change: Callable[[Any], Any]) -> Any:
    copied = copy.deepcopy(thing)
    change(copied)
    return copied


def window(**given: str) -> dict[str, Any]:
    return {**STORE, "status": {"serverRecoveryWindow": {"pg": given}}}


def condition(kind: str, status: str, message: str = "") -> Callable[[Any], Any]:
    def change(cluster: Any) -> None:
        others = [one for one in cluster["status"]["conditions"] if one["type"] != kind]
        cluster["status"]["conditions"] = [*others, {"type": kind, "status": status, "message": message}]

    return change


def test_what_works_is_nothing_to_tell_but_its_window() -> None:
    assert backup_untruths(NAME, CLUSTER, STORE) == []
    archive = archive_of(CLUSTER)
    assert archive is not None
    found = recovery_window(archive, STORE)
    assert (found.since, found.last_backup) == (SINCE, LAST)
    assert found.sentence == f"can be recovered to any moment since {SINCE}; its last backup ended at {LAST}"


def test_a_cluster_archives_under_its_own_name_unless_another_is_given() -> None:
    archive = archive_of(changed(CLUSTER, lambda one: one["spec"]["plugins"][0]["parameters"].pop("serverName")))
    assert archive is not None
    assert archive.server_name == "pg"
    archive = archive_of(changed(CLUSTER, lambda one: one["spec"]["plugins"][0]["parameters"].update(serverName="x")))
    assert archive is not None
    assert recovery_window(archive, STORE).since is None


@pytest.mark.parametrize(
    ("cluster", "store", "certain", "words"),
    [
        (None, None, True, "the Cluster data/pg is not there"),
        (changed(CLUSTER, lambda one: one["spec"].pop("plugins")), STORE, True, "names no plugin that archives"),
        (changed(CLUSTER, lambda one: one["spec"]["plugins"][0].update(enabled=False)), STORE, True, "names no plugin"),
        (
            changed(CLUSTER, condition("ContinuousArchiving", "False", "SignatureDoesNotMatch")),
            STORE,
            True,
            "does not arrive in the object store: SignatureDoesNotMatch",
        ),
        (
            changed(CLUSTER, lambda one: one["status"].update(phase="Not enough disk space")),
            STORE,
            True,
            "data/pg has stopped an instance: no room for one more file of the write-ahead log in one of its claims",
        ),
        (changed(CLUSTER, lambda one: one.pop("status")), STORE, True, "no file of it has arrived yet"),
        (CLUSTER, None, True, "archives to the ObjectStore pg-backups, which is not there"),
        (CLUSTER, window(), False, "no backup of it is complete"),
        (CLUSTER, window(lastFailedBackupTime=LAST), True, f"the last backup of data/pg failed at {LAST}"),
        (
            changed(CLUSTER, condition("LastBackupSucceeded", "False", "no space left")),
            window(firstRecoverabilityPoint=SINCE, lastSuccessfulBackupTime=SINCE, lastFailedBackupTime=LAST),
            True,
            f"the last backup of data/pg failed at {LAST}: no space left",
        ),
    ],
)
def test_what_does_not_work_is_told(cluster: Any, store: Any, *, certain: bool, words: str) -> None:
    [untruth] = backup_untruths(NAME, cluster, store)
    assert words in untruth.sentence
    assert untruth.certain is certain


def test_a_failure_before_the_last_success_is_over() -> None:
    times = {"firstRecoverabilityPoint": SINCE, "lastSuccessfulBackupTime": LAST, "lastFailedBackupTime": SINCE}
    assert backup_untruths(NAME, CLUSTER, window(**times)) == []


@pytest.fixture
def looked(kubernetes_api: FakeKubernetes, run: Callable[..., dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """What the module finds of a store that should be backed up, and of nothing else."""
    kubernetes_api.add_pod("data", "pg-1", "127.0.0.1", {"app": "pg"})

    def look() -> dict[str, Any]:
        store = {"name": "pg", "namespace": "data", "kind": "store", "selector": {"app": "pg"}, "backed_up": True}
        options = {"host": kubernetes_api.url, "api_key": "token", "checks": ["backups"], "prober_image": "python:3"}
        return run(verify, **options, workloads=[store])

    return look


def test_the_module_reads_the_window_from_the_api(
    looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes
) -> None:
    kubernetes_api.objects.update({CLUSTER_PATH: CLUSTER, STORE_PATH: STORE})
    result = looked()
    assert result["passed"]
    assert result["complete"]
    assert result["workloads"][0]["recovery"]["since"] == SINCE
    assert any(line.startswith(f"{NAME} can be recovered to any moment since {SINCE}") for line in result["table"])


def test_the_module_fails_while_the_log_does_not_arrive(
    looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes
) -> None:
    refused = changed(CLUSTER, condition("ContinuousArchiving", "False", "SignatureDoesNotMatch"))
    kubernetes_api.objects.update({CLUSTER_PATH: refused, STORE_PATH: STORE})
    result = looked()
    assert result["failed"]
    [mismatch] = result["mismatches"]
    assert (mismatch["check"], mismatch["source"]) == ("backups", NAME)
    assert "SignatureDoesNotMatch" in result["msg"]


def test_who_may_not_look_gets_no_ok(looked: Callable[[], dict[str, Any]], kubernetes_api: FakeKubernetes) -> None:
    kubernetes_api.forbidden_paths.add(STORE_PATH)
    kubernetes_api.objects[CLUSTER_PATH] = CLUSTER
    result = looked()
    assert not result["complete"]
    assert any(f"whether {NAME} can be recovered is not known" in remark for remark in result["remarks"])


def test_every_report_tells_of_it() -> None:
    archive = archive_of(CLUSTER)
    assert archive is not None
    sentence = "the last backup of azora-data/pg failed"
    backups = Backups(
        [("azora-data/pg", Untruth("backups", "a complete backup", "a failed one", sentence))],
        {"azora-data/pg": recovery_window(archive, STORE)},
    )
    result = verified(World(backups=backups), checks=("probes", "backups", "connectivity"))
    assert f"since {SINCE}" in html_report(result, OCCASION)
    junit = junit_report(result, OCCASION)
    assert "azora-data/pg can be recovered" in junit
    assert sentence in junit
    assert "StoresCanBeRecovered" in sarif_report(result, OCCASION)
