# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads policies of the kinds that are judged: NetworkPolicy v1, AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import joined, within, without
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ADMIN,
    ALLOW,
    BASELINE,
    DENY,
    EGRESS,
    FIRST_PORT,
    INGRESS,
    LAST_PORT,
    NAMESPACED,
    PASS,
    PROTOCOLS,
    Addresses,
    NamedPort,
    Nodes,
    Peer,
    Pods,
    Policy,
    PortRange,
    Ranges,
    Rule,
    Unknowable,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Reader, listed, shown

POLICY_TYPES = {"Ingress": INGRESS, "Egress": EGRESS}
PEERS_KEY = {INGRESS: "from", EGRESS: "to"}
MOST_PRIORITY = 1000
# The one BaselineAdminNetworkPolicy has no priority; beside ClusterNetworkPolicies of the Baseline tier it comes last.
LAST_PRIORITY = MOST_PRIORITY + 1
# ClusterNetworkPolicy calls Allow Accept.
ACTIONS = {"Allow": ALLOW, "Accept": ALLOW, "Deny": DENY, "Pass": PASS}
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LONGEST_PORT_NAME = 15

Found: TypeAlias = "tuple[PortRange | NamedPort, ...]"


def network_policy(reader: Reader, manifest: Mapping[str, Any], namespace: str, name: str) -> Policy:
    spec = reader.mapping(manifest.get("spec"), "spec")
    rules = {
        direction: tuple(
            _network_policy_rule(reader, entry, direction, namespace, f"spec.{direction}[{index}]")
            for index, entry in enumerate(reader.sequence(spec.get(direction), f"spec.{direction}"))
        )
        for direction in (INGRESS, EGRESS)
    }
    types = reader.sequence(spec.get("policyTypes"), "spec.policyTypes")
    isolates = set()
    for index, entry in enumerate(types):
        chosen = reader.choice(entry, f"spec.policyTypes[{index}]", tuple(POLICY_TYPES))
        isolates |= {POLICY_TYPES[chosen]} if chosen else set()
    if not types:
        # As the API fills it in: Ingress always, Egress only with at least one egress rule.
        isolates = {INGRESS} | ({EGRESS} if rules[EGRESS] else set())
    for direction in (INGRESS, EGRESS):
        if rules[direction] and direction not in isolates:
            reader.warn(f"spec.{direction}", "has no effect, because spec.policyTypes does not name this direction")
    return Policy(
        kind="NetworkPolicy",
        namespace=namespace,
        name=name,
        tier=NAMESPACED,
        priority=0,
        subject=Pods(reader.selector(spec.get("podSelector"), "spec.podSelector"), namespace=namespace),
        rules={direction: rules[direction] if direction in isolates else () for direction in rules},
        isolates=frozenset(isolates),
        manifest=manifest,
    )


def _network_policy_rule(reader: Reader, value: Any, direction: str, namespace: str, path: str) -> Rule:
    rule, key = reader.mapping(value, path), PEERS_KEY[direction]
    for unknown in rule:
        if unknown not in (key, "ports"):
            # A misspelt key would open to everybody.
            reader.wrong(f"{path}.{unknown}", f"is unknown; a rule for {direction} has {key} and ports")
    given = reader.sequence(rule.get(key), f"{path}.{key}")
    peers = [
        _network_policy_peer(reader, entry, namespace, f"{path}.{key}[{index}]") for index, entry in enumerate(given)
    ]
    ports = reader.sequence(rule.get("ports"), f"{path}.ports")
    found = [_network_policy_port(reader, entry, f"{path}.ports[{index}]") for index, entry in enumerate(ports)]
    return Rule(
        path=path,
        # An empty list means the same as none: everybody, every port.
        peers=tuple(peer for peer in peers if peer is not None) if given else None,
        ports=tuple(port for port in found if port is not None) if ports else None,
    )


def _network_policy_peer(reader: Reader, value: Any, namespace: str, path: str) -> Peer | None:
    peer = reader.mapping(value, path)
    given = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    unknown = [key for key in peer if key not in ("podSelector", "namespaceSelector", "ipBlock")]
    if unknown:
        reader.wrong(f"{path}.{unknown[0]}", "is unknown; a peer has podSelector, namespaceSelector or ipBlock")
        return None
    if not given:
        if isinstance(value, Mapping) or value is None:
            reader.wrong(path, "names nobody; give podSelector, namespaceSelector or ipBlock")
        return None
    if "ipBlock" in given:
        if len(given) > 1:
            reader.wrong(path, f"has ipBlock and {given[0]}; a peer with ipBlock can have nothing else")
            return None
        return _block(reader, peer["ipBlock"], f"{path}.ipBlock")
    pods = reader.selector(peer.get("podSelector"), f"{path}.podSelector")
    if "namespaceSelector" in given:
        return Pods(pods, namespaces=reader.selector(peer["namespaceSelector"], f"{path}.namespaceSelector"))
    return Pods(pods, namespace=namespace)


