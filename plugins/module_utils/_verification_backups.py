# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads, for each store that should be backed up, what its operator says of its backups, and judges it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.azora.platform.plugins.module_utils._backup_truth import (
    RecoveryWindow,
    archive_of,
    backup_untruths,
    recovery_window,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._redis_backup_truth import (
    RecoveryPoints,
    databases_of,
    recovery_points,
    redis_backup_untruths,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import Untruth

CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/{}/clusters/{}"
REDIS_DATABASES = "/apis/app.redislabs.com/v1alpha1/namespaces/{}/redisenterprisedatabases"
OBJECT_STORE = "/apis/barmancloud.cnpg.io/v1/namespaces/{}/objectstores/{}"


@dataclass
class Backups:
    """By workload: what is not as it should be, since when it can be recovered, and what could not be read."""

    untruths: list[tuple[str, Untruth]] = field(default_factory=list)
    windows: dict[str, RecoveryWindow | RecoveryPoints] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def look_at_backups(client: KubernetesClient, workloads: Sequence[Workload]) -> Backups:
    """The stores among the workloads that should be backed up, several at a time."""
    found = Backups()
    looks = {"postgresql": _look_at_postgres, "redis": _look_at_redis}
    together([functools.partial(looks[one.product], client, one, found) for one in workloads if one.backed_up])
    return found


def _look_at_redis(client: KubernetesClient, workload: Workload, found: Backups) -> None:
    try:
        databases = databases_of(workload.name, client.list(REDIS_DATABASES.format(workload.namespace)))
    except KubernetesError as error:
        found.unread[workload.identity] = str(error)
        return
    now = datetime.datetime.now(datetime.UTC)
    found.untruths += [(workload.identity, one) for one in redis_backup_untruths(workload.identity, databases, now)]
    if databases:
        found.windows[workload.identity] = recovery_points(databases)


def _look_at_postgres(client: KubernetesClient, workload: Workload, found: Backups) -> None:
    try:
        cluster = client.get(CLUSTER.format(workload.namespace, workload.name))
        archive = archive_of(cluster) if cluster else None
        object_store = client.get(OBJECT_STORE.format(workload.namespace, archive.object_store)) if archive else None
    except KubernetesError as error:
        found.unread[workload.identity] = str(error)
        return
    untruths = backup_untruths(workload.identity, cluster, object_store)
    found.untruths += [(workload.identity, one) for one in untruths]
    if archive and object_store:
        found.windows[workload.identity] = recovery_window(archive, object_store)
