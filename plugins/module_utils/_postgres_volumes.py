# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of PostgreSQL clusters: which cannot become what is wanted, and what to do when one is full.

CloudNativePG stops an instance whose volume has no room for one more file of the write-ahead log, and leaves its cluster alone until
there is room: it does not enlarge the claims either, although the Cluster asks for it
(https://github.com/cloudnative-pg/cloudnative-pg/issues/11341). So whoever writes a larger size has its claims enlarged from here.
Source: https://cloudnative-pg.io/documentation/1.30/instance_manager/#disk-full-failure
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, manifest
from ansible_collections.azora.platform.plugins.module_utils._quantity import QuantityError, quantity

Object = Mapping[str, t.Any]

FULL = "Not enough disk space"
CLUSTER_LABEL, ROLE_LABEL = "cnpg.io/cluster", "cnpg.io/pvcRole"
# By the role of a claim: where the Cluster has its size, and which setting that comes from.
VOLUMES = {
    "PG_DATA": ("storage", "postgres_storage_size"),
    "PG_WAL": ("walStorage", "postgres_wal_storage_size"),
}


class Enlargement(t.NamedTuple):
    """Claims to write, and the Clusters (namespace/name) that get more room by this or are getting it already."""

    claims: list[Manifest]
    clusters: list[str]


def is_full(cluster: Object) -> bool:
    """Whether the operator has stopped an instance for want of room."""
    return (cluster.get("status") or {}).get("phase") == FULL


def full_sentence(cluster: Object) -> str:
    """What is full, and what to do. How full the API does not say: there is no room for one more file of the log."""
    spec, status = cluster["spec"], cluster.get("status") or {}
    role = "PG_WAL" if spec.get("walStorage") else "PG_DATA"
    field, setting = VOLUMES[role]
    suffix = "-wal" if role == "PG_WAL" else ""
    size = (spec.get(field) or {}).get("size") or "of unknown size"
    stopped = (status.get("instancesStatus") or {}).get("failed") or []
    claims = ", ".join(f"{instance}{suffix}" for instance in sorted(stopped)) or "one of its claims"
    sentence = (
        f"no room for one more file of the write-ahead log in {claims} ({size}): write a larger {setting} and run this again, "
        "which enlarges the claims (done already? the instance starts again by itself within five minutes)"
    )
    conditions: Sequence[Object] = status.get("conditions") or []
    archiving: Object = next((one for one in conditions if one.get("type") == "ContinuousArchiving"), {})
    if archiving.get("status") == "False":
        sentence += (
            "; the log has piled up because it does not arrive in the object store "
            f"({archiving.get('message') or 'no reason given'}): mend that as well, or it fills the larger volume, too"
        )
    return sentence


def enlargement(manifests: Iterable[Object], clusters: Sequence[Object], claims: Sequence[Object]) -> Enlargement:
    """What to write for the clusters that are full and should have larger volumes than they have."""
    written: list[Manifest] = []
    growing: list[str] = []
    full = {_name(one) for one in clusters if is_full(one)}
    for entry in manifests:
        if entry["kind"] != "Cluster" or _name(entry) not in full:
            continue
        namespace = entry["metadata"]["namespace"]
        for claim, wanted, _setting in _claims_of(entry, claims):
            has_room = quantity(_capacity(claim)) >= quantity(wanted)
            if quantity(_request(claim)) < quantity(wanted):
                size = {"resources": {"requests": {"storage": wanted}}}
                written.append(manifest("v1", "PersistentVolumeClaim", claim["metadata"]["name"], namespace, spec=size))
            if not has_room and _name(entry) not in growing:
                growing.append(_name(entry))
    return Enlargement(written, growing)


def volume_findings(
    cluster: Object, live: Object | None, claims: Sequence[Object], storage_classes: Sequence[Object]
) -> Iterator[str]:
    """What keeps the volumes of a cluster from becoming as large as is wanted."""
    unclear = [finding for field, setting in VOLUMES.values() for finding in _unclear(_size(cluster, field), setting)]
    yield from unclear or _growth_findings(cluster, live, claims, storage_classes)


def _unclear(size: str, setting: str) -> Iterator[str]:
    try:
        quantity(size or "0")
    except QuantityError:
        yield f"{setting} is {size!r}, which is no size: write one such as '10Gi'"


def _growth_findings(
    cluster: Object, live: Object | None, claims: Sequence[Object], storage_classes: Sequence[Object]
) -> Iterator[str]:
    for field, setting in VOLUMES.values():
        wanted, is_now = _size(cluster, field), _size(live or {}, field)
        if wanted and is_now and quantity(wanted) < quantity(is_now):
            yield (
                f"{setting} is {wanted} for the PostgreSQL cluster {_name(cluster)}, which has {is_now} already, "
                f"and a volume cannot become smaller: write at least {is_now}"
            )
    growable = {one["metadata"]["name"] for one in storage_classes if one.get("allowVolumeExpansion")}
    stuck: dict[tuple[str, str, str, str], list[str]] = {}
    for claim, wanted, setting in _claims_of(cluster, claims):
        storage_class = claim["spec"].get("storageClassName") or ""
        if quantity(_request(claim)) < quantity(wanted) and storage_class not in growable:
            key = (setting, wanted, _request(claim), storage_class)
            stuck.setdefault(key, []).append(claim["metadata"]["name"])
    for (setting, wanted, is_now, storage_class), names in stuck.items():
        yield (
            f"{setting} is {wanted} for the PostgreSQL cluster {_name(cluster)}, but {', '.join(sorted(names))} "
            f"{'has' if len(names) == 1 else 'have'} {is_now}, and the StorageClass {storage_class!r} lets no volume grow (allowVolumeExpansion): "
            f"write {is_now}, or recover into a new cluster (playbooks/restore.yml)"
        )


def _claims_of(cluster: Object, claims: Sequence[Object]) -> Iterator[tuple[Object, str, str]]:
    """The claims that there are, each with its wanted size and the setting of that."""
    metadata = cluster["metadata"]
    for claim in claims:
        labels = claim["metadata"].get("labels") or {}
        field, setting = VOLUMES.get(str(labels.get(ROLE_LABEL)), ("", ""))
        wanted = _size(cluster, field)
        mine = (
            labels.get(CLUSTER_LABEL) == metadata["name"]
            and claim["metadata"].get("namespace") == metadata["namespace"]
        )
        # Who makes volumes anew one by one has the operator leave the others as they are.
        left_alone = (cluster["spec"].get(field) or {}).get("resizeInUseVolumes") is False
        if mine and wanted and not left_alone:
            yield claim, wanted, setting


def _name(one: Object) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def _size(cluster: Object, field: str) -> str:
    return str(((cluster.get("spec") or {}).get(field) or {}).get("size") or "")


def _request(claim: Object) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _capacity(claim: Object) -> str:
    return str(((claim.get("status") or {}).get("capacity") or {}).get("storage") or "0")
