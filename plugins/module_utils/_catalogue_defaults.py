# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a catalogue means by what it leaves out: the default of every setting.

These functions take cleaned entries, also incomplete ones: the checks of references look at the same filled settings as everybody
else, even while other parts of the catalogue are still wrong.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import (
    BACKUP_PLUGIN,
    KAFKA,
    OPERATOR_OF,
    POSTGRESQL,
    PROMETHEUS_OPERATOR,
    REDIS,
)
from ansible_collections.azora.platform.plugins.module_utils._gateway_schema import HS256, JWT, NO_AUTHENTICATION

SERVICE_PORTS = {"http": 8080, "metrics": 9090}
GATEWAY_PORTS = {"http": 8080}
CLIENT_PORT = {POSTGRESQL: 5432, KAFKA: 9093}
METRICS_PORT = {POSTGRESQL: 9187, REDIS: 8070, KAFKA: 9404}
CLUSTER_NAME = {POSTGRESQL: "pg", REDIS: "rec", KAFKA: "bus"}
# The container of a store's pod in which its product runs.
STORE_CONTAINER = {POSTGRESQL: "postgres", REDIS: "redis-enterprise-node", KAFKA: "kafka"}
PROMETHEUS_LABELS = {"app.kubernetes.io/name": "prometheus"}
PROMETHEUS_OPERATOR_LABELS = {"app.kubernetes.io/name": "prometheus-operator"}
PROMETHEUS_OPERATOR_METRICS_PORT = 8080
BACKUP_PLUGIN_LABELS = {"app": "barman-cloud"}

