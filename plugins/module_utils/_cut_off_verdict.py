# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a copy that is cut off, and what that says of its workload. What was not seen is INCONCLUSIVE."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._cut_off import Turns
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import Runs
from ansible_collections.azora.platform.plugins.module_utils._verification_input import INCONCLUSIVE
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import HOPELESS

HEALTHY, UNHEALTHY, ENDED = "HEALTHY", "UNHEALTHY", "ENDED"
# Seconds for a node to be found: an autoscaler of nodes takes longer, and is not called for a trial.
SCHEDULING = 30.0


@dataclass(frozen=True)
class Fate:
    """What became of a copy, so far as its kubelet tells."""

    verdict: str
    reason: str
    runs: Runs | None = None
    restarts: int = 0

    @property
    def known(self) -> bool:
        return self.verdict != INCONCLUSIVE


@dataclass(frozen=True)
class CutOff:
    """What the test of one workload showed."""

    workload: str
    # What its liveness probe asks.
    target: str
    port: int | None
    dependencies: Sequence[str]
    verdict: str = INCONCLUSIVE
    reason: str = ""
    pod: str = ""
    replica: str = ""
    runs: Runs | None = None
    restarts: int = 0
    seconds: float = 0.0
    dependency_free: bool = False

    @property
    def passed(self) -> bool:
        return self.verdict == HEALTHY

    @property
    def cut_off(self) -> str:
        """In words, from what."""
        return f"cut off from {_listed(self.dependencies or ['everything but its name servers'])}"

    @property
    def sentence(self) -> str:
        if self.verdict == HEALTHY:
            return f"{self.workload} stays healthy while it is {self.cut_off}: {self.reason}"
        if self.verdict == UNHEALTHY:
            declared = ", although probes.liveness.dependency_free is declared" if self.dependency_free else ""
            return (
                f"the liveness probe of {self.workload} ({self.target}) fails while it is {self.cut_off}{declared}:"
                f" {self.reason}. A dependency that is down would restart every replica, which heals nothing; give liveness"
                " a path that depends on nothing"
            )
        if self.verdict == ENDED:
            return (
                f"{self.workload} does not stay up while it is {self.cut_off}: {self.reason}. While a dependency is down no"
                " new replica would come up, and whether its liveness probe depends on it could not be seen"
            )
        return f"whether {self.workload} stays healthy while it is {self.cut_off} is not known: {self.reason}"

    def as_result(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "ok": self.passed,
            "pod": self.pod or None,
            "copy_of": self.replica or None,
            "probe": self.target,
            "cut_off_from": list(self.dependencies),
            "passed": self.runs.passed if self.runs else None,
            "failed": self.runs.failed if self.runs else None,
            "restarts": self.restarts,
            "seconds": self.seconds,
            "reason": self.reason,
            "sentence": self.sentence,
        }


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def fate(
    manifest: Mapping[str, Any],
    container: str,
    turns: Turns,
    counted: Mapping[str, Runs] | None,
    *,
    waited: float,
    up: float | None,
) -> Fate | None:
    """What can be said for good of a copy, None while nothing can.

    COUNTED are its kubelet's counters by the kind of probe, None where they may not be read; WAITED and UP are the seconds since
    it was created and since it was first seen started up, by the clock of whoever looks.
    """
    status = manifest.get("status") or {}
    if status.get("phase") in ("Failed", "Succeeded"):
        said = [str(status[key]) for key in ("reason", "message") if status.get(key)]
        return Fate(INCONCLUSIVE, f"the copy ended: {': '.join(said) or status['phase']}")
    scheduled: Mapping[str, Any] = next(
        (one for one in status.get("conditions") or [] if one.get("type") == "PodScheduled"), {}
    )
    if scheduled.get("status") == "False" and waited > SCHEDULING:
        return Fate(INCONCLUSIVE, f"the copy could not be scheduled: {scheduled.get('message') or 'no node takes it'}")
    for one in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            said = [str(waiting[key]) for key in ("reason", "message") if waiting.get(key)]
            return Fate(INCONCLUSIVE, f"the container {one.get('name')} of the copy cannot start: {': '.join(said)}")
    of_probes: Mapping[str, Any] = next(
        (one for one in status.get("containerStatuses") or [] if one.get("name") == container), {}
    )
    runs = None if counted is None else counted.get("liveness", Runs())
    restarts = int(of_probes.get("restartCount") or 0)
    ended = (of_probes.get("state") or {}).get("terminated") or (of_probes.get("lastState") or {}).get("terminated")
    if runs is not None and runs.failed >= turns.threshold and not runs.passed:
        return Fate(UNHEALTHY, f"it failed {runs.failed} of {runs.failed} times", runs, restarts)
    if ended:
        return _ended(ended, turns, counted, restarts)
    if up is None:
        return None
    if runs is None:
        words = f"it ran {up:.0f} s without a restart"
        return Fate(HEALTHY, words, None, restarts) if up >= turns.seconds else None
    tries = runs.passed + runs.failed
    if runs.passed >= turns.threshold and not runs.failed:
        return Fate(HEALTHY, f"its liveness probe passed {runs.passed} of {tries} times", runs, restarts)
    if runs.failed and runs.passed and up >= turns.seconds:
        return Fate(INCONCLUSIVE, f"its liveness probe failed {runs.failed} of {tries} times", runs, restarts)
    return None


