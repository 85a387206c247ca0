# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client on the wire: method, path, headers and body as an API server receives them."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    CONNECTION_OPTIONS,
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_cluster import read_cluster

args_common = pytest.importorskip("ansible_collections.kubernetes.core.plugins.module_utils.args_common")
pytest.importorskip("kubernetes")


def client_of(api: Any, **options: Any) -> KubernetesClient:
    return KubernetesClient.from_options({"host": api.url, "api_key": "token-1", **options})


def test_the_connection_options_are_those_of_kubernetes_core() -> None:
    assert set(CONNECTION_OPTIONS) == set(args_common.AUTH_ARG_SPEC)
    for name, theirs in args_common.AUTH_ARG_SPEC.items():
        ours = CONNECTION_OPTIONS[name]
        assert {"type": "str", **theirs} == ours, name


def test_a_list_is_read_page_by_page_with_the_token(kubernetes_api: Any) -> None:
    kubernetes_api.add_pod("shop", "a", "127.0.0.1", {})
    pods = client_of(kubernetes_api).list("/api/v1/namespaces/shop/pods", label_selector="app=shop,tier in (a,b)")
    assert [pod["metadata"]["name"] for pod in pods] == ["a"]
    method, path, headers, body = kubernetes_api.requests[-1]
    assert (method, body) == ("GET", None)
    assert path == "/api/v1/namespaces/shop/pods?labelSelector=app%3Dshop%2Ctier+in+%28a%2Cb%29&limit=500"
    assert headers["authorization"] == "Bearer token-1"


def test_pages_are_followed() -> None:
    class Paged:
        asked: list[str] = []

        def request(self, _method: str, path: str, **_options: Any) -> Any:
            self.asked.append(path)
            last = b'{"items": [{"n": 2}], "metadata": {}}'
            first = b'{"items": [{"n": 1}], "metadata": {"continue": "t/1"}}'
            return type("Response", (), {"data": last if "continue" in path else first})

    paged = Paged()
    assert KubernetesClient(paged).list("/api/v1/pods") == [{"n": 1}, {"n": 2}]
    assert paged.asked == ["/api/v1/pods?limit=500", "/api/v1/pods?limit=500&continue=t%2F1"]


def test_a_patch_is_a_strategic_merge(kubernetes_api: Any) -> None:
    pod = kubernetes_api.add_pod("shop", "a", "127.0.0.1", {})
    kubernetes_api.waiting_reason = "Whatever"
    path = "/api/v1/namespaces/shop/pods/a/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [{"name": "x", "image": "python"}]}}
    client_of(kubernetes_api).patch(path, body)
    method, asked, headers, sent = kubernetes_api.requests[-1]
    assert (method, asked, sent) == ("PATCH", path, body)
    assert headers["Content-Type"] == "application/strategic-merge-patch+json"
    assert pod["spec"]["ephemeralContainers"] == body["spec"]["ephemeralContainers"]


def test_a_log_is_text(kubernetes_api: Any) -> None:
    kubernetes_api.logs["shop", "a", "prober"] = '{"not": "an object"}\nzwei\n'
    assert client_of(kubernetes_api).log("shop", "a", "prober") == '{"not": "an object"}\nzwei\n'
    assert kubernetes_api.requests[-1][:2] == ("GET", "/api/v1/namespaces/shop/pods/a/log?container=prober")


def test_a_collection_is_watched_from_the_version_of_its_listing(kubernetes_api: Any) -> None:
    kubernetes_api.add_pod("shop", "a", "127.0.0.1", {})
    client = client_of(kubernetes_api)
    _pods, version = client.list_as_of("/api/v1/namespaces/shop/pods")
    kubernetes_api.add_pod("shop", "b", "127.0.0.2", {})
    kubernetes_api.add_pod("other", "c", "127.0.0.3", {})
    watching = client.watch("/api/v1/namespaces/shop/pods", version, 20.0)
    assert [(happened, one["metadata"]["name"]) for happened, one in [next(watching)]] == [("ADDED", "b")]
    del kubernetes_api.pods["shop", "a"]
    assert next(watching)[0] == "DELETED"
    watching.close()
    assert kubernetes_api.requests[-1][1].endswith(f"/pods?watch=true&resourceVersion={version}&timeoutSeconds=20")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"type": "ERROR", "object": {"message": "too old resource version", "code": 410}}, "too old resource version"),
        ("no event", "did not answer with an object"),
    ],
)
def test_a_watch_that_the_server_gives_up_is_an_error(said: Any, sentence: str) -> None:
    class Streaming:
        closed = False

        def request(self, *_arguments: Any, **_options: Any) -> Any:
            return self

        def stream(self, _size: int, **_options: Any) -> Any:
            # A line may come in parts.
            text = json.dumps(said).encode() + b"\n"
            return iter([text[:5], text[5:]])

        def close(self) -> None:
            self.closed = True

    server = Streaming()
    with pytest.raises(KubernetesError, match=sentence):
        list(KubernetesClient(server).watch("/api/v1/pods", "1", 5.0))
    assert server.closed


