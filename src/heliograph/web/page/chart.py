"""The history section of a plant's page: a curve drawn in the browser, or bars, and the same data as a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import htpy as h

from heliograph.metrics import METRICS
from heliograph.web.page import bars as page_bars
from heliograph.web.page.format import count, energy, exact_value, percent, power, sum_energies, to_local
from heliograph.web.page.history import POWERS, SPANS, energy_bars
from heliograph.web.page.layout import figure, plant_path, plant_segments
from heliograph.web.page.money import money_section
from heliograph.web.page.totals import period_totals
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heliograph.current import PlantState
    from heliograph.web.page.history import Bar, PeriodData


class Curve(NamedTuple):
    """A curve of the power chart; areas are stacked: positive values above zero, negative values below."""

    metric: str
    mark: str
    label: str
    is_area: bool = False
    signs: tuple[str, str] = ("", "")
    """The words for a positive and for a negative value."""


CURVES = (
    Curve("pv_power", "sun", "Solar", is_area=True),
    Curve("battery_power", "battery", "Battery", is_area=True, signs=("discharge", "charge")),
    Curve("grid_power", "grid", "Grid", is_area=True, signs=("import", "export")),
    Curve("load_power", "house", "House"),
    Curve("battery_soc", "soc", "State of charge"),
)
"""The curves, in the order in which the areas are stacked."""
_COLUMNS = {
    "pv_energy": "Solar",
    "load_energy": "House",
    "grid_import_energy": "Grid import",
    "grid_export_energy": "Grid export",
    "battery_charge_energy": "Battery charge",
    "battery_discharge_energy": "Battery discharge",
}
_SIGNS = "Above zero: solar, discharge and import. Below zero: charge and export. The line is the house. "
_KEYS = "Drag to zoom, double-click to reset. Keyboard: arrow keys move the cursor, + and − zoom, 0 resets."


def history_section(plant: PlantState, past: PeriodData, now: int) -> h.Element:
    """Return the history section of a plant's page."""
    view = past.selection
    metered = any(one.values.get("grid_import_energy") is not None for one in past.days)
    return h.section("#past.card", aria_labelledby="past-title")[
        h.div(".tools")[_step_links(plant, past), _tabs(plant, past)],
        period_totals(plant, past),
        money_section(past.money, past.problems, metered=metered),
        h.div(data_picture=f"{plant.title}, {view.title}")[
            _curve(plant, past, now) if view.show == "power" else _bars(plant, past)
        ],
        _saves(plant, past),
        _table(plant, past),
        _repairs(plant, past),
    ]


def _saves(plant: PlantState, past: PeriodData) -> h.Element:
    """Return the links that save the chart as a picture and its data as a file, and the link to the report."""
    view = past.selection
    wanted = urlencode({"span": view.span, "at": view.first.isoformat(), "show": view.show})
    return h.p(".saves")[
        h.a(href=f"{plant_path(plant.series)}/report?{urlencode({'year': view.first.year})}")[
            f"Report of {view.first.year}"
        ],
        h.a(href=f"{plant_path(plant.series)}/data.csv?{wanted}", download=True)["Save as CSV"],
        h.button(type="button", data_png=True)["Save as PNG"],
    ]


def _href(plant: PlantState, span: str, day: date, show: str | None = None) -> str:
    wanted = {"span": span, "at": day.isoformat()} | ({"show": show} if show else {})
    return f"{plant_path(plant.series)}?{urlencode(wanted)}"


def _step_links(plant: PlantState, past: PeriodData) -> h.Element:
    view = past.selection
    show = "power" if view.show == "power" and view.span != "day" else None
    steps = (("before", "Previous", "‹", view.previous), ("after", "Next", "›", view.next(past.today)))
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


def _tabs(plant: PlantState, past: PeriodData) -> h.Element:
    view = past.selection
    day = past.today if view.first <= past.today <= view.last else view.first
    return h.div(".choices")[
        view.span != "day"
        and h.nav(".tabs", aria_label="Quantity")[
            [
                h.a(href=_href(plant, view.span, day, show), aria_current="true" if view.show == show else None)[word]
                for show, word in (("energy", "Energy"), ("power", "Power"))
            ]
        ],
        h.nav(".tabs", aria_label="Period")[
            [
                h.a(href=_href(plant, span, day), aria_current="true" if view.span == span else None)[span.title()]
                for span in SPANS
            ]
        ],
    ]


