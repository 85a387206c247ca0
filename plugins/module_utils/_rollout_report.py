# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a wait for rollouts: sentences for people, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._rollout import is_waited_for
from ansible_collections.azora.platform.plugins.module_utils._rollout_advice import advice
from ansible_collections.azora.platform.plugins.module_utils._rollout_course import Course
from ansible_collections.azora.platform.plugins.module_utils._rollout_revisions import Revision, referred
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import State

STATES = {
    State.READY: "ready",
    State.MOVING: "waiting",
    State.STUCK: "waiting",
    State.FAILED: "failed",
    State.UNSEEN: "inconclusive",
}
# How many are named in one sentence, the slowest first.
MOST_NAMED = 5
MOST_WAITED_FOR = 3


def awaited(manifests: Sequence[Mapping[str, Any]]) -> str:
    """What is waited for, in a few words: how many, and the names of the first."""
    names = [
        f"{manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"
        for manifest in manifests
        if is_waited_for(manifest)
    ]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}" if names else "nothing"


def waiting_for(courses: Sequence[Course]) -> str:
    """How far all of them are together, and what the first that are not there yet lack."""
    open_ends = [
        course.judgement if course.back is None else course.back.judgement or course.judgement
        for course in courses
        if course.seconds is None or (course.back is not None and course.back.seconds is None)
    ]
    sentences = [judgement.sentence for judgement in open_ends if judgement.sentence]
    more = f"; and {len(sentences) - MOST_WAITED_FOR} more" if len(sentences) > MOST_WAITED_FOR else ""
    told = f"; {'; '.join(sentences[:MOST_WAITED_FOR])}{more}" if sentences else ""
    return f"{len(courses) - len(open_ends)} of {len(courses)} done{told}"


def as_data(course: Course) -> dict[str, Any]:
    """One workload of the result."""
    judgement, back = course.judgement, course.back
    data: dict[str, Any] = {
        "kind": course.kind,
        "namespace": course.namespace,
        "name": course.name,
        "state": STATES[judgement.state],
        "seconds": None if course.seconds is None else round(course.seconds, 1),
        "message": judgement.sentence,
    }
    if judgement.state is State.FAILED:
        data |= {
            "reason": judgement.reason,
            "event": judgement.event,
            "pod": judgement.pod,
            "container": judgement.container,
            "log": course.log,
            "advice": advice(judgement.reason, course.log),
        }
    if course.log_withheld:
        data["log_withheld"] = course.log_withheld
    if back is not None:
        data |= {
            "returned_to": back.revision,
            "returned": back.judgement is not None and back.judgement.state is State.READY,
            "returned_seconds": None if back.seconds is None else round(back.seconds, 1),
        }
    if course.not_returned:
        data["not_returned"] = course.not_returned
    return data


def failure(course: Course) -> str:
    """Everything about a workload that failed, in a few sentences."""
    judgement = course.judgement
    parts = [f"{course.title} failed after {course.seconds or 0.0:.1f} s ({judgement.reason}): {judgement.sentence}."]
    if judgement.event and judgement.event.partition(": ")[2] not in judgement.sentence:
        parts.append(f"Event: {judgement.event}.")
    if course.log:
        parts.append(f"Its last words: {' | '.join(course.log)}.")
    if course.log_withheld:
        parts.append(f"{course.log_withheld}.")
    parts.append(f"What to do: {advice(judgement.reason, course.log)}.")
    parts.append(_way_back(course))
    return " ".join(part for part in parts if part)


def _way_back(course: Course) -> str:
    if course.not_returned:
        return f"It was not returned to an earlier revision: {course.not_returned}."
    back = course.back
    if back is None:
        return ""
    where = f"revision {back.revision} ({', '.join(back.images)})"
    if back.judgement is not None and back.judgement.state is State.READY:
        return f"It was returned to {where}, which is ready again after {back.seconds or 0.0:.1f} s."
    why = back.judgement.sentence if back.judgement is not None else "nothing is known of it"
    return f"It was returned to {where}, which is NOT ready after {back.seconds or 0.0:.1f} s: {why}."


def success(courses: Sequence[Course], seconds: float) -> str:
    """How long it took, and what was slow."""
    slowest = sorted(courses, key=lambda course: -(course.seconds or 0.0))[:MOST_NAMED]
    named = ", ".join(f"{course.title} {course.seconds or 0.0:.1f} s" for course in slowest)
    return f"{len(courses)} ready after {seconds:.1f} s" + (f"; slowest: {named}" if named else "")


def message(courses: Sequence[Course], seconds: float, timeout: float) -> str:
    """The result for people."""
    failed = [failure(course) for course in courses if course.state is State.FAILED]
    open_ends = [course for course in courses if course.state not in (State.READY, State.FAILED)]
    if not failed and not open_ends:
        return f"{success(courses, seconds)}."
    parts = failed
    if open_ends:
        why = "" if failed else f"Not ready within {timeout:g} s: "
        parts = [*failed, f"{why}{'; '.join(course.judgement.sentence for course in open_ends)}."]
    done = [course for course in courses if course.state is State.READY]
    if done:
        parts.append(f"{success(done, seconds)}.")
    return "\n".join(parts)


def history_as_data(identity: str, revisions: Sequence[Revision]) -> dict[str, Any]:
    """A Deployment's revisions as data."""
    return {
        "deployment": identity,
        "revisions": [
            {
                "revision": one.number,
                "replica_set": one.name,
                "images": one.images,
                "config_maps": sorted(referred(one.template, "configMap")),
                "rolled_out_at": one.good,
                "ready": one.ready,
                "current": one.current,
            }
            for one in revisions
        ],
    }


def rollback_message(returned: Mapping[str, Revision], seconds: float, *, planned: bool) -> str:
    """What was returned, or would be."""
    if not returned:
        return "Nothing is to be returned."
    verb = "would be" if planned else "was"
    named = "; ".join(
        f"{identity} {verb} returned to revision {one.number} ({', '.join(one.images)})"
        for identity, one in returned.items()
    )
    return f"{named}." if planned else f"{named}; ready after {seconds:.1f} s."


def revision_table(histories: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each revision, in columns."""
    rows = [("DEPLOYMENT", "REVISION", "REPLICASET", "PODS", "ROLLED OUT", "IMAGES", "CONFIGMAPS")]
    for entry in histories:
        for one in entry["revisions"]:
            number = f"{one['revision']}{' *' if one['current'] else ''}"
            lists = (", ".join(one["images"]), ", ".join(one["config_maps"]))
            rows.append(
                (
                    entry["deployment"],
                    number,
                    one["replica_set"],
                    str(one["ready"]),
                    one["rolled_out_at"] or "-",
                    *lists,
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, "* in use; ROLLED OUT: when it was completely rolled out, - if that is not known"]
