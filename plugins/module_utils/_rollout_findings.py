# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts of Deployments: which are not through yet, which will not get there, and what their pods say."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import TEMPLATE_CHECKSUM
from ansible_collections.azora.platform.plugins.module_utils._readiness import Finding, Findings

# Reasons that a container does not leave by itself.
HOPELESS_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "ErrImageNeverPull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
    }
)
# A container may well fail until what it needs is there; that often is no start-up trouble any more.
MOST_RESTARTS = 4


class Expected(t.NamedTuple):
    """What a Deployment should come to."""

    namespace: str
    name: str
    least: int
    template: str

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"


def expected_rollouts(manifests: Sequence[Mapping[str, t.Any]]) -> list[Expected]:
    """The Deployments among manifests; an autoscaled one must have at least its autoscaler's minimum."""
    scaled = {
        (entry["metadata"]["namespace"], entry["spec"]["scaleTargetRef"]["name"]): int(entry["spec"]["minReplicas"])
        for entry in manifests
        if entry["kind"] == "HorizontalPodAutoscaler"
    }
    return [
        Expected(
            namespace,
            name,
            scaled.get((namespace, name), int(entry["spec"].get("replicas", 1))),
            entry["spec"]["template"]["metadata"]["annotations"][TEMPLATE_CHECKSUM],
        )
        for entry in manifests
        if entry["kind"] == "Deployment"
        for namespace, name in [(entry["metadata"]["namespace"], entry["metadata"]["name"])]
    ]


def rollout_findings(
    manifests: Sequence[Mapping[str, t.Any]],
    deployments: Sequence[Mapping[str, t.Any]],
    pods: Sequence[Mapping[str, t.Any]],
) -> Findings:
    """Judge the Deployments among manifests: the cluster's Deployments tell that something is missing, their pods why."""
    present = {(entry["metadata"]["namespace"], entry["metadata"]["name"]): entry for entry in deployments}
    findings = Findings([], [])
    for expected in expected_rollouts(manifests):
        found = present.get((expected.namespace, expected.name))
        if found is None:
            findings.waiting.append(f"{expected.identity} is not there")
            continue
        finding = _deployment_finding(expected, found)
        if finding is None:
            continue
        (findings.hopeless if finding.hopeless else findings.waiting).append(finding.sentence)
        for pod in pods:
            if _is_of(pod, expected) and not pod["metadata"].get("deletionTimestamp") and not _is_ready(pod):
                trouble = _pod_finding(pod)
                (findings.hopeless if trouble.hopeless else findings.waiting).append(trouble.sentence)
    return findings


def _deployment_finding(expected: Expected, found: Mapping[str, t.Any]) -> Finding | None:
    status, wanted = found.get("status") or {}, int(found["spec"].get("replicas", 1))
    updated, all_of_them, available = (
        int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")
    )
    is_current = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    if is_current and updated == all_of_them == available == wanted and wanted >= expected.least:
        return None
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    refusal, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    sentence = (
        f"{expected.identity} has {updated} updated and {available} available pods of {max(wanted, expected.least)}"
    )
    if all_of_them > updated:
        sentence += f", {all_of_them - updated} of an older revision are left"
    if refusal.get("status") == "True":
        sentence += f", and no pod can be made: {refusal.get('message')}"
    is_dead = is_current and progress.get("reason") == "ProgressDeadlineExceeded"
    is_refused = refusal.get("status") == "True" and "violates PodSecurity" in str(refusal.get("message"))
    return Finding(sentence, hopeless=is_dead or is_refused)


def _is_of(pod: Mapping[str, t.Any], expected: Expected) -> bool:
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    return bool(metadata["namespace"] == expected.namespace and annotations.get(TEMPLATE_CHECKSUM) == expected.template)


def _is_ready(pod: Mapping[str, t.Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _pod_finding(pod: Mapping[str, t.Any]) -> Finding:
    """What keeps a pod from being ready, in a sentence, and whether waiting is in vain."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    identity = f"{metadata['namespace']}/{metadata['name']}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        restarts = int(container.get("restartCount") or 0)
        reason = waiting.get("reason")
        if reason and reason not in ("ContainerCreating", "PodInitializing"):
            ended = (container.get("lastState") or {}).get("terminated") or {}
            last = f"; it last ended with exit code {ended['exitCode']} ({ended.get('reason')})" if ended else ""
            sentence = f"{identity}: {reason}: {waiting.get('message') or 'no message'}{last}"
            is_hopeless = reason in HOPELESS_REASONS or (reason == "CrashLoopBackOff" and restarts >= MOST_RESTARTS)
            return Finding(sentence, hopeless=is_hopeless)
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Finding(f"{identity} is not scheduled: {condition.get('message') or condition.get('reason')}")
    return Finding(f"{identity} is {status.get('phase') or 'unknown'} and not ready yet")
