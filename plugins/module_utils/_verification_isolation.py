# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That copies reach nobody: by packets from within them, by what they hold open, and by the word of the policies."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._cut_off import COPY_LABEL
from ansible_collections.azora.platform.plugins.module_utils._held_connections import held_connections
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_reachability import read_objects
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from ansible_collections.azora.platform.plugins.module_utils._prober import Patience
from ansible_collections.azora.platform.plugins.module_utils._verdict import Evidence, Verdict, judge
from ansible_collections.azora.platform.plugins.module_utils._verification_copies import Trial
from ansible_collections.azora.platform.plugins.module_utils._verification_evidence import gather, joined
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import answered
from ansible_collections.azora.platform.plugins.module_utils._verification_input import BLOCKED, OPEN, Connection
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import prober_of_copy, targets_of
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import Means, Report, run_probers
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services

# What a pod has to reach to know any name: DNS, on the port of its Service and on that of OpenShift's pods.
NAME_PORTS = ("53", "5353")
# Seconds for the probers in the copies.
PROVING = 60.0


class Isolation:
    """What the probers in the copies saw, and what the policies leave open to them."""

    def __init__(self, pods: Mapping[str, Sequence[Pod]], services: Services) -> None:
        self._trials: list[Trial] = []
        self._pods = pods
        self._services = services
        self._reports: dict[str, Report] = {}
        self._evidence = Evidence()
        self._openings: dict[str, list[str]] = {}
        # Why the policies alone do not tell; empty if they do.
        self._unjudged = ""

    def prove(
        self,
        client: KubernetesClient,
        trials: Sequence[Trial],
        means: Means,
        patience: Patience,
        evidence: Evidence,
        *,
        run: str,
    ) -> None:
        """Look from within the copies that tell something; EVIDENCE is what the other probers saw, that dependencies listen above all."""
        self._trials = [
            trial
            for trial in trials
            if trial.fate and trial.fate.known and not trial.reason and trial.pod and trial.pod.address
        ]
        probers = [
            prober_of_copy(trial.as_source, trial.pod, list(_closed(trial)), self._pods, self._services, run=run)
            for trial in self._trials
            if trial.pod
        ]
        reports = run_probers(client, probers, means, patience, time.monotonic() + PROVING)
        self._reports = {report.prober.workload.identity: report for report in reports}
        self._evidence = joined(evidence, gather(reports, {}))

    def judge_policies(self, client: KubernetesClient, given: Sequence[Mapping[str, Any]]) -> None:
        """Everything that the policies of now leave open to the copies, but for name servers."""
        copies = [
            {"name": trial.name, "namespace": trial.workload.namespace, "selector": {COPY_LABEL: trial.name}}
            for trial in self._trials
        ]
        if not copies:
            return
        try:
            objects, _warnings = read_objects(client)
            cluster = Cluster.from_objects(objects, workloads=[*given, *copies])
            rows = cluster.connections(namespaces={str(one["namespace"]) for one in copies})
        except (KubernetesError, PolicyInputError) as error:
            self._unjudged = str(error)
            return
        if cluster.not_judged:
            self._unjudged = f"policies of other products decide, too ({', '.join(cluster.not_judged[:3])})"
        for row in rows:
            ports = [words for words in row["ports"] if words not in NAME_PORTS]
            if ports:
                what = f"{row['destination']} on {row['protocol']} {' and '.join(ports)}"
                self._openings.setdefault(row["source"], []).append(what)

    def doubt(self, trial: Trial) -> str:
        """Why it is not proven that the copy was cut off; empty if it is."""
        report = self._reports.get(trial.identity)
        if report is None:
            return "it had no address, so nothing could be tried from it"
        if report.failure and not report.waived:
            return f"nothing could be tried from it: {report.failure}"
        verdicts = [(row, self._verdict(row)) for row in _closed(trial)] if not report.failure else []
        for row, verdict in verdicts:
            if verdict.verdict == OPEN:
                return f"it reached {row.destination}:{row.port} ({verdict.reason})"
        if not report.failure:
            tables = [seen for seen in report.observed if seen["kind"] == "held"]
            if not tables:
                return "what it is connected to could not be read"
            for host, port in held_connections(tables):
                if trial.pod and host != trial.pod.address and str(port) not in NAME_PORTS:
                    return f"it is connected to {host}:{port}"
        if openings := self._openings.get(trial.identity):
            more = f" and {len(openings) - 3} more" if len(openings) > 3 else ""
            return f"the policies let it reach {', '.join(openings[:3])}{more}"
        if self._unjudged:
            unsure = [f"{row.destination}:{row.port}" for row, verdict in verdicts if verdict.verdict != BLOCKED]
            if unsure or not verdicts:
                return (
                    f"no packet proves that it cannot reach {', '.join(unsure) or 'anybody'}, and by the policies alone"
                    f" that is not known: {self._unjudged}"
                )
        return ""

    def _verdict(self, row: Connection) -> Verdict:
        return judge(row, targets_of(row, self._pods, self._services, None), self._evidence)

    def answer(self, trial: Trial) -> tuple[bool | None, str]:
        """What the copy itself answered to what its liveness probe asks, if it was asked."""
        report = self._reports.get(trial.identity)
        if report is None or report.failure:
            return None, ""
        for seen in report.observed:
            if seen["kind"] != "request":
                continue
            request = report.prober.requests[seen["id"]]
            if "liveness" in request.probes and not request.absent:
                words = f"status {seen['status']}" if seen["status"] is not None else f"no answer ({seen['error']})"
                return answered(seen), words
        return None, ""


def _closed(trial: Trial) -> Iterator[Connection]:
    """What the workload may reach, and its copy may not."""
    for row in trial.rows:
        yield dataclasses.replace(row, source=trial.identity, allowed=False, application="none")
