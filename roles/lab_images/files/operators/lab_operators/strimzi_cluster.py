# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kafka and its node pools as Kubernetes objects, and what cannot be made of them. No input or output here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from lab_operators.quantities import quantity
from lab_operators.strimzi_configuration import option_value, reserved_options, server_properties
from lab_operators.strimzi_names import (
    AGENT_PORT,
    CLUSTER_LABEL,
    CONTROL_PLANE_PORT,
    METRICS_PORT,
    REPLICATION_PORT,
    ClusterNames,
    owner_reference,
)

Manifest = dict[str, Any]

#: What the image holds.
KAFKA_VERSION = "4.3.1"
METADATA_VERSION = "4.3-IV0"
OPERATOR_VERSION = "1.2.0"

NODE_USER = 10012
#: Half of the container's memory, as Strimzi does, but never more than this.
LARGEST_HEAP = 5 * 1024**3
SMALL_HEAP = "-Xms128m -Xmx384m"

#: Options that no cluster smaller than their value can honour; Strimzi refuses them too.
LIMITED_BY_BROKERS = (
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
)


@dataclass(frozen=True)
class Pool:
    """A node pool with its node numbers."""

    resource: Manifest
    node_ids: tuple[int, ...]

    @property
    def name(self) -> str:
        return str(self.resource["metadata"]["name"])

    @property
    def roles(self) -> list[str]:
        return list(self.resource["spec"]["roles"])


def numbered_pools(resources: list[Manifest]) -> list[Pool]:
    """Pools in order of name. A pool keeps the numbers its status says; a new one takes the lowest free ones, in one block."""
    resources = sorted(resources, key=lambda resource: str(resource["metadata"]["name"]))
    kept = {
        resource["metadata"]["name"]: list((resource.get("status") or {}).get("nodeIds") or [])
        for resource in resources
    }
    taken = {number for numbers in kept.values() for number in numbers}
    pools = []
    for resource in resources:
        count = resource["spec"]["replicas"]
        numbers = kept[resource["metadata"]["name"]]
        if len(numbers) != count:
            taken -= set(numbers)
            first = numbers[0] if numbers else 0
            while any(number in taken for number in range(first, first + count)):
                first += 1
            numbers = list(range(first, first + count))
            taken |= set(numbers)
        pools.append(Pool(resource, tuple(numbers)))
    return pools


def kafka_mistakes(kafka: Manifest, pools: list[Pool]) -> list[str]:
    """What the resources ask for and this operator cannot give, one sentence each."""
    spec = kafka["spec"]["kafka"]
    cluster = kafka["metadata"]["name"]
    mistakes = []
    if not pools:
        mistakes.append(f"No KafkaNodePools found for Kafka cluster {cluster}")
    for role in ("controller", "broker"):
        members = [pool for pool in pools if role in pool.roles]
        count = sum(pool.resource["spec"]["replicas"] for pool in members)
        if pools and not count:
            mistakes.append(f"The Kafka cluster {cluster} has to have at least one {role} in its KafkaNodePools")
    mistakes += [
        f"KafkaNodePool {pool.name}: the number of controllers cannot be changed from {len(before)} to "
        f"{pool.resource['spec']['replicas']}"
        for pool in pools
        # The quorum's voters are written down in every node's configuration and on its volume.
        if "controller" in pool.roles
        and (before := (pool.resource.get("status") or {}).get("nodeIds") or [])
        and len(before) != pool.resource["spec"]["replicas"]
    ]
    version = spec.get("version", KAFKA_VERSION)
    if version != KAFKA_VERSION:
        mistakes.append(f"Unsupported Kafka.spec.kafka.version: {version}. Supported versions are: [{KAFKA_VERSION}]")
    mistakes += _listener_mistakes(spec["listeners"])
    if (spec.get("authorization") or {}).get("type") == "custom":
        mistakes.append("spec.kafka.authorization.type: custom is not supported by this stand-in")
    brokers = sum(pool.resource["spec"]["replicas"] for pool in pools if "broker" in pool.roles)
    for option in LIMITED_BY_BROKERS:
        value = (spec.get("config") or {}).get(option)
        if value is not None and brokers and int(option_value(value)) > brokers:
            mistakes.append(
                f"Kafka configuration option '{option}' should be set to {brokers} or less because this cluster "
                f"has only {brokers} Kafka broker(s)"
            )
    for pool in pools:
        storage = pool.resource["spec"]["storage"]
        if storage["type"] == "jbod" and not storage.get("volumes"):
            mistakes.append(f"KafkaNodePool {pool.name}: spec.storage.volumes is empty")
    return mistakes


