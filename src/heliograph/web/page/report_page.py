"""The page of a plant's report, which is made to be printed as well."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import htpy as h

from heliograph.local_time import EARLIEST_YEAR
from heliograph.web.page import bars as page_bars
from heliograph.web.page.chart import energy_legend
from heliograph.web.page.format import GAP, count, energy, percent
from heliograph.web.page.layout import document, events_url_for, figure, plant_path
from heliograph.web.page.money import LABELS, money_text
from heliograph.web.page.totals import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from heliograph.current import PlantState
    from heliograph.store.base import Day
    from heliograph.web.page.report import Report, ReportPeriod
    from heliograph.web.state import SystemState


def report_page(plant: PlantState, system: SystemState, report: Report) -> str:
    """Return the report of a year."""
    known = any(one.known_days for one in report.years)
    return document(
        f"{plant.title}, {report.year}",
        [
            _head(plant, report),
            [h.p(".hint")[f"Prices are missing: {problem}."] for problem in report.problems],
            h.div(".report")[
                _comparison(plant, "Year", "year", report.years),
                bool(report.months) and _comparison(plant, "Month", "month", report.months),
                _months(plant, report),
                _days(plant, report),
            ]
            if known
            else h.p(".nothing")[f"No data for {report.year} and {report.year - 1}."],
        ],
        events_url=events_url_for(system.at, plant.series),
    )


def _head(plant: PlantState, report: Report) -> h.Element:
    def year_link(year: int, name: str, word: str, arrow: str, *, there: bool) -> h.Element:
        if not there:
            return h.span(f".step.{name}.off", aria_hidden="true")[arrow]
        return h.a(f".step.{name}", href=f"?{urlencode({'year': year})}", aria_label=f"{word} year")[arrow]

    year = report.year
    wanted = urlencode({"span": "year", "at": f"{year}-01-01", "show": "energy"})
    return h.div(".head")[
        h.p(".back")[h.a(href=plant_path(plant.series))[plant.title]],
        h.div(".tools")[
            h.div(".steps")[
                year_link(year - 1, "before", "Previous", "‹", there=year > EARLIEST_YEAR),
                h.h1[f"{plant.title}, {year}"],
                year_link(year + 1, "after", "Next", "›", there=year < report.today.year),
            ],
            h.p(".saves")[
                h.a(href=f"{plant_path(plant.series)}/data.csv?{wanted}", download=True)["Save as CSV"],
                h.button(type="button", data_print=True)["Print"],
            ],
        ],
    ]


def _comparison(plant: PlantState, title: str, key: str, periods: Sequence[ReportPeriod]) -> h.Element:
    """Return a table with a column for each period; a row that is unknown in all of them is omitted."""
    rows: list[tuple[h.Node, list[str]]] = [
        ([h.span(f".mark.{mark}"), word], [energy(one.sums[name]) for one in periods]) for mark, word, name in ROWS
    ]
    rows.insert(1, ("Solar per kWp", [_per_kwp(plant, one.sums["pv_energy"]) for one in periods]))
    rows.append(("Self-consumption", [percent(one.self_consumption) for one in periods]))
    rows.append(("Self-sufficiency", [percent(one.self_sufficiency) for one in periods]))
    for name, word in LABELS.items():
        rows.append((word, [GAP if one.money is None else money_text(one.money, name) for one in periods]))
    days = [f"{one.known_days} of {one.days}" for one in periods]
    if any(one.known_days < one.days for one in periods):
        rows.append(("Days with data", days))
    shown = [(head, cells) for head, cells in rows if any(cell != GAP for cell in cells)]
    return h.section(".card", aria_labelledby=key)[
        h.h2(id=key)[title],
        _table([title, *(one.label for one in periods)], [[head, *cells] for head, cells in shown]),
        _money_hint(periods),
    ]


def _money_hint(periods: Sequence[ReportPeriod]) -> h.Node:
    """Say how many days the sums of money have, where this is fewer than the days with data."""
    parts = [
        f"{LABELS[name].lower()} of {one.label}: {count(one.money.known[name], 'day', 'days')}"
        for one in periods
        for name in LABELS
        if one.money is not None and one.money.values[name] is not None and one.money.known[name] < one.known_days
    ]
    return bool(parts) and h.p(".hint")[f"Days whose value is known: {'; '.join(parts)}."]


def _months(plant: PlantState, report: Report) -> h.Element:
    def month_path(first: date) -> str:
        return f"{plant_path(plant.series)}?{urlencode({'span': 'month', 'at': first.isoformat()})}"

    rows = [bar for bar in report.bars if bar.known_days]
    names = [(word, name) for _, word, name in ROWS if any(bar.values[name] is not None for bar in rows)]
    money = [
        (word, name)
        for name, word in LABELS.items()
        if any(one.values[name] is not None for one in report.month_money.values())
    ]
    whole = report.years[0]
    yields = plant.peak_power is not None

    def cells(value: Callable[[str], float | None], amount: Callable[[str], str]) -> list[str]:
        solar = [_per_kwp(plant, value("pv_energy"))] if yields else []
        return [*(energy(value(name)) for _, name in names), *solar, *(amount(name) for _, name in money)]

    lines: list[list[h.Node]] = [
        [
            h.a(href=month_path(bar.first))[f"{bar.first:%B}"],
            *cells(lambda name, bar=bar: bar.values[name], lambda name, bar=bar: _amount(report, bar.first, name)),  # type: ignore[misc]
        ]
        for bar in rows
    ]
    foot: list[h.Node] = [
        f"{report.year}",
        *cells(
            lambda name: whole.sums[name], lambda name: GAP if whole.money is None else money_text(whole.money, name)
        ),
    ]
    heads = ["Month", *(word for word, _ in names), *(["Per kWp"] if yields else []), *(word for word, _ in money)]
    return h.section(".card.months", aria_labelledby="months")[
        h.h2(id="months")[f"Months of {report.year}"],
        bool(rows)
        and [
            h.div(data_picture=f"{plant.title}, {report.year}")[
                energy_legend(rows), page_bars.bar_chart(report.bars, "year", month_path)
            ],
            h.p(".saves")[h.button(type="button", data_png=True)["Save as PNG"]],
            _table(heads, lines, foot),
        ],
        not rows and h.p(".hint")[f"No data for {report.year}."],
    ]


def _per_kwp(plant: PlantState, kwh: float | None) -> str:
    return GAP if kwh is None or not plant.peak_power else energy(kwh / plant.peak_power)


def _amount(report: Report, first: date, name: str) -> str:
    return money_text(report.month_money[first], name) if first in report.month_money else GAP


def _days(plant: PlantState, report: Report) -> h.Node:
    if not report.best:
        return None
    return h.section(".card", aria_labelledby="ranked")[
        h.h2(id="ranked")[f"Best and worst days of {report.year}"],
        _table(
            ["Day", "Solar", *(["Per kWp"] if plant.peak_power else [])],
            [_day(plant, one) for one in (*report.best, *reversed(report.worst))],
        ),
        h.p(".hint")["By solar energy, of the days that are complete."],
    ]


def _day(plant: PlantState, one: Day) -> list[h.Node]:
    solar = one.values["pv_energy"]
    path = f"{plant_path(plant.series)}?{urlencode({'span': 'day', 'at': one.day.isoformat()})}"
    share = [_per_kwp(plant, solar)] if plant.peak_power else []
    return [h.a(href=path)[f"{one.day:%a} {one.day.day} {one.day:%B}"], energy(solar), *share]


def _table(heads: Sequence[str], rows: Sequence[Sequence[h.Node]], foot: Sequence[h.Node] | None = None) -> h.Element:
    return h.div(".wide", tabindex="0", role="region", aria_label=f"{heads[0]} (table)")[
        h.table(".figures")[
            h.thead[h.tr[[h.th(scope="col")[head] for head in heads]]],
            h.tbody[[_row(row) for row in rows]],
            foot and h.tfoot[_row(foot)],
        ]
    ]


def _row(cells: Sequence[h.Node]) -> h.Element:
    head, *rest = cells
    return h.tr[h.th(scope="row")[head], [h.td[figure(one) if isinstance(one, str) else one] for one in rest]]
