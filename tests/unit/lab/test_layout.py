# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layout of labs: what follows from a name, and that two labs never meet."""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _lab_layout

# The kernel's limits.
LONGEST_INTERFACE = 15
LONGEST_SOCKET = 107


def lay_out(name: str = "dev", nodes: int = 3, **more: Any) -> dict[str, Any]:
    return _lab_layout.layout(
        name, nodes=nodes, directory=f"/var/lib/azora-lab/{name}", run_directory=f"/run/azora-lab/{name}", **more
    )


def ranges(layout: dict[str, Any]) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(layout[key]) for key in ("pod_cidr", "service_cidr", "node_cidr")]


def test_labs_of_different_indexes_share_no_address() -> None:
    everything = [ipaddress.IPv4Network(lay_out(index=index)["address_range"]) for index in range(_lab_layout.INDEXES)]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(everything, 2))
    assert all(network.subnet_of(ipaddress.IPv4Network("10.128.0.0/9")) for network in everything)


def test_labs_of_different_names_share_no_name() -> None:
    def names(layout: dict[str, Any]) -> set[str]:
        namespaces = {layout[part]["netns"] for part in ("fabric", "control", "outside")}
        nodes = {node[key] for node in layout["possible_nodes"] for key in ("netns", "cgroup", "dir", "run_dir")}
        return namespaces | nodes | {layout[key] for key in ("cgroup", "dir", "run_dir", "nft_table", "link_alias")}

    # Names that begin like another's, or like a part of another.
    labs = [names(lay_out(name, index=0)) for name in ("a", "a-node1", "a-control", "a-node1-control", "ab")]
    assert not any(one & other for one, other in itertools.combinations(labs, 2))


@pytest.mark.parametrize("index", [0, 13, 59])
def test_ranges_of_a_lab_lie_apart_and_inside(index: int) -> None:
    layout = lay_out(index=index, nodes=9)
    whole = ipaddress.IPv4Network(layout["address_range"])
    assert all(network.subnet_of(whole) for network in ranges(layout))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(ranges(layout), 2))
    pods, services, machines = ranges(layout)
    assert all(ipaddress.IPv4Network(node["pod_cidr"]).subnet_of(pods) for node in layout["nodes"])
    assert len({node["pod_cidr"] for node in layout["nodes"]}) == 9
    assert {
        ipaddress.IPv4Address(layout["dns_address"]),
        ipaddress.IPv4Address(layout["api_server"]["service_address"]),
    } < set(services)
    addresses = [layout["host_address"], layout["control"]["address"], layout["outside"]["address"]]
    addresses += [node["address"] for node in layout["nodes"]]
    assert len(set(addresses)) == len(addresses)
    assert all(ipaddress.IPv4Address(address) in machines for address in addresses)


def test_contract_addresses() -> None:
    layout = lay_out(index=13)
    assert layout["address_range"] == "10.154.0.0/15"
    assert layout["pod_cidr"] == "10.154.0.0/16"
    assert layout["service_cidr"] == "10.155.0.0/17"
    assert layout["api_server"]["url"] == "https://10.155.128.2:6443"
    assert layout["api_server"]["service_address"] == "10.155.0.1"
    assert layout["dns_address"] == "10.155.0.10"
    assert layout["outside"]["address"] == "10.155.128.254"
    assert layout["outside"]["external_address"] == "198.51.100.10"
    assert layout["outside"]["external_name"] == "llm.outside.example"
    assert (layout["outside"]["external_port"], layout["outside"]["object_store_port"]) == (443, 9000)
    assert [node["address"] for node in layout["nodes"]] == ["10.155.128.11", "10.155.128.12", "10.155.128.13"]
    assert layout["kubeconfig"] == "/var/lib/azora-lab/dev/kubeconfig"


def test_the_longest_name_fits_the_kernel() -> None:
    layout = lay_out("a" * 20, nodes=9, index=59)
    assert len(layout["host_interface"]) <= LONGEST_INTERFACE
    assert all(len(node["containerd_socket"]) <= LONGEST_SOCKET for node in layout["nodes"])


def test_index_follows_from_the_name() -> None:
    assert lay_out("dev")["index"] == lay_out("dev")["index"] == _lab_layout.index_of("dev")
    assert 0 <= _lab_layout.index_of("anything") < _lab_layout.INDEXES
    assert lay_out("dev", index=7)["index"] == 7


def test_nodes_keep_their_addresses_when_others_come() -> None:
    assert lay_out(nodes=3)["nodes"] == lay_out(nodes=9)["nodes"][:3]
    assert len(lay_out(nodes=1)["nodes"]) == 1
    assert len(lay_out(nodes=1)["possible_nodes"]) == 9


@pytest.mark.parametrize("name", ["", "Dev", "1dev", "de v", "dev_1", "a" * 21, "dev/x", "dev\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(_lab_layout.LayoutError, match="lab_name"):
        lay_out(name)


@pytest.mark.parametrize("nodes", [0, 10, -1])
def test_bad_numbers_of_nodes_are_refused(nodes: int) -> None:
    with pytest.raises(_lab_layout.LayoutError, match="lab_nodes"):
        lay_out(nodes=nodes)


@pytest.mark.parametrize("index", [-1, 60])
def test_bad_indexes_are_refused(index: int) -> None:
    with pytest.raises(_lab_layout.LayoutError, match="lab_index"):
        lay_out(index=index)


def test_filter_takes_text_from_the_command_line() -> None:
    from ansible_collections.azora.platform.plugins.filter.lab_layout import lab_layout

    layout = lab_layout("dev", nodes="2", directory="/d", run_directory="/r", index="4")
    assert (len(layout["nodes"]), layout["index"], layout["kubeconfig"]) == (2, 4, "/d/kubeconfig")


def test_filter_says_what_is_wrong() -> None:
    from ansible.errors import AnsibleFilterError
    from ansible_collections.azora.platform.plugins.filter.lab_layout import lab_layout

    with pytest.raises(AnsibleFilterError, match="lab_name is 'Dev'"):
        lab_layout("Dev", directory="/d", run_directory="/r")
