# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network as data: what is wanted, and the commands that lead there."""

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _lab_layout
from ansible_collections.azora.platform.plugins.module_utils import _lab_network as plan


def wanted(name: str = "dev", nodes: int = 3) -> plan.Network:
    return plan.network(_lab_layout.layout(name, nodes=nodes, directory="/d", run_directory="/r", index=13))


def endpoint(netns: str | None) -> plan.Endpoint:
    return next(endpoint for endpoint in wanted().endpoints if endpoint.netns == netns)


def test_every_part_has_a_namespace_but_the_host() -> None:
    expected = ["dev-fabric", "dev-control", "dev-outside", "dev-node1", "dev-node2", "dev-node3"]
    assert wanted().namespaces == expected
    assert wanted().host.interface == "azlab13"


def test_the_lab_is_closed() -> None:
    """Only nodes forward, and only nodes have a default route: to the outside, which forwards nothing and leads nowhere."""
    for part in wanted().endpoints:
        has_default = any(destination == plan.DEFAULT for destination, _via in part.routes)
        assert has_default == part.forwards == ("node" in (part.netns or ""))
    assert dict(endpoint("dev-node1").routes)[plan.DEFAULT] == "10.155.128.254"
    assert plan.sysctls(forwards=False)["net/ipv4/ip_forward"] == "0"
    assert plan.sysctls(forwards=True)["net/ipv6/conf/all/disable_ipv6"] == "1"


def test_everybody_finds_every_pod() -> None:
    pods = {"10.154.1.0/24": "10.155.128.11", "10.154.2.0/24": "10.155.128.12", "10.154.3.0/24": "10.155.128.13"}
    for netns in (None, "dev-control", "dev-outside"):
        assert dict(endpoint(netns).routes) == pods
    own = dict(endpoint("dev-node2").routes)
    assert "10.154.2.0/24" not in own
    assert own["10.154.3.0/24"] == "10.155.128.13"


def test_host_rules_drop_what_the_lab_begins_and_what_would_be_forwarded() -> None:
    rules = plan.firewall(wanted())
    assert 'iifname "azlab13" ct state established,related accept' in rules
    assert rules.count('iifname "azlab13" drop') == 2
    assert rules.count('oifname "azlab13" drop') == 1
    assert len(set(plan.firewall_marks(rules))) == 1


def test_missing_and_changed_rules_are_seen() -> None:
    rules = plan.firewall(wanted())
    marks = plan.firewall_marks(rules)
    assert len(marks) == 4
    without_one = "".join(line for line in rules.splitlines(keepends=True) if "oifname" not in line)
    assert plan.firewall_marks(without_one) != marks
    assert plan.firewall_marks(plan.firewall(wanted("other"))) == marks, "the rules hold for the link, not for the name"
    assert plan.firewall_marks("table inet other { }") == []


def link(name: str, *addresses: str, up: bool = True) -> dict[str, Any]:
    info = [{"family": "inet", "local": a.split("/")[0], "prefixlen": int(a.split("/")[1])} for a in addresses]
    return {"ifname": name, "flags": ["UP"] if up else [], "addr_info": info}


def test_addresses_become_exactly_what_is_wanted() -> None:
    assert plan.address_commands("eth0", ["10.0.0.1/24"], [link("eth0", "10.0.0.1/24")]) == []
    assert plan.address_commands("eth0", ["10.0.0.1/24"], [link("eth0", up=False)]) == [
        "address add 10.0.0.1/24 dev eth0",
        "link set eth0 up",
    ]
    assert plan.address_commands("eth0", ["10.0.0.1/24"], [link("eth0", "10.0.0.9/24")]) == [
        "address add 10.0.0.1/24 dev eth0",
        "address del 10.0.0.9/24 dev eth0",
    ]


def test_loopback_keeps_its_own_address() -> None:
    assert plan.address_commands("lo", [], [link("lo", "127.0.0.1/8")]) == []


def test_routes_become_exactly_what_is_wanted_and_others_stay() -> None:
    present = [
        {"dst": "default", "gateway": "10.0.0.254", "dev": "eth0"},
        {"dst": "10.9.3.0/24", "gateway": "10.0.0.13", "dev": "eth0"},
        # Of the kernel, and of a pod.
        {"dst": "10.0.0.0/24", "dev": "eth0", "prefsrc": "10.0.0.1"},
        {"dst": "10.9.1.2", "dev": "veth1"},
    ]
    wanted_routes = [("default", "10.0.0.254"), ("10.9.2.0/24", "10.0.0.12")]
    assert plan.route_commands("eth0", wanted_routes, present) == [
        "route del 10.9.3.0/24 via 10.0.0.13 dev eth0",
        "route replace 10.9.2.0/24 via 10.0.0.12 dev eth0",
    ]
    assert plan.route_commands("eth0", [("default", "10.0.0.254"), ("10.9.3.0/24", "10.0.0.13")], present) == []


def test_a_cable_with_one_end_lost_is_made_again() -> None:
    network = wanted(nodes=1)

    def missing(lost_in: str | None = "", lost: str = "") -> list[str]:
        links: dict[str | None, set[str]] = {part.netns: {"lo", part.interface} for part in network.endpoints}
        links[network.fabric] = {"lo", network.bridge, *(part.port for part in network.endpoints)}
        if lost:
            links[lost_in].discard(lost)
        return [part.port for part in plan.missing_links(network, links)]

    assert missing() == []
    assert missing(None, "azlab13") == ["host"]
    assert missing("dev-fabric", "node1") == ["node1"]
    assert missing("dev-outside", "eth0") == ["outside"]


def test_only_namespaces_of_this_lab_are_removed() -> None:
    pattern = plan.netns_pattern("dev")
    assert all(pattern.match(f"dev-{part}") for part in ("fabric", "control", "outside", "node1", "node9"))
    foreign = ("dev", "dev-node10", "dev-node1-control", "dev2-node1", "xdev-node1", "dev-nodex", "dev.node1")
    assert not any(pattern.match(name) for name in foreign)