def _block(reader: Reader, value: Any, path: str) -> Addresses | None:
    block = reader.mapping(value, path)
    wide = reader.cidr(block.get("cidr"), f"{path}.cidr")
    holes: list[tuple[int, int]] = []
    for index, entry in enumerate(reader.sequence(block.get("except"), f"{path}.except")):
        hole = reader.cidr(entry, f"{path}.except[{index}]")
        if hole is None or wide is None:
            continue
        if hole == wide or not within((hole,), (wide,)):
            reader.wrong(f"{path}.except[{index}]", f"{shown(entry)} is not a part of cidr {shown(block.get('cidr'))}")
        holes.append(hole)
    return None if wide is None else Addresses(without([wide], holes))


def _network_policy_port(reader: Reader, value: Any, path: str) -> PortRange | NamedPort | None:
    entry = reader.mapping(value, path)
    for unknown in entry:
        if unknown not in ("protocol", "port", "endPort"):
            reader.wrong(f"{path}.{unknown}", "is unknown; a port has protocol, port and endPort")
    protocol = reader.protocol(entry.get("protocol"), f"{path}.protocol")
    port, last = entry.get("port"), entry.get("endPort")
    if port is None:
        if last is not None:
            reader.wrong(f"{path}.endPort", "needs port, the first of the range")
            return None
        return None if protocol is None else PortRange(protocol, FIRST_PORT, LAST_PORT)
    if isinstance(port, str):
        if last is not None:
            reader.wrong(f"{path}.endPort", f"needs a number in port, not the name {shown(port)}")
        if not PORT_NAME.fullmatch(port) or "--" in port or len(port) > LONGEST_PORT_NAME:
            hint = "; a number is written without quotes" if port.isdecimal() else ""
            reader.wrong(f"{path}.port", f"is {shown(port)}, which is no name of a port{hint}")
        return None if protocol is None else NamedPort(port, protocol)
    first = reader.port(port, f"{path}.port")
    end = first if last is None else reader.port(last, f"{path}.endPort")
    if first is None or end is None or protocol is None:
        return None
    if end < first:
        reader.wrong(f"{path}.endPort", f"is {end}, below port {first}")
        return None
    return PortRange(protocol, first, end)


def admin_network_policy(reader: Reader, manifest: Mapping[str, Any], _namespace: str, name: str) -> Policy:
    spec = reader.mapping(manifest.get("spec"), "spec")
    dialect = _Dialect(("Allow", "Deny", "Pass"), _admin_ports)
    return _cluster_policy(reader, manifest, dialect, name=name, tier=ADMIN, priority=_priority(reader, spec))


def baseline_admin_network_policy(reader: Reader, manifest: Mapping[str, Any], _namespace: str, name: str) -> Policy:
    if name != "default":
        reader.wrong("metadata.name", f'is {shown(name)}; the API knows only one, named "default"')
    dialect = _Dialect(("Allow", "Deny"), _admin_ports)
    return _cluster_policy(reader, manifest, dialect, name=name, tier=BASELINE, priority=LAST_PRIORITY)


def cluster_network_policy(reader: Reader, manifest: Mapping[str, Any], _namespace: str, name: str) -> Policy:
    spec = reader.mapping(manifest.get("spec"), "spec")
    tier = reader.choice(spec.get("tier"), "spec.tier", (ADMIN, BASELINE)) or ADMIN
    dialect = _Dialect(("Accept", "Deny", "Pass"), _cluster_ports)
    return _cluster_policy(reader, manifest, dialect, name=name, tier=tier, priority=_priority(reader, spec))


def _priority(reader: Reader, spec: Mapping[str, Any]) -> int:
    value = spec.get("priority")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_PRIORITY:
        return value
    reader.wrong("spec.priority", f"is {shown(value)}; it must be a whole number from 0 to {MOST_PRIORITY}")
    return MOST_PRIORITY


@dataclass(frozen=True)
class _Dialect:
    """What differs between the cluster-wide kinds: their actions, and how they write ports."""

    actions: tuple[str, ...]
    ports: Callable[[Reader, Mapping[str, Any], str], tuple[Found | None, bool]]


