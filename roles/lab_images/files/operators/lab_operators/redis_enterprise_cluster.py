# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A RedisEnterpriseCluster as the objects it stands for, and what its status says. No input or output here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lab_operators.quantities import quantity

Manifest = dict[str, Any]

GROUP = "app.redislabs.com"
CLUSTER_VERSION = f"{GROUP}/v1"
#: Keeps a cluster until the databases that live on it are gone.
CLUSTER_FINALIZER = "redbfinalizer.redisenterpriseclusters.app.redislabs.com"

API_PORT = 9443
METRICS_PORT = 8070
#: What the vendor takes when the spec says nothing.
DEFAULT_NODES = 3
#: One without replicas, or as many as it takes to agree on a primary when one is gone.
POSSIBLE_NODES = (1, 3)
DEFAULT_USERNAME = "demo@redis.com"
DEFAULT_RESOURCES: Manifest = {
    "requests": {"cpu": "2", "memory": "4Gi"},
    "limits": {"cpu": "2", "memory": "4Gi"},
}
DEFAULT_VOLUME_FACTOR = 5

NODE_USER = 10011
VOLUME = "redis-enterprise-storage"
CONTAINER = "redis-enterprise-node"


@dataclass(frozen=True)
class ClusterSettings:
    """What the operator's environment decides."""

    image: str


def node_labels(cluster: str) -> dict[str, str]:
    """The labels of the cluster's pods, by which policies and Services find them."""
    return {"app": "redis-enterprise", "redis.io/cluster": cluster, "redis.io/role": "node"}


def owner_reference(owner: Manifest) -> Manifest:
    """Makes an object go with its custom resource."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def node_count(cluster: Manifest) -> int:
    return int(cluster["spec"].get("nodes", DEFAULT_NODES))


def node_hosts(cluster: Manifest) -> list[str]:
    """The nodes' own names, in order of their numbers; the first one answers the REST API."""
    name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    return [f"{name}-{number}.{name}.{namespace}.svc.cluster.local" for number in range(node_count(cluster))]


def credentials_secret_name(cluster: Manifest) -> str:
    return str(cluster["spec"].get("clusterCredentialSecretName") or cluster["metadata"]["name"])


def certificate_secret_name(cluster: Manifest) -> str:
    return f"{cluster['metadata']['name']}-node-certificate"


def certificate_names(cluster: Manifest) -> list[str]:
    """What the node's certificate is good for: the cluster's own name, its pods, and every Service of a database."""
    name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    names = [name]
    for suffix in (namespace, f"{namespace}.svc", f"{namespace}.svc.cluster.local"):
        names += [f"{name}.{suffix}", f"*.{name}.{suffix}", f"*.{suffix}"]
    return names


def cluster_mistakes(cluster: Manifest, stateful_set: Manifest | None, licence: str | None = "") -> list[str]:
    """What the spec asks for and this operator cannot give, one sentence each. The licence is None when its Secret has none."""
    spec = cluster["spec"]
    mistakes = []
    nodes = node_count(cluster)
    present = int(stateful_set["spec"]["replicas"]) if stateful_set else 0
    if nodes not in POSSIBLE_NODES:
        mistakes.append(f"spec.nodes: {nodes} nodes were asked for; this stand-in runs 1 or 3")
    elif nodes < present:
        mistakes.append(f"spec.nodes: a cluster of {present} nodes cannot get fewer; {nodes} were asked for")
    for field in ("license", "activeActive", "backup", "rackAwarenessNodeLabel"):
        if spec.get(field):
            mistakes.append(f"spec.{field}: this stand-in does not support it")
    if licence is None:
        secret = spec["licenseSecretName"]
        mistakes.append(f"spec.licenseSecretName: there is no Secret {secret} with the key license")
    persistent = spec.get("persistentSpec") or {}
    if persistent.get("volumeSize") and quantity(persistent["volumeSize"]) is None:
        mistakes.append(f"spec.persistentSpec.volumeSize: {persistent['volumeSize']!r} is not a quantity such as 10Gi")
    if stateful_set and not mistakes:
        old = stateful_set["spec"].get("volumeClaimTemplates") or []
        new = volume_claims(spec)
        if bool(old) != bool(new):
            mistakes.append("spec.persistentSpec.enabled: cannot be changed after the cluster was created")
        elif old and new and _claim(old[0]) != _claim(new[0]):
            mistakes.append("spec.persistentSpec: size and class of the volumes cannot be changed by this stand-in")
    return mistakes


