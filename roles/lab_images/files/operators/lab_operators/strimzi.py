# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Strimzi's cluster and entity operators: watches their kinds and hands every change to a controller."""

from __future__ import annotations

import os
from typing import Any

import kopf

from lab_operators.kubernetes_api import KubernetesApi
from lab_operators.operator_endpoint import OperatorEndpoint
from lab_operators.reconciler import Reconciler
from lab_operators.strimzi_controller import KAFKAS, POOLS, TOPICS, USERS, Connections, KafkaController, StrimziSettings
from lab_operators.strimzi_entities import TopicController, UserController
from lab_operators.strimzi_names import CLUSTER_LABEL, GROUP
from lab_operators.watch_settings import configure, wait_for_kinds

_reconcilers: dict[str, Reconciler] = {}


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    configure(settings)
    environment = os.environ
    api = KubernetesApi.in_cluster("strimzi-cluster-operator")
    own = StrimziSettings(
        image=environment["KAFKA_IMAGE"],
        domain=environment.get("KUBERNETES_SERVICE_DNS_DOMAIN", "cluster.local"),
        network_policies=environment.get("STRIMZI_NETWORK_POLICY_GENERATION", "true") == "true",
        finalizers=environment.get("STRIMZI_USE_FINALIZERS", "true") == "true",
    )
    connections = Connections(api)
    users = UserController(api, own, connections)
    _reconcilers["kafkas"] = Reconciler("Kafka", KafkaController(api, own, connections, users.sweep).reconcile)
    _reconcilers["topics"] = Reconciler("KafkaTopic", TopicController(api, own, connections).reconcile)
    _reconcilers["users"] = Reconciler("KafkaUser", users.reconcile)
    endpoint = OperatorEndpoint(_reconcilers.values(), liveness="/healthy", readiness="/ready")
    endpoint.start()
    await wait_for_kinds(api, (KAFKAS, POOLS, TOPICS, USERS))
    endpoint.ready.set()


def _cluster_of(event: dict[str, Any]) -> str | None:
    return event["labels"].get(CLUSTER_LABEL)


@kopf.on.event(GROUP, "v1", "kafkas")
async def kafka_changed(**event: Any) -> None:
    _reconcilers["kafkas"].request(event["namespace"], event["name"])
    for kind in ("topics", "users"):
        _reconcilers[kind].request_known(event["namespace"])


@kopf.on.event(GROUP, "v1", "kafkatopics")
async def topic_changed(**event: Any) -> None:
    _reconcilers["topics"].request(event["namespace"], event["name"])


@kopf.on.event(GROUP, "v1", "kafkausers")
async def user_changed(**event: Any) -> None:
    _reconcilers["users"].request(event["namespace"], event["name"])
    # The cluster's run removes what a deleted user leaves in Kafka.
    if event["type"] == "DELETED" and _cluster_of(event):
        _reconcilers["kafkas"].request(event["namespace"], event["labels"][CLUSTER_LABEL])


@kopf.on.event(GROUP, "v1", "kafkanodepools")
@kopf.on.event("apps", "v1", "statefulsets", labels={CLUSTER_LABEL: kopf.PRESENT})
@kopf.on.event("v1", "pods", labels={CLUSTER_LABEL: kopf.PRESENT, "strimzi.io/kind": "Kafka"})
async def part_changed(**event: Any) -> None:
    if cluster := _cluster_of(event):
        _reconcilers["kafkas"].request(event["namespace"], cluster)


@kopf.on.event("v1", "secrets", labels={CLUSTER_LABEL: kopf.PRESENT})
async def secret_changed(**event: Any) -> None:
    if event["type"] is None:
        # The first list: everything is looked at anyway.
        return
    if event["labels"].get("strimzi.io/kind") == "KafkaUser":
        _reconcilers["users"].request(event["namespace"], event["labels"]["strimzi.io/name"])
    else:
        _reconcilers["kafkas"].request(event["namespace"], event["labels"][CLUSTER_LABEL])
