# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a verification as one page for people. Everything it says is in its markup; the script only makes it handy.

Names and messages come from a cluster and from what answers on its ports: nothing of them becomes markup, script or style.
"""

from __future__ import annotations

import base64
import hashlib
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import (
    _report_graph,
    _report_page,
    _report_script,
    _report_style,
)
from ansible_collections.azora.platform.plugins.module_utils._report_markup import (
    Markup,
    element,
    escaped,
    joined,
    script_data,
)
from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    FAILED,
    INCOMPLETE,
    OF_CONNECTIONS,
    PASSED,
    STATES,
    TOOL,
    Occasion,
    Result,
    State,
    counted,
    headline,
    lead,
    place,
    spoken_port,
    state_of,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import row_sentence
from ansible_collections.azora.platform.plugins.module_utils._verification_input import (
    BLOCKED,
    FLAKY,
    INCONCLUSIVE,
    OPEN,
)

OF_WORKLOADS = ("readiness", "probes", "prober", "dns", "workloads", "backups")
SEALS = {PASSED: "✓", FAILED: "✕", INCOMPLETE: "?"}
VERDICTS = {
    "open": OPEN,
    "leak": OPEN,
    "mute": OPEN,
    "blocked": BLOCKED,
    "cut": BLOCKED,
    "flaky": FLAKY,
    "unknown": INCONCLUSIVE,
}
# Longer lists begin folded; a box unfolds them, without a script as well, and paper always has them whole.
SHORT_LIST = 4
RANKS = ("leak", "cut", "flaky", "mute", "", "unknown")
TITLES = {
    "readiness": "Ready pods",
    "probes": "Probes",
    "prober": "Probers without a report",
    "dns": "Name servers",
    "workloads": "What stands around the workloads",
    "backups": "Backups",
    "contradiction": "Packets that contradict the policies",
    "policies": "Policies that differ from the declaration",
}
# What fits on a sheet; a wider matrix gets a sheet of its own size. Lengths in millimetres, as the style prints them.
COLUMNS_ON_A4 = 28
SQUARE_MM, SPACE_MM, NAMES_MM, HEADS_MM, MARGINS_MM = 3.9, 1.7, 54.0, 60.0, 26.0


def html_report(result: Result, occasion: Occasion) -> str:
    rows = result["connections"]
    matrix = Matrix.of(rows)
    style = _report_style.STYLE + _wide_paper(matrix)
    word = headline(result)
    sections = [
        _mismatches(result, matrix),
        _matrix_section(result, matrix),
        _graph(rows),
        _workloads(result),
        _connections(rows),
    ]
    return string.Template(_report_page.FRAME).substitute(
        policy=_policy(style, _report_script.SCRIPT),
        generator=escaped(f"{TOOL} {occasion.version}"),
        title=escaped(f"{word}: verification of {occasion.cluster or 'a platform'}, {occasion.time}"),
        class_of_verdict=word.lower(),
        kicker=escaped("Verification of probes and microsegmentation"),
        seal=SEALS[word],
        headline=word,
        lead=escaped(lead(result)),
        occasion=_occasion(result, occasion),
        figures=_figures(result),
        sections=joined(sections, "\n"),
        footer=escaped(
            f"{TOOL} {occasion.version}. Every verdict rests on packets sent from a running replica of the source; a connection"
            " counts as blocked only if the same source reached something else and the port is known to listen."
        ),
        data=_data(rows, matrix),
        style=style,
        script=_report_script.SCRIPT,
    )


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, nothing is sent, and only this very style and script count."""

    def named(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {named(style)}; script-src {named(script)}; base-uri 'none'; form-action 'none'"
    )


# ---- the matrix as data -------------------------------------------------------------------------------------------


