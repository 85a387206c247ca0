# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gateway and the routes of a catalogue say about each other: paths in each other's way, settings that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_defaults import key_set_address
from ansible_collections.azora.platform.plugins.module_utils._catalogue_shape import Report, shown
from ansible_collections.azora.platform.plugins.module_utils._gateway_ingress import HTTP_ROUTE, INGRESS, ROUTE
from ansible_collections.azora.platform.plugins.module_utils._gateway_schema import HS256, JWT, RS256

Entry = Mapping[str, Any]
# Tyk answers these itself.
GATEWAY_PATHS = ("hello", "ready", "tyk")


def check_gateway(gateway: Entry | None, services: Sequence[Entry], domain: str, report: Report) -> None:
    """The gateway (with its defaults filled in, if there is one) and the services that are exposed."""
    _check_paths(gateway, services, report)
    if gateway is None:
        return
    _check_authentication(gateway, domain, report)
    for place, entry in _places(gateway, services):
        _check_cors(f"{place}.cors", entry.get("cors"), report)
        _check_headers(place, entry, report)
    _check_limits(gateway, services, report)
    _check_ingress(gateway.get("ingress"), report)


def _exposed(services: Sequence[Entry]) -> list[tuple[str, Entry]]:
    """Services whose path is valid, with the place of what they expose."""
    return [
        (f"services.{service['name']}.expose", service)
        for service in services
        if service["expose"] and "path" in service["expose"]
    ]


def _places(gateway: Entry, services: Sequence[Entry]) -> Iterator[tuple[str, Entry]]:
    yield "gateway", gateway
    for place, service in _exposed(services):
        yield place, service["expose"]


def _check_paths(gateway: Entry | None, services: Sequence[Entry], report: Report) -> None:
    taken: dict[str, str] = {}
    for place, service in _exposed(services):
        path, key = service["expose"]["path"], f"{place}.path"
        if path in taken:
            report.add(key, f"{shown(path)} is the path of {taken[path]} already; give each its own")
        else:
            _check_shadows(key, path, taken, report)
        taken.setdefault(path, service["name"])
        if path.split("/")[1] in GATEWAY_PATHS:
            report.add(key, f"{shown(path)} is answered by the gateway itself; choose another path")
        if gateway is None:
            report.add(key, "needs a gateway; describe it under gateway, or leave expose out")


def _check_shadows(key: str, path: str, taken: Mapping[str, str], report: Report) -> None:
    for other, name in taken.items():
        if path.startswith(f"{other}/"):
            report.add(
                key, f"{shown(path)} lies below {shown(other)}, which is the path of {name}; choose one beside it"
            )
        elif other.startswith(f"{path}/"):
            report.add(key, f"{shown(path)} lies above {shown(other)}, the path of {name}; choose one beside it")


def _check_authentication(gateway: Entry, domain: str, report: Report) -> None:
    place, given = "gateway.authentication", gateway["authentication"]
    if given.get("method") != JWT:
        for key in given:
            if key != "method":
                report.add(f"{place}.{key}", "is for the method jwt; write method: jwt, or leave it out")
        return
    algorithm = given.get("algorithm")
    if algorithm == HS256:
        for key in ("public_key", "jwks_url", "jwks_cidrs"):
            if key in given:
                report.add(f"{place}.{key}", f"is for {RS256}; write algorithm: {RS256}, or leave it out")
    if algorithm == RS256:
        if "secret" in given:
            report.add(f"{place}.secret", f"is for {HS256}; {RS256} takes public_key or jwks_url")
        # One that is not valid is missing here, and reported already.
        sources = [key for key in ("public_key", "jwks_url") if key in given or _reported(report, f"{place}.{key}")]
        if len(sources) != 1:
            problem = "takes only one of public_key and jwks_url" if sources else "needs public_key or jwks_url"
            report.add(f"{place}.algorithm", f"{RS256} {problem}; write one of them")
    host, _port = key_set_address(given) or ("", 0)
    if host.endswith((".svc", f".{domain}")):
        report.add(
            f"{place}.jwks_url",
            f"{shown(host)} is in the cluster, where the gateway may call services only; write public_key",
        )


def _reported(report: Report, key: str) -> bool:
    return any(sentence.startswith(f"{key}: ") for sentence in report)


def _check_limits(gateway: Entry, services: Sequence[Entry], report: Report) -> None:
    known = gateway["authentication"].get("method") == JWT
    if gateway.get("client_rate_limit") and not known:
        report.add(
            "gateway.client_rate_limit", "needs clients that are known; write authentication: jwt, or use rate_limit"
        )
    for place, service in _exposed(services):
        if service["expose"].get("authentication") and not known:
            report.add(f"{place}.authentication", "is on, but the gateway has none; write gateway.authentication: jwt")
    limited = known or any(entry.get("rate_limit") for _place, entry in _places(gateway, services))
    if limited and not gateway["stores"]:
        report.add(
            "gateway.stores",
            "is empty; tokens and limits need a Redis database, such as {name: redis, database: gateway}",
        )


def _check_ingress(given: Entry | None, report: Report) -> None:
    if not given or "kind" not in given:
        return
    place, kind = "gateway.ingress", given["kind"]
    foreign = {"class": INGRESS, "parent": HTTP_ROUTE}
    for key, owner in foreign.items():
        if key in given and kind != owner:
            report.add(f"{place}.{key}", f"is for the kind {owner}; write kind: {owner}, or leave it out")
    if kind == HTTP_ROUTE and "parent" not in given and not _reported(report, f"{place}.parent"):
        report.add(
            f"{place}.parent", "is missing; name the Gateway that an HTTPRoute belongs to, such as {name: public}"
        )
    tls = given.get("tls")
    if tls is None:
        return
    if kind == HTTP_ROUTE:
        report.add(f"{place}.tls", "belongs to the Gateway that the HTTPRoute names; leave it out here")
    elif kind == INGRESS and "secret" not in tls:
        report.add(
            f"{place}.tls.secret", "is missing; name the Secret with the certificate, or into which the issuer puts it"
        )
    elif kind == ROUTE and "issuer" in tls:
        report.add(
            f"{place}.tls.issuer",
            "is for the kind Ingress; name a Secret with a certificate, or none for the router's own",
        )
    if "issuer_kind" in tls and "issuer" not in tls:
        report.add(f"{place}.tls.issuer_kind", "is the kind of an issuer; name the issuer, too")


def _check_cors(place: str, cors: Entry | None, report: Report) -> None:
    if cors and cors.get("credentials") and "*" in cors.get("origins", []):
        report.add(f"{place}.credentials", "is on for any origin, which browsers refuse; name the origins")


def _check_headers(place: str, entry: Entry, report: Report) -> None:
    for kind in ("request_headers", "response_headers"):
        headers = entry.get(kind) or {}
        added: dict[str, str] = {}
        for name in headers.get("add", {}):
            if name.lower() in added:
                report.add(f"{place}.{kind}.add.{name}", f"is {added[name.lower()]} again; write it once")
            added.setdefault(name.lower(), name)
