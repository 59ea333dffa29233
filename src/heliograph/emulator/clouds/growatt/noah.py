"""Responses of the emulated Growatt cloud for balcony batteries, NOAH and NEXA."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt.context import (
    ROUTER,
    GrowattCallContext,
    GrowattPowers,
    chart_periods,
    five_minute_keys,
    success,
)
from heliograph.emulator.clouds.growatt.formatting import decimal, tenth, timestamp
from heliograph.emulator.clouds.growatt.plants import energy_price, plant_name
from heliograph.emulator.clouds.growatt.templates import nexa_settings
from heliograph.vendors.growatt.api import GrowattCalls

if TYPE_CHECKING:
    from heliograph.emulator.clouds.growatt.context import GrowattDevice

CURRENCIES = ("EUR", "GBP", "USD", "AUD", "RMB")


@ROUTER.route(GrowattCalls.is_plant_noah_system)
def is_noah(call: GrowattCallContext) -> dict[str, Any]:
    """Whether a plant is a NOAH or a NEXA; an unknown plant is neither."""
    plant = call.plant
    family = "" if plant is None else plant.family
    return success(
        {
            "deviceSn": plant.devices[0] if plant and family in ("noah", "nexa") else "",
            # Quirk: a NEXA plant is no Noah system (GrowattPublicApiPy, nexa-mqtt).
            "isPlantHaveNexa": family == "nexa",
            "isPlantHaveNoah": family == "noah",
            "isPlantNoahSystem": family == "noah",
            "plantId": call.arguments.get("plantId", ""),
            "plantName": plant_name(plant) if plant else "",
        }
    )


@ROUTER.route(GrowattCalls.noah_system_status)
def noah_status(call: GrowattCallContext) -> dict[str, Any]:
    """Live values of a NOAH in W and kWh, all as texts without units."""
    return success(_status(call.require_balcony_battery("noah"), "NOAH 2000"))


@ROUTER.route(GrowattCalls.nexa_system_status)
def nexa_status(call: GrowattCallContext) -> dict[str, Any]:
    """Live values of a NEXA. Quirk: its status is 6 and its output 0 on a live device (GrowattPublicApiPy)."""
    device = call.require_balcony_battery("nexa")
    own = {
        "acCouplePowerControl": device.plant.settings.get("noah", {}).get("acCouplePowerControl", "0"),
        "eastronStatus": "-1",
        "groplugNum": "0",
        "groplugPower": "0",
        "onOffGrid": "0",
        "otherPower": decimal(device.powers.load),
        "pac": "0",
        "status": "4" if device.is_faulty else "6",
    }
    return success(_status(device, "NEXA 2000") | own)


def _status(device: GrowattDevice, name: str) -> dict[str, str]:
    flow, price = device.powers, energy_price(device.plant)
    return {
        "alias": name,
        "associatedInvSn": "",
        "batteryNum": str(len(device.plant.devices)),
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
        "status": "4" if device.is_faulty else "1",
        "workMode": "0",
    }


@ROUTER.route(GrowattCalls.noah_battery_data)
def noah_batteries(call: GrowattCallContext) -> dict[str, Any]:
    """The battery packs of a NOAH."""
    return success(_batteries(call.require_balcony_battery("noah")))


@ROUTER.route(GrowattCalls.nexa_battery_data)
def nexa_batteries(call: GrowattCallContext) -> dict[str, Any]:
    """The battery packs of a NEXA."""
    return success(_batteries(call.require_balcony_battery("nexa")))


def _batteries(device: GrowattDevice) -> dict[str, Any]:
    flow = device.powers
    # A pack is warmer than its surroundings by what it charges or discharges.
    warmth = 18 + 12 * (flow.charge + flow.discharge) / device.household.peak_power
    return {
        "batter": [
            {"serialNum": serial, "soc": decimal(flow.soc, 0), "temp": decimal(warmth)}
            for serial in device.plant.devices
        ],
        "tempType": "0",
        "time": timestamp(device.uploaded_at.astimezone(CHINA)),
    }


@ROUTER.route(GrowattCalls.noah_info)
def noah_info(call: GrowattCallContext) -> dict[str, Any]:
    """Settings of a NOAH as last written."""
    device = call.require_balcony_battery("noah")
    found = _info(
        device,
        {
            "alias": "NOAH 2000",
            "associatedInvManAndModel": 0,
            "associatedInvSn": "",
            "defaultPower": "200",
            "manName": "",
            "model": "NOAH 2000",
            "modelName": "",
            "version": "10.10.09.08.0001.4016",
        },
    )
    return success(found | {"neoList": []})


@ROUTER.route(GrowattCalls.nexa_info)
def nexa_info(call: GrowattCallContext) -> dict[str, Any]:
    """Settings of a NEXA as last written."""
    return success(_info(call.require_balcony_battery("nexa"), nexa_settings()))


def _info(device: GrowattDevice, own: dict[str, Any]) -> dict[str, Any]:
    """Return settings as last written. Quirk: time segments are an array of objects with one member each."""
    written = device.plant.settings.get("noah", {})
    segments = {name: value for name, value in written.items() if name.startswith("time_segment")}
    noah = {
        **own,
        "batSns": list(device.plant.devices),
        "chargingSocHighLimit": "95",
        "chargingSocLowLimit": "10",
        "deviceSn": device.serial,
        "formulaMoney": str(energy_price(device.plant)),
        "moneyUnitText": device.plant.settings.get("plant", {}).get("formulaMoneyUnitId", "EUR"),
        "plantId": device.plant.id,
        "plantName": plant_name(device.plant),
        "tempType": "0",
        **{name: value for name, value in written.items() if name not in segments},
        "time_segment": [{name: value} for name, value in segments.items()],
    }
    image = "" if device.plant.family == "nexa" else None
    return {
        "noah": noah,
        "plantList": [{"plantId": device.plant.id, "plantImgName": image, "plantName": plant_name(device.plant)}],
        "unitKeyList": list(CURRENCIES),
        "unitList": {currency: currency for currency in CURRENCIES},
    }


@ROUTER.route(GrowattCalls.noah_chart)
def noah_chart(call: GrowattCallContext) -> dict[str, Any]:
    """A NOAH's powers of a day in W, with all keys."""
    points = _day(call, call.require_balcony_battery("noah"))
    return success({key: _point(flow) for key, flow in points.items()})


