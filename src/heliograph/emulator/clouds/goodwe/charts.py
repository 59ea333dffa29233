"""Curves and charts of the emulated SEMS Portal: 5-minute curves of a day, energies by day, month and year."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_number
from heliograph.emulator.clouds.goodwe import electrics
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, GoodWeCallContext, GoodWeFailure
from heliograph.emulator.clouds.goodwe.families import FAMILIES
from heliograph.emulator.clouds.goodwe.history import curve_of, energies_of
from heliograph.emulator.clouds.goodwe.inverter_model import CURRENCY, income, inverters_of, us_datetime
from heliograph.emulator.clouds.goodwe.surviving import require_plant
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

_STEPS_PER_HOUR = 12
_MAX_DAYS = 400
_YEARS = 5

_CURVES = (
    ("PCurve_Power_PV", "pv_power", "W", 1),
    # Quirk: - imports.
    ("PCurve_Power_Meter", "grid_power", "W", -1),
    ("PCurve_Power_Battery", "battery_power", "W", 1),
    ("PCurve_Power_Load", "load_power", "W", 1),
    ("PCurve_Power_SOC", "battery_soc", "%", 1),
)


def _day(call: GoodWeCallContext) -> date:
    try:
        day = date.fromisoformat(call.arguments.get("date", "")[:10])
    except ValueError:
        raise GoodWeFailure(100000, "system error") from None
    if not 2000 <= day.year <= 2100:
        raise GoodWeFailure(100000, "system error")
    return day


# One day


@LEGACY_ROUTER.route(GoodWeCalls.power_by_day)
def power_by_day(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the AC power of a plant over one day."""
    curve = _until_now(curve_of(require_plant(call), f"{_day(call)}"), call)
    return {"pacs": [{"date": us_datetime(at), "pac": round(values["ac_power"]) + 0.0} for at, values in curve]}


@LEGACY_ROUTER.route(GoodWeCalls.inverter_column)
def inverter_column(call: GoodWeCallContext) -> dict[str, Any]:
    """Return one quantity of one inverter over one day."""
    plant = require_plant(call)
    serial = call.arguments.get("id", "")
    inverters = inverters_of(plant, call.account, call.context)
    inverter = next((inverter for inverter in inverters if inverter.serial == serial), None)
    if inverter is None:
        raise GoodWeFailure("innerexception", "未将对象引用设置到对象的实例。", "")
    curve = _until_now(inverter.home.curve(f"{_day(call)}"), call)
    column = _COLUMNS.get(call.arguments.get("column", "").lower(), _no_values)
    points = zip(curve, column(inverter, [values for _, values in curve]), strict=False)
    omits_night = FAMILIES[plant.family].offline_at_night
    return {
        "column1": [
            # Quirk: the date is in the account's format.
            {"date": inverter.account_datetime(at), "column": value}
            for (at, values), value in points
            if values["pv_power"] or not omits_night
        ]
    }


ColumnValues = list[float]
Curve = list[dict[str, float]]


def _no_values(inverter: EmulatedInverter, curve: Curve) -> ColumnValues:
    return []


def _power(inverter: EmulatedInverter, curve: Curve) -> ColumnValues:
    # Quirk: on a hybrid this is the PV power, not the AC output (Home Assistant, issue 107).
    return [round(values["pv_power"]) + 0.0 for values in curve]


def _energy_today(inverter: EmulatedInverter, curve: Curve) -> ColumnValues:
    watts_sum = accumulate((values["pv_power"] for values in curve), initial=0.0)
    return [round(watts / _STEPS_PER_HOUR / 1000, 1) for watts in watts_sum]


def _state_of_charge(inverter: EmulatedInverter, curve: Curve) -> ColumnValues:
    return [round(values["battery_soc"]) + 0.0 for values in curve if "battery_soc" in values]


def _in_daylight(
    measured: Callable[[EmulatedInverter, dict[str, float]], float],
) -> Callable[[EmulatedInverter, Curve], ColumnValues]:
    return lambda inverter, curve: [measured(inverter, values) if values["pv_power"] else 0.0 for values in curve]


_COLUMNS: dict[str, Callable[[EmulatedInverter, Curve], ColumnValues]] = {
    "pac": _power,
    "eday": _energy_today,
    "cbattery1": _state_of_charge,
    "vpv1": _in_daylight(lambda inverter, values: electrics.string_voltage(inverter, values, 1)),
    "ipv1": _in_daylight(lambda inverter, values: electrics.string_current(inverter, values, 1)),
    "vac1": _in_daylight(electrics.grid_voltage),
    "fac1": _in_daylight(lambda *_: electrics.FREQUENCY),
    "tempperature": _in_daylight(electrics.temperature),
}


