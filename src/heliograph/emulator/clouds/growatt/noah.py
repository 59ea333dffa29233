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
)
from heliograph.emulator.clouds.growatt.formatting import decimal, tenth
from heliograph.emulator.clouds.growatt.plants import energy_price, plant_name
from heliograph.vendors.growatt.api import GrowattCalls

CURRENCIES = ("EUR", "GBP", "USD", "AUD", "RMB")


@ROUTER.route(GrowattCalls.is_plant_noah_system)
def is_noah(call: GrowattCallContext) -> dict[str, Any]:
    """Whether a plant is a Noah; an unknown plant is not."""
    plant = call.plant
    found = plant is not None and DEVICE_TYPES[plant.family] == "noah"
    return success(
        {
            "deviceSn": plant.devices[0] if plant and found else "",
            "isPlantHaveNexa": False,
            "isPlantHaveNoah": found,
            "isPlantNoahSystem": found,
            "plantId": call.arguments.get("plantId", ""),
            "plantName": plant_name(plant) if plant else "",
        }
    )


@ROUTER.route(GrowattCalls.noah_system_status)
def system_status(call: GrowattCallContext) -> dict[str, Any]:
    """Live values in W and kWh, all as texts without units."""
    device = call.require_device("noah")
    flow, price = device.powers, energy_price(device.plant)
    return success(
        {
            "alias": "NOAH 2000",
            "associatedInvSn": "",
            "batteryNum": "1",
            "chargePower": decimal(flow.charge),
            "disChargePower": decimal(flow.discharge),
            # Quirk: clients read it as generation; over a day it is generation less the energy left in the battery.
            "eacToday": decimal(device.energy_today.pv),
            "eacTotal": decimal(device.energy_total.pv),
            "gridPower": decimal(flow.grid_import - flow.grid_export),
            "isHaveCt": "true",
            "loadPower": decimal(flow.load),
            "moneyUnit": "€",
            "pac": decimal(flow.ac),
            "plantId": device.plant.id,
            "ppv": decimal(flow.pv),
            "profitToday": decimal(device.energy_today.pv * price, 2),
            "profitTotal": decimal(device.energy_total.pv * price, 2),
            "soc": decimal(flow.soc, 0),
            "status": "1",
            "workMode": "0",
        }
    )


@ROUTER.route(GrowattCalls.noah_info)
def info(call: GrowattCallContext) -> dict[str, Any]:
    """Settings as last written. Quirk: time segments are an array of objects with one member each."""
    device = call.require_device("noah")
    written = device.plant.settings.get("noah", {})
    segments = {name: value for name, value in written.items() if name.startswith("time_segment")}
    noah = {
        "alias": "NOAH 2000",
        "associatedInvManAndModel": 0,
        "associatedInvSn": "",
        "batSns": [device.serial],
        "chargingSocHighLimit": "95",
        "chargingSocLowLimit": "10",
        "defaultPower": "200",
        "deviceSn": device.serial,
        "formulaMoney": str(energy_price(device.plant)),
        "manName": "",
        "model": "NOAH 2000",
        "modelName": "",
        "moneyUnitText": device.plant.settings.get("plant", {}).get("formulaMoneyUnitId", "EUR"),
        "plantId": device.plant.id,
        "plantName": plant_name(device.plant),
        "tempType": "0",
        "version": "10.10.09.08.0001.4016",
        **{name: value for name, value in written.items() if name not in segments},
        "time_segment": [{name: value} for name, value in segments.items()],
    }
    return success(
        {
            "neoList": [],
            "noah": noah,
            "plantList": [{"plantId": device.plant.id, "plantImgName": None, "plantName": plant_name(device.plant)}],
            "unitKeyList": list(CURRENCIES),
            "unitList": {currency: currency for currency in CURRENCIES},
        }
    )


@ROUTER.route(GrowattCalls.noah_chart)
def chart(call: GrowattCallContext) -> dict[str, Any]:
    """A day's powers in W, with all keys. Quirk: of the day before the requested one (GrowattPublicApiPy)."""
    device = call.require_device("noah")
    named = call.date(device)
    flows = {f"{at:%H:%M}": one for at, one in device.samples(named - timedelta(days=1))} if named else {}
    return success({key: _point(flows.get(key, GrowattPowers())) for key in five_minute_keys()})


def _point(flow: GrowattPowers) -> dict[str, str]:
    return {"pac": decimal(flow.ac), "ppv": decimal(flow.pv), "totalHouseholdLoad": decimal(flow.load)}


@ROUTER.route(GrowattCalls.noah_energies)
def energies(call: GrowattCallContext) -> dict[str, Any]:
    """Solar energy by day, month or year, keyed by its last two or four digits."""
    device = call.require_device("noah")
    named = call._replace(arguments={**call.arguments, "date": call.arguments.get("dateTime", "")}).date(device)
    bars = chart_periods(call.integer("dateType", 1), named) if named else []
    return success({one[-4:].split("-")[-1]: tenth(device.energy(one).pv) for one in bars})
