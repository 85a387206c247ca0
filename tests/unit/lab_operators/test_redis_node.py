# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a lab Redis node: its checks, its configuration files and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis_node.database import Database, RequestError, quoted
from redis_node.metrics import exposition
from redis_node.node import Node, NodeSettings
from redis_node.redis_server import RedisServer
from redis_node.rest_api import RestApi

MB = 1024 * 1024


def request(**changes: Any) -> dict[str, Any]:
    return {"name": "session", "memory_size": 100 * MB, "port": 12000, **changes}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose processes are never started."""
    for method in ("start", "stop", "remove"):
        monkeypatch.setattr(RedisServer, method, lambda self: None)
    monkeypatch.setattr(RedisServer, "change", lambda self, database: setattr(self, "database", database))
    monkeypatch.setattr(RedisServer, "answers", lambda self: True)
    settings = NodeSettings(
        cluster_name="rec.redis.svc.cluster.local",
        data=tmp_path,
        runtime=tmp_path,
        certificates=tmp_path,
        shards_limit=3,
        memory_limit=350 * MB,
        redis_version="7.0.15",
    )
    return Node(settings)


def refused(node: Node, body: dict[str, Any]) -> str:
    with pytest.raises(RequestError) as caught:
        node.create(body)
    return caught.value.code


def test_a_database_is_found_again_after_a_restart(node: Node) -> None:
    node.create(request(authentication_redis_pass="secret", snapshot_policy=[{"secs": 3600, "writes": 1}]))
    again = Node(node.settings)
    assert again.databases() == node.databases()
    assert again.create(request(name="other", port=12001))["uid"] == 2


def test_the_file_with_passwords_is_for_the_node_alone(node: Node, tmp_path: Path) -> None:
    node.create(request(authentication_redis_pass="secret"))
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0


def test_a_uid_is_not_used_twice(node: Node) -> None:
    first = node.create(request())["uid"]
    node.delete(first)
    assert node.create(request())["uid"] == first + 1


def test_a_database_without_a_port_gets_a_free_one(node: Node) -> None:
    node.create(request(port=10000))
    assert node.create({"name": "other", "memory_size": 100 * MB})["port"] == 10001


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"memory_size": 99 * MB}, "invalid_memory_size"),
        ({"port": 80}, "bad_port"),
        ({"eviction_policy": "any"}, "invalid_eviction_policy"),
        ({"data_persistence": "often"}, "invalid_data_persistence"),
        ({"replication": True}, "not_enough_nodes"),
        ({"module_list": [{"module_name": "ReJSON"}]}, "no_module_found"),
        ({"type": "memcached"}, "invalid_schema"),
        ({"shards_count": 4}, "license_error"),
        ({"memory_size": 400 * MB}, "insufficient_memory"),
    ],
)
def test_what_a_node_cannot_do_is_refused(node: Node, changes: dict[str, Any], code: str) -> None:
    assert refused(node, request(**changes)) == code
    assert node.databases() == []


def test_name_and_port_belong_to_one_database(node: Node) -> None:
    node.create(request())
    assert refused(node, request(name="other")) == "port_unavailable"
    assert refused(node, request(port=12001)) == "name_conflict"


def test_the_licence_counts_the_shards_of_all_databases(node: Node) -> None:
    node.create(request(shards_count=2))
    node.create(request(name="other", port=12001))
    assert refused(node, request(name="third", port=12002)) == "license_error"
    assert node.license()["ram_shards_in_use"] == 3


def test_a_change_counts_what_the_others_use_not_itself(node: Node) -> None:
    uid = node.create(request(memory_size=300 * MB))["uid"]
    assert node.update(uid, {"memory_size": 350 * MB})["memory_size"] == 350 * MB


def test_the_port_of_a_database_stays(node: Node) -> None:
    uid = node.create(request())["uid"]
    with pytest.raises(RequestError, match="port"):
        node.update(uid, {"port": 12001})


def test_configuration_follows_the_settings() -> None:
    database = Database.from_request(
        request(
            data_persistence="snapshot",
            snapshot_policy=[{"secs": 3600, "writes": 1}],
            eviction_policy="volatile-ttl",
            authentication_redis_pass="plain1",
            module_list=[{"module_name": "search"}],
        ),
        uid=1,
    )
    lines = database.configuration(Path("/data"), Path("/tmp/s"), Path("/certificates")).splitlines()
    assert {
        "port 12000",
        "databases 1",
        "maxmemory 104857600",
        "maxmemory-policy volatile-ttl",
        "requirepass plain1",
        "save 3600 1",
        "appendonly no",
        "loadmodule /usr/lib/redis/modules/redisearch.so",
    } <= set(lines)


def test_a_database_with_tls_has_no_plain_port() -> None:
    lines = (
        Database.from_request(request(tls_mode="enabled"), uid=1)
        .configuration(Path("/data"), Path("/tmp/s"), Path("/certificates"))
        .splitlines()
    )
    assert "port 0" in lines
    assert "tls-port 12000" in lines


def test_no_persistence_means_no_snapshot() -> None:
    lines = Database.from_request(request(), uid=1).configuration(Path("/d"), Path("/s"), Path("/c")).splitlines()
    assert 'save ""' in lines
    assert 'requirepass ""' in lines


def test_a_password_cannot_write_configuration() -> None:
    database = Database.from_request(request(authentication_redis_pass='x"\nport 1'), uid=1)
    text = database.configuration(Path("/d"), Path("/s"), Path("/c"))
    assert "port 1\n" not in text
    assert f"requirepass {quoted(database.authentication_redis_pass)}" in text


def test_only_what_needs_it_starts_a_new_process() -> None:
    old = Database.from_request(request(), uid=1)
    assert Database.from_request({"memory_size": 200 * MB}, old).start_settings() == old.start_settings()
    assert Database.from_request({"tls_mode": "enabled"}, old).start_settings() != old.start_settings()


def test_figures_carry_the_database_they_belong_to() -> None:
    database = Database.from_request(request(), uid=7)
    text = exposition("rec", [(database, {"used_memory": "1000", "db0": "keys=3,expires=1,avg_ttl=0"})])
    labels = '{cluster="rec",node="1",db="7",bdb="7",uid="7",db_name="session"}'
    assert f"redis_server_used_memory{labels} 1000" in text.splitlines()
    assert f"redis_server_keys{labels} 3" in text.splitlines()
    assert f"redis_server_up{labels} 1" in text.splitlines()


def test_a_database_that_does_not_answer_is_down_and_has_no_figures() -> None:
    text = exposition("rec", [(Database.from_request(request(), uid=7), {})])
    assert 'db_name="session"} 0' in text
    assert "used_memory" not in text


def test_paths_and_methods(node: Node) -> None:
    api = RestApi(node, lambda: ("user", "password"))
    uid = api.answer("POST", "/v1/bdbs", request())["uid"]
    assert api.answer("GET", f"/v1/bdbs/{uid}", {})["name"] == "session"
    assert api.answer("PUT", f"/v1/bdbs/{uid}", {"eviction_policy": "noeviction"})["eviction_policy"] == "noeviction"
    assert api.answer("DELETE", f"/v1/bdbs/{uid}", {}) == {}
    for method, path in (("GET", f"/v1/bdbs/{uid}"), ("DELETE", "/v1/cluster"), ("GET", "/v1/unknown")):
        with pytest.raises(RequestError) as caught:
            api.answer(method, path, {})
        assert caught.value.status == 404
