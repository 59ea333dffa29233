"""A plant's past: a curve that is drawn in the browser or bars that are here already, and the same as a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import htpy as h

from heliograph.metrics import METRICS
from heliograph.web.page import bars as page_bars
from heliograph.web.page.format import added, count, energy, exact, local, percent, power
from heliograph.web.page.history import POWERS, SPANS, bars
from heliograph.web.page.layout import address, figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heliograph.current import PlantNow
    from heliograph.web.page.history import Bar, Past

CURVES = (
    ("pv_power", "sun", "Solar"),
    ("load_power", "house", "House"),
    ("grid_power", "grid", "Grid"),
    ("battery_power", "battery", "Battery"),
    ("battery_soc", "soc", "Charge"),
)
"""What a curve is of, its mark and its word."""
_COLUMNS = {
    "pv_energy": "Solar",
    "load_energy": "House",
    "grid_import_energy": "Bought",
    "grid_export_energy": "Sold",
    "battery_charge_energy": "Charged",
    "battery_discharge_energy": "Discharged",
}
_SIGNS = "Above zero, grid and battery give; below, they take. "
_KEYS = "Drag to zoom in, double-click to see all; with the keyboard, arrows move the reading, plus and minus zoom."


def section(plant: PlantNow, past: Past, now: int) -> h.Element:
    """Return the part of a plant's page that shows its past."""
    view = past.view
    return h.section("#past.card", aria_labelledby="past-title")[
        h.div(".tools")[_step_links(plant, past), _tabs(plant, past)],
        _curve(plant, past, now) if view.show == "power" else _bars(plant, past),
        _table(plant, past),
        _repairs(plant, past),
    ]


def _href(plant: PlantNow, span: str, day: date, show: str | None = None) -> str:
    wanted = {"span": span, "at": day.isoformat()} | ({"show": show} if show else {})
    return f"{address(plant.series)}?{urlencode(wanted)}#past"


def _step_links(plant: PlantNow, past: Past) -> h.Element:
    view = past.view
    show = "power" if view.show == "power" and view.span != "day" else None
    steps = (("before", "Earlier", "‹", view.before), ("after", "Later", "›", view.after(past.today)))
    links = [
        h.a(f".step.{name}", href=_href(plant, view.span, day, show), aria_label=f"{word} {view.span}", rel=rel)[arrow]
        if day
        else h.span(f".step.{name}.off", aria_hidden="true")[arrow]
        for (name, word, arrow, day), rel in zip(steps, ("prev", "next"), strict=True)
    ]
    now = past.today < view.first or past.today > view.last
    return h.div(".steps")[
        links[0],
        h.h2("#past-title")[view.title],
        links[1],
        now and h.a(".today-link", href=_href(plant, view.span, past.today, show))["Today"],
    ]


def _tabs(plant: PlantNow, past: Past) -> h.Element:
    view = past.view
    day = past.today if view.first <= past.today <= view.last else view.first
    return h.div(".choices")[
        view.span != "day"
        and h.nav(".tabs", aria_label="What is shown")[
            [
                h.a(href=_href(plant, view.span, day, show), aria_current="true" if view.show == show else None)[word]
                for show, word in (("energy", "Energy"), ("power", "Power"))
            ]
        ],
        h.nav(".tabs", aria_label="How much of the past")[
            [
                h.a(href=_href(plant, span, day), aria_current="true" if view.span == span else None)[span.title()]
                for span in SPANS
            ]
        ],
    ]


def _curve(plant: PlantNow, past: Past, now: int) -> h.Element:
    """Return the place where the browser draws; it asks for no more points than it has pixels."""
    data = {
        "samples": f"/api/v1/plants{address(plant.series).removeprefix('/plant')}/samples",
        "since": past.since,
        "until": past.until,
        "offsets": past.offsets,
        "rhythm": plant.rhythm,
        "live": past.since <= now < past.until,
        "curves": [{"metric": metric, "mark": mark, "word": word} for metric, mark, word in CURVES],
    }
    return h.figure(".chart", data_chart=json.dumps(data), data_keep=f"{past.since} {past.until}")[
        h.div(".legend", role="group", aria_label="Curves"),
        h.div(
            ".canvas",
            tabindex="0",
            role="group",
            aria_label=f"Chart of {past.view.title}",
            aria_describedby="chart-keys",
        )[h.p(".wait")["The chart needs JavaScript; its figures are in the table below."]],
        h.figcaption[
            h.output(".readout", aria_live="polite"),
            h.p("#chart-keys.hint")[h.span(".signs")[_SIGNS], h.span(".keys")[_KEYS]],
        ],
    ]