def kafka_warnings(kafka: Manifest, metadata_version: str | None) -> list[str]:
    """What is accepted and not done, one sentence each."""
    spec = kafka["spec"]
    warnings = [
        f"spec.{field} is not run by this stand-in" for field in ("kafkaExporter", "cruiseControl") if field in spec
    ]
    ignored = reserved_options(spec["kafka"].get("config") or {})
    if ignored:
        warnings.append(f"spec.kafka.config: the operator sets these options itself: {', '.join(ignored)}")
    warnings += [
        f"spec.kafka.{field} is not used by this stand-in"
        for field in ("rack", "quotas", "tieredStorage", "jmxOptions")
        if spec["kafka"].get(field)
    ]
    wanted = spec["kafka"].get("metadataVersion")
    if wanted and metadata_version and not metadata_version.startswith(wanted.split("-")[0]):
        warnings.append(
            f"spec.kafka.metadataVersion: {wanted} is not taken over; the cluster stays at {metadata_version}"
        )
    return warnings


def cluster_objects(kafka: Manifest, names: ClusterNames, *, network_policies: bool) -> list[Manifest]:
    """Services, disruption budget and network policy."""
    listeners = kafka["spec"]["kafka"]["listeners"]
    replication = {"name": "tcp-replication", "port": REPLICATION_PORT}
    clients = [{"name": f"tcp-{listener['name']}", "port": listener["port"]} for listener in listeners]
    internal = [
        {"name": "tcp-ctrlplane", "port": CONTROL_PLANE_PORT},
        replication,
        {"name": "tcp-kafkaagent", "port": AGENT_PORT},
    ]
    budget = ((kafka["spec"]["kafka"].get("template") or {}).get("podDisruptionBudget") or {}).get("maxUnavailable", 1)
    brokers_only = {**names.selector, "strimzi.io/broker-role": "true"}
    objects = [
        _service(kafka, names, names.bootstrap_service, [replication, *clients], {"selector": brokers_only}),
        _service(
            kafka,
            names,
            names.brokers_service,
            [*internal, *clients],
            # A node must find the others before it can become ready.
            {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": names.selector},
        ),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": _metadata(kafka, names, names.component),
            "spec": {"maxUnavailable": budget, "selector": {"matchLabels": names.selector}},
        },
    ]
    return [*objects, network_policy(kafka, names)] if network_policies else objects


def network_policy(kafka: Manifest, names: ClusterNames) -> Manifest:
    """The policy Strimzi makes for a cluster: a listener without peers is open to everyone."""
    spec = kafka["spec"]["kafka"]
    kafka_pods = {"podSelector": {"matchLabels": names.selector}}
    operator = {"podSelector": {"matchLabels": {"strimzi.io/kind": "cluster-operator"}}, "namespaceSelector": {}}
    inside = [
        {"podSelector": {"matchLabels": {**names.selector, "strimzi.io/name": f"{names.cluster}-{part}"}}}
        for part in ("entity-operator", "kafka-exporter", "cruise-control")
    ]
    rules: list[Manifest] = [
        {"ports": [_port(CONTROL_PLANE_PORT)], "from": [operator, kafka_pods]},
        {"ports": [_port(REPLICATION_PORT)], "from": [operator, kafka_pods, *inside]},
        {"ports": [_port(AGENT_PORT)], "from": [operator]},
    ]
    for listener in spec["listeners"]:
        peers = listener.get("networkPolicyPeers")
        rules.append({"ports": [_port(listener["port"])], **({"from": peers} if peers else {})})
    if spec.get("metricsConfig"):
        rules.append({"ports": [_port(METRICS_PORT)]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(kafka, names, names.network_policy),
        "spec": {"podSelector": {"matchLabels": names.selector}, "policyTypes": ["Ingress"], "ingress": rules},
    }


def pool_objects(
    kafka: Manifest,
    names: ClusterNames,
    pool: Pool,
    *,
    image: str,
    cluster_id: str,
    voters: dict[int, str],
    metrics: str | None,
    certificates_checksum: str,
) -> list[Manifest]:
    """A pool's configuration and its StatefulSet, which restarts its pods when configuration or certificates change."""
    spec = pool.resource["spec"]
    name = names.pool(pool.name)
    files = {"server.properties": server_properties(names, kafka, pool.roles, spec["storage"], voters)}
    if metrics is not None:
        files["metrics.yml"] = metrics
    configuration = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(kafka, names, name),
        "data": files,
    }
    checksum = hashlib.sha256("\0".join(f"{key}\0{value}" for key, value in sorted(files.items())).encode()).hexdigest()
    template = _merged_template(kafka["spec"]["kafka"].get("template") or {}, spec.get("template") or {})
    pod_template = template.get("pod") or {}
    extra = pod_template.get("metadata") or {}
    labels = names.pod_labels(pool.name, pool.roles)
    claims, volumes, mounts = _storage(names, pool)
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": pod_template.get("terminationGracePeriodSeconds", 30),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NODE_USER,
            "runAsGroup": NODE_USER,
            "fsGroup": NODE_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(kafka, pool, template, image=image, cluster_id=cluster_id, mounts=mounts)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "configuration", "configMap": {"name": name}},
            {"name": "certificates", "secret": {"secretName": names.node_certificates_secret}},
            *(
                {"name": f"{kind}-ca", "secret": {"secretName": names.authority_secrets(kind)[0], "items": [_CA_FILE]}}
                for kind in ("cluster", "clients")
            ),
            *volumes,
        ],
    }
    for field in ("affinity", "tolerations", "topologySpreadConstraints", "priorityClassName", "securityContext"):
        if pod_template.get(field):
            pod[field] = pod_template[field]
    annotations = {
        **(extra.get("annotations") or {}),
        "strimzi.io/broker-configuration-hash": checksum[:16],
        "strimzi.io/server-cert-hash": certificates_checksum,
    }
    selector = {CLUSTER_LABEL: names.cluster, "strimzi.io/name": names.component, "strimzi.io/pool-name": pool.name}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(kafka, names, name, labels),
        "spec": {
            "serviceName": names.brokers_service,
            "replicas": spec["replicas"],
            "ordinals": {"start": pool.node_ids[0] if pool.node_ids else 0},
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": selector},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": _when_deleted(spec["storage"]),
                "whenScaled": "Retain",
            },
            "template": {
                "metadata": {"labels": {**(extra.get("labels") or {}), **labels}, "annotations": annotations},
                "spec": pod,
            },
            "volumeClaimTemplates": claims,
        },
    }
    return [configuration, stateful_set]


