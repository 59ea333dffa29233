"""What Growatt answers about Noah balcony batteries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from heliograph.emulator.clouds.growatt.context import ANSWERS, KINDS, Ask, Flow, five_minutes, ok, periods, unknown
from heliograph.emulator.clouds.growatt.formatting import plain, tenth
from heliograph.emulator.clouds.growatt.plants import name_of, price_of
from heliograph.vendors.growatt.api import GrowattCalls

UNITS = ("EUR", "GBP", "USD", "AUD", "RMB")


@ANSWERS.to(GrowattCalls.is_plant_noah_system)
def is_noah(ask: Ask) -> dict[str, Any]:
    """Whether a plant is a Noah; one that is unknown is none."""
    site = ask.site
    found = site is not None and KINDS[site.family] == "noah"
    return ok(
        {
            "deviceSn": site.devices[0] if site and found else "",
            "isPlantHaveNexa": False,
            "isPlantHaveNoah": found,
            "isPlantNoahSystem": found,
            "plantId": ask.arguments.get("plantId", ""),
            "plantName": name_of(site) if site else "",
        }
    )


@ANSWERS.to(GrowattCalls.noah_system_status)
def system_status(ask: Ask) -> dict[str, Any]:
    """Live figures in W and kWh, all of them texts without units."""
    if (unit := ask.unit("noah")) is None:
        raise unknown()
    flow, price = unit.flow, price_of(unit.site)
    return ok(
        {
            "alias": "NOAH 2000",
            "associatedInvSn": "",
            "batteryNum": "1",
            "chargePower": plain(flow.charge),
            "disChargePower": plain(flow.discharge),
            # Quirk: clients read it as generation; over a day it is that, less what the battery still holds.
            "eacToday": plain(unit.day.pv),
            "eacTotal": plain(unit.total.pv),
            "gridPower": plain(flow.bought - flow.sold),
            "isHaveCt": "true",
            "loadPower": plain(flow.load),
            "moneyUnit": "€",
            "pac": plain(flow.ac),
            "plantId": unit.site.id,
            "ppv": plain(flow.pv),
            "profitToday": plain(unit.day.pv * price, 2),
            "profitTotal": plain(unit.total.pv * price, 2),
            "soc": plain(flow.soc, 0),
            "status": "1",
            "workMode": "0",
        }
    )


@ANSWERS.to(GrowattCalls.noah_info)
def info(ask: Ask) -> dict[str, Any]:
    """Settings as written. Quirk: time segments are an array of objects with one member each."""
    if (unit := ask.unit("noah")) is None:
        raise unknown()
    written = unit.site.settings.get("noah", {})
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
        "formulaMoney": str(price_of(unit.site)),
        "manName": "",
        "model": "NOAH 2000",
        "modelName": "",
        "moneyUnitText": unit.site.settings.get("plant", {}).get("formulaMoneyUnitId", "EUR"),
        "plantId": unit.site.id,
        "plantName": name_of(unit.site),
        "tempType": "0",
        "version": "10.10.09.08.0001.4016",
        **{name: value for name, value in written.items() if name not in segments},
        "time_segment": [{name: value} for name, value in segments.items()],
    }
    return ok(
        {
            "neoList": [],
            "noah": noah,
            "plantList": [{"plantId": unit.site.id, "plantImgName": None, "plantName": name_of(unit.site)}],
            "unitKeyList": list(UNITS),
            "unitList": {unit: unit for unit in UNITS},
        }
    )


@ANSWERS.to(GrowattCalls.noah_chart)
def chart(ask: Ask) -> dict[str, Any]:
    """A day's powers in W, every key of it. Quirk: of the day before the one that is named (GrowattPublicApiPy)."""
    if (unit := ask.unit("noah")) is None:
        raise unknown()
    named = ask.date(unit)
    flows = {f"{at:%H:%M}": one for at, one in unit.samples(named - timedelta(days=1))} if named else {}
    return ok({key: _point(flows.get(key, Flow())) for key in five_minutes()})


def _point(flow: Flow) -> dict[str, str]:
    return {"pac": plain(flow.ac), "ppv": plain(flow.pv), "totalHouseholdLoad": plain(flow.load)}


@ANSWERS.to(GrowattCalls.noah_energies)
def energies(ask: Ask) -> dict[str, Any]:
    """Solar energy by day, month or year, under the last two or four digits of each."""
    if (unit := ask.unit("noah")) is None:
        raise unknown()
    named = ask._replace(arguments={**ask.arguments, "date": ask.arguments.get("dateTime", "")}).date(unit)
    bars = periods(ask.number("dateType", 1), named) if named else []
    return ok({one[-4:].split("-")[-1]: tenth(unit.energy(one).pv) for one in bars})
