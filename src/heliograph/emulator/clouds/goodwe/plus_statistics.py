"""History of an emulated plant in SEMS+: energies by day, month and year, and power curves of a day."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.history import curve_of, energies_of
from heliograph.emulator.clouds.goodwe.inverter_model import CURRENCY, income
from heliograph.emulator.clouds.goodwe.plus_auth import BAD_REQUEST
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER, plant_of, to_kilowatts
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext

_BAD_DIMENSION = ("S0327", "Statistical dimension parameters are incorrect")
_MAX_PERIODS = 400
_MAX_ITEMS = 20

_FORMATS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_ITEMS = {
    "proSystemTotalStats": "pv_energy",
    "proConsumStats": "load_energy",
    "proCharStats": "battery_charge_energy",
    "proDischarStats": "battery_discharge_energy",
    "proGridStats": "grid_export_energy",
    "proPurchaseStats": "grid_import_energy",
    "proSelfConsumStats": "self_used",
}
_CURVES = {
    "pSystem": ("pv_power", 1),
    "pConsum": ("load_power", 1),
    "pBat": ("battery_power", 1),
    # Quirk: + exports.
    "pGrid": ("grid_power", -1),
}


@PLUS_ROUTER.route(SemsPlusCalls.plus_statistics)
def statistics(call: GoodWeCallContext) -> dict[str, Any]:
    """Return energies of a plant by day, month or year, with their sums."""
    plant = plant_of(call)
    energies = {period: energies_of(plant, period) for period in _periods(call, plant)}
    items = [item for item in _items(call) if item in _ITEMS]
    series = [
        {
            "item": item,
            "unit": "kWh",
            "statisticsList": [
                {"date": period, "val": round(row[_ITEMS[item]], 2)} for period, row in energies.items()
            ],
        }
        for item in items
        if all(_ITEMS[item] in row for row in energies.values())
    ]
    return {**_sums(list(energies.values())), "dataList": series, "hasProfit": False}


@PLUS_ROUTER.route(SemsPlusCalls.plus_production)
def production(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the sums of a range and their income; no real response is published."""
    plant = plant_of(call)
    sums = _sums([energies_of(plant, period) for period in _periods(call, plant)])
    sold = sums.get("proGrid", 0.0)
    incomes = {"profitGrid": sold, "profitPro": sums.get("production", 0.0) - sold}
    return {
        **{name: value for name, value in sums.items() if not name.endswith("Rate")},
        **{name: round(income(kwh), 2) for name, kwh in incomes.items()},
        "currency": CURRENCY,
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_power_curves)
def power_curves(call: GoodWeCallContext) -> dict[str, Any]:
    """Return power curves up to the latest upload in kW and %, with the signs of the power flow."""
    plant = plant_of(call)
    first, last = _bounds(call)
    days = [f"{first + timedelta(days=ahead)}" for ahead in range(min((last - first).days, 6) + 1)]
    curves: dict[str, list[dict[str, Any]]] = {}
    for day in days:
        for moment, values in curve_of(plant, day):
            if moment > call.context.uploaded_at():
                break
            for item, value in _point_values(values).items():
                point = {"tp": f"{moment:%Y-%m-%d %H:%M:%S}", "power": value}
                curves.setdefault(item, []).append(point)
    return {"dataList": [{"item": item, "statisticsList": curves[item]} for item in _items(call) if item in curves]}


def _point_values(values: dict[str, float]) -> dict[str, float]:
    values_by_item = {
        item: to_kilowatts(sign * values[name]) for item, (name, sign) in _CURVES.items() if name in values
    }
    return values_by_item | ({"soc": round(values["battery_soc"]) + 0.0} if "battery_soc" in values else {})


def _sums(rows: list[dict[str, float]]) -> dict[str, float]:
    total = {name: round(sum(row[name] for row in rows), 2) for name in (rows[0] if rows else {})}
    produced = total.get("production", 0.0)
    sums = {"production": produced, "proAcTotal": produced}
    if "self_used" in total:
        self_used, used = total["self_used"], total["load_energy"]
        sold, bought = total["grid_export_energy"], total["grid_import_energy"]
        sums |= {
            "proSelfConsum": self_used,
            "proSelfConsumRate": _percent(self_used, produced),
            "proGrid": sold,
            "proGridRate": _percent(sold, produced),
            "proConsum": used,
            "contributionRate": _percent(self_used, used),
            "proPurchase": bought,
            "proPurchaseRate": _percent(bought, used),
            "proPvStoreContribution": self_used,
        }
    return sums


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _periods(call: GoodWeCallContext, plant: EmulatedPlant) -> list[str]:
    """Return the requested periods, up to the current one."""
    date_format = _FORMATS.get(call.arguments.get("dimension", ""))
    if date_format is None:
        raise GoodWeFailure(*_BAD_DIMENSION)
    first, last = _bounds(call)
    today = call.context.now().astimezone(plant.households[0].zone).date()
    return list(islice(_steps(first, min(last, today), date_format), _MAX_PERIODS))


def _steps(first: date, last: date, date_format: str) -> Iterator[str]:
    previous, day = "", first
    while day <= last:
        period = day.strftime(date_format)
        if period != previous:
            previous = period
            yield period
        day += timedelta(days=1)


def _bounds(call: GoodWeCallContext) -> tuple[date, date]:
    """Return the first and last day of the requested range."""
    texts = (call.arguments.get(name, "")[:10] for name in ("starttime", "endtime"))
    try:
        first, last = map(date.fromisoformat, texts)
    except ValueError:
        raise GoodWeFailure(*BAD_REQUEST) from None
    # Bounds the work for absurd ranges; no real plant is older.
    return max(first, date(2000, 1, 1)), min(last, date(2100, 1, 1))


def _items(call: GoodWeCallContext) -> list[str]:
    try:
        items = json.loads(call.arguments.get("items", "[]"))
    except (ValueError, RecursionError):
        items = []
    return [item for item in items if isinstance(item, str)][:_MAX_ITEMS] if isinstance(items, list) else []
