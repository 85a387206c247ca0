# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts probers into pods, and has them watched together until all have reported."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._prober import (
    DamagedFrameError,
    Patience,
    ephemeral_container,
    execution,
    observations,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import PlannedProber
from ansible_collections.azora.platform.plugins.module_utils._verification_prober_reports import (
    CONCURRENT_READERS,
    EPHEMERAL_CONTAINER,
    EXEC,
    POLICIES_ONLY,
    Report,
    wait_for_reports,
)

# A websocket asks for both, which of them depends on the version of the API server.
RIGHTS = {
    EPHEMERAL_CONTAINER: (("patch", "pods", "ephemeralcontainers"), ("get", "pods", "log")),
    EXEC: (("create", "pods", "exec"), ("get", "pods", "exec")),
}
CONCURRENT_EXECUTIONS = 32
FORBIDDEN = 403
# Beyond the prober's own deadline, for its start.
EXECUTION_GRACE = 15.0
# Each holds a connection; more wait for their turn, and their probers do not.
CONCURRENT_WATCHES = 32


@dataclass(frozen=True)
class Means:
    """How a prober gets into a pod: the ways, the most preferred first, and how often into the same pod."""

    image: str
    methods: Sequence[str] = (EPHEMERAL_CONTAINER,)
    most_containers: int = 30


def rights_missing(
    client: KubernetesClient, namespaces: Sequence[str], methods: Sequence[str]
) -> dict[tuple[str, str], str]:
    """For each namespace and method that this user may not use there: which right is missing."""
    asked = [
        (namespace, method, right)
        for namespace in sorted(set(namespaces))
        for method in methods
        for right in RIGHTS.get(method, ())
    ]
    answers = together(
        [
            functools.partial(client.permitted, verb, namespace, *of_what)
            for namespace, _method, (verb, *of_what) in asked
        ]
    )
    missing: dict[tuple[str, str], list[str]] = {}
    for (namespace, method, (verb, resource, subresource)), allowed in zip(asked, answers, strict=True):
        if not allowed:
            missing.setdefault((namespace, method), []).append(f"{verb} {resource}/{subresource}")
    return {place: f"this user may not {' and '.join(rights)} in {place[0]}" for place, rights in missing.items()}


class Probers:
    """At work in all pods at once, from the construction to the call of `finish`; `deadline` is of the monotonic clock."""

    def __init__(
        self,
        client: KubernetesClient,
        probers: Sequence[PlannedProber],
        means: Means,
        patience: Patience,
        deadline: float,
    ) -> None:
        missing = rights_missing(client, [prober.pod.namespace for prober in probers], means.methods)
        self._reports = [_by_method(prober, means, missing) for prober in probers]
        self._readers = ThreadPoolExecutor(CONCURRENT_READERS)
        self._watchers = ThreadPoolExecutor(CONCURRENT_WATCHES)
        executed = [_call(_execute, client, one, patience) for one in self._reports if one.method == EXEC]
        self._working: list[Future[Any]] = [self._watchers.submit(together, executed, at_once=CONCURRENT_EXECUTIONS)]
        together(
            [
                _call(_add, client, one, means.image, patience)
                for one in self._reports
                if one.method == EPHEMERAL_CONTAINER
            ]
        )
        added: dict[str, list[Report]] = {}
        for report in self._reports:
            if report.added:
                added.setdefault(report.prober.pod.namespace, []).append(report)
        for namespace, reports in added.items():
            self._working.append(
                self._watchers.submit(wait_for_reports, client, namespace, reports, self._readers, deadline)
            )

    def finish(self) -> list[Report]:
        """One report each, in the order of the probers."""
        try:
            for one in self._working:
                one.result()
        finally:
            self._watchers.shutdown()
            self._readers.shutdown()
        return self._reports


def _by_method(prober: PlannedProber, means: Means, missing: Mapping[tuple[str, str], str]) -> Report:
    """The first method that can be used in this pod; without one the reasons of all."""
    reasons: list[str] = []
    for method in means.methods:
        reason = missing.get((prober.pod.namespace, method), "")
        if method == EPHEMERAL_CONTAINER and not reason and prober.pod.probers >= means.most_containers:
            reason = (
                f"{prober.pod.identity} holds {prober.pod.probers} ephemeral containers already, and max_ephemeral_containers"
                f" is {means.most_containers}: they go only with the pod, for example by kubectl rollout restart"
            )
        if method == POLICIES_ONLY or not reason:
            return Report(prober, method, failure="; ".join(reasons) if method == POLICIES_ONLY else "")
        reasons.append(reason)
    return Report(prober, failure="; ".join(reasons))


def _execute(client: KubernetesClient, report: Report, patience: Patience) -> None:
    """Run the program with the python3 of the pod's own container."""
    prober = report.prober
    containers = [one.get("name", "") for one in prober.pod.manifest["spec"].get("containers") or []]
    container = prober.workload.container if prober.workload.container in containers else containers[0]
    command, typed = execution(prober.batch, patience)
    where = f"{prober.pod.identity}, container {container}"
    try:
        said = client.execute(
            prober.pod.namespace,
            prober.pod.name,
            container,
            command,
            typed=typed,
            timeout=patience.deadline + EXECUTION_GRACE,
        )
        report.observed = observations(said, prober.batch.run)
    except KubernetesError as error:
        report.failure = f"no prober could be run in {where}: {error}"
    except DamagedFrameError as error:
        report.failure = f"the report of the prober run in {where} cannot be used: {error}"


def _call(function: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: function(*arguments)


def _add(client: KubernetesClient, report: Report, image: str, patience: Patience) -> None:
    prober = report.prober
    container = ephemeral_container(prober.container, image, prober.batch, patience, prober.pod.manifest)
    path = f"/api/v1/namespaces/{prober.pod.namespace}/pods/{prober.pod.name}/ephemeralcontainers"
    try:
        client.patch(path, {"spec": {"ephemeralContainers": [container]}})
        report.added = True
    except KubernetesError as error:
        report.failure = f"no prober could be added to {prober.pod.identity}: {_refused(error, prober) or error}"


def _refused(error: KubernetesError, prober: PlannedProber) -> str:
    """Pod Security judges the pod as a whole, so one bad container of before refuses every one after it."""
    earlier = [one["name"] for one in prober.pod.manifest["spec"].get("ephemeralContainers") or []]
    bad = [name for name in earlier if f'"{name}"' in str(error)]
    if error.status != FORBIDDEN or "PodSecurity" not in str(error) or not bad:
        return ""
    return (
        f"its ephemeral container {' and '.join(bad)} violates the Pod Security level of the namespace, which judges the pod"
        " as a whole and refuses every further one; only replacing the pod removes it"
    )
