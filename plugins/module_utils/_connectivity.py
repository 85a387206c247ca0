# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verification expects: every ordered pair of the platform's ends, allowed or denied, from the catalogue alone.

Nothing here looks at a NetworkPolicy. The policies and this matrix are two readings of one description, and they check each other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import KAFKA

Catalogue = Mapping[str, Any]
Row = dict[str, Any]

NOT_DECLARED = "not declared"
METRICS_ONLY = "metrics are for monitoring only"
HTTPS_PORT = 443


class ConnectivityInputError(ValueError):
    """An argument does not fit the catalogue; the message is one sentence for people."""


def connections(
    catalogue: Catalogue,
    workloads: Iterable[str] | None = None,
    external: Sequence[Mapping[str, Any]] = (),
) -> list[Row]:
    """The expected matrix of the given workloads and stores (all by default), closed world."""
    ends = _ends(catalogue, workloads)
    rows: list[Row] = []
    for source in ends:
        for destination in ends:
            if source["id"] != destination["id"]:
                rows += _rows_between(source, destination)
        for endpoint in external:
            rows.append(_external_row(source, endpoint))
    return rows


def verification_workloads(
    catalogue: Catalogue, workloads: Iterable[str] | None = None, revisions: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The given workloads and stores (all by default) as the module verify takes them.

    Of those in REVISIONS only the pods with that label pod-template-hash are meant.
    """
    found = [_verified(end) for end in _ends(catalogue, workloads)]
    for entry in found:
        template_hash = (revisions or {}).get(f"{entry['namespace']}/{entry['name']}")
        if template_hash:
            entry["selector"]["pod-template-hash"] = template_hash
            entry |= {"replicas": 1, "disruption_budget": False, "autoscaled": False}
            entry.pop("max_replicas", None)
    return found


def _ends(catalogue: Catalogue, chosen: Iterable[str] | None) -> list[Mapping[str, Any]]:
    ends: list[Mapping[str, Any]] = [*catalogue["workloads"], *catalogue["stores"]]
    if chosen is None:
        return ends
    wanted = list(chosen)
    known = {name for end in ends for name in (end["id"], end["name"])}
    for name in wanted:
        if name not in known:
            raise ConnectivityInputError(
                f"{name} is neither a workload nor a store of the catalogue; known: {', '.join(sorted(known))}"
            )
    return [end for end in ends if end["id"] in wanted or end["name"] in wanted]


def _is_store(end: Mapping[str, Any]) -> bool:
    return "listens" in end


def _listens(end: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if _is_store(end):
        return list(end["listens"])
    # The gateway's control port, if it has one, is for nobody but the kubelet: a row nobody may use.
    return [
        {"name": name, "port": port, "protocol": "TCP", "application": "http"}
        for name, port in sorted(end["ports"].items())
    ]


def _rows_between(source: Mapping[str, Any], destination: Mapping[str, Any]) -> Iterator[Row]:
    for listen in _listens(destination):
        reason = _reason(source, destination, listen)
        yield {
            "source": source["id"],
            "destination": destination["id"],
            "port": listen["port"],
            "port_name": listen["name"],
            "protocol": listen["protocol"],
            "application": listen["application"],
            "allowed": reason is not None,
            "because": reason or (METRICS_ONLY if listen["name"] == "metrics" else NOT_DECLARED),
            "kind": "store" if _is_store(destination) else "service",
        }


def _reason(source: Mapping[str, Any], destination: Mapping[str, Any], listen: Mapping[str, Any]) -> str | None:
    """Why the source may open this connection; None if nothing says so."""
    if _is_store(source):
        return None
    if not _is_store(destination):
        if listen["name"] != "http" or source["name"] not in destination["callers"]:
            return None
        verb = "routes to" if source["component"] == "gateway" else "calls"
        return f"{source['name']} {verb} {destination['name']}"
    for use in source["stores"]:
        if use["name"] == destination["name"] and use["port"] == listen["port"]:
            if use["kind"] == KAFKA:
                parts = [f"{verb} {', '.join(use[verb])}" for verb in ("produce", "consume") if use[verb]]
                return f"{source['name']} uses {use['name']} to {' and '.join(parts)}"
            return f"{source['name']} uses the database {use['database']} of {use['name']}"
    return None


def _external_row(source: Mapping[str, Any], endpoint: Mapping[str, Any]) -> Row:
    host, address = endpoint.get("host"), endpoint.get("address")
    if not host and not address:
        raise ConnectivityInputError("an external endpoint needs an address, a host, or both")
    try:
        port = int(endpoint.get("port") or HTTPS_PORT)
    except (TypeError, ValueError):
        raise ConnectivityInputError(f"the port of the external endpoint {host or address} is not a number") from None
    reason = None
    for external in source["external"]:
        if external["port"] == port and _within(address, host, external["cidrs"]):
            reason = f"{source['name']} may reach {external['name']} outside the cluster"
    row = {
        "source": source["id"],
        "destination": address or host,
        "port": port,
        "port_name": "external",
        "protocol": "TCP",
        "application": endpoint.get("application") or ("https" if port == HTTPS_PORT else "none"),
        "allowed": reason is not None,
        "because": reason or NOT_DECLARED,
        "kind": "external",
    }
    if address:
        row["address"] = address
    if host:
        row["host"] = host
    return row


def _within(address: Any, host: Any, cidrs: Sequence[str]) -> bool:
    if not cidrs:
        return True
    if not address:
        raise ConnectivityInputError(
            f"external egress is narrowed to networks; give the external endpoint {host} its address"
        )
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise ConnectivityInputError(f"the address {address} of an external endpoint is not one") from None
    return any(found in ipaddress.ip_network(cidr) for cidr in cidrs)


def _verified(end: Mapping[str, Any]) -> dict[str, Any]:
    store = _is_store(end)
    found = {
        "name": end["cluster"] if store else end["name"],
        "namespace": end["namespace"],
        "kind": "store" if store else "deployment",
        "selector": dict(end["selector"]),
        "replicas": end["replicas"],
        "container": end["container"],
        # The vendors' operators choose the probes of their pods.
        "probes": {} if store else {name: dict(probe) for name, probe in end["probes"].items()},
        "listens": [dict(listen) for listen in _listens(end)],
    }
    if store:
        return found | {"product": end["kind"], "backed_up": bool(end.get("backup"))}
    found |= {"image": end["image"], "disruption_budget": True, "autoscaled": end["autoscaling"]["enabled"]}
    if end["autoscaling"]["enabled"]:
        found["replicas"] = end["autoscaling"]["min_replicas"]
        found["max_replicas"] = end["autoscaling"]["max_replicas"]
    return found
