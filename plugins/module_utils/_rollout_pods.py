# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a pod from being ready, and whether waiting is in vain."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Sequence

from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, Object, State

IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})
# A registry that answers so will answer so again; one that does not answer may come back.
IMAGE_REFUSED = re.compile(
    r"not found|manifest unknown|does not exist|unauthorized|denied|forbidden|invalid reference|no match for platform",
    re.I,
)
# The name cannot be one, or the image must not be pulled and is not there.
DEAD_REASONS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
# "failed to sync configmap cache" is the other one: the kubelet has just not read it yet.
MISSING = re.compile(r"not found|couldn't find key|is not allowed", re.I)
STARTING = frozenset({"ContainerCreating", "PodInitializing"})


def pod_trouble(pod: Object, events: Sequence[Object], restarts: int) -> Judgement | None:
    """None for a pod that is ready (or has done its work); a container that crashed RESTARTS times is given up."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    identity = f"{metadata.get('namespace', '')}/{metadata['name']}"
    if is_ready(pod) or status.get("phase") == "Succeeded":
        return None
    about = [event for event in events if (event.get("involvedObject") or {}).get("uid") == metadata.get("uid")]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        sentence = f"{identity} is not scheduled: {scheduled.get('message') or scheduled.get('reason')}"
        # Before the scheduler has tried, and while a gate holds the pod back, there is nothing to blame.
        state = State.STUCK if scheduled.get("reason") == "Unschedulable" else State.MOVING
        return _judgement(state, sentence, "Unschedulable", identity, event=_event(about, "FailedScheduling"))
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        trouble = _container_trouble(identity, container, about, restarts)
        if trouble is not None:
            return trouble
    return _waiting_trouble(identity, pod, about)


def is_ready(pod: Object) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def _container_trouble(identity: str, container: Object, about: Sequence[Object], restarts: int) -> Judgement | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "no message")
    if not reason or reason in STARTING:
        return None
    name, count = str(container.get("name") or ""), int(container.get("restartCount") or 0)
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if reason in IMAGE_REASONS:
        told = f"{message} {_event(about, 'Failed')}"
        state = State.FAILED if IMAGE_REFUSED.search(told) else State.STUCK
        return _judgement(
            state, f"{identity}: {reason}: {message}", "ImagePull", identity, event=_event(about, "Failed")
        )
    if reason in DEAD_REASONS:
        return _judgement(State.FAILED, f"{identity}: {reason}: {message}", "ImagePull", identity)
    if reason == "CreateContainerConfigError":
        # "container has runAsNonRoot and image will run as root", or its user has a name, of which nobody knows the number.
        as_root = "runAsNonRoot" in message
        state = State.FAILED if as_root or MISSING.search(message) else State.STUCK
        sentence, cause = f"{identity}: {reason}: {message}", "RunAsNonRoot" if as_root else reason
        return _judgement(state, sentence, cause, identity, event=_event(about, "Failed"))
    # What is left has run, or should have: CrashLoopBackOff, RunContainerError, CreateContainerError and their like.
    last = f"; it last ended with exit code {ended['exitCode']} ({ended.get('reason')})" if ended else ""
    sentence = f"{identity}: {reason}, {count} restarts: {message}{last}"
    cause = "OOMKilled" if ended.get("reason") == "OOMKilled" else "CrashLoop"
    state = State.FAILED if count >= restarts else State.MOVING
    # What the kubelet killed for its liveness says so only in an event.
    event = _event(about, "Unhealthy") or _event(about, "BackOff", "Failed")
    return _judgement(state, sentence, cause, identity, container=name, previous=bool(ended), event=event)


def _waiting_trouble(identity: str, pod: Object, about: Sequence[Object]) -> Judgement:
    """No container says what is wrong: volumes, the sandbox, or a probe that does not pass."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        why = status.get("message") or status.get("reason") or "its containers ended"
        container: Object = next(iter(status.get("containerStatuses") or []), {})
        return _judgement(
            State.MOVING, f"{identity} failed: {why}", "PodFailed", identity, container=str(container.get("name") or "")
        )
    if not any("running" in (one.get("state") or {}) for one in status.get("containerStatuses") or []):
        for reason in ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"):
            if event := _event(about, reason):
                # A node that is slow says so, too, and goes on.
                state = State.STUCK if MISSING.search(event) else State.MOVING
                return _judgement(state, f"{identity} cannot start: {event}", reason, identity, event=event)
    for one in status.get("containerStatuses") or []:
        if "running" in (one.get("state") or {}) and not one.get("ready"):
            # That it is not alive either may be said later, and is less to the point.
            ready = [one for one in about if not str(one.get("message")).startswith("Liveness")]
            event = _event(ready, "Unhealthy") or _event(about, "Unhealthy")
            sentence = f"{identity} runs and is not ready" + (f": {event}" if event else "")
            name = str(one.get("name") or "")
            return _judgement(State.MOVING, sentence, "NotReady", identity, container=name, event=event)
    return _judgement(State.MOVING, f"{identity} is {status.get('phase') or 'unknown'} and not ready yet", "", identity)


def _judgement(state: State, sentence: str, reason: str, identity: str, **more: t.Any) -> Judgement:
    return Judgement(state, sentence, reason, pod=identity.partition("/")[2], **more)


def _condition(pod: Object, kind: str) -> t.Mapping[str, t.Any]:
    return next((one for one in (pod.get("status") or {}).get("conditions") or [] if one["type"] == kind), {})


def _event(about: Sequence[Object], *reasons: str) -> str:
    """The newest event of the first of these reasons that has one."""
    for reason in reasons:
        found = [one for one in about if one.get("reason") == reason]
        if found:
            return event_text(max(found, key=_time))
    return ""


def _time(event: Object) -> str:
    return str(
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or ""
    )


def event_text(event: Object) -> str:
    return f"{event.get('reason')}: {' '.join(str(event.get('message') or '').split())}"