@dataclass
class Matrix:
    """Sources down, a column for each port of a destination across; the same order both ways, by namespaces."""

    sources: list[str] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)
    # (source, destination, port) -> the rows of the result; one, unless a row is given twice.
    cells: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        matrix = cls()
        ports: dict[str, list[str]] = {}
        for number, row in enumerate(rows):
            source, destination, port = row["source"], row["destination"], _port(row)
            if port not in ports.setdefault(destination, []):
                ports[destination].append(port)
            matrix.cells.setdefault((source, destination, port), []).append(number)
            external = row.get("kind") == "external"
            matrix.namespaces.setdefault(source, _report_graph.namespace_of(source, external=False))
            matrix.namespaces.setdefault(destination, _report_graph.namespace_of(destination, external=external))
        sources = list(dict.fromkeys(row["source"] for row in rows))
        ends = list(dict.fromkeys([*sources, *ports]))
        order = list(dict.fromkeys(matrix.namespaces[end] for end in ends))
        ends.sort(
            key=lambda end: (matrix.namespaces[end] == _report_graph.OUTSIDE, order.index(matrix.namespaces[end]))
        )
        matrix.sources = [end for end in ends if end in set(sources)]
        matrix.columns = [(end, port) for end in ends for port in ports.get(end, [])]
        return matrix

    @property
    def destinations(self) -> dict[str, int]:
        """Each destination with the number of its ports."""
        return dict(Counter(destination for destination, _port in self.columns))

    def begins(self, identities: Iterable[str]) -> set[str]:
        """Those with which another namespace begins."""
        found, before = set(), None
        for identity in identities:
            if self.namespaces[identity] != before:
                found.add(identity)
            before = self.namespaces[identity]
        return found


def _port(row: Mapping[str, Any]) -> str:
    return place(row)[len(str(row["destination"])) + 1 :]


def _wide_paper(matrix: Matrix) -> str:
    if len(matrix.columns) <= COLUMNS_ON_A4:
        return ""
    width = NAMES_MM + len(matrix.columns) * SQUARE_MM + len(matrix.destinations) * SPACE_MM + MARGINS_MM
    height = HEADS_MM + len(matrix.sources) * SQUARE_MM + MARGINS_MM
    return string.Template(_report_style.STYLE_OF_WIDE_PAPER).substitute(
        width=f"{max(width, 210):.0f}mm", height=f"{max(height, 148):.0f}mm"
    )


def _data(rows: Sequence[Mapping[str, Any]], matrix: Matrix) -> Markup:
    """What the script explains and filters by. Texts repeat a lot, so each is told once."""
    numbers: dict[str, int] = {}

    def text(value: Any) -> int:
        return -1 if value in (None, "") else numbers.setdefault(str(value), len(numbers))

    names = [state.name for state in STATES]
    told = [
        [
            text(row["source"]),
            text(row["destination"]),
            text(_port(row)),
            text(spoken_port(row)),
            names.index(state_of(row).name),
            text(row["reason"]),
            text(row.get("because")),
            text(row["answered"]),
            row["milliseconds"],
            row["attempts"],
            int(row["allowed"]),
        ]
        for row in rows
    ]
    namespaces: dict[int, int] = {}
    for identity, namespace in matrix.namespaces.items():
        namespaces[text(identity)] = text(namespace)
    states = [
        {
            "name": state.name,
            "sign": state.sign,
            "words": state.words,
            "means": state.means,
            "good": state.good,
            "verdict": VERDICTS[state.name],
        }
        for state in STATES
    ]
    return script_data({"states": states, "namespaces": namespaces, "rows": told, "texts": list(numbers)})


# ---- pieces -------------------------------------------------------------------------------------------------------


def _square(state: State) -> Markup:
    return element("span", state.sign, class_=f"state {state.name}", aria_hidden="true")


def _identity(identity: str) -> Markup:
    """The namespace quieter than the name."""
    namespace, slash, name = identity.partition("/")
    if not slash:
        return escaped(identity)
    return element("span", f"{namespace}/", class_="namespace") + escaped(name)


def _pairs(told: Iterable[tuple[str, str, str]]) -> Markup:
    return joined(
        element("div", element("dt", name), element("dd", value), class_=kind or None) for name, value, kind in told
    )


def _anchor(row: int) -> str:
    return f"c{row}"


def _fragment(**parts: str) -> str:
    """What the page's address says after the #, as the script reads it."""
    plain = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/,:")

    def quoted(text: str) -> str:
        return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))

    return "#" + "&".join(f"{name}={quoted(text)}" for name, text in parts.items())


# ---- the head -----------------------------------------------------------------------------------------------------


