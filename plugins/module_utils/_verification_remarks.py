# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is as declared and yet worth a sentence: probes with little room, and what nobody could look at without need."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._probe_counters import Runs
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import live_container, started_at
from ansible_collections.azora.platform.plugins.module_utils._verification_backups import Backups
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import answered
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import Counted
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod
from ansible_collections.azora.platform.plugins.module_utils._verification_policies import PolicyJudgement
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services
from ansible_collections.azora.platform.plugins.module_utils._verification_surroundings import Truth

# From this part of a limit on, little is missing to a failure.
NARROW = 0.5


def remarks(
    workloads: Sequence[Workload],
    pods: Mapping[str, Sequence[Pod]],
    reports: Sequence[Any],
    *,
    counted: Counted,
    policies: PolicyJudgement,
    services: Services,
    truth: Truth,
    backups: Backups,
    waived: Mapping[str, str],
    untested: Sequence[str],
) -> list[str]:
    """Sentences; none of them makes a verification fail."""
    sentences = [sentence for report in reports for sentence in _slow_answers(report)]
    for workload in workloads:
        for pod in pods.get(workload.identity, ()):
            sentences += [*_slow_start(workload, pod), *_single_failures(pod, counted)]
    nodes_by_reason: dict[str, list[str]] = {}
    for node, reason in sorted(counted.unread.items()):
        nodes_by_reason.setdefault(reason, []).append(node)
    sentences += [
        f"whether the kubelets of {', '.join(nodes)} run the probes is not known: {reason}"
        for reason, nodes in nodes_by_reason.items()
    ]
    sentences += _not_due(counted)
    sentences += [
        f"{one.sentence}; that may still come"
        for _identity, one in truth.untruths + backups.untruths
        if not one.certain
    ]
    sentences += [
        f"what stands around the workloads of {namespace} is not known: {reason}"
        for namespace, reason in sorted(truth.unread.items())
    ]
    sentences += [
        f"whether {workload} can be recovered is not known: {reason}"
        for workload, reason in sorted(backups.unread.items())
    ]
    sentences += [
        f"the Services of {namespace} were not tried, only its pods: {reason}"
        for namespace, reason in sorted(services.unread.items())
    ]
    sentences += [
        f"nothing was sent from {workload}, only its policies were judged: {reason}"
        for workload, reason in sorted(waived.items())
    ]
    if untested:
        sentences.append(f"{', '.join(untested)} would be tested without what they depend on; check mode makes no copy")
    if policies.unread:
        sentences.append(f"whether packets and policies agree is not known: {policies.unread}")
    if policies.not_judged:
        kinds = ", ".join(dict.fromkeys(words.partition(" ")[0] for words in policies.not_judged))
        sentences.append(
            f"policies of the kinds {kinds} are judged by packets only: no other product knows what they mean"
        )
    return sentences


def _slow_answers(report: Any) -> Iterator[str]:
    for seen in report.observed:
        if seen["kind"] != "request":
            continue
        request = report.prober.requests[seen["id"]]
        if answered(seen) and not request.absent and seen["ms"] > request.timeout * 1000 * NARROW:
            yield (
                f"pod {report.prober.pod.identity} answered GET {request.path} after {seen['ms']:.0f} ms;"
                f" its probe's timeout is {request.timeout:g} s"
            )


def _slow_start(workload: Workload, pod: Pod) -> Iterator[str]:
    """Observed is the time from the container's start to readiness; a pod that lost its readiness since tells nothing."""
    container = live_container(pod.manifest, workload)
    if container is None or not pod.ready or pod.restarts:
        return
    probe = container.get("startupProbe") or container.get("livenessProbe")
    status = pod.manifest.get("status") or {}
    started = started_at(pod.manifest, container)
    ready: Mapping[str, Any] = next((one for one in status.get("conditions") or [] if one.get("type") == "Ready"), {})
    if not probe or not started or not ready.get("lastTransitionTime"):
        return
    budget = int(probe.get("initialDelaySeconds") or 0) + int(probe.get("failureThreshold") or 3) * int(
        probe.get("periodSeconds") or 10
    )
    took = (datetime.datetime.fromisoformat(ready["lastTransitionTime"]) - started).total_seconds()
    if budget * NARROW < took <= budget:
        kind = "startup" if "startupProbe" in container else "liveness"
        yield f"pod {pod.identity} took {took:.0f} s to get ready; its {kind} probe gives up after {budget} s"


def _single_failures(pod: Pod, counted: Counted) -> Iterator[str]:
    for probe, runs in counted.of_pod(pod.identity):
        if runs.failed and runs.passed and probe.kind != "startup":  # that one fails until its container has started
            yield (
                f"the {probe.kind} probe of pod {pod.identity} failed {runs.failed} of {runs.passed + runs.failed}"
                f" times within {counted.seconds:.0f} s, as its kubelet counts"
            )


def _not_due(counted: Counted) -> Iterator[str]:
    waiting: dict[str, list[str]] = {}
    for probe in counted.probes:
        if not probe.due and counted.runs.get(probe.key) == Runs():
            waiting.setdefault(probe.kind, []).append(probe.pod)
    for kind, pods in sorted(waiting.items()):
        yield f"the {kind} probe has not begun in {', '.join(pods)}: its initial delay is not over"
