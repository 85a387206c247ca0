# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All at once, until all are gone; and what holds back those that are not."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ansible_collections.azora.platform.plugins.module_utils._removal import (
    Calls,
    Removed,
    Target,
    remove,
    sentences,
    targets_of,
)
from ansible_collections.azora.platform.plugins.module_utils._resource_types import ResourceType

TOPICS = ResourceType("kafka.strimzi.io/v1", "KafkaTopic", "kafkatopics", is_namespaced=True)
PODS = ResourceType("v1", "Pod", "pods", is_namespaced=True)
NAMESPACES = ResourceType("v1", "Namespace", "namespaces", is_namespaced=False)
TYPES = [TOPICS, PODS, NAMESPACES]
STRIMZI = {
    "name": "strimzi",
    "namespace": "operators",
    "pod_labels": {"app": "strimzi"},
    "groups": ["kafka.strimzi.io"],
}


class ClusterDouble:
    """Objects by path; each deleted one is gone after a number of looks, or never."""

    def __init__(self, *paths: str, gone_after: int | None = 1) -> None:
        self.objects: dict[str, dict[str, t.Any]] = {path: self.object(path) for path in paths}
        self.gone_after = gone_after
        self.deleted: list[Target] = []
        self.deletions = 0
        self.refuse = ""
        self.now = 0.0
        self._looks_left: dict[str, int] = {}

    @staticmethod
    def object(path: str) -> dict[str, t.Any]:
        return {
            "metadata": {
                "name": path.rsplit("/", 1)[1],
                "uid": f"uid of {path}",
                "managedFields": [{"manager": "azora.platform"}],
            }
        }

    def read(self, collections: Sequence[str]) -> list[list[dict[str, t.Any]]]:
        for path in [path for path, left in self._looks_left.items() if left <= 0]:
            self.objects.pop(path, None)
        self._looks_left = {path: left - 1 for path, left in self._looks_left.items()}
        return [
            [item for path, item in self.objects.items() if path.rsplit("/", 1)[0] == collection]
            for collection in collections
        ]

    def delete(self, targets: Sequence[Target]) -> list[str]:
        self.deletions += 1
        self.deleted += targets
        if self.gone_after is not None:
            self._looks_left |= {target.path: self.gone_after for target in targets}
        return [self.refuse for _target in targets]

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def remove(self, targets: Sequence[Target], **options: t.Any) -> Removed:
        return remove(
            targets,
            Calls(self.read, self.delete),
            timeout=10,
            interval=1,
            clock=lambda: self.now,
            pause=self.pause,
            **options,
        )


def resource(kind: ResourceType, place: str, **more: t.Any) -> dict[str, t.Any]:
    namespace, _slash, name = place.rpartition("/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **more}


def targets(*resources: dict[str, t.Any], awaited: bool = False) -> list[Target]:
    return targets_of(resources, TYPES, awaited=awaited)


A, B = (
    "/apis/kafka.strimzi.io/v1/namespaces/data/kafkatopics/a",
    "/apis/kafka.strimzi.io/v1/namespaces/data/kafkatopics/b",
)


def test_all_are_asked_for_in_one_go_and_waited_for_together() -> None:
    cluster = ClusterDouble(A, B, gone_after=3)
    done = cluster.remove(targets(resource(TOPICS, "data/a"), resource(TOPICS, "data/b")))
    assert (done.removed, done.remaining) == (["KafkaTopic data/a", "KafkaTopic data/b"], [])
    assert (cluster.deletions, [target.path for target in cluster.deleted]) == (1, [A, B])
    assert cluster.now == 3


def test_what_is_not_there_is_no_change() -> None:
    cluster = ClusterDouble(A)
    assert cluster.remove(targets(resource(TOPICS, "data/b"))) == Removed([], [], [], [], 1)
    assert cluster.deletions == 0


def test_a_kind_that_is_not_served_has_no_objects() -> None:
    unknown = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "data"}}
    assert targets(unknown) == []


def test_check_mode_names_what_would_go() -> None:
    cluster = ClusterDouble(A)
    assert cluster.remove(targets(resource(TOPICS, "data/a")), dry_run=True).removed == ["KafkaTopic data/a"]
    assert cluster.deletions == 0


def test_another_object_of_the_name_is_not_meant() -> None:
    cluster = ClusterDouble(A)
    assert cluster.remove(targets(resource(TOPICS, "data/a", metadata={"uid": "an older one"}))).removed == []
    assert cluster.deletions == 0


def test_one_that_somebody_makes_anew_meanwhile_is_not_waited_for() -> None:
    cluster = ClusterDouble(A, gone_after=None)

    def delete(asked: Sequence[Target]) -> list[str]:
        cluster.objects[A] = {"metadata": {"name": "a", "uid": "a new one"}}
        return [""] * len(asked)

    done = remove(
        targets(resource(TOPICS, "data/a")), Calls(cluster.read, delete), timeout=10, interval=1, pause=cluster.pause
    )
    assert (done.removed, done.remaining) == (["KafkaTopic data/a"], [])


