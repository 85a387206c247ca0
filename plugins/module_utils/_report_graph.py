# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who talks to whom, as a picture: a column for each namespace, callers left of the called, what is not as declared on top.

The layout is computed here and not in the page: the same result gives the same picture, and a test can look at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Union

from ansible_collections.azora.platform.plugins.module_utils._report_markup import Markup, element, joined
from ansible_collections.azora.platform.plugins.module_utils._report_words import STATES, counted, place, state_of

OUTSIDE = "outside the cluster"
# A chain of calls is drawn from left to right inside a namespace, up to so many steps.
MOST_LAYERS = 4
# So many undeclared open connections are a sight; more hide the declared ones, and the matrix shows them all the same.
MOST_UNDECLARED = 40
SWEEPS = 6

NODE_HEIGHT, ROW, LANE = 30, 44, 14
NODE_PADDING, CHARACTER, LONGEST_NAME = 24, 7.0, 22
LAYER_GAP, COLUMN_GAP, BAND_PADDING = 66, 54, 14
TOP, MARGIN = 52, 10
# Edges leave and arrive a little above the middle of a node when they lead to the right, below when back: a pair that
# calls each other is two lines.
ASIDE = 5

# The worst state of a pair's ports is that of its edge.
WORST = ("leak", "cut", "mute", "unknown", "open")


@dataclass
class Node:
    identity: str
    namespace: str
    name: str
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0


@dataclass
class Lane:
    """Where an edge passes a layer that it only crosses, so that it does not run through a node."""

    x: float = 0.0
    y: float = 0.0
    width: float = 0.0


@dataclass
class Edge:
    source: Node
    destination: Node
    state: str
    # Of the rows of the result, the one that says most about this edge.
    row: int
    told: str
    # From the source to the destination.
    lanes: list[Lane] = field(default_factory=list)


Station = Union[Node, Lane]  # noqa: UP007  (evaluated at run time)


@dataclass
class Band:
    """The ground under a namespace's nodes."""

    namespace: str
    x: float
    width: float


@dataclass
class Picture:
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
    # How many undeclared open connections are not drawn.
    left_out: int = 0


def namespace_of(identity: str, *, external: bool) -> str:
    return OUTSIDE if external or "/" not in identity else identity.split("/", 1)[0]


