"""The current power flow: a description in words and a diagram as inline SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import htpy as h

from heliograph.web.page.format import GAP, percent, power

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IDLE_WATTS = 10
"""Powers below this are measurement noise."""
_CENTRE = 210, 196
_RADIUS = 60
_HUB = 9
_HEAD = 13


class Node(NamedTuple):
    """One of the four nodes of the diagram; `watts` is positive for power flowing to the centre."""

    name: str
    position: tuple[int, int]
    watts: float | None
    state: str
    soc: float | None = None


def flow_nodes(values: Mapping[str, float | None], unknown: str = "unknown") -> list[Node]:
    """Return the nodes for which the plant has any value; `unknown` is the state shown for an unknown power."""
    pv, grid, battery, load = (values.get(f"{name}_power") for name in ("pv", "grid", "battery", "load"))
    soc = values.get("battery_soc")
    x, y = _CENTRE
    found = [
        Node("sun", (x, 62), pv, _state(pv, "producing", "producing", "idle", unknown)),
        Node("grid", (62, y), grid, _state(grid, "importing", "exporting", "no flow", unknown)),
        Node(
            "house",
            (358, y),
            None if load is None else -load,
            _state(load, "consuming", "consuming", "idle", unknown),
        ),
        Node("battery", (x, 330), battery, _state(battery, "discharging", "charging", "idle", unknown), soc),
    ]
    prefixes = {"sun": ("pv",), "grid": ("grid",), "house": ("load",), "battery": ("battery",)}
    return [one for one in found if any(_known(values, prefix) for prefix in prefixes[one.name])]


def _known(values: Mapping[str, float | None], prefix: str) -> bool:
    return any(value is not None for name, value in values.items() if name.startswith(prefix))


def describe_flow(values: Mapping[str, float | None], fallback: str = "") -> str:
    """Describe the power flow in words; return `fallback` if nothing is known.

    >>> describe_flow({"pv_power": 3420.0, "load_power": 1100.0, "grid_power": -300.0})
    'Solar is producing 3.42\u202fkW. The house uses 1.10\u202fkW. 300\u202fW is exported to the grid.'
    """
    pv, grid, battery, load = (values.get(f"{name}_power") for name in ("pv", "grid", "battery", "load"))
    soc = values.get("battery_soc")
    sentences = []
    if pv is not None:
        sentences.append(f"Solar is producing {power(pv)}." if pv >= IDLE_WATTS else "Solar is idle.")
    house = [] if load is None else [f"the house uses {power(load)}"]
    if battery is not None or soc is not None:
        house.append(_describe_battery(battery, soc))
    if house:
        text = " and ".join(house)
        sentences.append(f"{text[:1].upper()}{text[1:]}.")
    if grid is not None and abs(grid) < IDLE_WATTS:
        sentences.append("No grid exchange.")
    elif grid is not None:
        sentences.append(f"{power(abs(grid))} is {'imported from' if grid > 0 else 'exported to'} the grid.")
    return " ".join(sentences) or fallback or "The current power flow is unknown."


def _describe_battery(watts: float | None, soc: float | None) -> str:
    if watts is None:
        return f"the battery is at {percent(soc)}"
    level = "" if soc is None else f" ({percent(soc)})"
    if abs(watts) < IDLE_WATTS:
        return f"the battery is idle{level}"
    return f"the battery {'supplies' if watts > 0 else 'is charged with'} {power(abs(watts))}{level}"


def _state(watts: float | None, positive: str, negative: str, idle: str, unknown: str) -> str:
    if watts is None:
        return unknown
    return idle if abs(watts) < IDLE_WATTS else positive if watts > 0 else negative


def flow_diagram(nodes: Sequence[Node]) -> h.Element:
    """Return the diagram; it is hidden from screen readers, which read the description below it."""
    x, y = _CENTRE
    most = max([abs(one.watts) for one in nodes if one.watts is not None] + [1000.0])
    alone = len(nodes) == 1
    bottom = 124 if alone else 392 if any(one.name == "battery" for one in nodes) else 258
    return h.svg(".flow", viewBox=f"0 0 420 {bottom}", aria_hidden="true", focusable="false")[
        not alone and [[_leg(one, most) for one in nodes], h.circle(".hub", cx=x, cy=y, r=_HUB)],
        [_end(one) for one in nodes],
    ]


def _leg(node: Node, most: float) -> h.Node:
    """Draw the line between a node and the centre, in the direction of the flow."""
    (x, y), (to_x, to_y) = node.position, _CENTRE
    distance = max(abs(to_x - x), abs(to_y - y))
    step = ((to_x - x) // distance, (to_y - y) // distance)
    outer = (x + step[0] * (_RADIUS + 4), y + step[1] * (_RADIUS + 4))
    inner = (to_x - step[0] * (_HUB + 4), to_y - step[1] * (_HUB + 4))
    watts = node.watts
    if watts is None or abs(watts) < IDLE_WATTS:
        return _line(".track", outer, inner, width="4")
    start, end = (outer, inner) if watts > 0 else (inner, outer)
    share = abs(watts) / most
    dx, dy = _sign(end[0] - start[0]), _sign(end[1] - start[1])
    neck = (end[0] - _HEAD * dx, end[1] - _HEAD * dy)
    return h.g(f".leg.{node.name}.pace-{_pace(share)}")[
        _line(".track.busy", start, neck, width=f"{4 + 8 * share:.1f}"),
        _line(".dots", start, neck, width=f"{3 + 3 * share:.1f}"),
        _arrow(end, dx, dy),
    ]


def _pace(share: float) -> int:
    """Return the speed class of the dots, from 1 to 5."""
    return min(5, 1 + int(share * 5))


def _line(classes: str, start: tuple[int, int], end: tuple[int, int], width: str) -> h.Element:
    return h.Element("path")(classes, d=f"M{start[0]} {start[1]}L{end[0]} {end[1]}", stroke_width=width)


def _arrow(tip: tuple[int, int], dx: int, dy: int) -> h.Element:
    """Draw an arrow head, which shows the direction without animation."""
    x, y = tip[0] - _HEAD * dx, tip[1] - _HEAD * dy
    points = (tip, (x - 9 * dy, y + 9 * dx), (x + 9 * dy, y - 9 * dx))
    return h.polygon(".arrow", points=" ".join(f"{a:g},{b:g}" for a, b in points))


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _end(node: Node) -> h.Element:
    x, y = node.position
    dim = "" if node.watts is not None else ".dim"
    # The longest text is on the line nearest to the centre, where the ring leaves the most room.
    about = [node.state] if node.soc is None else [node.state, percent(node.soc)]
    top = y + 8 if len(about) == 1 else y - 3
    return h.g(f".end.{node.name}{dim}")[
        h.circle(".disc", cx=x, cy=y, r=_RADIUS),
        node.soc is not None and _ring(node),
        h.g(".icon", transform=f"translate({x - 12} {top - 49})")[h.path(d=ICONS[node.name])],
        h.text(".figure", x=x, y=top, text_anchor="middle")[GAP if node.watts is None else power(abs(node.watts))],
        [h.text(".about", x=x, y=top + 19 + 17 * line, text_anchor="middle")[text] for line, text in enumerate(about)],
    ]


def _ring(node: Node) -> h.Element:
    """Draw the state of charge as a clockwise arc starting at the top."""
    x, y = node.position
    return h.circle(
        ".soc",
        cx=x,
        cy=y,
        r=_RADIUS,
        pathLength="100",
        stroke_dasharray=f"{max(0.0, min(100.0, node.soc or 0.0)):.1f} 100",
        transform=f"rotate(-90 {x} {y})",
    )


ICONS = {
    "sun": "M12 7.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM12 1.5v2.6M12 19.9v2.6M1.5 12h2.6M19.9 12h2.6"
    "M4.6 4.6l1.8 1.8M17.6 17.6l1.8 1.8M4.6 19.4l1.8-1.8M17.6 6.4l1.8-1.8",
    "house": "M3 11.5 12 4l9 7.5M5.5 9.8V20h13V9.8M10 20v-5.5h4V20",
    "grid": "M8 21 11 3h2l3 18M4 8h16M5.5 12.5h13M9.6 12.5l5.4 5.2M14.4 12.5 9 17.7M4 8v2M20 8v2",
    "battery": "M3.5 8h15v9h-15ZM18.5 11h2.2v3h-2.2M7 10.8v3.4M10.7 10.8v3.4",
}
"""Icon outlines in a 24 by 24 square."""
