# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at, by which requests, and that nothing of an object's content comes along."""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._inventory import inventory_entry
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_inventory import read_inventory
from ansible_collections.azora.platform.plugins.module_utils._resource_types import ResourceType

VERBS = ["list", "delete"]
DISCOVERY: dict[str, t.Any] = {
    "/apis": {
        "groups": [
            {
                "name": "app.redislabs.com",
                "preferredVersion": {"groupVersion": "app.redislabs.com/v1"},
                "versions": [{"groupVersion": "app.redislabs.com/v1"}, {"groupVersion": "app.redislabs.com/v1alpha1"}],
            },
            {
                "name": "metrics.k8s.io",
                "preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1"},
                "versions": [{"groupVersion": "metrics.k8s.io/v1beta1"}],
            },
        ]
    },
    "/api/v1": {
        "resources": [
            {"kind": "Namespace", "name": "namespaces", "namespaced": False, "verbs": VERBS},
            {"kind": "Secret", "name": "secrets", "namespaced": True, "verbs": VERBS},
            {"kind": "PersistentVolume", "name": "persistentvolumes", "namespaced": False, "verbs": VERBS},
            {"kind": "Event", "name": "events", "namespaced": True, "verbs": VERBS},
            {"kind": "Binding", "name": "bindings", "namespaced": True, "verbs": ["create"]},
            {"kind": "Pod", "name": "pods/log", "namespaced": True, "verbs": VERBS},
        ]
    },
    "/apis/app.redislabs.com/v1": {
        "resources": [
            {"kind": "RedisEnterpriseCluster", "name": "redisenterpriseclusters", "namespaced": True, "verbs": VERBS}
        ]
    },
    "/apis/app.redislabs.com/v1alpha1": {
        "resources": [
            {"kind": "RedisEnterpriseCluster", "name": "redisenterpriseclusters", "namespaced": True, "verbs": VERBS},
            {"kind": "RedisEnterpriseDatabase", "name": "redisenterprisedatabases", "namespaced": True, "verbs": VERBS},
        ]
    },
}
LABELS = {"part-of": "shop", "managed-by": "us"}


class ClientDouble(KubernetesClient):
    """Answers from dictionaries and remembers what it was asked for."""

    def __init__(self, lists: dict[str, t.Any]) -> None:
        super().__init__(None)
        self.lists = lists
        self.asked: dict[str, tuple[bool, str]] = {}

    def get(self, path: str) -> dict[str, t.Any] | None:
        return DISCOVERY.get(path)

    def list(self, path: str, *, metadata_only: bool = False, **selectors: str) -> list[dict[str, t.Any]]:
        self.asked[path] = (metadata_only, selectors.get("label_selector", ""))
        answer = self.lists.get(path, [])
        if isinstance(answer, KubernetesError):
            raise answer
        return list(answer)


def named(name: str, namespace: str = "", **labels: str) -> dict[str, t.Any]:
    return {"metadata": {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})}}


def read(
    lists: dict[str, t.Any], groups: tuple[str, ...] = ("app.redislabs.com",)
) -> tuple[ClientDouble, dict[str, t.Any]]:
    ours = {"part-of": "shop", "managed-by": "us"}
    standing = [named("front"), named("given-up", **ours), named("elsewhere")]
    client = ClientDouble({"/api/v1/namespaces": standing, **lists})
    return client, read_inventory(client, ["front", "not-there"], LABELS, list(groups))


def test_the_namespaces_are_those_named_and_those_labelled() -> None:
    client, found = read({})
    assert [one["metadata"]["name"] for one in found["namespaces"]] == ["front", "given-up"]
    assert client.asked == {
        "/api/v1/namespaces": (True, ""),
        "/api/v1/namespaces/front/secrets": (True, ""),
        "/api/v1/namespaces/given-up/secrets": (True, ""),
        # What is in no namespace, if it carries the labels.
        "/api/v1/persistentvolumes": (True, "part-of=shop,managed-by=us"),
        # The operators' kinds everywhere and whole, each by the first version that has it.
        "/apis/app.redislabs.com/v1/redisenterpriseclusters": (False, ""),
        "/apis/app.redislabs.com/v1alpha1/redisenterprisedatabases": (False, ""),
    }


def test_what_could_not_be_looked_at_is_said_once() -> None:
    forbidden = KubernetesError("forbidden", 403)
    _client, found = read({f"/api/v1/namespaces/{name}/secrets": forbidden for name in ("front", "given-up")})
    assert found["unread"] == ["could not look at Secret: forbidden"]


def test_a_kind_that_goes_at_this_moment_has_no_objects() -> None:
    _client, found = read({"/api/v1/persistentvolumes": KubernetesError("gone", 404)})
    assert (found["unread"], found["objects"]) == ([], [])


def test_nothing_of_the_content_comes_along() -> None:
    secrets = ResourceType("v1", "Secret", "secrets", is_namespaced=True)
    item = {
        "metadata": {
            "name": "a",
            "namespace": "front",
            "uid": "1",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "hidden",
                "azora.platform/kept-of": "shop",
            },
            "managedFields": [{"manager": "kubectl"}],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "b", "uid": "2", "controller": True}],
        },
        "data": {"password": "hidden"},
    }
    assert inventory_entry(secrets, item) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "a",
            "namespace": "front",
            "uid": "1",
            "labels": {},
            "annotations": {"azora.platform/kept-of": "shop"},
            "ownerReferences": [{"kind": "Pod", "name": "b", "uid": "2"}],
            "finalizers": [],
        },
    }


def test_a_custom_resource_says_in_which_cluster_it_lives() -> None:
    databases = ResourceType(
        "app.redislabs.com/v1alpha1", "RedisEnterpriseDatabase", "redisenterprisedatabases", is_namespaced=True
    )
    redis = {**named("carts", "cache"), "spec": {"redisEnterpriseCluster": {"name": "rec"}}}
    assert inventory_entry(databases, redis)["cluster"] == "rec"
    assert inventory_entry(databases, {**named("pg-orders"), "spec": {"cluster": {"name": "pg"}}})["cluster"] == "pg"
    assert inventory_entry(databases, named("sales", "data", **{"strimzi.io/cluster": "bus"}))["cluster"] == "bus"
    assert "cluster" not in inventory_entry(databases, {**named("bus"), "spec": {"cluster": "text"}})
    assert inventory_entry(databases, {**named("bus"), "status": {"clusterId": "x"}})["clusterId"] == "x"
