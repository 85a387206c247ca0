# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for rollouts on a cluster: watches, asks containers that fail for their last words, returns what failed, marks what is good."""

from __future__ import annotations

import contextlib
import datetime
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _masking
from ansible_collections.azora.platform.plugins.module_utils._canary import is_canary
from ansible_collections.azora.platform.plugins.module_utils._config_maps import config_maps_in_use
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_watch import Watches
from ansible_collections.azora.platform.plugins.module_utils._manifests import TEMPLATE_CHECKSUM
from ansible_collections.azora.platform.plugins.module_utils._progress import say
from ansible_collections.azora.platform.plugins.module_utils._rollout import (
    FORBIDDEN,
    World,
    collections_of,
    judge,
    owned_by,
)
from ansible_collections.azora.platform.plugins.module_utils._rollout_course import Course, Return, Wait
from ansible_collections.azora.platform.plugins.module_utils._rollout_kinds import KEEPERS, WORKLOAD_KINDS
from ansible_collections.azora.platform.plugins.module_utils._rollout_pods import is_ready
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import waiting_for
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import (
    GOOD,
    HASH,
    Revision,
    current_revision,
    history,
    last_good,
    referred,
    returned,
)
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Object, State

FIELD_MANAGER = "azora.platform"
APPS = "/apis/apps/v1/namespaces/{}"


@dataclass(frozen=True)
class Settings:
    """How to wait."""

    timeout: float
    patience: float
    restarts: int
    rollback: bool
    rollback_timeout: float
    log_lines: int
    enlarged: Sequence[str] = ()
    field_manager: str = FIELD_MANAGER


@dataclass
class Outcome:
    """How the wait ended."""

    courses: list[Course]
    seconds: float
    # The ConfigMaps in use, by namespace, where both Deployments and ReplicaSets could be looked at.
    config_maps: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    # The label pod-template-hash of the revision of which one pod is there, by Deployment.
    canaries: dict[str, str] = field(default_factory=dict)


def roll_out(
    client: KubernetesClient, manifests: Sequence[Object], settings: Settings, *, look_once: bool = False
) -> Outcome:
    """Wait until each is decided; to look once changes nothing."""
    began = time.monotonic()
    with Watches(client, collections_of(manifests)) as watches:
        watches.wait_for_all()
        wait = Wait(
            manifests,
            began,
            timeout=settings.timeout,
            patience=settings.patience,
            restarts=settings.restarts,
            enlarged=settings.enlarged,
            rollback_timeout=settings.rollback_timeout if settings.rollback and not look_once else None,
        )
        while True:
            world = watches.world()
            failed = wait.look(world, time.monotonic())
            together([functools.partial(_take_care, client, course, world, settings, look_once) for course in failed])
            if wait.is_over() or look_once:
                break
            say(waiting_for(wait.courses))
            _clear_the_way(client, wait.courses, world)
            watches.wait_for_change(wait.pause(time.monotonic()))
        world = watches.world()
    outcome = Outcome(wait.courses, time.monotonic() - began, _in_use(world), sorted(_unseen(world)))
    if not look_once:
        outcome.warnings += mark(client, wait.courses, world)
    outcome.canaries = _canaries(wait.courses, world)
    return outcome


def _canaries(courses: Sequence[Course], world: World) -> dict[str, str]:
    found = {}
    for course in courses:
        live = _live(world, course) if course.kind == "Deployment" and course.state is State.READY else None
        if live is not None and is_canary(live):
            current = current_revision(course.kind, live, world.all("ReplicaSet", course.namespace))
            found[course.identity] = (current or {"metadata": {}})["metadata"].get("labels", {}).get(HASH, "")
    return {identity: template_hash for identity, template_hash in found.items() if template_hash}


def _in_use(world: World) -> dict[str, list[str]]:
    return {
        collection.namespace: config_maps_in_use(
            world.all("Deployment", collection.namespace), world.all("ReplicaSet", collection.namespace)
        )
        for collection in world.objects
        if collection.kind == "ReplicaSet"
        and not any(world.error(kind, collection.namespace) for kind in ("Deployment", "ReplicaSet"))
    }


