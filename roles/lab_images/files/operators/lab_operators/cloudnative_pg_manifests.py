# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a Cluster: Services, PodDisruptionBudget, Secrets, claims, the Pod. Plain data in, plain data out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lab_operators.certificates import KeyPair
from lab_operators.cloudnative_pg_definition import Spec, application_database
from lab_operators.cloudnative_pg_object_stores import NO_OBJECT_STORES, ObjectStores
from lab_operators.kubernetes_api import Manifest
from lab_operators.secret_data import encoded

CLUSTER_LABEL = "cnpg.io/cluster"
RELOAD_LABEL = "cnpg.io/reload"
POD_HASH = "cnpg.io/podEnvHash"
ROLE_LABEL = "cnpg.io/instanceRole"
#: Whether this pod makes the first data of its cluster, if it finds none.
FIRST_DATA = "cnpg.io/firstData"
POSTGRES_PORT, STATUS_PORT, METRICS_PORT = 5432, 8000, 9187
SECRET_MODE = 0o640
PATRONI_VERBS = ["get", "list", "patch", "update", "watch"]


def owned(cluster: Manifest, kind: str, name: str, api_version: str = "v1", **content: Any) -> Manifest:
    """An object of this Cluster: same namespace, deleted with it."""
    metadata = cluster["metadata"]
    inherited = cluster["spec"].get("inheritedMetadata") or {}
    manifest: Manifest = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {**(inherited.get("labels") or {}), CLUSTER_LABEL: metadata["name"]},
            "annotations": dict(inherited.get("annotations") or {}),
            "ownerReferences": [
                {
                    "apiVersion": "postgresql.cnpg.io/v1",
                    "kind": "Cluster",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
    }
    return manifest | content


def server_names(cluster: str, namespace: str) -> list[str]:
    """The names under which clients reach the cluster."""
    suffixes = ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    return [f"{cluster}-{service}{suffix}" for service in ("rw", "r", "ro") for suffix in suffixes]


def tls_secret(cluster: Manifest, name: str, pair: KeyPair) -> Manifest:
    """A certificate with its key."""
    return owned(
        cluster,
        "Secret",
        name,
        type="kubernetes.io/tls",
        data=encoded({"tls.crt": pair.certificate, "tls.key": pair.key}),
    )


def authority_secret(cluster: Manifest, name: str, pair: KeyPair) -> Manifest:
    """The cluster's own certificate authority."""
    return owned(cluster, "Secret", name, type="Opaque", data=encoded({"ca.crt": pair.certificate, "ca.key": pair.key}))


def login_secret(cluster: Manifest, name: str, user: str, password: str, database: str) -> Manifest:
    """Everything a client needs to log in, in each form that clients ask for."""
    metadata = cluster["metadata"]
    host = f"{metadata['name']}-rw"
    short, full = f"{host}.{metadata['namespace']}", f"{host}.{metadata['namespace']}.svc.cluster.local"

    def uri(server: str) -> str:
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{credentials}@{server}:{POSTGRES_PORT}/{quote(database, safe='')}"

    def jdbc(server: str) -> str:
        query = f"password={quote(password, safe='')}&user={quote(user, safe='')}"
        return f"jdbc:postgresql://{server}:{POSTGRES_PORT}/{quote(database, safe='')}?{query}"

    values = {
        "username": user,
        "user": user,
        "password": password,
        "dbname": database,
        "host": host,
        "port": str(POSTGRES_PORT),
        "pgpass": f"{host}:{POSTGRES_PORT}:{database}:{user}:{password}\n",
        "uri": uri(short),
        "jdbc-uri": jdbc(short),
        "fqdn-uri": uri(full),
        "fqdn-jdbc-uri": jdbc(full),
    }
    secret = owned(cluster, "Secret", name, type="kubernetes.io/basic-auth", data=encoded(values))
    secret["metadata"]["labels"] |= {
        "cnpg.io/userType": "superuser" if user == "postgres" else "app",
        RELOAD_LABEL: "true",
    }
    return secret


def services(cluster: Manifest) -> list[Manifest]:
    """-rw leads to the primary, -ro to the replicas, -r to any instance."""
    name = cluster["metadata"]["name"]
    disabled = ((cluster["spec"].get("managed") or {}).get("services") or {}).get("disabledDefaultServices") or []
    selectors = {
        "rw": {ROLE_LABEL: "primary"},
        "ro": {ROLE_LABEL: "replica"},
        "r": {"cnpg.io/podRole": "instance"},
    }
    return [
        owned(
            cluster,
            "Service",
            f"{name}-{service}",
            spec={
                "type": "ClusterIP",
                "selector": {CLUSTER_LABEL: name, **selector},
                "ports": [{"name": "postgres", "port": POSTGRES_PORT, "targetPort": POSTGRES_PORT, "protocol": "TCP"}],
            },
        )
        for service, selector in selectors.items()
        if service not in disabled
    ]


def disruption_budgets(cluster: Manifest) -> list[Manifest]:
    """The primary is not evicted without a word; of the standbys one at a time, as long as there are two."""
    if not cluster["spec"].get("enablePDB", True):
        return []
    name, instances = cluster["metadata"]["name"], cluster["spec"].get("instances", 1)
    kept = {f"{name}-primary": ("primary", 1)}
    if instances > 2:
        kept[name] = ("replica", instances - 2)
    return [
        owned(
            cluster,
            "PodDisruptionBudget",
            budget,
            "policy/v1",
            spec={
                "minAvailable": available,
                "selector": {"matchLabels": {CLUSTER_LABEL: name, ROLE_LABEL: role}},
            },
        )
        for budget, (role, available) in kept.items()
    ]


def configuration_map(cluster: Manifest, configuration: str) -> Manifest:
    """What the instance manager reads when it starts."""
    name = f"{cluster['metadata']['name']}-instance"
    return owned(cluster, "ConfigMap", name, data={"instance.json": configuration})


def service_account(cluster: Manifest) -> Manifest:
    """The account of the instances: Patroni keeps the cluster's state in ConfigMaps."""
    account = owned(cluster, "ServiceAccount", service_account_name(cluster), automountServiceAccountToken=False)
    template = (cluster["spec"].get("serviceAccountTemplate") or {}).get("metadata") or {}
    account["metadata"]["labels"] |= template.get("labels") or {}
    account["metadata"]["annotations"] |= template.get("annotations") or {}
    return account


def permissions(cluster: Manifest) -> list[Manifest]:
    """What Patroni needs (https://patroni.readthedocs.io/en/latest/kubernetes.html): its ConfigMaps, and labels on its pods."""
    name, account = cluster["metadata"]["name"], service_account_name(cluster)
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": [*PATRONI_VERBS, "create", "delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": PATRONI_VERBS},
    ]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": cluster["metadata"]["namespace"]}
    return [
        owned(cluster, "Role", name, f"{group}/v1", rules=rules),
        owned(
            cluster,
            "RoleBinding",
            name,
            f"{group}/v1",
            roleRef={"apiGroup": group, "kind": "Role", "name": name},
            subjects=[subject],
        ),
    ]


