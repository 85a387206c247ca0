# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OLM is asked for one version, its plans are approved up to that one, and its words are handed on where it fails."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._operator_subscriptions import (
    olm_manifests,
    olm_progress,
    olm_refusals,
)
from ansible_collections.azora.platform.plugins.module_utils._operator_subscriptions_wait import follow

WANTED = "strimzi-cluster-operator.v1.2.0"
UNRESOLVED = {"type": "ResolutionFailed", "status": "True", "message": "no operators found in channel"}


def operator(**subscription):
    given = {
        "package": "strimzi-kafka-operator",
        "channel": "strimzi-1.2.x",
        "source": "community-operators",
        "csv": WANTED,
    }
    return {"name": "strimzi", "namespace": "kafka", "watches": ["data"], "subscription": given | subscription}


def subscription(**status):
    return {
        "metadata": {"name": "strimzi-kafka-operator", "namespace": "kafka"},
        "spec": {"name": "strimzi-kafka-operator"},
        "status": status,
    }


def plan(*names, approved=False, **status):
    return {
        "metadata": {"name": f"install-{names[0][-5:]}", "namespace": "kafka"},
        "spec": {"approved": approved, "clusterServiceVersionNames": list(names)},
        "status": status,
    }


def version(name, phase, **status):
    return {"metadata": {"name": name, "namespace": "kafka"}, "status": {"phase": phase, **status}}


def test_a_subscription_and_a_group_of_what_is_watched():
    group, asked = olm_manifests([operator()])
    assert (group["kind"], group["spec"]) == ("OperatorGroup", {"targetNamespaces": ["data"]})
    assert asked["metadata"] == {"name": "strimzi-kafka-operator", "namespace": "kafka"}
    assert asked["spec"] == {
        "name": "strimzi-kafka-operator",
        "channel": "strimzi-1.2.x",
        "source": "community-operators",
        "sourceNamespace": "openshift-marketplace",
        "installPlanApproval": "Manual",
        "startingCSV": WANTED,
    }


def test_an_operator_that_names_no_namespaces_watches_all():
    assert olm_manifests([operator() | {"watches": []}])[0]["spec"] == {}


def group_of_others(*targets):
    return {"metadata": {"name": "theirs", "namespace": "kafka"}, "spec": {"targetNamespaces": list(targets)}}


def test_the_group_of_others_is_left_or_refused():
    assert [one["kind"] for one in olm_manifests([operator()], [group_of_others("data")])] == ["Subscription"]
    assert olm_refusals([operator()], [group_of_others("data", "more")], []) == []
    assert olm_refusals([operator()], [group_of_others()], []) == []
    (sentence,) = olm_refusals([operator()], [group_of_others("elsewhere")], [])
    assert sentence.startswith("the OperatorGroup theirs in kafka does not name data")


def test_an_older_operator_is_refused_unless_olm_upgrades_by_itself():
    newer = [subscription(installedCSV="strimzi-cluster-operator.v1.10.0")]
    (sentence,) = olm_refusals([operator()], [], newer)
    assert f"is strimzi-cluster-operator.v1.10.0 and would become {WANTED}" in sentence
    assert olm_refusals([operator(approval="Automatic")], [], newer) == []
    assert olm_refusals([operator()], [], [subscription(installedCSV="strimzi-cluster-operator.v1.1.0")]) == []


def test_a_plan_up_to_the_wanted_version_is_approved():
    plans = [plan("strimzi-cluster-operator.v1.1.0"), plan(WANTED), plan(WANTED, approved=True)]
    progress = olm_progress([operator()], [subscription()], plans, [])
    assert [one["metadata"]["name"] for one in progress["approve"]] == ["install-1.1.0", "install-1.2.0"]
    assert all(one["spec"] == {"approved": True} for one in progress["approve"])
    assert progress["failed"] == []
    assert len(progress["waiting"]) == 1


@pytest.mark.parametrize(
    "names",
    [["strimzi-cluster-operator.v1.3.0"], [WANTED, "another.v1.0.0"], ["another.v1.0.0"]],
)
def test_a_plan_of_more_than_is_wanted_is_not_approved(names):
    progress = olm_progress([operator()], [subscription()], [plan(*names)], [])
    assert progress["approve"] == []
    assert f"OLM plans {', '.join(sorted(names))}, and wanted is {WANTED} alone" in progress["waiting"][0]


