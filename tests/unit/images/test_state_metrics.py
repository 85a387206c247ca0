# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of kube-state-metrics: metrics of a small API server's objects, and what becomes of them as they change."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from state_metrics.__main__ import server
from state_metrics.families import AUTOSCALER, DEPLOYMENT, KINDS, POD, exposition
from state_metrics.watching import Watched

PATIENCE = 10


def deployment(name: str, version: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name, "uid": name, "generation": 4, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"replicas": 3}, "status": status}


def pod(name: str, *, ready: str = "True", restarts: int = 0, version: int = 1) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "cart-1", "controller": True}
    container = {"name": "cart", "restartCount": restarts, "ready": ready == "True", "state": {}}
    if ready != "True":
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": "node1"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "hostIP": "10.1.0.1",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [container],
        },
    }


def samples(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_a_deployment_says_how_far_it_is() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    one = deployment("cart", readyReplicas=2, updatedReplicas=1, observedGeneration=3, conditions=[condition])
    found = samples(exposition({DEPLOYMENT: [one]}))
    here = 'namespace="shop",deployment="cart"'
    stuck = 'condition="Progressing",reason="ProgressDeadlineExceeded"'
    assert found[f"kube_deployment_spec_replicas{{{here}}}"] == 3
    assert found[f"kube_deployment_status_replicas_ready{{{here}}}"] == 2
    assert found[f"kube_deployment_status_replicas_updated{{{here}}}"] == 1
    # What Kubernetes leaves out is none.
    assert found[f"kube_deployment_status_replicas_available{{{here}}}"] == 0
    assert found[f"kube_deployment_metadata_generation{{{here}}}"] == 4
    assert found[f'kube_deployment_status_condition{{{here},{stuck},status="false"}}'] == 1
    assert found[f'kube_deployment_status_condition{{{here},{stuck},status="true"}}'] == 0


def test_a_pod_says_whether_it_is_ready_and_how_often_it_began_again() -> None:
    found = samples(exposition({POD: [pod("cart-1-a", ready="False", restarts=5)]}))
    here = 'namespace="shop",pod="cart-1-a",uid="uid-cart-1-a"'
    assert found[f'kube_pod_status_ready{{{here},condition="false"}}'] == 1
    assert found[f'kube_pod_status_ready{{{here},condition="true"}}'] == 0
    assert found[f'kube_pod_container_status_restarts_total{{{here},container="cart"}}'] == 5
    assert found[f'kube_pod_container_status_waiting_reason{{{here},container="cart",reason="CrashLoopBackOff"}}'] == 1
    assert found[f'kube_pod_status_phase{{{here},phase="Running"}}'] == 1
    place = 'node="node1",host_ip="10.1.0.1",pod_ip="10.0.0.7",created_by_kind="ReplicaSet",created_by_name="cart-1"'
    place += ',priority_class="",host_network="false"'
    assert found[f"kube_pod_info{{{here},{place}}}"] == 1


def test_a_pod_without_a_phase_is_in_none() -> None:
    one = {"metadata": {"namespace": "shop", "name": "new", "uid": "u"}, "spec": {"hostNetwork": True}}
    found = samples(exposition({POD: [one]}))
    assert [name.partition("{")[0] for name in found] == ["kube_pod_info"]
    assert 'host_network="true"' in next(iter(found))


def test_numbers_have_all_of_their_digits() -> None:
    one = deployment("cart", observedGeneration=1234566)
    one["metadata"]["generation"] = 1234567
    found = samples(exposition({DEPLOYMENT: [one]}))
    here = 'namespace="shop",deployment="cart"'
    assert found[f"kube_deployment_metadata_generation{{{here}}}"] == 1234567
    assert found[f"kube_deployment_status_observed_generation{{{here}}}"] == 1234566


def test_an_autoscaler_says_between_what_it_scales() -> None:
    one = {
        "metadata": {"namespace": "shop", "name": "cart"},
        "spec": {"maxReplicas": 5},
        "status": {"desiredReplicas": 4, "conditions": [{"type": "ScalingActive", "status": "Unknown"}]},
    }
    found = samples(exposition({AUTOSCALER: [one]}))
    here = 'namespace="shop",horizontalpodautoscaler="cart"'
    assert found[f"kube_horizontalpodautoscaler_spec_min_replicas{{{here}}}"] == 1
    assert found[f"kube_horizontalpodautoscaler_spec_max_replicas{{{here}}}"] == 5
    assert found[f"kube_horizontalpodautoscaler_status_desired_replicas{{{here}}}"] == 4
    active = f'kube_horizontalpodautoscaler_status_condition{{{here},condition="ScalingActive"'
    assert found[f'{active},status="unknown"}}'] == 1
    assert found[f'{active},status="true"}}'] == 0


def test_values_of_labels_are_escaped_and_families_are_together() -> None:
    condition = {"type": "Progressing", "status": "True", "reason": "MadeUp"}
    broken = pod("a", ready="False")
    broken["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] = 'a "\\" and\na line'
    deployments = [deployment("cart", conditions=[condition]), deployment("till")]
    text = exposition({DEPLOYMENT: deployments, POD: [broken]})
    assert r'reason="a \"\\\" and\na line"' in text
    assert 'reason="unknown"' in text
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert "# TYPE kube_deployment_spec_replicas gauge" in types


class Api:
    """Answers lists with what it holds, and watches with the events it is given; `None` breaks a watch off."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.watched_from: list[str] = []
        self.lists = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                if self.headers["Authorization"] != "Bearer of-the-test":
                    self.send_error(401)
                    return
                self.send_response(200)
                self.end_headers()
                if "watch" in query:
                    api.watched_from += query["resourceVersion"]
                    while event := api.events.get(timeout=PATIENCE):
                        self.wfile.write(json.dumps(event).encode() + b"\n")
                        self.wfile.flush()
                else:
                    api.lists += 1
                    answer = {"metadata": {"resourceVersion": str(100 * api.lists)}, "items": api.items}
                    self.wfile.write(json.dumps(answer).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class')
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=PATIENCE)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.events.put(None)
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def watched(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr("state_metrics.watching.PAUSE", 0.3)
    one = Watched(KINDS[POD].path, api.connect, lambda: "of-the-test")
    yield one
    one.end()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_it_follows_what_changes_and_lists_again_when_it_lost_the_thread(api: Api, watched: Watched) -> None:
    def names() -> list[str]:
        return [one["metadata"]["name"] for one in watched.objects()]

    api.items = [pod("a"), pod("b")]
    threading.Thread(target=watched.run, daemon=True).start()
    until(lambda: names() == ["a", "b"])
    api.events.put({"type": "ADDED", "object": pod("c", version=101)})
    api.events.put({"type": "DELETED", "object": pod("a", version=102)})
    until(lambda: names() == ["b", "c"])
    # The API server ends each watch after a while: the next one begins where that one was, without a list.
    api.events.put({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "150"}}})
    api.events.put(None)
    until(lambda: api.watched_from == ["100", "150"])
    assert api.lists == 1
    # Too old for it: everything is read again.
    api.items = [pod("d")]
    gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
    api.events.put({"type": "ERROR", "object": gone})
    until(lambda: names() == ["d"])
    assert api.lists == 2


def test_watches_that_end_at_once_are_not_begun_again_at_once(api: Api, watched: Watched) -> None:
    for _number in range(20):
        api.events.put(None)
    threading.Thread(target=watched.run, daemon=True).start()
    until(lambda: len(api.watched_from) == 2)
    # The first ended at once: the second came a pause later, so the third is not there either.
    assert api.events.qsize() >= 18
    assert api.lists == 1


def test_a_list_of_nothing_may_be_null(api: Api, watched: Watched) -> None:
    api.items = None  # type: ignore[assignment]
    threading.Thread(target=watched.run, daemon=True).start()
    until(lambda: api.watched_from == ["100"])
    assert watched.objects() == []


def test_metrics_of_half_a_cluster_are_not_given(api: Api, watched: Watched) -> None:
    api.items = [pod("a")]
    served = server({POD: watched}, 0)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        port = served.server_port
        assert ask(port, "/livez")[0] == 200
        assert (ask(port, "/readyz")[0], ask(port, "/metrics")[0]) == (503, 503)
        threading.Thread(target=watched.run, daemon=True).start()
        until(lambda: ask(port, "/readyz")[0] == 200)
        status, text = ask(port, "/metrics")
        assert status == 200
        assert 'kube_pod_status_ready{namespace="shop",pod="a",uid="uid-a",condition="true"} 1' in text
        assert ask(port, "/elsewhere")[0] == 404
    finally:
        served.shutdown()
        served.server_close()
