# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands around the pods of a workload: each way in which it cannot do what it is there for is one sentence."""

from __future__ import annotations

import copy
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import (
    Declared,
    Surroundings,
    restarted,
    untruths,
)

NOW = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=datetime.UTC)
DIGEST = "sha256:" + "a" * 64
IMAGE = "registry.test/shop:1"
DECLARED = Declared("shop", "default", "shop", IMAGE, 2, has_budget=True, autoscaled=True)
LABELS = {"app": "shop", "tier": "front"}


def pod(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": f"shop-{number}", "uid": f"uid-{number}", "labels": LABELS},
        "spec": {"nodeName": f"node{number}", "containers": [{"name": "shop", "image": IMAGE}]},
        "status": {
            "podIP": f"10.0.0.{number}",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "shop", "restartCount": 0, "imageID": f"registry.test/shop@{DIGEST}"}],
            **changes,
        },
    }


def deployment() -> dict[str, Any]:
    return {
        "metadata": {"name": "shop", "namespace": "default", "generation": 3},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 3,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        },
    }


def service() -> dict[str, Any]:
    return {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "shop"}}}


def endpoint_slice(*addresses: str, ready: bool | None = True) -> dict[str, Any]:
    return {
        "metadata": {"name": "shop-x", "labels": {"kubernetes.io/service-name": "shop"}},
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
    }


def budget(name: str = "shop", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "shop"}}},
        "status": {"observedGeneration": 1, "expectedPods": 2, "disruptionsAllowed": 1, **status},
    }


def autoscaler(active: str = "True", created: str = "2026-05-01T11:00:00Z") -> dict[str, Any]:
    conditions = [
        {"type": "AbleToScale", "status": "True"},
        {"type": "ScalingActive", "status": active, "message": "no metrics returned from resource metrics API"},
    ]
    return {
        "metadata": {"name": "shop", "creationTimestamp": created},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}},
        "status": {"conditions": conditions},
    }


PODS = [pod(1), pod(2)]
GOOD = Surroundings(
    [deployment()], [service()], [endpoint_slice("10.0.0.1", "10.0.0.2")], [budget()], [autoscaler()], nodes=3
)


def changed(thing: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    copied = copy.deepcopy(thing)
    change(copied)
    return copied


def test_nothing_is_wrong() -> None:
    assert untruths(DECLARED, PODS, GOOD, NOW) == []


def around(**changes: Any) -> Surroundings:
    return dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("surroundings", "sentence"),
    [
        (around(deployments=[]), "the Deployment default/shop is not there"),
        (
            around(deployments=[changed(deployment(), lambda one: one["status"].update(updatedReplicas=1))]),
            "the rollout of default/shop is not complete: expected 2 pods, found 2 pods, 1 of the current revision, 2 available",
        ),
        (
            around(deployments=[changed(deployment(), lambda one: one["status"].update(observedGeneration=2))]),
            "the rollout of default/shop is not complete",
        ),
        (
            around(
                deployments=[
                    changed(
                        deployment(),
                        lambda one: one["status"]["conditions"][0].update(
                            reason="ProgressDeadlineExceeded", message='ReplicaSet "shop-1" has timed out progressing.'
                        ),
                    )
                ]
            ),
            'the rollout of default/shop gave up: ReplicaSet "shop-1" has timed out progressing.',
        ),
        (
            around(endpoint_slices=[endpoint_slice("10.0.0.1")]),
            "the endpoints of Service default/shop are not the ready pods of default/shop: without 10.0.0.2",
        ),
        (
            around(endpoint_slices=[endpoint_slice("10.0.0.1", "10.0.0.2", "10.0.0.9")]),
            "with 10.0.0.9, which no ready pod has",
        ),
        (
            around(endpoint_slices=[endpoint_slice("10.0.0.1"), endpoint_slice("10.0.0.2", ready=False)]),
            "without 10.0.0.2",
        ),
        (around(budgets=[]), "no PodDisruptionBudget selects the pods of default/shop"),
        (
            around(budgets=[budget(), budget("other")]),
            "are in 2 PodDisruptionBudgets (other, shop), so none can be evicted",
        ),
        (around(budgets=[budget(disruptionsAllowed=0)]), "allows no disruption, so its nodes cannot be drained"),
        (around(budgets=[budget(expectedPods=4)]), "the PodDisruptionBudget shop counts 4 pods; default/shop has 2"),
        (around(autoscalers=[]), "no HorizontalPodAutoscaler scales default/shop"),
        (
            around(autoscalers=[autoscaler(), changed(autoscaler(), lambda one: one["metadata"].update(name="twin"))]),
            "2 HorizontalPodAutoscalers scale default/shop (shop, twin) and work against each other",
        ),
        (
            around(autoscalers=[autoscaler("False")]),
            "cannot act (ScalingActive): no metrics returned from resource metrics API",
        ),
    ],
)
def test_each_thing_that_is_wrong_is_one_sentence(surroundings: Surroundings, sentence: str) -> None:
    (found,) = untruths(DECLARED, PODS, surroundings, NOW)
    assert sentence in found.sentence
    assert found.certain


