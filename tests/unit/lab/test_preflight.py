# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight's judgement: every missing thing in one sentence, all at once, and nothing that is not missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._lab_preflight import (
    MEBIBYTE,
    Interface,
    Machine,
    Needs,
    Route,
    judge,
    warnings,
)

NEEDS = Needs(
    name="dev",
    index=13,
    nodes=3,
    address_range="10.154.0.0/15",
    host_interface="azlab13",
    link_alias="azora-lab:dev",
    required_controllers=("cpu", "memory"),
    memory=3000 * MEBIBYTE,
    disks=(("/var/lib/azora-lab", 6000 * MEBIBYTE), ("/cache", 16000 * MEBIBYTE)),
)
GOOD = Machine(
    system="Linux",
    effective_user=0,
    cgroup_controllers=frozenset({"cpu", "memory", "pids"}),
    cgroup_version=2,
    memory_available=8000 * MEBIBYTE,
    disks=(("/var/lib/azora-lab", 50000 * MEBIBYTE), ("/cache", 50000 * MEBIBYTE)),
    inotify_instances=128,
    interfaces=(Interface("eth0", "", ("192.0.2.2/24",)),),
    routes=(Route("0.0.0.0/0", "eth0"), Route("192.0.2.0/24", "eth0")),
)


def having(**changes: Any) -> Machine:
    return dataclasses.replace(GOOD, **changes)


def test_a_good_machine_lacks_nothing() -> None:
    assert judge(GOOD, NEEDS) == []
    assert warnings(GOOD, NEEDS) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"system": "Darwin"}, "Linux only; this is Darwin"),
        ({"effective_user": 1000}, "needs root"),
        ({"missing_tools": ("nft",)}, "program nft is missing; install the package nftables"),
        (
            {"overlay_trial": "No such device"},
            "Overlay file systems cannot be mounted, and containers need them: No such device",
        ),
        ({"network_trial": "Operation not supported"}, "Bridges and veth links"),
        ({"nftables_trial": "Protocol not supported"}, "nftables rules that the lab needs: Protocol not supported"),
        ({"cgroup_version": 0}, "No cgroup hierarchy is mounted"),
        ({"cgroup_controllers": frozenset({"cpu"})}, "controller memory is not available"),
        ({"cgroup_trial": "Read-only file system"}, "No control groups can be made: Read-only file system"),
        ({"memory_available": 100 * MEBIBYTE}, "needs 3000 MiB of available memory; there are 100 MiB"),
        (
            {"disks": (("/var/lib/azora-lab", 6000 * MEBIBYTE), ("/cache", 10 * MEBIBYTE))},
            "/cache needs 16000 MiB of free disk; there are 10 MiB",
        ),
        ({"inotify_instances": 8}, "fs.inotify.max_user_instances is 8; 3 nodes need 48"),
        ({"interfaces": (Interface("tun0", "", ("10.154.7.1/24",)),)}, "in use by the interface tun0; set lab_index"),
        ({"interfaces": (Interface("azlab13", "", ()),)}, "in use by the interface azlab13"),
        ({"routes": (Route("10.155.128.0/20", "wg0"),)}, "in use by the route 10.155.128.0/20 via wg0; set lab_index"),
        (
            {"interfaces": (Interface("azlab13", "azora-lab:other", ("10.155.128.1/24",)),)},
            "The lab other uses the same",
        ),
        (
            {"other_labs": (("stopped", 13),)},
            "The lab stopped uses the same address range 10.154.0.0/15; set lab_index",
        ),
    ],
)
def test_each_missing_thing_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    problems = judge(having(**changes), NEEDS)
    assert len(problems) == 1
    assert sentence in problems[0]
    assert problems[0].endswith(".")


def test_everything_is_named_at_once() -> None:
    machine = having(
        missing_tools=("nft",),
        overlay_trial="no",
        cgroup_controllers=frozenset(),
        memory_available=0,
        disks=(("/var/lib/azora-lab", 0), ("/cache", 0)),
        routes=(Route("10.154.0.0/16", "wg0"),),
    )
    assert len(judge(machine, NEEDS)) == 8


def test_tools_that_will_be_installed_are_no_problem() -> None:
    assert judge(having(missing_tools=("nft",)), dataclasses.replace(NEEDS, installs_tools=True)) == []


def test_a_running_lab_does_not_lack_what_it_uses() -> None:
    own = (Interface("azlab13", "azora-lab:dev", ("10.155.128.1/24",)),)
    routes = (Route("10.155.128.0/24", "azlab13"), Route("10.154.1.0/24", "azlab13"))
    assert (
        judge(having(running=True, memory_available=0, disks=(("/cache", 0),), interfaces=own, routes=routes), NEEDS)
        == []
    )


def test_the_lab_itself_and_labs_elsewhere_are_no_problem() -> None:
    assert judge(having(other_labs=(("dev", 13), ("other", 14))), NEEDS) == []


def test_a_lab_with_the_same_addresses_is_named_once() -> None:
    link = Interface("azlab13", "azora-lab:other", ("10.155.128.1/24",))
    machine = having(
        interfaces=(link,),
        routes=(Route("10.155.128.0/24", "azlab13"), Route("10.154.1.0/24", "azlab13")),
        other_labs=(("other", 13),),
    )
    assert judge(machine, NEEDS) == [
        "The lab other uses the same address range 10.154.0.0/15; set lab_index to another number than 13."
    ]


def test_a_wider_route_only_warns() -> None:
    machine = having(routes=(Route("0.0.0.0/0", "eth0"), Route("10.0.0.0/8", "tun0")))
    assert judge(machine, NEEDS) == []
    assert len(warnings(machine, NEEDS)) == 1
    assert "10.0.0.0/8 via tun0" in warnings(machine, NEEDS)[0]
