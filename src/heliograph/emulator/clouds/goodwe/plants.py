"""Plant list and plant detail of the emulated SEMS Portal."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_number
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, GoodWeCallContext, GoodWeFailure
from heliograph.emulator.clouds.goodwe.families import FAMILIES
from heliograph.emulator.clouds.goodwe.inverter_model import (
    COMMISSIONED,
    CURRENCY,
    YIELD_RATE,
    account_date_format,
    china_datetime,
    income,
    inverters_of,
    is_variant_account,
    us_datetime,
)
from heliograph.emulator.clouds.goodwe.inverters import inverter_entry
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

_CO2, _TREE, _COAL = 0.000997, 0.045, 0.000404
"""Portal factors per lifetime kWh since 2026."""

_FALSE_FLAGS = ("hasGenset", "hasMicroGrid")
_MORE_FALSE_FLAGS = ("hasMicroInverter", "hasLayout")


@LEGACY_ROUTER.route(GoodWeCalls.plant_id_by_owner)
def plant_id_by_owner(call: GoodWeCallContext) -> str:
    """Return the id of the account's first plant."""
    if not call.account.plants:
        raise GoodWeFailure("100000", "ver is not fund")
    return call.account.plants[0].id


@LEGACY_ROUTER.route(GoodWeCalls.plant_list_page)
def plant_list_page(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return one page of the account's plants."""
    size = int(parse_number(call.arguments.get("page_size")) or 5)
    page = int(parse_number(call.arguments.get("page_index")) or 1)
    return [plant_row(site, call) for site in call.account.plants[max(0, page - 1) * size :][:size]]


@LEGACY_ROUTER.route(GoodWeCalls.monitor_detail)
def monitor_detail(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the full state of one plant."""
    plant = call.arguments.get("powerstationid", "")
    site = next((one for one in call.account.plants if one.id == plant), None)
    if site is None:
        # Quirk: an unknown or foreign plant is reported as a .NET null reference.
        raise GoodWeFailure("innerexception", "未将对象引用设置到对象的实例。", "")
    found = inverters_of(site, call.account, call.context)
    return _detail(site, found, call)


def _detail(site: EmulatedPlant, found: list[EmulatedInverter], call: GoodWeCallContext) -> dict[str, Any]:
    metered = site.households[0].has_meter
    total = round(sum(unit.energy_total for unit in found), 1)
    charts = _statistics(found, "today")
    return {
        "info": plant_info(site, found, call),
        "kpi": plant_kpi(found, total),
        "powercontrol_status": 0,
        "images": [],
        "weather": _weather(found[0]),
        "inverter": [inverter_entry(unit) for unit in found],
        "hjgx": {"co2": _CO2 * total, "tree": _TREE * total, "coal": _COAL * total},
        "homKit": {"homeKitLimit": False, "sn": None},
        "isTigo": False,
        "tigoIntervalTimeMinute": 15,
        "smuggleInfo": {"isAllSmuggle": False, "isSmuggle": False, "descriptionText": None, "sns": None},
        "hasPowerflow": metered,
        **dict.fromkeys(_FALSE_FLAGS, False),
        "powerflow": powerflow(found[0], call) if metered else None,
        "hasGridLoad": metered,
        "isShowBattery": found[0].has_battery,
        **dict.fromkeys(_MORE_FALSE_FLAGS, False),
        "layout_id": "",
        "isParallelInventers": False,
        "isEvCharge": False,
        "evCharge": None,
        "is3rdEms": False,
        "hasEnergeStatisticsCharts": metered,
        "energeStatisticsCharts": charts,
        "energeStatisticsTotals": _statistics(found, "total", _dip(found[0], call)),
        "soc": {"power": int(found[0].soc), "status": 1} if found[0].has_battery else {"power": 0, "status": 0},
        "environmental": [],
        "equipment": [_equipment(unit) for unit in found],
        "isSec1000EtPlant": False,
    }


def _status(found: list[EmulatedInverter]) -> int:
    return max(unit.status for unit in found)


def plant_info(site: EmulatedPlant, found: list[EmulatedInverter], call: GoodWeCallContext) -> dict[str, Any]:
    """Return name, size and location of a plant."""
    home, kind = site.households[0], FAMILIES[site.family]
    local = call.context.now().astimezone(home.zone)
    pattern = account_date_format(call.account)
    offset = local.utcoffset() or timedelta()
    return {
        "powerstation_id": site.id,
        "time": us_datetime(local),
        "date_format": pattern,
        "date_format_ym": pattern.replace("dd.", "").replace("dd/", ""),
        "stationname": site.name,
        "address": "Example Street 1, Example City",
        "owner_name": call.account.username,
        "owner_phone": None,
        "owner_email": call.account.username,
        "battery_capacity": home.battery_capacity,
        "turnon_time": china_datetime(COMMISSIONED),
        "create_time": china_datetime(COMMISSIONED),
        "capacity": round(sum(one.peak_power for one in site.households) / 1000, 2),
        "longitude": home.longitude,
        "latitude": home.latitude,
        "powerstation_type": kind.type,
        "status": _status(found),
        "is_stored": bool(home.battery_capacity),
        # Quirk: does not agree with hasPowerflow.
        "is_powerflow": False,
        "charts_type": 4,
        "has_pv": True,
        "has_statistics_charts": False,
        "only_bps": False,
        "only_bpu": False,
        # Quirk: the negated UTC offset.
        "time_span": -offset / timedelta(hours=1) + 0.0,
        "pr_value": "",
        "org_code": "GW000000",
        "org_name": "Goodwe",
    }


def plant_kpi(found: list[EmulatedInverter], total: float) -> dict[str, Any]:
    """Return the key figures of a plant."""
    today = round(sum(unit.energy_today for unit in found), 1)
    return {
        "month_generation": round(sum(unit.energy_month + unit.energy_today for unit in found), 2),
        "pac": sum(unit.ac_power for unit in found),
        # Quirk: an energy.
        "power": today,
        "total_power": total,
        "day_income": round(income(today), 2),
        "total_income": round(income(total), 2),
        "yield_rate": YIELD_RATE,
        "currency": CURRENCY,
    }


def powerflow(unit: EmulatedInverter, call: GoodWeCallContext) -> dict[str, Any]:
    """Return the power flow: unsigned powers and direction flags."""
    grid, battery = -unit.meter_power, unit.battery_power
    load = round(unit.values["load_power"])
    # Quirk: on some plants the flag is always 1, regardless of the direction (goodwe-monitor).
    stuck = not unit.has_battery and is_variant_account(call.account)
    return {
        "pv": f"{unit.pv_power:.0f}(W)",
        "pvStatus": -1 if unit.pv_power else 0,
        "bettery": f"{abs(battery):.0f}(W)",
        "betteryStatus": _sign(-battery),
        "betteryStatusStr": None,
        "load": f"{load}(W)",
        # Quirk: follows the grid's direction, not the load's.
        "loadStatus": 1 if grid > 0 or battery > 0 else -1,
        "grid": f"{abs(grid):.0f}(W)",
        "soc": int(unit.soc) if unit.has_battery else 0,
        "socText": f"{unit.soc:.0f}%" if unit.has_battery else "0%",
        "hasEquipment": True,
        "gridStatus": 1 if stuck else _sign(-grid),
        "isHomKit": False,
        "isBpuAndInverterNoBattery": False,
        "isMoreBettery": not unit.has_battery,
        "genset": "0(W)",
        "gensetStatus": 1,
        "gridGensetStatus": 0,
        "microGrid": "0(W)",
        "microGridStatus": 0,
    }


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _dip(unit: EmulatedInverter, call: GoodWeCallContext) -> float:
    """Return by how many kWh the meter's lifetime counters are too low during the fault `morning_dip`."""
    # Quirk: reported for the portal, without hours and amounts (goodwe-sems-home-assistant 71, 73).
    local = unit.last_frame_at.astimezone(unit.home.zone)
    dice = Random(f"{unit.serial}/dip/{local.date()}")  # noqa: S311 - simulation, not a secret
    begins, lasts, low = dice.uniform(5, 8), dice.uniform(1, 3), dice.uniform(2, 40)
    hour = local.hour + local.minute / 60
    return low if call.context.fault("morning_dip") is not None and begins <= hour < begins + lasts else 0.0


def _statistics(found: list[EmulatedInverter], kind: str, low: float = 0.0) -> dict[str, Any]:
    """Return the energies of today or of the lifetime; without a meter all PV energy counts as self-used."""

    def kwh(name: str) -> float:
        return round(sum(unit.counter(f"{name}_energy_{kind}", 6) for unit in found), 2)

    made, bought, sold = kwh("pv"), *(max(0.0, round(kwh(f"grid_{way}") - low, 2)) for way in ("import", "export"))
    own = round(made - sold, 2)
    used = kwh("load") if found[0].home.has_meter else own
    return {
        "contributingRate": _share(own, used),
        "selfUseRate": _share(own, made),
        "sum": made,
        "buy": bought,
        "buyPercent": round(100 * _share(bought, used), 1),
        "sell": sold,
        "sellPercent": round(100 * _share(sold, made), 1),
        "selfUseOfPv": own,
        "consumptionOfLoad": used,
        "chartsType": 4,
        "hasPv": True,
        # Quirk: false beside real numbers.
        "hasCharge": False,
        "charge": kwh("battery_charge"),
        "disCharge": kwh("battery_discharge"),
        "gensetGen": 0.0,
        "hasGenset": False,
        "isStored": found[0].has_battery,
        "hasMicroGrid": False,
        "microGridGen": 0.0,
    }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _equipment(unit: EmulatedInverter) -> dict[str, Any]:
    return {
        "type": "5",
        "title": unit.serial,
        "status": unit.status,
        **dict.fromkeys(("model", "statusText", "capacity", "actionThreshold")),
        "subordinateEquipment": "",
        "powerGeneration": f"Power:{unit.ac_power / 1000:g}kW",
        "eday": f"Generation Today: {unit.energy_today:g}kWh",
        "brand": "",
        "isStored": unit.has_battery,
        "soc": f"SOC:{unit.soc:.0f}%",
        "isChange": False,
        "relationId": unit.relation_id,
        "sn": unit.serial,
        "has_tigo": False,
        "is_sec": False,
        "is_secs": False,
        **dict.fromkeys(("targetPF", "exportPowerlimit", "batterySN", "batterySN1", "batteryModule")),
        **dict.fromkeys(("moreBatterySign", "batteryModuleNum", "batteryModuleAdded")),
        "mark": False,
        "master": -1,
        "changerVer": 0,
    }


def _weather(unit: EmulatedInverter) -> dict[str, Any]:
    """Return an empty weather forecast; every value is text."""
    first = unit.now.astimezone(unit.home.zone).date()
    unknown = ("hum", "pcpn", "pop", "pres", "tmp_max", "tmp_min", "uv_index", "vis", "wind_deg", "wind_dir")
    days = [
        {
            **dict.fromkeys(("cond_code_d", "cond_code_n"), "999"),
            **dict.fromkeys(("cond_txt_d", "cond_txt_n"), "--"),
            "date": f"{first + timedelta(days=ahead)}",
            **dict.fromkeys((*unknown, "wind_sc", "wind_spd"), "--"),
        }
        for ahead in range(7)
    ]
    nowhere = dict.fromkeys(("cid", "location", "parent_city", "admin_area", "cnty", "lat", "lon", "tz"))
    update = {"loc": None, "utc": None}
    return {"HeWeather6": [{"basic": nowhere, "update": update, "status": "ok", "daily_forecast": days}]}


def plant_row(site: EmulatedPlant, call: GoodWeCallContext) -> dict[str, Any]:
    """Return a plant as a list row."""
    found = inverters_of(site, call.account, call.context)
    today = round(sum(unit.energy_today for unit in found), 1)
    capacity = round(sum(one.peak_power for one in site.households) / 1000, 2)
    power = sum(unit.ac_power for unit in found)
    return {
        "powerstation_id": site.id,
        "powercontrol_status": 0,
        "stationname": site.name,
        "first_letter": "",
        "adcode": "000000",
        "location": "Example City",
        "status": _status(found),
        "pac": power,
        "capacity": capacity,
        "eday": today,
        "emonth": round(sum(unit.energy_month + unit.energy_today for unit in found), 2),
        "eday_income": income(today),
        "etotal": round(sum(unit.energy_total for unit in found), 1),
        "powerstation_type": FAMILIES[site.family].type,
        "pre_org_id": None,
        "org_id": None,
        # Quirk: numbers in the plant's own response, text here.
        "longitude": f"{site.households[0].longitude}",
        "latitude": f"{site.households[0].latitude}",
        "pac_kw": power / 1000,
        "to_hour": today / capacity,
        "weather": {"HeWeather6": []},
        "currency": CURRENCY,
        "yield_rate": YIELD_RATE,
        "is_stored": bool(site.households[0].battery_capacity),
        "org_code": "GW000000",
        "org_name": "Goodwe",
    }
