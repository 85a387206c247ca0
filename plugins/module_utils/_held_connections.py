# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections that a pod holds, from its kernel's tables (https://docs.kernel.org/networking/proc_net_tcp.html)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

# States, from include/net/tcp_states.h.
ESTABLISHED, LISTENING = "01", "0A"


def held_connections(tables: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """The far ends of the established connections that the pod opened itself, its own loopback aside."""
    rows = [
        (_end(local, table["order"]), _end(remote, table["order"]), state)
        for table in tables
        for _number, local, remote, state, *_rest in map(str.split, str(table["table"]).splitlines()[1:])
    ]
    listening = {local[1] for local, _remote, state in rows if state == LISTENING}
    return sorted(
        {
            (str(address), port)
            for (_own, own_port), (address, port), state in rows
            if state == ESTABLISHED and own_port not in listening and not address.is_loopback
        }
    )


def _end(text: str, order: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """An address in words of the machine's byte order, and a port, in hexadecimal digits."""
    digits, port = text.split(":")
    raw = bytes.fromhex(digits)
    if order == "little":
        raw = b"".join(raw[begin : begin + 4][::-1] for begin in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address, int(port, 16)
