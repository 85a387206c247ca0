# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report files have in common: when and by what they were made, the states of a connection, the headline."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._report import (
    AS_BLOCKED,
    AS_OPEN,
    BY_TURNS,
    CUT,
    LEAK,
    MUTE,
    UNKNOWN,
    sign,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import INCONCLUSIVE

# A module cannot read galaxy.yml where it runs; a unit test compares.
COLLECTION_VERSION = "0.1.0"
COLLECTION = "https://github.com/azora/azora.platform"
TOOL = "azora.platform verify"

# The checks whose findings concern one connection each.
OF_CONNECTIONS = ("connectivity", "contradiction")
PASSED, FAILED, INCOMPLETE = "PASSED", "FAILED", "INCOMPLETE"

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Occasion:
    """What a result does not say of itself: when it was found (UTC, RFC 3339), and at which API server."""

    time: str
    cluster: str = ""
    version: str = COLLECTION_VERSION


@dataclass(frozen=True)
class State:
    """What one connection turned out to be; the sign is that of the table on the console."""

    name: str
    sign: str
    words: str
    means: str
    good: bool = False


STATES = (
    State(
        "open", AS_OPEN, "open, as declared", "Declared, and open. Where it was asked, the application answered.", True
    ),
    State("blocked", AS_BLOCKED, "blocked, as declared", "Nothing declares it, and it is closed.", True),
    State("leak", LEAK, "open, should be blocked", "Nothing declares this connection, and yet it is open."),
    State("cut", CUT, "blocked, should be open", "It is declared, but nothing gets through."),
    State("mute", MUTE, "opens but does not answer", "It is declared and opens, but the application does not answer."),
    State("flaky", BY_TURNS, "flaky", "It is declared, and open and closed by turns. That never counts as good."),
    State("unknown", UNKNOWN, "inconclusive", "It could not be judged. That never counts as good."),
)
_BY_SIGN = {state.sign: state for state in STATES}


def state_of(row: Mapping[str, Any]) -> State:
    return _BY_SIGN[sign(row)]


def place(row: Mapping[str, Any]) -> str:
    """The destination with its port; TCP goes without saying."""
    protocol = str(row.get("protocol") or "TCP").upper()
    return f"{row['destination']}:{row['port']}" + ("" if protocol == "TCP" else f"/{protocol}")


def spoken_port(row: Mapping[str, Any]) -> str:
    """What the port is for, if anything says so."""
    application = str(row.get("application") or "none")
    return application if application != "none" else str(row.get("port_name") or "")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def printable(text: str) -> str:
    """The same text with what cannot be seen written out.

    Control characters would make a report unreadable for machines (XML has no way to say them), and those that change
    the direction of writing make one name look like another.
    """
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(one):04x}" if _invisible(one) else one for one in text)


def _invisible(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or ord(character) & 0xFFFE == 0xFFFE


def printable_everywhere(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_everywhere(key): printable_everywhere(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_everywhere(item) for item in value]
    return value


def headline(result: Result) -> str:
    """INCOMPLETE fails as well: nothing was seen to be wrong, but not everything was seen."""
    found = [mismatch["found"] for mismatch in result["mismatches"]]
    if any(word != INCONCLUSIVE for word in found):
        return FAILED
    return PASSED if result["complete"] and not found else INCOMPLETE


def lead(result: Result) -> str:
    """What the headline rests on, in a sentence or two."""
    summary = result["summary"]
    word = headline(result)
    if word == PASSED:
        return _passed(result)
    states = Counter(state_of(row).name for row in result["connections"])
    parts = [
        text
        for number, text in (
            (states["leak"], f"{counted(states['leak'], 'connection')} open that nothing declares"),
            (states["cut"], f"{counted(states['cut'], 'declared connection')} blocked"),
            (states["flaky"], f"{counted(states['flaky'], 'connection')} open and closed by turns"),
            (states["mute"], f"{counted(states['mute'], 'connection')} without an answer"),
        )
        if number
    ]
    of_workloads = ("readiness", "probes", "dns", "workloads", "backups")
    affected = {one["source"] for one in result["mismatches"] if one["check"] in of_workloads}
    if affected:
        parts.append(f"{counted(len(affected), 'workload')} not in order")
    wrong = _listed(parts)
    unseen = f"{states['unknown']} of {counted(summary['connections'], 'connection')} could not be judged"
    if word == INCOMPLETE:
        what = unseen if states["unknown"] else "not everything could be looked at"
        return f"Nothing was seen to be wrong, but {what}. What could not be looked at does not pass."
    return f"{wrong[:1].upper()}{wrong[1:]}." + (f" {unseen}." if states["unknown"] else "")


def _passed(result: Result) -> str:
    summary = result["summary"]
    told = []
    if "probes" in result["checks"]:
        pods = [pod for workload in result["workloads"] if workload["probes"] for pod in workload["pods"]]
        # Pods that got no prober were compared with the declaration, and not asked.
        answer = "answer" if all(pod["answers"] for pod in pods) else "have"
        told.append(f"All {counted(summary['ready_pods'], 'pod')} are ready and {answer} their declared probes")
    if "connectivity" in result["checks"]:
        told.append(
            f"of {counted(summary['connections'], 'connection')} exactly the {summary['allowed']} declared ones are open"
        )
    sentence = ", and ".join(told)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _listed(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts) or "not everything is as declared"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
