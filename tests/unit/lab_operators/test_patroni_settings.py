# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni is told about a cluster and about this member of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from postgres_instance.configuration import InstanceConfiguration, Places
from postgres_instance.patroni_settings import Member, cluster_state, patroni_settings

MEMBER = Member("pg-2", "data", "10.1.2.3")


def configuration(**document: Any) -> InstanceConfiguration:
    parameters = {"max_connections": "200", "work_mem": "8MB", "wal_level": "logical"}
    return InstanceConfiguration.parse(json.dumps({"cluster": "pg", "parameters": parameters, **document}))


def test_a_pod_is_a_member_of_its_cluster_under_its_own_name() -> None:
    environment = {"POD_NAME": "pg-2", "NAMESPACE": "data", "POD_IP": "10.1.2.3", "OTHER": ""}
    assert Member.of_environment(environment) == MEMBER
    settings = patroni_settings(configuration(), Places(), MEMBER)
    assert (settings["scope"], settings["name"]) == ("pg", "pg-2")
    assert settings["kubernetes"]["namespace"] == "data"
    assert settings["postgresql"]["connect_address"] == "10.1.2.3:5432"


def test_the_services_select_by_the_labels_that_patroni_sets() -> None:
    kubernetes = patroni_settings(configuration(), Places(), MEMBER)["kubernetes"]
    assert kubernetes["scope_label"] == "cnpg.io/cluster"
    assert kubernetes["role_label"] == "cnpg.io/instanceRole"
    assert (kubernetes["leader_label_value"], kubernetes["follower_label_value"]) == ("primary", "replica")


def with_data(folder: Path) -> Places:
    (folder / "PG_VERSION").touch()
    return Places(data=folder)


def test_parameters_that_must_agree_stand_in_the_clusters_state_and_nowhere_else(tmp_path: Path) -> None:
    settings = patroni_settings(configuration(), with_data(tmp_path), MEMBER)
    shared = settings["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert shared == {"max_connections": "200", "wal_level": "logical"}
    own = settings["postgresql"]["parameters"]
    assert own["work_mem"] == "8MB"
    assert own["ssl"] == "on"
    assert not {"max_connections", "wal_level", "port", "listen_addresses"} & set(own)


@pytest.mark.parametrize("strict", [True, False])
def test_how_many_standbys_a_commit_stands_on(strict: bool) -> None:
    state = cluster_state(configuration(synchronous={"number": 1, "strict": strict}))
    assert state["synchronous_mode"] == "quorum"
    assert state["synchronous_node_count"] == 1
    assert state["synchronous_mode_strict"] is strict
    assert cluster_state(configuration())["synchronous_mode"] is False


def test_a_member_without_data_never_makes_first_data(tmp_path: Path) -> None:
    assert "bootstrap" not in patroni_settings(configuration(), Places(data=tmp_path), MEMBER)
    assert list(patroni_settings(configuration(), with_data(tmp_path), MEMBER)["bootstrap"]) == ["dcs"]


def test_the_lock_outlives_a_failed_attempt() -> None:
    state = cluster_state(configuration())
    assert state["loop_wait"] + 2 * state["retry_timeout"] <= state["ttl"]


def test_the_write_ahead_log_of_a_standby_has_its_own_volume_too(tmp_path: Path) -> None:
    def base_backup(places: Places) -> list[Any]:
        settings: dict[str, Any] = patroni_settings(configuration(), places, MEMBER)
        options: list[Any] = settings["postgresql"]["basebackup"]
        return options

    assert base_backup(Places(wal_volume=tmp_path / "absent")) == [{"checkpoint": "fast"}]
    assert base_backup(Places(wal_volume=tmp_path)) == [{"checkpoint": "fast"}, {"waldir": f"{tmp_path}/pg_wal"}]


def test_members_check_each_others_certificates() -> None:
    asking = patroni_settings(configuration(), Places(), MEMBER)["ctl"]
    assert {name: value.rsplit("/", 1)[1] for name, value in asking.items() if name != "insecure"} == {
        "cacert": "ca.crt",
        "certfile": "replication.crt",
        "keyfile": "replication.key",
    }


def test_no_password_is_written_down() -> None:
    assert "password" not in json.dumps(patroni_settings(configuration(), Places(), MEMBER))
