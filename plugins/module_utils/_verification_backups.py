# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads, for each workload that should be backed up, its Cluster and where that archives to, and judges them."""

from __future__ import annotations

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
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import Untruth

CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/{}/clusters/{}"
OBJECT_STORE = "/apis/barmancloud.cnpg.io/v1/namespaces/{}/objectstores/{}"


@dataclass
class Backups:
    """By workload: what is not as it should be, since when it can be recovered, and what could not be read."""

    untruths: list[tuple[str, Untruth]] = field(default_factory=list)
    windows: dict[str, RecoveryWindow] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def look_at_backups(client: KubernetesClient, workloads: Sequence[Workload]) -> Backups:
    """The stores among the workloads that should be backed up, several at a time."""
    found = Backups()
    together([functools.partial(_look_at_one, client, one, found) for one in workloads if one.backed_up])
    return found


def _look_at_one(client: KubernetesClient, workload: Workload, found: Backups) -> None:
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