def test_a_log_is_followed_while_it_is_written(kubernetes_api: Any) -> None:
    kubernetes_api.tells_endings = False
    kubernetes_api.logs["shop", "a", "prober"] = "eins\nzwei\n"
    following = client_of(kubernetes_api).follow_log("shop", "a", "prober", 20.0)
    assert [next(following), next(following)] == ["eins", "zwei"]
    following.close()


def test_rights_are_asked_of_the_api(kubernetes_api: Any) -> None:
    kubernetes_api.forbidden = {"get pods/log"}
    client = client_of(kubernetes_api)
    assert client.permitted("patch", "shop", "pods", "ephemeralcontainers")
    assert not client.permitted("get", "shop", "pods", "log")
    method, path, _headers, body = kubernetes_api.requests[-1]
    assert (method, path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    asked = {"verb": "get", "namespace": "shop", "resource": "pods", "subresource": "log"}
    assert body["spec"] == {"resourceAttributes": asked}


def test_what_is_not_there_is_none_and_what_fails_is_a_sentence(kubernetes_api: Any) -> None:
    client = client_of(kubernetes_api)
    assert client.get("/api/v1/namespaces/default/services/kubernetes") is None
    with pytest.raises(KubernetesError) as failure:
        client.list("/api/v1/strange/things")
    assert str(failure.value) == ("GET /api/v1/strange/things: the server could not find /api/v1/strange/things")
    assert failure.value.status == 404


def test_an_api_that_is_not_there_is_a_sentence(closed_port: int) -> None:
    with pytest.raises(KubernetesError, match="no connection to the Kubernetes API: ") as failure:
        KubernetesClient.from_options({"host": f"http://127.0.0.1:{closed_port}", "api_key": "token"})
    assert "\n" not in str(failure.value)


def test_a_kubeconfig_that_is_not_there_is_a_sentence(kubernetes_api: Any) -> None:
    with pytest.raises(KubernetesError, match="no connection to the Kubernetes API"):
        KubernetesClient.from_options({"kubeconfig": "no/such/kubeconfig", "context": "none"})


def test_the_environment_of_kubernetes_core_counts(kubernetes_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "K8S_AUTH_HOST", kubernetes_api.url)
    monkeypatch.setitem(os.environ, "K8S_AUTH_API_KEY", "token-of-the-environment")
    KubernetesClient.from_options({"kubeconfig": None, "host": None}).get("/version")
    assert kubernetes_api.requests[-1][2]["authorization"] == "Bearer token-of-the-environment"


def test_calls_run_together_and_keep_their_order() -> None:
    assert together([lambda number=number: number for number in range(30)]) == list(range(30))
    assert together([]) == []


def test_reading_a_cluster_that_hides_most_things(kubernetes_api: Any) -> None:
    objects = read_cluster(client_of(kubernetes_api))
    assert objects.version == "v1.37.0"
    assert (objects.nodes, objects.api_service, objects.dns_services) == ([], None, [])


def test_reading_a_cluster(kubernetes_api: Any) -> None:
    service = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {"ports": []}}
    kubernetes_api.objects["/api/v1/namespaces/kube-system/services"] = {"items": [service]}
    kubernetes_api.objects["/api/v1/nodes"] = {"items": [{"metadata": {"name": "node1"}}]}
    objects = read_cluster(client_of(kubernetes_api))
    assert objects.dns_services == [service]
    assert [node["metadata"]["name"] for node in objects.nodes] == ["node1"]
    asked = [path for _method, path, _headers, _body in kubernetes_api.requests]
    assert "/api/v1/namespaces/kube-system/services?labelSelector=k8s-app%3Dkube-dns&limit=500" in asked
    slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
    assert f"{slices}?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns&limit=500" in asked
