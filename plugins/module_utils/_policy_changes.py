# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to policies, as manifests: written as a person would write them, small, and without any judgement of what they do."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import (
    EVERYTHING,
    around,
    cidrs_of,
    family,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    ALL_PORTS,
    ALLOW,
    EGRESS,
    FIRST_PORT,
    LAST_PORT,
    NAMESPACE_LABEL,
    PROTOCOLS,
    Policy,
    Ports,
    Ranges,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_rules import PEERS_KEY

Manifest = dict[str, Any]
Place = tuple[str, str, str]
# A rule with more blocks than this is no suggestion any more.
MOST_BLOCKS = 25
NETWORK_POLICY = "NetworkPolicy"
CLUSTER_NETWORK_POLICY = "ClusterNetworkPolicy"
# What of the metadata belongs to whoever writes a manifest.
OWN_METADATA = ("name", "namespace", "labels", "annotations")
LONGEST_NAME = 63


@dataclass(frozen=True)
class Party:
    """One end of a connection, as a rule can name it."""

    name: str
    # For the names of policies.
    short: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ranges: Ranges = ()

    @property
    def selectable(self) -> bool:
        """Whether labels select it; else it is only reached by its addresses."""
        return not self.ranges and bool(self.namespace)


@dataclass(frozen=True)
class Edit:
    """A policy as it should be; without a manifest it should not be."""

    place: Place
    manifest: Manifest | None
    created: bool = False
    # The direction whose rules are others now, if that is all that changed.
    direction: str = ""

    def with_rules_of(self, other: Edit) -> Edit | None:
        """Both edits of one policy in one, if they are to different directions."""
        if self.manifest is None or other.manifest is None or "" in (self.direction, other.direction):
            return None
        if self.direction == other.direction:
            return None
        spec = {key: value for key, value in self.manifest["spec"].items() if key != other.direction}
        if other.direction in other.manifest["spec"]:
            spec[other.direction] = other.manifest["spec"][other.direction]
        return Edit(self.place, {**self.manifest, "spec": spec})

    def as_result(self) -> dict[str, Any]:
        kind, namespace, name = self.place
        action = "delete" if self.manifest is None else "create" if self.created else "replace"
        return {"action": action, "kind": kind, "namespace": namespace, "name": name, "manifest": self.manifest}


@dataclass(frozen=True)
class Change:
    """Edits that belong together; `touched` counts rules, and `rank` says which of equals is the more natural."""

    edits: tuple[Edit, ...]
    touched: int
    rank: int
    sentence: str

    def together(self, other: Change) -> Change | None:
        """Both changes; None if they get in each other's way."""
        edits = {edit.place: edit for edit in self.edits}
        for edit in other.edits:
            both = edits[edit.place].with_rules_of(edit) if edit.place in edits else edit
            if both is None:
                return None
            edits[edit.place] = both
        return Change(
            tuple(edits.values()),
            self.touched + other.touched,
            self.rank + other.rank,
            f"{self.sentence}; and {other.sentence}",
        )


def cleaned(manifest: Mapping[str, Any]) -> Manifest:
    """Without what the API server wrote."""
    metadata = {key: manifest["metadata"][key] for key in OWN_METADATA if manifest["metadata"].get(key)}
    return copy.deepcopy(
        {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": metadata,
            "spec": dict(manifest.get("spec") or {}),
        }
    )


def replaced(policy: Policy, direction: str, rules: Sequence[Mapping[str, Any]]) -> Edit:
    """The policy with other rules in one direction."""
    manifest = cleaned(policy.manifest)
    spec = manifest["spec"]
    if policy.kind == NETWORK_POLICY:
        # Without rules the defaults of policyTypes would be others.
        spec["policyTypes"] = sorted(each.capitalize() for each in policy.isolates)[::-1]
    spec.pop(direction, None)
    if rules:
        spec[direction] = [copy.deepcopy(dict(rule)) for rule in rules]
    return Edit(policy.place, manifest, direction=direction)


def removed(policy: Policy) -> Edit:
    return Edit(policy.place, None)


def with_priority(policy: Policy, priority: int) -> Edit:
    manifest = cleaned(policy.manifest)
    manifest["spec"]["priority"] = priority
    return Edit(policy.place, manifest)