def service_account_name(cluster: Manifest) -> str:
    name: str = cluster["spec"].get("serviceAccountName") or cluster["metadata"]["name"]
    return name


def claims(cluster: Manifest, instance: str) -> list[Manifest]:
    """One claim for the data and, when asked for, one for the write-ahead log."""
    wanted = [(instance, "PG_DATA", cluster["spec"]["storage"])]
    if cluster["spec"].get("walStorage"):
        wanted.append((f"{instance}-wal", "PG_WAL", cluster["spec"]["walStorage"]))
    return [_claim(cluster, instance, *claim) for claim in wanted]


def _claim(cluster: Manifest, instance: str, name: str, role: str, storage: Spec) -> Manifest:
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], **(storage.get("pvcTemplate") or {})}
    if storage.get("size"):
        spec["resources"] = {**(spec.get("resources") or {}), "requests": {"storage": storage["size"]}}
    if storage.get("storageClass"):
        spec["storageClassName"] = storage["storageClass"]
    claim = owned(cluster, "PersistentVolumeClaim", name, spec=spec)
    claim["metadata"]["labels"] |= {"cnpg.io/instanceName": instance, "cnpg.io/pvcRole": role}
    claim["metadata"]["annotations"] |= {"cnpg.io/nodeSerial": instance.rsplit("-", 1)[1], "cnpg.io/pvcStatus": "ready"}
    return claim