def _unseen(world: World) -> Iterator[str]:
    """What would have told more, and may not be read."""
    for collection, error in world.errors.items():
        if collection.kind in ("Pod", "ReplicaSet", "ControllerRevision", "Event") and error.status == FORBIDDEN:
            yield f"{collection.kind}s of {collection.namespace} could not be looked at: {error.sentence}"


def _take_care(client: KubernetesClient, course: Course, world: World, settings: Settings, look_once: bool) -> None:
    ask_for_last_words(client, course, world, settings.log_lines)
    if settings.rollback and not look_once:
        _return(client, course, world, settings)


def ask_for_last_words(client: KubernetesClient, course: Course, world: World, lines: int) -> None:
    """The end of the failing container's log, and everything that is said of it, without the secrets that the pod reads."""
    judgement, namespace = course.judgement, course.namespace
    pod = next((one for one in world.all("Pod", namespace) if one["metadata"]["name"] == judgement.pod), None)
    values: list[str] = []
    if pod is not None and judgement.container and lines:
        try:
            values = _masking.secret_values(_secrets(client, namespace, pod))
            # What is part of its own name is no secret: a database and a user are often called like their service.
            values = [value for value in values if value not in f"{namespace}/{judgement.pod}"]
            text = _log(client, namespace, judgement.pod, judgement.container, lines, previous=judgement.previous)
        except KubernetesError as error:
            course.log_withheld = f"The log of {judgement.pod} is not shown: {error}"
        else:
            course.log = [line for line in _masking.masked(text, values).splitlines() if line.strip()][-lines:]
    course.judgement = judgement._replace(
        sentence=_masking.masked(judgement.sentence, values), event=_masking.masked(judgement.event, values)
    )


def _secrets(client: KubernetesClient, namespace: str, pod: Object) -> list[Mapping[str, Any]]:
    """Without them nobody knows what to mask."""
    found = []
    for name in sorted(referred(pod, "secret")):
        try:
            found.append(client.get(f"/api/v1/namespaces/{namespace}/secrets/{name}"))
        except KubernetesError as error:
            if error.status == FORBIDDEN:
                why = f"the Secret {name} may not be read, and its values have to be masked"
                raise KubernetesError(why, error.status) from error
            raise
    return [secret for secret in found if secret is not None]


def _log(client: KubernetesClient, namespace: str, pod: str, container: str, lines: int, *, previous: bool) -> str:
    if previous:
        try:
            return client.log(namespace, pod, container, tailLines=str(lines), previous="true")
        except KubernetesError as error:
            # The last run may just have been taken away; the present one is better than nothing.
            if error.status not in (400, 404):
                raise
    return client.log(namespace, pod, container, tailLines=str(lines))


def _return(client: KubernetesClient, course: Course, world: World, settings: Settings) -> None:
    """Return what failed to its last good revision, or say why not."""
    if course.kind not in KEEPERS:
        course.not_returned = f"a {course.kind} has no revisions"
        return
    if course.judgement.reason == "Changed":
        course.not_returned = "somebody else has changed it meanwhile"
        return
    live = _live(world, course)
    if live is None:
        course.not_returned = "it is not there"
        return
    revision = last_good(history(course.kind, live, world.all(KEEPERS[course.kind][0], course.namespace)))
    if isinstance(revision, str):
        course.not_returned = revision
        return
    try:
        course.back = return_to(client, course.kind, live, revision, settings.field_manager)
    except KubernetesError as error:
        course.not_returned = str(error)


