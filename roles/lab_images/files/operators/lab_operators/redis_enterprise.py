# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the Redis Enterprise operator: watches its kinds in one namespace and hands every change to the controller."""

from __future__ import annotations

import os
from typing import Any

import kopf

from lab_operators.kubernetes_api import KubernetesApi
from lab_operators.operator_endpoint import OperatorEndpoint
from lab_operators.reconciler import Reconciler
from lab_operators.redis_enterprise_cluster import ClusterSettings
from lab_operators.redis_enterprise_controller import CLUSTERS, DATABASES, RedisEnterpriseController
from lab_operators.watch_settings import configure, wait_for_kinds

_reconcilers: dict[str, Reconciler] = {}


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    configure(settings)
    api = KubernetesApi.in_cluster("redis-enterprise-operator")
    environment = os.environ
    controller = RedisEnterpriseController(
        api,
        ClusterSettings(image=environment["REDIS_NODE_IMAGE"]),
    )
    _reconcilers["clusters"] = Reconciler("redisenterprisecluster", controller.reconcile_cluster)
    _reconcilers["databases"] = Reconciler("redisenterprisedatabase", controller.reconcile_database)
    endpoint = OperatorEndpoint(_reconcilers.values())
    endpoint.start()
    await wait_for_kinds(api, (CLUSTERS, DATABASES), environment["POD_NAMESPACE"])
    endpoint.ready.set()


@kopf.on.event("app.redislabs.com", "v1", "redisenterpriseclusters")
async def cluster_changed(**event: Any) -> None:
    _reconcilers["clusters"].request(event["namespace"], event["name"])
    _reconcilers["databases"].request_known(event["namespace"])


@kopf.on.event("app.redislabs.com", "v1alpha1", "redisenterprisedatabases")
async def database_changed(**event: Any) -> None:
    _reconcilers["databases"].request(event["namespace"], event["name"])
    _reconcilers["clusters"].request_known(event["namespace"])


@kopf.on.event("apps", "v1", "statefulsets", labels={"app": "redis-enterprise", "redis.io/cluster": kopf.PRESENT})
@kopf.on.event("v1", "pods", labels={"app": "redis-enterprise", "redis.io/cluster": kopf.PRESENT})
async def node_changed(**event: Any) -> None:
    _reconcilers["clusters"].request(event["namespace"], event["labels"]["redis.io/cluster"])


@kopf.on.event("v1", "secrets")
async def secret_changed(**event: Any) -> None:
    # A password or a licence may stand in any Secret of the namespace; a run that finds nothing new writes nothing.
    _reconcilers["clusters"].request_known(event["namespace"])
    _reconcilers["databases"].request_known(event["namespace"])
