# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a lab Redis node: its checks, its configuration files and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis_node.database import Database, RequestError, quoted
from redis_node.first_node import FirstNode
from redis_node.following_node import FollowingNode
from redis_node.members import Members, placement
from redis_node.metrics import exposition
from redis_node.node import Node, NodeSettings
from redis_node.proxy import configuration as proxy_configuration
from redis_node.redis_server import RedisServer
from redis_node.rest_api import RestApi
from redis_node.sentinel import Sentinels
from redis_node.sentinel import configuration as sentinel_configuration

MB = 1024 * 1024
HOSTS = tuple(f"rec-{number}.rec.data.svc.cluster.local" for number in range(3))
SECOND_OF_THREE = Members(1, HOSTS)


def request(**changes: Any) -> dict[str, Any]:
    return {"name": "session", "memory_size": 100 * MB, "port": 12000, **changes}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstNode:
    """The only node of a cluster; its processes are never started."""
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
    return FirstNode(Node(settings))


def refused(node: FirstNode, body: dict[str, Any]) -> str:
    with pytest.raises(RequestError) as caught:
        node.create(body)
    return caught.value.code


def test_a_database_is_found_again_after_a_restart(node: FirstNode) -> None:
    node.create(request(authentication_redis_pass="secret", snapshot_policy=[{"secs": 3600, "writes": 1}]))
    again = FirstNode(Node(node.settings))
    assert again.databases() == node.databases()
    assert again.create(request(name="other", port=12001))["uid"] == 2


def test_the_file_with_passwords_is_for_the_node_alone(node: FirstNode, tmp_path: Path) -> None:
    node.create(request(authentication_redis_pass="secret"))
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0


def test_a_licence_says_how_many_shards_there_may_be_and_until_when(node: FirstNode) -> None:
    assert (node.license()["features"], node.license()["shards_limit"]) == (["trial"], 3)
    for text in ("lab licence: 0 shards until 2099-12-31", "lab licence: 5 shards until 2099-13-31", "anything"):
        with pytest.raises(RequestError) as caught:
            node.set_license({"license": text})
        assert caught.value.code == "invalid_license"
    given = "lab licence: 1 shards until 2099-12-31"
    answer = RestApi(node.node, node, lambda: ("user", "password")).answer("PUT", "/v1/license", {"license": given})
    assert (answer["license"], answer["shards_limit"], answer["expired"]) == (given, 1, False)
    node.create(request())
    assert refused(node, request(name="other", port=12001)) == "license_error"
    again = FirstNode(Node(node.settings))
    assert again.license() == node.license()
    assert again.set_license({"license": "lab licence: 9 shards until 2026-01-31"})["expired"] is True
    assert refused(again, request(name="other", port=12001)) == "license_error"


def test_a_uid_is_not_used_twice(node: FirstNode) -> None:
    first = node.create(request())["uid"]
    node.delete(first)
    assert node.create(request())["uid"] == first + 1


def test_a_database_without_a_port_gets_a_free_one(node: FirstNode) -> None:
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
def test_what_a_node_cannot_do_is_refused(node: FirstNode, changes: dict[str, Any], code: str) -> None:
    assert refused(node, request(**changes)) == code
    assert node.databases() == []


def test_name_and_port_belong_to_one_database(node: FirstNode) -> None:
    node.create(request())
    assert refused(node, request(name="other")) == "port_unavailable"
    assert refused(node, request(port=12001)) == "name_conflict"


def test_the_licence_counts_the_shards_of_all_databases(node: FirstNode) -> None:
    node.create(request(shards_count=2))
    node.create(request(name="other", port=12001))
    assert refused(node, request(name="third", port=12002)) == "license_error"
    assert node.license()["ram_shards_in_use"] == 3


def test_a_change_counts_what_the_others_use_not_itself(node: FirstNode) -> None:
    uid = node.create(request(memory_size=300 * MB))["uid"]
    assert node.update(uid, {"memory_size": 350 * MB})["memory_size"] == 350 * MB


def test_the_port_of_a_database_stays(node: FirstNode) -> None:
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


def test_paths_and_methods(node: FirstNode) -> None:
    api = RestApi(node.node, node, lambda: ("user", "password"))
    uid = api.answer("POST", "/v1/bdbs", request())["uid"]
    assert api.answer("GET", f"/v1/bdbs/{uid}", {})["name"] == "session"
    assert api.answer("PUT", f"/v1/bdbs/{uid}", {"eviction_policy": "noeviction"})["eviction_policy"] == "noeviction"
    assert api.answer("DELETE", f"/v1/bdbs/{uid}", {}) == {}
    for method, path in (("GET", f"/v1/bdbs/{uid}"), ("DELETE", "/v1/cluster"), ("GET", "/v1/unknown")):
        with pytest.raises(RequestError) as caught:
            api.answer(method, path, {})
        assert caught.value.status == 404


