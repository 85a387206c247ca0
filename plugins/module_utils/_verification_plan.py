# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pod gets a prober, and what each prober does. Decides everything before anything is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.azora.platform.plugins.module_utils._probe_specification import (
    ProbeRequest,
    absent_requests,
    probe_requests,
)
from ansible_collections.azora.platform.plugins.module_utils._prober import Batch
from ansible_collections.azora.platform.plugins.module_utils._verdict import Place, Target
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Connection, Workload
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import Pod, mesh_proxy
from ansible_collections.azora.platform.plugins.module_utils._verification_services import Services


class Hairpin(NamedTuple):
    """The way of a pod to its own workload, through a Service before it."""

    service: str
    place: Place


@dataclass
class PlannedProber:
    """One ephemeral container to be."""

    workload: Workload
    pod: Pod
    container: str
    batch: Batch
    is_source: bool = False
    requests: list[ProbeRequest] = field(default_factory=list)
    # The places of the batch's cells, in their order.
    cells: list[Place] = field(default_factory=list)
    # After those, the ways back to its own workload.
    hairpins: list[Hairpin] = field(default_factory=list)
    # The service mesh's proxy in this pod, if there is one.
    proxy: str = ""


@dataclass
class Plan:
    probers: list[PlannedProber] = field(default_factory=list)
    # Sources that cannot be probed, with the reason.
    silent_sources: dict[str, str] = field(default_factory=dict)
    # By workload the pod that its connections are sent from.
    senders: dict[str, Pod] = field(default_factory=dict)


def targets_of(
    connection: Connection, pods: Mapping[str, Sequence[Pod]], services: Services, sender: Pod | None
) -> list[Target]:
    """The ways to a destination: every ready pod, every Service before them, or the address given for one outside.

    Among the replicas of one workload only those that are not the sender: no policy applies to what a pod sends to its own
    address, and a Service may lead back to it (a hairpin), which each network plugin treats in its own way.
    """
    port, protocol = connection.port, connection.protocol
    if connection.address is not None:
        return [Target(Place(connection.address, port, protocol), connection.address)]
    if connection.source == connection.destination:
        others = [pod for pod in pods.get(connection.destination, []) if sender is None or pod.name != sender.name]
        return [Target(Place(pod.address, port, protocol), pod.name) for pod in others if pod.ready]
    return [
        *(
            Target(Place(pod.address, port, protocol), pod.name)
            for pod in pods.get(connection.destination, [])
            if pod.ready
        ),
        *(
            Target(place, f"the Service {one.name} at {place.address}:{place.port}", one.leads_to)
            for one in services.before(connection.destination, port, protocol)
            for place in one.places
        ),
    ]


def plan(
    workloads: Sequence[Workload],
    pods: Mapping[str, Sequence[Pod]],
    connections: Sequence[Connection],
    services: Services,
    *,
    run: str,
    checks: Sequence[str],
    untouched: Sequence[str] = (),
) -> Plan:
    """One prober for each pod that has something to tell: its probe paths, its own ports, or a source's connections."""
    planned = Plan()
    rows: dict[str, list[Connection]] = {}
    if "connectivity" in checks:
        for connection in connections:
            rows.setdefault(connection.source, []).append(connection)
    known = {workload.identity: workload for workload in workloads}
    for stranger in set(rows) - set(known):
        planned.silent_sources[stranger] = f"{stranger} is not among the workloads given"
    destinations = _destination_ports(connections)
    for workload in workloads:
        identity = workload.identity
        if identity in untouched:
            if identity in rows:
                planned.silent_sources[identity] = f"{identity} is to be left untouched, so nothing was sent from it"
            continue
        running = [pod for pod in pods.get(identity, []) if pod.running]
        source = _source_pod(running, run) if identity in rows else None
        if identity in rows and source is None:
            planned.silent_sources[identity] = _no_source(identity, running)
        for pod in running:
            prober = PlannedProber(workload, pod, f"azora-verify-{run}", Batch(run=run, address=pod.address))
            if "probes" in checks:
                _add_requests(prober)
            if "connectivity" in checks:
                prober.batch.own_ports = sorted({*workload.ports.values(), *destinations.get(identity, set())})
            if source is not None and pod.name == source.name:
                planned.senders[identity] = pod
                _add_connections(prober, rows[identity], pods, services, known)
                _add_hairpins(prober, services)
            if not prober.batch.empty and not pod.host_network:
                planned.probers.append(prober)
    return planned


