# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small platform that stands, as an inventory of it looks."""

from __future__ import annotations

import typing as t

PLATFORM: dict[str, t.Any] = {
    "name": "shop",
    "namespaces": [{"name": name} for name in ("default", "front", "data", "cache", "operators")],
    "operators": [
        {"name": "cloudnative-pg", "namespace": "operators", "pod_labels": {"app": "cnpg"}},
        {"name": "redis-enterprise", "namespace": "cache", "pod_labels": {"name": "redis-enterprise-operator"}},
        {"name": "strimzi", "namespace": "operators", "pod_labels": {"strimzi.io/kind": "cluster-operator"}},
    ],
    "stores": [
        {
            "name": "postgres",
            "kind": "postgresql",
            "namespace": "data",
            "cluster": "pg",
            "databases": [{"name": "orders"}],
        },
        {
            "name": "redis",
            "kind": "redis",
            "namespace": "cache",
            "cluster": "rec",
            "databases": [{"name": "carts", "port": 12000}],
        },
        {"name": "kafka", "kind": "kafka", "namespace": "data", "cluster": "bus", "topics": [{"name": "sales"}]},
    ],
    "defaults": {"image": "registry.example/shop:1.0"},
    "services": [{"name": "orders", "namespace": "front"}],
}
OURS = {"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "azora.platform"}
STORE = {**OURS, "app.kubernetes.io/component": "store"}
PG, RECS, REDBS, STRIMZI = (
    "postgresql.cnpg.io/v1",
    "app.redislabs.com/v1",
    "app.redislabs.com/v1alpha1",
    "kafka.strimzi.io/v1",
)
Entry = dict[str, t.Any]
Plan = dict[str, t.Any]
MakePlan = t.Callable[..., Plan]


def entry(
    kind: str,
    place: str,
    labels: t.Mapping[str, str] | None = None,
    *,
    api: str = "v1",
    owner: Entry | None = None,
    annotations: t.Mapping[str, str] | None = None,
    **more: t.Any,
) -> Entry:
    """An object of an inventory; `place` is namespace/name, or a name alone."""
    namespace, _slash, name = place.rpartition("/")
    owners = []
    if owner:
        owners = [{"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]
    metadata: Entry = {
        "name": name,
        "uid": f"uid-{kind}-{place}",
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
        "ownerReferences": owners,
        "finalizers": [],
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def definition(name: str) -> Entry:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": name.partition(".")[2]},
    }


def deployment(namespace: str, name: str) -> Entry:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}}


OPERATORS: dict[str, list[Entry]] = {
    "cloudnative-pg": [definition("clusters.postgresql.cnpg.io"), deployment("operators", "cnpg")],
    "redis-enterprise": [definition("redisenterpriseclusters.app.redislabs.com"), deployment("cache", "redis")],
    "strimzi": [definition("kafkas.kafka.strimzi.io"), deployment("operators", "strimzi")],
}
GROUPS = ["postgresql.cnpg.io", "barmancloud.cnpg.io", "app.redislabs.com", "kafka.strimzi.io"]


def standing() -> list[Entry]:
    """The platform as site.yml leaves it, as far as it makes a difference."""
    pg = entry("Cluster", "data/pg", STORE, api=PG)
    rec = entry("RedisEnterpriseCluster", "cache/rec", STORE, api=RECS)
    bus = entry("Kafka", "data/bus", STORE, api=STRIMZI, clusterId="old-id")
    schedule = entry("ScheduledBackup", "data/pg-backups", STORE, api=PG, cluster="pg")
    web = entry("Deployment", "front/orders", OURS, api="apps/v1")
    of_pg, of_bus, of_rec = (
        {f"{label}/cluster": name} for label, name in (("cnpg.io", "pg"), ("strimzi.io", "bus"), ("redis.io", "rec"))
    )
    operator = entry("Deployment", "operators/cnpg", api="apps/v1")
    return [
        pg,
        rec,
        bus,
        schedule,
        web,
        operator,
        entry("ReplicaSet", "front/orders-1", OURS, api="apps/v1", owner=web),
        entry("Secret", "front/orders-credentials", OURS),
        entry("ConfigMap", "front/kube-root-ca.crt"),
        entry("ServiceAccount", "front/default"),
        entry("Database", "data/pg-orders", STORE, api=PG, cluster="pg"),
        entry("Backup", "data/pg-backups-1", api=PG, cluster="pg", owner=schedule),
        entry("Backup", "data/pg-by-hand", api=PG, cluster="pg"),
        entry("ObjectStore", "data/pg-backups", STORE, api="barmancloud.cnpg.io/v1"),
        entry("KafkaTopic", "data/sales", {**STORE, **of_bus}, api=STRIMZI, cluster="bus"),
        entry("KafkaNodePool", "data/combined", {**STORE, **of_bus}, api=STRIMZI, cluster="bus"),
        entry("RedisEnterpriseDatabase", "cache/carts", STORE, api=REDBS, cluster="rec"),
        entry("Pod", "data/pg-1", of_pg, owner=pg),
        entry("Service", "data/pg-rw", of_pg, owner=pg),
        entry("PersistentVolumeClaim", "data/pg-1", of_pg, owner=pg),
        entry("Secret", "data/pg-ca", of_pg, owner=pg),
        entry("ConfigMap", "data/pg-leader", of_pg, owner=pg),
        entry("Secret", "data/pg-orders", {**STORE, "app.kubernetes.io/name": "postgres"}),
        entry("Pod", "data/bus-combined-0", of_bus, owner=bus),
        entry("PersistentVolumeClaim", "data/data-0-bus-combined-0", of_bus),
        entry("Secret", "data/bus-cluster-ca", of_bus, owner=bus),
        entry("Pod", "cache/rec-0", of_rec, owner=rec),
        entry("PersistentVolumeClaim", "cache/storage-rec-0", of_rec),
        entry("ReplicaSet", "operators/cnpg-1", api="apps/v1", owner=operator),
        *(
            entry("NetworkPolicy", f"{name}/default-deny", OURS, api="networking.k8s.io/v1")
            for name in ("default", "front", "data", "cache", "operators")
        ),
        entry("ClusterNetworkPolicy", "shop.data.floor", OURS, api="policy.networking.k8s.io/v1alpha2"),
        entry("Service", "default/kubernetes"),
    ]


def namespaces() -> list[Entry]:
    ours = [entry("Namespace", name, OURS) for name in ("front", "data", "cache", "operators")]
    return [entry("Namespace", "default", {"app.kubernetes.io/part-of": "shop"}), *ours]


def names(resources: t.Iterable[Entry]) -> list[str]:
    """Kind and name of each, sorted."""
    return sorted(f"{one['kind']} {one['metadata']['name']}" for one in resources)
