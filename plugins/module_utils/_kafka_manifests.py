# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strimzi: the catalogue's Kafka stores as Kafka, KafkaNodePools, KafkaTopics and a KafkaUser for each client."""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    clients_of,
    manifest,
    merged,
    of_kind,
    platform_labels,
    uses_of,
    without_empty,
)

API_VERSION = "kafka.strimzi.io/v1"
LISTENER = "tls"
MOST_COPIES = 3


def cluster_ca_secret_name(store: t.Mapping[str, t.Any]) -> str:
    return f"{store['cluster']}-cluster-ca-cert"


def kafka_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Node pools, the cluster, its topics and its users: the pools first, as the cluster is judged by them."""
    manifests = []
    for store in of_kind(catalogue, "kafka"):
        manifests.extend(_node_pools(catalogue, store, settings))
        manifests.append(_cluster(catalogue, store, settings))
        manifests.extend(_topic(catalogue, store, topic) for topic in store["topics"])
        manifests.extend(_user(catalogue, store, client) for client in clients_of(catalogue, store))
    return manifests


def _labels(catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {**platform_labels(catalogue, store["name"], "store"), "strimzi.io/cluster": store["cluster"]}


def _node_pools(
    catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]
) -> list[Manifest]:
    brokers, controllers = int(store["replicas"]), int(settings["controllers"])
    if not controllers:
        return [
            _node_pool(catalogue, store, settings, name="combined", roles=["controller", "broker"], replicas=brokers)
        ]
    return [
        _node_pool(catalogue, store, settings, name="controller", roles=["controller"], replicas=controllers),
        _node_pool(catalogue, store, settings, name="broker", roles=["broker"], replicas=brokers),
    ]


def _node_pool(
    catalogue: t.Mapping[str, t.Any],
    store: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    *,
    name: str,
    roles: list[str],
    replicas: int,
) -> Manifest:
    only_controls = roles == ["controller"]
    size = settings["controller_storage_size"] if only_controls else settings["storage_size"]
    resources = settings["controller_resources"] if only_controls else settings["resources"]
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"strimzi.io/cluster": store["cluster"], "strimzi.io/pool-name": name}},
    }
    if settings["anti_affinity"] == "required":
        apart: Manifest = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    else:
        apart = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    volume = {
        "id": 0,
        "type": "persistent-claim",
        "size": size,
        "class": settings.get("storage_class"),
        "kraftMetadata": "shared",
        # Deleting the resource must never delete data.
        "deleteClaim": False,
    }
    spec = {
        "replicas": replicas,
        "roles": roles,
        "storage": {"type": "jbod", "volumes": [without_empty(volume)]},
        "resources": without_empty(resources or {}),
        "jvmOptions": settings.get("jvm_options"),
        "template": {"pod": {"affinity": {"podAntiAffinity": apart}}},
    }
    return manifest(
        API_VERSION,
        "KafkaNodePool",
        name,
        store["namespace"],
        labels=_labels(catalogue, store),
        spec=merged(without_empty(spec), settings.get("node_pool_settings") or {}),
    )


def _cluster(
    catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]
) -> Manifest:
    copies = min(MOST_COPIES, int(store["replicas"]))
    in_sync = _least_in_sync(copies)
    config = {
        "auto.create.topics.enable": False,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
    }
    kafka = {
        "version": settings.get("version"),
        "metadataVersion": settings.get("metadata_version"),
        "image": settings.get("image"),
        "listeners": [
            {
                "name": LISTENER,
                "port": int(store["port"]),
                "type": "internal",
                "tls": True,
                "authentication": {"type": "scram-sha-512"},
                "networkPolicyPeers": _peers(catalogue, store),
            }
        ],
        "authorization": {"type": "simple"},
        "config": {**config, **(settings.get("config") or {})},
        "template": {"podDisruptionBudget": {"maxUnavailable": 1}},
    }
    if store["metrics_port"]:
        # The one reporter that needs no rules of its own in a ConfigMap.
        kafka["metricsConfig"] = {"type": "strimziMetricsReporter", "values": {"allowList": [".*"]}}
    spec = {"kafka": without_empty(kafka), "entityOperator": {"topicOperator": {}, "userOperator": {}}}
    return manifest(
        API_VERSION,
        "Kafka",
        store["cluster"],
        store["namespace"],
        labels=platform_labels(catalogue, store["name"], "store"),
        spec=merged(spec, settings.get("cluster_settings") or {}),
    )


def _peers(catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Who may reach the listener. The operator makes a NetworkPolicy of it, and no peers at all would mean everyone."""
    peers: list[Manifest] = [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": client["namespace"]}},
            "podSelector": {"matchLabels": client["selector"]},
        }
        for client in clients_of(catalogue, store)
    ]
    return peers or [{"podSelector": {"matchLabels": {"strimzi.io/cluster": store["cluster"]}}}]


def _topic(catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], topic: t.Mapping[str, t.Any]) -> Manifest:
    copies = int(topic["replicas"])
    return manifest(
        API_VERSION,
        "KafkaTopic",
        topic["name"],
        store["namespace"],
        labels=_labels(catalogue, store),
        spec={
            "partitions": int(topic["partitions"]),
            "replicas": copies,
            "config": {"min.insync.replicas": _least_in_sync(copies), **topic["config"]},
        },
    )


def _user(catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any], client: t.Mapping[str, t.Any]) -> Manifest:
    uses = uses_of(client, store)
    produced = list(dict.fromkeys(topic for use in uses for topic in use["produce"]))
    consumed = list(dict.fromkeys(topic for use in uses for topic in use["consume"]))
    acls = []
    for topic in dict.fromkeys([*produced, *consumed]):
        operations = ["Describe"]
        operations += ["Read"] if topic in consumed else []
        operations += ["Write"] if topic in produced else []
        acls.append({"resource": {"type": "topic", "name": topic, "patternType": "literal"}, "operations": operations})
    groups = dict.fromkeys(use["group"] for use in uses if use["consume"])
    for group in groups:
        resource = {"type": "group", "name": group, "patternType": "literal"}
        acls.append({"resource": resource, "operations": ["Describe", "Read"]})
    return manifest(
        API_VERSION,
        "KafkaUser",
        client["name"],
        store["namespace"],
        labels=_labels(catalogue, store),
        spec={
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    )


def _least_in_sync(copies: int) -> int:
    """One copy may be away, as long as there is another: a broker's restart must not stop producers."""
    return max(1, copies - 1)
