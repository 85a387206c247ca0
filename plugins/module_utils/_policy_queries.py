# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single questions: may this end open that connection, and what decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_ends import End, EndError, Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import SOURCE, Evaluation
from ansible_collections.azora.platform.plugins.module_utils._policy_explanation import (
    ALLOWED,
    Cell,
    Decision,
    explained,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    EGRESS,
    INGRESS,
    PolicyInputError,
    Ports,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import members
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Notes, Reader

ITSELF = "a pod's traffic to its own address is not subject to policies"
OWN_NODE = "traffic from a pod's own node is always allowed"


@dataclass(frozen=True)
class Query:
    source: End
    destination: End
    # Which ports, by pod of the destination where a name was given.
    ports: Mapping[int | None, Ports]
    given: Mapping[str, Any]


def queries_from(given: Iterable[Any], ends: Ends) -> list[Query]:
    """PolicyInputError with everything that cannot be asked."""
    notes = Notes()
    found = []
    for index, value in enumerate(given):
        reader = Reader(f"queries[{index}]", notes)
        entry = reader.mapping(value, "")
        protocol = reader.protocol(entry.get("protocol"), "protocol")
        both = []
        for key in ("source", "destination"):
            try:
                both.append(ends.find(entry.get(key)))
            except EndError as error:
                reader.wrong(key, str(error))
        if protocol is None or len(both) < 2:
            continue
        try:
            found.append(Query(both[0], both[1], ends.ports(entry.get("port"), protocol, both[1]), entry))
        except EndError as error:
            reader.wrong("port", str(error))
    if notes.mistakes:
        raise PolicyInputError(notes.mistakes)
    return found


def answered(query: Query, evaluation: Evaluation, ends: Ends) -> dict[str, Any]:
    """Allowed if every pod at one end may reach every pod at the other, on every port asked for."""
    open_cell = closed_cell = undefined_cell = None
    for cell, allowed, undefined in _cells(query, evaluation, ends):
        if allowed:
            open_cell = open_cell or cell
        elif undefined:
            undefined_cell = undefined_cell or cell
        else:
            closed_cell = closed_cell or cell
    decisions = _decisions(closed_cell or undefined_cell or open_cell, evaluation, query, ends)
    return {
        **query.given,
        "allowed": closed_cell is None and undefined_cell is None,
        "partial": open_cell is not None and (closed_cell or undefined_cell) is not None,
        "undefined": closed_cell is None and undefined_cell is not None,
        "decided_by": decisions,
    }


def _cells(query: Query, evaluation: Evaluation, ends: Ends) -> Iterator[tuple[Cell, bool, bool]]:
    """One cell for each pair of groups and each stretch of ports with one answer; nothing for a pod and itself."""
    partition = evaluation.partition
    if query.source.outside and query.destination.outside:
        return
    node = ends.node_at(query.source)
    for pod, ports in query.ports.items():
        groups = query.destination.groups(partition) if pod is None else 1 << partition.group_of_pod[pod]
        for source in members(query.source.groups(partition)):
            others = groups & ~_itself(query, evaluation, source)
            for segment in evaluation.line(source, SOURCE):
                for protocol, first, last in ports:
                    low, high = max(first, segment.first), min(last, segment.last)
                    if protocol != segment.protocol or low > high:
                        continue
                    for destination in members(others):
                        cell = Cell(source, destination, protocol, low)
                        own_node = bool(node) and node == _node_of(destination, evaluation, query)
                        yield (
                            cell,
                            own_node or bool(segment.allowed >> destination & 1),
                            bool(segment.undefined >> destination & 1),
                        )


def _itself(query: Query, evaluation: Evaluation, source: int) -> int:
    """The source's own group, where it has no other pod than the source."""
    partition = evaluation.partition
    one = query.source.pod is not None and query.source.pod == query.destination.pod
    return 1 << source if one or not partition.groups[source].several else 0


def _node_of(destination: int, evaluation: Evaluation, query: Query) -> str:
    """The node of the pods at the destination, if it is one."""
    pods = evaluation.partition.inventory.pods
    numbers = (
        [query.destination.pod] if query.destination.pod is not None else evaluation.partition.groups[destination].pods
    )
    nodes = {pods[number].node for number in numbers if not pods[number].host_network}
    return nodes.pop() if len(nodes) == 1 else ""


def _decisions(cell: Cell | None, evaluation: Evaluation, query: Query, ends: Ends) -> list[dict[str, Any]]:
    if cell is None:
        if query.source.outside:
            words = "neither end is a pod of this cluster, so no policy applies"
            return [Decision(EGRESS, ALLOWED, words).as_result()]
        return [Decision(direction, ALLOWED, ITSELF).as_result() for direction in (EGRESS, INGRESS)]
    decisions = explained(evaluation, cell)
    node = ends.node_at(query.source)
    if node and node == _node_of(cell.destination, evaluation, query):
        decisions[1] = Decision(INGRESS, ALLOWED, OWN_NODE)
    return [decision.as_result() for decision in decisions]