def heap_options(kafka: Manifest, pool: Pool) -> str:
    """-Xms and -Xmx as the resources say, or half of the memory limit."""
    options = pool.resource["spec"].get("jvmOptions") or kafka["spec"]["kafka"].get("jvmOptions") or {}
    chosen = [f"{flag}{options[flag]}" for flag in ("-Xms", "-Xmx") if options.get(flag)]
    if chosen:
        return " ".join(chosen)
    limit = ((pool.resource["spec"].get("resources") or {}).get("limits") or {}).get("memory")
    size = quantity(limit)
    if size is None:
        return SMALL_HEAP
    megabytes = int(min(LARGEST_HEAP, size / 2) // 1024**2)
    return f"-Xms{megabytes}m -Xmx{megabytes}m"


def jvm_options(kafka: Manifest, pool: Pool) -> str:
    options = pool.resource["spec"].get("jvmOptions") or kafka["spec"]["kafka"].get("jvmOptions") or {}
    words = []
    for key, value in sorted((options.get("-XX") or {}).items()):
        text = str(value).lower()
        words.append(
            f"-XX:{'+' if text == 'true' else '-'}{key}" if text in ("true", "false") else f"-XX:{key}={value}"
        )
    words += [f"-D{entry['name']}={entry['value']}" for entry in options.get("javaSystemProperties") or []]
    return " ".join(words)


_CA_FILE = {"key": "ca.crt", "path": "ca.crt"}


def _listener_mistakes(listeners: list[Manifest]) -> list[str]:
    mistakes = []
    for listener in listeners:
        where = f"spec.kafka.listeners[{listener['name']}]"
        kind = (listener.get("authentication") or {}).get("type")
        if listener["type"] != "internal":
            mistakes.append(f"{where}.type: {listener['type']} is not supported by this stand-in, only internal")
        if kind == "custom":
            mistakes.append(f"{where}.authentication.type: custom is not supported by this stand-in")
        if kind == "tls" and not listener["tls"]:
            mistakes.append(f"{where}: TLS authentication needs tls: true")
        if (listener.get("configuration") or {}).get("brokerCertChainAndKey"):
            mistakes.append(f"{where}.configuration.brokerCertChainAndKey is not supported by this stand-in")
    for field in ("name", "port"):
        values = [listener[field] for listener in listeners]
        mistakes += [
            f"spec.kafka.listeners: two have the {field} {value}" for value in {*values} if values.count(value) > 1
        ]
    return mistakes


def _merged_template(cluster_wide: Manifest, own: Manifest) -> Manifest:
    """A pool's template stands before the cluster's, part by part."""
    return {**cluster_wide, **own}


def _port(number: int) -> Manifest:
    return {"port": number, "protocol": "TCP"}


def _metadata(kafka: Manifest, names: ClusterNames, name: str, labels: dict[str, str] | None = None) -> Manifest:
    return {
        "name": name,
        "namespace": names.namespace,
        "labels": labels or names.labels(),
        "ownerReferences": [owner_reference(kafka)],
    }


def _service(kafka: Manifest, names: ClusterNames, name: str, ports: list[Manifest], spec: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(kafka, names, name),
        "spec": {"ports": [{**port, "targetPort": port["port"], "protocol": "TCP"} for port in ports], **spec},
    }


def _when_deleted(storage: Manifest) -> str:
    volumes = storage.get("volumes") or [storage]
    return "Delete" if all(volume.get("deleteClaim") for volume in volumes) else "Retain"


def _storage(names: ClusterNames, pool: Pool) -> tuple[list[Manifest], list[Manifest], list[Manifest]]:
    """Claims, other volumes and mounts; claims are named data-0-<pod> as Strimzi names them."""
    storage = pool.resource["spec"]["storage"]
    jbod = storage["type"] == "jbod"
    claims, volumes, mounts = [], [], []
    for volume in storage["volumes"] if jbod else [storage]:
        name = f"data-{volume['id']}" if jbod else "data"
        mounts.append({"name": name, "mountPath": f"/var/lib/kafka/{name}"})
        if volume["type"] == "ephemeral":
            limit = {"sizeLimit": volume["sizeLimit"]} if volume.get("sizeLimit") else {}
            volumes.append({"name": name, "emptyDir": limit})
            continue
        spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume["size"]}}}
        if volume.get("class"):
            spec["storageClassName"] = volume["class"]
        if volume.get("selector"):
            spec["selector"] = {"matchLabels": volume["selector"]}
        claims.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "labels": names.pod_labels(pool.name, pool.roles)},
                "spec": spec,
            }
        )
    return claims, volumes, mounts


