# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probes of a live pod against the probes that were declared."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._verification_input import Workload

# Declared key, key in the API, what the API server fills in when it is left out, and how a reader says it.
NUMBERS = (
    ("initial_delay_seconds", "initialDelaySeconds", 0, "initial delay"),
    ("period_seconds", "periodSeconds", 10, "period"),
    ("timeout_seconds", "timeoutSeconds", 1, "timeout"),
    ("success_threshold", "successThreshold", 1, "success threshold"),
    ("failure_threshold", "failureThreshold", 3, "failure threshold"),
)


@dataclass(frozen=True)
class ProbeRequest:
    """One request that answers what a probe asks: the same for liveness and readiness when they share path and port.

    With `absent`, a path that nobody can know: who answers that one well answers everything well.
    """

    probes: tuple[str, ...]
    path: str
    port: int
    scheme: str
    timeout: float
    absent: bool = False


def live_container(pod: Mapping[str, Any], workload: Workload) -> Mapping[str, Any] | None:
    containers = pod.get("spec", {}).get("containers", [])
    named = next((container for container in containers if container.get("name") == workload.container), None)
    return named or (containers[0] if len(containers) == 1 else None)


def started_at(pod: Mapping[str, Any], container: Mapping[str, Any]) -> datetime.datetime | None:
    """When a live container began to run; None while it does not."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    state = next((one.get("state") or {} for one in statuses if one.get("name") == container.get("name")), {})
    started = (state.get("running") or {}).get("startedAt")
    return datetime.datetime.fromisoformat(started) if started else None


def restarts(pod: Mapping[str, Any], container: Mapping[str, Any]) -> int:
    """How often the container was started anew in its pod."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(int(one.get("restartCount") or 0) for one in statuses if one.get("name") == container.get("name"))


def differences(pod: Mapping[str, Any], workload: Workload) -> list[tuple[str, str, str]]:
    """What is not as declared, as (probe, expected, found)."""
    if not workload.probes:
        return []
    container = live_container(pod, workload)
    if container is None:
        names = ", ".join(str(one.get("name")) for one in pod.get("spec", {}).get("containers", []))
        return [("container", workload.container, f"containers {names}")]
    return [
        (kind, expected, found)
        for kind, declared in sorted(workload.probes.items())
        for expected, found in _compare(declared, container.get(f"{kind}Probe"), container, workload)
    ]


def _compare(
    declared: Mapping[str, Any], live: Mapping[str, Any] | None, container: Mapping[str, Any], workload: Workload
) -> Iterator[tuple[str, str]]:
    action = "httpGet" if declared.get("path") else "tcpSocket"
    if not live:
        yield _in_words(declared, workload), "no such probe"
        return
    if action not in live:
        kinds = [kind for kind in ("httpGet", "tcpSocket", "exec", "grpc") if kind in live]
        yield _in_words(declared, workload), f"a probe by {', '.join(kinds) or 'nothing'}"
        return
    target = live[action]
    if action == "httpGet":
        if target.get("path", "/") != declared["path"]:
            yield f"path {declared['path']}", f"path {target.get('path', '/')}"
        scheme = str(declared.get("scheme") or "HTTP").upper()
        if str(target.get("scheme") or "HTTP").upper() != scheme:
            yield f"scheme {scheme}", f"scheme {target.get('scheme') or 'HTTP'}"
    if target.get("host"):
        # A probe with a host does not ask the pod.
        yield "no host (the pod's own address)", f"host {target['host']}"
    wanted = declared_port(declared, workload)
    found = live_port(target.get("port"), container)
    if wanted is not None and wanted != found:
        yield f"port {wanted}", f"port {target.get('port')}" + ("" if found is not None else ", a name no port has")
    for key, live_key, default, words in NUMBERS:
        if declared.get(key) is not None and int(declared[key]) != int(live.get(live_key, default) or 0):
            yield f"{words} {declared[key]}", f"{words} {live.get(live_key, default)}"


def declared_port(declared: Mapping[str, Any], workload: Workload) -> int | None:
    """A declared port as a number; a name means one of the ports the workload listens on."""
    port = declared.get("port")
    if port is None:
        return workload.ports.get("http")
    if str(port).isdigit():
        return int(port)
    return workload.ports.get(str(port))


def live_port(port: Any, container: Mapping[str, Any]) -> int | None:
    """A port of a live probe as the kubelet resolves it."""
    if port is None:
        return None
    if str(port).isdigit():
        return int(port)
    for declared in container.get("ports", []):
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return None


def probe_requests(workload: Workload) -> list[ProbeRequest]:
    """The HTTP requests that the declared probes amount to; equal ones are asked once."""
    together: dict[tuple[str, int, str], tuple[list[str], float]] = {}
    for kind, declared in sorted(workload.probes.items()):
        port = declared_port(declared, workload)
        if not declared.get("path") or port is None:
            continue
        target = (str(declared["path"]), port, str(declared.get("scheme") or "HTTP").upper())
        timeout = float(declared.get("timeout_seconds") or 1)
        kinds, shortest = together.get(target, ([], timeout))
        together[target] = ([*kinds, kind], min(shortest, timeout))
    return [
        ProbeRequest(tuple(kinds), path, port, scheme, timeout)
        for (path, port, scheme), (kinds, timeout) in together.items()
    ]


def absent_requests(requests: Sequence[ProbeRequest], path: str) -> list[ProbeRequest]:
    """One request of a path that is not there for each server that the requests ask."""
    servers: dict[tuple[int, str], ProbeRequest] = {}
    for request in requests:
        servers.setdefault(
            (request.port, request.scheme),
            ProbeRequest(request.probes, path, request.port, request.scheme, request.timeout, absent=True),
        )
    return list(servers.values())


def _in_words(declared: Mapping[str, Any], workload: Workload) -> str:
    port = declared_port(declared, workload)
    return f"GET {declared['path']} on port {port}" if declared.get("path") else f"connect to port {port}"
