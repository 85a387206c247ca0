# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance manager of the PostgreSQL image: its files, its first start, its endpoints."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab_operators.certificates import KeyPair, new_authority, new_client_certificate, new_server_certificate
from lab_operators.cloudnative_pg_definition import configuration_digest, instance_configuration
from postgres_instance import bootstrap as bootstrap_module
from postgres_instance.bootstrap import (
    BootstrapError,
    bootstrap,
    first_roles,
    initdb_command,
    remove_stale_locks,
    remove_unfinished_copy,
)
from postgres_instance.configuration import Initdb, InstanceConfiguration, Places, hba_rules, ident_rules
from postgres_instance.metrics_endpoint import Query, collect, sample_lines
from postgres_instance.patroni_client import PatroniError
from postgres_instance.patroni_settings import Member, patroni_settings
from postgres_instance.server import PostgresServer, StoppingError
from postgres_instance.status_endpoint import start_status_endpoint

MEMBER = Member("pg-1", "data", "10.0.0.7")


def configuration(**document: Any) -> InstanceConfiguration:
    return InstanceConfiguration.parse(json.dumps({"cluster": "pg", **document}))


def places(folder: Path) -> Places:
    return Places(
        data=folder / "pgdata",
        wal_volume=folder / "wal",
        sockets=folder / "run",
        certificates=folder / "certificates",
        configuration=folder / "instance.json",
        termination_message=folder / "termination",
    )


def test_operator_and_instance_speak_of_the_same_configuration() -> None:
    spec = {
        "postgresql": {"parameters": {"work_mem": "8MB"}, "pg_hba": ["host all all all md5"]},
        "bootstrap": {"initdb": {"database": "shop", "walSegmentSize": 32, "postInitTemplateSQL": ["SELECT 1"]}},
    }
    text = instance_configuration("pg", spec)
    parsed = InstanceConfiguration.parse(text)
    assert parsed.digest == configuration_digest(text) == hashlib.sha256(text.encode()).hexdigest()
    assert parsed.parameters["work_mem"] == "8MB"
    assert parsed.initdb == Initdb("shop", "shop", wal_segment_size=32, post_init_template_sql=["SELECT 1"])


def test_the_operators_settings_cannot_be_overruled(tmp_path: Path) -> None:
    wanted = configuration(parameters={"ssl": "off", "port": "1", "work_mem": "8MB"})
    parameters = patroni_settings(wanted, places(tmp_path), MEMBER)["postgresql"]["parameters"]
    assert (parameters["ssl"], parameters["work_mem"]) == ("on", "8MB")
    assert "port" not in parameters


def test_rules_for_logins_in_order() -> None:
    rules = hba_rules(configuration(pg_hba=["host shop all 10.0.0.0/8 trust"]))
    assert rules.index("hostssl all cnpg_operator all cert") < rules.index(
        "host all cnpg_operator,streaming_replica all reject"
    )
    assert rules.index("host all cnpg_operator,streaming_replica all reject") < rules.index(
        "host shop all 10.0.0.0/8 trust"
    )
    assert rules[-1] == "host all all all scram-sha-256"
    assert ident_rules(configuration()) == ["local postgres postgres"]


def test_initdb_command() -> None:
    command = initdb_command(Initdb(wal_segment_size=32, options=["--no-sync"]), Path("/d"), Path("/w"))
    assert command[:2] == ["initdb", "--pgdata=/d"]
    assert {"--data-checksums", "--wal-segsize=32", "--waldir=/w", "--encoding=UTF8", "--locale=C"} <= set(command)
    assert command[-1] == "--no-sync"
    assert "--data-checksums" not in initdb_command(Initdb(data_checksums=False), Path("/d"), None)


def test_owner_is_quoted() -> None:
    assert first_roles('a"b')[-1].as_string() == 'CREATE ROLE "a""b" LOGIN'
    made = [role.as_string() for role in first_roles("postgres") if role.as_string().startswith("CREATE ROLE")]
    assert len(made) == 2


