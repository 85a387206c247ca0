# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watching on the wire: one list and one watch for each collection, from where the list ended, and anew where that is too old."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_watch import Watches
from ansible_collections.azora.platform.plugins.module_utils._rollout import Collection

from .conftest import PODS, manifest_of, pod_of, replica_set_of

SECONDS = 10
PODS_OF_SHOP = Collection("Pod", "shop", PODS, label_selector="a=b")
POD = pod_of(replica_set_of(manifest_of(), 2))


@pytest.fixture
def client(api):
    return KubernetesClient.from_options({"host": api.url, "api_key": "token-1"})


def names(watches):
    return [pod["metadata"]["name"] for pod in watches.world().all("Pod", "shop")]


def until(watches, condition):
    """Woken by changes only; a change that does not come fails."""
    for _change in range(20):
        if condition():
            return
        watches.wait_for_change(SECONDS)
    raise AssertionError("it did not come")


def asked(api):
    urls = [urlsplit(path) for _method, path, _headers, _body in api.requests]
    return [{key: values[0] for key, values in parse_qs(url.query).items()} for url in urls if url.path == PODS]


def test_a_collection_is_listed_once_and_then_watched_from_there(api, client):
    version = api.put(PODS, POD)["metadata"]["resourceVersion"]
    with Watches(client, [PODS_OF_SHOP]) as watches:
        watches.wait_for_all()
        assert names(watches) == ["orders-2-a"]
        api.put(PODS, {**POD, "metadata": {**POD["metadata"], "name": "b"}})
        until(watches, lambda: names(watches) == ["orders-2-a", "b"])
        api.put(PODS, {**POD, "status": {"phase": "Failed"}})
        until(watches, lambda: watches.world().all("Pod", "shop")[0]["status"]["phase"] == "Failed")
        api.delete(PODS, "b")
        until(watches, lambda: names(watches) == ["orders-2-a"])
    listed, watched = asked(api)
    assert listed == {"labelSelector": "a=b", "limit": "500"}
    assert watched == {
        "labelSelector": "a=b",
        "watch": "1",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "60",
    }


def test_a_version_that_is_too_old_is_listed_anew(api, client):
    api.put(PODS, POD)
    with Watches(client, [PODS_OF_SHOP]) as watches:
        watches.wait_for_all()
        api.wait_for_watch(PODS)
        with api.told:
            # Nobody is told of this; only a new list shows it.
            api._objects[PODS].pop("orders-2-a")
        api.expire()
        until(watches, lambda: names(watches) == [])
    assert [("watch" in query) for query in asked(api)][:3] == [False, True, False]


def test_who_may_list_and_not_watch_lists_again_and_again(api, client):
    api.forbidden = {f"watch {PODS}"}
    with Watches(client, [PODS_OF_SHOP]) as watches:
        watches.wait_for_all()
        api.put(PODS, POD)
        until(watches, lambda: names(watches) == ["orders-2-a"])
        assert watches.world().errors == {}


def test_what_may_not_be_read_is_an_error_until_it_may(api, client):
    api.forbidden = {f"read {PODS}"}
    with Watches(client, [PODS_OF_SHOP]) as watches:
        watches.wait_for_all()
        error = watches.world().error("Pod", "shop")
        assert error.status == 403
        assert "is forbidden" in error.sentence
        api.put(PODS, POD)
        api.forbidden = set()
        until(watches, lambda: names(watches) == ["orders-2-a"])
        assert watches.world().error("Pod", "shop") is None


def test_what_stood_there_at_first_is_told_from_news(api, client):
    events = Collection("Event", "shop", PODS)
    api.put(PODS, POD)
    with Watches(client, [events]) as watches:
        watches.wait_for_all()
        assert (len(watches.world().events("shop")), len(watches.world().all_events("shop"))) == (0, 1)
        api.put(PODS, {**POD, "count": 2})
        until(watches, lambda: len(watches.world().events("shop")) == 1)
