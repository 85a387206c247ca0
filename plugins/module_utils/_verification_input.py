# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verification is asked: the workloads that should stand and the connections that should, or should not, be open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPEN = "OPEN"
BLOCKED = "BLOCKED"
INCONCLUSIVE = "INCONCLUSIVE"
# Open and closed by turns.
FLAKY = "FLAKY"
PROTOCOLS = ("TCP", "UDP", "SCTP")

# Applications whose answer the prober can recognise; "none" asks for no answer.
APPLICATIONS = ("http", "https", "tls", "redis", "postgresql", "kafka", "dns", "none")


class VerificationError(Exception):
    """The verification cannot be done as asked; the message is one sentence for people."""


@dataclass(frozen=True)
class Workload:
    """A Deployment of the platform or the pods of a store."""

    name: str
    namespace: str
    kind: str
    selector: Mapping[str, str]
    replicas: int
    most_replicas: int
    container: str
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    applications: Mapping[int, str] = field(default_factory=dict)
    image: str = ""
    has_budget: bool = False
    autoscaled: bool = False
    backed_up: bool = False
    # Of a store: postgresql, redis or kafka.
    product: str = "postgresql"

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Connection:
    """One row of the expected matrix."""

    source: str
    destination: str
    port: int
    allowed: bool
    protocol: str = "TCP"
    application: str = "none"
    because: str = ""
    kind: str = "service"
    address: str | None = None
    server_name: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        return OPEN if self.allowed else BLOCKED


def workloads_from(given: Sequence[Mapping[str, Any]]) -> list[Workload]:
    workloads = [_workload(entry, f"workloads[{index}]") for index, entry in enumerate(given)]
    seen: set[str] = set()
    for workload in workloads:
        if workload.identity in seen:
            raise VerificationError(f"the workload {workload.identity} is given twice")
        seen.add(workload.identity)
    return workloads


def connections_from(given: Sequence[Mapping[str, Any]]) -> list[Connection]:
    return [_connection(entry, f"connections[{index}]") for index, entry in enumerate(given)]


def _workload(entry: Mapping[str, Any], where: str) -> Workload:
    name = _text(entry, "name", where)
    selector = entry.get("selector")
    if isinstance(selector, Mapping) and isinstance(selector.get("matchLabels"), Mapping):
        selector = selector["matchLabels"]
    if not isinstance(selector, Mapping) or not selector:
        raise VerificationError(
            f"{where}.selector must be a dictionary of pod labels, for example app.kubernetes.io/name"
        )
    replicas = _number(entry, "replicas", where, default=1)
    listens = entry.get("listens") or []
    ports = {
        str(listen.get("name") or listen.get("port")): _number(listen, "port", f"{where}.listens[{index}]")
        for index, listen in enumerate(listens)
        if str(listen.get("protocol") or "TCP").upper() == "TCP"
    }
    for kind, probe in (entry.get("probes") or {}).items():
        port = str((probe or {}).get("port") or "http")
        # A probe that nobody could look at would pass as if it had been looked at.
        if probe and not port.isdigit() and port not in ports:
            known = ", ".join(sorted(ports)) or "none"
            raise VerificationError(
                f"{where}.probes.{kind}.port is {port}, the name of no TCP port in {where}.listens; known: {known}"
            )
    return Workload(
        name=name,
        namespace=_text(entry, "namespace", where),
        kind=str(entry.get("kind") or "deployment"),
        selector={str(label): str(value) for label, value in selector.items()},
        replicas=replicas,
        most_replicas=max(replicas, _number(entry, "max_replicas", where, default=replicas)),
        container=str(entry.get("container") or name),
        probes={kind: dict(probe) for kind, probe in (entry.get("probes") or {}).items() if probe},
        ports=ports,
        applications={int(listen["port"]): str(listen.get("application") or "none") for listen in listens},
        image=str(entry.get("image") or ""),
        has_budget=bool(entry.get("disruption_budget")),
        autoscaled=bool(entry.get("autoscaled")),
        backed_up=bool(entry.get("backed_up")),
        product=str(entry.get("product") or "postgresql"),
    )


def _connection(entry: Mapping[str, Any], where: str) -> Connection:
    if not isinstance(entry.get("allowed"), bool):
        raise VerificationError(f"{where}.allowed must be true or false")
    application = str(entry.get("application") or "none").lower()
    if application not in APPLICATIONS:
        known = ", ".join(APPLICATIONS)
        raise VerificationError(f"{where}.application is {application}; known applications are {known}")
    protocol = str(entry.get("protocol") or "TCP").upper()
    if protocol not in PROTOCOLS:
        raise VerificationError(f"{where}.protocol is {protocol}; known protocols are {', '.join(PROTOCOLS)}")
    destination = _text(entry, "destination", where)
    kind = str(entry.get("kind") or "service")
    host = entry.get("host")
    return Connection(
        source=_text(entry, "source", where),
        destination=destination,
        port=_number(entry, "port", where),
        allowed=entry["allowed"],
        protocol=protocol,
        application=application,
        because=str(entry.get("because") or ""),
        kind=kind,
        address=str(entry.get("address") or destination) if kind == "external" else None,
        server_name=str(host) if host else None,
        given=dict(entry),
    )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise VerificationError(f"{where}.{key} is missing")
    return value


def _number(entry: Mapping[str, Any], key: str, where: str, default: int | None = None) -> int:
    value = entry.get(key)
    if value is None and default is not None:
        return default
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise VerificationError(f"{where}.{key} must be a whole number, not {value!r}") from None