def volume_claims(spec: Manifest) -> list[Manifest]:
    persistent = spec.get("persistentSpec") or {}
    if not persistent.get("enabled"):
        return []
    resources = spec.get("redisEnterpriseNodeResources") or DEFAULT_RESOURCES
    memory = quantity((resources.get("limits") or resources.get("requests") or {}).get("memory", "4Gi")) or 0
    size = persistent.get("volumeSize") or f"{math.ceil(memory * DEFAULT_VOLUME_FACTOR / 1024**3)}Gi"
    claim: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if persistent.get("storageClassName"):
        claim["storageClassName"] = persistent["storageClassName"]
    return [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": VOLUME}, "spec": claim}]


def cluster_objects(cluster: Manifest, settings: ClusterSettings, certificate_checksum: str) -> list[Manifest]:
    """Services, disruption budget and StatefulSet. (Secrets are made once, by whoever holds their values.)"""
    name = cluster["metadata"]["name"]
    spec = cluster["spec"]
    ui_type = spec.get("uiServiceType", "ClusterIP")
    api_ports = [{"name": "api", "port": API_PORT}, {"name": "sentinel", "port": 8001}]
    return [
        _service(cluster, name, api_ports, {}, {"clusterIP": "None", "publishNotReadyAddresses": True}),
        _service(cluster, f"{name}-ui", [{"name": "ui", "port": 8443}], {}, {"type": ui_type}),
        _service(
            cluster,
            f"{name}-prom",
            [{"name": "prometheus", "port": METRICS_PORT}],
            {"redis.io/service": "prom-metrics"},
            {},
        ),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": _metadata(cluster, f"{name}-pdb"),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": node_labels(name)}},
        },
        _stateful_set(cluster, settings, certificate_checksum),
    ]


def cluster_state(
    previous: str | None, stateful_set: Manifest | None, pods: list[Manifest], api_answers: bool, *, was_running: bool
) -> str:
    """Where a valid cluster stands, in the vendor's words."""
    if stateful_set is None:
        return previous or "PendingCreation"
    status = stateful_set.get("status") or {}
    ready = int(status.get("readyReplicas") or 0) >= int(stateful_set["spec"]["replicas"])
    observed = status.get("observedGeneration") == stateful_set["metadata"].get("generation")
    current = observed and status.get("currentRevision") == status.get("updateRevision")
    if was_running and not current:
        return "RunningRollingUpdate"
    if ready and current:
        if api_answers:
            return "Running"
        return "RecoveringFirstPod" if was_running else "Initializing"
    if was_running:
        return "RecoveringFirstPod"
    started = any(
        (container.get("state") or {}).get("running")
        for pod in pods
        for container in (pod.get("status") or {}).get("containerStatuses") or []
    )
    return "Initializing" if started else "BootstrappingFirstPod"


def cluster_status(
    state: str,
    *,
    cluster: Manifest,
    license_info: Manifest | None,
    modules: list[Manifest] | None,
    nodes: list[Manifest] | None,
) -> Manifest:
    """The status of a valid cluster; what only the nodes know is left out until the first one answers."""
    status: Manifest = {"state": state, "specStatus": "Valid"}
    if license_info:
        status["licenseStatus"] = {
            "activationDate": license_info["activation_date"],
            # Whole days, so that an unchanged cluster has an unchanged status.
            "expirationDate": license_info["expiration_date"][:10],
            "features": license_info["features"],
            "licenseState": "Expired" if license_info["expired"] else "Valid",
            "owner": license_info["owner"],
            "shardsLimit": license_info["shards_limit"],
            "ramShardsLimit": license_info["ram_shards_limit"],
            "shardsUsage": f"{license_info['ram_shards_in_use']}/{license_info['shards_limit']}",
        }
    if modules is not None:
        status["modules"] = [
            {
                "name": module["module_name"],
                "displayName": module["display_name"],
                "versions": [{"version": module["semantic_version"]}],
            }
            for module in modules
        ]
    if nodes:
        version = nodes[0]["bundled_redis_version"]
        status["bundledDatabaseVersions"] = [{"dbType": "redis", "version": version, "major": True}]
        status["nodes"] = [{"uid": str(node["uid"]), "status": node["status"]} for node in nodes]
    if (cluster["spec"].get("persistentSpec") or {}).get("enabled"):
        count = node_count(cluster)
        provisioned = state in ("Running", "Initializing", "RunningRollingUpdate")
        status["persistenceStatus"] = {
            "status": "Provisioned" if provisioned else "Provisioning",
            "succeeded": f"{count if provisioned else 0}/{count}",
        }
    return status


