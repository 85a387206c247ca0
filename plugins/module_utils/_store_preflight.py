# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the data stores ask of a cluster, compared with what it has: nodes, their room, storage classes, Redis Enterprise's licence.

Each of these faults else shows as a pod that stays Pending, or as an operator that waits without a word.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._postgres_volumes import volume_findings
from ansible_collections.azora.platform.plugins.module_utils._quantity import quantity, redis_memory

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# Taints that come and go with a node's state; a node that is being repaired still belongs to the cluster.
PASSING_TAINTS = "node.kubernetes.io/"
# Redis Enterprise without a licence: https://redis.io/docs/latest/operate/rs/clusters/configure/license-keys/
TRIAL_SHARDS = 4
CLASS_KEYS = {
    "Cluster": "postgres_storage_class",
    "RedisEnterpriseCluster": "redis_storage_class",
    "KafkaNodePool": "kafka_storage_class",
}
RESOURCE_KEYS = {
    "Cluster": "postgres_resources",
    "RedisEnterpriseCluster": "redis_resources",
    "KafkaNodePool": "kafka_resources",
}


class Demand(t.NamedTuple):
    """Pods of one resource: how many, whether each needs a node of its own, what each asks for."""

    kind: str
    name: str
    pods: int
    apart: bool
    requests: Mapping[str, t.Any]
    labels: Mapping[str, str]
    tolerates: bool
    classes: tuple[str, ...]


def store_findings(
    manifests: Iterable[Manifest],
    *,
    nodes: Sequence[Mapping[str, t.Any]] | None,
    storage_classes: Sequence[Mapping[str, t.Any]] | None,
    redis_clusters: Sequence[Mapping[str, t.Any]] | None,
    postgres_clusters: Sequence[Mapping[str, t.Any]] | None = None,
    claims: Sequence[Mapping[str, t.Any]] | None = None,
) -> list[str]:
    """One sentence for each thing that the cluster lacks. None where something could not be read: it is not judged."""
    manifests = list(manifests)
    demands = [demand for entry in manifests for demand in _demands(entry)]
    findings: list[str] = []
    for demand in demands:
        if storage_classes is not None:
            findings += _class_findings(demand, storage_classes)
        if nodes is not None:
            findings += _node_findings(demand, nodes)
    for entry in manifests:
        if entry["kind"] == "Cluster" and None not in (postgres_clusters, claims, storage_classes):
            live = next((one for one in postgres_clusters or [] if _name(one) == _name(entry)), None)
            findings += volume_findings(entry, live, claims or [], storage_classes or [])
        if entry["kind"] == "RedisEnterpriseCluster":
            databases = [
                other
                for other in manifests
                if other["kind"] == "RedisEnterpriseDatabase"
                and other["metadata"]["namespace"] == entry["metadata"]["namespace"]
                and other["spec"]["redisEnterpriseCluster"]["name"] == entry["metadata"]["name"]
            ]
            findings += _room_findings(entry, databases)
            if redis_clusters is not None:
                findings += _licence_findings(entry, databases, redis_clusters)
    return findings


def _name(entry: Mapping[str, t.Any]) -> str:
    return f"{entry['metadata']['namespace']}/{entry['metadata']['name']}"


def _demands(entry: Manifest) -> Iterator[Demand]:
    kind, spec = entry["kind"], entry["spec"]
    if kind == "Cluster":
        affinity = spec.get("affinity") or {}
        volumes = [spec["storage"], *([spec["walStorage"]] if "walStorage" in spec else [])]
        yield Demand(
            kind,
            f"the PostgreSQL cluster {_name(entry)}",
            spec["instances"],
            affinity.get("enablePodAntiAffinity", True) and affinity.get("podAntiAffinityType") == "required",
            (spec.get("resources") or {}).get("requests") or {},
            affinity.get("nodeSelector") or {},
            bool(affinity.get("tolerations")),
            tuple(volume.get("storageClass") or "" for volume in volumes),
        )
    elif kind == "RedisEnterpriseCluster":
        persistent = spec.get("persistentSpec") or {}
        yield Demand(
            kind,
            f"the Redis cluster {_name(entry)}",
            spec["nodes"],
            # The vendor's own anti-affinity is required, unless it is given.
            "podAntiAffinity" not in spec,
            (spec.get("redisEnterpriseNodeResources") or {}).get("requests") or {},
            spec.get("nodeSelector") or {},
            bool(spec.get("podTolerations")),
            (persistent.get("storageClassName") or "",) if persistent.get("enabled") else (),
        )
    elif kind == "KafkaNodePool":
        pod = (spec.get("template") or {}).get("pod") or {}
        apart = (pod.get("affinity") or {}).get("podAntiAffinity") or {}
        volumes = (spec.get("storage") or {}).get("volumes") or []
        yield Demand(
            kind,
            f"the Kafka node pool {_name(entry)}",
            spec["replicas"],
            bool(apart.get("requiredDuringSchedulingIgnoredDuringExecution")),
            (spec.get("resources") or {}).get("requests") or {},
            {},
            bool(pod.get("tolerations")),
            tuple(volume.get("class") or "" for volume in volumes if volume.get("type") == "persistent-claim"),
        )


