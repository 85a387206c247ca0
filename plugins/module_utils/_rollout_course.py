# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The course of a wait for many workloads under one deadline: when each is decided, and what is to be waited for still.

Time and what is known of the cluster come in; nothing is read here and nobody sleeps.
"""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.azora.platform.plugins.module_utils._rollout import World, is_waited_for, judge, least_replicas
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, Object, State

# A wait that nothing wakes looks again after so long: some judgements change with time alone.
LONGEST_PAUSE = 5.0


@dataclass
class Return:
    """A workload's way back to an earlier revision."""

    revision: int
    images: list[str]
    generation: int
    template: str
    started: float
    diff: dict[str, t.Any] = field(default_factory=dict)
    # The uids of pods that stood in the way.
    cleared: set[str] = field(default_factory=set)
    judgement: Judgement | None = None
    seconds: float | None = None


@dataclass
class Course:
    """One workload on its way."""

    manifest: Object
    least: int
    judgement: Judgement = field(default_factory=lambda: Judgement(State.MOVING, ""))
    # When it was decided, in seconds since the wait began.
    seconds: float | None = None
    stuck_since: float | None = None
    log: list[str] = field(default_factory=list)
    log_withheld: str = ""
    back: Return | None = None
    not_returned: str = ""

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"].get("namespace") or "")

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """As it is called in a sentence: a Deployment goes without its kind."""
        return self.identity if self.kind == "Deployment" else f"{self.kind} {self.identity}"

    @property
    def state(self) -> State:
        return self.judgement.state


class Wait:
    """All courses together."""

    def __init__(
        self,
        manifests: Sequence[Object],
        now: float,
        *,
        timeout: float,
        patience: float,
        restarts: int,
        enlarged: Sequence[str] = (),
        rollback_timeout: float | None = None,
    ) -> None:
        """Without a ROLLBACK_TIMEOUT nothing is returned, and the first that cannot be healed ends the wait."""
        least = least_replicas(manifests)
        self.courses = [
            Course(entry, least.get((entry["metadata"].get("namespace") or "", entry["metadata"]["name"]), 0))
            for entry in manifests
            if is_waited_for(entry)
        ]
        self._started = self._progress = now
        self._deadline = now + timeout
        self._patience = patience
        self._restarts = restarts
        self._enlarged = enlarged
        self._rollback_timeout = rollback_timeout

    def look(self, world: World, now: float) -> list[Course]:
        """Judge what is not decided; the courses that have failed just now."""
        failed: list[Course] = []
        for course in self.courses:
            if course.seconds is None:
                self._judge(course, world, now)
                if course.seconds is not None and course.state is State.FAILED:
                    failed.append(course)
            elif course.back is not None and course.back.seconds is None:
                self._judge_return(course, course.back, world, now)
        return failed

    def is_over(self) -> bool:
        if self._rollback_timeout is None and any(course.state is State.FAILED for course in self.courses):
            return True
        return all(
            course.seconds is not None and (course.back is None or course.back.seconds is not None)
            for course in self.courses
        )

    def pause(self, now: float) -> float:
        """How long it may be waited for a change until it has to be looked again."""
        ends = [self._deadline] if any(course.seconds is None for course in self.courses) else []
        ends += [
            self._since(course, now) + self._patience
            for course in self.courses
            if course.seconds is None and course.stuck_since is not None
        ]
        ends += [
            course.back.started + (self._rollback_timeout or 0)
            for course in self.courses
            if course.back is not None and course.back.seconds is None
        ]
        return max(0.0, min([LONGEST_PAUSE, *(end - now for end in ends)]))

    def _judge(self, course: Course, world: World, now: float) -> None:
        judgement = judge(course.manifest, world, least=course.least, restarts=self._restarts, enlarged=self._enlarged)
        if judgement.state is State.STUCK:
            course.stuck_since = now if course.stuck_since is None else course.stuck_since
            if now - self._since(course, now) >= self._patience:
                judgement = judgement._replace(state=State.FAILED)
        else:
            course.stuck_since = None
        if now >= self._deadline and judgement.state in (State.MOVING, State.STUCK):
            judgement = judgement._replace(state=State.FAILED, reason=judgement.reason or "Timeout")
        is_decided = judgement.state in (State.READY, State.FAILED)
        if judgement.state is State.UNSEEN:
            # Who may not look today will not be allowed to in a minute; anything else may come back.
            is_decided = judgement.reason == "Forbidden" or now >= self._deadline
        course.judgement = judgement
        if is_decided:
            course.seconds = now - self._started
            self._progress = now

    def _judge_return(self, course: Course, back: Return, world: World, now: float) -> None:
        judgement = judge(
            course.manifest,
            world,
            least=0,
            generation=back.generation,
            template=back.template,
            restarts=self._restarts,
        )
        late = now - back.started >= (self._rollback_timeout or 0)
        if late and judgement.state in (State.MOVING, State.STUCK):
            judgement = judgement._replace(state=State.FAILED, reason=judgement.reason or "Timeout")
        back.judgement = judgement
        if judgement.state in (State.READY, State.FAILED) or late:
            back.seconds = now - back.started
            self._progress = now

    def _since(self, course: Course, now: float) -> float:
        """Since when nothing has moved: what another workload frees as it ends may be what this one waits for."""
        return max(now if course.stuck_since is None else course.stuck_since, self._progress)
