"""The energies of the selected period, with self-consumption and self-sufficiency, and the lifetime counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.metrics import ENERGIES
from heliograph.model import Quality
from heliograph.web.page.format import (
    GAP,
    count,
    energy,
    percent,
    specific_yield,
    split_energy,
    sum_energies,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.current import PlantState
    from heliograph.web.page.format import EnergySplit
    from heliograph.web.page.history import PeriodData

    Energies = Mapping[str, float | None]

ROWS = (
    ("sun", "Solar", "pv_energy"),
    ("house", "House", "load_energy"),
    ("grid", "Grid import", "grid_import_energy"),
    ("export", "Grid export", "grid_export_energy"),
    ("battery", "Battery charge", "battery_charge_energy"),
    ("discharge", "Battery discharge", "battery_discharge_energy"),
)
"""The energies: colour class, label, metric."""
_PROVISIONAL = "Values with ~ are not confirmed by a second reading yet, or calculated from the power since."
_IMPLAUSIBLE = "Today's counters are not plausible yet; their readings are listed as rejected values."


def period_totals(plant: PlantState, past: PeriodData) -> h.Node:
    """Return the totals of the selected period."""
    days = _days(plant, past)
    sums = sum_energies(days)
    unsure = {name for name in ENERGIES if past.selection.last >= past.today and f"{name}_today" in plant.provisional}
    texts = {name: energy(kwh, provisional=name in unsure) for name, kwh in sums.items()}
    blocks = [
        one for one in (_solar(plant, days, sums, texts), _house(days, sums, texts), _battery(sums, texts)) if one
    ]
    hints = _hints(plant, past, days, known=bool(blocks))
    if any(sums[name] is not None for name in unsure):
        hints.append(_PROVISIONAL)
    return [bool(blocks) and h.div(".totals")[blocks], [h.p(".hint")[text] for text in hints]]


def lifetime(plant: PlantState) -> h.Node:
    """Return the lifetime counters as a table, if there are any."""
    totals = ((mark, word, f"{name}_total") for mark, word, name in ROWS)
    known = [
        (mark, word, energy(value, provisional=name in plant.provisional))
        for mark, word, name in totals
        if (value := plant.values.get(name)) is not None
    ]
    if not known:
        return None
    return h.section(".card.lifetime", aria_labelledby="lifetime")[
        h.h2(id="lifetime")["Lifetime"],
        h.table(".plain")[
            h.tbody[[h.tr[h.th(scope="row")[h.span(f".mark.{mark}"), word], h.td[text]] for mark, word, text in known]]
        ],
    ]


def _is_today(past: PeriodData) -> bool:
    return past.selection.first == past.selection.last == past.today


def _days(plant: PlantState, past: PeriodData) -> Sequence[Energies]:
    """Return the energies of each known day; those of today alone are the current counters."""
    if _is_today(past):
        return [{name: plant.values.get(f"{name}_today") for name in ENERGIES}]
    return [one.values for one in past.days]


def _solar(plant: PlantState, days: Sequence[Energies], sums: Energies, texts: Mapping[str, str]) -> h.Element | None:
    total = sums["pv_energy"]
    if total is None:
        return None
    per_kwp = specific_yield(total, plant.peak_power)
    return h.div(".total")[
        _headline("sun", "Solar", texts["pv_energy"]),
        _share("sun", _split(days, "pv_energy", "grid_export_energy"), "self-consumed", "exported", "Self-consumption")
        or _line("export", "Grid export", texts["grid_export_energy"]),
        per_kwp and h.p(".ends")[h.span[per_kwp]],
    ]


def _house(days: Sequence[Energies], sums: Energies, texts: Mapping[str, str]) -> h.Element | None:
    if sums["load_energy"] is None and sums["grid_import_energy"] is None:
        return None
    return h.div(".total")[
        sums["load_energy"] is not None and _headline("house", "House", texts["load_energy"]),
        _share(
            "house",
            _split(days, "load_energy", "grid_import_energy"),
            "from own solar",
            "from grid",
            "Self-sufficiency",
        )
        or _line("grid", "Grid import", texts["grid_import_energy"]),
    ]


def _battery(sums: Energies, texts: Mapping[str, str]) -> h.Element | None:
    if sums["battery_charge_energy"] is None and sums["battery_discharge_energy"] is None:
        return None
    return h.div(".total")[
        h.p(".label")["Battery"],
        _line("battery", "Charged", texts["battery_charge_energy"]),
        _line("discharge", "Discharged", texts["battery_discharge_energy"]),
    ]


def _headline(mark: str, word: str, text: str) -> h.Element:
    return h.p(".big")[h.span(".label")[h.span(f".mark.{mark}"), word], h.strong[text]]


def _line(mark: str, word: str, text: str) -> h.Node:
    return text != GAP and h.p(".line")[h.span(".label")[h.span(f".mark.{mark}"), word], h.span[text]]


def _split(days: Sequence[Energies], total: str, grid: str) -> EnergySplit | None:
    """Return the split of those days of which both energies are known; of the others no share can be calculated."""
    sums = sum_energies(one for one in days if one.get(total) is not None and one.get(grid) is not None)
    return split_energy(sums[total], sums[grid])


def _share(mark: str, split: EnergySplit | None, own: str, grid: str, title: str) -> h.Node:
    """Return a bar of two parts, if both are known."""
    if split is None or split.share is None:
        return None
    rest = {"sun": "export", "house": "grid"}[mark]
    return h.div(".share")[
        h.p[h.span(".label")[title], h.strong[percent(split.share)]],
        h.svg(".bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")[
            h.rect(f".{rest}", x=0, y=0, width=100, height=8),
            h.rect(f".{mark}", x=0, y=0, width=f"{split.share:.1f}", height=8),
        ],
        h.p(".ends")[h.span[f"{energy(split.own)} {own}"], h.span[f"{energy(split.grid)} {grid}"]],
    ]


def _hints(plant: PlantState, past: PeriodData, days: Sequence[Energies], *, known: bool) -> list[str]:
    if _is_today(past):
        return [] if known else [_IMPLAUSIBLE if _is_implausible(plant) else "No energy data for today yet."]
    view = past.selection
    elapsed = (min(view.last, past.today) - view.first).days + 1
    with_data = sum(any(value is not None for value in one.values()) for one in days)
    hints = [f"Data of {with_data} of {count(elapsed, 'day', 'days')}."] if 0 < with_data < elapsed else []
    if imported := sum(bool(day.imported) for day in past.days):
        hints.append(f"Imported days: {imported}.")
    return hints


def _is_implausible(plant: PlantState) -> bool:
    """Return True if the vendor API reports solar power, but no plausible counter of today."""
    return plant.quality is Quality.REPAIRED and plant.values.get("pv_power") is not None
