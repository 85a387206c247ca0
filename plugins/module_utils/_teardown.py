# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a platform: what goes in which step, what stays and why, and what forbids to begin at all.

The order is that of dependence, from the outside in: nobody loses a store while using it, no custom resource its operator, and no
operator the policies by which it reaches the API server and the stores.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._catalogue import PART_OF
from ansible_collections.azora.platform.plugins.module_utils._inventory import Entry, identity
from ansible_collections.azora.platform.plugins.module_utils._kafka_recovery import CLUSTER_ID
from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._resource_types import group_of
from ansible_collections.azora.platform.plugins.module_utils._teardown_ownership import (
    KEPT_OF,
    Ownership,
    is_managed_namespace,
)
from ansible_collections.azora.platform.plugins.module_utils._teardown_parts import (
    Sorted,
    is_of_postgres,
    namespace_of,
    sorted_parts,
)
from ansible_collections.azora.platform.plugins.module_utils._teardown_sentences import (
    Settings,
    kept_backups,
    kept_data,
    kept_operators,
    refusals,
    some,
)

UNMANAGED = {"strimzi.io/managed": "false"}
PROTECTED = ("kube-", "openshift-")
PROTECTED_NAMES = frozenset({"default", "openshift"})


def teardown_plan(
    catalogue: Mapping[str, t.Any],
    operators: Mapping[str, Sequence[Mapping[str, t.Any]]],
    inventory: Mapping[str, t.Any],
    given: Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """Plain data; `operators` has the manifests of each operator that the platform brought.

    The plan is the same whether its first steps were already taken, so that it can be made anew before each of the later ones.
    """
    settings, objects = Settings.of(given), inventory["objects"]
    brought = [manifest for manifests in operators.values() for manifest in manifests]
    owner = Ownership(catalogue, objects, brought, given.get("releases") or [])
    groups = given["groups"]
    parts = sorted_parts(owner, objects, groups)
    needed = _needed_operators(operators, parts.foreign)
    going = {name: manifests for name, manifests in operators.items() if name not in needed}
    staying = [entry for entry in parts.data if not settings.deletes(owner.store_of(entry))]
    namespaces = _namespaces(catalogue, inventory, owner, parts, kept=staying, needed=needed)
    closed = {operator["namespace"] for operator in catalogue["operators"] if operator["name"] in needed}
    return {
        "refusals": refusals(catalogue, owner, parts, inventory, settings),
        "notes": _notes(str(catalogue["name"]), owner, parts, staying, settings),
        "steps": _steps(owner, objects, parts, staying, settings),
        "operators": [_reference(one) for one in _without_definitions(going)],
        "definitions": [_reference(one) for one in _definitions(going)],
        "floors": [_reference(one) for one in parts.floors if namespace_of(one) not in closed],
        "namespaces": namespaces["going"],
        "returned": namespaces["returned"],
        "kept": [
            *kept_data(owner, staying),
            *kept_backups(catalogue),
            *kept_operators(catalogue, operators, needed),
            *namespaces["kept"],
        ],
    }


def _needed_operators(
    operators: Mapping[str, Sequence[Mapping[str, t.Any]]], foreign: Sequence[Entry]
) -> dict[str, list[Entry]]:
    """Operators of whose kinds somebody else has resources, anywhere on the cluster, and those resources."""
    needed = {}
    for name, manifests in operators.items():
        groups = {manifest["spec"]["group"] for manifest in _definitions({name: manifests})}
        theirs = [entry for entry in foreign if group_of(entry["apiVersion"]) in groups]
        if theirs:
            needed[name] = theirs
    return needed


def _definitions(operators: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[Mapping[str, t.Any]]:
    return [one for manifests in operators.values() for one in manifests if one["kind"] == "CustomResourceDefinition"]


def _without_definitions(operators: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[Mapping[str, t.Any]]:
    return [
        one
        for manifests in operators.values()
        for one in manifests
        if one["kind"] not in ("CustomResourceDefinition", "Namespace")
    ]


def _steps(
    owner: Ownership, objects: Sequence[Entry], parts: Sorted, kept: Sequence[Entry], settings: Settings
) -> list[dict[str, t.Any]]:
    """What goes before the operators, in its order. A step may be empty."""
    let_go = {"propagationPolicy": "Orphan"}
    clusters = [
        # What it owns stays with its volumes, and is then ended without them.
        {
            **_reference(entry),
            **(let_go if entry["kind"] == "Cluster" and not settings.deletes(owner.store_of(entry)) else {}),
        }
        for entry in parts.clusters
    ]
    staying = {identity(entry) for entry in kept}
    going = [entry for entry in parts.data if identity(entry) not in staying]
    # Pods of clusters, and what CloudNativePG takes along.
    ending = [
        entry
        for entry in objects
        if entry["kind"] == "Pod" and owner.cluster_of(entry) is not None and not is_of_postgres(owner, entry)
    ] + [entry for entry in going if not owner.is_root(entry)]
    data = [entry for entry in going if owner.is_root(entry)]
    steps: list[tuple[str, list[Manifest], list[Entry]]] = [
        ("the gateway and the services", [_reference(entry) for entry in parts.workloads], []),
        ("topics, users, databases and backup schedules", [_reference(entry) for entry in parts.entities], []),
        ("the clusters of the stores", clusters, ending),
        ("the instances of PostgreSQL", [_reference(entry) for entry in parts.instances], []),
        ("the descriptions of archives, and data", [_reference(entry) for entry in [*parts.archives, *data]], []),
    ]
    return [
        {"name": name, "resources": resources, "awaited": [_reference(entry) for entry in awaited]}
        for name, resources, awaited in steps
    ]


def _notes(platform: str, owner: Ownership, parts: Sorted, kept: Sequence[Entry], settings: Settings) -> list[Manifest]:
    """What is written on objects before anything goes, so that what stays can be opened again."""
    ids = {
        (namespace_of(entry), entry["metadata"]["name"]): entry["clusterId"]
        for entry in parts.clusters
        if entry["kind"] == "Kafka" and entry.get("clusterId")
    }
    notes = []
    for entry in kept:
        annotations = {KEPT_OF: platform}
        cluster = owner.cluster_of(entry)
        if entry["kind"] == "PersistentVolumeClaim" and cluster is not None and cluster.kind == "kafka":
            # Kafka refuses volumes of another id, and only the Kafka resource knows it.
            known = ids.get((cluster.namespace, cluster.name))
            annotations |= {CLUSTER_ID: known} if known else {}
        notes.append(_annotated(entry, annotations))
    # The topic operator deletes a topic with its resource unless it is told to let go of it.
    notes += [
        _annotated(entry, UNMANAGED)
        for entry in parts.entities
        if entry["kind"] == "KafkaTopic" and not settings.deletes(owner.store_named(entry))
    ]
    return notes


def _annotated(entry: Entry, annotations: Mapping[str, str]) -> Manifest:
    metadata = entry["metadata"]
    return {
        "apiVersion": entry["apiVersion"],
        "kind": entry["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "annotations": dict(annotations)},
    }


def _namespaces(
    catalogue: Mapping[str, t.Any],
    inventory: Mapping[str, t.Any],
    owner: Ownership,
    parts: Sorted,
    *,
    kept: Sequence[Entry],
    needed: Mapping[str, t.Any],
) -> dict[str, list[t.Any]]:
    """Those that go, those whose labels are taken back, and why the others stay."""
    result: dict[str, list[t.Any]] = {"going": [], "returned": [], "kept": []}
    with_operators = {one["namespace"]: one["name"] for one in catalogue["operators"] if one["name"] in needed}
    for namespace in inventory["namespaces"]:
        name = namespace["metadata"]["name"]
        theirs = [entry for entry in parts.foreign if namespace_of(entry) == name]
        stores = sorted({owner.store_of(entry) for entry in kept if namespace_of(entry) == name})
        if not is_managed_namespace(catalogue, namespace) or _is_protected(name):
            if namespace["metadata"]["labels"].get(PART_OF) == catalogue["name"]:
                # What this collection's field manager has set and nobody else, server-side apply of nothing takes back.
                result["returned"].append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        elif name in with_operators:
            result["kept"].append(f"namespace {name}: the operator {with_operators[name]} lives in it")
        elif theirs:
            result["kept"].append(f"namespace {name}: it holds what is not this platform's, {some(theirs)}")
        elif stores:
            result["kept"].append(f"namespace {name}: it holds the data of {' and '.join(stores)}")
        else:
            result["going"].append(_reference(namespace))
    return result


def _is_protected(namespace: str) -> bool:
    return namespace in PROTECTED_NAMES or namespace.startswith(PROTECTED)


def _reference(item: Mapping[str, t.Any]) -> Manifest:
    """Enough to delete it, and nothing else of its name that somebody makes meanwhile."""
    metadata = item["metadata"]
    wanted = {key: metadata[key] for key in ("name", "namespace", "uid") if metadata.get(key)}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": wanted}