def _class_findings(demand: Demand, storage_classes: Sequence[Mapping[str, t.Any]]) -> Iterator[str]:
    known = sorted(entry["metadata"]["name"] for entry in storage_classes)
    default = [
        entry for entry in storage_classes if (entry["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    key = CLASS_KEYS[demand.kind]
    there = f"the cluster has {', '.join(known)}" if known else "the cluster has none at all"
    for name in dict.fromkeys(demand.classes):
        if name and name not in known:
            yield f"{key} names the StorageClass {name!r} for {demand.name}, which does not exist; {there}"
        elif not name and not default:
            yield f"{key} is empty for {demand.name}, but no StorageClass is the cluster's default; name one: {there}"


def _node_findings(demand: Demand, nodes: Sequence[Mapping[str, t.Any]]) -> Iterator[str]:
    eligible = [node for node in nodes if _takes(node, demand)]
    fitting = [node for node in eligible if _fits(node, demand.requests)]
    needed = demand.pods if demand.apart else min(1, demand.pods)
    key = RESOURCE_KEYS[demand.kind]
    if len(eligible) < needed:
        yield (
            f"{demand.name} has {_count(demand.pods, 'pod')}, each on a node of its own, but {_count(len(eligible), 'node')} can take one: "
            "add nodes, or lower its number in the catalogue"
            + (
                ""
                if demand.kind == "RedisEnterpriseCluster"
                else f", or set {key.split('_', 1)[0]}_anti_affinity to preferred"
            )
        )
    elif len(fitting) < needed:
        asked = ", ".join(f"{resource} {amount}" for resource, amount in demand.requests.items())
        largest = ", ".join(
            f"{resource} {max((node['status']['allocatable'].get(resource, '0') for node in eligible), key=quantity, default='0')}"
            for resource in demand.requests
        )
        yield (
            f"{demand.name} asks for {asked} on {_count(needed, 'node')}, but {_count(len(fitting), 'node')} can give it "
            f"(at most there is {largest}): lower {key}, or add larger nodes"
        )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _takes(node: Mapping[str, t.Any], demand: Demand) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in demand.labels.items()):
        return False
    # Which taints are tolerated is the scheduler's business; who sets tolerations is believed.
    return demand.tolerates or not any(
        taint.get("effect") in ("NoSchedule", "NoExecute") and not taint["key"].startswith(PASSING_TAINTS)
        for taint in node.get("spec", {}).get("taints") or []
    )


def _fits(node: Mapping[str, t.Any], requests: Mapping[str, t.Any]) -> bool:
    allocatable = node.get("status", {}).get("allocatable") or {}
    return all(
        quantity(str(amount)) <= quantity(str(allocatable[resource]))
        for resource, amount in requests.items()
        if resource in allocatable
    )


def _room_findings(cluster: Manifest, databases: Sequence[Manifest]) -> Iterator[str]:
    """Databases have no room but the nodes' memory."""
    limit = ((cluster["spec"].get("redisEnterpriseNodeResources") or {}).get("limits") or {}).get("memory")
    if not limit:
        return
    room = quantity(str(limit)) * int(cluster["spec"]["nodes"])
    wanted = Decimal(sum(redis_memory(database["spec"]["memorySize"]) for database in databases))
    if wanted > room:
        yield (
            f"the databases of the Redis cluster {_name(cluster)} are {_megabytes(wanted)} together, replicas counted, but "
            f"{_count(int(cluster['spec']['nodes']), 'node')} of {limit} hold {_megabytes(room)}: "
            "raise redis_resources or the number of nodes, or make databases smaller"
        )


def _megabytes(size: Decimal) -> str:
    return f"{int(size / 10**6)} MB"


def _licence_findings(
    cluster: Manifest, databases: Sequence[Manifest], live_clusters: Sequence[Mapping[str, t.Any]]
) -> Iterator[str]:
    live: Mapping[str, t.Any] = next((one for one in live_clusters if _name(one) == _name(cluster)), {})
    secret = cluster["spec"].get("licenseSecretName")
    # Another licence than the one on the cluster is what this run brings; it is judged when the operator has read it.
    judged = live.get("spec", {}).get("licenseSecretName") == secret
    status = (live.get("status", {}).get("licenseStatus") or {}) if judged else {}
    state = status.get("licenseState")
    if state and state != "Valid":
        until = f" (until {status['expirationDate']})" if status.get("expirationDate") else ""
        remedy = (
            f"give another one as redis_license, or put it into the Secret {secret}, key license"
            if secret
            else "give one as redis_license, or put it into a Secret with the key license and name that in redis_license_secret_name"
        )
        yield (
            f"the licence of the Redis cluster {_name(cluster)} is {state}{until}, so no database of it can be made or changed: "
            f"{remedy}, and run this again"
        )
        return
    limit = status.get("shardsLimit")
    if limit is None and not secret and "license" not in cluster["spec"]:
        limit = TRIAL_SHARDS
    shards = sum(
        int(database["spec"].get("shardCount", 1)) * (2 if database["spec"].get("replication") else 1)
        for database in databases
    )
    if limit is not None and shards > int(limit):
        which = "its licence" if secret else "Redis Enterprise's trial"
        yield (
            f"the databases of the Redis cluster {_name(cluster)} have {shards} shards, masters and replicas counted together, but {which} "
            f"allows {limit}: give a larger licence (redis_license), or set catalogue_redis_replication to false"
        )
