# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of replicas on the cluster: made together, watched together, and gone whatever happens between."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._cut_off import (
    COPY_LABEL,
    Turns,
    copy_name,
    copy_of,
    turns_of,
)
from ansible_collections.azora.platform.plugins.module_utils._cut_off_verdict import UNHEALTHY, Fate, fate
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    listings,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import Key, Runs
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Connection, Workload
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import read_kubelets
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, mesh_proxy, pod_from

RIGHTS = ("create", "delete")
SKIPPED, REQUIRED = "skipped", "required"
PAUSE = 1.0
# Seconds for the copies to go, and for what is done with them after their probes have had their turns.
GOING = 30.0
AFTERWARDS = 120.0
ENDED_PHASES = ("Failed", "Succeeded")
NO_TURN = "its liveness probe had not had its turns after {:.0f} s"


@dataclass
class Trial:
    """The test of one workload, from the choice of a replica to what became of its copy."""

    workload: Workload
    # The connections that the workload may open.
    rows: Sequence[Connection]
    replica: Pod | None
    container: Mapping[str, Any]
    turns: Turns | None
    name: str = ""
    # Why there is no copy, or nothing to be learned from it.
    reason: str = ""
    created: bool = False
    begun: float = 0.0
    up_since: float | None = None
    pod: Pod | None = None
    fate: Fate | None = None
    # What the kubelet said of a probe that failed.
    said: str = ""

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.workload.namespace}/pods"

    @property
    def identity(self) -> str:
        return f"{self.workload.namespace}/{self.name}"

    @property
    def as_source(self) -> Workload:
        """The copy as a workload of its own, from which connections are tried."""
        return dataclasses.replace(self.workload, name=self.name, selector={COPY_LABEL: self.name})