class Commands:
    """Runs nothing; makes what initdb would make."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, command: list[str]) -> None:
        self.seen.append(command[-1] if command[0] == "pg_ctl" else command[0])
        if command[0] == "initdb":
            directory = Path(command[1].split("=", 1)[1])
            directory.mkdir()
            (directory / "PG_VERSION").write_text("17\n", encoding="utf-8")


class Session:
    """A session that remembers statements, and refuses some."""

    def __init__(self, statements: list[tuple[str, str]], database: str) -> None:
        self._statements, self._database = statements, database

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: Any) -> None:
        text = statement.decode() if isinstance(statement, bytes) else statement.as_string()
        if "nope" in text:
            raise psycopg.errors.FeatureNotSupported('extension "nope" is not available\nHINT: Install it.')
        self._statements.append((self._database, text))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(bootstrap_module.psycopg, "connect", lambda **options: Session(seen, options["dbname"]))
    return seen


def test_first_start(tmp_path: Path, statements: list[tuple[str, str]]) -> None:
    initdb = {
        "database": "shop",
        "owner": "o",
        "post_init_sql": ["one"],
        "post_init_template_sql": ["two"],
        "post_init_application_sql": ["three"],
    }
    commands = Commands()
    bootstrap(configuration(initdb=initdb), places(tmp_path), commands)
    assert commands.seen == ["initdb", "start", "stop"]
    assert statements == [
        ("postgres", 'CREATE ROLE "cnpg_operator" LOGIN SUPERUSER'),
        ("postgres", 'CREATE ROLE "streaming_replica" LOGIN REPLICATION'),
        *[
            ("postgres", f'GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO "streaming_replica"')
            for function in bootstrap_module.REWIND_FUNCTIONS
        ],
        ("postgres", 'CREATE ROLE "o" LOGIN'),
        ("template1", "two"),
        ("postgres", "one"),
        ("postgres", 'CREATE DATABASE "shop" OWNER "o"'),
        ("shop", "three"),
    ]
    assert (tmp_path / "pgdata/PG_VERSION").exists()


def test_data_that_are_there_are_left_alone(tmp_path: Path, statements: list[tuple[str, str]]) -> None:
    (tmp_path / "pgdata").mkdir()
    (tmp_path / "pgdata/PG_VERSION").write_text("17\n", encoding="utf-8")
    commands = Commands()
    bootstrap(configuration(), places(tmp_path), commands)
    assert (commands.seen, statements) == ([], [])


def test_a_failed_first_start_leaves_no_data_and_begins_anew(tmp_path: Path, statements: list[tuple[str, str]]) -> None:
    commands = Commands()
    with pytest.raises(BootstrapError, match='extension "nope" is not available; HINT'):
        bootstrap(configuration(initdb={"post_init_application_sql": ["nope"]}), places(tmp_path), commands)
    assert commands.seen[-1] == "stop"
    assert not (tmp_path / "pgdata").exists()
    bootstrap(configuration(), places(tmp_path), commands)
    assert (tmp_path / "pgdata/PG_VERSION").exists()


def test_the_locks_of_a_killed_container_are_removed(tmp_path: Path) -> None:
    where = places(tmp_path)
    left = [where.data / "postmaster.pid", where.sockets / ".s.PGSQL.5432.lock", where.sockets / ".s.PGSQL.5432"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("1\n", encoding="utf-8")
    remove_stale_locks(where)
    remove_stale_locks(where)
    assert not any(path.exists() for path in left)


def test_a_copy_that_was_interrupted_is_removed(tmp_path: Path) -> None:
    (tmp_path / "pgdata/global").mkdir(parents=True)
    (tmp_path / "pgdata/PG_VERSION").write_text("17\n", encoding="utf-8")
    (tmp_path / "pgdata/global/pg_control").touch()
    remove_unfinished_copy(places(tmp_path))
    assert places(tmp_path).has_data
    (tmp_path / "pgdata/global/pg_control").unlink()
    remove_unfinished_copy(places(tmp_path))
    remove_unfinished_copy(places(tmp_path))
    assert not (tmp_path / "pgdata").exists()


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    server = PostgresServer(configuration(), places(tmp_path), MEMBER)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        server.run([sys.executable, "-c", "print('no space left'); raise SystemExit(3)"])
    assert bootstrap_module.failed_command(caught.value).endswith("ended with code 3: no space left")


def test_nothing_is_started_once_the_pod_stops(tmp_path: Path) -> None:
    server = PostgresServer(configuration(), places(tmp_path), MEMBER)
    server.stop()
    with pytest.raises(StoppingError):
        server.run([sys.executable, "-c", "pass"])
    with pytest.raises(StoppingError):
        server.serve()


def test_samples_of_one_metric_stand_together() -> None:
    rows = [{"datname": 'a"b', "size": Decimal(5), "age": 1}, {"datname": "c", "size": 6, "age": None}]
    assert sample_lines(Query("p", "gauge", ""), rows) == [
        "# TYPE p_size gauge",
        'p_size{datname="a\\"b"} 5',
        'p_size{datname="c"} 6',
        "# TYPE p_age gauge",
        'p_age{datname="a\\"b"} 1',
    ]


def test_a_server_that_is_down_is_a_metric(tmp_path: Path) -> None:
    text = collect(PostgresServer(configuration(), places(tmp_path), MEMBER), "pg")
    assert 'cnpg_collector_up{cluster="pg"} 0\n' in text
    assert "cnpg_collector_last_collection_error 1\n" in text


class PatroniDouble:
    """Patroni's REST API: remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.up = True

    def forward(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        if not self.up:
            raise PatroniError("Patroni does not answer")
        self.asked.append((method, path, body))
        return 200, b'{"role": "replica"}'


class ServerDouble:
    """What the status endpoint asks of the server."""

    def __init__(self) -> None:
        self.patroni = PatroniDouble()
        self.up = True
        self.configuration: InstanceConfiguration | None = None

    def alive(self) -> bool:
        return True

    def accepts_connections(self) -> bool:
        return self.up

    def status(self) -> dict[str, Any]:
        return {"ready": self.up, "configuration": self.configuration.digest if self.configuration else ""}

    def reconfigure(self, wanted: InstanceConfiguration) -> None:
        self.configuration = wanted


class Client:
    """Speaks to the endpoint, with a certificate or without."""

    def __init__(self, folder: Path, server: ServerDouble) -> None:
        self._folder = folder
        (folder / "certificates").mkdir()
        authority = new_authority("pg", "data")
        self._write("certificates/ca.crt", authority.certificate)
        self._pair("certificates/tls", new_server_certificate(authority, "pg", ["localhost"]))
        self._pair("known", new_client_certificate(authority, "cnpg_operator"))
        self.endpoint = start_status_endpoint(server, places(folder), port=0)  # type: ignore[arg-type]

    def _write(self, name: str, content: str) -> None:
        (self._folder / name).write_text(content, encoding="utf-8")

    def _pair(self, name: str, pair: KeyPair) -> None:
        self._write(f"{name}.crt", pair.certificate)
        self._write(f"{name}.key", pair.key)

    def request(
        self, path: str, body: str | None = None, *, known: bool = False, method: str = "PUT"
    ) -> tuple[int, dict[str, Any]]:
        context = ssl.create_default_context(cafile=str(self._folder / "certificates/ca.crt"))
        if known:
            context.load_cert_chain(self._folder / "known.crt", self._folder / "known.key")
        url = f"https://localhost:{self.endpoint.server_address[1]}{path}"
        content = body.encode() if body is not None else None
        request = urllib.request.Request(url, data=content, method="GET" if body is None else method)
        try:
            with urllib.request.urlopen(request, context=context, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def server() -> ServerDouble:
    return ServerDouble()


@pytest.fixture
def client(tmp_path: Path, server: ServerDouble) -> Iterator[Client]:
    client = Client(tmp_path, server)
    yield client
    client.endpoint.shutdown()
    client.endpoint.server_close()


def test_probes_need_no_certificate(client: Client, server: ServerDouble) -> None:
    assert client.request("/healthz") == (200, {"alive": True})
    assert client.request("/readyz") == (200, {"ready": True})
    server.up = False
    assert client.request("/readyz") == (503, {"ready": False})
    assert client.request("/healthz")[0] == 200
    assert client.request("/else")[0] == 404


def test_only_who_is_known_may_change_something(client: Client, server: ServerDouble) -> None:
    text = json.dumps({"cluster": "pg"})
    assert client.request("/pg/configuration", text)[0] == 403
    assert server.configuration is None
    status, answer = client.request("/pg/configuration", text, known=True)
    assert (status, answer["configuration"]) == (200, configuration_digest(text))


def test_what_is_no_configuration_is_refused(client: Client) -> None:
    assert client.request("/pg/configuration", "{}", known=True)[0] == 400
    assert client.request("/pg/configuration", "[", known=True)[0] == 400


def test_members_ask_each_other_how_they_stand(client: Client, server: ServerDouble) -> None:
    assert client.request("/patroni") == (200, {"role": "replica"})
    server.patroni.up = False
    assert client.request("/patroni") == (503, {"error": "Patroni does not answer"})


def test_only_who_is_known_moves_the_primary(client: Client, server: ServerDouble) -> None:
    assert client.request("/switchover", "{}", method="POST")[0] == 403
    assert client.request("/restart", "{}", method="POST", known=True)[0] == 404
    assert server.patroni.asked == []
    assert client.request("/switchover", '{"leader": "pg-1"}', method="POST", known=True)[0] == 200
    assert server.patroni.asked == [("POST", "/switchover", '{"leader": "pg-1"}')]
