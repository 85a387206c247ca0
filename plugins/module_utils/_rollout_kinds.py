# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the workloads of Kubernetes' own kinds are, by their specification and status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, Object, State

REVISION = "deployment.kubernetes.io/revision"
# The kinds, and what their collections are called in the API.
WORKLOAD_KINDS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
}
# What keeps the revisions of a kind, and what its collection is called; a Job has one revision only.
KEEPERS = {
    "Deployment": ("ReplicaSet", "replicasets"),
    "StatefulSet": ("ControllerRevision", "controllerrevisions"),
    "DaemonSet": ("ControllerRevision", "controllerrevisions"),
}


def deployment_progress(identity: str, live: Object, least: int) -> Judgement:
    status, wanted = _status(live), int(live["spec"].get("replicas", 1))
    updated, all_of_them, available = (
        int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")
    )
    current = is_current(live)
    if current and updated == all_of_them == available == wanted and wanted >= least:
        return Judgement(State.READY, f"{identity} is rolled out, {available} of {wanted} pods")
    sentence = f"{identity} has {updated} updated and {available} available pods of {max(wanted, least)}"
    if all_of_them > updated:
        sentence += f", {all_of_them - updated} of an older revision are left"
    judgement = Judgement(State.MOVING, sentence)
    if not current:
        return judgement
    refusal, progress = _condition(live, "ReplicaFailure"), _condition(live, "Progressing")
    if refusal.get("status") == "True":
        judgement = refused_creation(judgement, str(refusal.get("message")))
    elif live["spec"].get("paused"):
        judgement = Judgement(State.STUCK, f"{sentence}, and its rollout is paused", reason="Paused")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        seconds = live["spec"].get("progressDeadlineSeconds")
        late = f"{judgement.sentence}, without progress for {seconds} s"
        reason = judgement.reason or "ProgressDeadlineExceeded"
        return judgement._replace(state=State.FAILED, reason=reason, sentence=late)
    return judgement


def stateful_set_progress(identity: str, live: Object, _least: int) -> Judgement:
    spec, status = live["spec"], _status(live)
    wanted = int(spec.get("replicas", 1))
    strategy = spec.get("updateStrategy") or {}
    kept = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    by_itself = strategy.get("type") != "OnDelete"
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    # With all pods of one revision the controller reports that revision only as the current one.
    if status.get("updateRevision") == status.get("currentRevision"):
        updated = int(status.get("currentReplicas") or 0)
    is_updated = updated >= max(0, wanted - kept) or not by_itself
    if is_current(live) and is_updated and available == wanted == int(status.get("replicas") or 0):
        return Judgement(State.READY, f"StatefulSet {identity} is rolled out, {available} of {wanted} pods")
    sentence = f"StatefulSet {identity} has {updated} updated and {available} available pods of {wanted}"
    return Judgement(State.MOVING, sentence)


def daemon_set_progress(identity: str, live: Object, _least: int) -> Judgement:
    status = _status(live)
    wanted, updated, available = (
        int(status.get(key) or 0) for key in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    )
    by_itself = (live["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"
    if is_current(live) and available == wanted and (updated == wanted or not by_itself):
        return Judgement(State.READY, f"DaemonSet {identity} is rolled out, {available} of {wanted} pods")
    sentence = f"DaemonSet {identity} has {updated} updated and {available} available pods of {wanted}"
    return Judgement(State.MOVING, sentence)


def job_progress(identity: str, live: Object, _least: int) -> Judgement:
    status, wanted = _status(live), live["spec"].get("completions") or 1
    if _condition(live, "Complete").get("status") == "True":
        return Judgement(State.READY, f"Job {identity} is complete")
    failed = _condition(live, "Failed")
    if failed.get("status") == "True":
        why = f"{failed.get('reason')}: {failed.get('message')}"
        return Judgement(State.FAILED, f"Job {identity} failed: {why}", reason=str(failed.get("reason") or "JobFailed"))
    sentence = f"Job {identity} has {int(status.get('succeeded') or 0)} of {wanted} completions"
    if live["spec"].get("suspend"):
        return Judgement(State.STUCK, f"{sentence}, and it is suspended", reason="Paused")
    return Judgement(State.MOVING, sentence)


def refused_creation(judgement: Judgement, message: str) -> Judgement:
    """That no pod can be made: a quota or a webhook may give way, Pod Security does not."""
    state, reason = State.STUCK, "FailedCreate"
    if "violates PodSecurity" in message:
        state, reason = State.FAILED, "PodSecurity"
    elif "exceeded quota" in message:
        reason = "QuotaExceeded"
    return judgement._replace(
        state=state, reason=reason, sentence=f"{judgement.sentence}, and no pod can be made: {message}"
    )


def _status(thing: Object) -> Mapping[str, Any]:
    return thing.get("status") or {}


def _condition(thing: Object, kind: str) -> Mapping[str, Any]:
    return next((entry for entry in _status(thing).get("conditions") or [] if entry["type"] == kind), {})


def is_current(thing: Object) -> bool:
    """Whether its controller has seen it as it is now; until then its status, and the revision that it names, are of before."""
    return int(_status(thing).get("observedGeneration") or 0) >= int(thing["metadata"].get("generation") or 0)
