# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Revisions of a workload: its history, the last one that was good, and what it takes to return to one."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._canary import released
from ansible_collections.azora.platform.plugins.module_utils._rollout import current_replica_set, owned_by
from ansible_collections.azora.platform.plugins.module_utils._rollout_kinds import REVISION
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Object

# On a ReplicaSet or ControllerRevision: when that revision was completely rolled out. Their controllers leave such annotations alone.
GOOD = "azora.platform/rolled-out-at"
# What the controller adds to a ReplicaSet's template, which is none of the Deployment's.
HASH = "pod-template-hash"
# The newest other revision that was good.
PREVIOUS = "previous"
# As it stands on what keeps a revision.
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


class Revision(t.NamedTuple):
    """One entry of a workload's history; NAME is that of the ReplicaSet or ControllerRevision that keeps it."""

    number: int
    name: str
    good: str
    ready: int
    current: bool
    template: Object

    @property
    def images(self) -> list[str]:
        return [container["image"] for container in self.template["spec"]["containers"]]


def history(kind: str, workload: Object, kept: Sequence[Object]) -> list[Revision]:
    """A workload's revisions, the newest first."""
    current = current_revision(kind, workload, kept)
    found = [
        Revision(
            number=_number(one),
            name=one["metadata"]["name"],
            good=(one["metadata"].get("annotations") or {}).get(GOOD, ""),
            ready=_ready(kind, workload, one),
            current=one is current,
            template=template_of(one),
        )
        for one in owned_by(workload, kept)
    ]
    return sorted(found, key=lambda one: -one.number)


def current_revision(kind: str, workload: Object, kept: Sequence[Object]) -> Object | None:
    """What keeps the revision of a workload's present template."""
    if kind == "Deployment":
        return current_replica_set(workload, kept)
    owned = owned_by(workload, kept)
    if kind == "StatefulSet":
        name = (workload.get("status") or {}).get("updateRevision")
        return next((one for one in owned if one["metadata"]["name"] == name), None)
    return max(owned, key=_number, default=None)