def test_only_what_we_have_applied_goes_where_that_is_asked_for() -> None:
    cluster = ClusterDouble(A, B)
    cluster.objects[B]["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    done = cluster.remove(targets(resource(TOPICS, "data/a"), resource(TOPICS, "data/b")), applied_by="azora.platform")
    assert (done.removed, done.foreign) == (["KafkaTopic data/a"], ["KafkaTopic data/b"])
    assert B in cluster.objects


def test_what_goes_by_itself_is_waited_for_and_not_deleted() -> None:
    pod = "/api/v1/namespaces/data/pods/bus-0"
    cluster = ClusterDouble(A, pod, gone_after=1)
    wanted = [*targets(resource(TOPICS, "data/a")), *targets(resource(PODS, "data/bus-0"), awaited=True)]
    done = cluster.remove(wanted)
    assert [target.path for target in cluster.deleted] == [A]
    assert done.removed == ["KafkaTopic data/a"]
    assert [target.shown for target, _item in done.remaining] == ["Pod data/bus-0"]
    assert sentences(done.remaining, 10, [], []) == ["Pod data/bus-0 is still there after 10 s: it has not ended yet"]


def test_what_went_along_is_in_the_account() -> None:
    cluster = ClusterDouble(A, B)

    def delete(asked: Sequence[Target]) -> list[str]:
        cluster.objects.clear()
        return [""] * len(asked)

    wanted = [*targets(resource(TOPICS, "data/a")), *targets(resource(TOPICS, "data/b"), awaited=True)]
    done = remove(wanted, Calls(cluster.read, delete), timeout=10, interval=1, pause=cluster.pause)
    assert done.removed == ["KafkaTopic data/a", "KafkaTopic data/b"]


def test_how_it_goes_is_as_the_resource_says() -> None:
    [foreground, orphan] = targets(resource(TOPICS, "data/a"), resource(TOPICS, "data/b", propagationPolicy="Orphan"))
    assert (foreground.propagation, orphan.propagation) == ("Foreground", "Orphan")


def test_a_refusal_ends_the_wait() -> None:
    cluster = ClusterDouble(A, gone_after=None)
    cluster.refuse = "KafkaTopic data/a cannot be removed: forbidden"
    done = cluster.remove(targets(resource(TOPICS, "data/a")))
    assert (done.refused, done.removed, cluster.now) == ([cluster.refuse], [], 0)


def deployment(available: int) -> dict[str, t.Any]:
    return {
        "metadata": {"name": "strimzi", "namespace": "operators"},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "strimzi"}}}},
        "status": {"availableReplicas": available, "updatedReplicas": 1},
    }


def held(*finalizers: str) -> list[tuple[Target, dict[str, t.Any]]]:
    cluster = ClusterDouble(A, gone_after=None)
    cluster.objects[A]["metadata"]["finalizers"] = list(finalizers)
    done = cluster.remove(targets(resource(TOPICS, "data/a")))
    assert cluster.now == 10
    # Nobody took it away.
    assert cluster.objects[A]["metadata"]["finalizers"] == list(finalizers)
    return list(done.remaining)  # type: ignore[arg-type]


def test_a_finalizer_that_is_not_done_names_who_should_have_done_it_and_how_he_stands() -> None:
    remaining = held("strimzi.io/topic-operator")
    assert sentences(remaining, 10, [STRIMZI], [deployment(0)]) == [
        "KafkaTopic data/a is still there after 10 s: its finalizer strimzi.io/topic-operator is not done, which is the work of strimzi: "
        "the operator strimzi in operators has 0 of 1 pods available"
    ]
    [available] = sentences(remaining, 10, [STRIMZI], [deployment(1)])
    assert available.endswith(
        "the work of strimzi: the operator strimzi in operators is available and its log says why"
    )
    stopped = deployment(0)
    stopped["spec"]["replicas"] = 0
    [scaled] = sentences(remaining, 10, [STRIMZI], [stopped])
    assert scaled.endswith("the work of strimzi: the operator strimzi in operators is scaled to 0")
    [absent] = sentences(remaining, 10, [STRIMZI], [])
    assert absent.endswith("the operator strimzi in operators has no Deployment whose pods carry its labels")
    [unknown] = sentences(remaining, 10, [], [])
    assert unknown.endswith("which is the work of somebody that this collection does not know")


def test_an_operator_that_is_not_everywhere_is_spoken_of_where_it_is() -> None:
    beside = {
        "name": "bus-entity-operator",
        "namespace": "data",
        "pod_labels": {"strimzi.io/name": "bus-entity-operator"},
        "groups": ["kafka.strimzi.io"],
        "is_optional": True,
    }
    remaining = held("strimzi.io/topic-operator")
    [without] = sentences(remaining, 10, [STRIMZI, beside], [deployment(1)])
    assert "bus-entity-operator" not in without
    stopped = deployment(0)
    stopped["metadata"]["namespace"] = "data"
    stopped["spec"]["template"]["metadata"]["labels"] = beside["pod_labels"]
    [sentence] = sentences(remaining, 10, [STRIMZI, beside], [deployment(1), stopped])
    assert "the work of strimzi or bus-entity-operator: " in sentence
    assert sentence.endswith("the operator bus-entity-operator in data has 0 of 1 pods available")


def test_a_finalizer_of_kubernetes_says_what_it_waits_for() -> None:
    [sentence] = sentences(held("foregroundDeletion"), 10, [STRIMZI], [deployment(1)])
    assert sentence.endswith("Kubernetes waits by its finalizer foregroundDeletion (what it owns has to be gone first)")


def test_a_namespace_says_itself_what_is_left_in_it() -> None:
    [target] = targets(resource(NAMESPACES, "front"))
    conditions = [
        {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "message": "Some resources are remaining: things. has 1",
        },
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
    ]
    item = {"metadata": {"name": "front"}, "status": {"conditions": conditions}}
    assert sentences([(target, item)], 300, [], []) == [
        "Namespace front is still there after 300 s: Some resources are remaining: things. has 1"
    ]
