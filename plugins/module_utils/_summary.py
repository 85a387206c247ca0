# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run did, in lines for people: each stage with its seconds, what it changed, what it waited for, what its verification said.

While a run goes on, roles only add to three lists: what was changed, what was waited for, what was verified. A stage is two marks in
them, so that nothing has to be told which stage it is in.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

KEPT = ("changed", "waited", "verified")
# How many changed objects a stage names.
MOST_NAMED = 6

Stage = Mapping[str, Any]
Lists = Mapping[str, Sequence[str]]


def applied_changes(result: Mapping[str, Any]) -> list[str]:
    """Kind and place of each object that the module k8s has made or changed, from its result for a list or for one."""
    if not result.get("changed"):
        return []
    found = result.get("result") or {}
    entries = found.get("results")
    if entries is None:
        entries = [{"changed": True, "result": found}]
    return [_shown(entry.get("result") or {}) for entry in entries if entry.get("changed")]


def _shown(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata") or {}
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest.get('kind', 'object')} {place}{metadata.get('name', '')}"


def begun(name: str, now: float, lists: Lists) -> dict[str, Any]:
    """A stage that begins now."""
    return {"name": name, "began": float(now), "since": {key: len(lists.get(key) or []) for key in KEPT}}


def ended(stage: Stage, now: float, lists: Lists, *, complete: bool = True) -> dict[str, Any]:
    """The stage, with what came to the lists since it began."""
    own = {key: list(lists.get(key) or [])[stage["since"][key] :] for key in KEPT}
    return {**stage, "seconds": max(0.0, float(now) - stage["began"]), "complete": complete, **own}


def sentence(stage: Stage, *, check_mode: bool = False) -> str:
    """One stage in one line, for when it has ended."""
    changed = stage["changed"]
    verb = "would change" if check_mode else "changed"
    parts = [f"{stage['name']}: {stage['seconds']:.1f} s", f"{_counted(len(changed), 'object')} {verb}"]
    if changed:
        named = ", ".join(changed[:MOST_NAMED])
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        parts[-1] += f" ({named}{more})"
    parts += [_short(said) for said in stage["waited"]]
    parts += stage["verified"][-1:]
    return "; ".join(parts)


def lines(stages: Sequence[Stage], *, gateway: str = "", check_mode: bool = False) -> list[str]:
    """The table of a whole run, whether it went to its end or not."""
    titles = ("STAGE", "SECONDS", "WOULD CHANGE" if check_mode else "CHANGED", "READY", "VERIFICATION")
    rows = [titles, *(_row(stage) for stage in stages)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    table = []
    for row in rows:
        # Numbers stand right, words left.
        cells = [
            cell.rjust(width) if column in (1, 2) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        table.append("  ".join(cells).rstrip())
    table.append(f"{sum(stage['seconds'] for stage in stages):.1f} s in all")
    table.append(f"Verification: {_last_verdict(stages)}")
    if gateway:
        table.append(f"Gateway: {gateway}")
    stopped = [stage["name"] for stage in stages if not stage["complete"]]
    if stopped:
        table.append(
            f"STOPPED in the stage {stopped[-1]}, for the reason above. Stages are repeatable: mend the cause and run the same again."
        )
    return table


def artifact(stages: Sequence[Stage]) -> dict[str, Any]:
    """The same as data, for what follows in a workflow: no text of a cluster's but names, and nothing secret.

    BEGAN is the moment by which a rollback tells what this run brought.
    """
    began = min((stage["began"] for stage in stages), default=0.0)
    changed = [one for stage in stages for one in stage.get("changed", [])]
    return {
        "began": datetime.datetime.fromtimestamp(int(began), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "complete": all(stage.get("complete", False) for stage in stages),
        "changed": len(changed),
        "deployments": sorted({one.partition(" ")[2] for one in changed if one.startswith("Deployment ")}),
        "stages": {
            stage["name"]: {
                "complete": stage.get("complete", False),
                "changed": len(stage.get("changed", [])),
                "seconds": round(stage.get("seconds", 0.0), 1),
            }
            for stage in stages
        },
        "verification": _last_verdict([stage for stage in stages if "verified" in stage]),
    }


def _last_verdict(stages: Sequence[Stage]) -> str:
    """The verdict of the last stage that has one; that it says nothing of a later one is said, too."""
    for number in range(len(stages) - 1, -1, -1):
        if stages[number]["verified"]:
            later = [stage["name"] for stage in stages[number + 1 :]]
            return stages[number]["verified"][-1] + (f" (before the stage {later[0]})" if later else "")
    return "none was made"


def _row(stage: Stage) -> tuple[str, ...]:
    said = stage["verified"][-1:] or ["-"]
    return (
        str(stage["name"]),
        f"{stage['seconds']:.1f}",
        str(len(stage["changed"])),
        "; ".join(_short(one) for one in stage["waited"]) or "-",
        _verdict(said[0]) if stage["complete"] else "stopped",
    )


def _verdict(said: str) -> str:
    """The word before the figures, or the first of several statements."""
    word, colon, _rest = said.partition(":")
    return word if colon and word.isupper() else said.split(";", maxsplit=1)[0]


def _short(said: str) -> str:
    return said.split(";", maxsplit=1)[0].rstrip(".")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def gateway_place(service: Mapping[str, Any] | None, url: str = "") -> str:
    """Where the way in is, from its Service as it stands; as it is configured, if that says more."""
    if not service:
        return "it is not there yet"
    spec, metadata = service.get("spec") or {}, service["metadata"]
    ports = spec.get("ports") or [{}]
    port = next((one for one in ports if one.get("name") == "http"), ports[0])
    kind = spec.get("type", "ClusterIP")
    if kind == "NodePort":
        place = f"port {port.get('nodePort')} of every node"
    elif kind == "LoadBalancer":
        found = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        hosts = [str(one.get("hostname") or one.get("ip")) for one in found]
        place = ", ".join(f"{host}:{port.get('port')}" for host in hosts) or "its load balancer has no address yet"
    else:
        place = f"{metadata['name']}.{metadata.get('namespace')}:{port.get('port')} within the cluster"
    return f"{url} ({place})" if url else place