def _claim(template: Manifest) -> tuple[float | None, str | None]:
    spec = template["spec"]
    return quantity(spec["resources"]["requests"]["storage"]), spec.get("storageClassName")


def _metadata(cluster: Manifest, name: str, labels: dict[str, str] | None = None) -> Manifest:
    metadata = cluster["metadata"]
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": {
            **(cluster["spec"].get("extraLabels") or {}),
            "app": "redis-enterprise",
            "redis.io/cluster": metadata["name"],
            **(labels or {}),
        },
        "ownerReferences": [owner_reference(cluster)],
    }


def _service(cluster: Manifest, name: str, ports: list[Manifest], labels: dict[str, str], extra: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(cluster, name, labels),
        "spec": {
            "selector": node_labels(cluster["metadata"]["name"]),
            "ports": [{**port, "targetPort": port["port"], "protocol": "TCP"} for port in ports],
            **extra,
        },
    }


def _stateful_set(cluster: Manifest, settings: ClusterSettings, certificate_checksum: str) -> Manifest:
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    labels = {**(spec.get("extraLabels") or {}), **node_labels(name)}
    claims = volume_claims(spec)
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NODE_USER,
            "runAsGroup": NODE_USER,
            "fsGroup": NODE_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(cluster, settings)],
        "volumes": [
            {"name": "runtime", "emptyDir": {}},
            {"name": "credentials", "secret": {"secretName": credentials_secret_name(cluster)}},
            {"name": "certificates", "secret": {"secretName": certificate_secret_name(cluster)}},
            *([] if claims else [{"name": VOLUME, "emptyDir": {}}]),
        ],
        "affinity": {"podAntiAffinity": spec.get("podAntiAffinity") or _apart(cluster)},
    }
    for field, target in (("nodeSelector", "nodeSelector"), ("podTolerations", "tolerations")):
        if spec.get(field):
            pod[target] = spec[field]
    if spec.get("priorityClassName"):
        pod["priorityClassName"] = spec["priorityClassName"]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(cluster, name),
        "spec": {
            "serviceName": name,
            "replicas": node_count(cluster),
            "podManagementPolicy": "OrderedReady",
            "selector": {"matchLabels": node_labels(name)},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        **(spec.get("redisEnterprisePodAnnotations") or {}),
                        "redis.io/certificate-checksum": certificate_checksum,
                    },
                },
                "spec": pod,
            },
            "volumeClaimTemplates": claims,
        },
    }


def _container(cluster: Manifest, settings: ClusterSettings) -> Manifest:
    spec = cluster["spec"]
    resources = spec.get("redisEnterpriseNodeResources") or DEFAULT_RESOURCES
    image = spec.get("redisEnterpriseImageSpec") or {}
    environment: list[Manifest] = [
        {
            "name": "CLUSTER_NAME",
            "value": f"{cluster['metadata']['name']}.{cluster['metadata']['namespace']}.svc.cluster.local",
        },
        {"name": "NODE_HOSTS", "value": ",".join(node_hosts(cluster))},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    if (resources.get("limits") or {}).get("memory"):
        limit = {"resourceFieldRef": {"containerName": CONTAINER, "resource": "limits.memory"}}
        environment.append({"name": "MEMORY_LIMIT", "valueFrom": limit})
    return {
        "name": CONTAINER,
        "image": f"{image['repository']}:{image['versionTag']}" if image.get("repository") else settings.image,
        "imagePullPolicy": image.get("imagePullPolicy", "IfNotPresent"),
        "env": environment,
        "ports": [
            {"name": "api", "containerPort": API_PORT, "protocol": "TCP"},
            {"name": "prometheus", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {
            "httpGet": {"path": "/ready", "port": "api", "scheme": "HTTPS"},
            "periodSeconds": 1,
            "failureThreshold": 120,
        },
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "api", "scheme": "HTTPS"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        },
        "livenessProbe": {
            "tcpSocket": {"port": "api"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "volumeMounts": [
            {"name": VOLUME, "mountPath": "/opt/persistent"},
            {"name": "runtime", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
            {"name": "credentials", "mountPath": "/etc/redis-node/credentials", "readOnly": True},
            {"name": "certificates", "mountPath": "/etc/redis-node/certificates", "readOnly": True},
        ],
    }


def _apart(cluster: Manifest) -> Manifest:
    """Nodes of one cluster on different machines: a wish where there are several, since a lab may have fewer machines."""
    name = cluster["metadata"]["name"]
    term = {"labelSelector": {"matchLabels": node_labels(name)}, "topologyKey": "kubernetes.io/hostname"}
    if node_count(cluster) == 1:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
