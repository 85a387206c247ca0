# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the nodes of the cluster are, and which of them hold a database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

FIRST = 0


@dataclass(frozen=True)
class Members:
    """The number of this node, from 0 on, and the address of every node in order of their numbers."""

    number: int = FIRST
    hosts: tuple[str, ...] = ("localhost",)
    #: What this node's ports listen on; a pod has its addresses for itself.
    listen: str = "*"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Members:
        """NODE_HOSTS names the nodes; POD_NAME ends with this one's number, as a StatefulSet names its pods."""
        hosts = tuple(environment.get("NODE_HOSTS", "localhost").split(","))
        number = re.search(r"(?:^|-)(\d+)$", environment.get("POD_NAME", "0"))
        if number is None or int(number[1]) >= len(hosts):
            raise ValueError(f"pod {environment.get('POD_NAME')!r} is none of the {len(hosts)} nodes in NODE_HOSTS")
        return cls(int(number[1]), hosts, environment.get("LISTEN_ADDRESS", "*"))

    @property
    def several(self) -> bool:
        return len(self.hosts) > 1

    @property
    def host(self) -> str:
        return self.hosts[self.number]

    @property
    def majority(self) -> int:
        return len(self.hosts) // 2 + 1


#: The only node of its cluster.
ALONE = Members()


def placement(uid: int, copies: int, nodes: int) -> tuple[int, ...]:
    """The nodes of a new database, the primary's first. Replicated databases spread over the nodes; others are at the first."""
    return tuple((uid + copy) % nodes for copy in range(copies)) if copies > 1 else (FIRST,)


def second_node(first: int, uid: int, nodes: int) -> int:
    """Where the replica goes of a database that has lived on one node so far."""
    return (first + 1 + uid % (nodes - 1)) % nodes
