# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts probers into pods, waits for all of them together, and reads what they reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    observations,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import PlannedProber
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import prober_state

# The kubelet does not get over these by itself soon enough to wait for.
HOPELESS = (
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "RunContainerError",
)
SHORTEST_POLL = 0.4
LONGEST_POLL = 2.0
# The end of a log reaches the kubelet's file a moment after the container's end.
LOG_READINGS = 5
LOG_PAUSE = 0.3


@dataclass
class Report:
    """What came of one prober: its observations, or why there are none."""

    prober: PlannedProber
    added: bool = False
    observed: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    # How its container ended, if not well; a whole report counts all the same.
    ending: str = ""


def rights_missing(client: KubernetesClient, namespaces: Sequence[str]) -> dict[str, str]:
    """For each namespace where this user may not probe: which right is missing."""
    rights = (("patch", "pods", "ephemeralcontainers"), ("get", "pods", "log"))
    asked = [(namespace, right) for namespace in sorted(set(namespaces)) for right in rights]
    answers = together([_question(client, namespace, right) for namespace, right in asked])
    missing: dict[str, list[str]] = {}
    for (namespace, (verb, resource, subresource)), allowed in zip(asked, answers, strict=True):
        if not allowed:
            missing.setdefault(namespace, []).append(f"{verb} {resource}/{subresource}")
    return {
        namespace: f"this user may not {' and '.join(rights)} in {namespace}" for namespace, rights in missing.items()
    }


def _question(client: KubernetesClient, namespace: str, right: tuple[str, str, str]) -> Callable[[], bool]:
    verb, resource, subresource = right
    return lambda: client.permitted(verb, namespace, resource, subresource)


def run_probers(
    client: KubernetesClient, probers: Sequence[PlannedProber], image: str, patience: Patience, deadline: float
) -> list[Report]:
    """All at once; `deadline` is of the monotonic clock. One report each, in the order of the probers."""
    missing = rights_missing(client, [prober.pod.namespace for prober in probers])
    reports = [Report(prober, failure=missing.get(prober.pod.namespace, "")) for prober in probers]
    together([_call(_add, client, report, image, patience) for report in reports if not report.failure])
    pending = [report for report in reports if report.added]
    poll = SHORTEST_POLL
    while pending:
        time.sleep(poll)
        poll = min(poll * 1.3, LONGEST_POLL)
        ended, pending = _ended(client, pending, late=time.monotonic() > deadline)
        together([_call(_read, client, report) for report in ended])
    return reports


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
        report.failure = f"no prober could be added to {prober.pod.identity}: {error}"


def _ended(client: KubernetesClient, pending: Sequence[Report], *, late: bool) -> tuple[list[Report], list[Report]]:
    """One LIST a namespace tells the state of all its probers."""
    namespaces = sorted({report.prober.pod.namespace for report in pending})
    pods: dict[tuple[str, str], Mapping[str, Any]] = {}
    unseen: dict[str, str] = {}
    answers = together([_listing(client, namespace) for namespace in namespaces])
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


def _listing(client: KubernetesClient, namespace: str) -> Callable[[], list[dict[str, Any]] | KubernetesError]:
    def listing() -> list[dict[str, Any]] | KubernetesError:
        try:
            return client.list(f"/api/v1/namespaces/{namespace}/pods")
        except KubernetesError as error:
            return error  # one failed poll is no verdict; the deadline is

    return listing


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
