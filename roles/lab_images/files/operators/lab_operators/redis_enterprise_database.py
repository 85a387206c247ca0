# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A RedisEnterpriseDatabase as a request to the cluster's REST API, as Services and Secret, and its status. No input or output."""

from __future__ import annotations

import re
from typing import Any

from lab_operators.redis_enterprise_backups import (
    backup_information,
    database_backup_mistakes,
    database_backup_request,
)
from lab_operators.redis_enterprise_cluster import node_labels, owner_reference

Manifest = dict[str, Any]

DATABASE_VERSION = "app.redislabs.com/v1alpha1"
DATABASE_FINALIZER = "finalizer.redisenterprisedatabases.app.redislabs.com"

DEFAULT_MEMORY = "100MB"
KNOWN_VERSIONS = ("6.2", "7.2", "7.4", "8.0", "8.2", "8.4", "8.6")
CHANNELS = ("major", "latest")
#: Every node of the stand-in has a proxy, whichever of them is asked for.
PROXY_POLICIES = ("single", "all-master-shards", "all-nodes")
#: From this version on the vendor loads the bundled modules by itself.
FIRST_WITH_MODULES = 8.0
PERSISTENCE: dict[str, Manifest] = {
    "disabled": {"data_persistence": "disabled"},
    "aofEverySecond": {"data_persistence": "aof", "aof_policy": "appendfsync-every-sec"},
    "aofAlways": {"data_persistence": "aof", "aof_policy": "appendfsync-always"},
    "snapshotEvery1Hour": {"data_persistence": "snapshot", "snapshot_policy": [{"secs": 3600, "writes": 1}]},
    "snapshotEvery6Hour": {"data_persistence": "snapshot", "snapshot_policy": [{"secs": 21600, "writes": 1}]},
    "snapshotEvery12Hour": {"data_persistence": "snapshot", "snapshot_policy": [{"secs": 43200, "writes": 1}]},
}
#: Settings that change what a client sees and that the node cannot give.
UNSUPPORTED = (
    "activeActive",
    "clientAuthenticationCertificates",
    "isRof",
    "replicaSources",
    "rolesPermissions",
)

_MEMORY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)I?B?$", re.IGNORECASE)
_MEMORY_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def memory_bytes(text: str) -> int | None:
    """A size such as 256MB or 0.1GB in bytes; None when it is no size."""
    match = _MEMORY.match(text)
    return round(float(match[1]) * _MEMORY_FACTORS[match[2].upper()]) if match else None


def secret_name(database: Manifest) -> str:
    return str(database["spec"].get("databaseSecretName") or f"redb-{database['metadata']['name']}")


def cluster_name(database: Manifest, clusters: list[str]) -> str | None:
    """The cluster that the database belongs to: the one it names, or the only one there is."""
    named = (database["spec"].get("redisEnterpriseCluster") or {}).get("name")
    if named:
        return str(named)
    return clusters[0] if len(clusters) == 1 else None


def database_mistakes(database: Manifest) -> list[str]:
    """What the spec asks for and this operator cannot give, one sentence each."""
    spec = database["spec"]
    mistakes = [f"spec.{field}: this stand-in does not support it" for field in UNSUPPORTED if spec.get(field)]
    mistakes += database_backup_mistakes(database)
    if spec.get("ossCluster"):
        mistakes.append("spec.ossCluster: this stand-in does not support it")
    if spec.get("defaultUser") is False:
        mistakes.append("spec.defaultUser: this stand-in knows the default user only")
    size = spec.get("memorySize", DEFAULT_MEMORY)
    if memory_bytes(size) is None:
        mistakes.append(f"spec.memorySize: {size!r} is not a size such as 100MB or 0.1GB")
    version = spec.get("redisVersion")
    if version and version not in KNOWN_VERSIONS + CHANNELS:
        mistakes.append(f"spec.redisVersion: {version!r} is none of {', '.join(KNOWN_VERSIONS + CHANNELS)}")
    policy = spec.get("proxyPolicy")
    if policy and policy not in PROXY_POLICIES:
        mistakes.append(f"spec.proxyPolicy: {policy!r} is none of {', '.join(PROXY_POLICIES)}")
    persistence = spec.get("persistence", "disabled")
    if persistence not in PERSISTENCE:
        mistakes.append(f"spec.persistence: {persistence!r} is none of {', '.join(PERSISTENCE)}")
    return mistakes


def database_request(database: Manifest, password: str, backup_keys: dict[str, str] | None = None) -> Manifest:
    """What the REST API is asked for; `backup_keys` are those of the object store."""
    spec = database["spec"]
    modules = [module["name"] for module in spec.get("modulesList") or []]
    if "search" not in modules and _has_bundled_modules(spec.get("redisVersion")):
        modules.append("search")
    request: Manifest = {
        "name": database["metadata"]["name"],
        "type": spec.get("type", "redis"),
        "memory_size": memory_bytes(spec.get("memorySize", DEFAULT_MEMORY)),
        "authentication_redis_pass": password,
        "snapshot_policy": [],
        "aof_policy": "appendfsync-every-sec",
        **PERSISTENCE[spec.get("persistence", "disabled")],
        "eviction_policy": spec.get("evictionPolicy", "volatile-lru"),
        "tls_mode": spec.get("tlsMode", "disabled"),
        "shards_count": spec.get("shardCount", 1),
        "replication": spec.get("replication", False),
        "module_list": [{"module_name": name} for name in modules],
        **database_backup_request(database, backup_keys or {}),
    }
    if spec.get("databasePort"):
        request["port"] = spec["databasePort"]
    return request


