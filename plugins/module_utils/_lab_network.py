# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network as data: which namespaces, links, addresses and routes there should be. Pure: it runs nothing.

A bridge in a namespace of its own (the fabric) joins the host, the control plane, the outside and the nodes; it is not on the
host, where the rules of a container engine would apply to what it carries. Nothing is translated, and nothing leads further:
the nodes' default route ends in the outside's namespace, which forwards nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

# Where every packet for an unknown address goes; the kernel's word for it.
DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One end of a cable into the fabric. NETNS is nothing for the host."""

    netns: str | None
    interface: str
    # The other end, in the fabric.
    port: str
    address: str
    routes: tuple[tuple[str, str], ...]
    forwards: bool = False
    loopback: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Network:
    """The network of one lab."""

    fabric: str
    bridge: str
    link_alias: str
    nft_table: str
    endpoints: tuple[Endpoint, ...]

    @property
    def namespaces(self) -> list[str]:
        """Every network namespace of the lab."""
        return [self.fabric, *(endpoint.netns for endpoint in self.endpoints if endpoint.netns)]

    @property
    def host(self) -> Endpoint:
        """The host's end."""
        return next(endpoint for endpoint in self.endpoints if endpoint.netns is None)


def network(layout: dict[str, t.Any]) -> Network:
    """The network that a lab's layout asks for."""
    length = layout["prefix_length"]
    nodes = layout["nodes"]
    outside = layout["outside"]
    pod_routes = tuple((node["pod_cidr"], node["address"]) for node in nodes)

    def endpoint(part: dict[str, t.Any], routes: tuple[tuple[str, str], ...], **more: t.Any) -> Endpoint:
        return Endpoint(part["netns"], "eth0", part["port"], f"{part['address']}/{length}", routes, **more)

    return Network(
        fabric=layout["fabric"]["netns"],
        bridge=layout["fabric"]["bridge"],
        link_alias=layout["link_alias"],
        nft_table=layout["nft_table"],
        endpoints=(
            Endpoint(None, layout["host_interface"], "host", f"{layout['host_address']}/{length}", pod_routes),
            endpoint(layout["control"], pod_routes),
            endpoint(outside, pod_routes, loopback=(f"{outside['external_address']}/32",)),
            *(
                endpoint(
                    node,
                    (
                        (DEFAULT, outside["address"]),
                        *((other["pod_cidr"], other["address"]) for other in nodes if other is not node),
                    ),
                    forwards=True,
                )
                for node in nodes
            ),
        ),
    )


def sysctls(*, forwards: bool) -> dict[str, str]:
    """The settings of a network namespace of the lab."""
    return {
        # One address family: what is closed for IPv4 must not be open by another way.
        "net/ipv6/conf/all/disable_ipv6": "1",
        "net/ipv6/conf/default/disable_ipv6": "1",
        "net/ipv4/ip_forward": "1" if forwards else "0",
    }


def missing_links(wanted: Network, links: dict[str | None, set[str]]) -> list[Endpoint]:
    """The endpoints whose cable is not there; LINKS by network namespace. A cable with one end lost counts as missing."""
    ports = links.get(wanted.fabric, set())
    return [
        endpoint
        for endpoint in wanted.endpoints
        if endpoint.port not in ports or endpoint.interface not in links.get(endpoint.netns, set())
    ]


def address_commands(interface: str, wanted: t.Iterable[str], links: list[dict[str, t.Any]]) -> list[str]:
    """`ip -batch` lines that give INTERFACE exactly the WANTED addresses and bring it up; LINKS from `ip -json address`."""
    link = next((link for link in links if link.get("ifname") == interface), {})
    present = {
        f"{info['local']}/{info['prefixlen']}"
        for info in link.get("addr_info", [])
        if info.get("family") == "inet" and not info["local"].startswith("127.")
    }
    lines = [f"address add {address} dev {interface}" for address in wanted if address not in present]
    lines += [f"address del {address} dev {interface}" for address in sorted(present - set(wanted))]
    if "UP" not in link.get("flags", []):
        lines.append(f"link set {interface} up")
    return lines


def route_commands(interface: str, wanted: t.Iterable[tuple[str, str]], routes: list[dict[str, t.Any]]) -> list[str]:
    """`ip -batch` lines that give INTERFACE exactly the WANTED gateways; ROUTES from `ip -json route`."""
    present = {
        (route["dst"], route["gateway"]) for route in routes if route.get("dev") == interface and route.get("gateway")
    }
    lines = [f"route del {to} via {via} dev {interface}" for to, via in sorted(present - set(wanted))]
    lines += [f"route replace {to} via {via} dev {interface}" for to, via in wanted if (to, via) not in present]
    return lines


def firewall(wanted: Network) -> str:
    """The host's rules: the host may speak to the lab, and the lab may answer; nothing else, nowhere further."""
    interface = wanted.host.interface
    lines = [
        f'    iifname "{interface}" ct state established,related accept',
        f'    iifname "{interface}" drop',
    ]
    forward = [f'    iifname "{interface}" drop', f'    oifname "{interface}" drop']
    mark = hashlib.sha256("\n".join([*lines, *forward]).encode()).hexdigest()[:12]

    def marked(rules: list[str]) -> str:
        return "\n".join(f'{rule} comment "{mark}"' for rule in rules)

    # Before the rules of others, whose chains usually stand at priority 0.
    return (
        f"table inet {wanted.nft_table} {{\n"
        "  chain input {\n"
        "    type filter hook input priority -150; policy accept;\n"
        f"{marked(lines)}\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority -150; policy accept;\n"
        f"{marked(forward)}\n"
        "  }\n"
        "}\n"
    )


def firewall_marks(text: str) -> list[str]:
    """The marks of the rules in a ruleset, in order: those of the wanted and of the present one are compared."""
    return re.findall(r'comment "([0-9a-f]{12})"', text)


def netns_pattern(lab_name: str) -> re.Pattern[str]:
    """The network namespaces that a lab of this name can have, whatever its number of nodes was."""
    return re.compile(rf"^{re.escape(lab_name)}-(?:fabric|control|outside|node[1-9])$")
