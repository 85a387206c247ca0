# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the CloudNativePG operator: the same API; Patroni in the instances sees to who is the primary.

Run by kopf; the handlers only wake the reconcilers.
"""

from __future__ import annotations

import os
from typing import Any

import kopf

from lab_operators.cloudnative_pg_backups import BackupReconciler
from lab_operators.cloudnative_pg_cluster import ClusterReconciler
from lab_operators.cloudnative_pg_databases import ClusterAccess, DatabaseReconciler, DatabaseRoleReconciler
from lab_operators.cloudnative_pg_instance import CredentialStore
from lab_operators.cloudnative_pg_manifests import CLUSTER_LABEL, RELOAD_LABEL
from lab_operators.cloudnative_pg_resources import (
    BACKUPS,
    CLUSTERS,
    DATABASE_ROLES,
    DATABASES,
    GROUP,
    OBJECT_STORE_GROUP,
    OBJECT_STORE_VERSION,
    OBJECT_STORES,
    SCHEDULED_BACKUPS,
    VERSION,
)
from lab_operators.cloudnative_pg_scheduled_backups import ScheduledBackupReconciler
from lab_operators.kubernetes_api import KubernetesApi
from lab_operators.operator_endpoint import OperatorEndpoint
from lab_operators.reconciler import Reconciler
from lab_operators.watch_settings import configure, wait_for_kinds

_api = KubernetesApi.in_cluster("cloudnative-pg")
_api.register(BACKUPS, CLUSTERS, DATABASES, DATABASE_ROLES, OBJECT_STORES, SCHEDULED_BACKUPS)
_credentials = CredentialStore()
_access = ClusterAccess(_api, _credentials)
_clusters = Reconciler(
    "cluster",
    ClusterReconciler(_api, _credentials, os.environ.get("POSTGRES_IMAGE_NAME", "")).reconcile,
)
_databases = Reconciler("database", DatabaseReconciler(_access).reconcile)
_roles = Reconciler("databaserole", DatabaseRoleReconciler(_access).reconcile)
_backups = Reconciler("backup", BackupReconciler(_access).reconcile)
_scheduled_backups = Reconciler("scheduledbackup", ScheduledBackupReconciler(_api).reconcile)
_endpoint = OperatorEndpoint([_clusters, _databases, _roles, _backups, _scheduled_backups])


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    configure(settings)
    _endpoint.start()
    await wait_for_kinds(_api, (CLUSTERS, DATABASES, DATABASE_ROLES, BACKUPS, SCHEDULED_BACKUPS, OBJECT_STORES))
    _endpoint.ready.set()


@kopf.on.event(GROUP, VERSION, "clusters")
async def cluster_changed(namespace: str | None, name: str, **_: Any) -> None:
    _clusters.request(namespace or "", name)
    # What waits for a healthy cluster need not wait longer than that.
    _databases.request_known(namespace)
    _roles.request_known(namespace)


@kopf.on.event(GROUP, VERSION, "databases")
async def database_changed(namespace: str | None, name: str, **_: Any) -> None:
    _databases.request(namespace or "", name)


@kopf.on.event(GROUP, VERSION, "databaseroles")
async def role_changed(namespace: str | None, name: str, **_: Any) -> None:
    _roles.request(namespace or "", name)


@kopf.on.event(GROUP, VERSION, "backups")
async def backup_changed(namespace: str | None, name: str, **_: Any) -> None:
    _backups.request(namespace or "", name)
    # The Cluster's status tells of the last one.
    _clusters.request_known(namespace)


@kopf.on.event(GROUP, VERSION, "scheduledbackups")
async def scheduled_backup_changed(namespace: str | None, name: str, **_: Any) -> None:
    _scheduled_backups.request(namespace or "", name)


@kopf.on.event(OBJECT_STORE_GROUP, OBJECT_STORE_VERSION, "objectstores")
async def object_store_changed(namespace: str | None, **_: Any) -> None:
    _clusters.request_known(namespace)


@kopf.on.event("v1", "pods", labels={CLUSTER_LABEL: kopf.PRESENT})
async def pod_changed(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
    _clusters.request(namespace or "", labels[CLUSTER_LABEL])


@kopf.on.event("v1", "secrets", labels={RELOAD_LABEL: kopf.PRESENT})
async def secret_changed(namespace: str | None, **_: Any) -> None:
    _clusters.request_known(namespace)
    _roles.request_known(namespace)