@LEGACY_ROUTER.route(GoodWeCalls.power_chart)
def power_chart(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the powers of a day in 5-minute steps; future points have no `y`."""
    plant, day = require_plant(call), _day(call)
    curve, until = curve_of(plant, f"{day}"), call.context.uploaded_at()
    metrics = curve[0][1].keys() if curve else ()
    lines = [
        {
            "key": key,
            "name": key,
            "label": key,
            "unit": unit,
            "isActive": True,
            "axis": 0,
            "sort": index,
            "type": 1,
            "frontColor": "#F2C037",
            "xy": [
                {"x": f"{at:%H:%M}", "y": sign * round(values[name]) + 0.0 if at <= until else None, "z": None}
                for at, values in curve
            ],
        }
        for index, (key, name, unit, sign) in enumerate(_CURVES)
        if name in metrics
    ]
    generated = round(energies_of(plant, f"{day}")["pv_energy"], 2)
    return {"lines": lines, "generateData": [{"key": "Generation", "value": generated, "unit_Key": "kWh"}]}


def _until_now(
    curve: list[tuple[datetime, dict[str, float]]], call: GoodWeCallContext
) -> list[tuple[datetime, dict[str, float]]]:
    until = call.context.uploaded_at()
    return [(at, values) for at, values in curve if at <= until]


# Days, months and years


@LEGACY_ROUTER.route(GoodWeCalls.energy_by_day)
def energy_by_day(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the PV energy of a plant on each of the days up to a date."""
    plant, last = require_plant(call), _day(call)
    count = min(int(parse_number(call.arguments.get("count")) or 1), _MAX_DAYS)
    # Quirk: since September 2026 only today has a value; earlier days are reported as 0.
    only_today = call.context.fault("september") is not None
    today = call.context.now().astimezone(plant.households[0].zone).date()
    days = []
    for back in reversed(range(count)):
        day = last - timedelta(days=back)
        kwh = 0.0 if only_today and day != today else round(energies_of(plant, f"{day}")["pv_energy"], 1)
        days.append({"d": f"{day:%m/%d/%Y}", "p": kwh, "i": round(income(kwh), 2)})
    return days


@LEGACY_ROUTER.route(GoodWeCalls.chart_by_plant)
def chart_by_plant(call: GoodWeCallContext) -> dict[str, Any]:
    """Return energies by day, month or year up to a date, as lines and as sums."""
    plant, last = require_plant(call), _day(call)
    today = call.context.now().astimezone(plant.households[0].zone).date()
    periods = _periods(call.arguments.get("range", ""), last)
    energies = {period: energies_of(plant, period) if period <= f"{today}" else None for period in periods}
    return {
        "leftLabels": [],
        "lines": [
            {
                "label": f"{label} ({unit})",
                "name": name,
                "key": name,
                "unit": unit,
                "xy": [
                    {"x": period, "y": None if row is None else round(scale * row[metric], 2), "z": None}
                    for period, row in energies.items()
                ],
            }
            for label, name, unit, metric, scale in _LINES.get(call.arguments.get("chartindexid", ""), ())
            if metric in energies_of(plant, f"{today}")
        ],
        "nestedGraph": {"useNested": False},
        "axis": [],
        "modelData": _sums(plant, [row for row in energies.values() if row is not None]),
        "chartNum": 0,
    }


_LINES = {
    "3": (
        ("Generation", "PVGeneration", "kWh", "pv_energy", 1.0),
        ("Income", "Income", CURRENCY, "pv_energy", income(1.0)),
    ),
    "8": (
        ("Generation", "PVGeneration", "kWh", "pv_energy", 1.0),
        ("In-House", "InHouse", "kWh", "self_used", 1.0),
        ("Grid sell", "Sell", "kWh", "grid_export_energy", 1.0),
        ("Grid buy", "Buy", "kWh", "grid_import_energy", 1.0),
        ("Consumption", "Consumption", "kWh", "load_energy", 1.0),
        ("Charge", "Charge", "kWh", "battery_charge_energy", 1.0),
        ("Discharge", "Discharge", "kWh", "battery_discharge_energy", 1.0),
    ),
}


def _periods(span: str, last: date) -> list[str]:
    """Return the periods of a chart, oldest first.

    >>> _periods("3", date(2026, 2, 28))[-3:]
    ['2025-12', '2026-01', '2026-02']
    """
    if span == "1":
        return [f"{last}"]
    if span == "2":
        # Quirk: a rolling window, not the calendar month.
        return [f"{last - timedelta(days=back)}" for back in reversed(range(31))]
    if span == "3":
        months = (last.year * 12 + last.month - 1 - back for back in reversed(range(12)))
        return [f"{month // 12}-{month % 12 + 1:02}" for month in months]
    return [f"{last.year - back}" for back in reversed(range(_YEARS))]


def _sums(plant: EmulatedPlant, rows: list[dict[str, float]]) -> dict[str, Any]:
    def kwh(name: str) -> float:
        return round(sum(row.get(name, 0.0) for row in rows), 2)

    output = kwh("production")
    sold, bought = kwh("grid_export_energy"), kwh("grid_import_energy")
    self_used = round(output - sold, 2)
    used = round(self_used + bought, 2)
    return {
        "sum": kwh("pv_energy"),
        "etotal": 0.0,
        "yesterdayEtotal": 0.0,
        "buy": bought,
        "buyPercent": round(100 * bought / used, 1) if used else 0.0,
        "sell": sold,
        "sellPercent": round(100 * sold / output, 1) if output else 0.0,
        "selfUseOfPv": self_used,
        "consumptionOfLoad": used,
        "hasCharge": False,
        "charge": kwh("battery_charge_energy"),
        "disCharge": kwh("battery_discharge_energy"),
        "gensetGen": 0.0,
        # Quirk: the AC output of the inverters, which on a hybrid differs from the PV energy.
        "outPut": output,
        # Quirk: a percentage here, a fraction two lines below.
        "selfUseRatio": round(100 * self_used / output, 2) if output else 0.0,
        "in_House": self_used,
        "contributionRatio": round(self_used / used, 4) if used else 0.0,
        "isStored": bool(plant.households[0].battery_capacity),
        "isGenset": False,
        "isMicroGrid": False,
        "microGridGen": 0.0,
    }