@pytest.mark.parametrize(
    ("versions", "given", "is_done"),
    [
        ([version(WANTED, "Succeeded")], {}, True),
        ([version(WANTED, "Installing")], {}, False),
        ([version("strimzi-cluster-operator.v1.3.0", "Succeeded")], {}, False),
        ([version("strimzi-cluster-operator.v1.3.0", "Succeeded")], {"approval": "Automatic"}, True),
        ([], {}, False),
    ],
)
def test_it_is_there_when_its_version_has_succeeded(versions, given, is_done):
    progress = olm_progress([operator(**given)], [subscription()], [], versions)
    assert (progress["waiting"] == []) == is_done


@pytest.mark.parametrize(
    ("plans", "versions", "said"),
    [
        (
            [],
            [version(WANTED, "Failed", reason="UnsupportedOperatorGroup", message="AllNamespaces InstallModeType not supported")],
            f"the ClusterServiceVersion {WANTED} is Failed (UnsupportedOperatorGroup): AllNamespaces InstallModeType not supported",
        ),
        (
            [plan(WANTED, approved=True, phase="Failed", conditions=[{"type": "Installed", "status": "False", "message": "no rights"}])],
            [],
            "the InstallPlan install-1.2.0 failed: no rights",
        ),
    ],
)  # fmt: skip
def test_what_olm_gives_up_is_told_in_its_words(plans, versions, said):
    progress = olm_progress([operator()], [subscription()], plans, versions)
    assert progress["failed"] == [f"the operator strimzi in kafka: {said}"]


@pytest.mark.parametrize(
    ("subscriptions", "versions", "said"),
    [
        ([], [], "there is no Subscription of the package strimzi-kafka-operator"),
        ([subscription(conditions=[UNRESOLVED])], [], "no operators found in channel"),
        ([subscription(state="UpgradePending")], [], "has not made a plan"),
        ([subscription()], [version(WANTED, "Failed", reason="InstallCheckFailed", message="timeout")], "(InstallCheckFailed): timeout"),
    ],
)  # fmt: skip
def test_what_is_waited_for_is_told(subscriptions, versions, said):
    progress = olm_progress([operator()], subscriptions, [], versions)
    assert progress["failed"] == []
    assert said in progress["waiting"][0]


class Olm:
    """What OLM makes of approved plans: an upgrade over a version between, each a plan of its own."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.objects = {"subscriptions": [subscription()], "installplans": [], "clusterserviceversions": []}
        self.time = 0.0

    def read(self, plural):
        return copy.deepcopy(self.objects[plural])

    def approve(self, given):
        found = next(
            one for one in self.objects["installplans"] if one["metadata"]["name"] == given["metadata"]["name"]
        )
        found["spec"].update(given["spec"])

    def pause(self, seconds):
        self.time += seconds
        plans = self.objects["installplans"]
        if plans and plans[-1]["spec"]["approved"]:
            self.objects["clusterserviceversions"] = [
                version(plans[-1]["spec"]["clusterServiceVersionNames"][0], "Succeeded")
            ]
        if self.steps and (not plans or plans[-1]["spec"]["approved"]):
            plans.append(plan(self.steps.pop(0)))

    def follow(self, timeout=30.0):
        return follow(
            [operator()], self.read, self.approve, timeout=timeout, interval=1, clock=lambda: self.time, pause=self.pause
        )  # fmt: skip


def test_an_upgrade_goes_through_every_plan_and_stops_at_the_wanted_version():
    olm = Olm("strimzi-cluster-operator.v1.1.0", WANTED, "strimzi-cluster-operator.v1.3.0")
    outcome = olm.follow()
    assert outcome.is_done
    assert outcome.approved == ["kafka/install-1.1.0", "kafka/install-1.2.0"]


def test_time_runs_out_with_a_sentence():
    outcome = Olm("strimzi-cluster-operator.v1.3.0").follow()
    assert not outcome.is_done
    assert "is not approved" in outcome.waiting[0]


def test_what_could_not_be_read_is_inconclusive():
    olm = Olm()
    outcome = follow(
        [operator()], lambda plural: KubernetesError(f"{plural}: forbidden", 403), olm.approve, timeout=0, interval=1
    )
    assert not outcome.is_done
    assert all(sentence.startswith("INCONCLUSIVE, could not look at") for sentence in outcome.waiting)
