# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of many objects at once: ask for all, look until all are gone, and say what holds back those that are not.

A finalizer is a promise of somebody to do something first. It is waited for and never taken away.
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._inventory import Identity, identity, shown
from ansible_collections.azora.platform.plugins.module_utils._operator_manifests import operator_findings
from ansible_collections.azora.platform.plugins.module_utils._progress import say
from ansible_collections.azora.platform.plugins.module_utils._resource_types import ResourceType, group_of

Item = Mapping[str, t.Any]
#: Finalizers of Kubernetes itself, and what each waits for.
OF_KUBERNETES = {
    "foregroundDeletion": "what it owns has to be gone first",
    "orphan": "what it owns has to be let go first",
    "kubernetes.io/pvc-protection": "a pod still uses it",
    "customresourcecleanup.apiextensions.k8s.io": "its resources have to be gone first",
}
#: A condition of a Namespace that is ending: what is left in it, or why nobody can tell.
NAMESPACE_TROUBLE = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
)


class Target(t.NamedTuple):
    """An object that has to go, or (awaited) that goes by itself and has to be gone."""

    type: ResourceType
    namespace: str
    name: str
    uid: str = ""
    propagation: str = "Foreground"
    is_awaited: bool = False

    @property
    def collection(self) -> str:
        return self.type.path(self.namespace or None)

    @property
    def path(self) -> str:
        return self.type.path(self.namespace or None, self.name)

    @property
    def shown(self) -> str:
        return shown({"kind": self.type.kind, "metadata": {"namespace": self.namespace, "name": self.name}})


class Removed(t.NamedTuple):
    """What was there and what became of it; `remaining` has the objects as they are now, by their target."""

    removed: list[str]
    foreign: list[str]
    remaining: list[tuple[Target, Item]]
    refused: list[str]
    looks: int


class Calls(t.NamedTuple):
    """What reaches the cluster: the lists of collections, and a deletion that answers with why it was refused, or nothing."""

    read: Callable[[Sequence[str]], Sequence[Sequence[Item]]]
    delete: Callable[[Sequence[Target]], Sequence[str]]


def targets_of(resources: Sequence[Item], types: Sequence[ResourceType], *, awaited: bool = False) -> list[Target]:
    """Those whose kind is served, each once; of another kind there can be nothing."""
    known = {(kind.api_version, kind.kind): kind for kind in types}
    found: dict[Identity, Target] = {}
    for resource in resources:
        kind = known.get((resource["apiVersion"], resource["kind"]))
        if kind is None:
            continue
        metadata = resource["metadata"]
        found[identity(resource)] = Target(
            kind,
            (metadata.get("namespace") or "") if kind.is_namespaced else "",
            metadata["name"],
            metadata.get("uid") or "",
            resource.get("propagationPolicy") or "Foreground",
            awaited,
        )
    return list(found.values())


