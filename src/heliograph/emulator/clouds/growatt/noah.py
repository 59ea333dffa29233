"""Responses of the emulated Growatt cloud for Noah balcony batteries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    GrowattCallContext,
    GrowattPowers,
    chart_periods,
    five_minute_keys,
    success,
    unknown_device,
)
from heliograph.emulator.clouds.growatt.formatting import decimal, tenth
from heliograph.emulator.clouds.growatt.plants import energy_price, plant_name
from heliograph.vendors.growatt.api import GrowattCalls

CURRENCIES = ("EUR", "GBP", "USD", "AUD", "RMB")


@ROUTER.route(GrowattCalls.is_plant_noah_system)
def is_noah(ask: GrowattCallContext) -> dict[str, Any]:
    """Whether a plant is a Noah; an unknown plant is not."""
    site = ask.site
    found = site is not None and DEVICE_TYPES[site.family] == "noah"
    return success(
        {
            "deviceSn": site.devices[0] if site and found else "",
            "isPlantHaveNexa": False,
            "isPlantHaveNoah": found,
            "isPlantNoahSystem": found,
            "plantId": ask.arguments.get("plantId", ""),
            "plantName": plant_name(site) if site else "",
        }
    )


@ROUTER.route(GrowattCalls.noah_system_status)
def system_status(ask: GrowattCallContext) -> dict[str, Any]:
    """Live values in W and kWh, all as texts without units."""
    if (unit := ask.device("noah")) is None:
        raise unknown_device()
    flow, price = unit.powers, energy_price(unit.plant)
    return success(
        {
            "alias": "NOAH 2000",
            "associatedInvSn": "",
            "batteryNum": "1",
            "chargePower": decimal(flow.charge),
            "disChargePower": decimal(flow.discharge),
            # Quirk: clients read it as generation; over a day it is generation less the energy left in the battery.
            "eacToday": decimal(unit.day.pv),
            "eacTotal": decimal(unit.total.pv),
            "gridPower": decimal(flow.grid_import - flow.grid_export),
            "isHaveCt": "true",
            "loadPower": decimal(flow.load),
            "moneyUnit": "€",
            "pac": decimal(flow.ac),
            "plantId": unit.plant.id,
            "ppv": decimal(flow.pv),
            "profitToday": decimal(unit.day.pv * price, 2),
            "profitTotal": decimal(unit.total.pv * price, 2),
            "soc": decimal(flow.soc, 0),
            "status": "1",
            "workMode": "0",
        }
    )


@ROUTER.route(GrowattCalls.noah_info)
def info(ask: GrowattCallContext) -> dict[str, Any]:
    """Settings as last written. Quirk: time segments are an array of objects with one member each."""
    if (unit := ask.device("noah")) is None:
        raise unknown_device()
    written = unit.plant.settings.get("noah", {})
    segments = {name: value for name, value in written.items() if name.startswith("time_segment")}
    noah = {
        "alias": "NOAH 2000",
        "associatedInvManAndModel": 0,
        "associatedInvSn": "",
        "batSns": [unit.serial],
        "chargingSocHighLimit": "95",
        "chargingSocLowLimit": "10",
        "defaultPower": "200",
        "deviceSn": unit.serial,
        "formulaMoney": str(energy_price(unit.plant)),
        "manName": "",
        "model": "NOAH 2000",
        "modelName": "",
        "moneyUnitText": unit.plant.settings.get("plant", {}).get("formulaMoneyUnitId", "EUR"),
        "plantId": unit.plant.id,
        "plantName": plant_name(unit.plant),
        "tempType": "0",
        "version": "10.10.09.08.0001.4016",
        **{name: value for name, value in written.items() if name not in segments},
        "time_segment": [{name: value} for name, value in segments.items()],
    }
    return success(
        {
            "neoList": [],
            "noah": noah,
            "plantList": [{"plantId": unit.plant.id, "plantImgName": None, "plantName": plant_name(unit.plant)}],
            "unitKeyList": list(CURRENCIES),
            "unitList": {unit: unit for unit in CURRENCIES},
        }
    )


@ROUTER.route(GrowattCalls.noah_chart)
def chart(ask: GrowattCallContext) -> dict[str, Any]:
    """A day's powers in W, with all keys. Quirk: of the day before the requested one (GrowattPublicApiPy)."""
    if (unit := ask.device("noah")) is None:
        raise unknown_device()
    named = ask.date(unit)
    flows = {f"{at:%H:%M}": one for at, one in unit.samples(named - timedelta(days=1))} if named else {}
    return success({key: _point(flows.get(key, GrowattPowers())) for key in five_minute_keys()})


def _point(flow: GrowattPowers) -> dict[str, str]:
    return {"pac": decimal(flow.ac), "ppv": decimal(flow.pv), "totalHouseholdLoad": decimal(flow.load)}


@ROUTER.route(GrowattCalls.noah_energies)
def energies(ask: GrowattCallContext) -> dict[str, Any]:
    """Solar energy by day, month or year, keyed by its last two or four digits."""
    if (unit := ask.device("noah")) is None:
        raise unknown_device()
    named = ask._replace(arguments={**ask.arguments, "date": ask.arguments.get("dateTime", "")}).date(unit)
    bars = chart_periods(ask.integer("dateType", 1), named) if named else []
    return success({one[-4:].split("-")[-1]: tenth(unit.energy(one).pv) for one in bars})