@dataclass
class Copies:
    """The copies of all trials: there between entering and leaving."""

    client: KubernetesClient
    trials: Sequence[Trial]
    run: str
    # Seconds from a copy's creation within which its probes have to have had their turns.
    timeout: float
    kubelet_counters: str
    # Copies that could not be deleted, with the reason.
    left: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Copies:
        self._refuse_without_rights()
        wanted = [(trial, trial.replica) for trial in self.trials if trial.replica and not trial.reason]
        try:
            self._sweep({replica.namespace for _trial, replica in wanted})
            together([functools.partial(self._create, *one) for one in wanted])
        except BaseException:
            self._delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._delete()

    def _refuse_without_rights(self) -> None:
        """Who may make a pod but not delete it would leave it behind."""
        namespaces = sorted({trial.workload.namespace for trial in self.trials if not trial.reason})
        asked = [(verb, namespace) for namespace in namespaces for verb in RIGHTS]
        answers = together([functools.partial(self.client.permitted, *right, "pods") for right in asked])
        missing: dict[str, list[str]] = {}
        for (verb, namespace), allowed in zip(asked, answers, strict=True):
            if not allowed:
                missing.setdefault(namespace, []).append(f"{verb} pods")
        for trial in self.trials:
            rights = missing.get(trial.workload.namespace)
            if rights and not trial.reason:
                trial.reason = f"this user may not {' and '.join(rights)} in {trial.workload.namespace}"

    def _sweep(self, namespaces: Iterable[str]) -> None:
        """What a run that was killed left behind; its kubelet has ended it since."""
        found, _unseen = self._standing(namespaces)
        ended = [pod for pod in found.values() if (pod.manifest.get("status") or {}).get("phase") in ENDED_PHASES]
        paths = [f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}" for pod in ended]
        together([functools.partial(_failure_of, self.client.delete, path) for path in paths])

    def _create(self, trial: Trial, replica: Pod) -> None:
        trial.name = copy_name(trial.workload.name, self.run)
        lifetime = self.timeout + AFTERWARDS
        manifest = copy_of(replica.manifest, name=trial.name, lifetime=lifetime)
        trial.begun = time.monotonic()
        # Without an answer it may be there all the same.
        trial.created = True
        try:
            made = self.client.create(trial.path, manifest)
        except KubernetesError as error:
            trial.created = not error.status
            trial.reason = f"no copy of {replica.identity} could be made: {error}"
            return
        if proxy := mesh_proxy(pod_from(made)):
            trial.reason = f"admission added {proxy} to its copy, which would be cut off itself"

    def _delete(self) -> None:
        made = {trial.identity: trial for trial in self.trials if trial.created}
        calls = [functools.partial(_failure_of, self.client.delete, f"{one.path}/{one.name}") for one in made.values()]
        failures = dict(zip(made, together(calls), strict=True))
        self.left = {identity: failure for identity, failure in failures.items() if failure}
        going = set(made) - set(self.left)
        until = time.monotonic() + GOING
        while going:
            found, unseen = self._standing({made[identity].workload.namespace for identity in going})
            going = {one for one in going if one in found or made[one].workload.namespace in unseen}
            if going and time.monotonic() > until:
                self.left.update(dict.fromkeys(going, f"it is still there {GOING:.0f} s after it was deleted"))
                return
            if going:
                time.sleep(PAUSE / 2)

    def _standing(self, namespaces: Iterable[str]) -> tuple[dict[str, Pod], set[str]]:
        """The copies that are there, and the namespaces of which nobody knows now."""
        names = sorted(namespaces)
        answers = listings(
            self.client, [f"/api/v1/namespaces/{name}/pods" for name in names], label_selector=COPY_LABEL
        )
        found: dict[str, Pod] = {}
        unseen: set[str] = set()
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, KubernetesError):
                unseen.add(name)
            else:
                found.update({pod.identity: pod for pod in map(pod_from, answer)})
        return found, unseen

    def watch(self) -> None:
        """Until the liveness probe of each copy has had its turns, or the time is over."""
        pending = [trial for trial in self.trials if trial.created and not trial.reason]
        until = max((trial.begun + self.timeout for trial in pending), default=0.0)
        while pending:
            late = time.monotonic() > until
            found, unseen = self._standing({trial.workload.namespace for trial in pending})
            counted, unread = self._counted({pod.node for pod in found.values() if pod.node})
            for trial in pending:
                if pod := found.get(trial.identity):
                    trial.pod = pod
                    self._look(trial, pod, counted, unread)
                elif trial.workload.namespace not in unseen:
                    trial.reason = "its copy went away while it was tested"
            pending = [trial for trial in pending if trial.fate is None and not trial.reason]
            if late:
                break
            if pending:
                time.sleep(PAUSE)
        for trial in pending:
            standing = trial.pod.why_not_ready if trial.pod else "it was not seen"
            trial.reason = NO_TURN.format(self.timeout) + (f" ({standing})" if standing else "")

    def _counted(self, nodes: set[str]) -> tuple[dict[Key, Runs], dict[str, str]]:
        if self.kubelet_counters == SKIPPED:
            return {}, dict.fromkeys(nodes, "")
        return read_kubelets(self.client, nodes)

    def _look(self, trial: Trial, pod: Pod, counted: Mapping[Key, Runs], unread: Mapping[str, str]) -> None:
        if pod.node in unread and self.kubelet_counters == REQUIRED:
            trial.reason = f"the counters of the kubelet of {pod.node} could not be read: {unread[pod.node]}"
            return
        now = time.monotonic()
        name = str(trial.container["name"])
        if trial.up_since is None and _started(pod, name):
            trial.up_since = now
        uid = str(pod.manifest["metadata"].get("uid") or "")
        runs = {kind: counts for (of, container, kind), counts in counted.items() if (of, container) == (uid, name)}
        trial.fate = fate(
            pod.manifest,
            name,
            trial.turns or turns_of(trial.container),
            None if pod.node in unread else runs,
            waited=now - trial.begun,
            up=None if trial.up_since is None else now - trial.up_since,
        )
        if trial.fate and trial.fate.verdict == UNHEALTHY:
            trial.said = self._words_of_kubelet(trial)

    def _words_of_kubelet(self, trial: Trial) -> str:
        """What it saw last, from its events; of a command that could be anything, so nothing."""
        if "exec" in trial.container["livenessProbe"]:
            return ""
        path = f"/api/v1/namespaces/{trial.workload.namespace}/events"
        try:
            events = self.client.list(path, field_selector=f"involvedObject.name={trial.name},reason=Unhealthy")
        except KubernetesError:
            return ""
        begin = "Liveness probe failed: "
        said = [one for one in events if str(one.get("message") or "").startswith(begin)]
        last = max(said, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""), default=None)
        return " ".join(str(last["message"])[len(begin) :].split()) if last else ""


def _started(pod: Pod, container: str) -> bool:
    statuses = (pod.manifest.get("status") or {}).get("containerStatuses") or []
    status: Mapping[str, Any] = next((one for one in statuses if one.get("name") == container), {})
    return "running" in (status.get("state") or {}) and status.get("started") is not False


def _failure_of(function: Callable[..., Any], *arguments: Any) -> str:
    """What went wrong, if anything."""
    try:
        function(*arguments)
    except KubernetesError as error:
        return str(error)
    return ""
