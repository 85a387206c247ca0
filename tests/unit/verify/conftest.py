# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real sockets to probe, and a Kubernetes API whose kubelet runs each ephemeral container as a process of this machine."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import pathlib
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.azora.platform.plugins.module_utils import _verification_prober_reports

Answer = Callable[[bytes], bytes]
# An answer without an error; a test may make it another.
DNS_FLAGS = 0x8180


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    answer: Answer
    context: ssl.SSLContext | None = None


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        connection = self.request
        with contextlib.suppress(OSError):
            if server.context is not None:
                connection = server.context.wrap_socket(connection, server_side=True)
            request = connection.recv(4096)
            if request:
                connection.sendall(server.answer(request))


def http_answer(status: int, *, only: str = "/health") -> Answer:
    def answer(request: bytes) -> bytes:
        path = request.split(b" ")[1].decode() if request.startswith(b"GET ") else ""
        code = status if path == only else 404
        return f"HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    return answer


def redis_answer(request: bytes) -> bytes:
    return b"-NOAUTH Authentication required.\r\n" if b"PING" in request else b""


def postgresql_answer(request: bytes) -> bytes:
    return b"S" if request == struct.pack("!ii", 8, 80877103) else b""


def kafka_answer(request: bytes) -> bytes:
    """ApiVersions version 0; whatever is not that, a handshake of TLS for one, gets nothing."""
    if len(request) < 14 or request[4:8] != struct.pack("!hh", 18, 0):
        return b""
    return struct.pack("!i", 10) + request[8:12] + struct.pack("!hi", 0, 0)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start a server on an address of this machine; returns its port."""
    servers: list[_Server] = []

    def start(answer: Answer, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None) -> int:
        server = _Server((host, port), _Handler)
        server.answer, server.context = answer, context
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def black_hole() -> Iterator[tuple[str, int]]:
    """An address where nobody answers: a full queue of connections, whose kernel drops every further one."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        place = listener.getsockname()
        for _turn in range(8):
            filler = sockets.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(place)
            except TimeoutError:
                break
        else:
            pytest.skip("this kernel takes more connections than a full queue")
        yield place


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate of its own making."""
    key, chain = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=llm.outside.example"
    command = ["openssl", "req", *options.split(), "-keyout", str(key), "-out", str(chain)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("openssl is not here to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@pytest.fixture
def name_server() -> Iterator[int]:
    """DNS over UDP and TCP on one port, that has an address for every name."""
    for _attempt in range(20):
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        try:
            udp.bind(("127.0.0.1", port))
            break
        except OSError:  # free for the one protocol and not for the other
            tcp.close()
            udp.close()
    tcp.listen()

    def reply(question: bytes) -> bytes:
        header = question[:2] + struct.pack("!HHHHH", DNS_FLAGS, 1, 1, 0, 0)
        return header + question[12:] + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + b"\x0a\x00\x00\x01"

    def over_udp() -> None:
        with contextlib.suppress(OSError):
            while True:
                question, client = udp.recvfrom(512)
                if client is None:  # shut down
                    return
                udp.sendto(reply(question), client)

    def over_tcp() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _client = tcp.accept()
                with connection:
                    question = connection.recv(514)[2:]
                    answer = reply(question)
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    for loop in (over_udp, over_tcp):
        threading.Thread(target=loop, daemon=True).start()
    yield int(port)
    for one in (udp, tcp):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


class FakeKubernetes(http.server.ThreadingHTTPServer):
    """As much of the API as a verification uses. Every request is kept, for assertions on the wire."""

    daemon_threads = True

    def __init__(self, name_server_port: int, directory: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), _ApiHandler)
        self.objects: dict[str, Any] = {
            "/version": {"gitVersion": "v1.37.0", "major": "1", "minor": "37"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": []},
            "/api/v1/nodes": {"kind": "NodeList", "items": []},
        }
        self.pods: dict[tuple[str, str], dict[str, Any]] = {}
        self.logs: dict[tuple[str, str, str], str] = {}
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.forbidden: set[str] = set()
        self.forbidden_paths: set[str] = set()
        # What a listing of pods told, by its version, from which they are watched.
        self.told: list[dict[str, str]] = []
        # Whether the status of a pod ever tells that a prober has ended.
        self.tells_endings = True
        self.waiting_reason = ""
        # (pod, address, port) that a policy closes: the pod's prober is led to a black hole instead.
        self.closed: set[tuple[str, str, int]] = set()
        self.black_hole = ("", 0)
        self.policies: list[dict[str, Any]] = []
        # What stands around the pods, by the plural of the kind.
        self.surroundings: dict[str, list[dict[str, Any]]] = {
            plural: []
            for plural in (
                "deployments",
                "services",
                "endpointslices",
                "poddisruptionbudgets",
                "horizontalpodautoscalers",
            )
        }
        # Whether the pods' own containers have an interpreter to run a prober with.
        self.has_python = True
        self.damage: Callable[[str], str] = lambda log: log
        # What a kubelet counts of a probe in one look: passed and failed runs, by the name of the pod.
        self.probe_runs: dict[str, tuple[int, int]] = {}
        self._looks = 0
        self.name_server_port = name_server_port
        self.resolver = directory / "resolv.conf"
        self.resolver.write_text("search shop.svc.cluster.test svc.cluster.test\nnameserver 127.0.0.1\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add_pod(self, namespace: str, name: str, address: str, labels: dict[str, str], **more: Any) -> dict[str, Any]:
        pod = {
            "metadata": {"namespace": namespace, "name": name, "uid": f"uid-{name}", "labels": labels},
            "spec": {"nodeName": "node1", "containers": [{"name": "main"}], **more.pop("spec", {})},
            "status": {
                "phase": "Running",
                "podIP": address,
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "restartCount": 0}],
                **more.pop("status", {}),
            },
        }
        self.pods[namespace, name] = pod
        return pod

    def probe_counters(self, node: str) -> str:
        """A kubelet's /metrics/probes; each look finds as many more runs as the test says."""
        self._looks += 1
        lines = ["# TYPE prober_probe_total counter"]
        for (namespace, name), pod in sorted(self.pods.items()):
            for container in pod["spec"]["containers"]:
                for kind in ("liveness", "readiness", "startup"):
                    if pod["spec"]["nodeName"] != node or f"{kind}Probe" not in container:
                        continue
                    labels = f'container="{container["name"]}",namespace="{namespace}",pod="{name}"'
                    labels += f',pod_uid="{pod["metadata"]["uid"]}",probe_type="{kind.capitalize()}"'
                    passed, failed = self.probe_runs.get(name, (1, 0))
                    lines.append(f'prober_probe_total{{{labels},result="successful"}} {passed * self._looks}')
                    if failed:
                        lines.append(f'prober_probe_total{{{labels},result="failed"}} {failed * self._looks}')
        return "\n".join(lines) + "\n"

    def start_container(self, pod: dict[str, Any], container: dict[str, Any]) -> None:
        """What a kubelet does, in a process of this machine and with a resolv.conf of its own."""
        statuses = pod["status"].setdefault("ephemeralContainerStatuses", [])
        status: dict[str, Any] = {"name": container["name"], "state": {"running": {}}}
        statuses.append(status)
        if self.waiting_reason:
            status["state"] = {"waiting": {"reason": self.waiting_reason, "message": "no such image"}}
            return
        program, batch = container["args"]
        arguments = [*container["command"][1:], program, self.as_seen_by(pod["metadata"]["name"], batch)]

        def run() -> None:
            ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
            place = (pod["metadata"]["namespace"], pod["metadata"]["name"], container["name"])
            self.logs[place] = self.damage(ended.stdout + ended.stderr)
            if self.tells_endings:
                status["state"] = {"terminated": {"exitCode": ended.returncode, "message": ended.stderr}}

        threading.Thread(target=run, daemon=True).start()

    def pods_of(self, namespace: str) -> dict[str, str]:
        return {name: json.dumps(pod) for (place, name), pod in sorted(self.pods.items()) if place == namespace}

    def as_seen_by(self, pod: str, batch: str) -> str:
        """The batch in this pod's network: its own resolver, and what policies close to it."""
        document = json.loads(zlib.decompress(base64.b64decode(batch)))
        for cell in document["cells"]:
            if (pod, cell["host"], cell["port"]) in self.closed:
                cell["host"], cell["port"] = self.black_hole
        if document["dns"]:
            document["dns"] = {"resolver": str(self.resolver), "port": self.name_server_port}
        return base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()