def _cluster_policy(
    reader: Reader, manifest: Mapping[str, Any], dialect: _Dialect, *, name: str, tier: str, priority: int
) -> Policy:
    spec = reader.mapping(manifest.get("spec"), "spec")
    subject = reader.mapping(spec.get("subject"), "spec.subject")
    chosen = _one_key(reader, subject, "spec.subject", ("namespaces", "pods"), "a subject")
    if chosen is None and not any(key in subject for key in ("namespaces", "pods")):
        reader.wrong("spec.subject", "selects nothing; give namespaces or pods")
    return Policy(
        kind=str(manifest["kind"]),
        namespace="",
        name=name,
        tier=tier,
        priority=priority,
        subject=_pods(reader, subject[chosen], chosen, f"spec.subject.{chosen}") if chosen else None,
        rules={
            direction: tuple(
                _cluster_rule(reader, entry, direction, dialect, path=f"spec.{direction}[{index}]")
                for index, entry in enumerate(reader.sequence(spec.get(direction), f"spec.{direction}"))
            )
            for direction in (INGRESS, EGRESS)
        },
        manifest=manifest,
    )


def _one_key(
    reader: Reader, value: Mapping[str, Any], path: str, known: tuple[str, ...], what: str, *, strict: bool = True
) -> str | None:
    """The one known key that is set; None if there is none, or more than one, which is a mistake."""
    given = [key for key in known if value.get(key) is not None]
    if len(given) > 1:
        reader.wrong(path, f"has {listed(given, 'and')}; {what} has only one of them")
        return None
    unknown = [key for key in value if key not in known]
    if strict and unknown:
        reader.wrong(f"{path}.{unknown[0]}", f"is unknown; {what} has {listed(known)}")
        return None
    return given[0] if given else None


def _pods(reader: Reader, value: Any, key: str, path: str) -> Pods:
    if key == "namespaces":
        return Pods((), namespaces=reader.selector(value, path))
    pods = reader.mapping(value, path)
    if pods.get("podSelector") is None:
        reader.wrong(f"{path}.podSelector", "is missing; {} selects every pod")
    return Pods(
        reader.selector(pods.get("podSelector"), f"{path}.podSelector"),
        namespaces=reader.selector(pods.get("namespaceSelector"), f"{path}.namespaceSelector"),
    )


def _cluster_rule(reader: Reader, value: Any, direction: str, dialect: _Dialect, *, path: str) -> Rule:
    rule, key = reader.mapping(value, path), PEERS_KEY[direction]
    action = ACTIONS[reader.choice(rule.get("action"), f"{path}.action", dialect.actions) or "Deny"]
    name = reader.text(rule.get("name"), f"{path}.name")
    given = reader.sequence(rule.get(key), f"{path}.{key}")
    if not given:
        reader.wrong(f"{path}.{key}", "is missing; a rule of this kind needs at least one peer")
    known = True
    peers: list[Peer] = []
    for index, entry in enumerate(given):
        peer = _cluster_peer(reader, entry, direction, f"{path}.{key}[{index}]", action)
        known = known and peer is not None
        peers += [peer] if peer is not None else []
    ports, ports_known = dialect.ports(reader, rule, path)
    if known and ports_known:
        return Rule(path=path, action=action, peers=tuple(peers), ports=ports, name=name)
    # The API demands to fail closed where a rule says what is not understood.
    if action == ALLOW:
        reader.warn(path, "says what is not understood here, so it is judged as matching nothing")
        return Rule(path=path, action=ALLOW, peers=(), name=name)
    reader.warn(path, f"says what is not understood here, so {action} is judged as denying everything")
    return Rule(path=path, action=DENY, name=name)


def _cluster_peer(reader: Reader, value: Any, direction: str, path: str, action: str) -> Peer | None:
    peer = reader.mapping(value, path)
    known = (
        ("namespaces", "pods") if direction == INGRESS else ("namespaces", "pods", "nodes", "networks", "domainNames")
    )
    # An unknown key is a newer version of the API, not a mistake.
    chosen = _one_key(reader, peer, path, known, "a peer", strict=False)
    if chosen is None:
        return None
    if chosen in ("namespaces", "pods"):
        return _pods(reader, peer[chosen], chosen, f"{path}.{chosen}")
    if chosen == "nodes":
        return Nodes(reader.selector(peer["nodes"], f"{path}.nodes"))
    values = reader.sequence(peer[chosen], f"{path}.{chosen}")
    if chosen == "domainNames":
        if action != ALLOW:
            return None
        reader.warn(
            f"{path}.domainNames", "is not judged: which addresses a name has is not known here, so it matches nothing"
        )
        return Unknowable(listed([str(name) for name in values] or ["no name"], "and"))
    found = [reader.cidr(entry, f"{path}.networks[{index}]") for index, entry in enumerate(values)]
    if not values:
        reader.wrong(f"{path}.networks", "is empty; give at least one CIDR")
    return Addresses(joined([bounds for bounds in found if bounds is not None]))