def _occasion(result: Result, occasion: Occasion) -> Markup:
    moment = occasion.time.replace("T", " ").removesuffix("Z")
    time = element("time", f"{moment} UTC", datetime=occasion.time)
    told: list[tuple[str, str, str]] = [("Verified", time, "")]
    if occasion.cluster:
        told.append(("Cluster", occasion.cluster, ""))
    told.append(("Checked", " and ".join(result["checks"]), ""))
    told.append(("Took", f"{result['summary']['seconds']} s", ""))
    return _pairs(told)


def _figures(result: Result) -> Markup:
    summary = result["summary"]
    wrong = {PASSED: "", FAILED: "wrong", INCOMPLETE: "unsure"}[headline(result)]
    told: list[tuple[str, str, str]] = [
        ("not known" if wrong == "unsure" else "not as declared", str(summary["mismatches"]), wrong),
        ("pods ready", _of(summary["ready_pods"], summary["pods"]), ""),
    ]
    if "connectivity" in result["checks"]:
        told += [
            ("connections", str(summary["connections"]), ""),
            (f"open, {summary['allowed']} are declared", str(summary["open"]), ""),
            (f"blocked, {summary['denied']} should be", str(summary["blocked"]), ""),
            ("inconclusive", str(summary["inconclusive"]), "unsure" if summary["inconclusive"] else ""),
        ]
    return _pairs(told)


def _of(number: int, whole: int) -> Markup:
    return escaped(str(number)) + (element("small", f" of {whole}") if number != whole else "")


# ---- what is not as declared --------------------------------------------------------------------------------------


def _mismatches(result: Result, matrix: Matrix) -> Markup:
    """By kind; within a kind in the order of the result, where a cause stands before what it explains."""
    if not result["mismatches"]:
        return Markup()
    rows = result["connections"]
    groups: dict[tuple[str, State | None], dict[str, list[Markup]]] = {}
    for mismatch in result["mismatches"]:
        row = _row_of(mismatch, rows, matrix)
        state = _state_of_mismatch(mismatch, rows, row)
        connected = mismatch["check"] in (*OF_CONNECTIONS, "enforcement")
        title = state.words if connected and state else TITLES.get(mismatch["check"], mismatch["check"])
        # One reason that several pods have is told once.
        told = groups.setdefault((title, state), {})
        told.setdefault(mismatch["sentence"], []).append(_sentence(mismatch, row))
    # What should be closed and is open comes first, and what is not known after what may be the reason.
    groups = dict(sorted(groups.items(), key=lambda group: RANKS.index(group[0][1].name if group[0][1] else "")))
    folded = any(len(told) > SHORT_LIST for told in groups.values())
    title_of_all = "What is not known" if headline(result) == INCOMPLETE else "What is not as declared"
    unfold = element("input", type="checkbox", class_="more", id="more") + element(
        "label",
        element("span", f"Show all {len(result['mismatches'])}", class_="few"),
        element("span", "Show fewer", class_="every"),
        for_="more",
    )
    return element(
        "section",
        element("h2", title_of_all, id="mismatches-title"),
        element("div", joined(_group(*key, told) for key, told in groups.items()), class_="groups"),
        unfold if folded else Markup(),
        aria_labelledby="mismatches-title",
    )


def _group(title: str, state: State | None, told: Mapping[str, Sequence[Markup]]) -> Markup:
    square = _square(state) if state else element("span", "!", class_="state other", aria_hidden="true")
    items = joined(
        element("li", same[0], element("span", f" {len(same)} times", class_="times") if len(same) > 1 else "")
        for same in told.values()
    )
    number = str(sum(len(same) for same in told.values()))
    head = element("h3", square, element("span", f"{title[:1].upper()}{title[1:]} ", element("b", number)))
    return element("div", head, element("ol", items, class_="mismatches"), class_="group")


def _row_of(mismatch: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], matrix: Matrix) -> int | None:
    if mismatch["check"] not in OF_CONNECTIONS:
        return None
    cells = matrix.cells.get((mismatch["source"], mismatch["destination"], str(mismatch["port"])), [])
    return next((number for number in cells if not rows[number]["ok"]), None)


def _state_of_mismatch(mismatch: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], row: int | None) -> State | None:
    if row is not None:
        return state_of(rows[row])
    name = "leak" if mismatch["check"] == "enforcement" else "unknown" if mismatch["found"] == INCONCLUSIVE else ""
    return next((state for state in STATES if state.name == name), None)