class _ApiHandler(http.server.BaseHTTPRequestHandler):
    server: FakeKubernetes
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def _serve(self, method: str) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        url = urlsplit(self.path)
        self.server.requests.append((method, self.path, dict(self.headers), body))
        parts = url.path.strip("/").split("/")
        if url.path in self.server.forbidden_paths:
            self._send({"kind": "Status", "code": 403, "message": f"{parts[-2]} is forbidden"}, 403)
        elif url.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            right = f"{asked['verb']} {asked['resource']}/{asked['subresource']}"
            self._send({**body, "status": {"allowed": right not in self.server.forbidden}}, 201)
        elif url.path in ("/api/v1/pods", "/api/v1/namespaces", "/apis/networking.k8s.io/v1/networkpolicies"):
            self._list(parts[-1])
        elif parts[-1] in self.server.surroundings and url.path not in self.server.objects:
            items = self.server.surroundings[parts[-1]]
            namespace = parts[parts.index("namespaces") + 1]
            found = [one for one in items if one["metadata"]["namespace"] == namespace]
            self._send({"kind": "List", "metadata": {}, "items": found})
        elif len(parts) == 5 and parts[-1] == "pods":
            query = parse_qs(url.query)
            if "watch" in query:
                self._watch(parts[3], int(query["resourceVersion"][0]), int(query["timeoutSeconds"][0]))
                return
            found = self.server.pods_of(parts[3])
            self.server.told.append(found)
            metadata = {"resourceVersion": str(len(self.server.told) - 1)}
            self._send({"kind": "PodList", "metadata": metadata, "items": [json.loads(one) for one in found.values()]})
        elif parts[-1] == "ephemeralcontainers" and method == "PATCH":
            self._add_container(self.server.pods.get((parts[3], parts[5])), body)
        elif parts[-1] == "exec":
            self._execute(parts[5], parse_qs(url.query)["command"])
        elif url.path.endswith("/proxy/metrics/probes"):
            if "get nodes/proxy" in self.server.forbidden:
                self._send({"kind": "Status", "code": 403, "message": "nodes is forbidden"}, 403)
            else:
                self._send(self.server.probe_counters(parts[3]))
        elif parts[-1] == "log":
            query = parse_qs(url.query)
            place = (parts[3], parts[5], query["container"][0])
            if "follow" in query:
                self._follow(place)
            else:
                self._send(self.server.logs.get(place, ""))
        elif "/configmaps" in url.path and method in ("POST", "PATCH"):
            name = body["metadata"]["name"] if method == "POST" else parts[-1]
            path = url.path if method == "PATCH" else f"{url.path}/{name}"
            self.server.objects[path] = {**self.server.objects.get(path, {}), **body}
            self._send(self.server.objects[path], 201)
        elif url.path in self.server.objects:
            self._send(self.server.objects[url.path])
        else:
            message = f"the server could not find {url.path}"
            self._send({"kind": "Status", "status": "Failure", "code": 404, "message": message}, 404)

    def _watch(self, namespace: str, version: int, seconds: int) -> None:
        """Every difference from what the listing told, as it happens."""
        if "watch pods" in self.server.forbidden:
            self._send({"kind": "Status", "code": 403, "message": "pods is forbidden: cannot watch"}, 403)
            return
        known, until = self.server.told[version], time.monotonic() + seconds
        with self._chunks() as send:
            while time.monotonic() < until:
                now = self.server.pods_of(namespace)
                for name in {**known, **now}:
                    if known.get(name) != now.get(name):
                        happened = "DELETED" if name not in now else "MODIFIED" if name in known else "ADDED"
                        one = json.loads(now.get(name) or known[name])
                        send(json.dumps({"type": happened, "object": one}) + "\n")
                known = now
                time.sleep(0.02)

    def _follow(self, place: tuple[str, str, str]) -> None:
        """As a kubelet does: it hears late that a container has ended."""
        with self._chunks() as send:
            until = time.monotonic() + 10
            while place not in self.server.logs and time.monotonic() < until:
                time.sleep(0.02)
            send(self.server.logs.get(place, ""))
            if self.server.tells_endings:
                time.sleep(0.2)
            else:
                time.sleep(10)

    @contextlib.contextmanager
    def _chunks(self) -> Iterator[Callable[[str], None]]:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def send(text: str) -> None:
            data = text.encode()
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

        with contextlib.suppress(OSError):  # who has seen enough hangs up
            yield send
            self.wfile.write(b"0\r\n\r\n")

    def _execute(self, pod: str, command: list[str]) -> None:
        """A command over a websocket (RFC 6455), as v4.channel.k8s.io has it: the first byte of a message is its stream."""
        guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accepted = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + guid).encode(), usedforsecurity=False).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accepted).decode())
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        self.wfile.flush()
        program, batch = self._message()[1:].decode().split()
        typed = f"{program} {self.server.as_seen_by(pod, batch)}\n"
        interpreter = [sys.executable] if self.server.has_python else ["false"]
        ended = subprocess.run([*interpreter, *command[1:]], input=typed, capture_output=True, text=True, check=False)
        self._tell(0x2, b"\x01" + self.server.damage(ended.stdout).encode())
        self._tell(0x2, b"\x02" + ended.stderr.encode())
        self._tell(0x2, b"\x03" + json.dumps({"status": "Success" if ended.returncode == 0 else "Failure"}).encode())
        self._tell(0x8, struct.pack("!H", 1000))
        self.close_connection = True

    def _message(self) -> bytes:
        size = self.rfile.read(2)[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(size)))

    def _tell(self, kind: int, message: bytes) -> None:
        size = bytes([len(message)]) if len(message) < 126 else b"\x7e" + struct.pack("!H", len(message))
        self.wfile.write(bytes([0x80 | kind]) + size + message)
        self.wfile.flush()

    def _list(self, kind: str) -> None:
        """Of the whole cluster."""
        server = self.server
        if f"list {kind}" in server.forbidden:
            self._send({"kind": "Status", "code": 403, "message": f"{kind} is forbidden"}, 403)
            return
        names = sorted({namespace for namespace, _name in server.pods})
        namespaces = [{"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}} for name in names]
        items = {"pods": list(server.pods.values()), "namespaces": namespaces, "networkpolicies": server.policies}[kind]
        self._send({"kind": "List", "metadata": {}, "items": items})

    def _add_container(self, pod: dict[str, Any] | None, body: Any) -> None:
        if pod is None:
            self._send({"kind": "Status", "code": 404, "message": "pods not found"}, 404)
            return
        earlier = pod["spec"].get("ephemeralContainers") or []
        # Pod Security judges a pod as a whole: https://github.com/kubernetes/kubernetes/issues/118961
        bad = [one["name"] for one in earlier if (one.get("securityContext") or {}).get("privileged")]
        if bad:
            message = (
                f'pods "{pod["metadata"]["name"]}" is forbidden: violates PodSecurity "restricted:latest": privileged'
                f' (container "{bad[0]}" must not set securityContext.privileged=true)'
            )
            self._send({"kind": "Status", "code": 403, "message": message}, 403)
            return
        for container in body["spec"]["ephemeralContainers"]:
            pod["spec"].setdefault("ephemeralContainers", []).append(container)
            self.server.start_container(pod, container)
        self._send(pod)

    def _send(self, answer: Any, status: int = 200) -> None:
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def kubernetes_api(
    name_server: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeKubernetes]:
    # kubernetes.core keeps its discovery there; and no setting of this machine may lead to another cluster.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT", "K8S_AUTH_API_KEY", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    api = FakeKubernetes(name_server, tmp_path)
    threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield api
    api.shutdown()
    api.server_close()


@pytest.fixture
def platform(
    kubernetes_api: Any, serve: Callable[..., int], black_hole: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr(_verification_prober_reports, "LOG_PAUSE", 0.01)
    monkeypatch.setattr(_verification_prober_reports, "LOOK_AGAIN", 0.05)
    from .small_platform import Platform

    return Platform(kubernetes_api, serve, black_hole)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a module as Ansible does; its one JSON document."""

    def run(module: Any, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args({**options, "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run
