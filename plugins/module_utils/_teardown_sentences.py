# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What forbids the end of a platform, and what stays after it: one sentence each."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._inventory import Entry, shown
from ansible_collections.azora.platform.plugins.module_utils._teardown_ownership import Ownership
from ansible_collections.azora.platform.plugins.module_utils._teardown_parts import Sorted, namespace_of

KEEP, DELETE = "keep", "delete"
NAMED_AT_MOST = 5


class Settings(t.NamedTuple):
    """What the caller wants of the data."""

    data: str
    delete_stores: Sequence[str]
    confirm: str
    cluster: str

    @classmethod
    def of(cls, given: Mapping[str, t.Any]) -> Settings:
        return cls(given["data"], list(given["delete_stores"]), given["confirm"], given["cluster"])

    def deletes(self, store: str) -> bool:
        return self.data == DELETE or store in self.delete_stores


def refusals(
    catalogue: Mapping[str, t.Any],
    owner: Ownership,
    parts: Sorted,
    inventory: Mapping[str, t.Any],
    settings: Settings,
) -> list[str]:
    """Sentences; none if everything may begin."""
    known = [str(store["name"]) for store in catalogue["stores"]]
    unknown = [name for name in settings.delete_stores if name not in known]
    if unknown:
        return [
            f"teardown_delete_stores names {', '.join(unknown)}, which the catalogue does not have; its stores are {', '.join(known)}"
        ]
    sentences = [f"INCONCLUSIVE, {sentence}" for sentence in inventory["unread"]]
    if sentences:
        sentences[-1] += "; without that nobody can tell what would hang or be lost, so nothing is removed"
    deleted = [name for name in known if settings.deletes(name)]
    if deleted and settings.confirm != settings.cluster:
        said = f"it is '{settings.confirm}'" if settings.confirm else "it is not given"
        wanted = "teardown_data is delete" if settings.data == DELETE else "teardown_delete_stores is given"
        sentences.append(
            f"{wanted}, which ends the data of {' and '.join(deleted)} for good: confirm it by teardown_confirm={settings.cluster}, "
            f"the name of this cluster in the inventory ({said})"
        )
    sentences += _lost_redis(owner, parts, settings)
    sentences += [
        f"{shown(entry)} would be deleted with the {owned['kind']} {owned['name']} that owns it, although the data of "
        f"{owner.store_of(entry)} are to be kept: take that off (deleteClaim, persistentVolumeClaimRetentionPolicy), or delete the data"
        for entry in parts.data
        if entry["kind"] == "PersistentVolumeClaim" and not settings.deletes(owner.store_of(entry))
        for owned in entry["metadata"]["ownerReferences"]
        if owned["kind"] != "Cluster"
    ]
    sentences += [
        f"{shown(entry)} is not this platform's and lives in its store {owner.store_named(entry)}, which would go: remove it first"
        for entry in parts.foreign
        if owner.named_cluster(entry) is not None and owner.is_root(entry)
    ]
    return sentences


def _lost_redis(owner: Ownership, parts: Sorted, settings: Settings) -> list[str]:
    """Redis Enterprise deletes a database's data with its resource, and there is no way to let go of one.

    Source: https://redis.io/docs/latest/operate/kubernetes/delete-custom-resources/
    """
    lost: dict[str, list[str]] = {}
    for entry in parts.entities:
        store = owner.store_named(entry)
        if entry["kind"] == "RedisEnterpriseDatabase" and not settings.deletes(store):
            lost.setdefault(store, []).append(entry["metadata"]["name"])
    return [
        f"the data of {store} cannot be kept, because Redis Enterprise deletes them with the databases {', '.join(names)}: save what you need "
        f"and name the store in teardown_delete_stores, with teardown_confirm={settings.cluster}"
        for store, names in lost.items()
    ]


def kept_data(owner: Ownership, kept: Sequence[Entry]) -> list[str]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in kept:
        found.setdefault((owner.store_of(entry), namespace_of(entry)), []).append(entry)
    sentences = []
    for (store, namespace), entries in sorted(found.items()):
        volumes = sorted(entry["metadata"]["name"] for entry in entries if entry["kind"] == "PersistentVolumeClaim")
        others = sum(entry["kind"] != "PersistentVolumeClaim" for entry in entries)
        parts = [f"the volumes {', '.join(volumes)}"] if volumes else []
        parts += [f"{others} Secrets and ConfigMaps that open them"] if others else []
        sentences.append(f"the data of {store} in {namespace}, {' and '.join(parts)}")
    return sentences


def kept_backups(catalogue: Mapping[str, t.Any]) -> list[str]:
    return [
        f"the backups of {store['name']} in {store['backup']['destination']}: nothing outside the cluster is touched"
        for store in catalogue["stores"]
        if store.get("backup")
    ]


def kept_operators(
    catalogue: Mapping[str, t.Any], brought: Mapping[str, t.Any], needed: Mapping[str, Sequence[Entry]]
) -> list[str]:
    """Those that somebody else needs, and those that somebody else brought."""
    return [
        f"the operator {operator['name']} and its definitions: "
        + (
            f"others need it for {some(needed[operator['name']])}"
            if operator["name"] in needed
            else "another platform provides it"
            if operator.get("provided")
            else "it was not installed by this collection (operators_method)"
        )
        for operator in catalogue["operators"]
        if operator["name"] in needed or operator["name"] not in brought
    ]


def some(entries: Sequence[Entry]) -> str:
    names = sorted(shown(entry) for entry in entries if not entry["metadata"]["ownerReferences"]) or sorted(
        shown(entry) for entry in entries
    )
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
