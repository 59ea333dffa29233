"""The monthly reports of a plant and of a customer, which print well."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import htpy as h

from heliograph.fleet.report import month_before, month_end
from heliograph.local_time import EARLIEST_YEAR
from heliograph.web.fleet.layout import customer_path, document, plant_path, with_query
from heliograph.web.fleet.plant_page import COLUMNS
from heliograph.web.page.format import GAP, count, energy, peak_power, percent, split_house, split_solar, sum_energies
from heliograph.web.page.layout import figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from heliograph.fleet.access import Principal
    from heliograph.fleet.report import MonthReport, PlantMonth


def plant_report_page(principal: Principal, report: MonthReport, today: date) -> str:
    """Return the report of a plant: its sums beside earlier months, and its days."""
    plant = report.plants[0]
    own = plant_path(plant.tenant, plant.series)
    return document(
        f"{plant.name}, {_month(report.first)}",
        [
            _head(plant.name, own, f"{own}/report", f"{own}/report.csv", report, today),
            h.div(".report.month")[_sums(report, plant), _days(report, plant)]
            if report.days
            else h.p(".nothing")[f"No data for {_month(report.first)}."],
        ],
        principal,
    )


def customer_report_page(principal: Principal, tenant: int, customer: str, report: MonthReport, today: date) -> str:
    """Return the report of a customer: one row per plant, and the sums."""
    path, file = customer_path(tenant, customer), customer_path(tenant, customer, "report.csv")
    back = with_query("/", customer=customer, tenant=tenant)
    return document(
        f"{customer}, {_month(report.first)}",
        [
            _head(customer, back, path, file, report, today),
            h.div(".report.month")[_totals(report), _plants(report)],
        ],
        principal,
        "Customers",
    )


def _month(first: date) -> str:
    return f"{first:%B} {first.year}"


def _head(title: str, back: str, path: str, file: str, report: MonthReport, today: date) -> h.Element:
    def step(first: date, name: str, word: str, arrow: str, *, there: bool) -> h.Element:
        if not there:
            return h.span(f".step.{name}.off", aria_hidden="true")[arrow]
        return h.a(f".step.{name}", href=_with_month(path, first), aria_label=f"{word} month")[arrow]

    before, after = month_before(report.first), month_end(report.first) + timedelta(days=1)
    return h.div(".head")[
        h.p(".back")[h.a(href=back)[title]],
        h.div(".tools")[
            h.div(".steps")[
                step(before, "before", "Previous", "‹", there=before.year >= EARLIEST_YEAR),
                h.h1[f"{title}, {_month(report.first)}"],
                step(after, "after", "Next", "›", there=after <= today),
            ],
            h.p(".saves")[h.a(href=_with_month(file, report.first), download=True)["Save as CSV"]],
        ],
    ]


def _with_month(path: str, first: date) -> str:
    return f"{path}{'&' if '?' in path else '?'}month={first:%Y-%m}"


def _sums(report: MonthReport, plant: PlantMonth) -> h.Element:
    periods = (
        (_month(report.first), plant.sums, report.length),
        (_month(month_before(report.first)), plant.month_before, _length(month_before(report.first))),
        (_month(_year_before(report.first)), plant.year_before, _length(_year_before(report.first))),
    )
    rows: list[tuple[str, list[str]]] = [
        (word, [energy(sums.values[name]) for _, sums, _ in periods]) for name, word in COLUMNS
    ]
    rows.insert(1, ("Solar per kWp", [_per_kwp(sums.values["pv_energy"], plant.peak_power) for _, sums, _ in periods]))
    rows += [
        ("Self-consumption", [_share(split_solar(sums.values)) for _, sums, _ in periods]),
        ("Self-sufficiency", [_share(split_house(sums.values)) for _, sums, _ in periods]),
        ("Days with data", [f"{sums.days} of {length}" for _, sums, length in periods]),
    ]
    shown = [(word, cells) for word, cells in rows if any(cell != GAP for cell in cells)]
    return h.section(".card", aria_labelledby="sums")[
        h.h2(id="sums")["Month"],
        _table(["Energy", *(one[0] for one in periods)], [[word, *cells] for word, cells in shown]),
    ]


def _share(split: object) -> str:
    return percent(getattr(split, "share", None))


def _length(first: date) -> int:
    return month_end(first).day


def _year_before(first: date) -> date:
    return first.replace(year=first.year - 1)


def _per_kwp(kwh: float | None, size: float | None) -> str:
    return GAP if kwh is None or not size else energy(kwh / size)


def _days(report: MonthReport, plant: PlantMonth) -> h.Element:
    known = [(name, word) for name, word in COLUMNS if any(one.values[name] is not None for one in report.days)]
    heads = ["Day", *(word for _, word in known), *(["Per kWp"] if plant.peak_power else [])]

    def cells(values: Mapping[str, float | None]) -> list[str]:
        solar = [_per_kwp(values["pv_energy"], plant.peak_power)] if plant.peak_power else []
        return [*(energy(values[name]) for name, _ in known), *solar]

    rows = [[f"{one.day:%a} {one.day.day}", *cells(one.values)] for one in report.days]
    total = cells(sum_energies(one.values for one in report.days))
    return h.section(".card", aria_labelledby="days")[
        h.h2(id="days")["Days"], _table(heads, rows, [count(plant.sums.days, "day", "days"), *total])
    ]


def _totals(report: MonthReport) -> h.Element:
    sums = sum_energies(one.sums.values for one in report.plants)
    sized = [one for one in report.plants if one.specific_yield is not None]
    size = sum(one.peak_power or 0.0 for one in sized)
    solar = sum(one.sums.values["pv_energy"] or 0.0 for one in sized)
    parts = [
        ("Plants", f"{len(report.plants):,}"),
        ("Size", peak_power(sum(one.peak_power or 0.0 for one in report.plants))),
        *((word, energy(sums[name])) for name, word in COLUMNS),
        ("Per kWp", energy(solar / size) if size else GAP),
        ("Month before", energy(sum_energies(one.month_before.values for one in report.plants)["pv_energy"])),
        ("Year before", energy(sum_energies(one.year_before.values for one in report.plants)["pv_energy"])),
    ]
    return h.dl(".sums")[[h.div[h.dt[word], h.dd[h.strong[text]]] for word, text in parts if text != GAP],]


def _plants(report: MonthReport) -> h.Element:
    known = [(name, word) for name, word in COLUMNS if any(one.sums.values[name] is not None for one in report.plants)]
    heads = ["Plant", "Size", *(word for _, word in known), "Per kWp", "Month before", "Year before", "Days"]
    rows: list[list[h.Node]] = [
        [
            h.a(href=f"{plant_path(one.tenant, one.series)}/report?month={report.first:%Y-%m}")[one.name],
            GAP if one.peak_power is None else peak_power(one.peak_power),
            *(energy(one.sums.values[name]) for name, _ in known),
            GAP if one.specific_yield is None else energy(one.specific_yield),
            energy(one.month_before.values["pv_energy"]),
            energy(one.year_before.values["pv_energy"]),
            f"{one.sums.days} of {report.length}",
        ]
        for one in report.plants
    ]
    return h.section(".card", aria_labelledby="plants")[h.h2(id="plants")["Plants"], _table(heads, rows)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[h.Node]], foot: Sequence[h.Node] | None = None) -> h.Element:
    return h.div(".wide", tabindex="0", role="region", aria_label=f"{heads[0]} (table)")[
        h.table(".figures")[
            h.thead[h.tr[[h.th(scope="col")[head] for head in heads]]],
            h.tbody[[_row(row) for row in rows]],
            foot is not None and h.tfoot[_row(foot)],
        ]
    ]


def _row(cells: Sequence[h.Node]) -> h.Element:
    head, *rest = cells
    return h.tr[h.th(scope="row")[head], [h.td[figure(one) if isinstance(one, str) else one] for one in rest]]
