# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and status of the Kafka kinds, as Strimzi writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lab_operators.strimzi_cluster import KAFKA_VERSION, METADATA_VERSION, OPERATOR_VERSION, Pool
from lab_operators.strimzi_names import CLUSTER_LABEL, ClusterNames

Manifest = dict[str, Any]


class InvalidResourceError(Exception):
    """The custom resource asks for something that cannot be; shown as reason InvalidResourceException."""


def ready_condition() -> Manifest:
    return {"type": "Ready", "status": "True"}


def not_ready_condition(reason: str, message: str) -> Manifest:
    """Kafka and KafkaUser: a condition of its own type."""
    return {"type": "NotReady", "status": "True", "reason": reason, "message": message}


def unready_condition(reason: str, message: str) -> Manifest:
    """KafkaTopic: Ready with status False."""
    return {"type": "Ready", "status": "False", "reason": reason, "message": message}


def warning_condition(message: str) -> Manifest:
    return {"type": "Warning", "status": "True", "reason": "StandIn", "message": message}


def paused_condition() -> Manifest:
    return {"type": "ReconciliationPaused", "status": "True"}


def with_times(conditions: list[Manifest], current: list[Manifest]) -> list[Manifest]:
    """Conditions with the time of their last change: an unchanged condition keeps its time."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    result = []
    for condition in conditions:
        before = next(
            (
                old
                for old in current
                if {**old, "lastTransitionTime": None} == {**condition, "lastTransitionTime": None}
            ),
            None,
        )
        result.append({**condition, "lastTransitionTime": before["lastTransitionTime"] if before else now})
    return result


def status_change(resource: Manifest, wanted: Manifest) -> Manifest | None:
    """The patch that makes the status what is wanted; None when it is so already."""
    current = resource.get("status") or {}
    if "conditions" in wanted:
        wanted = {**wanted, "conditions": with_times(wanted["conditions"], current.get("conditions") or [])}
    change = {key: value for key, value in wanted.items() if current.get(key) != value}
    return change or None


def kafka_ready_status(
    kafka: Manifest, names: ClusterNames, pools: list[Pool], *, cluster_id: str, authority: str, warnings: list[str]
) -> Manifest:
    status = kafka.get("status") or {}
    return {
        "conditions": [*(warning_condition(text) for text in warnings), ready_condition()],
        "observedGeneration": kafka["metadata"]["generation"],
        "clusterId": cluster_id,
        "kafkaVersion": KAFKA_VERSION,
        "kafkaMetadataVersion": status.get("kafkaMetadataVersion")
        or kafka["spec"]["kafka"].get("metadataVersion", METADATA_VERSION),
        "operatorLastSuccessfulVersion": OPERATOR_VERSION,
        "kafkaNodePools": [{"name": pool.name} for pool in pools],
        "listeners": [listener_status(listener, names, authority) for listener in kafka["spec"]["kafka"]["listeners"]],
    }


def listener_status(listener: Manifest, names: ClusterNames, authority: str) -> Manifest:
    host, port = names.bootstrap_host(), listener["port"]
    status: Manifest = {
        "name": listener["name"],
        "addresses": [{"host": host, "port": port}],
        "bootstrapServers": f"{host}:{port}",
    }
    if listener["tls"]:
        status["certificates"] = [authority]
    return status


def pool_status(pool: Pool, names: ClusterNames, cluster_id: str) -> Manifest:
    selector = {CLUSTER_LABEL: names.cluster, "strimzi.io/name": names.component, "strimzi.io/pool-name": pool.name}
    return {
        "observedGeneration": pool.resource["metadata"]["generation"],
        "nodeIds": list(pool.node_ids),
        "clusterId": cluster_id,
        "roles": sorted(pool.roles),
        "replicas": len(pool.node_ids),
        "labelSelector": ",".join(f"{key}={value}" for key, value in selector.items()),
    }


def pods_problem(pods: list[Manifest]) -> str | None:
    """Why pods do not come up, when they say so; None while there is nothing but waiting."""
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        for container in status.get("containerStatuses") or []:
            ended = (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get(
                "terminated"
            )
            waiting = (container.get("state") or {}).get("waiting") or {}
            if ended and ended.get("exitCode") and not container.get("ready"):
                last_words = (ended.get("message") or "").strip().splitlines()[-3:]
                return f"Pod {name} ended with exit code {ended['exitCode']}: {' | '.join(last_words) or ended.get('reason')}"
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                return f"Pod {name}: {waiting['reason']}: {waiting.get('message', '')}"
        for condition in status.get("conditions") or []:
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return f"Pod {name} cannot be scheduled: {condition.get('message', '')}"
    return None


def rolled_out(stateful_set: Manifest) -> bool:
    """Whether every pod runs the current template and is ready."""
    status, replicas = stateful_set.get("status") or {}, stateful_set["spec"]["replicas"]
    return bool(
        status.get("observedGeneration") == stateful_set["metadata"].get("generation")
        and int(status.get("readyReplicas") or 0) >= replicas
        and int(status.get("updatedReplicas") or 0) >= replicas
        and status.get("currentRevision") == status.get("updateRevision")
    )
