# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes client, judged by what it sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from lab_operators.kubernetes_api import PODS, STORAGE_CLASSES, KubernetesApi, KubernetesError, ResourceKind


class ApiServer:
    """Remembers requests, gives the answers it was told to give."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.answer: tuple[int, Any] = (200, {"metadata": {}})
        double = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                double.requests.append(
                    (self.command, self.path, dict(self.headers), json.loads(body) if body else None)
                )
                status, content = double.answer
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[ApiServer]:
    double = ApiServer()
    yield double
    double.http.shutdown()
    double.http.server_close()


@pytest.fixture
def api(server: ApiServer, tmp_path: Path) -> KubernetesApi:
    token = tmp_path / "token"
    token.write_text("one\n", encoding="utf-8")
    return KubernetesApi(f"http://127.0.0.1:{server.http.server_port}", urllib3.PoolManager(), token, "tester")


def test_read(api: KubernetesApi, server: ApiServer) -> None:
    server.answer = (200, {"kind": "Pod"})
    assert api.read(PODS, "data", "pg-1") == {"kind": "Pod"}
    method, path, headers, _body = server.requests[0]
    assert (method, path) == ("GET", "/api/v1/namespaces/data/pods/pg-1")
    assert headers["Authorization"] == "Bearer one"


def test_cluster_scoped_kinds_have_no_namespace(api: KubernetesApi, server: ApiServer) -> None:
    api.read(STORAGE_CLASSES, None, "fast")
    assert server.requests[0][1] == "/apis/storage.k8s.io/v1/storageclasses/fast"


def test_a_renewed_token_is_used(api: KubernetesApi, server: ApiServer, tmp_path: Path) -> None:
    api.read(PODS, "data", "a")
    (tmp_path / "token").write_text("two", encoding="utf-8")
    api.read(PODS, "data", "a")
    assert [request[2]["Authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]


def test_absence_is_not_an_error(api: KubernetesApi, server: ApiServer) -> None:
    server.answer = (404, {"reason": "NotFound", "message": "no"})
    assert api.read(PODS, "data", "a") is None
    assert api.patch_status(PODS, "data", "a", {}) is None
    assert api.delete(PODS, "data", "a") is False


def test_find_gives_items_their_kind(api: KubernetesApi, server: ApiServer) -> None:
    server.answer = (200, {"items": [{"metadata": {"name": "a"}}]})
    found = api.find(PODS, "data", {"app": "x", "role": "y"})
    assert found == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]
    assert server.requests[0][1] == "/api/v1/namespaces/data/pods?labelSelector=app%3Dx%2Crole%3Dy"


def test_apply_is_server_side_and_forced(api: KubernetesApi, server: ApiServer) -> None:
    kind = ResourceKind("example.org/v1", "Thing", "things")
    api.register(kind)
    manifest = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "data"}}
    api.apply(manifest)
    method, path, headers, body = server.requests[0]
    assert method == "PATCH"
    assert path == "/apis/example.org/v1/namespaces/data/things/a?fieldManager=tester&force=true"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert body == manifest


def test_create_leaves_what_is_there(api: KubernetesApi, server: ApiServer) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "data"}}
    assert api.create(manifest) is True
    server.answer = (409, {"reason": "AlreadyExists", "message": "there"})
    assert api.create(manifest) is False
    server.answer = (409, {"reason": "Conflict", "message": "being deleted"})
    with pytest.raises(KubernetesError, match="being deleted"):
        api.create(manifest)


def test_status_is_merged_into_the_subresource(api: KubernetesApi, server: ApiServer) -> None:
    api.patch_status(PODS, "data", "a", {"phase": "x", "reason": None})
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/data/pods/a/status?fieldManager=tester")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"status": {"phase": "x", "reason": None}}


def test_delete_can_name_the_one_that_was_seen(api: KubernetesApi, server: ApiServer) -> None:
    assert api.delete(PODS, "data", "a", uid="1-2") is True
    assert server.requests[0][3]["preconditions"] == {"uid": "1-2"}


@pytest.mark.parametrize("content", [{"reason": "Forbidden", "message": "quota exceeded"}, b"plain text"])
def test_errors_carry_what_the_server_said(api: KubernetesApi, server: ApiServer, content: Any) -> None:
    server.answer = (403, content)
    with pytest.raises(KubernetesError) as caught:
        api.read(PODS, "data", "a")
    assert caught.value.status == 403
    assert ("quota exceeded" if isinstance(content, dict) else "plain text") in str(caught.value)
