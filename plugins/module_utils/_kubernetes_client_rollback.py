# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Returns Deployments to a revision by hand, all of them together, and lists what there is to return to."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_rollout import (
    FIELD_MANAGER,
    ask_for_last_words,
    difference,
    mark,
    missing_config_maps,
    return_to,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_watch import Watches
from ansible_collections.azora.platform.plugins.module_utils._progress import say
from ansible_collections.azora.platform.plugins.module_utils._rollout import World, collections_of
from ansible_collections.azora.platform.plugins.module_utils._rollout_course import Course, Wait
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import failure, waiting_for
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import Revision, chosen, history
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, Object, State


@dataclass
class Rollback:
    """What was found, what was done, and what is wrong with it."""

    histories: dict[str, list[Revision]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    returned: dict[str, Revision] = field(default_factory=dict)
    diffs: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def roll_back(
    client: KubernetesClient,
    deployments: Sequence[Mapping[str, str]],
    revision: str,
    *,
    timeout: float,
    restarts: int,
    log_lines: int,
    since: str = "",
    look_only: bool = False,
) -> Rollback:
    """Return each to REVISION ("" only lists, "previous" is the last good one before the present, or before SINCE).

    A mistake changes nothing at all.
    """
    result, began = Rollback(), time.monotonic()
    manifests = [_manifest(entry["namespace"], entry["name"]) for entry in deployments]
    with Watches(client, collections_of(manifests)) as watches:
        watches.wait_for_all()
        world = watches.world()
        found = {f"{entry['namespace']}/{entry['name']}": _live(world, **entry) for entry in deployments}
        for identity, live in found.items():
            if _look(identity, live, world, result) and revision:
                _choose(client, identity, revision, since, result)
        if result.mistakes or not revision:
            return result
        result.diffs = [
            difference("Deployment", found[identity] or {}, chosen_one)
            for identity, chosen_one in result.returned.items()
        ]
        if look_only or not result.returned:
            return result
        wait = Wait(manifests, began, timeout=timeout, patience=timeout, restarts=restarts, rollback_timeout=timeout)
        wait.courses = [course for course in wait.courses if course.identity in result.returned]
        together([functools.partial(_begin, client, course, found, result) for course in wait.courses])
        while True:
            world = watches.world()
            wait.look(world, time.monotonic())
            if wait.is_over():
                break
            say(waiting_for(wait.courses))
            watches.wait_for_change(wait.pause(time.monotonic()))
    result.failures = [text for course in wait.courses for text in _told(client, course, world, log_lines)]
    result.warnings = mark(client, wait.courses, world)
    result.seconds = time.monotonic() - began
    return result


def _manifest(namespace: str, name: str) -> dict[str, Any]:
    """As much of a Deployment as a wait needs; nothing is known of the template that it should have."""
    metadata = {"namespace": namespace, "name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"template": {"metadata": {}}},
    }


def _live(world: World, namespace: str, name: str) -> Object | None:
    return next((one for one in world.all("Deployment", namespace) if one["metadata"]["name"] == name), None)


def _look(identity: str, live: Object | None, world: World, result: Rollback) -> bool:
    namespace = identity.partition("/")[0]
    for kind in ("Deployment", "ReplicaSet"):
        if error := world.error(kind, namespace):
            result.mistakes.append(f"{identity} cannot be looked at: {error.sentence}")
            return False
    if live is None:
        result.mistakes.append(f"the Deployment {identity} is not there")
        return False
    result.histories[identity] = history("Deployment", live, world.all("ReplicaSet", namespace))
    return True


def _choose(client: KubernetesClient, identity: str, revision: str, since: str, result: Rollback) -> None:
    wanted = chosen(result.histories[identity], revision, since)
    if isinstance(wanted, str):
        result.mistakes.append(f"{identity}: {wanted}")
    elif wanted.current:
        return
    elif gone := missing_config_maps(client, identity.partition("/")[0], wanted):
        result.mistakes.append(
            f"{identity}: revision {wanted.number} reads the ConfigMap {', '.join(gone)}, which is gone"
        )
    else:
        result.returned[identity] = wanted


def _begin(client: KubernetesClient, course: Course, found: Mapping[str, Object | None], result: Rollback) -> None:
    """The others go on, whatever becomes of one."""
    live = found[course.identity]
    course.judgement, course.seconds = Judgement(State.READY, ""), 0.0
    try:
        course.back = return_to(client, "Deployment", live or {}, result.returned[course.identity], FIELD_MANAGER)
    except KubernetesError as error:
        course.judgement = Judgement(State.UNSEEN, f"{course.identity} could not be returned: {error}")


def _told(client: KubernetesClient, course: Course, world: World, log_lines: int) -> list[str]:
    back = course.back
    if back is None:
        return [f"{course.judgement.sentence}."]
    if back.judgement is not None and back.judgement.state is State.READY:
        return []
    told = Course(course.manifest, 0, back.judgement or Judgement(State.UNSEEN, ""), back.seconds)
    ask_for_last_words(client, told, world, log_lines)
    return [failure(told)]
