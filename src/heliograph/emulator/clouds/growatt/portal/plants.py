"""Responses of the emulated web portal for whole plants: lists of plants, devices and dataloggers, weather, alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt.formatting import decimal, timestamp
from heliograph.emulator.clouds.growatt.plants import KG_PER_KWH, energy_price, nominal_power, plant_name
from heliograph.emulator.clouds.growatt.portal.context import PORTAL_ROUTER, PortalCallContext
from heliograph.emulator.fault_log import logged_faults
from heliograph.vendors.growatt.portal.api import PortalCalls

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.clouds.growatt.context import GrowattDevice

_PAGE_SIZE = 4
_TYPES = {"inverter": "inv", "tlx-battery": "tlxh"}
"""The portal's name of a family, where it is not the app's."""
_MODELS = {"tlx": "MIN 4200TL-X", "tlx-battery": "MIN 6000TL-XH", "spa": "SPA3000TL BL", "storage": "SPF 5000 ES"}


def type_name(device: GrowattDevice) -> str:
    """Return the portal's name of a device's family."""
    return _TYPES.get(device.plant.family, device.plant.family)


def offset_hours(moment: datetime) -> str:
    """Return the UTC offset of a local time in hours."""
    offset = moment.utcoffset()
    return decimal(offset.total_seconds() / 3600 if offset else 0.0)


@PORTAL_ROUTER.route(PortalCalls.portal_plants)
def plant_list(call: PortalCallContext) -> list[dict[str, str]]:
    """Id, name and UTC offset of all plants."""
    devices = [call.main_device(plant) for plant in call.account.plants]
    return [
        {"timezone": offset_hours(device.now), "id": device.plant.id, "plantName": plant_name(device.plant)}
        for device in devices
    ]


@PORTAL_ROUTER.route(PortalCalls.portal_plant)
def plant_data(call: PortalCallContext) -> dict[str, str]:
    """Facts of one plant, all as texts."""
    device = call.main_device(call.require_plant())
    total = device.energy_total.pv
    return {
        "accountName": call.account.username,
        "city": "Kassel",
        "co2": decimal(total * KG_PER_KWH),
        "country": "Germany",
        "creatDate": "2024-03-01",
        "eTotal": decimal(total),
        "formulaMoney": decimal(energy_price(device.plant), 2),
        "id": device.plant.id,
        "isShare": "false",
        "lat": decimal(device.household.latitude, 2),
        "lng": decimal(device.household.longitude, 2),
        "moneyUnit": "eur",
        "moneyUnitText": "€",
        "nominalPower": str(nominal_power(device.plant)),
        "plantName": plant_name(device.plant),
        "plantType": "0",
        "timezone": offset_hours(device.now),
    }


@PORTAL_ROUTER.route(PortalCalls.portal_weather)
def weather(call: PortalCallContext) -> dict[str, Any]:
    """The weather, twice: as an object and as its JSON text."""
    device = call.main_device(call.require_plant())
    local = timestamp(device.local_time)[:-3]
    now = {"cond_code": "100", "cond_txt": "Sunny", "hum": "50", "pres": "1015", "tmp": "20", "wind_spd": "10"}
    data = {"HeWeather6": [{"now": now, "update": {"loc": local}, "basic": {"location": "Kassel"}, "status": "ok"}]}
    week = f"{device.now:%A}"
    return {"city": "Kassel", "Week": week, "dataStr": json.dumps(data), "data": data, "radiant": "--"}


@PORTAL_ROUTER.route(PortalCalls.portal_device_page)
def device_page(call: PortalCallContext) -> dict[str, Any]:
    """One page of the devices of a plant."""
    plant = call.require_plant()
    rows = [_row(call.main_device(plant), call.account.username)]
    number = call.page()
    pages = max(1, -(-len(rows) // _PAGE_SIZE))
    return {
        "currPage": number,
        "pages": pages,
        "pageSize": _PAGE_SIZE,
        "count": len(rows),
        "ind": 1,
        "datas": rows[(number - 1) * _PAGE_SIZE : number * _PAGE_SIZE],
        "notPager": False,
    }


def _row(device: GrowattDevice, owner: str) -> dict[str, str]:
    flow, day, total, month = device.powers, device.energy_today, device.energy_total, f"{device.now:%Y-%m}"
    # Quirk: an SPA reports the power of its battery side, negative while it charges (a public capture).
    power = flow.discharge - flow.charge if device.plant.family == "spa" else flow.ac
    return {
        "accountName": owner,
        "alias": device.serial,
        "bdcStatus": "1" if device.plant.family == "tlx-battery" else "0",
        "datalogSn": f"LOG{device.plant.id}",
        "datalogTypeTest": "ShineWIFI-S",
        "deviceModel": _MODELS.get(device.plant.family, device.plant.family.upper()),
        "deviceType": "0",
        "deviceTypeName": type_name(device),
        "eMonth": decimal(device.energy(month).pv),
        "eToday": decimal(day.pv),
        "eTotal": decimal(total.pv),
        # Quirk: the same moment twice, in the plant's offset and in China's.
        "lastUpdateTime": timestamp(device.local_time),
        "location": "",
        "nominalPower": decimal(device.household.peak_power, 0),
        "pac": decimal(power),
        "plantId": device.plant.id,
        "plantName": plant_name(device.plant),
        "ptoStatus": "0",
        "sn": device.serial,
        "status": _status(device),
        "timeServer": timestamp(device.uploaded_at.astimezone(CHINA)),
        "timezone": offset_hours(device.local_time),
    }


def _status(device: GrowattDevice) -> str:
    if device.plant.family in ("mix", "spa"):
        return "5" if device.powers.pv > 0 else "6"
    if device.asleep:
        return "-1"
    return "1" if device.powers.pv > 0 else "0"


@PORTAL_ROUTER.route(PortalCalls.portal_devices_by_family)
def devices_by_family(call: PortalCallContext) -> dict[str, list[list[str]]]:
    """Serial number, name and a "0" of each device."""
    device = call.main_device(call.require_plant())
    return {type_name(device): [[device.serial, device.serial, "0"]]}


@PORTAL_ROUTER.route(PortalCalls.portal_dataloggers)
def dataloggers(call: PortalCallContext) -> dict[str, Any]:
    """The datalogger of a plant."""
    device = call.main_device(call.require_plant())
    row = {
        "deviceTypeIndicate": "11",
        "interval": "5",
        "lastUpdateTime": timestamp(device.local_time),
        "lost": "false",
        "plantId": device.plant.id,
        "sn": f"LOG{device.plant.id}",
    }
    return {"currPage": call.page(), "pages": 1, "pageSize": 15, "count": 1, "ind": 1, "datas": [row]}


@PORTAL_ROUTER.route(PortalCalls.portal_alarms)
def alarms(call: PortalCallContext) -> dict[str, Any]:
    """The fault log of a plant, in the members that the npm package's documentation lists."""
    device = call.main_device(call.require_plant())
    rows = [
        {
            "deviceType": device.plant.family,
            "eventId": f"ERROR_{fault.code}",
            "eventName": "No AC Connection",
            "batSn": "",
            "solution": "1.After shutdown,Check AC wiring.",
            "eventSolution": "",
            "alias": device.serial,
            "sn": device.serial,
            "deviceSn": device.serial,
            "time": "" if fault.started_at is None else timestamp(fault.started_at.astimezone(device.household.zone)),
        }
        for fault in logged_faults(call.context)
    ]
    return {"currPage": call.page("toPageNum"), "pages": 1, "count": len(rows), "datas": rows}
