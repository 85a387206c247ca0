# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The REST API of a Redis Enterprise cluster is found through the API server, with the keys of the cluster's own Secrets."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import socket
import ssl
import threading
import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_redis import ClusterApi, read_database
from ansible_collections.azora.platform.plugins.module_utils._redis_datasets import DatasetError, RefusedError

RESOURCE = {
    "spec": {
        "redisEnterpriseCluster": {"name": "rec"},
        "backup": {"s3": {"awsSecretName": "rec-backups", "bucketName": "shop", "subdir": "rec/carts"}},
    },
    "status": {"databaseUID": "3"},
}
KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


class Node:
    """A node's REST API behind TLS, as a pod has it."""

    def __init__(self, context: ssl.SSLContext, status: int, answer: t.Any) -> None:
        node = self
        self.headers: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                node.headers.append(self.headers["Authorization"])
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                """Nobody reads it."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self._server.server_address)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def secret(**values: str) -> dict[str, t.Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


class Cluster:
    """As much of KubernetesClient as is used; a pod without a node cannot be reached."""

    def __init__(self, **pods: Node | None) -> None:
        self.pods = {name.replace("_", "-"): node for name, node in pods.items()}
        self.objects = {
            "/apis/app.redislabs.com/v1/namespaces/data/redisenterpriseclusters/rec": {"spec": {}},
            "/apis/app.redislabs.com/v1alpha1/namespaces/data/redisenterprisedatabases/carts": RESOURCE,
            "/api/v1/namespaces/data/secrets/rec": secret(username="admin", password="pass word"),
            "/api/v1/namespaces/data/secrets/rec-backups": secret(**KEYS),
        }

    def get(self, path: str) -> t.Any:
        return self.objects.get(path)

    def list(self, path: str, label_selector: str = "") -> list[t.Any]:
        assert (path, label_selector) == ("/api/v1/namespaces/data/pods", "redis.io/cluster=rec,redis.io/role=node")
        return [{"metadata": {"name": name}} for name in self.pods]

    @contextlib.contextmanager
    def tunnel(self, namespace: str, pod: str, port: int) -> t.Iterator[socket.socket]:
        assert (namespace, port) == ("data", 9443)
        node = self.pods[pod]
        if node is None:
            raise KubernetesError(f"port {port} of pod {namespace}/{pod}: no such host")
        with node.connect() as connection:
            yield connection


Start = t.Callable[[int, t.Any], Node]


def cluster(**pods: Node | None) -> t.Any:
    return Cluster(**pods)


@pytest.fixture
def node(certificate: ssl.SSLContext) -> t.Iterator[Start]:
    nodes: list[Node] = []

    def start(status: int, answer: t.Any) -> Node:
        nodes.append(Node(certificate, status, answer))
        return nodes[-1]

    yield start
    for one in nodes:
        one.close()


def test_the_first_node_that_answers_is_asked(node: Start) -> None:
    follower, leader = node(503, {"description": "not here"}), node(200, {"uid": 3})
    api = ClusterApi(cluster(rec_0=None, rec_1=follower, rec_2=leader), "data", "rec")
    assert api.ask("GET", "/v1/bdbs/3") == {"uid": 3}
    assert leader.headers == ["Basic " + base64.b64encode(b"admin:pass word").decode()]
    # It is known now.
    assert api.ask("GET", "/v1/bdbs/3") == {"uid": 3}
    assert len(follower.headers) == 1


def test_what_the_api_refuses_is_its_own_words(node: Start) -> None:
    api = ClusterApi(cluster(rec_0=node(404, {"description": "there is no database with uid 3"})), "data", "rec")
    with pytest.raises(RefusedError, match="there is no database with uid 3") as caught:
        api.ask("GET", "/v1/bdbs/3")
    assert caught.value.status == 404


def test_a_cluster_that_nobody_reaches_is_named_with_the_reasons(node: Start) -> None:
    api = ClusterApi(cluster(rec_0=None, rec_1=node(503, {})), "data", "rec")
    words = "the REST API of the cluster data/rec does not answer: .* no such host; pod data/rec-1 answers 503"
    with pytest.raises(DatasetError, match=words):
        api.ask("GET", "/v1/bdbs/3")
    with pytest.raises(DatasetError, match="none of its pods is there"):
        ClusterApi(cluster(), "data", "rec").ask("GET", "/v1/bdbs/3")
    with pytest.raises(DatasetError, match="the RedisEnterpriseCluster data/other is not there"):
        ClusterApi(cluster(), "data", "other")


def test_a_database_is_read_with_the_keys_of_its_own_secret() -> None:
    database, keys = read_database(cluster(), "data", "carts")
    assert (database.uid, database.destination, keys) == (3, "s3://shop/rec/carts", KEYS)