def _sentence(mismatch: Mapping[str, Any], row: int | None) -> Markup:
    """With a link to the connections it is about, if it is about any."""
    sentence = mismatch["sentence"]
    if row is not None:
        return element("a", sentence, href=f"#{_anchor(row)}", data_row=row)
    if mismatch["check"] == "enforcement":
        return element("a", sentence, href=_fragment(state="leak"))
    if mismatch["check"] == "connectivity":
        # A source that nothing is known from, or a port that nobody listens on.
        source, destination = mismatch["source"], mismatch["destination"]
        text = f"{source}→" if source != "*" else f"→{destination}:{mismatch['port']}"
        return element("a", sentence, href=_fragment(state="unknown", text=text))
    return escaped(sentence)


# ---- the matrix ---------------------------------------------------------------------------------------------------


def _matrix_section(result: Result, matrix: Matrix) -> Markup:
    rows = result["connections"]
    if not rows:
        return Markup()
    namespaces = list(dict.fromkeys(matrix.namespaces.values()))
    options = joined(element("option", namespace, value=namespace) for namespace in namespaces)
    filters = Markup(string.Template(_report_page.FILTERS).substitute(from_options=options, to_options=options))
    return element(
        "section",
        element("h2", "Who may reach whom", id="matrix-title"),
        element(
            "p",
            "Sources down, destinations across, a square for each port. A square explains itself when it is chosen.",
        ),
        _legend(rows),
        filters,
        element(
            "div",
            _matrix_table(matrix, [state_of(row) for row in rows]),
            class_="matrix scrolls",
            # A region that scrolls must be reachable by keys where no script makes its squares so.
            tabindex="0",
            role="region",
            aria_labelledby="matrix-title",
        ),
        element("p", "No connection is like that.", class_="none", hidden=True),
        aria_labelledby="matrix-title",
    )


def _legend(rows: Sequence[Mapping[str, Any]]) -> Markup:
    counts = Counter(state_of(row).name for row in rows)
    chips = [
        element(
            "li",
            # Pressing one filters; until the script runs there is nothing to press.
            element(
                "button",
                _square(state),
                element("span", f"{state.words} ", element("b", str(counts[state.name]))),
                type="button",
                data_state=state.name,
                disabled=True,
            ),
        )
        for state in STATES
    ]
    return element("ul", joined(chips), class_="legend", aria_label="States of connections")


def _matrix_table(matrix: Matrix, states: Sequence[State]) -> Markup:
    destinations = matrix.destinations
    starts = matrix.begins(destinations)
    first = {destination: number for number, destination in _first_columns(matrix)}
    heads = joined(
        element(
            "th",
            element("span", _identity(destination)),
            scope="colgroup",
            colspan=width,
            title=destination,
            class_="starts" if destination in starts else None,
        )
        for destination, width in destinations.items()
    )
    kinds = [
        " ".join(
            name
            for name, applies in (
                ("first", first[destination] == number),
                ("starts", destination in starts and first[destination] == number),
            )
            if applies
        )
        or None
        for number, (destination, _port) in enumerate(matrix.columns)
    ]
    ports = joined(
        element("th", element("span", port), scope="col", class_=kind)
        for (_destination, port), kind in zip(matrix.columns, kinds, strict=True)
    )
    # These are most of the page, so they are as short as can be: what a square is called, the script tells.
    opening = ["<td>" if kind is None else f'<td class="{kind}">' for kind in kinds]
    squares = {
        state.name: (f'<button class="state {state.name}" data-row="', f'">{state.sign}</button>') for state in STATES
    }
    starting = matrix.begins(matrix.sources)
    lines = []
    for source in matrix.sources:
        line = []
        for (destination, port), begin in zip(matrix.columns, opening, strict=True):
            numbers = matrix.cells.get((source, destination, port), ())
            line.append(begin + "".join(str(row).join(squares[states[row].name]) for row in numbers) + "</td>")
        head = element("th", _identity(source), scope="row", title=source)
        cells = Markup("".join(line))
        lines.append(element("tr", head, cells, class_="starting" if source in starting else None))
    corner = element("th", "from ↓ to →", class_="corner", rowspan=2, scope="col")
    return element(
        "table",
        element("caption", "Connections by source and destination", class_="aside"),
        element("thead", element("tr", corner, heads), element("tr", ports)),
        element("tbody", joined(lines, "\n")),
        role="grid",
        aria_readonly="true",
    )


