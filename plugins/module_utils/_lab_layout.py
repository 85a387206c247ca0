# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that follows from a lab's name: names, addresses, paths. Pure: it looks at nothing."""

from __future__ import annotations

import re
import typing as t
import zlib

# 10.128.0.0/9 holds this many labs of a /15 each: 10.128.0.0/15 … 10.246.0.0/15.
INDEXES = 60
MAX_NODES = 9
NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,19}")

# The one address "outside" (RFC 5737, TEST-NET-2) and the name under which the lab's DNS knows it.
# Each of its servers has a port of its own.
OUTSIDE_ADDRESS = "198.51.100.10"
OUTSIDE_NAME = "llm.outside.example"
OUTSIDE_PORT = 443
OBJECT_STORE_PORT = 9000
API_SERVER_PORT = 6443
# In the terms of control groups version 2.
DEFAULT_CPU_WEIGHT = 100
# Links carry their lab's name, so that what belongs to whom can be read off the machine.
LINK_ALIAS_PREFIX = "azora-lab:"


class LayoutError(ValueError):
    """The lab cannot be laid out as asked."""


def index_of(name: str) -> int:
    """The address range a lab's name leads to."""
    return zlib.crc32(name.encode()) % INDEXES


def layout(
    name: str,
    *,
    nodes: int,
    directory: str,
    run_directory: str,
    index: int | None = None,
    kubeconfig: str | None = None,
) -> dict[str, t.Any]:
    """Derive all names, addresses and paths of the lab NAME with NODES nodes."""
    if not NAME_PATTERN.fullmatch(name):
        raise LayoutError(f"lab_name is {name!r}; it must match {NAME_PATTERN.pattern}")
    if not 1 <= nodes <= MAX_NODES:
        raise LayoutError(f"lab_nodes is {nodes}; it must lie between 1 and {MAX_NODES}")
    place = index_of(name) if index is None else index
    if not 0 <= place < INDEXES:
        raise LayoutError(f"lab_index is {place}; it must lie between 0 and {INDEXES - 1}")

    low, high = 128 + 2 * place, 129 + 2 * place
    machines = f"10.{high}.128"
    cgroup = f"/azora-lab-{name}"
    control_address = f"{machines}.2"
    numbered = [
        {
            "name": f"node{number}",
            "number": number,
            "netns": f"{name}-node{number}",
            "port": f"node{number}",
            "address": f"{machines}.{10 + number}",
            "pod_cidr": f"10.{low}.{number}.0/24",
            "dir": f"{directory}/nodes/node{number}",
            "run_dir": f"{run_directory}/node{number}",
            "mount_namespace": f"{run_directory}/mount-namespaces/node{number}",
            "cgroup": f"{cgroup}/node{number}",
            "containerd_socket": f"{run_directory}/node{number}/containerd/containerd.sock",
            "volumes_dir": f"{directory}/nodes/node{number}/volumes",
        }
        for number in range(1, MAX_NODES + 1)
    ]
    return {
        "name": name,
        "index": place,
        "dir": directory,
        "run_dir": run_directory,
        "kubeconfig": kubeconfig or f"{directory}/kubeconfig",
        "pki_dir": f"{directory}/pki",
        "config_dir": f"{directory}/config",
        "log_dir": f"{directory}/logs",
        "records_dir": f"{run_directory}/processes",
        "mount_namespaces_dir": f"{run_directory}/mount-namespaces",
        "cgroup": cgroup,
        # A control group counts as much as one process outside of any; a cluster is many. The control plane comes first.
        "cgroups": {
            cgroup: DEFAULT_CPU_WEIGHT * (4 + 2 * nodes),
            f"{cgroup}/control": DEFAULT_CPU_WEIGHT * 4,
            f"{cgroup}/outside": DEFAULT_CPU_WEIGHT,
            **{node["cgroup"]: DEFAULT_CPU_WEIGHT * 2 for node in numbered[:nodes]},
            # Made here because containerd only looks for them.
            **{f"{node['cgroup']}/shims": DEFAULT_CPU_WEIGHT for node in numbered[:nodes]},
        },
        "address_range": f"10.{low}.0.0/15",
        "pod_cidr": f"10.{low}.0.0/16",
        "service_cidr": f"10.{high}.0.0/17",
        "node_cidr": f"{machines}.0/24",
        "prefix_length": 24,
        "host_interface": f"azlab{place}",
        "host_address": f"{machines}.1",
        "link_alias": f"{LINK_ALIAS_PREFIX}{name}",
        "nft_table": f"azora-lab-{name}",
        "fabric": {"netns": f"{name}-fabric", "bridge": "bridge"},
        "control": {
            "netns": f"{name}-control",
            "port": "control",
            "address": control_address,
            "cgroup": f"{cgroup}/control",
        },
        "outside": {
            "netns": f"{name}-outside",
            "port": "outside",
            "address": f"{machines}.254",
            "cgroup": f"{cgroup}/outside",
            "external_address": OUTSIDE_ADDRESS,
            "external_name": OUTSIDE_NAME,
            "external_port": OUTSIDE_PORT,
            "object_store_port": OBJECT_STORE_PORT,
        },
        "api_server": {
            "address": control_address,
            "port": API_SERVER_PORT,
            "url": f"https://{control_address}:{API_SERVER_PORT}",
            "service_address": f"10.{high}.0.1",
        },
        "dns_address": f"10.{high}.0.10",
        "cluster_domain": "cluster.local",
        "nodes": numbered[:nodes],
        # What a lab of this name may ever have had: taking nodes away needs to know where to look.
        "possible_nodes": numbered,
    }