def rules_of(policy: Policy, direction: str) -> list[Manifest]:
    return [dict(rule or {}) for rule in (policy.manifest.get("spec") or {}).get(direction) or []]


def created(namespace: str, name: str, spec: Mapping[str, Any], taken: Iterable[Place]) -> Edit:
    """A new NetworkPolicy, under a name that is free."""
    names = {place[2] for place in taken if place[:2] == (NETWORK_POLICY, namespace)}
    stem = name[:LONGEST_NAME].strip("-.")
    free = stem
    number = 1
    while free in names:
        number += 1
        free = f"{stem[: LONGEST_NAME - len(str(number)) - 1]}-{number}"
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": NETWORK_POLICY,
        "metadata": {"name": free, "namespace": namespace},
        "spec": dict(spec),
    }
    return Edit((NETWORK_POLICY, namespace, free), manifest, created=True)


def peers(kind: str, direction: str, party: Party, namespace: str = "") -> list[Manifest]:
    """The party as peers of a rule of that kind of policy; an empty list if no such rule can name it."""
    if not party.selectable:
        if kind == NETWORK_POLICY:
            return [block for version in EVERYTHING for block in _blocks(party.ranges, version)]
        cidrs = cidrs_of(party.ranges)
        return [{"networks": cidrs}] if direction == EGRESS and 0 < len(cidrs) <= MOST_BLOCKS else []
    pods = {"matchLabels": dict(party.labels)} if party.labels else {}
    within = {"matchLabels": {NAMESPACE_LABEL: party.namespace}}
    if kind != NETWORK_POLICY:
        return [{"pods": {"namespaceSelector": within, "podSelector": pods}}]
    if party.namespace == namespace:
        return [{"podSelector": pods}]
    return [{"namespaceSelector": within, "podSelector": pods}]


def _blocks(ranges: Ranges, version: int) -> list[Manifest]:
    """Addresses of one family, either one by one, or as one block with exceptions, whichever is shorter."""
    own = tuple(bounds for bounds in ranges if family(bounds[0]) == version)
    if not own:
        return []
    cidrs = cidrs_of(own)
    wide, holes = around(own)
    if 1 + len(holes) < len(cidrs) and len(holes) <= MOST_BLOCKS:
        return [{"ipBlock": {"cidr": wide, "except": holes}}]
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs] if len(cidrs) <= MOST_BLOCKS else []


def ports_of(kind: str, ports: Ports) -> Manifest:
    """The ports as the part of a rule that names them; nothing for all of them."""
    if ports == ALL_PORTS:
        return {}
    if kind == NETWORK_POLICY:
        return {"ports": [_network_policy_port(*port) for port in ports]}
    if kind == CLUSTER_NETWORK_POLICY:
        return {"protocols": [_protocol(*port) for port in ports]}
    return {"ports": [_admin_port(*port) for port in ports]}


def _network_policy_port(protocol: int, first: int, last: int) -> Manifest:
    found: Manifest = {"protocol": PROTOCOLS[protocol]}
    if (first, last) != (FIRST_PORT, LAST_PORT):
        found["port"] = first
        if last != first:
            found["endPort"] = last
    return found


def _admin_port(protocol: int, first: int, last: int) -> Manifest:
    if first == last:
        return {"portNumber": {"protocol": PROTOCOLS[protocol], "port": first}}
    return {"portRange": {"protocol": PROTOCOLS[protocol], "start": first, "end": last}}


def _protocol(protocol: int, first: int, last: int) -> Manifest:
    name = PROTOCOLS[protocol].lower()
    if first == last:
        return {name: {"destinationPort": {"number": first}}}
    return {name: {"destinationPort": {"range": {"start": first, "end": last}}}}


def rule(kind: str, direction: str, of: Sequence[Mapping[str, Any]], ports: Ports, action: str = ALLOW) -> Manifest:
    """A rule of that kind of policy."""
    found: Manifest = {}
    if kind != NETWORK_POLICY:
        found["action"] = "Accept" if (kind, action) == (CLUSTER_NETWORK_POLICY, ALLOW) else action
    found[PEERS_KEY[direction]] = [dict(peer) for peer in of]
    return {**found, **ports_of(kind, ports)}
