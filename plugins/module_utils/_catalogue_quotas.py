# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the workloads of a namespace need of it at their most, and the quota and limits that hold them with room to spare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._quantity import quantity

Entry = Mapping[str, Any]
# Beyond what an update needs at the most: room for a copy of each workload (verify_cut_off) and for what comes next.
HEAD_ROOM = Decimal("1.5")
GIBIBYTE = Decimal(2**30)
# It exists on every cluster and may hold other people's pods, whom a quota of ours would turn away.
SHARED_NAMESPACE = "default"


def needs(workloads: Iterable[Entry]) -> dict[str, Decimal]:
    """By quota key: all replicas that autoscalers may want, and one replacement pod of each workload during an update."""
    needed: dict[str, Decimal] = {}
    for workload in workloads:
        scaling = workload["autoscaling"]
        most = max(workload["replicas"], scaling["max_replicas"] if scaling["enabled"] else 0) + 1
        own = {"pods": Decimal(most)}
        for side in ("requests", "limits"):
            for kind, amount in workload["resources"][side].items():
                own[f"{side}.{kind}"] = quantity(amount) * most
        for key, amount in own.items():
            needed[key] = needed.get(key, Decimal(0)) + amount
    return needed


def readable(key: str, amount: Decimal) -> str:
    if key.endswith("memory"):
        return f"{-(-int(amount) // 2**20)}Mi"
    return f"{int(amount * 1000)}m" if amount != amount.to_integral_value() else str(int(amount))


def with_quota(namespace: Entry, workloads: Sequence[Entry], others: Sequence[Entry]) -> dict[str, Any]:
    """The namespace with a quota and limits that fit its workloads, where the catalogue gives none.

    Nothing is computed where the catalogue does not know everything that will run: beside stores, operators and monitoring, or in the
    namespace that everybody has.
    """
    name = namespace["name"]
    here = [workload for workload in workloads if workload["namespace"] == name]
    is_known = bool(here) and name != SHARED_NAMESPACE and not any(other["namespace"] == name for other in others)
    computed = {"quota": _quota(here), "limits": _limits(here)} if is_known else {"quota": {}, "limits": {}}
    return {**namespace, **{key: computed[key] for key in computed if namespace[key] is None}}


def _quota(workloads: Sequence[Entry]) -> dict[str, str]:
    return {key: _rounded(key, amount * HEAD_ROOM) for key, amount in needs(workloads).items()}


def _rounded(key: str, amount: Decimal) -> str:
    """Up to whole CPUs, gibibytes or pods, so that a small change of a service changes no quota."""
    unit, suffix = (GIBIBYTE, "Gi") if key.endswith("memory") else (Decimal(1), "")
    return f"{int((amount / unit).to_integral_value(ROUND_CEILING))}{suffix}"


def _limits(workloads: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """What a container gets that says nothing itself: where there is a quota, it would be refused otherwise."""
    found: dict[str, dict[str, str]] = {"default": {}, "default_request": {}}
    for field, side, choose in (("default", "limits", max), ("default_request", "requests", min)):
        for kind in ("cpu", "memory"):
            amounts = [
                workload["resources"][side][kind] for workload in workloads if kind in workload["resources"][side]
            ]
            if amounts:
                found[field][kind] = choose(amounts, key=quantity)
    return {field: amounts for field, amounts in found.items() if amounts}


def unfitting(namespace: Entry, paths: Sequence[tuple[str, Entry]]) -> list[tuple[str, str]]:
    """Limits of the namespace that would refuse a workload's container: the key, and what is wrong."""
    found = []
    for bound, side, word, advice in (("max", "limits", "below", "at least"), ("min", "requests", "above", "at most")):
        for kind, edge in ((namespace["limits"] or {}).get(bound) or {}).items():
            for path, workload in paths:
                amount = workload["resources"][side].get(kind)
                if workload.get("namespace") != namespace["name"] or not amount:
                    continue
                beyond = quantity(amount) - quantity(edge)
                if beyond > 0 if bound == "max" else beyond < 0:
                    found.append(
                        (
                            f"namespaces.{namespace['name']}.limits.{bound}.{kind}",
                            f"'{edge}' is {word} the {side}.{kind} '{amount}' of {path}; write {advice} '{amount}'",
                        )
                    )
    return found
