# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who opens connections to whom, on which ports: every flow of a catalogue, each once, DNS aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import (
    BACKUP_PLUGIN,
    KAFKA,
    POSTGRESQL,
    REDIS,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_flows import monitoring_flows
from ansible_collections.azora.platform.plugins.module_utils._network_ends import (
    Cluster,
    Flow,
    Group,
    Pods,
    api_server_and_nodes,
    not_pods,
    outside,
    to_api_server,
)
from ansible_collections.azora.platform.plugins.module_utils._network_pods import (
    kafka_entity_operator,
    kafka_exporter,
    operator_pods,
    redis_rigger,
    store_pods,
    workload_pods,
)
from ansible_collections.azora.platform.plugins.module_utils._openshift import HOST_NETWORK, ROUTERS

Catalogue = Mapping[str, Any]

# CloudNativePG's instance manager: status and control.
POSTGRES_MANAGER_PORT = 8000
# The plugin barman-cloud, which CloudNativePG's operator calls.
BACKUP_PLUGIN_PORT = 9090
# Redis Enterprise's REST API, and the node bootstrapper that its operator and its services rigger ask.
REDIS_MANAGEMENT_PORTS = (9443, 8080)
# Strimzi: 9090 control plane, 9091 replication, 8443 the agent in each Kafka pod.
KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT, KAFKA_AGENT_PORT = 9090, 9091, 8443


def flows(catalogue: Catalogue, cluster: Cluster) -> Iterator[Flow]:
    """Every connection that somebody may open, DNS aside."""
    workloads = {workload["name"]: workload_pods(workload) for workload in catalogue["workloads"]}
    ports = {workload["name"]: workload["ports"]["http"] for workload in catalogue["workloads"]}
    stores = {store["name"]: store_pods(store) for store in catalogue["stores"]}
    for workload in catalogue["workloads"]:
        source = workloads[workload["name"]]
        for callee in workload["calls"]:
            yield Flow(source, workloads[callee], (ports[callee],))
        for use in workload["stores"]:
            # The port of the workload's own database, and of no other.
            yield Flow(source, stores[use["name"]], (use["port"],))
        for external in workload["external"]:
            yield Flow(source, outside(cluster, external["cidrs"]), (external["port"],))
        if workload["kubernetes_api"]:
            yield from to_api_server(source, cluster)
    if catalogue["gateway"]:
        gateway = catalogue["gateway"]
        yield Flow(not_pods(cluster), workloads[gateway["name"]], (gateway["ports"]["http"],))
        if cluster.get("openshift"):
            # Routers are pods, or on the nodes' network.
            for label in (ROUTERS, HOST_NETWORK):
                yield Flow(Group(label), workloads[gateway["name"]], (gateway["ports"]["http"],))
        proxies = (gateway["ingress"] or {}).get("proxy_pods")
        if proxies:
            through = Pods.of("ingress", proxies["namespace"], proxies["labels"])
            yield Flow(through, workloads[gateway["name"]], (gateway["ports"]["http"],))
    for store in catalogue["stores"]:
        yield from _store_flows(store, stores[store["name"]], cluster)
    for operator in catalogue["operators"]:
        yield from _operator_flows(operator, catalogue, stores, cluster)
    if catalogue["monitoring"]:
        yield from monitoring_flows(catalogue, cluster)


def _store_flows(store: Mapping[str, Any], pods: Pods, cluster: Cluster) -> Iterator[Flow]:
    name, namespace = store["cluster"], store["namespace"]
    if store["kind"] == POSTGRESQL:
        # Instances and the jobs that make them carry the cluster's label; both look at the instances and at their own
        # resources. An instance that sees neither its peers nor the API server stops itself.
        members = Pods.of(name, namespace, {"cnpg.io/cluster": name})
        yield Flow(members, pods, (store["port"], POSTGRES_MANAGER_PORT))
        for external in store["external"]:
            yield Flow(members, outside(cluster, external["cidrs"]), (external["port"],))
        yield from to_api_server(members, cluster)
    elif store["kind"] == REDIS:
        rigger = redis_rigger(store)
        yield Flow(pods, pods, ())
        yield Flow(rigger, pods, REDIS_MANAGEMENT_PORTS)
        for external in store["external"]:
            yield Flow(pods, outside(cluster, external["cidrs"]), (external["port"],))
        yield from to_api_server(pods, cluster)
        yield from to_api_server(rigger, cluster)
    elif store["kind"] == KAFKA:
        entity_operator, exporter = kafka_entity_operator(store), kafka_exporter(store)
        yield Flow(pods, pods, (KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT))
        yield Flow(entity_operator, pods, (KAFKA_REPLICATION_PORT,))
        yield Flow(exporter, pods, (KAFKA_REPLICATION_PORT,))
        # Brokers read their certificates from Secrets through the API (Strimzi 0.49 and later).
        yield from to_api_server(pods, cluster)
        yield from to_api_server(entity_operator, cluster)


def _operator_flows(
    operator: Mapping[str, Any], catalogue: Catalogue, stores: Mapping[str, Pods], cluster: Cluster
) -> Iterator[Flow]:
    pods = operator_pods(operator, catalogue)
    if not operator["provided"]:
        yield from to_api_server(pods, cluster)
        if operator["webhook_port"]:
            yield Flow(api_server_and_nodes(cluster), pods, (operator["webhook_port"],))
            if cluster.get("openshift"):
                yield Flow(Group(HOST_NETWORK), pods, (operator["webhook_port"],))
        if operator["name"] == BACKUP_PLUGIN:
            for caller in catalogue["operators"]:
                if caller["manages"] == POSTGRESQL:
                    yield Flow(operator_pods(caller, catalogue), pods, (BACKUP_PLUGIN_PORT,))
    for store in catalogue["stores"]:
        if store["kind"] != operator["manages"] or store["namespace"] not in operator["watches"]:
            continue
        ports = {
            POSTGRESQL: (5432, POSTGRES_MANAGER_PORT),
            REDIS: REDIS_MANAGEMENT_PORTS,
            KAFKA: (KAFKA_CONTROL_PORT, KAFKA_REPLICATION_PORT, KAFKA_AGENT_PORT),
        }[store["kind"]]
        yield Flow(pods, stores[store["name"]], ports)
