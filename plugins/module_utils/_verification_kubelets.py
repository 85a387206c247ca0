# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the kubelets, through the API server, how often they ran each probe while the verification looked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import (
    Key,
    RunningProbe,
    Runs,
    in_interval,
    not_yet_run,
    parse,
)

PAUSE = 0.5
# A kubelet spreads its probes a little.
SLACK = 2.0


@dataclass
class Counted:
    """What the kubelets counted, and of which nodes nobody knows."""

    probes: Sequence[RunningProbe] = ()
    runs: dict[Key, Runs] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def of_pod(self, pod: str) -> list[tuple[RunningProbe, Runs]]:
        """The probes of a pod with what was counted of them."""
        return [(probe, self.runs[probe.key]) for probe in self.probes if probe.pod == pod and probe.key in self.runs]


class KubeletWatch:
    """The counters from the construction to the call of `finish`."""

    def __init__(self, client: KubernetesClient, probes: Sequence[RunningProbe]) -> None:
        self._client = client
        self._probes = probes
        self._begun = time.monotonic()
        self._before, self._unread = self._read({probe.node for probe in probes})

    def finish(self, deadline: float) -> Counted:
        """Wait until every probe that is due had its turn, for its period at most; `deadline` is of the monotonic clock."""
        probes = [probe for probe in self._probes if probe.node not in self._unread]
        after: dict[Key, Runs] = {}
        while True:
            missing = not_yet_run(probes, self._before, after)
            answers, unread = self._read({probe.node for probe in missing})
            after.update(answers)
            self._unread.update(unread)
            now = time.monotonic()
            late = [probe for probe in missing if probe.node in unread or not probe.due or now > self._turn(probe)]
            still = [probe for probe in not_yet_run(missing, self._before, after) if probe not in late]
            if not still or now > deadline:
                break
            time.sleep(PAUSE)
        seen = [probe for probe in probes if probe.node not in self._unread]
        runs = {probe.key: in_interval(probe, self._before, after) for probe in seen}
        return Counted(self._probes, runs, self._unread, time.monotonic() - self._begun)

    def _turn(self, probe: RunningProbe) -> float:
        return self._begun + probe.period + probe.timeout + SLACK

    def _read(self, nodes: set[str]) -> tuple[dict[Key, Runs], dict[str, str]]:
        return read_kubelets(self._client, nodes)


def read_kubelets(client: KubernetesClient, nodes: Iterable[str]) -> tuple[dict[Key, Runs], dict[str, str]]:
    """The counters of these nodes' kubelets; of those that could not be read, why."""
    names = sorted(nodes)
    counted: dict[Key, Runs] = {}
    unread: dict[str, str] = {}
    for node, answer in zip(names, together([_question(client, node) for node in names]), strict=True):
        if isinstance(answer, KubernetesError):
            forbidden = answer.status == 403
            unread[node] = "this user may not get nodes/proxy" if forbidden else str(answer)
        else:
            counted.update(parse(answer))
    return counted, unread


def _question(client: KubernetesClient, node: str) -> Callable[[], str | KubernetesError]:
    def question() -> str | KubernetesError:
        try:
            return client.text(f"/api/v1/nodes/{node}/proxy/metrics/probes")
        except KubernetesError as error:
            return error

    return question
