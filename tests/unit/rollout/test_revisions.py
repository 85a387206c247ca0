# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which revision was the last good one, what it takes to return to it, and which ConfigMaps still belong to one."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils._config_maps import config_maps_in_use, stale_config_maps
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import (
    chosen,
    history,
    last_good,
    referred,
    returned,
    since_mistake,
)

from .conftest import REVISION, live_of, manifest_of, replica_set_of

WHEN = "2026-01-01T00:00:00Z"


def revisions(*sets, current=4):
    live = live_of(manifest_of(tag=str(current)), current)
    return history("Deployment", live, [*sets, replica_set_of(manifest_of("page"), 9, good=WHEN)])


def old(number, *, good="", ready=0):
    return replica_set_of(manifest_of(tag=str(number)), number, good=good, ready=ready)


FAILING = old(4, ready=0)


def test_history_is_the_deployments_own_the_newest_first():
    found = revisions(old(2), FAILING, old(3, good=WHEN, ready=2))
    assert [(one.number, one.images, one.current, one.good) for one in found] == [
        (4, ["shop:4"], True, ""),
        (3, ["shop:3"], False, WHEN),
        (2, ["shop:2"], False, ""),
    ]
    assert "pod-template-hash" not in found[0].template["metadata"]["labels"]


@pytest.mark.parametrize(
    ("sets", "number"),
    [
        # The newest that was good, whatever serves now.
        ([old(1, good=WHEN), old(2, good=WHEN), old(3), FAILING], 2),
        # Without a mark, what serves.
        ([old(1, ready=1), old(2, ready=2), old(3), FAILING], 2),
        ([old(2, ready=2), old(3, ready=2), FAILING], 3),
    ],
)
def test_the_last_good_revision(sets, number):
    assert last_good(revisions(*sets)).number == number


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        ([FAILING], "it is the first revision"),
        ([old(3), FAILING], "no earlier revision was ever good"),
        ([old(3, good=WHEN), old(4, good=WHEN)], "revision 4 itself was completely rolled out"),
        ([old(3, good=WHEN)], "its present revision is not known yet"),
    ],
)
def test_why_there_is_none(sets, why):
    assert why in last_good(revisions(*sets))


def test_by_hand_one_may_leave_a_revision_that_was_good():
    assert chosen(revisions(old(2, good=WHEN), old(3), old(4, good=WHEN)), "previous").number == 2
    assert "name the one" in chosen(revisions(old(3), old(4, good=WHEN)), "previous")


def test_a_revision_is_named_by_its_number_or_by_its_replica_set():
    found = revisions(old(3), FAILING)
    assert chosen(found, "3").number == chosen(found, "orders-3").number == 3
    assert chosen(found, "7") == "it has no revision 7; there are 4 (orders-4), 3 (orders-3)"


SINCE = "2026-02-01T00:00:00Z"
BEFORE, AFTER = "2026-01-31T23:59:59Z", SINCE


@pytest.mark.parametrize(
    ("sets", "number"),
    [
        ([old(1, good=BEFORE), old(2, good=BEFORE), old(3, good=AFTER), old(4, good=AFTER)], 2),
        ([old(1, good=BEFORE), old(4, good=BEFORE)], 4),
        ([old(1, good=BEFORE), old(4)], 1),
        ([old(4, good=AFTER)], 4),
    ],
    ids=[
        "two came since",
        "none came since",
        "one came since and was never complete",
        "the workload itself came since",
    ],
)
def test_the_revision_that_served_at_a_moment(sets, number):
    assert chosen(revisions(*sets), "previous", SINCE).number == number


def test_why_there_was_none_at_a_moment():
    assert "good before 2026-02-01T00:00:00Z" in chosen(revisions(old(3), old(4, good=AFTER)), "previous", SINCE)


def test_a_moment_is_one_in_utc_and_goes_with_previous():
    assert since_mistake("", "4") == since_mistake(SINCE, "previous") == since_mistake(SINCE, "") == ""
    assert "such as 2026-01-31T14:05:00Z" in since_mistake("yesterday", "previous")
    assert "the revision is '4'" in since_mistake(SINCE, "4")


def test_a_return_applies_what_was_applied_with_the_old_template():
    live = live_of(manifest_of(tag="4"), 4)
    live["spec"]["replicas"] = 7
    live["spec"]["strategy"] = {"type": "RollingUpdate"}
    applied = returned("Deployment", live, revisions(old(3, good=WHEN))[0], "azora.platform")
    assert applied["spec"] == {
        "replicas": 7,
        "selector": live["spec"]["selector"],
        "template": manifest_of(tag="3")["spec"]["template"],
    }
    assert applied["metadata"] == {"namespace": "shop", "name": "orders", "labels": live["metadata"]["labels"]}
    assert (applied["apiVersion"], applied["kind"]) == ("apps/v1", "Deployment")
    # An autoscaler's number is nobody's to apply.
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"]
    assert "replicas" not in returned("Deployment", live, revisions(old(3))[0], "azora.platform")["spec"]