RUNS: dict[str, Any] = {
    "image": None,
    "replicas": 2,
    "resources": {
        "requests": {"cpu": "250m", "memory": "256Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    },
    "probes": {
        "liveness": {
            "path": "/health",
            "port": "http",
            "initial_delay_seconds": 30,
            "period_seconds": 10,
            "timeout_seconds": 3,
            "failure_threshold": 3,
        },
        "readiness": {
            "path": "/health",
            "port": "http",
            "initial_delay_seconds": 5,
            "period_seconds": 5,
            "timeout_seconds": 3,
            "failure_threshold": 3,
        },
    },
    "autoscaling": {
        "enabled": False,
        "cpu_percent": 80,
        "memory_percent": 80,
        # Up at once, down slowly: a dip in traffic must not take away what the next peak needs.
        "scale_up_window_seconds": 0,
        "scale_down_window_seconds": 300,
    },
    "environment": {},
    "termination_grace_seconds": 30,
    "pre_stop_seconds": 5,
    "security_context": {"read_only_root_filesystem": True, "bind_low_ports": False},
    "canary": False,
}
GATEWAY_PROBE_PATHS = {"liveness": "/hello", "readiness": "/ready"}
MOST_REPLICAS = 5
DEFAULT_PORT = {"http": 80, "https": 443}


def merged(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Dictionaries laid over each other, the later over the earlier, without touching any of them."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = merged(result[key], value)
            else:
                result[key] = copy.deepcopy(value)
    return result


def filled_service(service: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    # Ports are given whole: who names only http has no metrics port.
    ports = service.get("ports") or defaults.get("ports") or SERVICE_PORTS
    shared = {key: value for key, value in defaults.items() if key != "ports"}
    filled = merged(RUNS, shared, {"kind": service.get("name"), "calls": [], "expose": None}, service)
    filled["component"] = "service"
    filled["ports"] = merged({"http": SERVICE_PORTS["http"]}, ports)
    if filled["expose"]:
        filled["expose"] = merged({"strip_path": False}, filled["expose"])
    return _filled_workload(filled)


def filled_gateway(gateway: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    ports = merged({"http": GATEWAY_PORTS["http"]}, gateway.get("ports"))
    # Tyk answers /hello and /ready on the port of its control API, if that has its own.
    port = "control" if "control" in ports else "http"
    probes = {name: {"path": path, "port": port} for name, path in GATEWAY_PROBE_PATHS.items()}
    # The services' image, settings and probe paths are not the gateway's.
    shared = {
        key: value
        for key, value in defaults.items()
        if key not in ("image", "ports", "environment", "security_context")
    }
    layers = (
        RUNS,
        shared,
        {"probes": probes, "configuration": {}, "expose": None, "client_rate_limit": None, "ingress": None},
        gateway,
    )
    filled = {**merged(*layers), "ports": ports, "kind": "gateway", "component": "gateway"}
    filled["authentication"] = _filled_authentication(gateway.get("authentication"))
    if filled["ingress"] and (filled["ingress"].get("tls") or {}).get("issuer"):
        filled["ingress"]["tls"].setdefault("issuer_kind", "ClusterIssuer")
    filled["external"] = [*filled.get("external", []), *_key_sets(filled["authentication"])]
    return _filled_workload(filled)


def _filled_authentication(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None or given.get("method") != JWT:
        return dict(given or {"method": NO_AUTHENTICATION})
    # A wrong algorithm is reported already, and none is meant by it.
    return merged({"algorithm": HS256, "subject_claim": "sub"}, given)


def _key_sets(authentication: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where the gateway fetches the keys of tokens, as one of the places outside that it may reach."""
    address = key_set_address(authentication)
    return (
        [{"name": "jwks", "port": address[1], "cidrs": list(authentication.get("jwks_cidrs", []))}] if address else []
    )


def key_set_address(authentication: Mapping[str, Any]) -> tuple[str, int] | None:
    """Host and port of the key set that tokens are checked with."""
    url = re.fullmatch(r"(https?)://([^:/]+)(?::([0-9]+))?(?:/.*)?", authentication.get("jwks_url") or "")
    return (url[2], int(url[3] or DEFAULT_PORT[url[1]])) if url else None


def _filled_workload(workload: dict[str, Any]) -> dict[str, Any]:
    for key in ("stores", "external", "secrets"):
        workload.setdefault(key, [])
    workload.setdefault("kubernetes_api", False)
    workload["service_account"] = merged({"name": None, "annotations": {}}, workload.get("service_account"))
    workload["external"] = [merged({"port": 443, "cidrs": []}, external) for external in workload["external"]]
    scaling = workload["autoscaling"]
    scaling.setdefault("min_replicas", workload["replicas"])
    scaling.setdefault("max_replicas", max(MOST_REPLICAS, scaling["min_replicas"]))
    return workload


def filled_store(store: Mapping[str, Any]) -> dict[str, Any]:
    kind = store.get("kind", "")
    filled = merged({"cluster": CLUSTER_NAME.get(kind, store.get("name")), "replicas": 3}, store)
    has_metrics = filled.pop("metrics", True)
    filled["metrics_port"] = filled.get("metrics_port", METRICS_PORT.get(kind)) if has_metrics else None
    if kind in CLIENT_PORT:
        filled.setdefault("port", CLIENT_PORT[kind])
    filled["external"] = []
    if kind in (POSTGRESQL, REDIS):
        filled["backup"] = _filled_backup(filled.get("backup"))
        if filled["backup"]:
            filled["external"].append({"name": "backups", **{key: filled["backup"][key] for key in ("port", "cidrs")}})
    if kind == POSTGRESQL:
        filled["databases"] = [
            merged({"owner": database.get("name"), "extensions": []}, database)
            for database in filled.get("databases", [])
        ]
    if kind == REDIS:
        fallback: dict[str, Any] = {
            "memory": "100MB",
            "version": None,
            "replication": False,
            "shards": 1,
            "persistence": "snapshotEvery1Hour",
            "eviction": "volatile-lru",
            "modules": [],
        }
        filled["databases"] = [merged(fallback, database) for database in filled.get("databases", [])]
    if kind == KAFKA:
        filled["topics"] = [
            merged({"partitions": 3, "replicas": min(3, filled["replicas"]), "config": {}}, topic)
            for topic in filled.get("topics", [])
        ]
    return filled


def _filled_backup(backup: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if backup is None:
        return None
    filled = merged({"endpoint": None, "cidrs": []}, backup)
    url = re.fullmatch(r"(https?)://[^:/]+(?::([0-9]+))?/?", filled["endpoint"] or "https://s3")
    if url:  # which the schema has seen to
        filled["port"] = int(url[2] or DEFAULT_PORT[url[1]])
    return filled


def filled_namespace(namespace: Mapping[str, Any]) -> dict[str, Any]:
    # What is None is computed from the workloads; what is given empty is not there.
    filled = merged({"purpose": "services", "labels": {}, "quota": None, "limits": None}, namespace)
    level = filled.get("pod_security", {}).get("enforce", "restricted")
    filled["pod_security"] = merged(
        {"enforce": level, "audit": "restricted", "warn": "restricted", "version": "latest"},
        filled.get("pod_security"),
    )
    return filled


def filled_operator(operator: Mapping[str, Any], stores: list[dict[str, Any]]) -> dict[str, Any]:
    manages = OPERATOR_OF.get(operator.get("name", ""))
    filled = merged({"manages": manages, "webhook_port": None, "metrics_port": None, "provided": False}, operator)
    filled.setdefault("backup_plugin", manages == POSTGRESQL)
    if "watches" not in filled:
        namespaces = {store.get("namespace", "") for store in stores if store.get("kind") == filled["manages"]}
        filled["watches"] = sorted(namespaces - {""})
    return filled


def derived_operators(
    operators: list[dict[str, Any]], stores: list[dict[str, Any]], monitoring: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The operators that follow from the rest: the plugin beside an operator whose stores are backed up, and Prometheus' own."""
    wanted = []
    backed_up = {store["kind"] for store in stores if store.get("backup")}
    for operator in operators:
        if operator["backup_plugin"] and operator["manages"] in backed_up:
            plugin = _derived(BACKUP_PLUGIN, operator["namespace"], BACKUP_PLUGIN_LABELS, None)
            # Who brought the operator brought the plugin beside it.
            wanted.append({**plugin, "provided": operator["provided"]})
    if monitoring and monitoring["operator"]:
        labels = monitoring["operator_pod_labels"]
        wanted.append(_derived(PROMETHEUS_OPERATOR, monitoring["namespace"], labels, PROMETHEUS_OPERATOR_METRICS_PORT))
    given = {operator["name"] for operator in operators}
    return [operator for operator in wanted if operator["name"] not in given]


def _derived(name: str, namespace: str, labels: Mapping[str, str], metrics_port: int | None) -> dict[str, Any]:
    entry = {"name": name, "namespace": namespace, "pod_labels": dict(labels), "metrics_port": metrics_port}
    return filled_operator(entry, [])


def filled_monitoring(monitoring: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if monitoring is None:
        return None
    # Labels are given whole: they name the pods exactly.
    return {
        **monitoring,
        "pod_labels": dict(monitoring.get("pod_labels") or PROMETHEUS_LABELS),
        # None: it follows from the cluster.
        "prometheus_namespace": monitoring.get("prometheus_namespace"),
        "operator": monitoring.get("operator", False),
        "stack": monitoring.get("stack", False),
        "external": [merged({"port": 443, "cidrs": []}, external) for external in monitoring.get("external", [])],
        "operator_pod_labels": dict(monitoring.get("operator_pod_labels") or PROMETHEUS_OPERATOR_LABELS),
    }