@ROUTER.route(GrowattCalls.nexa_chart)
def nexa_chart(call: GrowattCallContext) -> dict[str, Any]:
    """A NEXA's powers of a day in W, with all keys. Quirk: its output is always 0 (GrowattPublicApiPy)."""
    points = _day(call, call.require_balcony_battery("nexa"))
    return success({key: _point(flow) | {"pac": "0"} for key, flow in points.items()})


def _day(call: GrowattCallContext, device: GrowattDevice) -> dict[str, GrowattPowers]:
    """Return the powers of a day. Quirk: of the day before the requested one (GrowattPublicApiPy)."""
    named = call.date(device)
    flows = {f"{at:%H:%M}": one for at, one in device.samples(named - timedelta(days=1))} if named else {}
    return {key: flows.get(key, GrowattPowers()) for key in five_minute_keys()}


def _point(flow: GrowattPowers) -> dict[str, str]:
    return {"pac": decimal(flow.ac), "ppv": decimal(flow.pv), "totalHouseholdLoad": decimal(flow.load)}


@ROUTER.route(GrowattCalls.noah_energies)
def noah_energies(call: GrowattCallContext) -> dict[str, Any]:
    """Solar energy of a NOAH by day, month or year."""
    return _energies(call, call.require_balcony_battery("noah"))


@ROUTER.route(GrowattCalls.nexa_energies)
def nexa_energies(call: GrowattCallContext) -> dict[str, Any]:
    """Solar energy of a NEXA by day, month or year."""
    return _energies(call, call.require_balcony_battery("nexa"))


def _energies(call: GrowattCallContext, device: GrowattDevice) -> dict[str, Any]:
    """Return solar energy, keyed by the last two digits of a day or month, or by the year."""
    named = call._replace(arguments={**call.arguments, "date": call.arguments.get("dateTime", "")}).date(device)
    bars = chart_periods(call.integer("dateType", 1), named) if named else []
    return success({one[-4:].split("-")[-1]: tenth(device.energy(one).pv) for one in bars})
