# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes, repairs and removes the lab's network, with iproute2 and nftables."""

from __future__ import annotations

import functools
import json
import os
import re
import time
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_network as plan
from ansible_collections.azora.platform.plugins.module_utils import _lab_system as system


def network_namespaces() -> set[str]:
    """The network namespaces that iproute2 knows and that are really there."""
    mounted = {point for point, kind in system.current_mounts() if kind == "nsfs"}
    try:
        names = os.listdir(system.NETNS_DIRECTORY)
    except FileNotFoundError:
        return set()
    return {name for name in names if {f"/run/netns/{name}", f"/var/run/netns/{name}"} & mounted}


def ip_json(netns: str | None, *arguments: str) -> list[dict[str, t.Any]]:
    """What `ip -json` says in a network namespace."""
    said = system.run(["ip", *(["-n", netns] if netns else []), "-json", *arguments]).stdout
    # Without anything to say, some versions say nothing and some say [{}].
    return [entry for entry in (json.loads(said) if said.strip() else []) if entry]


class LabNetwork:
    """Brings the network to what is wanted. In check mode it only lists what it would do."""

    def __init__(self, wanted: plan.Network, *, check_mode: bool) -> None:
        self.wanted = wanted
        self.check_mode = check_mode
        self.done: list[str] = []

    def _do(self, description: str, work: t.Callable[[], t.Any]) -> None:
        self.done.append(description)
        if not self.check_mode:
            work()

    def _run(self, command: list[str], stdin: str | None = None, description: str | None = None) -> None:
        self._do(description or " ".join(command), lambda: system.run(command, stdin=stdin))

    def _batch(self, netns: str | None, lines: list[str]) -> None:
        if lines:
            where = netns or "host"
            for line in lines:
                self.done.append(f"{where}: ip {line}")
            if not self.check_mode:
                system.run(["ip", *(["-n", netns] if netns else []), "-batch", "-"], stdin="\n".join(lines) + "\n")

    def present(self) -> None:
        """Make what is missing."""
        # Closed first: the host's rules stand before there is a link that they hold for.
        self._firewall()
        self._namespaces()
        existing = network_namespaces()
        if self.check_mode and not set(self.wanted.namespaces) <= existing:
            self.done.append("links, addresses and routes of the new network namespaces")
            return
        self._bridge()
        self._cables()
        for endpoint in self.wanted.endpoints:
            self._addresses(endpoint)

    def _firewall(self) -> None:
        rules = plan.firewall(self.wanted)
        table = ["table", "inet", self.wanted.nft_table]
        listed = system.run(["nft", "list", *table], check=False)
        if listed.returncode != 0 or plan.firewall_marks(listed.stdout) != plan.firewall_marks(rules):
            # One transaction: there is no moment without rules.
            replace = f"table inet {self.wanted.nft_table}\ndelete table inet {self.wanted.nft_table}\n{rules}"
            self._run(["nft", "-f", "-"], stdin=replace, description=f"nft table {self.wanted.nft_table}")

    def _namespaces(self) -> None:
        existing = network_namespaces()
        forwarding = {endpoint.netns for endpoint in self.wanted.endpoints if endpoint.forwards}
        for name in self.wanted.namespaces:
            if name not in existing:
                if os.path.exists(system.network_namespace_path(name)) and not self.check_mode:
                    # The file of a namespace that is no more.
                    os.unlink(system.network_namespace_path(name))
                self._run(["ip", "netns", "add", name])
            if not self.check_mode or name in existing:
                self._sysctls(name, plan.sysctls(forwards=name in forwarding))

    def _sysctls(self, netns: str, wanted: dict[str, str]) -> None:
        def differing() -> list[str]:
            # A kernel without IPv6 lacks the settings that switch it off.
            paths = [key for key in wanted if os.path.exists(f"/proc/sys/{key}")]
            return [key for key in paths if _read(f"/proc/sys/{key}") != wanted[key]]

        def apply(keys: list[str]) -> None:
            for key in keys:
                with open(f"/proc/sys/{key}", "w", encoding="utf-8") as file:
                    file.write(wanted[key])

        keys = system.in_network_namespace(netns, differing)
        for key in keys:
            self.done.append(f"{netns}: {key.replace('/', '.')}={wanted[key]}")
        if keys and not self.check_mode:
            system.in_network_namespace(netns, lambda: apply(keys))

    def _bridge(self) -> None:
        fabric, bridge = self.wanted.fabric, self.wanted.bridge
        links = {link["ifname"]: link for link in ip_json(fabric, "link", "show")}
        lines = [] if bridge in links else [f"link add {bridge} type bridge"]
        for name in (bridge, "lo"):
            if "UP" not in links.get(name, {}).get("flags", []):
                lines.append(f"link set {name} up")
        self._batch(fabric, lines)

    def _cables(self) -> None:
        fabric, bridge = self.wanted.fabric, self.wanted.bridge
        places = {None, fabric, *(endpoint.netns for endpoint in self.wanted.endpoints)}
        links = {place: {link["ifname"] for link in ip_json(place, "link", "show")} for place in places}
        for endpoint in plan.missing_links(self.wanted, links):
            # One end may be left, or hang in a namespace that lost its name; it goes, and the other end with it.
            if endpoint.port in links[fabric]:
                self._batch(fabric, [f"link del {endpoint.port}"])
            elif endpoint.interface in links[endpoint.netns]:
                self._batch(endpoint.netns, [f"link del {endpoint.interface}"])
            peer = f"peer name {endpoint.port} netns {fabric}"
            lines = [f"link add {endpoint.interface} type veth {peer}"]
            if endpoint.netns is None:
                lines.append(f"link set dev {endpoint.interface} alias {self.wanted.link_alias}")
            self._batch(endpoint.netns, lines)
        wanted_ports = {endpoint.port for endpoint in self.wanted.endpoints}
        fabric_links = {link["ifname"]: link for link in ip_json(fabric, "link", "show")}
        lines = []
        for port in sorted(wanted_ports & set(fabric_links)):
            if fabric_links[port].get("master") != bridge:
                lines.append(f"link set {port} master {bridge}")
            if "UP" not in fabric_links[port].get("flags", []):
                lines.append(f"link set {port} up")
        self._batch(fabric, lines)

    def _addresses(self, endpoint: plan.Endpoint) -> None:
        links = ip_json(endpoint.netns, "address", "show")
        lines = plan.address_commands(endpoint.interface, [endpoint.address], links)
        if endpoint.netns:
            lines += plan.address_commands("lo", endpoint.loopback, links)
        self._batch(endpoint.netns, lines)
        routes = ip_json(endpoint.netns, "route", "show")
        self._batch(endpoint.netns, plan.route_commands(endpoint.interface, endpoint.routes, routes))

    def absent(self, namespaces: t.Pattern[str], link_alias: str) -> None:
        """Remove what a lab may have, of whatever number of nodes: found by its names, not by what is wanted now."""
        # Without the tools there never was a network.
        if not _has_tool("ip"):
            return
        self.remove_namespaces(namespaces)
        for link in ip_json(None, "link", "show"):
            if link.get("ifalias") == link_alias:
                self._delete_link(link["ifname"])
        table = ["table", "inet", self.wanted.nft_table]
        if _has_tool("nft") and system.run(["nft", "list", *table], check=False).returncode == 0:
            self._run(["nft", "delete", *table])

    def remove_namespaces(self, pattern: t.Pattern[str]) -> None:
        """Remove network namespaces, with all links that end in them."""
        existing = network_namespaces()
        try:
            names = os.listdir(system.NETNS_DIRECTORY)
        except FileNotFoundError:
            names = []
        for name in sorted(names):
            if not pattern.match(name):
                continue
            if name in existing:
                self._run(["ip", "netns", "delete", name])
            else:
                path = system.network_namespace_path(name)
                self._do(f"the stale file {path}", functools.partial(os.unlink, path))

    def _delete_link(self, name: str) -> None:
        def delete() -> None:
            done = system.run(["ip", "link", "delete", name], check=False)
            # The kernel removes it by itself, a little later, when the namespace of its other end goes.
            deadline = time.monotonic() + 5
            while os.path.exists(f"/sys/class/net/{name}") and time.monotonic() < deadline:
                time.sleep(0.02)
            if os.path.exists(f"/sys/class/net/{name}"):
                raise system.LabError(f"the link {name} cannot be removed: {done.stderr.strip()}")

        self._do(f"ip link delete {name}", delete)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _has_tool(name: str) -> bool:
    return any(
        os.access(os.path.join(directory, name), os.X_OK) for directory in ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
    )


def matching(names: t.Iterable[str]) -> t.Pattern[str]:
    """A pattern for exactly these names."""
    return re.compile("^(?:" + "|".join(re.escape(name) for name in names) + ")$")
