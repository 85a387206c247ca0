# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as one line of numbers, IPv4 first, then IPv6: ranges of both families are intervals on it."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.azora.platform.plugins.module_utils._policy_model import Ranges

SIXES = 1 << 32
END = SIXES + (1 << 128)
EVERYTHING: dict[int, Ranges] = {4: ((0, SIXES - 1),), 6: ((SIXES, END - 1),)}


class CidrError(ValueError):
    """The text is no CIDR; the message says what to write instead."""


def address(text: str) -> int:
    """The place of one address on the line; ValueError if it is none."""
    if "%" in text:
        raise ValueError(f"{text} has a zone")
    found = ipaddress.ip_address(text)
    return int(found) if found.version == 4 else SIXES + int(found)


def family(place: int) -> int:
    return 4 if place < SIXES else 6


def cidr(text: str) -> tuple[tuple[int, int], str]:
    """First and last address, and how the range is written without host bits."""
    host, slash, prefix = text.partition("/")
    try:
        # Without the slash it is an address; with something else than digits after it, a netmask.
        if not slash or not prefix.isdecimal() or "%" in host:
            raise ValueError(text)
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        example = "2001:db8::/64" if ":" in text else "10.0.0.0/24"
        raise CidrError(f"is not a CIDR; give an address and a prefix length such as {example}") from None
    offset = 0 if network.version == 4 else SIXES
    first = offset + int(network.network_address)
    return (first, first + network.num_addresses - 1), str(network)


def given_range(text: str) -> Ranges:
    """What people write for addresses: an address, a CIDR or first-last, or several with commas; ValueError if it is none of these."""
    return joined(_one_range(part.strip()) for part in text.split(","))


def _one_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if dash:
        bounds = address(first.strip()), address(last.strip())
        if bounds[0] > bounds[1] or family(bounds[0]) != family(bounds[1]):
            raise ValueError(f"{text} is no range")
        return bounds
    if "/" in text:
        return cidr(text)[0]
    place = address(text)
    return place, place


def text_of(bounds: tuple[int, int]) -> str:
    """A range as people write it: an address, a CIDR if it is one, else first-last."""
    first, last = bounds
    if family(first) == 4:
        low: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv4Address(first)
        high: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv4Address(last)
        bits = 32
    else:
        low, high = ipaddress.IPv6Address(first - SIXES), ipaddress.IPv6Address(last - SIXES)
        bits = 128
    if first == last:
        return str(low)
    size = last - first + 1
    if size & (size - 1) == 0 and int(low) % size == 0:
        return f"{low}/{bits - size.bit_length() + 1}"
    return f"{low}-{high}"


def cidrs_of(ranges: Iterable[tuple[int, int]]) -> list[str]:
    """The fewest CIDRs that make up the ranges."""
    found: list[str] = []
    for first, last in ranges:
        place = first
        while place <= last:
            offset, bits = (0, 32) if family(place) == 4 else (SIXES, 128)
            own = place - offset
            size = own & -own if own else 1 << bits
            while size > last - place + 1:
                size >>= 1
            written = ipaddress.ip_address(own) if bits == 32 else ipaddress.IPv6Address(own)
            found.append(f"{written}/{bits - size.bit_length() + 1}")
            place += size
    return found


def around(ranges: Ranges) -> tuple[str, list[str]]:
    """The smallest CIDR around ranges of one family, and the CIDRs in it that are not theirs."""
    first, last = ranges[0][0], ranges[-1][1]
    offset = 0 if family(first) == 4 else SIXES
    size = 1 << ((first - offset) ^ (last - offset)).bit_length()
    start = offset + (first - offset) // size * size
    [wide] = cidrs_of([(start, start + size - 1)])
    return wide, cidrs_of(without([(start, start + size - 1)], ranges))


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted, with what overlaps or touches made one; the families stay apart."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1 and first != SIXES:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def without(ranges: Iterable[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges without those that are taken."""
    holes = joined(taken)
    found: list[tuple[int, int]] = []
    for low, high in joined(ranges):
        first = low
        for hole_first, hole_last in holes:
            if hole_last < first or hole_first > high:
                continue
            if hole_first > first:
                found.append((first, hole_first - 1))
            first = hole_last + 1
        if first <= high:
            found.append((first, high))
    return tuple(found)


def overlap(ranges: Ranges, others: Ranges) -> bool:
    return any(first <= high and low <= last for first, last in ranges for low, high in others)


def within(ranges: Ranges, wide: Ranges) -> bool:
    return not without(ranges, wide)


class AddressLine:
    """The line cut where any block begins or ends; each piece knows, as bits, which blocks it belongs to."""

    def __init__(self, blocks: Sequence[Ranges]) -> None:
        turns: dict[int, int] = {0: 0, SIXES: 0}
        for number, ranges in enumerate(blocks):
            bit = 1 << number
            for first, last in ranges:
                turns[first] = turns.get(first, 0) ^ bit
                turns[last + 1] = turns.get(last + 1, 0) ^ bit
        turns.pop(END, None)
        self._starts = sorted(turns)
        self._members: list[int] = []
        members = 0
        for start in self._starts:
            members ^= turns[start]
            self._members.append(members)

    def blocks_of(self, place: int) -> int:
        return self._members[bisect_right(self._starts, place) - 1]

    def pieces(self) -> Iterator[tuple[int, int, int]]:
        """First, last, blocks."""
        for number, start in enumerate(self._starts):
            last = self._starts[number + 1] - 1 if number + 1 < len(self._starts) else END - 1
            yield start, last, self._members[number]
