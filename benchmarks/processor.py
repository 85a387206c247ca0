# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processor seconds of a lab, by what its control groups hold: they bound what the clock says on a machine with nothing else on it."""

from __future__ import annotations

import pathlib
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

VERSION_1 = pathlib.Path("/sys/fs/cgroup/cpuacct")
VERSION_2 = pathlib.Path("/sys/fs/cgroup")
MODULE = "the module itself"
PARTS = {
    "the pods, with the probers": ("node*/kubepods",),
    "containerd": ("node*/containerd",),
    "containerd's shims and runc": ("node*/shims",),
    "kubelets": ("node*/kubelet",),
    "kube-apiserver": ("control/kube-apiserver",),
    "etcd": ("control/etcd",),
    "scheduler and controllers": ("control/kube-scheduler", "control/kube-controller-manager"),
    "kube-proxy": ("node*/kube-proxy",),
    "network policy agents": ("node*/network-policy-agent",),
}


class Processor:
    """What the lab of this name has used so far, with this process beside it."""

    def __init__(self, lab: str) -> None:
        for top, self.file in ((VERSION_1, "cpuacct.usage"), (VERSION_2, "cpu.stat")):
            self.top = top / f"azora-lab-{lab}"
            if (self.top / self.file).exists():
                return
        raise SystemExit(f"No control group of a lab named {lab} on this machine.")

    def used(self) -> dict[str, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        found = {MODULE: own.ru_utime + own.ru_stime}
        for part, patterns in PARTS.items():
            groups = [group for pattern in patterns for group in self.top.glob(pattern)]
            found[part] = sum(self._seconds(group) for group in groups)
        return found

    def _seconds(self, group: pathlib.Path) -> float:
        text = (group / self.file).read_text(encoding="ascii")
        if self.file == "cpuacct.usage":
            return int(text) / 1e9
        return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6


def rates(used: Callable[[], dict[str, float]], seconds: float) -> dict[str, float]:
    """What each part uses in a second while nothing is asked of it."""
    before, begun = used(), time.perf_counter()
    time.sleep(seconds)
    after, passed = used(), time.perf_counter() - begun
    return {part: (after[part] - before[part]) / passed for part in after}


def above(
    idle: Mapping[str, float], before: Mapping[str, float], after: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """What each part used in these seconds beyond what it uses anyway."""
    return {part: after[part] - before[part] - idle[part] * seconds for part in after}


def table(runs: Sequence[Mapping[str, float]], probers: int) -> list[str]:
    """The median of the runs, the largest part first."""
    medians = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    together = statistics.median(sum(run.values()) for run in runs)
    lines = [f"{'processor seconds':<30} {'a run':>7} {'for each prober':>16}"]
    for part, seconds in [*sorted(medians.items(), key=lambda one: -one[1]), ("together", together)]:
        lines.append(f"{part:<30} {seconds:>7.2f} {seconds / probers:>16.3f}")
    return lines
