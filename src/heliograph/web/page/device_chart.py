"""The day of a device: lines of its inputs, phases, temperatures and battery, drawn on the server."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import htpy as h

from heliograph.local_time import day_at, day_bounds
from heliograph.metrics import display_name
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.web.page.layout import figure
from heliograph.web.series import measurement_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.store.base import Series, Store
    from heliograph.web.page.history import PeriodSelection

WORDS = {"pv": "PV", "ac": "AC", "dc": "DC", "ev": "EV", "soc": "charge"}
_POINTS = 300
_LONGEST_GAP = 900
_PALETTE = (35, 210, 150, 280, 0, 95, 180, 320, 60, 240, 120, 345, 20, 195, 265, 80)
"""Hues of the lines, neighbours far apart."""


class LineGroup(NamedTuple):
    """Device metrics that share one diagram, and what one of its lines is called."""

    title: str
    pattern: str
    label: str = ""
    """For a numbered part, with "{}" for its number; else the metric's name is shown."""


_GROUPS = (
    LineGroup("Power of the inputs", r"pv(\d+)_power", "PV {}"),
    LineGroup("Voltage of the inputs", r"pv(\d+)_voltage", "PV {}"),
    LineGroup("Current of the inputs", r"pv(\d+)_current", "PV {}"),
    LineGroup("Current of the strings", r"string(\d+)_current", "String {}"),
    LineGroup("Voltage of the phases", r"phase(\d+)_voltage", "Phase {}"),
    LineGroup("Temperatures", r"(?:.*_)?temperature\d*"),
    LineGroup("Battery voltage", r"battery\d*_voltage"),
    LineGroup("Battery current", r"battery\d*_current"),
)


class Line(NamedTuple):
    """One metric over a day; the values belong to the times of its diagram."""

    label: str
    values: Sequence[float | None]


class Diagram(NamedTuple):
    """Lines of one unit over the same times."""

    title: str
    unit: str
    times: Sequence[int]
    lines: Sequence[Line]


class DeviceDay(NamedTuple):
    """The diagrams of a device's day, for its page."""

    view: PeriodSelection
    today: date
    since: int
    until: int
    diagrams: Sequence[Diagram]


def load_day(store: Store, series: Series, zone: tzinfo, view: PeriodSelection, now: int) -> DeviceDay:
    """Read the measurements of a day."""
    since, until = day_bounds(view.first, zone)
    names = [name for name, metric in DEVICE_METRICS.items() if metric.kind == "gauge"]
    found = measurement_columns(store, series, zone, names, since, until, _POINTS)
    means = {name: column["mean"] for name, column in found["metrics"].items()}
    times = [int(datetime.fromisoformat(text).timestamp()) for text in found["starts"]]
    return DeviceDay(view, day_at(now, zone), since, until, tuple(_diagrams(times, means)))


def _diagrams(times: Sequence[int], means: Mapping[str, Sequence[float | None]]) -> Iterator[Diagram]:
    for title, pattern, label in _GROUPS:
        lines = []
        unit = ""
        for name, values in means.items():
            match = re.fullmatch(pattern, name)
            if match and sum(value is not None for value in values) > 1:
                lines.append(Line(label.format(*match.groups()) if label else display_name(name, WORDS), values))
                unit = DEVICE_METRICS[name].unit
        if lines:
            yield Diagram(title, unit, times, lines)


def day_section(day: DeviceDay, address: str, format_value: Callable[[float, str], str]) -> h.Element:
    """Return the section with the diagrams of a day; `address` lacks another day only."""
    view = day.view
    steps = [
        h.a(f".step.{name}", href=f"{address}{to}", aria_label=f"{word} day", rel=rel)[arrow]
        if to
        else h.span(f".step.{name}.off", aria_hidden="true")[arrow]
        for name, word, arrow, rel, to in (
            ("before", "Previous", "‹", "prev", view.previous),
            ("after", "Next", "›", "next", view.next(day.today)),
        )
    ]
    return h.section("#day.card", aria_labelledby="day-title")[
        h.div(".tools")[
            h.div(".steps")[
                steps[0],
                h.h2("#day-title")[view.title],
                steps[1],
                view.first != day.today and h.a(".today-link", href=f"{address}{day.today}")["Today"],
            ]
        ],
        h.div(".diagrams")[[_figure(one, day, format_value) for one in day.diagrams]]
        if day.diagrams
        else h.p(".nothing")[f"No measurements of this device for {view.title}."],
    ]


def _figure(diagram: Diagram, day: DeviceDay, format_value: Callable[[float, str], str]) -> h.Element:
    known = [value for line in diagram.lines for value in line.values if value is not None]
    low, high = min(known), max(known)
    if low >= 0 and (low < high / 2 or high == 0):
        low = 0.0
    elif low == high:
        low, high = low - 1, high + 1
    span = (high - low) or 1.0
    longest = max(2.5 * median([b - a for a, b in pairwise(diagram.times)] or [0]), _LONGEST_GAP)

    def path(values: Sequence[float | None]) -> str:
        parts, last = [], None
        for at, value in zip(diagram.times, values, strict=True):
            if value is None:
                continue
            x = 1000 * (at - day.since) / (day.until - day.since)
            y = 100 - 100 * (value - low) / span
            parts.append(f"{'M' if last is None or at - last > longest else 'L'}{x:.1f} {y:.2f}")
            last = at
        return "".join(parts)

    def extent(line: Line) -> str:
        values = [value for value in line.values if value is not None]
        least, most = format_value(min(values), ""), format_value(max(values), "")
        return format_value(max(values), diagram.unit) if least == most else f"{least} to {most} {diagram.unit}"

    return h.figure(".lines")[
        h.figcaption[h.h3[diagram.title]],
        h.div(".scale", aria_hidden="true")[
            h.span[figure(format_value(high, diagram.unit))], h.span[figure(format_value(low, diagram.unit))]
        ],
        h.svg(viewBox="0 0 1000 100", preserveAspectRatio="none", role="img", aria_label=diagram.title)[
            [h.path(".base", d=f"M0 {y}H1000") for y in (0, 50, 100)],
            [
                h.path(d=path(line.values), stroke=f"hsl({_PALETTE[place % len(_PALETTE)]} 62% 48%)")
                for place, line in enumerate(diagram.lines)
            ],
        ],
        h.div(".hours", aria_hidden="true")[[h.span[one] for one in ("0:00", "6:00", "12:00", "18:00", "24:00")]],
        h.ul(".legend")[
            [
                h.li[
                    h.svg(".swatch", viewBox="0 0 12 12", aria_hidden="true")[
                        h.rect(width="12", height="12", rx="3", fill=f"hsl({_PALETTE[place % len(_PALETTE)]} 62% 48%)")
                    ],
                    h.b[line.label],
                    h.span(".extent")[figure(extent(line))],
                ]
                for place, line in enumerate(diagram.lines)
            ]
        ],
    ]
