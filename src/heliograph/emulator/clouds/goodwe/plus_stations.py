"""Plant list, plant information and power flow of the emulated SEMS+."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_number
from heliograph.emulator.clouds.goodwe.inverter_model import COMMISSIONED, inverters_of
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER, plant_of, to_kilowatts
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

_ADDRESS = "Example Street 1, Example City"


@PLUS_ROUTER.route(SemsPlusCalls.plus_stations_page, SemsPlusCalls.plus_app_stations_page)
def stations_page(call: GoodWeCallContext) -> dict[str, Any]:
    """Return one page of the account's plants."""
    size = int(parse_number(call.arguments.get("size")) or 15)
    page = int(parse_number(call.arguments.get("current")) or 1)
    plants = call.account.plants
    rows = [_row(plant, call) for plant in plants[max(0, page - 1) * size :][:size]]
    return {"dataList": rows, "size": size, "current": page, "total": len(plants), "extras": {}}


@PLUS_ROUTER.route(SemsPlusCalls.plus_station_info)
def station_info(call: GoodWeCallContext) -> dict[str, Any]:
    """Return name, size and location of a plant."""
    plant = plant_of(call)
    inverters = inverters_of(plant, call.account, call.context)
    return {
        "id": plant.id,
        "name": plant.name,
        "status": _status(inverters),
        "pvCapacity": _peak(plant),
        "installedPower": round(sum(inverter.family.capacity for inverter in inverters), 2),
        "googleAddress": _ADDRESS,
        "latitude": plant.households[0].latitude,
        "longitude": plant.households[0].longitude,
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_flow)
def flow(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the power flow; parts that are missing or offline are omitted."""
    plant = plant_of(call)
    inverters = inverters_of(plant, call.account, call.context)
    powers = _powers(inverters)
    if not powers:
        # Quirk: at night a plant with panels only returns an empty object (ioBroker adapter).
        return {}
    refreshed = max(inverter.last_frame_at for inverter in inverters).astimezone(plant.households[0].zone)
    return {
        "id": plant.id,
        "name": plant.name,
        "status": _status(inverters),
        "isGoodweInverter": True,
        **({"flows": _flows(powers)} if "pGrid" in powers else {}),
        **powers,
        "consumFlag": False,
        # Quirk: local, whole minutes, no zone.
        "refreshTime": f"{refreshed:%Y-%m-%dT%H:%M:00}",
    }


def _powers(inverters: list[EmulatedInverter]) -> dict[str, float]:
    first, powers = inverters[0], dict[str, float]()
    pv = sum(inverter.values["pv_power"] for inverter in inverters)
    output = sum(inverter.values["ac_power"] for inverter in inverters)
    if pv:
        powers = {"pSystem": to_kilowatts(pv), "pAc": to_kilowatts(output)}
    elif first.home.has_meter and not first.has_battery:
        powers = {"pAc": 0.0}
    if first.has_battery:
        powers |= {"pBat": to_kilowatts(first.values["battery_power"]), "soc": first.soc}
    if first.home.has_meter:
        # Quirk: + is export, the same sign as that of the plant's meter.
        grid = -first.values["grid_power"]
        powers |= {"pGrid": to_kilowatts(grid), "pConsum": to_kilowatts(output - grid)}
    return powers


def _flows(powers: dict[str, float]) -> dict[str, list[str]]:
    """Return the sinks of each source."""
    battery, grid = powers.get("pBat", 0.0), powers["pGrid"]
    sinks = ["pConsum"] + ["pBat"] * (battery < 0) + ["pGrid"] * (grid > 0)
    flows = {"pSystem": sinks} if powers.get("pSystem") else {}
    if battery > 0:
        flows["pBat"] = sinks
    if grid < 0:
        flows["pGrid"] = ["pConsum"]
    return flows


def _row(plant: EmulatedPlant, call: GoodWeCallContext) -> dict[str, Any]:
    inverters = inverters_of(plant, call.account, call.context)
    today, peak = round(sum(inverter.energy_today for inverter in inverters), 1), _peak(plant)
    return {
        "id": plant.id,
        "name": plant.name,
        "status": _status(inverters),
        "googleAddress": _ADDRESS,
        "installedPower": round(sum(inverter.family.capacity for inverter in inverters), 2),
        "isCollected": False,
        "isShared": False,
        "powerStationTypeWeb": 1,
        "pvInstallP": peak,
        "createTime": f"{COMMISSIONED.astimezone(plant.households[0].zone):%Y-%m-%d %H:%M:%S}",
        "remark": "",
        "productionToday": today,
        # Quirk: in MWh, beside today's kWh.
        "productionTotal": round(sum(inverter.energy_total for inverter in inverters) / 1000, 4),
        "pSystem": to_kilowatts(sum(inverter.values["pv_power"] for inverter in inverters)),
        "fullHourToday": round(today / peak, 2),
        "specificYield": round(today / peak, 2),
        "timeZone": _zone_name(plant.households[0].zone, call.context.now()),
    }


def _status(inverters: list[EmulatedInverter]) -> str:
    return "1" if any(inverter.status > 0 for inverter in inverters) else "0"


def _peak(plant: EmulatedPlant) -> float:
    return round(sum(home.peak_power for home in plant.households) / 1000, 2)


def _zone_name(zone: tzinfo, now: datetime) -> str | None:
    """Return the IANA name of a zone; for a fixed UTC offset the matching Etc/GMT zone."""
    if (key := getattr(zone, "key", None)) is not None:
        return str(key)
    hours = (now.astimezone(zone).utcoffset() or timedelta()) / timedelta(hours=1)
    # Etc/GMT names have the opposite sign.
    return f"Etc/GMT{-int(hours):+d}" if hours == int(hours) else None
