# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What monitoring connects to: Prometheus to every port for metrics, and the other parts of kube-prometheus-stack to each other.

Labels and ports of the stack as its chart has them, whatever its release is called:
https://github.com/prometheus-community/helm-charts/tree/main/charts/kube-prometheus-stack
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import KAFKA
from ansible_collections.azora.platform.plugins.module_utils._network_ends import (
    Cluster,
    Flow,
    Others,
    Pods,
    api_server_and_nodes,
    nodes,
    outside,
    to_api_server,
)
from ansible_collections.azora.platform.plugins.module_utils._network_pods import (
    kafka_entity_operator,
    kafka_exporter,
    operator_pods,
    store_pods,
    workload_pods,
)
from ansible_collections.azora.platform.plugins.module_utils._openshift import prometheus_namespace

KAFKA_EXPORTER_METRICS_PORT = 9404
KAFKA_ENTITY_OPERATOR_PORTS = (8080, 8081)

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
# The operator's webhooks and metrics; 8080 without TLS.
OPERATOR_PORTS = (10250, 8080)
PROMETHEUS_PORT, ALERTMANAGER_PORT, ALERTMANAGER_PEER_PORT, GRAFANA_PORT = 9090, 9093, 9094, 3000
# Of the program beside Prometheus and Alertmanager that has them read their configuration again.
RELOADER_PORT = 8080
# The objects of the cluster, and kube-state-metrics itself.
STATE_METRICS_PORTS = (8080, 8081)
KUBELET_PORT = 10250


def monitoring_flows(catalogue: Mapping[str, Any], cluster: Cluster) -> Iterator[Flow]:
    """Every connection of monitoring; the catalogue must have one."""
    monitoring = catalogue["monitoring"]
    pods = Pods.of("prometheus", prometheus_namespace(catalogue, cluster), monitoring["pod_labels"])
    if pods.namespace not in {namespace["name"] for namespace in catalogue["namespaces"]}:
        # It is let in, and what it may do is decided elsewhere.
        yield from _scraped(catalogue, Others(pods))
        return
    yield from to_api_server(pods, cluster)
    yield from _scraped(catalogue, pods)
    if monitoring["stack"]:
        yield from _stack(monitoring, pods, cluster)


def _scraped(catalogue: Mapping[str, Any], prometheus: Pods | Others) -> Iterator[Flow]:
    for workload in catalogue["workloads"]:
        if workload["ports"].get("metrics"):
            yield Flow(prometheus, workload_pods(workload), (workload["ports"]["metrics"],))
    for store in catalogue["stores"]:
        if not store["metrics_port"]:
            continue
        yield Flow(prometheus, store_pods(store), (store["metrics_port"],))
        if store["kind"] == KAFKA:
            yield Flow(prometheus, kafka_exporter(store), (KAFKA_EXPORTER_METRICS_PORT,))
            yield Flow(prometheus, kafka_entity_operator(store), KAFKA_ENTITY_OPERATOR_PORTS)
    for operator in catalogue["operators"]:
        if operator["metrics_port"] and not operator["provided"]:
            yield Flow(prometheus, operator_pods(operator, catalogue), (operator["metrics_port"],))


def _stack(monitoring: Mapping[str, Any], prometheus: Pods, cluster: Cluster) -> Iterator[Flow]:
    def part(name: str, labels: Mapping[str, str]) -> Pods:
        return Pods.of(name, prometheus.namespace, labels)

    operator = part("prometheus-operator", {COMPONENT: "prometheus-operator"})
    # Jobs that give the operator's webhooks their certificate.
    certificates = part("prometheus-operator-webhook", {COMPONENT: "prometheus-operator-webhook"})
    state_metrics = part("kube-state-metrics", {NAME: "kube-state-metrics"})
    grafana = part("grafana", {NAME: "grafana"})
    alertmanager = part("alertmanager", {NAME: "alertmanager"})
    for reader in (operator, certificates, state_metrics, grafana):
        yield from to_api_server(reader, cluster)
    yield Flow(api_server_and_nodes(cluster), operator, OPERATOR_PORTS[:1])
    yield Flow(prometheus, operator, OPERATOR_PORTS)
    yield Flow(prometheus, state_metrics, STATE_METRICS_PORTS)
    yield Flow(prometheus, nodes(cluster), (KUBELET_PORT,))
    yield Flow(prometheus, prometheus, (PROMETHEUS_PORT, RELOADER_PORT))
    yield Flow(prometheus, alertmanager, (ALERTMANAGER_PORT, RELOADER_PORT))
    yield Flow(alertmanager, alertmanager, (ALERTMANAGER_PORT, ALERTMANAGER_PEER_PORT, RELOADER_PORT))
    yield Flow(prometheus, grafana, (GRAFANA_PORT,))
    yield Flow(grafana, prometheus, (PROMETHEUS_PORT,))
    yield Flow(grafana, alertmanager, (ALERTMANAGER_PORT,))
    for external in monitoring["external"]:
        for reader in (alertmanager, grafana):
            yield Flow(reader, outside(cluster, external["cidrs"]), (external["port"],))
