# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads as the API shows them, and an API server that lists, watches and patches them over HTTP."""

from __future__ import annotations

import base64
import copy
import http.server
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.azora.platform.plugins.module_utils._rollout import Collection, World, collections_of

Object = dict[str, Any]
LABELS = {"app.kubernetes.io/name": "orders", "app.kubernetes.io/managed-by": "azora.platform"}
CHECKSUM = "azora.platform/template-checksum"
REVISION = "deployment.kubernetes.io/revision"
GOOD = "azora.platform/rolled-out-at"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/shop/replicasets"
PODS = "/api/v1/namespaces/shop/pods"
EVENTS = "/api/v1/namespaces/shop/events"
STATEFUL_SETS = "/apis/apps/v1/namespaces/shop/statefulsets"
DAEMON_SETS = "/apis/apps/v1/namespaces/shop/daemonsets"
CONTROLLER_REVISIONS = "/apis/apps/v1/namespaces/shop/controllerrevisions"
CONFIG_MAPS = "/api/v1/namespaces/shop/configmaps"
SECRETS = "/api/v1/namespaces/shop/secrets"
DISCOVERY = {
    "/version": {"gitVersion": "v1.37.0", "major": "1", "minor": "37"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
}


def template_of(name: str, tag: str) -> Object:
    return {
        "metadata": {"labels": {**LABELS, "app.kubernetes.io/name": name}, "annotations": {CHECKSUM: f"{name} {tag}"}},
        "spec": {
            "containers": [
                {
                    "name": name,
                    "image": f"shop:{tag}",
                    "envFrom": [
                        {"configMapRef": {"name": f"{name}-config-{tag}"}},
                        {"secretRef": {"name": f"{name}-credentials"}},
                    ],
                }
            ]
        },
    }


def manifest_of(name: str = "orders", tag: str = "2") -> Object:
    """A Deployment as it is applied."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": name, "labels": {**LABELS, "app.kubernetes.io/name": name}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": template_of(name, tag),
        },
    }


def live_of(manifest: Object, revision: int = 2, *, through: bool = True) -> Object:
    """The same as the cluster shows it, completely rolled out or with a new pod that is not available."""
    live = copy.deepcopy(manifest)
    replicas = 2 if through else 3
    live["metadata"] |= {
        "uid": f"deployment-{manifest['metadata']['name']}",
        "generation": revision,
        "annotations": {REVISION: str(revision)},
        "managedFields": [
            {
                "manager": "azora.platform",
                "operation": "Apply",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {f"f:{key}": {} for key in LABELS}},
                    "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {}}},
                },
            }
        ],
    }
    live["spec"]["progressDeadlineSeconds"] = 600
    live["status"] = {
        "observedGeneration": revision,
        "replicas": replicas,
        "updatedReplicas": 2 if through else 1,
        "availableReplicas": 2,
        "conditions": [],
    }
    return live


def replica_set_of(manifest: Object, revision: int, *, good: str = "", ready: int = 2) -> Object:
    name = manifest["metadata"]["name"]
    template = copy.deepcopy(manifest["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = f"hash{revision}"
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"{name}-{revision}",
            "uid": f"{name}-rs-{revision}",
            "annotations": {REVISION: str(revision), **({GOOD: good} if good else {})},
            "ownerReferences": [{"uid": f"deployment-{name}"}],
            "labels": dict(template["metadata"]["labels"]),
        },
        "spec": {"replicas": ready, "template": template},
        "status": {"replicas": ready, "readyReplicas": ready},
    }


def pod_of(
    replica_set: Object, *, ready: bool = False, containers: list[Object] | None = None, **status: Any
) -> Object:
    name = replica_set["metadata"]["name"]
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    state = {"name": name.rpartition("-")[0], "restartCount": 0, "ready": ready, "state": {"running": {}}}
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"{name}-a",
            "uid": f"pod-{name}",
            "labels": dict(replica_set["metadata"]["labels"]),
            "ownerReferences": [{"uid": replica_set["metadata"]["uid"]}],
        },
        "spec": copy.deepcopy(replica_set["spec"]["template"]["spec"]),
        "status": {
            "phase": "Running",
            "conditions": conditions + status.pop("conditions", []),
            "containerStatuses": [state] if containers is None else containers,
            **status,
        },
    }


def controller_revision_of(manifest: Object, number: int, *, good: str = "") -> Object:
    """What keeps a revision of a StatefulSet or a DaemonSet."""
    name = manifest["metadata"]["name"]
    template = {**copy.deepcopy(manifest["spec"]["template"]), "$patch": "replace"}
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"{name}-{number}",
            "uid": f"{name}-revision-{number}",
            "annotations": {GOOD: good} if good else {},
            "ownerReferences": [{"uid": f"{manifest['kind']}-{name}"}],
            "labels": dict(template["metadata"]["labels"]),
        },
        "data": {"spec": {"template": template}},
        "revision": number,
    }


def waiting(reason: str, message: str = "why", restarts: int = 0, **last: Any) -> list[Object]:
    state = {"waiting": {"reason": reason, "message": message}}
    return [{"name": "orders", "restartCount": restarts, "ready": False, "state": state, "lastState": last}]


def event_of(thing: Object, reason: str, message: str, time: str = "2026-01-01T00:00:00Z") -> Object:
    return {
        "metadata": {"namespace": "shop", "name": f"{reason}-{thing['metadata']['name']}-{time}"},
        "involvedObject": {"uid": thing["metadata"]["uid"]},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": time,
    }


def world_of(manifests: list[Object], objects: dict[str, list[Object]], *, old: bool = False) -> World:
    """What is known, by kind; `old`: nothing of it is news."""
    known: dict[Collection, list[Object]] = {}
    first: dict[Collection, frozenset[str]] = {}
    for collection in collections_of(manifests):
        found = objects.get(collection.kind, [])
        known[collection] = found
        states = {f"{one['metadata'].get('uid')} {one['metadata'].get('resourceVersion')}" for one in found}
        first[collection] = frozenset(states if old else ())
    return World(known, {}, first)


class FakeKubernetes(http.server.ThreadingHTTPServer):
    """Objects by path. Every request is kept, for assertions on the wire; whoever watches is told of every change."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.logs: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.expired = 0
        # What controllers do when an object was patched.
        self.react: Callable[[str, Object], None] = lambda _path, _object: None
        self.told = threading.Condition()
        self.ending = False
        self._version = 100
        self._objects: dict[str, dict[str, Object]] = {}
        self._events: list[tuple[int, str, Object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, path: str, thing: Object) -> Object:
        with self.told:
            known = self._objects.setdefault(path, {})
            name = thing["metadata"]["name"]
            kind = "MODIFIED" if name in known else "ADDED"
            return self._tell(path, kind, copy.deepcopy(thing))

    def delete(self, path: str, name: str) -> None:
        with self.told:
            self._tell(path, "DELETED", self._objects[path][name])

    def get(self, path: str, name: str) -> Object:
        return copy.deepcopy(self._objects[path][name])

    def expire(self) -> None:
        """Forget what happened so far: whoever wants to go on from there has to list again."""
        with self.told:
            self._version += 1
            self.expired = self._version
            self.told.notify_all()

    def wait_for_watch(self, path: str) -> None:
        def is_watched() -> bool:
            return any(asked.startswith(f"{path}?") and "watch=1" in asked for _method, asked, *_rest in self.requests)

        with self.told:
            assert self.told.wait_for(is_watched, timeout=10)

    def _tell(self, path: str, kind: str, thing: Object) -> Object:
        self._version += 1
        thing["metadata"] = {**thing["metadata"], "resourceVersion": str(self._version)}
        if kind == "DELETED":
            del self._objects[path][thing["metadata"]["name"]]
        else:
            self._objects[path][thing["metadata"]["name"]] = thing
        self._events.append((self._version, path, {"type": kind, "object": thing}))
        self.told.notify_all()
        return thing

    def listed(self, path: str) -> tuple[list[Object], int]:
        with self.told:
            return copy.deepcopy(list(self._objects.get(path, {}).values())), self._version

    def news(self, path: str, version: int) -> tuple[list[Object], int]:
        """What happened after a version; waits until there is something."""

        def found() -> list[tuple[int, Object]]:
            return [(number, event) for number, where, event in self._events if where == path and number > version]

        with self.told:
            self.told.wait_for(lambda: found() or self.ending or self.expired > version, timeout=10)
            if self.expired > version:
                gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
                return [{"type": "ERROR", "object": gone}], version
            events = found()
            return copy.deepcopy([event for _number, event in events]), max([version, *(one for one, _event in events)])

    def asked(self, method: str) -> list[tuple[str, Any]]:
        return [(path, body) for verb, path, _headers, body in self.requests if verb == method]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeKubernetes
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        self._keep("GET", None)
        path, _slash, name = url.path.rpartition("/")
        if url.path in DISCOVERY:
            self._send(DISCOVERY[url.path])
        elif f"read {url.path}" in self.server.forbidden or (
            "watch" in query and f"watch {url.path}" in self.server.forbidden
        ):
            self._refuse(403, f"{url.path} is forbidden")
        elif name == "log":
            key = f"{path.rpartition('/')[2]}{' previous' if 'previous' in query else ''}"
            if key in self.server.logs:
                self._send(self.server.logs[key])
            else:
                self._refuse(400, "previous terminated container not found")
        elif "watch" in query:
            self._watch(url.path, int(query["resourceVersion"][0]))
        elif path.rpartition("/")[2] in ("deployments", "configmaps", "secrets"):
            found = {one["metadata"]["name"]: one for one in self.server.listed(path)[0]}
            if name in found:
                self._send(found[name])
            else:
                self._refuse(404, f"{url.path} not found")
        else:
            items, version = self.server.listed(url.path)
            self._send({"kind": "List", "metadata": {"resourceVersion": str(version)}, "items": items})

    def do_DELETE(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self._keep("DELETE", json.loads(self.rfile.read(size)))
        path, _slash, name = urlsplit(self.path).path.rpartition("/")
        self.server.delete(path, name)
        self._send({"kind": "Status"})
        self.server.react(path, {"metadata": {"name": name}})

    def do_PATCH(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size))
        self._keep("PATCH", body)
        url = urlsplit(self.path)
        path, _slash, name = url.path.rpartition("/")
        if f"patch {url.path}" in self.server.forbidden:
            self._refuse(403, f"{url.path} is forbidden")
            return
        thing = self.server.get(path, name)
        if isinstance(body, list):
            thing["spec"]["template"] = body[0]["value"]
        elif "spec" in body:
            thing["spec"] |= body["spec"]
        else:
            thing["metadata"].setdefault("annotations", {}).update(body["metadata"]["annotations"])
        if isinstance(body, list) or "spec" in body:
            thing["metadata"]["generation"] += 1
        self.server.put(path, thing)
        self._send(thing)
        self.server.react(path, thing)

    def _keep(self, method: str, body: Any) -> None:
        with self.server.told:
            self.server.requests.append((method, self.path, dict(self.headers), body))
            self.server.told.notify_all()

    def _watch(self, path: str, version: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while not self.server.ending:
                events, version = self.server.news(path, version)
                for event in events:
                    # In two pieces, as a network may cut it.
                    line = json.dumps(event).encode() + b"\n"
                    for piece in (line[:7], line[7:]):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        self.wfile.flush()
                    if event["type"] == "ERROR":
                        self.wfile.write(b"0\r\n\r\n")
                        return
        except OSError:
            self.close_connection = True

    def _refuse(self, status: int, message: str) -> None:
        self._send({"kind": "Status", "code": status, "message": message}, status)

    def _send(self, answer: Any, status: int = 200) -> None:
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    # kubernetes.core keeps its discovery there; and no setting of this machine may lead to another cluster.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT", "K8S_AUTH_API_KEY", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    server = FakeKubernetes()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    with server.told:
        server.ending = True
        server.told.notify_all()
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(api: FakeKubernetes, capsys: pytest.CaptureFixture[str]) -> Callable[..., Object]:
    """Run a module on the API as Ansible does; its one JSON document."""

    def run(module: Any, *, check_mode: bool = False, **options: Any) -> Object:
        capsys.readouterr()
        given = {"host": api.url, "api_key": "token-1", **options, "_ansible_check_mode": check_mode}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def secret_of(name: str, **values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"namespace": "shop", "name": name}, "data": data}
