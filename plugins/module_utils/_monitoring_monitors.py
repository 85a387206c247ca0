# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Prometheus is to scrape: a PodMonitor or ServiceMonitor for everything in the catalogue that has metrics.

Each stands beside its targets and gives their series the same labels: `platform`, `component` and, by the component, `workload`, `store` or
`operator`. Rules and dashboards know a series by these, whoever runs Prometheus and however it names jobs.
"""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._catalogue import PART_OF
from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import KAFKA, POSTGRESQL, REDIS
from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    manifest,
    of_kind,
    platform_labels,
    without_empty,
)

API_VERSION = "monitoring.coreos.com/v1"
MONITORING = "monitoring"
POD_MONITOR, SERVICE_MONITOR = "PodMonitor", "ServiceMonitor"
# The parts of a Kafka cluster that have pods of their own: not every cluster has them.
ENTITY_OPERATOR, EXPORTER = "entity-operator", "kafka-exporter"
KAFKA_PARTS = (ENTITY_OPERATOR, EXPORTER)
# How the vendors name the ports, and where the metrics are. A PodMonitor looks for the name, the network policies for the number.
# https://cloudnative-pg.io/documentation/1.30/monitoring/
POSTGRES_PORT = "metrics"
# https://redis.io/docs/latest/operate/kubernetes/re-clusters/connect-prometheus-operator/
REDIS_PORT, REDIS_SERVICE_LABELS = "prometheus", {"redis.io/service": "prom-metrics"}
# Every node may tell of the whole cluster: rules take the least or the most of what several nodes say of one thing.
REDIS_PATH = "/v2"
# https://strimzi.io/docs/operators/1.2.0/deploying#assembly-metrics-str
KAFKA_PORT, ENTITY_OPERATOR_PORTS = "tcp-prometheus", ("healthcheck-to", "healthcheck-uo")
# Ports of operators by the product; others are found by the number that the catalogue gives.
OPERATOR_PORTS = {"cloudnative-pg": "metrics", "strimzi": "http"}

Catalogue = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]


def monitors(catalogue: Catalogue, settings: Settings) -> list[Manifest]:
    """One for each service, gateway, store and operator with metrics, in the catalogue's order."""
    found = [_workload(catalogue, workload, settings) for workload in scraped_workloads(catalogue)]
    for kind, of_store in ((POSTGRESQL, _postgres), (REDIS, _redis), (KAFKA, _kafka)):
        for store in of_kind(catalogue, kind):
            if store["metrics_port"]:
                found += of_store(catalogue, store, settings)
    found += [_operator(catalogue, one, settings) for one in catalogue["operators"] if one["metrics_port"]]
    return found


def scraped_workloads(catalogue: Catalogue) -> list[t.Mapping[str, t.Any]]:
    """Services and gateway with a port for metrics; Tyk itself has none."""
    return [workload for workload in catalogue["workloads"] if workload["ports"].get("metrics")]


def target_labels(monitor: Manifest) -> dict[str, str]:
    """What a monitor writes on every series of its targets, so that they can be told apart."""
    spec = monitor["spec"]
    endpoint = (spec.get("podMetricsEndpoints") or spec.get("endpoints"))[0]
    return {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}


def _workload(catalogue: Catalogue, workload: t.Mapping[str, t.Any], settings: Settings) -> Manifest:
    return _pod_monitor(
        catalogue,
        settings,
        name=workload["name"],
        namespace=workload["namespace"],
        selector=workload["selector"],
        endpoints=[{"port": "metrics"}],
        labels={"component": workload["component"], "workload": workload["name"]},
    )


def _postgres(catalogue: Catalogue, store: t.Mapping[str, t.Any], settings: Settings) -> list[Manifest]:
    instances = _store_monitor(
        catalogue, store, settings, name=store["cluster"], selector=store["selector"], ports=[POSTGRES_PORT]
    )
    return [instances]


