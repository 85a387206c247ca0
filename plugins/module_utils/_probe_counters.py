# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kubelet itself counts of its probes: proof that it runs them, and of what came of them.

Source: the kubelet's metric C(prober_probe_total) under /metrics/probes
(https://kubernetes.io/docs/reference/instrumentation/metrics/).
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._probe_specification import restarts, started_at

METRIC = "prober_probe_total"
KINDS = ("liveness", "readiness", "startup")
_SAMPLE = re.compile(METRIC + r"\{(.*)\}\s+([0-9.eE+]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# Seconds. What passed since the start of a container that is younger than this has passed just now.
FRESH = 60.0

# A container's probe: the pod's uid, the container, the kind.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Runs:
    """How often a probe ran since its container started."""

    passed: int = 0
    # Also those of which the kubelet could not tell the result.
    failed: int = 0

    def __sub__(self, earlier: Runs) -> Runs:
        return Runs(max(0, self.passed - earlier.passed), max(0, self.failed - earlier.failed))


@dataclass(frozen=True)
class RunningProbe:
    """A probe that the kubelet should be running."""

    pod: str
    node: str
    key: Key
    period: float
    timeout: float
    # The kubelet has not begun with it: its initial delay, counted from the container's start, is not over.
    due: bool = True
    # Its container has only just begun, for the first time in its pod, so all of its count is of now.
    fresh: bool = False

    @property
    def kind(self) -> str:
        return self.key[2]


def parse(text: str) -> dict[Key, Runs]:
    """The counters of one kubelet, from its answer in Prometheus' text format."""
    counted: dict[Key, Runs] = {}
    for sample in _SAMPLE.finditer(text):
        labels = dict(_LABEL.findall(sample.group(1)))
        key = (labels.get("pod_uid", ""), labels.get("container", ""), labels.get("probe_type", "").lower())
        runs, number = counted.get(key, Runs()), int(float(sample.group(2)))
        if labels.get("result") == "successful":
            counted[key] = Runs(runs.passed + number, runs.failed)
        else:
            counted[key] = Runs(runs.passed, runs.failed + number)
    return counted


def running_probes(
    pod: Mapping[str, Any], container: Mapping[str, Any], kinds: Iterable[str], now: datetime.datetime
) -> list[RunningProbe]:
    """The probes of a live container, with the numbers that the API server fills in."""
    metadata = pod["metadata"]
    started = started_at(pod, container)
    age = (now - started).total_seconds() if started else math.inf
    # The kubelet goes on counting when it starts a container anew.
    fresh = age < FRESH and not restarts(pod, container)
    probes = []
    for kind in kinds:
        live = container.get(f"{kind}Probe")
        if live:
            probes.append(
                RunningProbe(
                    pod=f"{metadata['namespace']}/{metadata['name']}",
                    node=str((pod.get("spec") or {}).get("nodeName") or ""),
                    key=(str(metadata.get("uid") or ""), str(container.get("name") or ""), kind),
                    period=float(live.get("periodSeconds") or 10),
                    timeout=float(live.get("timeoutSeconds") or 1),
                    due=age >= float(live.get("initialDelaySeconds") or 0),
                    fresh=fresh,
                )
            )
    return probes


def in_interval(probe: RunningProbe, before: Mapping[Key, Runs], after: Mapping[Key, Runs]) -> Runs:
    """What ran between two looks; of a startup probe, which ends with its first success, what ran at all.

    Of a fresh container that has not failed between the looks what passed at all counts, so nobody waits for its next turn.
    """
    total = after.get(probe.key) or before.get(probe.key, Runs())
    if probe.kind == "startup":
        return total
    between = total - before.get(probe.key, Runs())
    return Runs(passed=total.passed) if probe.fresh and not between.failed else between


def not_yet_run(
    probes: Iterable[RunningProbe], before: Mapping[Key, Runs], after: Mapping[Key, Runs]
) -> list[RunningProbe]:
    """The probes without a result between two looks."""
    return [probe for probe in probes if in_interval(probe, before, after) == Runs()]
