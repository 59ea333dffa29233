"""Growatt's charts: days in 5-minute steps, months in days, years in months; nothing newer than the last upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.context import five_minutes, periods
from heliograph.emulator.clouds.growatt.formatting import kilowatt, plain, share, tenth, zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.emulator.clouds.growatt.context import Ask, Energy, Flow, Unit

_POINT = "chargePower outP pacToGrid pacToUser pex ppv pself sysOut userLoad"


def samples(unit: Unit, ask: Ask) -> dict[str, Flow]:
    """Return the samples of the day that is asked about, by their time on the plant's wall."""
    day = ask.date(unit)
    return {f"{at:%H:%M}": flow for at, flow in unit.samples(day)} if day else {}


def whole_day(unit: Unit, ask: Ask) -> dict[str, Any]:
    """Return a TLX day: every key from 00:00 to 23:55, numbers in kW, zeros where nothing came yet."""
    known = samples(unit, ask)
    return {key: zeros(_POINT) | (_point(unit, known[key]) if key in known else {}) for key in five_minutes()}


def _point(unit: Unit, flow: Flow) -> dict[str, float]:
    values = {
        # Quirk: on a battery-less unit chargePower repeats ppv.
        "chargePower": flow.charge if unit.has_battery else flow.pv,
        "outP": flow.discharge,
        "pacToGrid": flow.sold,
        "pacToUser": flow.bought,
        "ppv": flow.pv,
        "pself": max(0.0, flow.load - flow.bought),
        "sysOut": flow.load,
        "userLoad": flow.load,
    }
    return {name: round(watt / 1000, 2) for name, watt in values.items()}


def mix_day(unit: Unit, ask: Ask) -> dict[str, dict[str, str]]:
    """Return a mix day: texts in kW, from 00:05 up to the newest sample; empty in the first minutes of a day."""
    return {
        key: {
            "pacToGrid": kilowatt(flow.sold),
            "pacToUser": kilowatt(flow.bought),
            "pdischarge": kilowatt(flow.discharge),
            "ppv": kilowatt(flow.pv),
            "sysOut": kilowatt(flow.load),
        }
        for key, flow in samples(unit, ask).items()
        if key != "00:00"
    }


def bars(unit: Unit, ask: Ask) -> dict[str, Any]:
    """Return a month in days, a year in months or six years: one array per series, in kWh."""
    day = ask.date(unit)
    found = [unit.energy(period) for period in periods(ask.span, day)] if day else []
    # Quirk: `charge` holds the yield (captured on a NEO 800M-X), and `eac` and `epv3` nothing.
    return {
        "date": ask.arguments.get("date", ""),
        "charge": [tenth(one.pv) for one in found],
        "echarge": [tenth(one.charge) for one in found],
        "pacToGrid": [tenth(one.sold) for one in found],
        "pself": [tenth(_own_use(one)) for one in found],
        "sysOut": [tenth(one.load) for one in found],
        **{name: [0] * len(found) for name in ("acCharge", "eac", "epv3", "pex")},
    }


def _own_use(energy: Energy) -> float:
    """Return what was produced and used here, whether or not a meter knows the load."""
    return max(0.0, energy.pv - energy.sold - energy.charge + energy.discharge)


def energy_of(unit: Unit, ask: Ask) -> Energy:
    """Return the energies of the whole period a chart shows."""
    day = ask.date(unit)
    form = {0: "%Y-%m-%d", 1: "%Y-%m", 2: "%Y"}.get(ask.span)
    return unit.energy(day.strftime(form)) if day and form else unit.total


def sums(unit: Unit, ask: Ask) -> dict[str, str]:
    """Return what stands beside a chart: texts in kWh without a unit."""
    energy = energy_of(unit, ask)
    own, from_battery = _own_use(energy), min(energy.discharge, _own_use(energy))
    direct = own - from_battery
    produced = own + energy.sold
    return {
        "eAcCharge": plain(energy.sold),
        "eCharge": plain(produced),
        "eChargeToday": plain(direct),
        "eChargeToday1": plain(own),
        "eChargeToday2": plain(own),
        "echarge1": plain(from_battery),
        "echargeToat": plain(unit.total.discharge),
        "elocalLoad": plain(energy.load),
        "etouser": plain(max(0.0, energy.load - own)),
        "photovoltaic": plain(direct),
        "ratio1": share(own, produced),
        "ratio2": share(energy.sold, produced),
        "ratio3": share(own, energy.load),
        "ratio4": share(energy.load - own, energy.load),
        "ratio5": share(direct, own),
        "ratio6": share(from_battery, own),
        "unit": "kWh",
        "unit2": "kW",
    }


def power_curve(ask: Ask, unit: Unit | None, series: Callable[[Flow], float] | None) -> dict[str, Any]:
    """Return one day's curve under full stamps, in W, only where there is data."""
    day = ask.date(unit) if unit else None
    curve = {}
    if unit and day and series:
        curve = {f"{at:%Y-%m-%d %H:%M}": tenth(series(flow)) for at, flow in unit.samples(day) if flow.pv > 0}
    return {
        "date": ask.arguments.get("date", ""),
        "eToday": plain(unit.energy(day.isoformat()).pv) if unit and day else "0",
        "eTotal": plain(unit.total.pv) if unit else "0",
        "invPacData": curve,
        "nominalPower": str(int(unit.home.peak_power)) if unit else "0",
        "power": plain(unit.flow.ac) if unit else "0",
    }
