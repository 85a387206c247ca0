# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine must offer for a lab, judged from observations. Pure: looking is the business of _lab_machine."""

from __future__ import annotations

import dataclasses
import ipaddress

from ansible_collections.azora.platform.plugins.module_utils._lab_layout import LINK_ALIAS_PREFIX

MEBIBYTE = 1024 * 1024
# Each node takes a few for its kubelet, its containerd and each of its pods.
INOTIFY_INSTANCES_PER_NODE = 16
# The program and the Debian package that brings it.
TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "mount": "mount",
    "umount": "mount",
    "nsenter": "util-linux",
}


@dataclasses.dataclass(frozen=True)
class Interface:
    """A network interface of the host and its IPv4 networks."""

    name: str
    alias: str
    networks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Route:
    """A route of the host."""

    destination: str
    interface: str


@dataclasses.dataclass(frozen=True)
class Machine:
    """What was observed. A trial is nothing when it worked, otherwise what went wrong."""

    system: str
    effective_user: int
    missing_tools: tuple[str, ...] = ()
    overlay_trial: str | None = None
    network_trial: str | None = None
    nftables_trial: str | None = None
    cgroup_controllers: frozenset[str] = frozenset()
    cgroup_version: int = 0
    cgroup_trial: str | None = None
    memory_available: int = 0
    # Directory and free bytes of its file system.
    disks: tuple[tuple[str, int], ...] = ()
    inotify_instances: int = 0
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    # Other labs of this machine, by what they wrote down: name and index.
    other_labs: tuple[tuple[str, int], ...] = ()
    # The lab itself already runs: what it uses is not missing.
    running: bool = False


@dataclasses.dataclass(frozen=True)
class Needs:
    """What this lab needs."""

    name: str
    index: int
    nodes: int
    address_range: str
    host_interface: str
    link_alias: str
    required_controllers: tuple[str, ...]
    memory: int
    # Directory and bytes that its file system must have.
    disks: tuple[tuple[str, int], ...]
    # The tools that will be installed if they are missing are no problem.
    installs_tools: bool = False


def judge(machine: Machine, needs: Needs) -> list[str]:
    """Everything that is missing, each in one sentence; nothing can be judged on another system or as another user."""
    if machine.system != "Linux":
        return [f"The lab runs on Linux only; this is {machine.system}."]
    if machine.effective_user != 0:
        return ["The lab needs root: it makes network namespaces, mounts and control groups. Run this as root."]
    problems = [*_tools(machine, needs), *_kernel(machine), *_cgroups(machine, needs)]
    if not machine.running:
        problems += _resources(machine, needs)
    return [*problems, *_addresses(machine, needs)]


def warnings(machine: Machine, needs: Needs) -> list[str]:
    """What works, and yet is worth knowing."""
    wanted = ipaddress.IPv4Network(needs.address_range)
    return [
        f"The route {route.destination} via {route.interface} covers the lab's addresses {needs.address_range}; "
        "while the lab runs, its own, more specific routes win for these."
        for route in machine.routes
        if (network := _network(route.destination)) is not None
        and 0 < network.prefixlen < wanted.prefixlen
        and network.supernet_of(wanted)
    ]


def _tools(machine: Machine, needs: Needs) -> list[str]:
    if needs.installs_tools:
        return []
    return [f"The program {tool} is missing; install the package {TOOLS[tool]}." for tool in machine.missing_tools]


def _kernel(machine: Machine) -> list[str]:
    problems = []
    if machine.overlay_trial:
        problems.append(f"Overlay file systems cannot be mounted, and containers need them: {machine.overlay_trial}.")
    if machine.network_trial:
        problems.append(f"Bridges and veth links cannot be made in a network namespace: {machine.network_trial}.")
    if machine.nftables_trial:
        problems.append(f"The kernel does not take the nftables rules that the lab needs: {machine.nftables_trial}.")
    return problems


def _cgroups(machine: Machine, needs: Needs) -> list[str]:
    if not machine.cgroup_version:
        return ["No cgroup hierarchy is mounted; mount cgroup version 1 or 2 below /sys/fs/cgroup."]
    problems = [
        f"The cgroup controller {name} is not available; the kubelet needs it."
        for name in needs.required_controllers
        if name not in machine.cgroup_controllers
    ]
    if machine.cgroup_trial:
        problems.append(f"No control groups can be made: {machine.cgroup_trial}.")
    return problems


def _resources(machine: Machine, needs: Needs) -> list[str]:
    problems = []
    free = dict(machine.disks)
    if machine.memory_available < needs.memory:
        problems.append(
            f"The lab with {needs.nodes} nodes needs {needs.memory // MEBIBYTE} MiB of available memory; "
            f"there are {machine.memory_available // MEBIBYTE} MiB."
        )
    problems += [
        f"{directory} needs {needed // MEBIBYTE} MiB of free disk; there are {free[directory] // MEBIBYTE} MiB."
        for directory, needed in needs.disks
        if free[directory] < needed
    ]
    instances = needs.nodes * INOTIFY_INSTANCES_PER_NODE
    if machine.inotify_instances < instances:
        problems.append(
            f"fs.inotify.max_user_instances is {machine.inotify_instances}; {needs.nodes} nodes need {instances}: "
            f"run sysctl -w fs.inotify.max_user_instances={max(512, instances)}."
        )
    return problems


def _addresses(machine: Machine, needs: Needs) -> list[str]:
    wanted = ipaddress.IPv4Network(needs.address_range)
    own = {interface.name for interface in machine.interfaces if interface.alias == needs.link_alias}
    # One sentence for each lab and each interface, however many addresses and routes of it are seen.
    labs = {name for name, index in machine.other_labs if index == needs.index and name != needs.name}
    of_labs = set()
    uses: dict[str, str] = {}
    for interface in machine.interfaces:
        taken = interface.name == needs.host_interface or any(_overlaps(text, wanted) for text in interface.networks)
        if not taken or interface.name in own:
            continue
        if interface.alias.startswith(LINK_ALIAS_PREFIX):
            labs.add(interface.alias.removeprefix(LINK_ALIAS_PREFIX))
            of_labs.add(interface.name)
        else:
            uses[interface.name] = f"the interface {interface.name}"
    for route in machine.routes:
        if route.interface not in own | of_labs and _overlaps(route.destination, wanted):
            uses.setdefault(route.interface, f"the route {route.destination} via {route.interface}")
    advice = f"set lab_index to another number than {needs.index}"
    return [
        *(f"The lab {name} uses the same address range {needs.address_range}; {advice}." for name in sorted(labs)),
        *(f"The address range {needs.address_range} is in use by {what}; {advice}." for what in uses.values()),
    ]


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def _overlaps(text: str, wanted: ipaddress.IPv4Network) -> bool:
    """Whether something lies inside the wanted range. What merely covers it (10.0.0.0/8 of a VPN) gives way to it."""
    network = _network(text)
    return network is not None and network.prefixlen >= wanted.prefixlen and network.overlaps(wanted)