def _admin_ports(reader: Reader, rule: Mapping[str, Any], path: str) -> tuple[Found | None, bool]:
    """Ports of v1alpha1; the second value tells whether all of it was understood."""
    given = rule.get("ports")
    if given is None:
        return None, True
    found: list[PortRange | NamedPort] = []
    understood = True
    entries = reader.sequence(given, f"{path}.ports")
    if not entries:
        reader.wrong(f"{path}.ports", "is empty; leave it out for every port")
    for index, value in enumerate(entries):
        place = f"{path}.ports[{index}]"
        entry = reader.mapping(value, place)
        chosen = _one_key(reader, entry, place, ("portNumber", "portRange", "namedPort"), "a port", strict=False)
        if chosen is None:
            understood = False
        elif chosen == "namedPort":
            found.append(NamedPort(reader.text(entry["namedPort"], f"{place}.namedPort")))
        else:
            ports = reader.mapping(entry[chosen], f"{place}.{chosen}")
            protocol = reader.protocol(ports.get("protocol"), f"{place}.{chosen}.protocol")
            bounds = (
                _range(reader, ports, f"{place}.{chosen}")
                if chosen == "portRange"
                else _twice(reader.port(ports.get("port"), f"{place}.{chosen}.port"))
            )
            if protocol is not None and bounds is not None:
                found.append(PortRange(protocol, *bounds))
    return tuple(found), understood


def _cluster_ports(reader: Reader, rule: Mapping[str, Any], path: str) -> tuple[Found | None, bool]:
    """Protocols of v1alpha2; the second value tells whether all of it was understood."""
    given = rule.get("protocols")
    if given is None:
        return None, True
    found: list[PortRange | NamedPort] = []
    understood = True
    entries = reader.sequence(given, f"{path}.protocols")
    if not entries:
        reader.wrong(f"{path}.protocols", "is empty; leave it out for every protocol")
    keys = tuple(protocol.lower() for protocol in PROTOCOLS)
    for index, value in enumerate(entries):
        place = f"{path}.protocols[{index}]"
        entry = reader.mapping(value, place)
        chosen = _one_key(reader, entry, place, (*keys, "destinationNamedPort"), "a protocol", strict=False)
        if chosen is None:
            understood = False
        elif chosen == "destinationNamedPort":
            found.append(NamedPort(reader.text(entry[chosen], f"{place}.{chosen}")))
        else:
            bounds = _destination_port(reader, reader.mapping(entry[chosen], f"{place}.{chosen}"), f"{place}.{chosen}")
            understood = understood and bounds is not None
            if bounds is not None:
                found.append(PortRange(keys.index(chosen), *bounds))
    return tuple(found), understood


def _destination_port(reader: Reader, protocol: Mapping[str, Any], path: str) -> tuple[int, int] | None:
    if not protocol:
        return FIRST_PORT, LAST_PORT
    place = f"{path}.destinationPort"
    port = reader.mapping(protocol.get("destinationPort"), place)
    chosen = _one_key(reader, port, place, ("number", "range"), "a destinationPort", strict=False)
    if chosen is None:
        return None
    if chosen == "range":
        return _range(reader, reader.mapping(port["range"], f"{place}.range"), f"{place}.range")
    return _twice(reader.port(port["number"], f"{place}.number"))


def _range(reader: Reader, value: Mapping[str, Any], path: str) -> tuple[int, int] | None:
    first, last = reader.port(value.get("start"), f"{path}.start"), reader.port(value.get("end"), f"{path}.end")
    if first is None or last is None:
        return None
    if last < first:
        reader.wrong(f"{path}.end", f"is {last}, below start {first}")
        return None
    return first, last


def _twice(port: int | None) -> tuple[int, int] | None:
    return None if port is None else (port, port)


def blocks_of(policy: Policy) -> list[Ranges]:
    """Every range that the policy names."""
    return [
        peer.ranges
        for rules in policy.rules.values()
        for rule in rules
        for peer in rule.peers or ()
        if isinstance(peer, Addresses)
    ]
