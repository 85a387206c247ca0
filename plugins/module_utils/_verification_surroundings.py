# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what stands around the workloads, by one LIST a namespace and kind, and judges it together with their pods."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    listings,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services
from ansible_collections.azora.platform.plugins.module_utils._workload_truth import (
    Declared,
    Surroundings,
    Untruth,
    restarted,
    untruths,
)

KINDS = {
    "deployments": "/apis/apps/v1/namespaces/{}/deployments",
    "endpoint_slices": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "budgets": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "autoscalers": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
}
DEPLOYMENT = "deployment"


@dataclass
class Truth:
    """What is not as it should be, by workload, and what could not be read."""

    untruths: list[tuple[str, Untruth]] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def look_around(
    client: KubernetesClient,
    workloads: Sequence[Workload],
    before: Mapping[str, Sequence[Pod]],
    after: Mapping[str, Sequence[Pod]],
    *,
    services: Services,
    now: datetime.datetime,
) -> Truth:
    """The Deployments among the workloads, with their pods of now; BEFORE are those of when the verification began."""
    truth = Truth()
    deployments = [workload for workload in workloads if workload.kind == DEPLOYMENT]
    namespaces = sorted({workload.namespace for workload in deployments})
    wanted = [(namespace, kind, path.format(namespace)) for namespace in namespaces for kind, path in KINDS.items()]
    answers = listings(client, [path for *_place, path in wanted])
    nodes = _nodes(client)
    found: dict[str, dict[str, Any]] = {
        namespace: {"services": services.manifests.get(namespace, [])} for namespace in namespaces
    }
    truth.unread.update(
        {namespace: services.unread[namespace] for namespace in namespaces if namespace in services.unread}
    )
    for (namespace, kind, _path), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, KubernetesError):
            truth.unread[namespace] = str(answer)
        else:
            found[namespace][kind] = answer
    for workload in deployments:
        pods = [pod.manifest for pod in after.get(workload.identity, ())]
        if workload.namespace not in truth.unread:
            around = Surroundings(**found[workload.namespace], nodes=nodes)
            truth.untruths += [(workload.identity, one) for one in untruths(_declared(workload), pods, around, now)]
        earlier = [pod.manifest for pod in before.get(workload.identity, ())]
        truth.untruths += [(workload.identity, _restart(pod, count)) for pod, count in restarted(earlier, pods).items()]
    return truth


def _declared(workload: Workload) -> Declared:
    return Declared(
        name=workload.name,
        namespace=workload.namespace,
        container=workload.container,
        image=workload.image,
        replicas=workload.replicas,
        has_budget=workload.has_budget,
        autoscaled=workload.autoscaled,
    )


def _restart(pod: str, count: int) -> Untruth:
    times = "once" if count == 1 else f"{count} times"
    return Untruth("restarts", "no restart", f"restarted {times}", f"pod {pod} restarted {times} while it was verified")


def _nodes(client: KubernetesClient) -> int | None:
    """How many nodes take pods that tolerate nothing; None if this user may not see them."""
    try:
        nodes = client.list("/api/v1/nodes")
    except KubernetesError:
        return None
    return sum(
        not node["spec"].get("unschedulable")
        and not any(taint.get("effect") in {"NoSchedule", "NoExecute"} for taint in node["spec"].get("taints") or [])
        for node in nodes
    )
