# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the lab's programs as they run in their images: processes with an environment, ports and signals.

Servers that are not installed, and libraries that are missing, are skipped with a reason that says what to install.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._lab_credentials import Authority, Certificate, Credentials

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
IMAGES = CHECKOUT / "roles" / "lab_images" / "files"
ENDPOINT = CHECKOUT / "roles" / "lab_outside" / "files" / "llm_endpoint.py"
START_SECONDS = 15

for _root in (IMAGES / "service", IMAGES / "gateway", IMAGES / "kube-state-metrics", ENDPOINT.parent):
    sys.path.append(str(_root))


_given_ports: set[int] = set()


def free_port() -> int:
    """A port that nobody has, each only once: one below those that the kernel gives to connections, so that none takes it meanwhile."""
    while True:
        port = random.randint(10240, 32000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            if port not in _given_ports:
                _given_ports.add(port)
                return port


def eventually(check: Callable[[], Any], seconds: float = 10) -> Any:
    """Ask until the answer is true; fail with the last one."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
    """One request; a body that is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, raw, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


class Program:
    """A running process and the JSON lines that it has written."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, metrics_port: int = 0) -> None:
        self.port, self.metrics_port = port, metrics_port
        self.process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._ready = False
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def ready(self) -> None:
        """Wait until it listens; what is started together gets ready together."""
        if not self._ready:
            eventually(lambda: self.process.poll() is not None or accepts(self.port), START_SECONDS)
            if self.process.poll() is not None:
                self._reader.join(5)
                pytest.fail("\n".join(self.lines))
            self._ready = True

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        self.ready()
        return ask(self.port, method, path, body, **options)

    def metrics(self) -> dict[str, float]:
        """Every sample, under its name with its labels as they stand there."""
        text = ask(self.metrics_port, "GET", "/metrics").body.decode()
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _labels, value in samples}

    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines)]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 15) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def stop(self) -> int:
        """End it as Kubernetes does."""
        self.ready()
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """For what a test leaves behind: how a program ends has tests of its own."""
        self.process.kill()
        self.wait()


class Peer:
    """A small HTTP server that remembers what it was asked and answers as told."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: Callable[[dict[str, Any]], tuple[int, Any] | tuple[int, Any, dict[str, str]]] = lambda _: (
            200,
            {},
        )
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    raw = b""
                    while size := int(self.rfile.readline(), 16):
                        raw += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = {"method": self.command, "path": self.path, "headers": self.headers, "body": raw}
                peer.requests.append(request)
                status, body, *more = peer.answers(request)
                encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(encoded)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def peer() -> Iterator[Callable[[], Peer]]:
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer())
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextlib.contextmanager
def services() -> Iterator[Callable[..., Program]]:
    """Start kinds of the service; the environment is what the test gives and nothing else."""
    for library in ("aiohttp", "prometheus_client"):
        pytest.importorskip(library)
    started: list[Program] = []

    def start(kind: str, **environment: Any) -> Program:
        ports = {"HTTP_PORT": str(free_port()), "METRICS_PORT": str(free_port())}
        program = Program(
            [sys.executable, "-m", "azora_service"],
            {
                "PYTHONPATH": str(IMAGES / "service"),
                "SERVICE_KIND": kind,
                "HTTP_HOST": "127.0.0.1",
                **ports,
                **{name: str(value) for name, value in environment.items()},
            },
            int(ports["HTTP_PORT"]),
            int(ports["METRICS_PORT"]),
        )
        started.append(program)
        return program

    try:
        yield start
    finally:
        for program in started:
            program.kill()


@pytest.fixture
def service() -> Iterator[Callable[..., Program]]:
    with services() as start:
        yield start


@pytest.fixture(scope="module")
def module_service() -> Iterator[Callable[..., Program]]:
    with services() as start:
        yield start


class Gateway:
    """A gateway with a folder of definitions, and the Redis that it uses."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], settings: dict[str, Any]) -> None:
        # Beyond Tyk's own.
        variables = settings.pop("variables", {})
        self.apps = folder / "apps"
        self.policies = folder / "policies.json"
        self.apps.mkdir(exist_ok=True)
        if not self.policies.exists():
            self.policies.write_text("{}")
        port = free_port()
        configuration = folder / f"tyk-{port}.conf"
        configuration.write_text(
            json.dumps(
                {
                    "listen_address": "127.0.0.1",
                    "listen_port": port,
                    "secret": "env-override-me",
                    "app_path": str(self.apps),
                    "policies": {"policy_source": "file", "policy_record_name": str(self.policies)},
                    **settings,
                }
            )
        )
        self.program = Program(
            [sys.executable, "-m", "tyk_stand_in", f"--conf={configuration}"],
            {
                "PYTHONPATH": str(IMAGES / "gateway"),
                "TYK_GW_SECRET": "control-secret",
                "TYK_GW_STORAGE_ADDRS": f"{environment['REDIS_HOST']}:{environment['REDIS_PORT']}",
                "TYK_GW_STORAGE_PASSWORD": PASSWORD,
                **variables,
            },
            port,
        )
        self.ask = self.program.ask
        self.control_port = int(settings.get("control_api_port", port))

    def control(self, path: str, secret: str = "control-secret") -> Answer:
        self.program.ready()
        return ask(self.control_port, "GET", path, headers={"x-tyk-authorization": secret})

    def reload(self) -> None:
        assert self.control("/tyk/reload").json == {"status": "ok", "message": ""}

    def define(self, name: str, target: str, **settings: Any) -> None:
        proxy = {"listen_path": f"/{name}", "target_url": target, **settings.pop("proxy", {})}
        document = {"api_id": name, "name": name, "active": True, "use_keyless": True, "proxy": proxy, **settings}
        (self.apps / f"{name}.json").write_text(json.dumps(document))

    def is_ready(self) -> bool:
        self.program.ready()
        return ask(self.control_port, "GET", "/ready").status == 200


@contextlib.contextmanager
def gateways(folder: pathlib.Path) -> Iterator[Callable[..., Gateway]]:
    for library in ("aiohttp", "redis", "jwt", "cryptography"):
        pytest.importorskip(library)
    started: list[Gateway] = []

    def start(environment: dict[str, str], **settings: Any) -> Gateway:
        started.append(Gateway(folder, environment, settings))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.program.kill()


@pytest.fixture
def gateway(tmp_path: pathlib.Path) -> Iterator[Callable[..., Gateway]]:
    with gateways(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One process, without Redis, for tests that are about requests."""
    with gateways(tmp_path_factory.mktemp("gateway")) as start:
        yield start({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}, proxy_default_timeout=1)