def _first_columns(matrix: Matrix) -> Iterable[tuple[int, str]]:
    before = None
    for number, (destination, _port) in enumerate(matrix.columns):
        if destination != before:
            yield number, destination
        before = destination


# ---- the graph ----------------------------------------------------------------------------------------------------


def _graph(rows: Sequence[Mapping[str, Any]]) -> Markup:
    drawn = _report_graph.picture(rows)
    if not drawn.edges:
        return Markup()
    note = (
        element(
            "p",
            f"{counted(drawn.left_out, 'pair')} of workloads with nothing but undeclared open connections would hide the rest"
            " and are not drawn; the matrix shows them.",
            class_="note",
        )
        if drawn.left_out
        else Markup()
    )
    return element(
        "section",
        element("h2", "Who talks to whom", id="graph-title"),
        element("p", "The declared connections, and on top of them what is not as declared."),
        element(
            "figure",
            _report_graph.svg(drawn),
            class_="graph scrolls",
            tabindex="0",
            role="group",
            aria_labelledby="graph-title",
        ),
        note,
        aria_labelledby="graph-title",
    )


# ---- workloads ----------------------------------------------------------------------------------------------------


def _workloads(result: Result) -> Markup:
    if not result["workloads"]:
        return Markup()
    wrong = {one["source"] for one in result["mismatches"] if one["check"] in OF_WORKLOADS}
    heads = ("Workload", "Kind", "Ready", "Probes", "Answers", "Name servers")
    bodies = joined((_workload(one, one["workload"] in wrong) for one in result["workloads"]), "\n")
    return element(
        "section",
        element("h2", "Workloads", id="workloads-title"),
        element(
            "p",
            "Live probes compared with the declared ones, and the answers of their paths on each pod's own address.",
        ),
        element(
            "table",
            element("thead", element("tr", joined(element("th", head, scope="col") for head in heads))),
            bodies,
            class_="list workloads",
            aria_labelledby="workloads-title",
        ),
        joined(
            element("p", _identity(one["workload"]), f" {one['recovery']['sentence']}.", class_="recovery")
            for one in result["workloads"]
            if one["recovery"]
        ),
        joined(
            element("p", one["cut_off"]["sentence"], ".", class_="cut-off")
            for one in result["workloads"]
            if one["cut_off"] and one["cut_off"]["ok"]
        ),
        aria_labelledby="workloads-title",
    )


def _cell(label: str, *content: str, wrong: bool = False, kind: str = "") -> Markup:
    classes = " ".join(name for name in (kind, "wrong" if wrong else "") if name)
    return element("td", *content, data_label=label, class_=classes or None)


def _workload(workload: Mapping[str, Any], wrong: bool) -> Markup:
    pods = workload["pods"]
    ready = f"{workload['ready_pods']} of {workload['expected_pods']}"
    unready = any(not pod["ready"] for pod in pods) or workload["ready_pods"] < workload["expected_pods"]
    differing = sum(not pod["probes_as_declared"] for pod in pods)
    if not workload["probes"]:
        probes = "none declared"
    else:
        probes = f"{', '.join(workload['probes'])}: " + (
            f"{differing} of {len(pods)} differ" if differing else "as declared"
        )
    answers = [answer for pod in pods for answer in pod["answers"]]
    good = sum(answer["ok"] for answer in answers)
    line = element(
        "tr",
        element("th", _identity(workload["workload"]), scope="row", class_="name"),
        _cell("Kind", workload["kind"], kind="kind"),
        _cell("Ready", ready, wrong=unready),
        _cell("Probes", probes, wrong=bool(differing)),
        _cell("Answers", f"{good} of {len(answers)}" if answers else "not asked", wrong=good < len(answers)),
        _cell("Name servers", *_name_servers(workload["dns"])),
    )
    namespace = str(workload["workload"]).partition("/")[0]
    return element(
        "tbody",
        line,
        joined(_pod(pod) for pod in pods),
        data_id=workload["workload"],
        data_namespace=namespace,
        data_wrong="yes" if wrong else "no",
    )


