# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection finds out about a running gateway: asked on the wire, with a cluster that is only a way to it."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("jwt")

from ansible_collections.azora.platform.plugins.module_utils import _gateway_manifests, _routes
from ansible_collections.azora.platform.plugins.module_utils._gateway_truth import loaded_problems
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_gateway import (
    GatewayReplicas,
)

Start = Callable[..., Any]
KEY = base64.b64encode(bytes(range(32))).decode()


def catalogue_of(target: str, **gateway: Any) -> dict[str, Any]:
    """As much of a normalised catalogue as routes need."""
    services = [
        {"name": name, "url": target, "expose": {"path": path, "strip_path": False, **more}}
        for name, path, more in (("user", "/users", {}), ("news", "/news", {"authentication": False}))
    ]
    settings = {
        "name": "gateway",
        "namespace": "front",
        "component": "gateway",
        "selector": {"app": "gateway"},
        "ports": {"http": 8080},
        "authentication": {"method": "jwt", "algorithm": "HS256", "subject_claim": "sub"},
        "client_rate_limit": {"rate": 1000, "per_seconds": 1},
        "request_headers": {"add": {"X-Platform": "shop"}},
        **gateway,
    }
    return {"services": services, "gateway": settings, "workloads": [settings]}


class Cluster:
    """A client of a cluster whose pods are gateways on this machine."""

    def __init__(self, gateways: dict[str, Any]) -> None:
        self.gateways = gateways
        self.forbidden = False

    def list(self, _path: str, **_selectors: str) -> list[dict[str, Any]]:
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        leaving = {"metadata": {"name": "leaving", "deletionTimestamp": "now"}, "status": status}
        return [leaving, *({"metadata": {"name": name}, "status": status} for name in self.gateways)]

    def get(self, path: str) -> dict[str, Any] | None:
        values = {"gateway-credentials": {"TYK_GW_SECRET": "control-secret"}, "gateway-jwt": {"JWT_HMAC_KEY": KEY}}
        found = values[path.rsplit("/", 1)[1]]
        return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in found.items()}}

    @contextlib.contextmanager
    def tunnel(self, _namespace: str, pod: str, _port: int) -> Iterator[socket.socket]:
        if self.forbidden:
            raise KubernetesError("pods/portforward is forbidden")
        with socket.create_connection(("127.0.0.1", self.gateways[pod].program.port)) as connection:
            yield connection


def examined(cluster: Cluster, catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    place = _gateway_manifests.gateway_place(catalogue)
    intended = list(_routes.gateway_api_definitions(catalogue).values())
    return GatewayReplicas(cluster, place).examined(intended, _routes.gateway_routes(catalogue))  # type: ignore[arg-type]


@pytest.fixture
def pair(gateway: Start, redis: Any, peer: Start) -> tuple[Cluster, dict[str, Any]]:
    catalogue = catalogue_of(peer().url)
    fixed = {"enable_fixed_window_rate_limiter": True, "variables": {"JWT_HMAC_KEY": KEY}}
    one, other = (gateway(redis.environment, **fixed) for _turn in range(2))
    for name, definition in _routes.gateway_api_definitions(catalogue).items():
        (one.apps / f"{name}.json").write_text(json.dumps(definition))
    one.policies.write_text(json.dumps(_routes.gateway_policies(catalogue)))
    for each in (one, other):
        each.reload()
    return Cluster({"a": one, "b": other}), catalogue


def test_replicas_that_are_as_they_should_be(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    assert examined(cluster, catalogue) == [{"pod": name, "problems": [], "unseen": []} for name in ("a", "b")]


def test_a_replica_that_read_something_else_is_named(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    # Both read the same folder; only one of them has read it again.
    behind = cluster.gateways["b"]
    (behind.apps / "user.json").write_text("{")
    open_news = json.loads((behind.apps / "news.json").read_text()) | {"name": "other"}
    (behind.apps / "news.json").write_text(json.dumps(open_news))
    behind.define("old", "http://127.0.0.1:1")
    behind.reload()
    good, bad = examined(cluster, catalogue)
    assert good["problems"] == []
    assert bad["problems"] == [
        "the API user is not loaded",
        "the API old is loaded, and nothing in the catalogue is called so",
        "the API news is loaded with another name",
        "/users answers 404 to who has no token, where 400 would be right",
        "/users does not lead to user: the answer is 404",
    ]


def test_a_route_that_lets_everybody_in_is_named(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    one = cluster.gateways["a"]
    keyless = json.loads((one.apps / "user.json").read_text()) | {"use_keyless": True}
    (one.apps / "user.json").write_text(json.dumps(keyless))
    one.reload()
    problems = examined(cluster, catalogue)[0]["problems"]
    assert "the API user is loaded with another use_keyless" in problems
    assert "/users answers 200 to who has no token, where 400 would be right" in problems


def test_no_problem_tells_the_key(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    one = cluster.gateways["a"]
    other_key = json.loads((one.apps / "user.json").read_text()) | {"jwt_source": base64.b64encode(bytes(32)).decode()}
    (one.apps / "user.json").write_text(json.dumps(other_key))
    one.reload()
    found = examined(cluster, catalogue)
    assert found[0]["problems"] == [
        "the API user is loaded with another jwt_source",
        "/users does not lead to user: the answer is 403",
    ]
    assert KEY not in json.dumps(found)


def test_what_cannot_be_asked_is_not_taken_for_right(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    cluster.forbidden = True
    assert [replica["unseen"] for replica in examined(cluster, catalogue)] == [
        [f"what pod front/{name} says: pods/portforward is forbidden"] for name in ("a", "b")
    ]


def test_without_the_issuer_s_key_what_is_behind_a_route_is_not_seen(pair: tuple[Cluster, dict[str, Any]]) -> None:
    cluster, catalogue = pair
    place = _gateway_manifests.gateway_place(catalogue) | {"token_key": None}
    replicas = GatewayReplicas(cluster, place).examined([], _routes.gateway_routes(catalogue))  # type: ignore[arg-type]
    assert replicas[0]["unseen"] == ["whether /users leads to user: no token can be made without the issuer's key"]


def test_what_tyk_adds_of_its_own_is_no_difference() -> None:
    wanted = {"api_id": "user", "proxy": {"strip_listen_path": False}, "CORS": {"exposed_headers": []}}
    found = {"api_id": "user", "proxy": {"listen_path": "/"}, "CORS": {"exposed_headers": None}, "tags": []}
    assert loaded_problems([wanted], [found], {}) == []