def _container(
    kafka: Manifest,
    pool: Pool,
    template: Manifest,
    *,
    image: str,
    cluster_id: str,
    mounts: list[Manifest],
) -> Manifest:
    spec = kafka["spec"]["kafka"]
    broker = "broker" in pool.roles
    ports = [{"name": "tcp-ctrlplane", "containerPort": CONTROL_PLANE_PORT}] if "controller" in pool.roles else []
    if broker:
        ports.append({"name": "tcp-replication", "containerPort": REPLICATION_PORT})
        ports += [{"name": f"tcp-{entry['name']}", "containerPort": entry["port"]} for entry in spec["listeners"]]
    if spec.get("metricsConfig"):
        ports.append({"name": "tcp-prometheus", "containerPort": METRICS_PORT})
    probed = REPLICATION_PORT if broker else CONTROL_PLANE_PORT
    container: Manifest = {
        "name": "kafka",
        "image": spec.get("image") or image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "KAFKA_CLUSTER_ID", "value": cluster_id},
            {"name": "KAFKA_METADATA_VERSION", "value": spec.get("metadataVersion", METADATA_VERSION)},
            {"name": "KAFKA_HEAP_OPTS", "value": heap_options(kafka, pool)},
            {"name": "KAFKA_JVM_OPTS", "value": jvm_options(kafka, pool)},
            *((template.get("kafkaContainer") or {}).get("env") or []),
        ],
        "ports": [{**port, "protocol": "TCP"} for port in ports],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "startupProbe": {
            "exec": {"command": ["/usr/bin/python3", "/opt/kafka/kafka-answers", str(probed)]},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
            "failureThreshold": 90,
        },
        "readinessProbe": {"tcpSocket": {"port": probed}, "periodSeconds": 5, "timeoutSeconds": 5},
        "livenessProbe": {
            "tcpSocket": {"port": probed},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
            {"name": "configuration", "mountPath": "/etc/kafka/config", "readOnly": True},
            {"name": "certificates", "mountPath": "/etc/kafka/certificates", "readOnly": True},
            {"name": "cluster-ca", "mountPath": "/etc/kafka/cluster-ca", "readOnly": True},
            {"name": "clients-ca", "mountPath": "/etc/kafka/clients-ca", "readOnly": True},
            *mounts,
        ],
    }
    if pool.resource["spec"].get("resources"):
        container["resources"] = pool.resource["spec"]["resources"]
    return container