def _name_servers(servers: Sequence[Mapping[str, Any]]) -> list[str]:
    told: dict[str, list[str]] = {}
    for seen in servers:
        found = f"{seen['ms']} ms" if seen["outcome"] == "open" else f"{seen['outcome']}"
        told.setdefault(str(seen["server"]), []).append(f"{seen['protocol']} {found}")
    return ["; ".join(f"{server}: {', '.join(found)}" for server, found in told.items()) or "not asked"]


def _pod(pod: Mapping[str, Any]) -> Markup:
    answers = [
        f"GET {answer['path']} on {answer['port']}: "
        + (f"{answer['status']} in {answer['milliseconds']} ms" if answer["status"] else str(answer["error"]))
        for answer in pod["answers"]
    ]
    bad = any(not answer["ok"] for answer in pod["answers"])
    restarts = counted(pod["restarts"], "restart")
    return element(
        "tr",
        element("td", str(pod["name"]).partition("/")[2]),
        _cell("Node", pod["node"]),
        _cell("Ready", "ready" if pod["ready"] else "not ready", wrong=not pod["ready"]),
        _cell("Probes", "" if pod["probes_as_declared"] else "not as declared", wrong=not pod["probes_as_declared"]),
        _cell("Answers", "; ".join(answers), wrong=bad),
        _cell("Address", f"{pod['address']}, {restarts}" if pod["address"] else restarts),
        class_="pod",
    )


# ---- the connections, one by one ----------------------------------------------------------------------------------


def _connections(rows: Sequence[Mapping[str, Any]]) -> Markup:
    told = [(number, row) for number, row in enumerate(rows) if row["allowed"] or not row["ok"]]
    if not rows:
        return Markup()
    # What is wrong first; the sort keeps the order otherwise.
    told.sort(key=lambda one: RANKS.index(state_of(one[1]).name) if not one[1]["ok"] else len(RANKS))
    quiet = len(rows) - len(told)
    heads = ("Found", "Connection", "Expected", "It rests on", "Answered")
    return element(
        "section",
        element("h2", "Connections one by one", id="connections-title"),
        element(
            "p",
            "Each declared connection, and each other one that is not as declared."
            + (
                f" The other {quiet} are closed, as they should be; the JSON report has the evidence of each."
                if quiet
                else ""
            ),
        ),
        element(
            "table",
            element(
                "thead",
                element(
                    "tr",
                    joined(element("th", head, scope="col") for head in heads),
                    element("th", "ms", scope="col", class_="number", title="how long the connect took"),
                    element("th", "Attempts", scope="col", class_="number"),
                ),
            ),
            element("tbody", joined((_connection(number, row) for number, row in told), "\n")),
            class_="list connections",
            aria_labelledby="connections-title",
        ),
        aria_labelledby="connections-title",
    )


def _to(row: Mapping[str, Any]) -> Markup:
    spoken = spoken_port(row)
    port = f":{_port(row)}" + (f" ({spoken})" if spoken else "")
    return element("div", element("span", "→ ", class_="namespace"), _identity(row["destination"]), port)


def _connection(number: int, row: Mapping[str, Any]) -> Markup:
    state = state_of(row)
    because = str(row.get("because") or "")
    reason = str(row["reason"] or "")
    milliseconds = "" if row["milliseconds"] is None else f"{row['milliseconds']:.1f}"
    verdict = element("div", _square(state), element("span", state.words), class_="verdict")
    return element(
        "tr",
        element(
            "td",
            verdict,
            title=None if state.good else row_sentence(row),
            class_=None if state.good else "unsure" if state.name == "unknown" else "wrong",
        ),
        element("td", element("div", _identity(row["source"])), _to(row), class_="ends"),
        _cell("Expected", OPEN if row["allowed"] else BLOCKED, element("div", because, class_="namespace")),
        # Where all is well there is no other reason than the declared one.
        _cell("It rests on", reason if reason != because else ""),
        _cell("Answered", str(row["answered"] or "")),
        _cell("Connect took, ms", milliseconds, kind="number"),
        _cell("Attempts", str(row["attempts"]), kind="number"),
        id=_anchor(number),
        data_row=number,
    )
