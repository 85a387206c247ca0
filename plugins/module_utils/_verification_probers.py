# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts probers into pods, waits for all of them together, and reads what they reported."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    listings,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._prober import (
    DamagedFrameError,
    Patience,
    ephemeral_container,
    execution,
    observations,
)
from ansible_collections.azora.platform.plugins.module_utils._progress import say
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import PlannedProber
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import HOPELESS, prober_state

# The ways into a pod: a container of the prober's own; the pod's container, if it has python3; none.
EPHEMERAL_CONTAINER, EXEC, POLICIES_ONLY = METHODS = ("ephemeral_container", "exec", "policies_only")
# A websocket asks for both, which of them depends on the version of the API server.
RIGHTS = {
    EPHEMERAL_CONTAINER: (("patch", "pods", "ephemeralcontainers"), ("get", "pods", "log")),
    EXEC: (("create", "pods", "exec"), ("get", "pods", "exec")),
}
CONCURRENT_EXECUTIONS = 32
FORBIDDEN = 403
# Beyond the prober's own deadline, for its start.
EXECUTION_GRACE = 15.0
SHORTEST_POLL = 0.4
LONGEST_POLL = 1.0
# The end of a log reaches the kubelet's file a moment after the container's end.
LOG_READINGS = 5
LOG_PAUSE = 0.3


@dataclass(frozen=True)
class Means:
    """How a prober gets into a pod: the ways, the most preferred first, and how often into the same pod."""

    image: str
    methods: Sequence[str] = (EPHEMERAL_CONTAINER,)
    most_containers: int = 30


@dataclass
class Report:
    """What came of one prober: its observations, or why there are none."""

    prober: PlannedProber
    method: str = ""
    added: bool = False
    observed: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    # How its container ended, if not well; a whole report counts all the same.
    ending: str = ""

    @property
    def waived(self) -> bool:
        """Nothing was sent, and whoever asked is content with what the policies say."""
        return self.method == POLICIES_ONLY


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


def run_probers(
    client: KubernetesClient, probers: Sequence[PlannedProber], means: Means, patience: Patience, deadline: float
) -> list[Report]:
    """All at once; `deadline` is of the monotonic clock. One report each, in the order of the probers."""
    missing = rights_missing(client, [prober.pod.namespace for prober in probers], means.methods)
    reports = [_by_method(prober, means, missing) for prober in probers]
    together(
        [
            _call(_add, client, report, means.image, patience)
            for report in reports
            if report.method == EPHEMERAL_CONTAINER
        ]
    )
    together(
        [_call(_execute, client, report, patience) for report in reports if report.method == EXEC],
        at_once=CONCURRENT_EXECUTIONS,
    )
    pending = [report for report in reports if report.added]
    poll = SHORTEST_POLL
    while pending:
        say(
            f"{len(reports) - len(pending)} of {len(reports)} probers have ended; {pending[0].prober.pod.identity} has not"
        )
        time.sleep(poll)
        poll = min(poll * 1.3, LONGEST_POLL)
        ended, pending = _ended(client, pending, late=time.monotonic() > deadline)
        together([_call(_read, client, report) for report in ended])
    return reports


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


def _ended(client: KubernetesClient, pending: Sequence[Report], *, late: bool) -> tuple[list[Report], list[Report]]:
    """One LIST a namespace tells the state of all its probers."""
    namespaces = sorted({report.prober.pod.namespace for report in pending})
    pods: dict[tuple[str, str], Mapping[str, Any]] = {}
    unseen: dict[str, str] = {}
    # One failed poll is no verdict; the deadline is.
    answers = listings(client, [f"/api/v1/namespaces/{namespace}/pods" for namespace in namespaces])
    for namespace, answer in zip(namespaces, answers, strict=True):
        if isinstance(answer, KubernetesError):
            unseen[namespace] = str(answer)
        else:
            pods.update({(namespace, one["metadata"]["name"]): one for one in answer})
    ended, waiting = [], []
    for report in pending:
        pod = report.prober.pod
        manifest = pods.get((pod.namespace, pod.name))
        if pod.namespace in unseen and not late:
            waiting.append(report)
            continue
        if pod.namespace in unseen:
            report.failure = f"the state of the prober in {pod.identity} is not known: {unseen[pod.namespace]}"
            continue
        if manifest is None or manifest["metadata"].get("uid") != pod.manifest["metadata"].get("uid"):
            report.failure = f"{pod.identity} went away while its prober ran"
            continue
        state, words = prober_state(manifest, report.prober.container)
        if state == "terminated":
            report.ending = words
            ended.append(report)
        elif late or any(reason in words for reason in HOPELESS):
            report.failure = (
                f"the prober in {pod.identity} did not report in time ({words})"
                if late
                else (f"the prober in {pod.identity} cannot start ({words})")
            )
        else:
            waiting.append(report)
    return ended, waiting


def _read(client: KubernetesClient, report: Report) -> None:
    pod = report.prober.pod
    for reading in range(LOG_READINGS):
        if reading:
            time.sleep(LOG_PAUSE)
        try:
            report.observed = observations(
                client.log(pod.namespace, pod.name, report.prober.container), report.prober.batch.run
            )
        except (DamagedFrameError, KubernetesError) as error:
            report.failure = f"the report of the prober in {pod.identity} cannot be used: {error}"
            if report.ending:
                report.failure += f"; it {report.ending}"
        else:
            report.failure = ""
            return