def prober_of_copy(
    workload: Workload,
    pod: Pod,
    rows: Sequence[Connection],
    pods: Mapping[str, Sequence[Pod]],
    services: Services,
    *,
    run: str,
) -> PlannedProber:
    """In a copy of a replica that should reach nobody; ROWS are the connections that the workload itself may open."""
    prober = PlannedProber(workload, pod, f"azora-verify-{run}", Batch(run=run, address=pod.address, ask_held=True))
    _add_requests(prober)
    _add_connections(prober, rows, pods, services, {})
    return prober


def _destination_ports(connections: Sequence[Connection]) -> dict[str, set[int]]:
    ports: dict[str, set[int]] = {}
    for connection in connections:
        if connection.address is None and connection.protocol == "TCP":
            ports.setdefault(connection.destination, set()).add(connection.port)
    return ports


def _source_pod(running: Sequence[Pod], run: str) -> Pod | None:
    """The replica that was asked least often; among equals another one in each run."""
    candidates = [pod for pod in running if pod.ready and not pod.host_network]

    def order(pod: Pod) -> tuple[int, str]:
        return pod.probers, hashlib.sha256(f"{run} {pod.name}".encode()).hexdigest()

    return min(candidates, key=order, default=None)


def _no_source(identity: str, running: Sequence[Pod]) -> str:
    if any(pod.ready and pod.host_network for pod in running):
        return f"{identity} uses its nodes' network, to which no policy applies"
    return f"{identity} has no ready pod to send from"


def _add_requests(prober: PlannedProber) -> None:
    requests = probe_requests(prober.workload)
    prober.requests = [*requests, *absent_requests(requests, f"/azora-verify-{prober.batch.run}")]
    prober.batch.requests = [
        {
            "id": index,
            "host": prober.pod.address,
            "port": request.port,
            "path": request.path,
            "scheme": request.scheme,
            "timeout": request.timeout,
            "absent": request.absent,
        }
        for index, request in enumerate(prober.requests)
    ]


def _add_connections(
    prober: PlannedProber,
    rows: Sequence[Connection],
    pods: Mapping[str, Sequence[Pod]],
    services: Services,
    known: Mapping[str, Workload],
) -> None:
    prober.is_source = True
    prober.batch.ask_dns = True
    prober.proxy = mesh_proxy(prober.pod)
    cells: dict[Place, dict[str, Any]] = {}
    for row in rows:
        for target in targets_of(row, pods, services, prober.pod):
            if target.place not in cells:
                cells[target.place] = _cell(len(cells), target.place, row, known.get(row.destination), prober.proxy)
    prober.cells = list(cells)
    prober.batch.cells = list(cells.values())


def _add_hairpins(prober: PlannedProber, services: Services) -> None:
    """Tried once, and nothing is expected of them."""
    prober.hairpins = sorted(
        {
            Hairpin(one.name, place)
            for one in services.ports.get(prober.workload.identity, ())
            for place in one.places
            if place.protocol == "TCP"
        }
    )
    begin = len(prober.batch.cells)
    prober.batch.cells += [
        {"id": number, "host": hairpin.place.address, "port": hairpin.place.port, "expect": "anything"}
        for number, hairpin in enumerate(prober.hairpins, begin)
    ]


def _cell(number: int, place: Place, row: Connection, destination: Workload | None, proxy: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "id": number,
        "host": place.address,
        "port": place.port,
        "expect": "open" if row.allowed else "blocked",
    }
    if place.protocol != "TCP":
        cell["protocol"] = place.protocol
    if proxy:
        cell["mesh"] = True
    if (row.allowed or proxy or place.protocol == "UDP") and row.application != "none":
        cell["application"] = row.application
        path = (
            next((one.path for one in probe_requests(destination) if one.port == row.port), "") if destination else ""
        )
        if row.application == "http" and path:
            cell["path"] = path
        if row.server_name:
            cell["server_name"] = row.server_name
    return cell
