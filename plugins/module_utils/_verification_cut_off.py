# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests whether services stay healthy without what they depend on: each in a copy of one replica that reaches nothing.

All copies run at the same time, beside the rest of the verification.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._cut_off import target_of, turns_of, uncopyable
from ansible_collections.azora.platform.plugins.module_utils._cut_off_verdict import (
    HEALTHY,
    UNHEALTHY,
    CutOff,
    concluded,
)
from ansible_collections.azora.platform.plugins.module_utils._probe_specification import live_container
from ansible_collections.azora.platform.plugins.module_utils._verification_copies import Copies, Trial
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import Finding
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    INCONCLUSIVE,
    Connection,
    VerificationError,
    Workload,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_isolation import Isolation
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, mesh_proxy

ALL = "all"
DEPLOYMENT = "deployment"
EXPECTED = "healthy without its dependencies"


def chosen(names: Sequence[str], workloads: Sequence[Workload]) -> list[Workload]:
    """The workloads to test; VerificationError names what cannot be. `all` is every service that declares a liveness probe."""
    known = {workload.identity: workload for workload in workloads}
    for index, name in enumerate(names):
        where = f"cut_off[{index}] is {name}"
        if name == ALL:
            continue
        if name not in known:
            raise VerificationError(f"{where}, which is not among the workloads; known: {', '.join([*known, ALL])}")
        if known[name].kind != DEPLOYMENT:
            raise VerificationError(
                f"{where}, a {known[name].kind}: a copy of its pod could open its data, so only services are tested"
            )
        if "liveness" not in known[name].probes:
            raise VerificationError(f"{where}, which declares no liveness probe to test")
    every = [one for one in workloads if ALL in names and one.kind == DEPLOYMENT and "liveness" in one.probes]
    return [workload for workload in workloads if workload in every or workload.identity in names]


def trials_of(
    workloads: Sequence[Workload], pods: Mapping[str, Sequence[Pod]], connections: Sequence[Connection], timeout: float
) -> list[Trial]:
    """Nothing is touched yet; a trial that cannot be made has its reason."""
    trials = []
    for workload in workloads:
        rows = [row for row in connections if row.allowed and row.source == workload.identity != row.destination]
        ready = [pod for pod in pods.get(workload.identity, ()) if pod.ready]
        # The newest is of the newest revision.
        replica = max(ready, key=lambda pod: str(pod.manifest["metadata"].get("creationTimestamp") or ""), default=None)
        container = (live_container(replica.manifest, workload) if replica else None) or {}
        turns = turns_of(container) if container.get("livenessProbe") else None
        trial = Trial(workload, rows, replica, container, turns)
        if replica is None:
            trial.reason = "it has no ready pod to copy"
        elif proxy := mesh_proxy(replica):
            trial.reason = f"{proxy}, through which its pods send everything, would be cut off itself"
        else:
            trial.reason = uncopyable(replica.manifest, container)
        if turns and turns.altogether > timeout and not trial.reason:
            trial.reason = f"its liveness probe needs {turns.altogether:.0f} s to fail for good, and cut_off_timeout is {timeout:.0f} s"
        trials.append(trial)
    return trials


def untested(
    workloads: Sequence[Workload], connections: Sequence[Connection], verdict: str, reason: str
) -> list[CutOff]:
    """The same for all of them, without a copy."""
    return [_result(trial, verdict, reason) for trial in trials_of(workloads, {}, connections, 0.0)]


def results(copies: Copies, isolation: Isolation) -> list[CutOff]:
    """What the copies showed, once they have been watched and their isolation has been looked at."""
    found = []
    for trial in copies.trials:
        if trial.fate is None or trial.reason:
            found.append(_result(trial, INCONCLUSIVE, trial.reason))
            continue
        doubt = isolation.doubt(trial) if trial.fate.known else ""
        answers, answer = isolation.answer(trial)
        verdict, reason = concluded(trial.fate, not_cut_off=doubt, answers=answers, answer=answer)
        if verdict == UNHEALTHY and trial.said:
            reason += f" ({trial.said})"
        found.append(_result(trial, verdict, reason))
    return found


def _result(trial: Trial, verdict: str, reason: str) -> CutOff:
    target, port = target_of(trial.container) if trial.turns else ("", None)
    return CutOff(
        workload=trial.workload.identity,
        target=target,
        port=port,
        dependencies=tuple(dict.fromkeys(f"{row.destination}:{row.port}" for row in trial.rows)),
        verdict=verdict,
        reason=reason,
        pod=trial.identity if trial.created else "",
        replica=trial.replica.identity if trial.replica else "",
        runs=trial.fate.runs if trial.fate else None,
        restarts=trial.fate.restarts if trial.fate else 0,
        seconds=round(time.monotonic() - trial.begun, 1) if trial.created else 0.0,
        dependency_free=bool(trial.workload.probes["liveness"].get("dependency_free")),
    )


def cut_off_findings(found: Sequence[CutOff], left: Mapping[str, str]) -> Iterator[Finding]:
    """Services that do not stay healthy, or of which nobody knows; and copies that are still there."""
    for one in found:
        if one.verdict != HEALTHY:
            yield Finding(
                "probes", one.workload, one.workload, one.port, EXPECTED, one.verdict, one.reason, one.sentence
            )
    of_workload = {one.pod: one.workload for one in found}
    for pod, reason in sorted(left.items()):
        sentence = f"the pod {pod}, a copy made to be cut off, could not be deleted: {reason}; delete it"
        yield Finding("probes", of_workload[pod], pod, None, "deleted", "still there", reason, sentence)
