# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses on their line, and sets of ports: against counting one by one."""

from __future__ import annotations

import ipaddress
import itertools
import random

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _policy_addresses as addresses
from ansible_collections.azora.platform.plugins.module_utils import _policy_ports as ports
from ansible_collections.azora.platform.plugins.module_utils._policy_model import ALL_PORTS, PortRange


def some_ranges(chance, size, most=5):
    starts = sorted(chance.sample(range(size), chance.randint(0, most)))
    return [(start, min(size - 1, start + chance.randrange(8))) for start in starts]


def elements(ranges):
    return {place for first, last in ranges for place in range(first, last + 1)}


@pytest.mark.parametrize("seed", range(200))
def test_sets_of_addresses(seed):
    chance = random.Random(seed)
    one, other = some_ranges(chance, 60), some_ranges(chance, 60)
    whole = addresses.joined(one)
    assert elements(whole) == elements(one)
    assert all(first > before_last + 1 for (_b, before_last), (first, _l) in itertools.pairwise(whole))
    assert elements(addresses.without(one, other)) == elements(one) - elements(other)
    assert addresses.overlap(tuple(one), tuple(other)) == bool(elements(one) & elements(other))
    assert addresses.within(tuple(one), tuple(other)) == (elements(one) <= elements(other))
    networks = [ipaddress.ip_network(text) for text in addresses.cidrs_of(whole)]
    assert {int(host) for network in networks for host in network} == elements(one)
    if whole:
        wide, holes = addresses.around(whole)
        inside = set(ipaddress.ip_network(wide)) - {host for hole in holes for host in ipaddress.ip_network(hole)}
        assert {int(host) for host in inside} == elements(one)


@pytest.mark.parametrize("seed", range(100))
def test_the_line_knows_the_blocks_of_every_address(seed):
    chance = random.Random(seed)
    blocks = [addresses.joined(some_ranges(chance, 80)) for _block in range(6)]
    line = addresses.AddressLine(blocks)
    pieces = list(line.pieces())
    assert pieces[0][0] == 0
    assert pieces[-1][1] == addresses.END - 1
    for place in range(80):
        wanted = sum(1 << number for number, block in enumerate(blocks) if place in elements(block))
        assert line.blocks_of(place) == wanted
        assert [found for first, last, found in pieces if first <= place <= last] == [wanted]


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("fd00::1", "fd00::1"),
        ("fd00::/64", "fd00::/64"),
        ("fd00::1-fd00::2", "fd00::1-fd00::2"),
        ("::-::ff", "::/120"),
        ("10.0.0.77/24", "10.0.0.0/24"),
    ],
)
def test_ranges_in_words(text, back):
    [bounds] = addresses.given_range(text)
    assert addresses.text_of(bounds) == back


@pytest.mark.parametrize(
    "text", ["", "shop/api", "10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.0/255.0.0.0", "fe80::1%eth0"]
)
def test_what_is_no_range(text):
    with pytest.raises(ValueError, match=r"does not appear|is no range|has a zone|is not a CIDR"):
        addresses.given_range(text)


def test_several_ranges():
    assert addresses.given_range("10.0.0.9, 10.0.0.0/30,fd00::1") == (
        *addresses.given_range("10.0.0.0/30"),
        *addresses.given_range("10.0.0.9"),
        *addresses.given_range("fd00::1"),
    )
    assert addresses.around(addresses.EVERYTHING[6]) == ("::/0", [])


def test_families_stay_apart():
    four, six = addresses.EVERYTHING[4], addresses.EVERYTHING[6]
    assert addresses.joined([*six, *four]) == (*four, *six)
    assert addresses.cidrs_of([*four, *six]) == ["0.0.0.0/0", "::/0"]


def some_ports(chance):
    found = []
    for _each in range(chance.randint(0, 5)):
        first = chance.randint(1, 40)
        found.append(PortRange(chance.randrange(3), first, min(40, first + chance.randrange(8))))
    return found


def each(found):
    return {(protocol, port) for protocol, first, last in found for port in range(first, last + 1)}


@pytest.mark.parametrize("seed", range(200))
def test_sets_of_ports(seed):
    chance = random.Random(seed)
    one, other = some_ports(chance), some_ports(chance)
    assert each(ports.joined(one)) == each(one)
    assert each(ports.without(one, other)) == each(one) - each(other)
    assert each(ports.common(one, other)) == each(one) & each(other)
    assert ports.covers(one, other) == (each(other) <= each(one))
    for protocol, words in ports.written(one).items():
        number = ("TCP", "UDP", "SCTP").index(protocol)
        assert ports.read(number, words) == tuple(entry for entry in ports.joined(one) if entry.protocol == number)


def test_ports_in_words():
    assert ports.in_words(ALL_PORTS) == "all ports"
    assert ports.in_words([PortRange(0, 80, 81), PortRange(0, 443, 443), PortRange(1, 1, 65535)]) == (
        "TCP 80-81 and 443, UDP on all ports"
    )
    assert ports.written([PortRange(2, 1, 65535)]) == {"SCTP": ["all"]}