def _curve(plant: PlantState, past: PeriodData, now: int) -> h.Element:
    """Return the element in which the browser draws; it requests no more points than it has pixels."""
    data = {
        "samples": url(f"/api/v1/plants/{plant_segments(plant.series)}/samples"),
        "since": past.since,
        "until": past.until,
        "offsets": past.offsets,
        "rhythm": plant.sample_interval,
        "live": past.since <= now < past.until,
        "curves": [
            {"metric": one.metric, "mark": one.mark, "label": one.label, "area": one.is_area, "signs": one.signs}
            for one in CURVES
        ],
    }
    return h.figure(".chart", data_chart=json.dumps(data), data_keep=f"{past.since} {past.until}")[
        h.div(".legend", role="group", aria_label="Curves"),
        h.div(
            ".canvas",
            tabindex="0",
            role="group",
            aria_label=f"Chart of {past.selection.title}",
            aria_describedby="chart-keys",
        )[h.p(".wait")["The chart needs JavaScript. The same values are in the table below."]],
        h.figcaption[
            h.output(".readout", aria_live="polite"),
            h.p("#chart-keys.hint")[h.span(".signs")[_SIGNS], h.span(".keys")[_KEYS]],
        ],
    ]


def _bars(plant: PlantState, past: PeriodData) -> h.Node:
    found = energy_bars(past)
    if not past.days:
        return h.p(".nothing")[f"No data for {past.selection.title}."]
    into = "month" if past.selection.span == "year" else "day"
    return [
        energy_legend(found),
        page_bars.bar_chart(found, past.selection.span, lambda day: _href(plant, into, day)),
    ]


def energy_legend(found: Sequence[Bar]) -> h.Element:
    """Return the legend of the bars, with those energies that they have."""
    names = {name for one in found for name, value in one.values.items() if value is not None}
    key = [("sun", "Solar: self-consumed", "pv_energy"), ("export", "Solar: exported", "grid_export_energy")]
    key += [("house", "House: self-supplied", "load_energy"), ("grid", "House: from grid", "grid_import_energy")]
    if not {"grid_export_energy", "load_energy"} & names:
        key = [("sun", "Solar", "pv_energy")]
    return h.ul(".legend", aria_hidden="true")[
        [h.li[h.span(f".mark.{mark}"), word] for mark, word, name in key if name in names]
    ]


def _table(plant: PlantState, past: PeriodData) -> h.Node:
    if past.selection.span in {"day", "week"} and past.selection.show == "power":
        return _powers(plant, past)
    rows = [one for one in energy_bars(past) if one.known_days]
    return _energies(plant, past, rows) if rows else None


def _powers(plant: PlantState, past: PeriodData) -> h.Node:
    columns = [
        (place, one.label)
        for one in CURVES
        if any(bucket.mean[place := POWERS.index(one.metric)] is not None for bucket in past.buckets)
    ]
    if not columns:
        return None
    pattern = "%H:%M" if past.selection.span == "day" else "%a %d %H:%M"
    changes = len(past.offsets) > 1
    return _folded(
        f"{'Hourly' if past.selection.span == 'day' else 'Three-hourly'} averages (table)",
        ["From", *(word for _, word in columns)],
        [
            [
                f"{to_local(one.starts_at, plant.zone):{pattern}{' %Z' if changes else ''}}",
                *((percent if POWERS[place] == "battery_soc" else power)(one.mean[place]) for place, _ in columns),
            ]
            for one in past.buckets
        ],
    )


def _energies(plant: PlantState, past: PeriodData, rows: Sequence[Bar]) -> h.Element:
    span, into = past.selection.span, "month" if past.selection.span == "year" else "day"
    names = [name for name in _COLUMNS if any(one.values[name] is not None for one in rows)]
    whole = sum_energies(one.values for one in rows)
    lines: list[list[h.Node]] = []
    for one in rows:
        short = span == "year" and one.known_days < one.total_days
        head = [
            h.a(href=_href(plant, into, one.first))[page_bars.label(one, span)],
            short and h.small[f" {one.known_days} of {count(one.total_days, 'day', 'days')}"],
        ]
        lines.append([head, *(energy(one.values[name]) for name in names)])
    foot: list[h.Node] = ["Total", *(energy(whole[name]) for name in names)]
    title = f"{'Monthly' if span == 'year' else 'Daily'} energy (table)"
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


def _repairs(plant: PlantState, past: PeriodData) -> h.Node:
    """Return the rejected values of this period: reported value, stored value and reason."""
    if not past.repairs:
        return None
    title = count(len(past.repairs), "rejected value", "rejected values")
    rows = [
        [
            f"{to_local(one.measured_at, plant.zone):%a %d %H:%M}",
            one.metric.replace("_", " "),
            exact_value(one.raw, _unit(one.metric)),
            exact_value(one.kept, _unit(one.metric)),
            one.reason,
        ]
        for one in past.repairs
    ]
    return _folded(title, ["Time", "Metric", "Reported", "Stored", "Reason"], rows)


def _unit(name: str) -> str:
    """Return the unit of a repaired metric or daily energy."""
    metric = METRICS.get(name) or METRICS.get(f"{name}_today")
    return metric.unit if metric else ""