def _bars(plant: PlantNow, past: Past) -> h.Node:
    found = bars(past)
    if not past.days:
        return h.p(".nothing")[f"Nothing is kept of {past.view.title} yet."]
    into = "month" if past.view.span == "year" else "day"
    names = {name for one in found for name, value in one.values.items() if value is not None}
    key = [("sun", "Solar, used here", "pv_energy"), ("sold", "Solar, sold", "grid_export_energy")]
    key += [("house", "House, its own", "load_energy"), ("grid", "House, bought", "grid_import_energy")]
    if not {"grid_export_energy", "load_energy"} & names:
        key = [("sun", "Solar", "pv_energy")]
    return [
        h.ul(".legend", aria_hidden="true")[
            [h.li[h.span(f".mark.{mark}"), word] for mark, word, name in key if name in names]
        ],
        page_bars.chart(found, past.view.span, lambda day: _href(plant, into, day)),
    ]


def _table(plant: PlantNow, past: Past) -> h.Node:
    if past.view.span in {"day", "week"} and past.view.show == "power":
        return _powers(plant, past)
    rows = [one for one in bars(past) if one.known]
    return _energies(plant, past, rows) if rows else None


def _powers(plant: PlantNow, past: Past) -> h.Node:
    columns = [
        (place, word)
        for place, (name, _, word) in enumerate(CURVES)
        if any(one.mean[POWERS.index(name)] is not None for one in past.stretches)
    ]
    if not columns:
        return None
    pattern = "%H:%M" if past.view.span == "day" else "%a %d %H:%M"
    changes = len(past.offsets) > 1
    return _folded(
        f"{'Hourly' if past.view.span == 'day' else 'Three-hourly'} means, as a table",
        ["From", *(word for _, word in columns)],
        [
            [
                f"{local(one.starts_at, plant.zone):{pattern}{' %Z' if changes else ''}}",
                *((percent if POWERS[place] == "battery_soc" else power)(one.mean[place]) for place, _ in columns),
            ]
            for one in past.stretches
        ],
    )


def _energies(plant: PlantNow, past: Past, rows: Sequence[Bar]) -> h.Element:
    span, into = past.view.span, "month" if past.view.span == "year" else "day"
    names = [name for name in _COLUMNS if any(one.values[name] is not None for one in rows)]
    whole = added(one.values for one in rows)
    lines: list[list[h.Node]] = []
    for one in rows:
        short = span == "year" and one.known < one.size
        said = [
            h.a(href=_href(plant, into, one.first))[page_bars.label(one, span)],
            short and h.small[f" {one.known} of {count(one.size, 'day', 'days')}"],
        ]
        lines.append([said, *(energy(one.values[name]) for name in names)])
    foot: list[h.Node] = ["Together", *(energy(whole[name]) for name in names)]
    title = f"{'Monthly' if span == 'year' else 'Daily'} energies, as a table"
    return _folded(title, [into.title(), *(_COLUMNS[name] for name in names)], lines, foot)


def _folded(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[h.Node]], foot: Sequence[h.Node] | None = None
) -> h.Element:
    return h.details(".table")[
        h.summary[title],
        h.div(".wide", tabindex="0", role="region", aria_label=title)[
            h.table(".figures")[
                h.thead[h.tr[[h.th(scope="col")[head] for head in heads]]],
                h.tbody[[_row(row) for row in rows]],
                foot and h.tfoot[_row(foot)],
            ]
        ],
    ]


def _row(cells: Sequence[h.Node]) -> h.Element:
    head, *rest = cells
    return h.tr[h.th(scope="row")[head], [h.td[figure(one) if isinstance(one, str) else one] for one in rest]]


def _repairs(plant: PlantNow, past: Past) -> h.Node:
    """Return what was not believed in this time: what the cloud said, what is kept and why."""
    if not past.repairs:
        return None
    title = count(len(past.repairs), "value was not believed", "values were not believed")
    rows = [
        [
            f"{local(one.measured_at, plant.zone):%a %d %H:%M}",
            one.metric.replace("_", " "),
            exact(one.raw, _unit(one.metric)),
            exact(one.kept, _unit(one.metric)),
            one.reason,
        ]
        for one in past.repairs
    ]
    return _folded(title, ["When", "What", "The cloud said", "Kept", "Why"], rows)


def _unit(name: str) -> str:
    """Return the unit of what a repair names: a metric, or the energy of a day."""
    metric = METRICS.get(name) or METRICS.get(f"{name}_today")
    return metric.unit if metric else ""