def remove(
    targets: Sequence[Target],
    calls: Calls,
    *,
    applied_by: str = "",
    dry_run: bool = False,
    timeout: float,
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Removed:
    """With `applied_by`, only what that field manager has applied goes; the others are named."""
    end = clock() + timeout
    present = _present(targets, calls)
    foreign = [
        target.shown
        for target, item in present
        if applied_by and not target.is_awaited and applied_by not in _managers(item)
    ]
    wanted = [(target, item) for target, item in present if target.shown not in foreign]
    going = [target for target, _item in wanted if not target.is_awaited]
    # What goes along is gone as well, and belongs into the account.
    names = [target.shown for target, _item in wanted]
    if dry_run or not wanted:
        return Removed(names, foreign, [], [], 1)
    refused = [sentence for sentence in calls.delete(going) if sentence]
    # The object that was seen, not one of its name that somebody makes meanwhile.
    watched = [target._replace(uid=str(item["metadata"].get("uid") or "")) for target, item in wanted]
    looks = 1
    while True:
        looks += 1
        remaining = _present(watched, calls)
        if not remaining or refused or clock() + interval > end:
            left = {target.shown for target, _item in remaining}
            return Removed([name for name in names if name not in left], foreign, remaining, refused, looks)
        say(f"{len(remaining)} of {len(watched)} are left; {remaining[0][0].shown} is")
        pause(interval)


def _present(targets: Sequence[Target], calls: Calls) -> list[tuple[Target, Item]]:
    collections = list(dict.fromkeys(target.collection for target in targets))
    found = {
        (collection, item["metadata"]["name"]): item
        for collection, items in zip(collections, calls.read(collections), strict=True)
        for item in items
    }
    pairs = [(target, found.get((target.collection, target.name))) for target in targets]
    return [
        (target, item)
        for target, item in pairs
        if item is not None and (not target.uid or target.uid == item["metadata"].get("uid"))
    ]


def _managers(item: Item) -> set[str]:
    return {str(entry.get("manager")) for entry in item["metadata"].get("managedFields") or []}


def sentences(
    remaining: Sequence[tuple[Target, Item]],
    timeout: float,
    operators: Sequence[Mapping[str, t.Any]],
    deployments: Sequence[Item],
) -> list[str]:
    """One about each object that is still there: what holds it back, whose work that is, and how that one stands.

    `operators`: {name, namespace, pod_labels, groups, is_optional}; a Namespace has its conditions with it.
    """
    return [
        f"{target.shown} is still there after {timeout:g} s: {_reason(target, item, operators, deployments)}"
        for target, item in remaining
    ]


def _reason(target: Target, item: Item, operators: Sequence[Mapping[str, t.Any]], deployments: Sequence[Item]) -> str:
    if target.type.kind == "Namespace":
        conditions = (item.get("status") or {}).get("conditions") or []
        said = [
            str(one.get("message"))
            for one in conditions
            if one.get("type") in NAMESPACE_TROUBLE and one.get("status") == "True"
        ]
        return "; ".join(said) or "it does not say why"
    finalizers = item["metadata"].get("finalizers") or []
    if not finalizers:
        return "nothing holds it back any more" if not target.is_awaited else "it has not ended yet"
    of_operator = [name for name in finalizers if name not in OF_KUBERNETES]
    waits = [f"{name} ({OF_KUBERNETES[name]})" for name in finalizers if name in OF_KUBERNETES]
    parts = [f"Kubernetes waits by its finalizer {' and '.join(waits)}"] if waits else []
    if of_operator:
        parts.append(
            f"its finalizer {' and '.join(of_operator)} is not done, {_whose(group_of(target.type.api_version), operators, deployments)}"
        )
    return "; ".join(parts)


def _whose(group: str, operators: Sequence[Mapping[str, t.Any]], deployments: Sequence[Item]) -> str:
    responsible = [
        operator
        for operator in operators
        if group in operator["groups"] and not (operator.get("is_optional") and _is_missing(operator, deployments))
    ]
    if not responsible:
        return "which is the work of somebody that this collection does not know"
    stands = [
        finding
        for operator in responsible
        for finding in operator_findings({"operators": [operator]}, deployments) or [_running(operator, deployments)]
    ]
    names = " or ".join(str(operator["name"]) for operator in responsible)
    return f"which is the work of {names}: {'; '.join(stands)}"


def _running(operator: Mapping[str, t.Any], deployments: Sequence[Item]) -> str:
    where = f"the operator {operator['name']} in {operator['namespace']}"
    stopped = [one for one in _deployments(operator, deployments) if not one["spec"].get("replicas", 1)]
    return f"{where} is scaled to 0" if stopped else f"{where} is available and its log says why"


def _is_missing(operator: Mapping[str, t.Any], deployments: Sequence[Item]) -> bool:
    return not _deployments(operator, deployments)


def _deployments(operator: Mapping[str, t.Any], deployments: Sequence[Item]) -> list[Item]:
    return [
        deployment
        for deployment in deployments
        if deployment["metadata"]["namespace"] == operator["namespace"]
        and operator["pod_labels"].items() <= (deployment["spec"]["template"]["metadata"].get("labels") or {}).items()
    ]
