# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three lab Redis nodes as processes with loopback addresses of their own: real redis-server, Sentinel and HAProxy."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_operators.certificates import new_authority, new_server_certificate
from redis_node import proxy, sentinel
from redis_node.database import Database
from redis_node.members import Members
from redis_node.resp import RedisConnection, RedisError

AGENT = Path(__file__).parents[3] / "roles" / "lab_images" / "files" / "redis"
ENVIRONMENT_PATH = f"{os.environ['PATH']}:/usr/sbin"
MISSING = [name for name in ("redis-server", "haproxy") if not shutil.which(name, path=ENVIRONMENT_PATH)]
PASSWORD = "a password"
MB = 1024 * 1024

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def eventually(check: Callable[[], Any], seconds: float) -> Any:
    """Ask until the answer is true; fail with the last one."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.05)
    return answer


class Cluster:
    """The nodes, each with a folder and an address."""

    def __init__(self, folder: Path, count: int = 3) -> None:
        # Other runs on this machine have other addresses.
        net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        self.hosts = [f"{net}.{11 + number}" for number in range(count)]
        self.folder = folder
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        certificates, credentials = folder / "certificates", folder / "credentials"
        for directory in (certificates, credentials):
            directory.mkdir()
        authority = new_authority("test", "test")
        pair = new_server_certificate(authority, self.hosts[0], self.hosts)
        for name, content in (("ca.crt", authority.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
            (certificates / name).write_text(content)
        (credentials / "username").write_text("user")
        (credentials / "password").write_text("password")
        self.context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))

    def start(self, number: int) -> None:
        data, runtime = self.folder / f"data-{number}", self.folder / f"run-{number}"
        shutil.rmtree(runtime, ignore_errors=True)
        for directory in (data, runtime):
            directory.mkdir(exist_ok=True)
        environment = {
            "PATH": ENVIRONMENT_PATH,
            "PYTHONPATH": str(AGENT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CLUSTER_NAME": "rec",
            "POD_NAME": f"rec-{number}",
            "NODE_HOSTS": ",".join(self.hosts),
            "LISTEN_ADDRESS": self.hosts[number],
            "DATA_DIR": str(data),
            "RUNTIME_DIR": str(runtime),
            "CREDENTIALS_DIR": str(self.folder / "credentials"),
            "CERTIFICATES_DIR": str(self.folder / "certificates"),
            "SHARDS_LIMIT": "16",
        }
        with (self.folder / f"log-{number}").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                [sys.executable, "-m", "redis_node"],
                env=environment,
                stdout=log,
                stderr=log,
                # The agent and all its children are one group, which ends together as a pod does.
                start_new_session=True,
            )

    def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def end(self, number: int) -> None:
        process = self.processes[number]
        process.terminate()
        try:
            process.wait(40)
        finally:
            self.kill(number)

    def ask(self, method: str, path: str, body: Any = None, number: int = 0) -> tuple[int, Any]:
        token = base64.b64encode(b"user:password").decode()
        connection = http.client.HTTPSConnection(self.hosts[number], 9443, timeout=10, context=self.context)
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Basic {token}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def ready(self, number: int) -> bool:
        return self.ask("GET", "/ready", number=number)[0] == 200

    def create(self, **settings: Any) -> dict[str, Any]:
        body = {
            "name": "session",
            "memory_size": 200 * MB,
            "port": 12000,
            "authentication_redis_pass": PASSWORD,
            "replication": True,
            **settings,
        }
        status, answer = self.ask("POST", "/v1/bdbs", body)
        assert status == 200, answer
        eventually(lambda: self.ask("GET", f"/v1/bdbs/{answer['uid']}")[1]["status"] == "active", 20)
        return dict(answer)

    def command(self, number: int, *words: str, port: int = 12000, tls: ssl.SSLContext | None = None) -> Any:
        """One command; None when it was not answered."""
        try:
            with RedisConnection((self.hosts[number], port), PASSWORD, 1, tls) as redis:
                return redis.command(*words)
        except (OSError, RedisError):
            return None

    def replication(self, number: int, port: int = 22000) -> dict[str, str]:
        text = self.command(number, "INFO", "replication", port=port) or ""
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def in_sync(self, primary: int, replica: int) -> bool:
        has = self.replication(replica)
        return (
            self.replication(primary).get("connected_slaves") == "1"
            and has.get("role") == "slave"
            and has.get("master_link_status") == "up"
            and has.get("master_host") == self.hosts[primary]
        )

    def sentinel_says(self, number: int) -> str | None:
        """The primary of database 1, as the Sentinel there knows it."""
        password = json.loads((self.folder / "data-0" / "cluster.json").read_text())["sentinel_password"]
        with contextlib.suppress(OSError, RedisError), RedisConnection((self.hosts[number], 26379), password) as redis:
            address = redis.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "bdb-1")
            return str(address[0]) if isinstance(address, list) else None
        return None

    def watched(self, number: int) -> bool:
        """Whether the Sentinel there knows the replica and the other two Sentinels."""
        file = self.folder / f"data-{number}" / "sentinel" / "sentinel.conf"
        text = file.read_text() if file.exists() else ""
        return text.count("sentinel known-sentinel ") == 2 and text.count("sentinel known-replica ") == 1


def test_haproxy_and_sentinel_start_before_the_names_of_the_other_nodes_are_known(tmp_path: Path) -> None:
    members = Members(1, tuple(f"rec-{number}.rec.invalid" for number in range(3)), "127.0.0.1")
    body = {"name": "session", "memory_size": 200 * MB, "port": 12000, "replication": True, "tls_mode": "enabled"}
    database = Database.from_request({**body, "authentication_redis_pass": PASSWORD}, uid=1, nodes=3)
    file = tmp_path / "haproxy.cfg"
    file.write_text(proxy.configuration(members, [database]))
    checked = subprocess.run(
        ["haproxy", "-c", "-f", str(file)],
        env={"PATH": ENVIRONMENT_PATH},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert checked.returncode == 0, checked.stderr

    file = tmp_path / "sentinel.conf"
    previous = "sentinel monitor bdb-1 rec-2.rec.invalid 22000 2\n"
    text = sentinel.configuration(members, tmp_path, "secret", [database], previous)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file.write_text(text.replace(f"port {sentinel.PORT}\n", f"port {port}\n", 1))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["redis-server", str(file), "--sentinel"], stdout=log)
    try:

        def known() -> object:
            with contextlib.suppress(OSError), RedisConnection(("127.0.0.1", port), "secret") as redis:
                return redis.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "bdb-1")
            return None

        assert eventually(known, 10) == ["rec-2.rec.invalid", "22000"], (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    try:
        for number in range(3):
            cluster.start(number)
        eventually(lambda: all(cluster.ready(number) for number in range(3)), 30)
        yield cluster
    finally:
        for number in list(cluster.processes):
            cluster.kill(number)


def write(nodes: Cluster, number: int, rows: range) -> None:
    with RedisConnection((nodes.hosts[number], 12000), PASSWORD) as redis:
        for row in rows:
            assert redis.command("SET", f"row-{row}", str(row)) == "OK"
        assert redis.command("WAIT", "1", "5000") == 1


def all_rows(nodes: Cluster, number: int, rows: range) -> bool:
    """Whether all are there; right after a change of primary a proxy may still close a connection."""
    found = eventually(lambda: nodes.command(number, "MGET", *(f"row-{row}" for row in rows)), 5)
    return bool(found == [str(row) for row in rows])


def test_a_killed_primary_is_replaced_and_comes_back_as_replica(
    nodes: Cluster, record_property: Callable[[str, object], None]
) -> None:
    # Database 1 is at nodes 1 and 2; node 0 has no copy, and its proxy serves clients all the same.
    nodes.create(data_persistence="snapshot", snapshot_policy=[{"secs": 3600, "writes": 1}])
    eventually(lambda: nodes.in_sync(1, 2) and all(nodes.watched(number) for number in range(3)), 30)
    write(nodes, 0, range(500))
    for number in range(3):
        assert all_rows(nodes, number, range(500))

    nodes.kill(1)
    killed = time.monotonic()
    eventually(lambda: nodes.command(0, "SET", "row-500", "500") == "OK", 30)
    record_property("outage_seconds", round(time.monotonic() - killed, 1))
    assert all_rows(nodes, 0, range(501))
    eventually(lambda: nodes.command(2, "GET", "row-500") == "500", 10)
    assert [node["status"] for node in nodes.ask("GET", "/v1/nodes")[1]][0::2] == ["active", "active"]

    nodes.start(1)
    eventually(lambda: nodes.in_sync(2, 1), 30)
    eventually(lambda: nodes.ready(1) and nodes.sentinel_says(1) == nodes.hosts[2], 20)
    assert nodes.command(1, "GET", "row-500", port=22000) == "500"

    # A process that dies has lost what no snapshot holds; its replica has it and takes over, although the node starts it again.
    pid = int(nodes.command(2, "INFO", "server", port=22000).split("process_id:")[1].split()[0])
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: nodes.in_sync(1, 2), 30)
    assert all_rows(nodes, 0, range(501))


def test_a_node_that_ends_orderly_hands_its_databases_over_and_the_first_node_may_be_away(nodes: Cluster) -> None:
    nodes.create()
    eventually(lambda: nodes.in_sync(1, 2) and all(nodes.watched(number) for number in range(3)), 30)
    write(nodes, 0, range(100))
    nodes.end(1)
    assert nodes.replication(2).get("role") == "master"
    eventually(lambda: nodes.command(0, "SET", "row-100", "100") == "OK", 10)
    assert all_rows(nodes, 0, range(101))
    nodes.start(1)
    eventually(lambda: nodes.in_sync(2, 1), 30)

    nodes.kill(0)
    assert nodes.command(2, "SET", "row-101", "101") == "OK"
    status, answer = nodes.ask("GET", "/v1/bdbs", number=2)
    assert status == 503
    assert nodes.hosts[0] in answer["description"]
    # A node that starts while the first one is away has its databases from its own volume.
    nodes.kill(1)
    nodes.start(1)
    eventually(lambda: nodes.ready(1), 20)
    eventually(lambda: nodes.command(1, "GET", "row-101") == "101", 5)


def test_databases_change_and_go_on_every_node(nodes: Cluster) -> None:
    uid = nodes.create(tls_mode="enabled")["uid"]
    nodes.create(name="plain", port=12001, replication=False)
    for number in range(3):
        eventually(lambda number=number: nodes.command(number, "PING", tls=nodes.context) == "PONG", 10)
        eventually(lambda number=number: nodes.command(number, "PING", port=12001) == "PONG", 10)
        assert nodes.command(number, "PING") is None
    assert nodes.ask("GET", "/v1/license")[1]["ram_shards_in_use"] == 3
    assert [node["shard_count"] for node in nodes.ask("GET", "/v1/nodes")[1]] == [1, 1, 1]

    # Without a replica the primary's data stays.
    eventually(lambda: nodes.command(0, "SET", "kept", "yes", tls=nodes.context) == "OK", 5)
    assert nodes.ask("PUT", f"/v1/bdbs/{uid}", {"replication": False})[0] == 200
    eventually(lambda: not (nodes.folder / "data-2" / f"bdb-{uid}").exists(), 10)
    eventually(lambda: nodes.command(2, "GET", "kept", tls=nodes.context) == "yes", 10)
    assert nodes.ask("DELETE", f"/v1/bdbs/{uid}")[0] == 200
    eventually(lambda: nodes.command(1, "PING", tls=nodes.context) is None, 10)
    assert nodes.command(2, "PING", port=12001) == "PONG"


def test_the_only_node_serves_its_databases_itself_and_has_them_again(tmp_path: Path) -> None:
    node = Cluster(tmp_path, count=1)
    try:
        node.start(0)
        eventually(lambda: node.ready(0), 20)
        node.create(replication=False, data_persistence="snapshot", snapshot_policy=[{"secs": 3600, "writes": 1}])
        assert node.command(0, "SET", "kept", "yes") == "OK"
        status, answer = node.ask("POST", "/v1/bdbs", {"name": "two", "memory_size": 100 * MB, "replication": True})
        assert (status, answer["error_code"]) == (406, "not_enough_nodes")
        assert not (tmp_path / "run-0" / "haproxy.cfg").exists()
        node.end(0)
        node.start(0)
        eventually(lambda: node.ready(0), 20)
        assert node.command(0, "GET", "kept") == "yes"
    finally:
        for number in list(node.processes):
            node.kill(number)
