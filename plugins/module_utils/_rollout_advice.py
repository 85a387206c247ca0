# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a rollout that failed: by its reason, and by what the container's last words sound like."""

from __future__ import annotations

import re
from collections.abc import Sequence

BY_REASON = {
    "ImagePull": (
        "check the image's name and tag, that the nodes reach its registry, and the Secret for it (image_pull_secrets)"
    ),
    "CreateContainerConfigError": (
        "create the Secret, the ConfigMap or the key that the message names, or take it out of the catalogue"
    ),
    "RunAsNonRoot": (
        "give the image a USER with a number other than 0, or the service one in the catalogue (security_context.run_as_user)"
    ),
    "CrashLoop": "check its configuration and its liveness probe, and that what it needs at its start is there",
    "OOMKilled": "raise its memory limit (resources.limits.memory), or find out what uses the memory",
    "NotReady": (
        "compare path and port of its readiness probe with what it listens on, and look whether what its readiness depends on is there"
    ),
    "Unschedulable": "make room on the nodes, lower its requests, or loosen what keeps it from them (taints, topology_spread)",
    "QuotaExceeded": "raise the namespace's quota: a rolling update needs room for one pod more than there are replicas",
    "FailedCreate": "mend what refuses the pod: the message names it",
    "PodSecurity": "let the pod keep to the Pod Security level of its namespace, or choose another level for the namespace",
    "FailedMount": "create what the volume names, or look at the storage it comes from",
    "FailedAttachVolume": "look whether another node still holds the volume",
    "FailedCreatePodSandBox": "look at the node's container runtime and network plugin",
    "Paused": "let it go on: kubectl rollout resume, or spec.suspend false for a Job",
    "ProgressDeadlineExceeded": "look at its pods: kubectl describe tells what they wait for",
    "Timeout": "look at what it waits for, or give it more time (timeout)",
    "Changed": "find out who else changes it, and run the playbook again",
    "BackoffLimitExceeded": "read the log of its last pod",
}
# Troubles that look the same from outside and are told apart only by what the container says.
BY_LOG = (
    (
        re.compile(
            r"password authentication failed|WRONGPASS|NOAUTH|authentication failed|access denied for user", re.I
        ),
        "the database refuses its credentials: compare the Secret it reads with the database's own, or run the playbook data again",
    ),
    (
        re.compile(
            r"connection (?:to server .*)?(?:refused|timed out|reset)|could not connect|connect call failed|no route to host|i/o timeout|"
            r"name or service not known|no such host|could not translate host name|temporary failure in name resolution|ECONNREFUSED",
            re.I,
        ),
        "it does not reach what it needs: check the network policies and the Service's selector and endpoints (the playbook verify names the policy)",
    ),
    (
        re.compile(r"out of memory|MemoryError|OutOfMemoryError|cannot allocate memory", re.I),
        "it runs out of memory: raise its memory limit (resources.limits.memory), or find out what uses the memory",
    ),
)


def advice(reason: str, log: Sequence[str]) -> str:
    """One sentence; the log's own words go before the reason."""
    text = "\n".join(log)
    if reason in ("CrashLoop", "NotReady", "PodFailed", "BackoffLimitExceeded"):
        for pattern, what in BY_LOG:
            if pattern.search(text):
                return what
    return BY_REASON.get(reason, "look at its pods and events: kubectl describe tells what they wait for")