def _ended(ended: Mapping[str, Any], turns: Turns, counted: Mapping[str, Runs] | None, restarts: int) -> Fate:
    """A container that ended was killed for its liveness, for its start-up, or ended by itself."""
    runs = None if counted is None else counted.get("liveness", Runs())
    code = f"exit code {ended.get('exitCode')}"
    if ended.get("reason") not in (None, "", "Error", "Completed"):
        code += f", {ended['reason']}"
    lived = _seconds_between(ended.get("startedAt"), ended.get("finishedAt"))
    after = f" after {lived:.0f} s" if lived is not None else ""
    if runs is not None and runs.failed >= turns.threshold:
        return Fate(UNHEALTHY, f"it failed {runs.failed} of {runs.passed + runs.failed} times", runs, restarts)
    startup = (counted or {}).get("startup", Runs())
    if turns.startup_threshold and startup.failed >= turns.startup_threshold and not startup.passed:
        return Fate(ENDED, f"a copy's startup probe failed {startup.failed} times", runs, restarts)
    if counted is None and (lived is None or lived >= turns.earliest_kill):
        # Without the counters nobody knows whether the kubelet did it; what it means is the same.
        return Fate(UNHEALTHY, f"its container was restarted{after}", None, restarts)
    return Fate(ENDED, f"a copy's container ended by itself{after} ({code})", runs, restarts)


def _seconds_between(begin: Any, end: Any) -> float | None:
    if not begin or not end:
        return None
    return (datetime.datetime.fromisoformat(end) - datetime.datetime.fromisoformat(begin)).total_seconds()


def concluded(became: Fate, *, not_cut_off: str, answers: bool | None, answer: str) -> tuple[str, str]:
    """Verdict and reason, from what its kubelet told, whether it was cut off, and its direct answer, if it was asked."""
    if not became.known:
        return became.verdict, became.reason
    if not_cut_off:
        return INCONCLUSIVE, f"the copy was not cut off: {not_cut_off}"
    if became.verdict != HEALTHY:
        return became.verdict, became.reason
    if answers is False:
        return INCONCLUSIVE, f"{became.reason}, but at the end there was {answer}"
    if answers is None and became.runs is None:
        return (
            INCONCLUSIVE,
            f"{became.reason}, but neither its kubelet's counters nor an answer of its own prove that it was asked",
        )
    return HEALTHY, f"{became.reason} and answered {answer}" if answers else became.reason
