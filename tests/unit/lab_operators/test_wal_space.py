# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance whose volume has no room for one more file of the log ends with a code, and its Cluster is left alone until there is room."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cloudnative_pg_resources_double import NAMESPACE, cluster, ready_pod
from kubernetes_double import KubernetesDouble
from lab_operators.cloudnative_pg_cluster import ClusterReconciler
from lab_operators.cloudnative_pg_instance import CredentialStore
from lab_operators.cloudnative_pg_status import lacks_room
from postgres_instance import __main__ as program
from postgres_instance import server as server_module
from postgres_instance import wal_space
from postgres_instance.configuration import InstanceConfiguration, Places
from postgres_instance.patroni_settings import Member
from postgres_instance.server import PostgresServer
from postgres_instance.wal_space import NoRoomError, check_room, has_room, is_down, segment_size

MEMBER = Member("pg-1", "data", "10.0.0.7")
CONFIGURATION = '{"cluster": "pg"}'
SEGMENT = 1 << 20
CONTROL_DATA = f"""#!/bin/sh
echo "pg_control version number:            1800"
echo "Bytes per WAL segment:                {SEGMENT}"
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A data directory, and the program that reads its control file."""
    log = tmp_path / "wal" / "pg_wal"
    log.mkdir(parents=True)
    control = tmp_path / "pgdata" / "global" / "pg_control"
    control.parent.mkdir(parents=True)
    control.touch()
    (tmp_path / "pgdata" / "pg_wal").symlink_to(log)
    tool = tmp_path / "bin" / "pg_controldata"
    tool.parent.mkdir()
    tool.write_text(CONTROL_DATA, encoding="utf-8")
    tool.chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "instance.json").write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return Places(
        data=tmp_path / "pgdata",
        wal_volume=tmp_path / "wal",
        sockets=tmp_path / "run",
        configuration=tmp_path / "instance.json",
        termination_message=tmp_path / "termination",
        object_stores=tmp_path / "object-stores.json",
        patroni=tmp_path / "patroni.yml",
    )


def fails_with(number: int) -> Any:
    def posix_fallocate(_file: int, _offset: int, _size: int) -> None:
        raise OSError(number, os.strerror(number))

    return posix_fallocate


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_space.os, "posix_fallocate", fails_with(errno.ENOSPC))


def left(places: Places) -> list[str]:
    return [entry.name for entry in (places.wal_volume / "pg_wal").iterdir()]


def test_room_is_found_by_taking_it_and_given_back(places: Places) -> None:
    assert segment_size(places) == SEGMENT
    check_room(places)
    assert left(places) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_volume_is_said_with_its_place(places: Places, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(wal_space.os, "posix_fallocate", fails_with(number))
    with pytest.raises(NoRoomError, match=r"/wal/pg_wal has no room for one more file of 1 MB"):
        check_room(places)
    assert left(places) == []


def test_other_errors_are_not_taken_for_a_full_volume(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_space.os, "posix_fallocate", fails_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        has_room(places.wal_volume / "pg_wal", SEGMENT)
    check_room(places)


@pytest.mark.usefixtures("full")
def test_a_standby_that_still_copies_has_no_log_yet(places: Places) -> None:
    (places.data / "global" / "pg_control").unlink()
    check_room(places)


def test_nobody_answers_where_no_server_is(places: Places) -> None:
    assert is_down(places)


@pytest.fixture
def server(places: Places) -> PostgresServer:
    return PostgresServer(InstanceConfiguration.parse(CONFIGURATION), places, MEMBER)


@pytest.mark.usefixtures("full")
def test_a_full_volume_keeps_the_server_from_starting_and_ends_with_the_vendors_code(
    places: Places, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "serve", lambda: pytest.fail("it was started"))
    monkeypatch.setattr(program, "Places", lambda: places)
    monkeypatch.setattr(program, "PostgresServer", lambda *_: server)
    monkeypatch.setattr(program.Member, "of_environment", lambda _environment: MEMBER)
    for name in ("start_status_endpoint", "start_metrics_endpoint"):
        monkeypatch.setattr(program, name, lambda *_: None)
    assert program.main() == 4
    assert "no free disk space for WALs" in places.termination_message.read_text(encoding="utf-8")


@pytest.mark.parametrize(("down", "ends"), [(True, True), (False, False)], ids=["no server", "a server that runs"])
@pytest.mark.usefixtures("full")
def test_patroni_is_ended_only_when_its_server_is_down(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, down: bool, ends: bool
) -> None:
    script = f"import time\nprint('a turn', flush=True)\ntime.sleep(30 if {ends} else 0)"
    begin = subprocess.Popen

    def popen(command: list[str], **more: Any) -> Any:
        return begin([sys.executable, "-c", script] if command[0] == "patroni" else command, **more)

    monkeypatch.setattr(server_module.subprocess, "Popen", popen)
    monkeypatch.setattr(server_module, "is_down", lambda _places: down)
    code = server.serve()
    assert (code == -15) is ends


def ended(code: int, *, ready: bool = False, field: str = "state") -> dict[str, Any]:
    return {"name": "postgres", "ready": ready, field: {"terminated": {"exitCode": code}}}


@pytest.mark.parametrize(
    ("container", "lacks"),
    [
        (ended(4), True),
        (ended(1), False),
        (ended(4, field="lastState"), True),
        (ended(4, field="lastState", ready=True), False),
        ({"name": "postgres", "ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}, False),
    ],
    ids=["ended so", "ended otherwise", "ended so and not back", "back again", "never ended"],
)
def test_what_the_operator_sees_of_it(container: dict[str, Any], lacks: bool) -> None:
    assert lacks_room({"status": {"containerStatuses": [container]}}) is lacks


def reconcile(api: KubernetesDouble) -> dict[str, Any]:
    ClusterReconciler(api, CredentialStore(), "").reconcile(NAMESPACE, "pg")  # type: ignore[arg-type]
    return dict(api.get("Cluster", "pg")["status"])


def test_a_cluster_with_a_full_volume_is_left_alone_its_claims_included() -> None:
    api = KubernetesDouble(cluster(walStorage={"size": "1Gi"}))
    reconcile(api)
    api.put(ready_pod(api.get("Pod", "pg-1")))
    pod = api.get("Pod", "pg-1")
    pod["status"] = {"phase": "Running", "conditions": [], "containerStatuses": [ended(4, field="lastState")]}
    api.put(cluster(walStorage={"size": "2Gi"}, status=api.get("Cluster", "pg")["status"]))
    status = reconcile(api)
    assert status["phase"] == "Not enough disk space"
    assert status["instancesStatus"]["failed"] == ["pg-1"]
    assert api.get("PersistentVolumeClaim", "pg-1-wal")["spec"]["resources"]["requests"]["storage"] == "1Gi"
    # Whoever enlarges the volume has the instance start again, and the operator goes on.
    pod["status"]["containerStatuses"][0]["ready"] = True
    assert reconcile(api)["phase"] != "Not enough disk space"
    assert api.get("PersistentVolumeClaim", "pg-1-wal")["spec"]["resources"]["requests"]["storage"] == "2Gi"