def test_unknown_readiness_of_an_endpoint_is_ready() -> None:
    assert (
        untruths(DECLARED, PODS, around(endpoint_slices=[endpoint_slice("10.0.0.1", "10.0.0.2", ready=None)]), NOW)
        == []
    )


def test_an_autoscaler_that_is_young_may_still_wait_for_metrics() -> None:
    young = around(autoscalers=[autoscaler("False", created="2026-05-01T11:59:00Z")])
    (found,) = untruths(DECLARED, PODS, young, NOW)
    assert not found.certain


@pytest.mark.parametrize(
    ("reason", "created", "certain"),
    [
        ("FailedGetResourceMetric", "2026-05-01T11:59:00Z", False),
        ("FailedGetResourceMetric", "2026-05-01T11:50:00Z", True),
        ("InvalidSelector", "2026-05-01T11:59:00Z", True),
    ],
)
def test_after_a_rollout_an_autoscaler_may_still_wait_for_metrics(reason: str, created: str, certain: bool) -> None:
    inactive = changed(autoscaler("False"), lambda one: one["status"]["conditions"][1].update(reason=reason))
    newest = changed(PODS[1], lambda one: one["metadata"].update(creationTimestamp=created))
    (found,) = untruths(DECLARED, [PODS[0], newest], around(autoscalers=[inactive]), NOW)
    assert found.certain is certain


@pytest.mark.parametrize(("since", "certain"), [("2026-05-01T11:59:00Z", False), ("2026-05-01T11:50:00Z", True)])
def test_metrics_that_are_missing_since_a_moment_may_come_again(since: str, certain: bool) -> None:
    without = {"reason": "FailedGetResourceMetric", "lastTransitionTime": since}
    inactive = changed(autoscaler("False"), lambda one: one["status"]["conditions"][1].update(without))
    (found,) = untruths(DECLARED, PODS, around(autoscalers=[inactive]), NOW)
    assert found.certain is certain


def test_pods_on_one_node() -> None:
    together = [changed(one, lambda it: it["spec"].update(nodeName="node1")) for one in PODS]
    (found,) = untruths(DECLARED, together, GOOD, NOW)
    assert found.sentence == "all 2 pods of default/shop stand on node1, though 3 nodes take pods"
    assert untruths(DECLARED, together, around(nodes=1), NOW) == []
    assert untruths(DECLARED, together, around(nodes=None), NOW) == []


def test_images() -> None:
    other = changed(PODS[1], lambda it: it["spec"]["containers"][0].update(image="registry.test/shop:2"))
    (found,) = untruths(DECLARED, [PODS[0], other], GOOD, NOW)
    assert found.sentence == "pod default/shop-2 has the image registry.test/shop:2, declared is registry.test/shop:1"

    moved = changed(
        PODS[1],
        lambda it: it["status"]["containerStatuses"][0].update(imageID="registry.test/shop@sha256:" + "b" * 64),
    )
    (found,) = untruths(DECLARED, [PODS[0], moved], GOOD, NOW)
    assert found.sentence.startswith(
        "the pods of default/shop do not run the same image: sha256:aaaaaaaaaaaa in shop-1;"
    )


def test_a_workload_without_autoscaler_and_budget_needs_none() -> None:
    plain = dataclasses.replace(DECLARED, has_budget=False, autoscaled=False)
    assert untruths(plain, PODS, around(budgets=[], autoscalers=[]), NOW) == []


def test_a_service_of_others_does_not_matter() -> None:
    other = {"metadata": {"name": "other"}, "spec": {"selector": {"app": "other"}}}
    headless = {"metadata": {"name": "external"}, "spec": {}}
    assert untruths(DECLARED, PODS, around(services=[service(), other, headless]), NOW) == []


def test_a_budget_by_expressions() -> None:
    expressions = [
        {"key": "app", "operator": "In", "values": ["shop", "api"]},
        {"key": "tier", "operator": "Exists"},
        {"key": "batch", "operator": "DoesNotExist"},
        {"key": "tier", "operator": "NotIn", "values": ["back"]},
    ]
    wide = changed(budget("wide"), lambda one: one["spec"].update(selector={"matchExpressions": expressions}))
    (found,) = untruths(DECLARED, PODS, around(budgets=[budget(), wide]), NOW)
    assert "in 2 PodDisruptionBudgets" in found.sentence
    nothing = changed(budget("nothing"), lambda one: one["spec"].pop("selector"))
    assert untruths(DECLARED, PODS, around(budgets=[budget(), nothing]), NOW) == []


def test_restarts_between_two_looks() -> None:
    after = changed(PODS[1], lambda it: it["status"]["containerStatuses"][0].update(restartCount=2))
    fresh = changed(pod(3), lambda it: it["status"]["containerStatuses"][0].update(restartCount=1))
    assert restarted(PODS, [PODS[0], after, fresh]) == {"default/shop-2": 2}
