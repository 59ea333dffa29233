"""An emulated plant as SEMS+ shows it: the list, where it stands, and who feeds whom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import number
from heliograph.emulator.clouds.goodwe.inverter_model import COMMISSIONED, units
from heliograph.emulator.clouds.goodwe.plus_context import PLUS, kilowatt, site_of
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from heliograph.emulator.api import Site
    from heliograph.emulator.clouds.goodwe.context import Ask
    from heliograph.emulator.clouds.goodwe.inverter_model import Unit

_ADDRESS = "Example Street 1, Example City"


@PLUS.to(SemsPlusCalls.plus_stations_page, SemsPlusCalls.plus_app_stations_page)
def stations_page(ask: Ask) -> dict[str, Any]:
    """Return one page of the account's plants."""
    size = int(number(ask.arguments.get("size")) or 15)
    page = int(number(ask.arguments.get("current")) or 1)
    sites = ask.holder.sites
    rows = [_row(site, ask) for site in sites[max(0, page - 1) * size :][:size]]
    return {"dataList": rows, "size": size, "current": page, "total": len(sites), "extras": {}}


@PLUS.to(SemsPlusCalls.plus_station_info)
def station_info(ask: Ask) -> dict[str, Any]:
    """Return who and where a plant is."""
    site = site_of(ask)
    found = units(site, ask.holder, ask.stage)
    return {
        "id": site.id,
        "name": site.name,
        "status": _status(found),
        "pvCapacity": _peak(site),
        "installedPower": round(sum(unit.kind.capacity for unit in found), 2),
        "googleAddress": _ADDRESS,
        "latitude": site.homes[0].latitude,
        "longitude": site.homes[0].longitude,
    }


@PLUS.to(SemsPlusCalls.plus_flow)
def flow(ask: Ask) -> dict[str, Any]:
    """Return who feeds whom; what a plant has not, or what sleeps, is not mentioned."""
    site = site_of(ask)
    found = units(site, ask.holder, ask.stage)
    powers = _powers(found)
    if not powers:
        # Quirk: by night a plant that is panels only has nothing to say (ioBroker adapter).
        return {}
    refreshed = max(unit.spoke for unit in found).astimezone(site.homes[0].zone)
    return {
        "id": site.id,
        "name": site.name,
        "status": _status(found),
        "isGoodweInverter": True,
        **({"flows": _flows(powers)} if "pGrid" in powers else {}),
        **powers,
        "consumFlag": False,
        # Quirk: local, whole minutes, no zone.
        "refreshTime": f"{refreshed:%Y-%m-%dT%H:%M:00}",
    }


def _powers(found: list[Unit]) -> dict[str, float]:
    first, powers = found[0], dict[str, float]()
    sun = sum(unit.values["pv_power"] for unit in found)
    output = sum(unit.values["ac_power"] for unit in found)
    if sun:
        powers = {"pSystem": kilowatt(sun), "pAc": kilowatt(output)}
    elif first.home.has_meter and not first.has_battery:
        powers = {"pAc": 0.0}
    if first.has_battery:
        powers |= {"pBat": kilowatt(first.values["battery_power"]), "soc": first.soc}
    if first.home.has_meter:
        # Quirk: + exports, where the sum of the plant's own meter says - imports as well.
        grid = -first.values["grid_power"]
        powers |= {"pGrid": kilowatt(grid), "pConsum": kilowatt(output - grid)}
    return powers


def _flows(powers: dict[str, float]) -> dict[str, list[str]]:
    """Return every source with its sinks."""
    battery, grid = powers.get("pBat", 0.0), powers["pGrid"]
    sinks = ["pConsum"] + ["pBat"] * (battery < 0) + ["pGrid"] * (grid > 0)
    flows = {"pSystem": sinks} if powers.get("pSystem") else {}
    if battery > 0:
        flows["pBat"] = sinks
    if grid < 0:
        flows["pGrid"] = ["pConsum"]
    return flows


def _row(site: Site, ask: Ask) -> dict[str, Any]:
    found = units(site, ask.holder, ask.stage)
    today, peak = round(sum(unit.today for unit in found), 1), _peak(site)
    return {
        "id": site.id,
        "name": site.name,
        "status": _status(found),
        "googleAddress": _ADDRESS,
        "installedPower": round(sum(unit.kind.capacity for unit in found), 2),
        "isCollected": False,
        "isShared": False,
        "powerStationTypeWeb": 1,
        "pvInstallP": peak,
        "createTime": f"{COMMISSIONED.astimezone(site.homes[0].zone):%Y-%m-%d %H:%M:%S}",
        "remark": "",
        "productionToday": today,
        # Quirk: in MWh, beside today's kWh.
        "productionTotal": round(sum(unit.total for unit in found) / 1000, 4),
        "pSystem": kilowatt(sum(unit.values["pv_power"] for unit in found)),
        "fullHourToday": round(today / peak, 2),
        "specificYield": round(today / peak, 2),
        "timeZone": _zone_name(site.homes[0].zone, ask.stage.now()),
    }


def _status(found: list[Unit]) -> str:
    return "1" if any(unit.status > 0 for unit in found) else "0"


def _peak(site: Site) -> float:
    return round(sum(home.peak_power for home in site.homes) / 1000, 2)


def _zone_name(zone: tzinfo, now: datetime) -> str | None:
    """Return a zone as the time zone database names it; where only an offset is known, a zone that has it."""
    if (key := getattr(zone, "key", None)) is not None:
        return str(key)
    hours = (now.astimezone(zone).utcoffset() or timedelta()) / timedelta(hours=1)
    # The database counts these the other way round.
    return f"Etc/GMT{-int(hours):+d}" if hours == int(hours) else None