def instance_pod(
    cluster: Manifest,
    instance: str,
    image: str,
    stores: ObjectStores = NO_OBJECT_STORES,
    *,
    first_data: bool = False,
) -> Manifest:
    """The pod of one instance; its annotation names everything that needs a new pod when it changes.

    Which role it has, Patroni says by a label.
    """
    # Where the first data came from matters to nobody afterwards.
    lasting = _pod_spec(cluster, instance, image, replace(stores, source_secrets=()))
    pod = owned(cluster, "Pod", instance, spec=_pod_spec(cluster, instance, image, stores))
    cluster_name = cluster["metadata"]["name"]
    pod["metadata"]["labels"] |= {
        "cnpg.io/instanceName": instance,
        "cnpg.io/podRole": "instance",
        "app.kubernetes.io/name": "postgresql",
        "app.kubernetes.io/instance": cluster_name,
        "app.kubernetes.io/component": "database",
        "app.kubernetes.io/managed-by": "cloudnative-pg",
    }
    pod["metadata"]["annotations"] |= {
        "cnpg.io/nodeSerial": instance.rsplit("-", 1)[1],
        FIRST_DATA: "true" if first_data else "false",
        POD_HASH: hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:16],
    }
    return pod


def _pod_spec(cluster: Manifest, instance: str, image: str, stores: ObjectStores) -> Manifest:
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    user, group = spec.get("postgresUID", 26), spec.get("postgresGID", 26)
    volumes, mounts = _volumes(name, instance, stores, wal=bool(spec.get("walStorage")))
    container = {
        "name": "postgres",
        "image": image,
        "imagePullPolicy": spec.get("imagePullPolicy") or "IfNotPresent",
        "env": [
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            {"name": "POD_NAME", "value": instance},
            {"name": "NAMESPACE", "value": cluster["metadata"]["namespace"]},
            {"name": "CLUSTER_NAME", "value": name},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "FIRST_DATA", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{FIRST_DATA}']"}}},
            {"name": "PGPORT", "value": str(POSTGRES_PORT)},
            {"name": "PGHOST", "value": "/controller/run"},
            *(spec.get("env") or []),
        ],
        "envFrom": list(spec.get("envFrom") or []),
        "ports": [
            {"name": "postgresql", "containerPort": POSTGRES_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "status", "containerPort": STATUS_PORT, "protocol": "TCP"},
        ],
        "resources": dict(spec.get("resources") or {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": group,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_probes(spec),
        "volumeMounts": mounts,
    }
    pod = {
        "hostname": instance,
        "serviceAccountName": service_account_name(cluster),
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": {
            "fsGroup": group,
            "runAsGroup": group,
            "runAsNonRoot": True,
            "runAsUser": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": spec.get("stopDelay", 1800),
        "containers": [container],
        "volumes": volumes,
        "affinity": _affinity(name, spec.get("affinity") or {}),
        "nodeSelector": (spec.get("affinity") or {}).get("nodeSelector"),
        "tolerations": (spec.get("affinity") or {}).get("tolerations"),
        "topologySpreadConstraints": spec.get("topologySpreadConstraints"),
        "priorityClassName": spec.get("priorityClassName"),
        "schedulerName": spec.get("schedulerName"),
        "imagePullSecrets": spec.get("imagePullSecrets"),
    }
    return {key: value for key, value in pod.items() if value not in (None, {}, [])}


def _volumes(cluster: str, instance: str, stores: ObjectStores, *, wal: bool) -> tuple[list[Manifest], list[Manifest]]:
    certificates = {
        "defaultMode": SECRET_MODE,
        "sources": [
            {"secret": {"name": f"{cluster}-server", "items": [{"key": k, "path": k} for k in ("tls.crt", "tls.key")]}},
            {"secret": {"name": f"{cluster}-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "secret": {
                    "name": f"{cluster}-replication",
                    "items": [{"key": f"tls.{kind}", "path": f"replication.{kind}"} for kind in ("crt", "key")],
                }
            },
        ],
    }
    volumes: list[tuple[str, str, Manifest]] = [
        ("pgdata", "/var/lib/postgresql/data", {"persistentVolumeClaim": {"claimName": instance}}),
        ("run", "/controller/run", {"emptyDir": {}}),
        ("tmp", "/tmp", {"emptyDir": {}}),  # noqa: S108 - a volume of this pod alone
        ("shm", "/dev/shm", {"emptyDir": {"medium": "Memory"}}),  # noqa: S108 - the same
        ("configuration", "/controller/configuration", {"configMap": {"name": f"{cluster}-instance"}}),
        ("certificates", "/controller/certificates", {"projected": certificates}),
    ]
    for use, sources in {"archive": stores.archive_secrets, "source": stores.source_secrets}.items():
        if sources:
            projected = {"defaultMode": SECRET_MODE, "sources": list(sources)}
            volumes.append((f"{use}-credentials", f"/controller/object-stores/{use}", {"projected": projected}))
    if wal:
        volumes.append(
            ("pg-wal", "/var/lib/postgresql/wal", {"persistentVolumeClaim": {"claimName": f"{instance}-wal"}})
        )
    return (
        [{"name": name, **source} for name, _path, source in volumes],
        [{"name": name, "mountPath": path} for name, path, _source in volumes],
    )


def _probes(spec: Spec) -> Manifest:
    """The Cluster's numbers over the vendor's defaults."""
    start_delay = spec.get("startDelay", 3600)
    defaults: dict[str, tuple[str, Manifest]] = {
        "startup": ("/startupz", {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": max(1, start_delay)}),
        "liveness": ("/healthz", {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}),
        "readiness": ("/readyz", {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}),
    }
    numbers = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold")
    probes = {}
    for kind, (path, values) in defaults.items():
        wanted = (spec.get("probes") or {}).get(kind) or {}
        probes[f"{kind}Probe"] = {
            "httpGet": {"path": path, "port": STATUS_PORT, "scheme": "HTTPS"},
            **values,
            **{number: wanted[number] for number in numbers if wanted.get(number)},
        }
    return probes


def _affinity(cluster: str, affinity: Spec) -> Manifest:
    result: Manifest = {}
    if affinity.get("nodeAffinity"):
        result["nodeAffinity"] = affinity["nodeAffinity"]
    if affinity.get("additionalPodAffinity"):
        result["podAffinity"] = affinity["additionalPodAffinity"]
    apart: Manifest = {kind: list(terms) for kind, terms in (affinity.get("additionalPodAntiAffinity") or {}).items()}
    if affinity.get("enablePodAntiAffinity", True):
        term = {
            "labelSelector": {"matchLabels": {CLUSTER_LABEL: cluster, "cnpg.io/podRole": "instance"}},
            "topologyKey": affinity.get("topologyKey") or "kubernetes.io/hostname",
        }
        if affinity.get("podAntiAffinityType") == "required":
            apart.setdefault("requiredDuringSchedulingIgnoredDuringExecution", []).append(term)
        else:
            weighted = {"weight": 100, "podAffinityTerm": term}
            apart.setdefault("preferredDuringSchedulingIgnoredDuringExecution", []).append(weighted)
    if apart:
        result["podAntiAffinity"] = apart
    return result


def application_login(cluster: Manifest, password: str) -> Manifest:
    """The Secret of the first database's owner."""
    database, owner = application_database(cluster["spec"])
    return login_secret(cluster, f"{cluster['metadata']['name']}-app", owner, password, database)
