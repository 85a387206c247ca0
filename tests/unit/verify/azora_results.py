# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of verifications of Azora's own catalogue, as the module's code makes them; only the packets are made up.

A `World` says what is open and what answers. From there on everything is real: the plan, the observations as a prober reports
them, the verdicts, the findings, the result.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _connectivity
from ansible_collections.azora.platform.plugins.module_utils._probe_counters import Runs, running_probes
from ansible_collections.azora.platform.plugins.module_utils._prober import Patience
from ansible_collections.azora.platform.plugins.module_utils._report_words import Occasion
from ansible_collections.azora.platform.plugins.module_utils._verdict import judge
from ansible_collections.azora.platform.plugins.module_utils._verification import Order, Seen, result
from ansible_collections.azora.platform.plugins.module_utils._verification_backups import Backups
from ansible_collections.azora.platform.plugins.module_utils._verification_evidence import gather
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    Connection,
    Workload,
    connections_from,
    workloads_from,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_kubelets import Counted
from ansible_collections.azora.platform.plugins.module_utils._verification_plan import PlannedProber, plan, targets_of
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, pods_of
from ansible_collections.azora.platform.plugins.module_utils._verification_policies import (
    PolicyJudgement,
    PolicyVerdict,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import Means, Report
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services
from ansible_collections.azora.platform.plugins.module_utils._verification_surroundings import Truth

from ..catalogue.conftest import rendered

OCCASION = Occasion(time="2026-11-24T10:42:07Z", cluster="https://10.155.128.2:6443", version="0.1.0")
OUTSIDE = {"host": "llm.outside.example", "address": "198.51.100.10"}
ANSWERS = {
    "http": "HTTP 200",
    "https": "TLS, HTTP 200",
    "tls": "TLS",
    "redis": "PING -NOAUTH",
    "postgresql": "SSLRequest S",
    "kafka": "ApiVersions 0",
}


@dataclass
class World:
    """What is not as declared in it, by workloads (`namespace/name`) and ports."""

    # Declared and yet closed, or not declared and yet open: (source, destination, port).
    closed: set[tuple[str, str, int]] = field(default_factory=set)
    opened: Callable[[Connection], bool] = lambda _connection: False
    # Accept connections and say nothing.
    silent: set[str] = field(default_factory=set)
    # Pods of these do not get ready; how many.
    unready: dict[str, int] = field(default_factory=dict)
    # Nothing listens there.
    dead_ports: set[tuple[str, int]] = field(default_factory=set)
    # Their probers fail, with these words; {pod} is which.
    failed: dict[str, str] = field(default_factory=dict)
    # Get no answer from the name server over TCP.
    no_dns: set[str] = field(default_factory=set)
    # Live probes with another period than declared.
    other_period: set[str] = field(default_factory=set)
    # What was seen of the stores' backups.
    backups: Backups = field(default_factory=Backups)


def azora() -> dict[str, Any]:
    return _catalogue.normalised(rendered())


def verified(
    world: World | None = None,
    *,
    catalogue: Mapping[str, Any] | None = None,
    external: Sequence[Mapping[str, Any]] = (OUTSIDE,),
    checks: Sequence[str] = ("probes", "connectivity"),
) -> dict[str, Any]:
    world = world or World()
    catalogue = catalogue or azora()
    order = Order(
        workloads=workloads_from(_connectivity.verification_workloads(catalogue)),
        connections=connections_from(_connectivity.connections(catalogue, external=external)),
        means=Means("python:3"),
        checks=checks,
        patience=Patience(),
    )
    pods = _pods(order.workloads, world)
    planned = plan(order.workloads, pods, order.connections, Services(), run="5ead0f0e", checks=checks)
    addresses = {pod.address: identity for identity, found in pods.items() for pod in found}
    reports = [_report(prober, world, order.connections, addresses) for prober in planned.probers]
    evidence = gather(reports, planned.silent_sources)
    rows = order.connections if "connectivity" in checks else []
    judged = [
        (row, judge(row, targets_of(row, pods, Services(), planned.senders.get(row.source)), evidence)) for row in rows
    ]
    policies = PolicyJudgement([_by_policies(row, world) for row in rows])
    counted = _counted(order.workloads, pods, world)
    seen = Seen(pods, reports, evidence, counted, policies, Services(), Truth(), judged, backups=world.backups)
    return result(order, seen, 23.9)


def _by_policies(row: Connection, world: World) -> PolicyVerdict:
    closed = (row.source, row.destination, row.port) in world.closed
    allowed = not closed and (row.allowed or world.opened(row))
    where = f"NetworkPolicy {row.destination}-ingress"
    told = f"{where} allows it (spec.ingress[0])" if allowed else f"{where} isolates the destination"
    return PolicyVerdict(
        allowed, False, [{"outcome": "allowed" if allowed else "denied", "sentence": f"ingress: {told}"}]
    )


def _counted(workloads: Sequence[Workload], pods: Mapping[str, Sequence[Pod]], world: World) -> Counted:
    now = datetime.datetime(2026, 11, 24, 10, 42, tzinfo=datetime.UTC)
    probes, runs = [], {}
    for workload in workloads:
        for pod in pods[workload.identity] if workload.probes else ():
            found = running_probes(pod.manifest, pod.manifest["spec"]["containers"][0], sorted(workload.probes), now)
            probes += found if pod.ready else []
            silent = workload.identity in world.silent
            runs.update({probe.key: Runs(0, 2) if silent else Runs(2, 0) for probe in found})
    return Counted(probes, runs, {}, 12.0)


def passing() -> dict[str, Any]:
    return verified()


def policy_removed() -> dict[str, Any]:
    return verified(World(closed={("default/user", "azora-data/pg", 5432)}))


def allow_all() -> dict[str, Any]:
    return verified(World(opened=lambda connection: connection.kind != "external"))


def silent_health() -> dict[str, Any]:
    return verified(World(silent={"default/session"}))


def inconclusive() -> dict[str, Any]:
    said = "this user may not patch pods/ephemeralcontainers in azora-data"
    return verified(World(failed={"azora-data/pg": said, "azora-data/bus": said}))


def broken() -> dict[str, Any]:
    """One of each: a platform in a bad hour."""

    def opened(connection: Connection) -> bool:
        # Somebody let all of the core into the metrics of analytics, and llm-wrapper out to the whole of Redis.
        source, destination = connection.source, connection.destination
        into_metrics = (destination, connection.port) == ("azora-es/analytics", 9090) and source.startswith("default/")
        return into_metrics or (source, destination) == ("azora-es/llm-wrapper", "azora-redis/rec")

    return verified(
        World(
            closed={("default/user", "azora-data/pg", 5432)},
            opened=opened,
            silent={"default/session"},
            unready={"default/course": 1},
            failed={"azora-data/bus": "the prober in {pod} did not report in time (ContainerCreating)"},
            no_dns={"default/enrollment"},
            other_period={"azora-es/ai-agent"},
        )
    )


def with_many_services(number: int) -> dict[str, Any]:
    """A platform of so many services in four namespaces, each of which calls the next two."""
    names = [f"service-{place:03d}" for place in range(number)]
    spaces = [f"team-{letter}" for letter in "abcd"]
    services = [
        {
            "name": name,
            "namespace": spaces[place * len(spaces) // number],
            "image": "registry.example/service:1.0",
            "calls": [names[other] for other in (place + 1, place + 7) if other < number],
            "stores": [{"name": "postgres", "database": "orders"}] if place % 5 == 0 else [],
        }
        for place, name in enumerate(names)
    ]
    platform = {
        "name": "many",
        "namespaces": [*({"name": space} for space in spaces), {"name": "shop-data", "purpose": "data"}],
        "stores": [
            {
                "name": "postgres",
                "kind": "postgresql",
                "namespace": "shop-data",
                "cluster": "pg",
                "databases": [{"name": "orders"}],
            }
        ],
        "services": services,
        "defaults": {"probes": {"liveness": {"dependency_free": True}}},
    }
    closed = {(f"{spaces[0]}/{names[0]}", f"{spaces[0]}/{names[1]}", 8080)}
    return verified(World(closed=closed), catalogue=_catalogue.normalised(platform), external=())


# ---- the cluster of such a world ----------------------------------------------------------------------------------


def _pods(workloads: Sequence[Workload], world: World) -> dict[str, list[Pod]]:
    found = {}
    for number, workload in enumerate(workloads):
        unready = world.unready.get(workload.identity, 0)
        manifests = [
            _manifest(workload, number * 5 + place, place, world, ready=place >= unready)
            for place in range(workload.replicas)
        ]
        found[workload.identity] = pods_of(workload, manifests)
    return found


def _manifest(workload: Workload, number: int, place: int, world: World, *, ready: bool) -> dict[str, Any]:
    mark = hashlib.sha256(workload.identity.encode()).hexdigest()
    name = f"{workload.name}-{mark[:9]}-{mark[10 + place * 5 : 15 + place * 5]}"
    probes = {}
    for kind, probe in workload.probes.items():
        period = probe.get("period_seconds", 10) + (50 if workload.identity in world.other_period else 0)
        live = {"httpGet": {"path": probe["path"], "port": probe.get("port", "http")}, "periodSeconds": period}
        names = {
            "initial_delay_seconds": "initialDelaySeconds",
            "timeout_seconds": "timeoutSeconds",
            "success_threshold": "successThreshold",
            "failure_threshold": "failureThreshold",
        }
        live.update({there: probe[here] for here, there in names.items() if probe.get(here) is not None})
        if probe.get("scheme"):
            live["httpGet"]["scheme"] = probe["scheme"]
        probes[f"{kind}Probe"] = live
    ports = [{"name": name, "containerPort": port} for name, port in workload.ports.items()]
    condition = {"type": "Ready", "status": "True"}
    if not ready:
        condition = {
            "type": "Ready",
            "status": "False",
            "message": f"containers with unready status: [{workload.name}]",
        }
    return {
        "metadata": {
            "namespace": workload.namespace,
            "name": name if workload.kind != "store" else f"{workload.name}-{place}",
            "uid": f"uid-{name}",
            "labels": dict(workload.selector),
        },
        "spec": {
            "nodeName": f"node{number % 3 + 1}",
            "containers": [{"name": workload.container, "ports": ports, **probes}],
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.{154 + number // 65000}.{number // 250 % 256}.{number % 250 + 2}",
            "conditions": [condition],
            "containerStatuses": [{"name": workload.container, "restartCount": 0 if ready else 4}],
        },
    }


def _milliseconds(*parts: Any) -> float:
    """Some time, always the same for the same thing."""
    return round(int(hashlib.sha256(repr(parts).encode()).hexdigest()[:4], 16) % 90 / 10 + 0.4, 1)


def _report(
    prober: PlannedProber, world: World, connections: Sequence[Connection], addresses: Mapping[str, str]
) -> Report:
    source = prober.workload.identity
    if source in world.failed:
        return Report(prober, failure=world.failed[source].format(pod=prober.pod.identity))
    rows = {(row.source, row.address or row.destination, row.port): row for row in connections if row.source == source}
    report = Report(prober, added=True)
    for number, (address, port, _protocol) in enumerate(prober.cells):
        row = rows[source, addresses.get(address, address), port]
        report.observed.append({"kind": "cell", "id": number, **_seen(row, world)})
    for number, request in enumerate(prober.requests):
        silent = source in world.silent
        report.observed.append(
            {
                "kind": "request",
                "id": number,
                "status": None if silent else 404 if request.absent else 200,
                "error": "timeout" if silent else None,
                "ms": 1000.4 if silent else _milliseconds(prober.pod.name, request.path),
            }
        )
    for port in prober.batch.own_ports:
        dead = (source, port) in world.dead_ports
        report.observed.append({"kind": "self", "port": port, "outcome": "refused" if dead else "open"})
    if prober.is_source:
        for protocol in ("UDP", "TCP"):
            lost = protocol == "TCP" and source in world.no_dns
            report.observed.append(
                {
                    "kind": "dns",
                    "server": "10.155.0.10",
                    "port": 53,
                    "protocol": protocol,
                    "name": "kubernetes.default.svc.cluster.local",
                    "outcome": "timeout" if lost else "open",
                    "code": None if lost else 0,
                    "answers": 0 if lost else 1,
                    "error": "timeout" if lost else None,
                    "ms": None if lost else _milliseconds(source, protocol),
                    "attempts": 4 if lost else 1,
                }
            )
    return report


def _seen(row: Connection, world: World) -> dict[str, Any]:
    """What the prober of the row's source sees at one address of its destination."""
    passes = (row.allowed or world.opened(row)) and (row.source, row.destination, row.port) not in world.closed
    outcome = "timeout" if not passes else "refused" if (row.destination, row.port) in world.dead_ports else "open"
    mute = row.destination in world.silent
    asked = row.allowed and row.application != "none"
    opened = outcome == "open"
    good = opened == row.allowed and not (asked and opened and mute)
    return {
        "first": outcome,
        "last": outcome,
        "attempts": 1 if good else 9,
        "changes": 0,
        "opened": opened,
        "seconds": 0.0 if good else 10.2,
        "ms": _milliseconds(row.source, row.destination, row.port) if opened else None,
        "answer": ANSWERS.get(row.application) if asked and opened and not mute else None,
        "error": "timeout" if asked and opened and mute else None,
    }
