# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of connections as people name them: a workload, a pod, an address or a range of addresses."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports_
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import given_range, text_of, without
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import BARE_POD, identity_of
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    PROTOCOLS,
    Inventory,
    PortRange,
    Ports,
    Ranges,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import (
    Partition,
    nothing_but,
    pod_addresses,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import listed, shown


class EndError(ValueError):
    """The text names no end; the message says what it is instead."""


@dataclass(frozen=True)
class End:
    """A workload (by its identity), one pod of it, or addresses outside."""

    name: str
    workload: str = ""
    pod: int | None = None
    ranges: Ranges = ()

    @property
    def outside(self) -> bool:
        return bool(self.ranges)

    def groups(self, partition: Partition) -> int:
        if self.ranges:
            return partition.at(self.ranges)
        if self.pod is not None:
            return 1 << partition.group_of_pod[self.pod]
        return partition.of_workload[self.workload]


class Ends:
    """Everything in an inventory that has a name."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.workloads: dict[str, list[int]] = {}
        self._short: dict[str, dict[str, None]] = {}
        self._pods: dict[str, int] = {}
        self._addresses: dict[int, int] = {}
        for number, pod in enumerate(inventory.pods):
            identity = identity_of(pod)
            self.workloads.setdefault(identity, []).append(number)
            self._short.setdefault(f"{pod.namespace}/{pod.owner[1]}", {})[identity] = None
            if not pod.template and pod.owner[0] != BARE_POD:
                self._pods[f"{pod.namespace}/{pod.name}"] = number
            if not pod.host_network:
                self._addresses.update(dict.fromkeys(pod.addresses, number))
        self._sorted = pod_addresses(inventory)

    def find(self, text: Any) -> End:
        if not isinstance(text, str) or not text:
            raise EndError(f"is {shown(text)}; it must name a workload, a pod or an address")
        try:
            ranges = given_range(text)
        except ValueError:
            return self._named(text)
        first, last = ranges[0]
        if len(ranges) == 1 and first == last and first in self._addresses:
            return self.of_pod(self._addresses[first])
        left = without(ranges, self.inventory.pod_networks)
        if all(nothing_but(self._sorted, *bounds) for bounds in left):
            raise EndError(f"{shown(text)} has no address but those of pods; name the pods")
        return End(", ".join(text_of(bounds) for bounds in ranges), ranges=ranges)

    def of_pod(self, number: int) -> End:
        pod = self.inventory.pods[number]
        return End(f"{pod.namespace}/{pod.name}", workload=identity_of(pod), pod=number)

    def _named(self, text: str) -> End:
        if text in self.workloads:
            return End(text, workload=text)
        candidates: list[End] = [End(identity, workload=identity) for identity in self._short.get(text, ())]
        if text in self._pods:
            candidates.append(self.of_pod(self._pods[text]))
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            kinds = [end.workload if end.pod is None else f"the pod {end.name}" for end in candidates]
            raise EndError(f"{shown(text)} can be {listed(kinds)}; name one of them")
        known = [*self.workloads, *self._short, *self._pods]
        close = difflib.get_close_matches(text, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise EndError(f"{shown(text)} is neither a workload nor a pod nor an address{hint}")

    def pods_of(self, end: End) -> Sequence[int]:
        if end.outside:
            return ()
        return [end.pod] if end.pod is not None else self.workloads[end.workload]

    def node_at(self, end: End) -> str:
        """The name of the node that has this one address."""
        if len(end.ranges) != 1 or end.ranges[0][0] != end.ranges[0][1]:
            return ""
        place = end.ranges[0][0]
        return next((node.name for node in self.inventory.nodes if place in node.addresses), "")

    def ports(self, value: Any, protocol: int, destination: End) -> dict[int | None, Ports]:
        """The ports that a number, a range or a name stands for: by pod of the destination for a name, else by None."""
        if ports_.number(value) is not None:
            return {None: (PortRange(protocol, int(value), int(value)),)}
        if isinstance(value, str) and value:
            try:
                return {None: ports_.read(protocol, [value])}
            except ValueError:
                return self._ports_named(value, protocol, destination)
        raise EndError(f"is {shown(value)}; it must be a port number from 1 to 65535, a range or a name of a port")

    def _ports_named(self, name: str, protocol: int, destination: End) -> dict[int | None, Ports]:
        if destination.outside:
            raise EndError(f"is {shown(name)}; an address outside has no names of ports, so give a number")
        found: dict[int | None, Ports] = {}
        known: set[str] = set()
        for number in self.pods_of(destination):
            ports = self.inventory.pods[number].ports
            known |= {port.name for port in ports}
            meant = [
                PortRange(protocol, port.number, port.number)
                for port in ports
                if (port.name, port.protocol) == (name, protocol)
            ]
            if meant:
                found[number] = ports_.joined(meant)
        if not found:
            names = f"; it knows {listed(sorted(known), 'and')}" if known else ""
            raise EndError(
                f"is {shown(name)}, but {destination.name} has no {PROTOCOLS[protocol]} port of that name{names}"
            )
        return found