def _redis(catalogue: Catalogue, store: t.Mapping[str, t.Any], settings: Settings) -> list[Manifest]:
    """The vendor gives its own Service for it, over TLS with a certificate that the cluster signs itself."""
    tls = settings.get("redis_tls") or {"insecureSkipVerify": True}
    endpoint = {"port": REDIS_PORT, "path": REDIS_PATH, "scheme": "https", "tlsConfig": dict(tls)}
    labels = {"component": "store", "store": store["name"]}
    return [
        manifest(
            API_VERSION,
            SERVICE_MONITOR,
            store["cluster"],
            store["namespace"],
            labels=_labels(catalogue, store["name"], settings),
            spec={
                "selector": {"matchLabels": REDIS_SERVICE_LABELS},
                "namespaceSelector": {"matchNames": [store["namespace"]]},
                "endpoints": [_endpoint(catalogue, settings, endpoint, labels)],
            },
        )
    ]


def _kafka(catalogue: Catalogue, store: t.Mapping[str, t.Any], settings: Settings) -> list[Manifest]:
    cluster = store["cluster"]
    found = [_store_monitor(catalogue, store, settings, name=cluster, selector=store["selector"], ports=[KAFKA_PORT])]
    for part in KAFKA_PARTS:
        if part in settings["kafka_parts"]:
            name = f"{cluster}-{part}"
            selector = {"strimzi.io/cluster": cluster, "strimzi.io/name": name}
            ports = ENTITY_OPERATOR_PORTS if part == ENTITY_OPERATOR else (KAFKA_PORT,)
            found.append(
                _store_monitor(catalogue, store, settings, name=name, selector=selector, ports=ports, part=part)
            )
    return found


def _store_monitor(
    catalogue: Catalogue,
    store: t.Mapping[str, t.Any],
    settings: Settings,
    *,
    name: str,
    selector: t.Mapping[str, str],
    ports: t.Iterable[str],
    part: str = "store",
) -> Manifest:
    return _pod_monitor(
        catalogue,
        settings,
        name=name,
        namespace=store["namespace"],
        selector=selector,
        endpoints=[{"port": port} for port in ports],
        labels={"component": part, "store": store["name"]},
    )


def _operator(catalogue: Catalogue, operator: t.Mapping[str, t.Any], settings: Settings) -> Manifest:
    name = operator["name"]
    port = OPERATOR_PORTS.get(name)
    return _pod_monitor(
        catalogue,
        settings,
        name=f"{name}-operator",
        namespace=operator["namespace"],
        selector=operator["pod_labels"],
        endpoints=[{"port": port} if port else {"portNumber": int(operator["metrics_port"])}],
        labels={"component": "operator", "operator": name},
    )


def _pod_monitor(
    catalogue: Catalogue,
    settings: Settings,
    *,
    name: str,
    namespace: str,
    selector: t.Mapping[str, str],
    endpoints: t.Sequence[Manifest],
    labels: t.Mapping[str, str],
) -> Manifest:
    return manifest(
        API_VERSION,
        POD_MONITOR,
        name,
        namespace,
        labels=_labels(catalogue, name, settings),
        spec={
            "selector": {"matchLabels": dict(selector)},
            "namespaceSelector": {"matchNames": [namespace]},
            "podMetricsEndpoints": [_endpoint(catalogue, settings, one, labels) for one in endpoints],
        },
    )


def _endpoint(
    catalogue: Catalogue, settings: Settings, endpoint: Manifest, labels: t.Mapping[str, str]
) -> dict[str, t.Any]:
    written = {"platform": catalogue["labels"][PART_OF], **labels}
    relabelings = [
        {"action": "replace", "targetLabel": label, "replacement": value} for label, value in written.items()
    ]
    # Everything that differs from a default of Prometheus is said, nothing else.
    return without_empty(
        {"path": "/metrics", **endpoint, "interval": settings.get("interval"), "relabelings": relabelings}
    )


def _labels(catalogue: Catalogue, name: str, settings: Settings) -> dict[str, str]:
    """Those of the platform, and what an existing Prometheus selects by."""
    return {**platform_labels(catalogue, name, MONITORING), **(settings.get("labels") or {})}