def picture(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Nodes with their places and edges between them, from the connections of a result."""
    drawn = Picture()
    nodes: dict[str, Node] = {}
    for row in rows:
        for identity, external in ((row["source"], False), (row["destination"], row.get("kind") == "external")):
            if identity not in nodes:
                namespace = namespace_of(identity, external=external)
                name = identity if namespace == OUTSIDE else identity.split("/", 1)[1]
                nodes[identity] = Node(identity, namespace, name)
    drawn.nodes = list(nodes.values())
    _add_edges(drawn, rows, nodes)
    columns: dict[str, list[Node]] = {}
    for node in drawn.nodes:
        columns.setdefault(node.namespace, []).append(node)
    # What is outside stands at the end, whenever it was first named.
    ordered = sorted(columns.items(), key=lambda column: column[0] == OUTSIDE)
    for _namespace, members in ordered:
        _set_layers(members, drawn.edges)
    layers: list[list[Station]] = [
        [node for node in members if node.layer == layer]
        for _namespace, members in ordered
        for layer in sorted({node.layer for node in members})
    ]
    _add_lanes(layers, drawn.edges)
    _sort_layers(layers, drawn.edges)
    _place(drawn, ordered, layers)
    return drawn


def _add_edges(drawn: Picture, rows: Sequence[Mapping[str, Any]], nodes: Mapping[str, Node]) -> None:
    pairs: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for number, row in enumerate(rows):
        state = state_of(row).name
        if row["allowed"] or state == "leak":
            pairs.setdefault((row["source"], row["destination"]), []).append((state, number))
    leaks = [pair for pair, found in pairs.items() if all(state == "leak" for state, _number in found)]
    if len(leaks) > MOST_UNDECLARED:
        drawn.left_out = len(leaks)
        for pair in leaks:
            del pairs[pair]
    words = {state.name: state.words for state in STATES}
    for (source, destination), found in pairs.items():
        state, number = min(found, key=lambda one: WORST.index(one[0]))
        told = [f"{source} → {place(rows[row])}: {words[one]}" for one, row in found]
        drawn.edges.append(Edge(nodes[source], nodes[destination], state, number, "\n".join(told)))
    # What is drawn last lies on top.
    drawn.edges.sort(key=lambda edge: -WORST.index(edge.state))


def _set_layers(members: Sequence[Node], edges: Sequence[Edge]) -> None:
    """Callers before the called, by the declared calls within one namespace; a circle is opened at its earliest member."""
    inside = {node.identity for node in members}
    calls = [
        (edge.source.identity, edge.destination.identity)
        for edge in edges
        if edge.state != "leak" and edge.source.identity in inside and edge.destination.identity in inside
    ]
    waiting = {node.identity: node for node in members}
    while waiting:
        called = {destination for source, destination in calls if source in waiting and destination in waiting}
        free = [node for identity, node in waiting.items() if identity not in called] or [next(iter(waiting.values()))]
        for node in free:
            del waiting[node.identity]
        for node in free:
            for source, destination in calls:
                if source == node.identity and destination in waiting:
                    reached = max(waiting[destination].layer, node.layer + 1)
                    waiting[destination].layer = min(reached, MOST_LAYERS - 1)


def _add_lanes(layers: Sequence[list[Station]], edges: Sequence[Edge]) -> None:
    number = {id(node): index for index, layer in enumerate(layers) for node in layer}
    for edge in edges:
        start, end = number[id(edge.source)], number[id(edge.destination)]
        way = 1 if start < end else -1
        for index in range(start + way, end, way) if start != end else ():
            edge.lanes.append(Lane())
            layers[index].append(edge.lanes[-1])


def _sort_layers(layers: Sequence[list[Station]], edges: Sequence[Edge]) -> None:
    """Bring neighbours to one height: each where its neighbours are on average, a few times over."""
    neighbours: dict[int, list[Station]] = {}
    for edge in edges:
        stations: list[Station] = [edge.source, *edge.lanes, edge.destination]
        for one, other in pairwise(stations):
            neighbours.setdefault(id(one), []).append(other)
            neighbours.setdefault(id(other), []).append(one)
    for layer in layers:
        _spread(layer)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = {
                id(one): sum(other.y for other in neighbours[id(one)]) / len(neighbours[id(one)])
                if neighbours.get(id(one))
                else one.y
                for one in layer
            }
            layer.sort(key=lambda one: near[id(one)])
            _spread(layer)


def _room(station: Station) -> int:
    return ROW if isinstance(station, Node) else LANE


def _spread(layer: Sequence[Station]) -> None:
    """One below the other, around height 0."""
    y = -sum(_room(one) for one in layer) / 2
    for one in layer:
        one.y = y + _room(one) / 2
        y += _room(one)


def _place(drawn: Picture, columns: Sequence[tuple[str, list[Node]]], layers: Sequence[Sequence[Station]]) -> None:
    tallest = max((sum(_room(one) for one in layer) for layer in layers), default=0)
    middle = TOP + tallest / 2
    waiting = list(layers)
    x = float(MARGIN)
    for namespace, members in columns:
        start = x
        x += BAND_PADDING
        for _layer in {node.layer for node in members}:
            layer = waiting.pop(0)
            width = max(_name_width(one.name) for one in layer if isinstance(one, Node))
            for one in layer:
                one.x, one.y, one.width = x, middle + one.y, width
            x += width + LAYER_GAP
        x += BAND_PADDING - LAYER_GAP
        # The name of the namespace stands over its nodes and must find room.
        x = max(x, start + _name_width(namespace))
        drawn.bands.append(Band(namespace, start, x - start))
        x += COLUMN_GAP
    drawn.width = x - COLUMN_GAP + MARGIN
    drawn.height = TOP + tallest + MARGIN


def _name_width(name: str) -> float:
    return round(min(len(name), LONGEST_NAME) * CHARACTER + NODE_PADDING)


def svg(drawn: Picture) -> Markup:
    """The picture as SVG; colours come from the classes. Where to look is for the eye: the tables say the same for everyone."""
    width, height = f"{drawn.width:g}", f"{drawn.height:g}"
    title = f"{counted(len(drawn.nodes), 'workload')} and {counted(len(drawn.edges), 'connection')} between them"
    return element(
        "svg",
        element("title", title),
        element("defs", *(_arrow(state) for state in WORST)),
        joined(_band(band, drawn.height) for band in drawn.bands),
        joined(_edge(edge) for edge in drawn.edges),
        joined(_node(node) for node in drawn.nodes),
        joined(_badges(edge for edge in drawn.edges if edge.state != "open")),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
    )


def _arrow(state: str) -> Markup:
    tip = element("path", d="M0 0 9 4 0 8z", class_=f"tip {state}")
    size = {"markerWidth": "9", "markerHeight": "8", "refX": "8", "refY": "4"}
    return element("marker", tip, id=f"tip-{state}", orient="auto", markerUnits="userSpaceOnUse", **size)


def _band(band: Band, height: float) -> Markup:
    ground = element("rect", x=f"{band.x:g}", y="6", width=f"{band.width:g}", height=f"{height - 12:g}", rx="10")
    name = element("text", _shortened(band.namespace), x=f"{band.x + BAND_PADDING:g}", y="30")
    return element("g", ground, name, class_="band")


def _node(node: Node) -> Markup:
    top = node.y - NODE_HEIGHT / 2
    box = element("rect", x=f"{node.x:g}", y=f"{top:g}", width=f"{node.width:g}", height=str(NODE_HEIGHT), rx="6")
    name = element("text", _shortened(node.name), x=f"{node.x + node.width / 2:g}", y=f"{node.y + 4.5:g}")
    return element("g", element("title", node.identity), box, name, class_="node", data_id=node.identity)


def _edge(edge: Edge) -> Markup:
    line = _line(edge)
    return element(
        "g",
        element("title", edge.told),
        # The wide one cannot be seen: it is what a finger or a mouse hits.
        element("path", d=line, class_="reach"),
        element("path", d=line, class_="line", marker_end=f"url(#tip-{edge.state})"),
        class_=f"edge {edge.state}",
        **_ends(edge),
    )


def _ends(edge: Edge) -> dict[str, str]:
    return {"data_from": edge.source.identity, "data_to": edge.destination.identity, "data_row": str(edge.row)}


def _badges(edges: Iterable[Edge]) -> Iterable[Markup]:
    """The signs of edges, nearer to the end where fewer of them meet, so that they do not lie on each other."""
    marked = list(edges)
    ends = Counter(
        [("from", edge.source.identity) for edge in marked] + [("to", edge.destination.identity) for edge in marked]
    )
    for edge in marked:
        leaving, arriving = ends["from", edge.source.identity], ends["to", edge.destination.identity]
        late = leaving > 1 and leaving >= arriving
        yield _badge(edge, *_on_first_curve(edge, 0.7 if late else 0.3))


def _badge(edge: Edge, x: float, y: float) -> Markup:
    sign = next(state.sign for state in STATES if state.name == edge.state)
    circle = element("circle", cx=f"{x:g}", cy=f"{y:g}", r="8")
    letter = element("text", sign, x=f"{x:g}", y=f"{y + 4:g}")
    return element("g", element("title", edge.told), circle, letter, class_=f"badge {edge.state}", **_ends(edge))


Point = tuple[float, float]
# A piece of an edge: from where, the two points that bend it, to where.
Curve = tuple[Point, Point, Point, Point]


def _curves(edge: Edge) -> list[Curve]:
    """The pieces between the source, the lanes and the destination; through a lane it runs straight."""
    source, destination = edge.source, edge.destination
    if source.x == destination.x:
        # Neighbours in one layer: an arc beside it, wider the farther apart they are.
        bend = min(26 + abs(source.y - destination.y) / 4, LAYER_GAP * 0.85)
        start = (source.x + source.width, source.y + ASIDE)
        end = (destination.x + destination.width, destination.y - ASIDE)
        return [(start, (start[0] + bend, start[1]), (end[0] + bend, end[1]), end)]
    forward = source.x < destination.x
    aside = -ASIDE if forward else ASIDE
    stations: list[Station] = [source, *edge.lanes, destination]
    leaves = [(one.x + (one.width if forward else 0), one.y) for one in stations[:-1]]
    arrives = [(one.x + (0 if forward else one.width), one.y) for one in stations[1:]]
    leaves[0] = (leaves[0][0], leaves[0][1] + aside)
    arrives[-1] = (arrives[-1][0], arrives[-1][1] + aside)
    curves = []
    for start, end in zip(leaves, arrives, strict=True):
        half = (end[0] - start[0]) / 2
        curves.append((start, (start[0] + half, start[1]), (end[0] - half, end[1]), end))
    return curves


def _line(edge: Edge) -> str:
    parts: list[str] = []
    for curve in _curves(edge):
        start, first, second, end = [f"{x:.1f} {y:.1f}" for x, y in curve]
        parts.append(f"{'L' if parts else 'M'}{start}C{first} {second} {end}")
    return "".join(parts)


def _on_first_curve(edge: Edge, part: float) -> Point:
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    across, down = [
        sum(weight * point[axis] for weight, point in zip(weights, _curves(edge)[0], strict=True)) for axis in (0, 1)
    ]
    return round(across, 1), round(down, 1)


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
