"""Charts of the emulated Growatt cloud: days in 5-minute steps, months by day, years by month, no future points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.context import chart_periods, five_minute_keys
from heliograph.emulator.clouds.growatt.formatting import decimal, kilowatt, percent, tenth, zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.emulator.clouds.growatt.context import (
        GrowattCallContext,
        GrowattDevice,
        GrowattEnergies,
        GrowattPowers,
    )

_POINT = "chargePower outP pacToGrid pacToUser pex ppv pself sysOut userLoad"


def day_powers(device: GrowattDevice, call: GrowattCallContext) -> dict[str, GrowattPowers]:
    """Return the powers of the requested day, keyed by plant-local time."""
    day = call.date(device)
    return {f"{at:%H:%M}": flow for at, flow in device.samples(day)} if day else {}


def tlx_day(device: GrowattDevice, call: GrowattCallContext) -> dict[str, Any]:
    """Return a TLX day: all keys from 00:00 to 23:55, numbers in kW, zeros where no data was uploaded."""
    known = day_powers(device, call)
    return {key: zeros(_POINT) | (_point(device, known[key]) if key in known else {}) for key in five_minute_keys()}


def _point(device: GrowattDevice, flow: GrowattPowers) -> dict[str, float]:
    values = {
        # Quirk: on a battery-less unit chargePower repeats ppv.
        "chargePower": flow.charge if device.has_battery else flow.pv,
        "outP": flow.discharge,
        "pacToGrid": flow.grid_export,
        "pacToUser": flow.grid_import,
        "ppv": flow.pv,
        "pself": max(0.0, flow.load - flow.grid_import),
        "sysOut": flow.load,
        "userLoad": flow.load,
    }
    return {name: round(watt / 1000, 2) for name, watt in values.items()}


def mix_day(device: GrowattDevice, call: GrowattCallContext) -> dict[str, dict[str, str]]:
    """Return a mix day: texts in kW, from 00:05 to the newest sample; empty in the first minutes of a day."""
    return {
        key: {
            "pacToGrid": kilowatt(flow.grid_export),
            "pacToUser": kilowatt(flow.grid_import),
            "pdischarge": kilowatt(flow.discharge),
            "ppv": kilowatt(flow.pv),
            "sysOut": kilowatt(flow.load),
        }
        for key, flow in day_powers(device, call).items()
        if key != "00:00"
    }


def bars(device: GrowattDevice, call: GrowattCallContext) -> dict[str, Any]:
    """Return a month by day, a year by month or six years: one array per series, in kWh."""
    day = call.date(device)
    found = [device.energy(period) for period in chart_periods(call.span, day)] if day else []
    # Quirk: `charge` is the PV yield (captured on a NEO 800M-X), `eac` and `epv3` are 0.
    return {
        "date": call.arguments.get("date", ""),
        "charge": [tenth(one.pv) for one in found],
        "echarge": [tenth(one.charge) for one in found],
        "pacToGrid": [tenth(one.grid_export) for one in found],
        "pself": [tenth(_own_use(one)) for one in found],
        "sysOut": [tenth(one.load) for one in found],
        **{name: [0] * len(found) for name in ("acCharge", "eac", "epv3", "pex")},
    }


def _own_use(energy: GrowattEnergies) -> float:
    """Return the self-consumed energy, also without a meter for the load."""
    return max(0.0, energy.pv - energy.grid_export - energy.charge + energy.discharge)


def period_energy(device: GrowattDevice, call: GrowattCallContext) -> GrowattEnergies:
    """Return the energies of the period of a chart."""
    day = call.date(device)
    form = {0: "%Y-%m-%d", 1: "%Y-%m", 2: "%Y"}.get(call.span)
    return device.energy(day.strftime(form)) if day and form else device.energy_total


def chart_sums(device: GrowattDevice, call: GrowattCallContext) -> dict[str, str]:
    """Return the sums of a chart: texts in kWh without a unit."""
    energy = period_energy(device, call)
    own, from_battery = _own_use(energy), min(energy.discharge, _own_use(energy))
    direct = own - from_battery
    produced = own + energy.grid_export
    return {
        "eAcCharge": decimal(energy.grid_export),
        "eCharge": decimal(produced),
        "eChargeToday": decimal(direct),
        "eChargeToday1": decimal(own),
        "eChargeToday2": decimal(own),
        "echarge1": decimal(from_battery),
        "echargeToat": decimal(device.energy_total.discharge),
        "elocalLoad": decimal(energy.load),
        "etouser": decimal(max(0.0, energy.load - own)),
        "photovoltaic": decimal(direct),
        "ratio1": percent(own, produced),
        "ratio2": percent(energy.grid_export, produced),
        "ratio3": percent(own, energy.load),
        "ratio4": percent(energy.load - own, energy.load),
        "ratio5": percent(direct, own),
        "ratio6": percent(from_battery, own),
        "unit": "kWh",
        "unit2": "kW",
    }


def power_curve(
    call: GrowattCallContext, device: GrowattDevice | None, series: Callable[[GrowattPowers], float] | None
) -> dict[str, Any]:
    """Return one day's curve with full timestamps, in W, only where there is data."""
    day = call.date(device) if device else None
    curve = {}
    if device and day and series:
        curve = {f"{at:%Y-%m-%d %H:%M}": tenth(series(flow)) for at, flow in device.samples(day) if flow.pv > 0}
    return {
        "date": call.arguments.get("date", ""),
        "eToday": decimal(device.energy(day.isoformat()).pv) if device and day else "0",
        "eTotal": decimal(device.energy_total.pv) if device else "0",
        "invPacData": curve,
        "nominalPower": str(int(device.household.peak_power)) if device else "0",
        "power": decimal(device.powers.ac) if device else "0",
    }