# ---- servers --------------------------------------------------------------------------------------------------------

PASSWORD = "not-a-secret"


class Redis:
    def __init__(self, port: int) -> None:
        self.port = port
        self.environment = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), "REDIS_PASSWORD": PASSWORD}

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, password=PASSWORD, decode_responses=True)


@pytest.fixture
def port() -> int:
    return free_port()


@contextlib.contextmanager
def running_redis(port: int) -> Iterator[Redis]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: redis-server)")
    pytest.importorskip("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", ""]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: accepts(port), START_SECONDS)
            yield Redis(port)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def redis_later() -> Iterator[tuple[dict[str, str], Callable[[], object]]]:
    """The environment of a Redis that is not there yet, and what starts it."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        yield Redis(port).environment, lambda: stack.enter_context(running_redis(port))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with running_redis(free_port()) as server:
        yield server


@pytest.fixture
def redis(redis_server: Redis) -> Redis:
    redis_server.client().flushall()
    return redis_server


def _postgres_program(name: str) -> str | None:
    places = [str(path) for path in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"]]))


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, str]]:
    """A PostgreSQL of its own: the environment that leads to it."""
    initdb, server = _postgres_program("initdb"), _postgres_program("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    for library in ("psycopg", "psycopg_pool"):
        pytest.importorskip(library)
    # PostgreSQL refuses to run as root, and its user must get into the folder.
    user = "nobody" if os.geteuid() == 0 else None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="azora-postgres-"))
    process = None
    try:
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        if user:
            account = pwd.getpwnam(user)
            for path in (folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        data, port = folder / "data", free_port()
        subprocess.run(
            [initdb, "-D", data, "-U", "azora", "-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync"],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        settings = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-h", "127.0.0.1"]
        process = subprocess.Popen(
            [server, "-D", data, "-p", str(port), *settings],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: accepts(port), START_SECONDS)
        yield {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(port),
            "POSTGRES_DATABASE": "postgres",
            "POSTGRES_USER": "azora",
            "POSTGRES_PASSWORD": PASSWORD,
        }
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kafka() -> Iterator[dict[str, str]]:
    """The broker that librdkafka carries for tests: its wire protocol, in memory."""
    confluent_kafka = pytest.importorskip("confluent_kafka")
    keeper = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    # Asking for a topic makes it; the service itself must not.
    broker = list(keeper.list_topics("analytics-events", timeout=10).brokers.values())[0]  # noqa: RUF015
    yield {
        "KAFKA_BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}",
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "KAFKA_PRODUCE_TOPICS": "analytics-events",
        "KAFKA_CONSUME_TOPICS": "analytics-events",
        "KAFKA_GROUP": "analytics",
    }
    del keeper


class Outside:
    """The endpoint of role lab_outside, with the authority that signed its certificate."""

    def __init__(self, program: Program, authority: pathlib.Path, api_key: str) -> None:
        self.port, self.program = program.port, program
        self.path, self.authority, self.api_key = ENDPOINT, authority, api_key
        self.environment = {
            "LLM_ENDPOINT": f"https://localhost:{self.port}/v1/chat/completions",
            "LLM_API_KEY": api_key,
            "TRUSTED_CA": authority.read_text(),
        }


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("outside")
    # Signed as role lab_outside has it signed.
    credentials = Credentials(str(folder), renew_days=1)
    credentials.authority(Authority(name="ca", common_name="lab"))
    credentials.certificate(
        Certificate(name="server", authority="ca", common_name="localhost", names=("localhost",), usages=("server",))
    )
    api_key_file = folder / "api-key"
    api_key_file.touch(mode=0o600)
    api_key_file.write_text("the-right-key\n")
    port = free_port()
    program = Program(
        [
            sys.executable,
            str(ENDPOINT),
            "--address=127.0.0.1",
            f"--port={port}",
            f"--certificate={folder / 'server.crt'}",
            f"--key={folder / 'server.key'}",
            f"--api-key-file={api_key_file}",
        ],
        {},
        port,
    )
    program.ready()
    yield Outside(program, folder / "ca.crt", "the-right-key")
    assert program.stop() == 0