def _number(kept: Object) -> int:
    return int(kept.get("revision") or (kept["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _ready(kind: str, workload: Object, kept: Object) -> int:
    """How many pods serve with a revision, as far as that is known."""
    if kind == "StatefulSet":
        # Its controller knows itself which revision was the last that all pods had.
        return int((workload.get("status") or {}).get("currentRevision") == kept["metadata"]["name"])
    return int((kept.get("status") or {}).get("readyReplicas") or 0)


def last_good(revisions: Sequence[Revision]) -> Revision | str:
    """The revision to return to from the current one, or why there is none.

    The newest that is marked as completely rolled out; where none is marked, the one with the most ready pods.
    """
    current = next((one for one in revisions if one.current), None)
    if current is None:
        return "its present revision is not known yet"
    if current.good:
        return f"revision {current.number} itself was completely rolled out at {current.good}, so what fails is not of the revision"
    others = [one for one in revisions if not one.current]
    marked = [one for one in others if one.good]
    if marked:
        return marked[0]
    serving = [one for one in others if one.ready]
    if serving:
        return max(serving, key=lambda one: (one.ready, one.number))
    return "no earlier revision was ever good" if others else "it is the first revision"


def chosen(revisions: Sequence[Revision], wanted: str, since: str = "") -> Revision | str:
    """The revision that somebody names: by its number, its ReplicaSet, or as "previous"; or why there is none.

    With SINCE, a moment, "previous" is the one that served then. That of a workload that has not been rolled out since is the present one, and so
    is that of one that came since: it has no earlier one.
    """
    if wanted == PREVIOUS:
        present = next((one for one in revisions if one.current), None)
        if since and present is not None and (len(revisions) == 1 or (present.good and present.good < since)):
            return present
        marked = [one for one in revisions if one.good and not one.current and (not since or one.good < since)]
        if marked:
            return marked[0]
        then = f" before {since}" if since else ""
        return f"no other revision is known to have been good{then}; name the one to return to"
    found = next((one for one in revisions if wanted in (str(one.number), one.name)), None)
    if found is not None:
        return found
    there = ", ".join(f"{one.number} ({one.name})" for one in revisions) or "none"
    return f"it has no revision {wanted}; there are {there}"


def since_mistake(since: str, wanted: str) -> str:
    """What is wrong with a moment to return to, in a sentence; empty if nothing is."""
    if not since:
        return ""
    if not MOMENT.fullmatch(since):
        return f"since is {since!r}: write a moment in UTC, such as 2026-01-31T14:05:00Z"
    if wanted not in ("", PREVIOUS):
        return f"since is for the revision {PREVIOUS}, and the revision is {wanted!r}: leave one of them out"
    return ""


def template_of(kept: Object) -> dict[str, t.Any]:
    """The pod template of a revision as its workload had it."""
    template: dict[str, t.Any] = copy.deepcopy(dict((kept.get("spec") or kept["data"]["spec"])["template"]))
    # A ControllerRevision keeps it as a patch.
    template.pop("$patch", None)
    template["metadata"].get("labels", {}).pop(HASH, None)
    template["metadata"].pop("creationTimestamp", None)
    return template


def returned(kind: str, workload: Object, revision: Revision, field_manager: str) -> Object | None:
    """What has to be applied so that a workload has a revision's template and nothing else changes.

    It is what FIELD_MANAGER has applied before, with that template: so nothing of either template stays behind when the next one is
    applied. None where somebody else made the workload: then its template is to be replaced.
    """
    for entry in workload["metadata"].get("managedFields") or []:
        if entry.get("manager") == field_manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            applied = released(_extracted(entry.get("fieldsV1") or {}, workload))
            break
    else:
        return None
    metadata = {key: workload["metadata"][key] for key in ("name", "namespace")}
    return {
        **applied,
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {**(applied.get("metadata") or {}), **metadata},
        "spec": {**(applied.get("spec") or {}), "template": revision.template},
    }


def _extracted(fields: Object, value: t.Any) -> t.Any:
    """The part of a value that a set of fields names (fieldsV1: https://kubernetes.io/docs/reference/using-api/server-side-apply/)."""
    inner = {key: below for key, below in fields.items() if key != "."}
    if not inner:
        return value
    if isinstance(value, Mapping):
        return {
            key[2:]: _extracted(below, value[key[2:]])
            for key, below in inner.items()
            if key.startswith("f:") and key[2:] in value
        }
    found = []
    for key, below in inner.items():
        what: t.Any = json.loads(key[2:])
        if key.startswith("v:"):
            found += [entry for entry in value if entry == what]
        elif key.startswith("k:"):
            matching = [entry for entry in value if all(entry.get(name) == given for name, given in what.items())]
            found += [what | _extracted(below, entry) for entry in matching]
    return found


def referred(template: Object, kind: str, *, optional: bool = True) -> set[str]:
    """The names of all objects that a pod template refers to, of the KIND "configMap" or "secret"."""
    return {
        str(name)
        for reference in _references(template["spec"], kind)
        for name in [reference.get("name") or reference.get("secretName")]
        if name and (optional or not reference.get("optional"))
    }


def _references(pod: Object, kind: str) -> Iterator[Mapping[str, t.Any]]:
    for container in [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]:
        yield from (one[f"{kind}Ref"] for one in container.get("envFrom") or [] if f"{kind}Ref" in one)
        for entry in container.get("env") or []:
            source = entry.get("valueFrom") or {}
            if f"{kind}KeyRef" in source:
                yield source[f"{kind}KeyRef"]
    for volume in pod.get("volumes") or []:
        if kind in volume:
            yield volume[kind]
        for source in (volume.get("projected") or {}).get("sources") or []:
            if kind in source:
                yield source[kind]