def changes(request: Manifest, current: Manifest) -> Manifest:
    """Which parts of the request the database does not have yet."""
    return {key: value for key, value in request.items() if current.get(key) != value}


def service_port(database: Manifest, port: int) -> int:
    return int(database["spec"].get("databaseServicePort") or port)


def service_names(database: Manifest, port: int, rigger: Manifest) -> list[str]:
    """The names of the database's Services; the last one is headless where there is one."""
    naming = rigger.get("serviceNaming", "bdb_name")
    name = database["metadata"]["name"] if naming == "bdb_name" else f"redis-{port}"
    kinds = _service_kinds(rigger)
    names = [name] if kinds & {"cluster_ip", "load_balancer"} else []
    return names + ([f"{name}-headless"] if "headless" in kinds else [])


def database_services(database: Manifest, cluster: str, port: int, rigger: Manifest) -> list[Manifest]:
    """The Services clients use. The Service port is translated; a network policy sees the database's port."""
    kinds = _service_kinds(rigger)
    services = []
    for name in service_names(database, port, rigger):
        spec: Manifest = {
            "selector": node_labels(cluster),
            "ports": [{"name": "redis", "port": service_port(database, port), "targetPort": port, "protocol": "TCP"}],
        }
        if name.endswith("-headless"):
            spec["clusterIP"] = "None"
        elif "load_balancer" in kinds:
            spec["type"] = "LoadBalancer"
        services.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": name,
                    "namespace": database["metadata"]["namespace"],
                    "labels": {
                        "app": "redis-enterprise",
                        "redis.io/cluster": cluster,
                        "redis.io/bdb": database["metadata"]["name"],
                    },
                    "ownerReferences": [owner_reference(database)],
                },
                "spec": spec,
            }
        )
    return services


def secret_values(database: Manifest, port: int, rigger: Manifest) -> dict[str, str]:
    """What the database's Secret holds beside the password."""
    return {
        "port": str(service_port(database, port)),
        "service_names": ",".join(service_names(database, port, rigger)),
    }


def pending_status(database: Manifest, cluster: str | None, reason: str) -> Manifest:
    """Before there is a database."""
    status: Manifest = {"specStatus": "Valid", "lastActionStatus": reason}
    if not (database.get("status") or {}).get("databaseUID"):
        status["status"] = "pending"
    if cluster:
        status["redisEnterpriseCluster"] = cluster
    return status


def invalid_status(database: Manifest, mistakes: list[str]) -> Manifest:
    """The operator saw the spec and will not act on it."""
    status: Manifest = {
        "specStatus": f"Invalid: {'; '.join(mistakes)}",
        "observedGeneration": database["metadata"]["generation"],
    }
    if not (database.get("status") or {}).get("databaseUID"):
        status["status"] = "creation-failed"
    return status


def refused_status(database: Manifest, cluster: str, reason: str, current: Manifest | None) -> Manifest:
    """The cluster said no. An existing database goes on as it was, and observedGeneration says that it is behind."""
    return {
        "specStatus": "Valid",
        "redisEnterpriseCluster": cluster,
        "lastActionStatus": f"failed: {reason}",
        "status": current["status"] if current else "creation-failed",
        **({} if current else {"observedGeneration": database["metadata"]["generation"]}),
    }


def served_status(database: Manifest, cluster: str, bdb: Manifest) -> Manifest:
    """The database exists as the spec wants it."""
    namespace = database["metadata"]["namespace"]
    host = f"redis-{bdb['port']}.{cluster}.{namespace}.svc.cluster.local"
    requested = database["spec"].get("redisVersion")
    state = bdb["status"] if bdb["status"] in ("active", "import-pending") else "pending"
    return {
        "status": state,
        "specStatus": "Valid",
        "observedGeneration": database["metadata"]["generation"],
        "redisEnterpriseCluster": cluster,
        "databaseUID": str(bdb["uid"]),
        # The vendor's field is the version the database is compatible with, and 7.0 is what serves every wish here.
        "version": requested if requested in KNOWN_VERSIONS else bdb["redis_version"],
        "internalEndpoints": [{"host": host, "port": bdb["port"]}],
        "shardStatuses": {state: bdb["shards_count"] * (2 if bdb.get("replication") else 1)},
        "lastActionStatus": "completed",
        # None takes it out again.
        "backupInfo": backup_information(bdb),
    }


def _service_kinds(rigger: Manifest) -> set[str]:
    return {kind.strip() for kind in str(rigger.get("databaseServiceType") or "cluster_ip,headless").split(",")}


def _has_bundled_modules(version: str | None) -> bool:
    return version is None or version in CHANNELS or float(version) >= FIRST_WITH_MODULES