def test_what_others_applied_is_not_applied_anew():
    live = live_of(manifest_of(tag="4"), 4)
    live["metadata"]["managedFields"][0] |= {"operation": "Update"}
    assert returned("Deployment", live, revisions(old(3))[0], "azora.platform") is None
    assert returned("Deployment", live_of(manifest_of()), revisions(old(3))[0], "somebody") is None


def test_lists_by_key_and_sets_are_taken_in_part():
    live = live_of(manifest_of(tag="4"), 4)
    live["metadata"]["finalizers"] = ["ours", "theirs"]
    live["spec"]["ports"] = [{"name": "a", "port": 1, "more": 2}, {"name": "b", "port": 3}]
    live["metadata"]["managedFields"][0]["fieldsV1"] = {
        "f:metadata": {"f:finalizers": {'v:"ours"': {}}},
        "f:spec": {"f:ports": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:port": {}}}},
    }
    applied = returned("Deployment", live, revisions(old(3))[0], "azora.platform")
    assert applied["metadata"]["finalizers"] == ["ours"]
    assert applied["spec"]["ports"] == [{"name": "a", "port": 1}]


def test_everything_that_refers_to_a_config_map_or_a_secret():
    template = {
        "spec": {
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "s"}}]}],
            "containers": [
                {"env": [{"name": "X", "value": "1"}, {"valueFrom": {"configMapKeyRef": {"name": "b", "key": "k"}}}]},
                {"env": [{"valueFrom": {"secretKeyRef": {"name": "t", "key": "k", "optional": True}}}]},
            ],
            "volumes": [
                {"configMap": {"name": "c"}},
                {"configMap": {"name": "d", "optional": True}},
                {"secret": {"secretName": "u"}},
                {"projected": {"sources": [{"configMap": {"name": "e"}}, {"secret": {"name": "v"}}]}},
                {"emptyDir": {}},
            ],
        }
    }
    assert referred(template, "configMap") == {"a", "b", "c", "d", "e"}
    assert referred(template, "configMap", optional=False) == {"a", "b", "c", "e"}
    assert referred(template, "secret") == {"s", "t", "u", "v"}


def config_map(tag, name="orders"):
    return {"kind": "ConfigMap", "metadata": {"namespace": "shop", "name": f"{name}-config-{tag}"}}


def stale(limit, sets, tags, derived=5):
    live = live_of(manifest_of(tag="5"), 5)
    live["spec"]["revisionHistoryLimit"] = limit
    in_use = {"shop": config_maps_in_use([live], sets)}
    found = stale_config_maps([config_map(tag) for tag in tags], in_use, [config_map(derived)])
    return [entry["metadata"]["name"].rpartition("-")[2] for entry in found]


SETS = [old(number) for number in (1, 2, 3)] + [old(4), old(5, ready=2)]


def test_what_no_revision_refers_to_is_stale():
    assert stale(10, SETS, "0123456", derived=6) == ["0"]


def test_what_is_beyond_the_history_counts_as_gone():
    """Whether its controller has deleted it already or not, so that a second run finds nothing more to do."""
    assert stale(2, SETS, "12345") == ["1", "2"]
    assert stale(2, SETS[2:], "345") == []
    assert stale(0, SETS, "12345") == ["1", "2", "3", "4"]


def test_what_has_pods_is_never_stale():
    serving = [old(1, ready=2), *SETS[1:]]
    assert stale(0, serving, "12345") == ["2", "3", "4"]


def test_only_namespaces_that_were_looked_at_are_cleared():
    page = replica_set_of(manifest_of("page", "1"), 1)
    elsewhere = copy.deepcopy(config_map("1", "page"))
    elsewhere["metadata"]["namespace"] = "back"
    maps = [config_map("1", "page"), config_map("2", "page"), elsewhere]
    # A ReplicaSet without a Deployment is none of this rule's business.
    in_use = {"shop": config_maps_in_use([], [page])}
    [found] = stale_config_maps(maps, in_use, [])
    assert found["metadata"] == {"namespace": "shop", "name": "page-config-2"}
    assert stale_config_maps(maps, {"shop": [], "back": []}, []) == [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": place, "name": f"page-config-{tag}"}}
        for place, tag in (("back", 1), ("shop", 1), ("shop", 2))
    ]


def test_a_return_makes_an_old_revision_the_newest():
    again = old(1, ready=2)
    again["metadata"]["annotations"][REVISION] = "5"
    live = live_of(manifest_of(tag="1"), 5)
    live["spec"]["revisionHistoryLimit"] = 1
    assert config_maps_in_use([live], [again, *SETS[1:4]]) == ["orders-config-1", "orders-config-4"]