@pytest.fixture
def first_of_three(node: FirstNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstNode:
    monkeypatch.setattr(Node, "serves", lambda self, database: True)
    return FirstNode(Node(replace(node.settings, data=tmp_path, shards_limit=6, members=Members(0, HOSTS))))


def placed(first: FirstNode) -> dict[str, list[int]]:
    return {entry["name"]: entry["copies"] for entry in first.configuration(1)["databases"]}


def test_a_node_finds_itself_among_the_others() -> None:
    members = Members.from_environment({"NODE_HOSTS": ",".join(HOSTS), "POD_NAME": "rec-2"})
    assert (members.number, members.host, members.majority) == (2, HOSTS[2], 2)
    assert Members.from_environment({}).several is False
    with pytest.raises(ValueError, match="rec-3"):
        Members.from_environment({"NODE_HOSTS": ",".join(HOSTS), "POD_NAME": "rec-3"})


def test_primaries_spread_over_the_nodes_and_copies_are_apart() -> None:
    places = [placement(uid, 2, 3) for uid in range(1, 7)]
    assert sorted(place[0] for place in places) == [0, 0, 1, 1, 2, 2]
    assert all(len(set(place)) == 2 for place in places)
    assert placement(5, 1, 3) == (0,)


def test_a_replicated_database_is_on_two_nodes_which_share_its_limit(first_of_three: FirstNode) -> None:
    answer = first_of_three.create(request(memory_size=200 * MB, replication=True))
    assert placed(first_of_three) == {"session": (1, 2)}
    assert answer["memory_size"] == 200 * MB
    database = Database.from_file(first_of_three.configuration(1)["databases"][0])
    assert database.settings()["maxmemory"] == str(100 * MB)
    assert first_of_three.license()["ram_shards_in_use"] == 2
    assert [entry["shard_count"] for entry in first_of_three.nodes()] == [0, 1, 1]


def test_replicas_count_for_the_licence(first_of_three: FirstNode) -> None:
    first_of_three.create(request(shards_count=2, replication=True))
    assert (
        refused(first_of_three, request(name="other", port=12001, shards_count=2, replication=True)) == "license_error"
    )


def test_memory_is_each_nodes_own(first_of_three: FirstNode) -> None:
    # 350 MB a node: 250 + 250 on nodes 1 and 2 do not keep node 0 from having its own.
    first_of_three.create(request(memory_size=500 * MB, replication=True))
    first_of_three.create(request(name="single", port=12001, memory_size=350 * MB))
    assert refused(first_of_three, request(name="more", port=12002, memory_size=300 * MB)) == "insufficient_memory"


def test_a_database_stays_where_its_data_is_when_it_gets_a_replica_or_loses_it(
    first_of_three: FirstNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = first_of_three.create(request())["uid"]
    first_of_three.update(uid, {"replication": True})
    first, second = placed(first_of_three)["session"]
    assert first == 0
    assert second in (1, 2)
    monkeypatch.setattr(Sentinels, "primary", lambda self, uid: second)
    first_of_three.update(uid, {"replication": False})
    assert placed(first_of_three)["session"] == (second,)


def test_a_node_that_does_not_ask_is_down(first_of_three: FirstNode) -> None:
    first_of_three.configuration(2)
    assert [entry["status"] for entry in first_of_three.nodes()] == ["active", "down", "active"]


def test_a_database_from_before_there_were_several_nodes_is_on_the_first() -> None:
    stored = Database.from_request(request(), uid=1).to_file()
    del stored["copies"]
    assert Database.from_file(stored).copies == (0,)


def replicated(**changes: Any) -> Database:
    body = request(replication=True, authentication_redis_pass="secret 1", **changes)
    return Database.from_request(body, uid=1, nodes=3)


def test_a_replica_follows_the_primary_under_its_lasting_name() -> None:
    paths = (Path("/data"), Path("/tmp/s"), Path("/certificates"))
    lines = replicated().configuration(*paths, SECOND_OF_THREE, primary=2).splitlines()
    password = quoted("secret 1")
    assert {
        "port 22000",
        f"replicaof {HOSTS[2]} 22000",
        f"replica-announce-ip {HOSTS[1]}",
        "replica-announce-port 22000",
        f"masterauth {password}",
        f"requirepass {password}",
    } <= set(lines)
    assert not [
        line for line in replicated().configuration(*paths, SECOND_OF_THREE).splitlines() if "replicaof" in line
    ]


def test_the_only_node_serves_clients_itself() -> None:
    lines = Database.from_request(request(), uid=1).configuration(Path("/d"), Path("/s"), Path("/c")).splitlines()
    assert "port 12000" in lines
    assert not [line for line in lines if line.startswith("replica")]


def test_the_proxy_asks_both_copies_and_a_password_cannot_write_configuration() -> None:
    tls = Database.from_request(request(name="tls", port=12001, tls_mode="enabled"), uid=2, nodes=3)
    database = replace(replicated(), authentication_redis_pass="x\n    server evil 10.0.0.1:1")
    lines = [line.strip() for line in proxy_configuration(SECOND_OF_THREE, [database, tls]).splitlines()]
    assert {"bind *:12000", "bind *:12001", "tcp-check connect port 22000", "tcp-check connect port 22001"} <= set(
        lines
    )
    servers = [line.split()[1:3] for line in lines if line.startswith("server ")]
    # With TLS clients are passed to the port with TLS; who is primary is asked without.
    assert servers == [
        ["node-1", f"{HOSTS[1]}:22000"],
        ["node-2", f"{HOSTS[2]}:22000"],
        ["node-0", f"{HOSTS[0]}:32001"],
    ]


def test_sentinel_keeps_its_memory_and_nothing_else() -> None:
    previous = (
        "port 1\nsentinel myid abc\nsentinel monitor bdb-1 rec-2 22000 2\nsentinel config-epoch bdb-1 4\n"
        "sentinel sentinel-pass old\nsentinel announce-ip old\nrequirepass old\nsentinel auth-pass bdb-1 secret old\n"
    )
    lines = sentinel_configuration(
        SECOND_OF_THREE, Path("/data/sentinel"), "new", [replicated()], previous
    ).splitlines()
    assert {
        "port 26379",
        "sentinel myid abc",
        "sentinel config-epoch bdb-1 4",
        "sentinel resolve-hostnames yes",
    } <= set(lines)
    assert f"sentinel announce-ip {HOSTS[1]}" in lines
    assert lines[-1] == f"sentinel auth-pass bdb-1 {quoted('secret 1')}"
    assert not [line for line in lines if "old" in line]
    assert lines.index("sentinel resolve-hostnames yes") < lines.index("sentinel monitor bdb-1 rec-2 22000 2")


def test_another_node_says_who_answers_the_api(node: FirstNode) -> None:
    other = Node(replace(node.settings, members=SECOND_OF_THREE))
    with pytest.raises(RequestError, match=HOSTS[0]) as caught:
        RestApi(other, None, lambda: ("user", "password")).answer("GET", "/v1/bdbs", {})
    assert caught.value.status == 503
    # It is not ready before it has heard what to serve.
    assert not other.ready()


def test_a_node_keeps_the_last_answer_on_its_volume(
    first_of_three: FirstNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_of_three.create(request(replication=True, memory_size=200 * MB))
    text = json.dumps(first_of_three.configuration(1))
    settings = replace(first_of_three.settings, data=tmp_path / "1", members=SECOND_OF_THREE)
    settings.data.mkdir()
    monkeypatch.setattr(Node, "start", lambda self: self.stopping.set())
    (settings.data / "databases.json").write_text(text)
    node = Node(settings)
    FollowingNode(node, 9443, lambda: ("user", "password")).start()
    assert [database.name for database, _information in node.metrics_input()] == ["session"]


def test_figures_tell_primary_from_replica() -> None:
    information = {"role": "slave", "connected_slaves": "0", "slave_repl_offset": "42"}
    lines = exposition("rec", [(replicated(), information)], node=3).splitlines()
    labels = '{cluster="rec",node="3",db="1",bdb="1",uid="1",db_name="session"}'
    assert f"redis_server_is_primary{labels} 0" in lines
    assert f"redis_server_slave_repl_offset{labels} 42" in lines
    assert 'node_up{cluster="rec",node="3"} 1' in lines


def test_a_space_in_a_password_is_part_of_it() -> None:
    assert f"requirepass {quoted('secret 1')}" in replicated().configuration(Path("/d"), Path("/s"), Path("/c"))
