# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a machine for _lab_preflight. What has to be tried is tried in throwaway namespaces and leaves nothing."""

from __future__ import annotations

import glob
import json
import os
import platform
import shutil
import tempfile
import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _lab_cgroups as cgroups
from ansible_collections.azora.platform.plugins.module_utils import _lab_preflight as preflight
from ansible_collections.azora.platform.plugins.module_utils import _lab_system as system

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# One rule of each kind that the lab, kube-proxy and the network policy agent use.
TRIAL_RULES = """\
table inet azora-trial {
  set addresses { type ipv4_addr . inet_proto . inet_service; flags interval; }
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain target { accept; }
  chain forward {
    type filter hook forward priority -150; policy accept;
    ct state established,related accept
    ip saddr . meta l4proto . th dport vmap @services
    ip saddr . meta l4proto . th dport @addresses counter drop comment "trial"
    ip saddr 10.0.0.0/8 reject with icmp type admin-prohibited
  }
  chain in_nat {
    type nat hook prerouting priority -100; policy accept;
    meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }
  }
  chain out_nat {
    type nat hook postrouting priority 100; policy accept;
    meta mark & 0x4000 == 0x4000 masquerade fully-random
  }
}
"""


def existing_ancestor(path: str) -> str:
    """The nearest directory above PATH, or PATH itself, that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path


def observe(layout: dict[str, t.Any], disk_directories: t.Sequence[str], labs_directory: str) -> preflight.Machine:
    """Look at this machine."""
    kind, user = platform.system(), os.geteuid() if hasattr(os, "geteuid") else -1
    if kind != "Linux" or user != 0:
        return preflight.Machine(kind, user)
    tools = tuple(tool for tool in preflight.TOOLS if not shutil.which(tool, path=SEARCH_PATH))
    hierarchies = cgroups.hierarchies()
    mounted = bool(hierarchies.mounted)
    return preflight.Machine(
        kind,
        user,
        missing_tools=tools,
        overlay_trial=_overlay_trial(existing_ancestor(layout["dir"])),
        network_trial=None if "ip" in tools else _in_throwaway_network([["ip", *words] for words in _LINKS]),
        nftables_trial=None if "nft" in tools else _in_throwaway_network([["nft", "-f", "-"]], TRIAL_RULES),
        cgroup_controllers=frozenset(hierarchies.controllers),
        cgroup_version=hierarchies.version if mounted else 0,
        cgroup_trial=_cgroup_trial(layout["cgroup"], hierarchies) if mounted else None,
        memory_available=_memory_available(),
        disks=tuple(
            (directory, shutil.disk_usage(existing_ancestor(directory)).free) for directory in disk_directories
        ),
        inotify_instances=int(_read("/proc/sys/fs/inotify/max_user_instances") or 0),
        interfaces=() if "ip" in tools else _interfaces(),
        routes=() if "ip" in tools else _routes(),
        other_labs=_other_labs(labs_directory, layout["name"]),
        running=bool(cgroups.processes(layout["cgroup"], hierarchies)),
    )


_LINKS = (
    ("link", "add", "bridge0", "type", "bridge"),
    ("link", "add", "veth0", "type", "veth", "peer", "name", "veth1"),
    ("link", "set", "veth1", "master", "bridge0"),
)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _memory_available() -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _in_child(work: t.Callable[[], None]) -> str | None:
    """Do WORK in a child process, whose namespaces end with it; nothing, or what went wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            os.write(writer, (str(error) or type(error).__name__).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return " ".join(said.split()).rstrip(".") or None


def _in_throwaway_network(commands: t.Sequence[t.Sequence[str]], stdin: str | None = None) -> str | None:
    def work() -> None:
        system.system_call("unshare", system.CLONE_NEWNET)
        for command in commands:
            system.run(command, stdin=stdin)

    return _in_child(work)


def _overlay_trial(directory: str) -> str | None:
    """Mount an overlay where the lab's containers will have theirs: not every file system can carry one."""
    trial = tempfile.mkdtemp(prefix=".azora-trial-", dir=directory)

    def work() -> None:
        system.system_call("unshare", system.CLONE_NEWNS)
        system.system_call("mount", None, "/", None, 0x4000 | 0x40000, None)
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{trial}/{name}")
        options = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
        system.system_call("mount", "overlay", f"{trial}/merged", "overlay", 0, options)
        with open(f"{trial}/merged/file", "w", encoding="utf-8"):
            pass

    try:
        return _in_child(work)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _cgroup_trial(path: str, hierarchies: cgroups.Hierarchies) -> str | None:
    if cgroups.exists(path, hierarchies):
        return None
    trial = f"{path}-trial-{os.getpid()}"
    try:
        cgroups.create(trial, hierarchies)
        cgroups.remove(trial, hierarchies)
    except (system.LabError, OSError) as error:
        return str(error)
    return None


def _interfaces() -> tuple[preflight.Interface, ...]:
    found = json.loads(system.run(["ip", "-json", "-4", "address", "show"]).stdout or "[]")
    aliases = {
        link["ifname"]: link.get("ifalias", "")
        for link in json.loads(system.run(["ip", "-json", "link", "show"]).stdout or "[]")
        if link
    }
    networks = {
        entry["ifname"]: tuple(f"{info['local']}/{info['prefixlen']}" for info in entry.get("addr_info", []))
        for entry in found
        if entry
    }
    return tuple(preflight.Interface(name, alias, networks.get(name, ())) for name, alias in aliases.items())


def _routes() -> tuple[preflight.Route, ...]:
    said = system.run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout
    return tuple(
        preflight.Route("0.0.0.0/0" if route["dst"] == "default" else route["dst"], route.get("dev", "nothing"))
        for route in json.loads(said or "[]")
        if route.get("dst")
    )


def _other_labs(labs_directory: str, own_name: str) -> tuple[tuple[str, int], ...]:
    found = []
    for path in glob.glob(os.path.join(labs_directory, "*", "layout.json")):
        try:
            with open(path, encoding="utf-8") as file:
                layout = json.load(file)
            if layout["name"] != own_name:
                found.append((str(layout["name"]), int(layout["index"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return tuple(found)
