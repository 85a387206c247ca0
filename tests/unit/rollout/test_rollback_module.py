# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Returns by hand: what is listed, what is asked and changed on the wire, and what is refused before anything changes."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.filter.revision_table import revision_table
from ansible_collections.azora.platform.plugins.modules import rollback

from .conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    REVISION,
    live_of,
    manifest_of,
    pod_of,
    replica_set_of,
    waiting,
)

WHEN = "2026-01-01T00:00:00Z"
NAMES = ("orders", "page")
BOTH = [{"namespace": "shop", "name": name} for name in NAMES]


@pytest.fixture
def shop(api):
    """Two Deployments with two good revisions each, and a controller that rolls out what they are told."""
    for name in NAMES:
        api.put(DEPLOYMENTS, live_of(manifest_of(name, "2")))
        api.put(REPLICA_SETS, replica_set_of(manifest_of(name, "1"), 1, good=WHEN, ready=0))
        api.put(REPLICA_SETS, replica_set_of(manifest_of(name, "2"), 2, good=WHEN))
        api.put(CONFIG_MAPS, {"metadata": {"namespace": "shop", "name": f"{name}-config-1"}})

    def react(path, thing):
        if path == DEPLOYMENTS:
            name, revision = thing["metadata"]["name"], thing["metadata"]["generation"]
            serving = api.get(REPLICA_SETS, f"{name}-1")
            serving["metadata"]["annotations"][REVISION] = str(revision)
            api.put(REPLICA_SETS, serving)
            api.put(DEPLOYMENTS, live_of(thing, revision))

    api.react = react
    return api


def test_it_lists_and_changes_nothing(shop, run):
    result = run(rollback, deployments=BOTH)
    assert (result["changed"], result["returned"], result["msg"]) == (False, {}, "Nothing is to be returned.")
    assert [entry["deployment"] for entry in result["histories"]] == ["shop/orders", "shop/page"]
    assert result["histories"][0]["revisions"][1] == {
        "revision": 1,
        "replica_set": "orders-1",
        "images": ["shop:1"],
        "config_maps": ["orders-config-1"],
        "rolled_out_at": WHEN,
        "ready": 0,
        "current": False,
    }
    assert shop.asked("PATCH") == []
    header, first, *_rest = revision_table(result["histories"])
    assert header.split()[:2] == ["DEPLOYMENT", "REVISION"]
    assert first.split() == ["shop/orders", "2", "*", "orders-2", "2", WHEN, "shop:2", "orders-config-2"]


def test_all_are_returned_together_and_waited_for(shop, run):
    result = run(rollback, deployments=BOTH, revision="previous", timeout=20)
    assert result["changed"]
    assert result["returned"] == {"shop/orders": 1, "shop/page": 1}
    assert "shop/orders was returned to revision 1 (shop:1)" in result["msg"]
    assert sorted(path.partition("?")[0] for path, _body in shop.asked("PATCH")) == [
        f"{DEPLOYMENTS}/orders",
        f"{DEPLOYMENTS}/page",
    ]
    assert len(result["diff"]) == 2


def test_what_is_there_already_is_not_returned(shop, run):
    for revision in ("2", "orders-2"):
        result = run(rollback, deployments=BOTH[:1], revision=revision, timeout=20)
        assert (result["changed"], result["returned"]) == (False, {})
    assert shop.asked("PATCH") == []


def test_check_mode_says_what_would_be_returned(shop, run):
    result = run(rollback, check_mode=True, deployments=BOTH[:1], revision="orders-1")
    assert result["changed"]
    assert result["msg"] == "shop/orders would be returned to revision 1 (shop:1)."
    assert result["diff"][0]["after"]["template"] == manifest_of("orders", "1")["spec"]["template"]
    assert shop.asked("PATCH") == []


def test_a_mistake_in_one_changes_none(shop, run):
    shop.delete(CONFIG_MAPS, "page-config-1")
    result = run(rollback, deployments=BOTH, revision="1", timeout=20)
    assert result["failed"]
    assert result["msg"] == (
        "shop/page: revision 1 reads the ConfigMap page-config-1, which is gone. Nothing was changed."
    )
    told = run(rollback, deployments=[*BOTH, {"namespace": "shop", "name": "none"}], revision="8")["msg"]
    assert "shop/orders: it has no revision 8; there are 2 (orders-2), 1 (orders-1)" in told
    assert "the Deployment shop/none is not there" in told
    assert shop.asked("PATCH") == []


def test_what_may_not_be_read_is_refused(shop, run):
    shop.forbidden = {f"read {REPLICA_SETS}"}
    told = run(rollback, deployments=BOTH[:1], revision="previous")["msg"]
    assert "shop/orders cannot be looked at" in told


def test_a_revision_that_does_not_get_ready_fails_with_its_reason(shop, run):
    def react(path, thing):
        if path == DEPLOYMENTS:
            serving = shop.get(REPLICA_SETS, "orders-1")
            serving["metadata"]["annotations"][REVISION] = "3"
            shop.put(REPLICA_SETS, serving)
            shop.put(PODS, pod_of(serving, containers=waiting("ErrImagePull", "manifest unknown")))
            shop.put(DEPLOYMENTS, live_of(thing, 3, through=False))

    shop.react = react
    result = run(rollback, deployments=BOTH[:1], revision="1", timeout=20)
    assert result["failed"]
    assert "shop/orders failed after" in result["msg"]
    assert "(ImagePull)" in result["msg"]


def test_a_return_that_is_refused_is_said(shop, run):
    shop.forbidden = {f"patch {DEPLOYMENTS}/orders"}
    result = run(rollback, deployments=BOTH, revision="previous", timeout=20)
    assert result["failed"]
    assert "shop/orders could not be returned" in result["msg"]
    # The others go on.
    assert any(path.startswith(f"{DEPLOYMENTS}/page") for path, _body in shop.asked("PATCH"))
