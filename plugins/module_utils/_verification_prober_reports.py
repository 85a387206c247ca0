# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for what probers report: each namespace is watched, and a log is read while it is written.

The kubelet tells the API a second late that a container has ended, so the end of the report itself is what is waited for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._prober import DamagedFrameError, is_end_mark, observations
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import PlannedProber
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import prober_state

# The ways into a pod: a container of the prober's own; the pod's container, if it has python3; none.
EPHEMERAL_CONTAINER, EXEC, POLICIES_ONLY = METHODS = ("ephemeral_container", "exec", "policies_only")
# The kubelet does not get over these by itself soon enough to wait for.
HOPELESS = (
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "RunContainerError",
)
CONCURRENT_READERS = 32
# After so long a namespace is listed anew: a proxy may have forgotten the watch.
LONGEST_WATCH = 10.0
# Before a namespace is looked at anew, where it cannot be watched or a log ended too early.
LOOK_AGAIN = 0.5
# The end of a log reaches the kubelet's file a moment after the container's end.
LOG_READINGS = 5
LOG_PAUSE = 0.3


@dataclass
class Report:
    """What came of one prober: its observations, or why there are none."""

    prober: PlannedProber
    method: str = ""
    added: bool = False
    observed: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    # How its container ended, if not well; a whole report counts all the same.
    ending: str = ""

    @property
    def waived(self) -> bool:
        """Nothing was sent, and whoever asked is content with what the policies say."""
        return self.method == POLICIES_ONLY


def wait_for_reports(
    client: KubernetesClient, namespace: str, reports: Sequence[Report], readers: Executor, deadline: float
) -> None:
    """Until each of these, all of one namespace, has what its prober reported, or the reason why there is nothing."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    pending = list(reports)
    while pending:
        looked = _Look(client, pending, readers, deadline)
        # One failed look is no verdict; the deadline is.
        try:
            pods, version = client.list_as_of(path)
            looked.at_all(pods)
            if looked.waiting and not looked.late:
                _watch(client, path, version, looked, deadline)
        except KubernetesError as error:
            looked.unseen = str(error)
        pending = looked.finish()
        if pending:
            time.sleep(LOOK_AGAIN)


def _watch(client: KubernetesClient, path: str, version: str, looked: _Look, deadline: float) -> None:
    # Whoever may not watch lists.
    with contextlib.suppress(KubernetesError):
        for happened, pod in client.watch(path, version, min(LONGEST_WATCH, deadline - time.monotonic())):
            looked.at_one(pod, gone=happened == "DELETED")
            if not looked.waiting:
                return


class _Look:
    """The probers of one namespace, from one listing of its pods to the next."""

    def __init__(self, client: KubernetesClient, pending: Sequence[Report], readers: Executor, deadline: float) -> None:
        self._client, self._readers, self._deadline = client, readers, deadline
        self.waiting = list(pending)
        self._reading: list[tuple[Report, Future[bool]]] = []
        self.late = time.monotonic() > deadline
        self.unseen = ""

    def at_all(self, pods: Sequence[Mapping[str, Any]]) -> None:
        found = {pod["metadata"]["name"]: pod for pod in pods}
        self.waiting = [one for one in self.waiting if not self._settled(one, found.get(one.prober.pod.name))]

    def at_one(self, pod: Mapping[str, Any], *, gone: bool) -> None:
        name, now = pod["metadata"]["name"], None if gone else pod
        self.waiting = [one for one in self.waiting if one.prober.pod.name != name or not self._settled(one, now)]

    def _settled(self, report: Report, manifest: Mapping[str, Any] | None) -> bool:
        """Whether the state of its pod tells enough about a prober: there is something to read, or never will be."""
        pod = report.prober.pod
        if manifest is None or manifest["metadata"].get("uid") != pod.manifest["metadata"].get("uid"):
            report.failure = f"{pod.identity} went away while its prober ran"
            return True
        state, words = prober_state(manifest, report.prober.container)
        if state == "terminated":
            report.ending = words
            self._reading.append((report, self._readers.submit(_read, self._client, report)))
        elif self.late or any(reason in words for reason in HOPELESS):
            report.failure = (
                f"the prober in {pod.identity} did not report in time ({words})"
                if self.late
                else f"the prober in {pod.identity} cannot start ({words})"
            )
        elif state == "running":
            self._reading.append((report, self._readers.submit(_follow, self._client, report, self._deadline)))
        else:
            return False
        return True

    def finish(self) -> list[Report]:
        """Those of which nothing is known yet, once what began to be read is read."""
        again = [report for report, done in self._reading if not done.result()]
        if self.late and self.unseen:
            for report in self.waiting:
                report.failure = f"the state of the prober in {report.prober.pod.identity} is not known: {self.unseen}"
            return again
        return [*self.waiting, *again]


def _follow(client: KubernetesClient, report: Report, deadline: float) -> bool:
    """Read the log of a prober at work to its end mark; False if it has none, and its end has to be waited for."""
    pod, run = report.prober.pod, report.prober.batch.run
    lines: list[str] = []
    try:
        following = client.follow_log(
            pod.namespace, pod.name, report.prober.container, max(1.0, deadline - time.monotonic())
        )
        with contextlib.closing(following):
            for line in following:
                lines.append(line)
                if is_end_mark(line, run):
                    break
        report.observed = observations("\n".join(lines), run)
    except (DamagedFrameError, KubernetesError):
        return False
    return True


def _read(client: KubernetesClient, report: Report) -> bool:
    """The log of a prober that has ended; what is wrong with it is the failure of the report."""
    pod = report.prober.pod
    for reading in range(LOG_READINGS):
        if reading:
            time.sleep(LOG_PAUSE)
        try:
            report.observed = observations(
                client.log(pod.namespace, pod.name, report.prober.container), report.prober.batch.run
            )
        except (DamagedFrameError, KubernetesError) as error:
            report.failure = f"the report of the prober in {pod.identity} cannot be used: {error}"
            if report.ending:
                report.failure += f"; it {report.ending}"
        else:
            report.failure = ""
            break
    return True