def return_to(client: KubernetesClient, kind: str, live: Object, revision: Revision, field_manager: str) -> Return:
    """Give a workload the template of a revision; its ConfigMaps must still be there."""
    namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
    gone = missing_config_maps(client, namespace, revision)
    if gone:
        raise KubernetesError(f"revision {revision.number} reads the ConfigMap {', '.join(gone)}, which is gone")
    body = returned(kind, live, revision, field_manager)
    path = f"{APPS.format(namespace)}/{WORKLOAD_KINDS[kind]}/{name}"
    if body is not None:
        answer = client.apply(path, body, field_manager)
    else:
        answer = client.change(path, [{"op": "replace", "path": "/spec/template", "value": revision.template}])
    annotations = revision.template["metadata"].get("annotations") or {}
    return Return(
        revision=revision.number,
        images=revision.images,
        generation=int(answer["metadata"].get("generation") or 0),
        template=annotations.get(TEMPLATE_CHECKSUM, ""),
        started=time.monotonic(),
        diff=difference(kind, live, revision),
    )


def _clear_the_way(client: KubernetesClient, courses: Sequence[Course], world: World) -> None:
    """A StatefulSet that has returned waits for its broken pod to get ready before it replaces it (kubernetes issue 67250)."""
    for course in courses:
        live = _live(world, course)
        if course.kind != "StatefulSet" or course.back is None or course.back.seconds is not None or live is None:
            continue
        status = live.get("status") or {}
        if int(status.get("observedGeneration") or 0) < course.back.generation:
            continue
        for pod in owned_by(live, world.all("Pod", course.namespace)):
            revision = (pod["metadata"].get("labels") or {}).get("controller-revision-hash")
            is_going = pod["metadata"].get("deletionTimestamp") or pod["metadata"]["uid"] in course.back.cleared
            if revision == status.get("updateRevision") or is_ready(pod) or is_going:
                continue
            course.back.cleared.add(pod["metadata"]["uid"])
            path = f"/api/v1/namespaces/{course.namespace}/pods/{pod['metadata']['name']}"
            # What is gone already is as it should be; anything else shows as a return that does not get ready.
            with contextlib.suppress(KubernetesError):
                client.delete(path, uid=pod["metadata"]["uid"])


def missing_config_maps(client: KubernetesClient, namespace: str, revision: Revision) -> list[str]:
    names = sorted(referred(revision.template, "configMap", optional=False))
    return [name for name in names if client.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}") is None]


def difference(kind: str, live: Object, revision: Revision) -> dict[str, Any]:
    """What diff mode shows of a return. A template names Secrets and holds none."""
    title = f"{kind} {live['metadata']['namespace']}/{live['metadata']['name']}, template"
    return {
        "before_header": title,
        "after_header": f"{title} of revision {revision.number}",
        "before": {"template": live["spec"]["template"]},
        "after": {"template": revision.template},
    }


def _live(world: World, course: Course) -> Object | None:
    return next(
        (one for one in world.all(course.kind, course.namespace) if one["metadata"]["name"] == course.name), None
    )


def mark(client: KubernetesClient, courses: Sequence[Course], world: World) -> list[str]:
    """Remember, on what keeps it, that a revision was completely rolled out; what could not be remembered."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    calls = []
    for course in courses:
        live = _live(world, course)
        if course.kind not in KEEPERS or live is None or not _is_good(course, world):
            continue
        keeper, plural = KEEPERS[course.kind]
        current = current_revision(course.kind, live, world.all(keeper, course.namespace))
        if current is not None and GOOD not in (current["metadata"].get("annotations") or {}):
            path = f"{APPS.format(course.namespace)}/{plural}/{current['metadata']['name']}"
            calls.append(functools.partial(_annotate, client, path, now, course.identity))
    return [warning for warning in together(calls) if warning]


def _is_good(course: Course, world: World) -> bool:
    """Ready when it was decided, and still so: meanwhile somebody else may have gone on to another revision."""
    final = course.back.judgement if course.back is not None else course.judgement
    if final is None or final.state is not State.READY:
        return False
    live = _live(world, course)
    if live is not None and is_canary(live):
        return False
    template = course.back.template if course.back is not None else None
    return judge(course.manifest, world, template=template).state is State.READY


def _annotate(client: KubernetesClient, path: str, now: str, identity: str) -> str:
    try:
        client.patch(path, {"metadata": {"annotations": {GOOD: now}}})
    except KubernetesError as error:
        return f"That {identity} was rolled out could not be marked, so a rollback has to guess: {error}"
    return ""
