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
    return [plant_row(plant, call) for plant in call.account.plants[max(0, page - 1) * size :][:size]]


@LEGACY_ROUTER.route(GoodWeCalls.monitor_detail)
def monitor_detail(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the full state of one plant."""
    plant_id = call.arguments.get("powerstationid", "")
    plant = next((plant for plant in call.account.plants if plant.id == plant_id), None)
    if plant is None:
        # Quirk: an unknown or foreign plant is reported as a .NET null reference.
        raise GoodWeFailure("innerexception", "未将对象引用设置到对象的实例。", "")
    inverters = inverters_of(plant, call.account, call.context)
    return _detail(plant, inverters, call)


def _detail(plant: EmulatedPlant, inverters: list[EmulatedInverter], call: GoodWeCallContext) -> dict[str, Any]:
    metered = plant.households[0].has_meter
    total = round(sum(inverter.energy_total for inverter in inverters), 1)
    charts = _statistics(inverters, "today")
    return {
        "info": plant_info(plant, inverters, call),
        "kpi": plant_kpi(inverters, total),
        "powercontrol_status": 0,
        "images": [],
        "weather": _weather(inverters[0]),
        "inverter": [inverter_entry(inverter) for inverter in inverters],
        "hjgx": {"co2": _CO2 * total, "tree": _TREE * total, "coal": _COAL * total},
        "homKit": {"homeKitLimit": False, "sn": None},
        "isTigo": False,
        "tigoIntervalTimeMinute": 15,
        "smuggleInfo": {"isAllSmuggle": False, "isSmuggle": False, "descriptionText": None, "sns": None},
        "hasPowerflow": metered,
        **dict.fromkeys(_FALSE_FLAGS, False),
        "powerflow": powerflow(inverters[0], call) if metered else None,
        "hasGridLoad": metered,
        "isShowBattery": inverters[0].has_battery,
        **dict.fromkeys(_MORE_FALSE_FLAGS, False),
        "layout_id": "",
        "isParallelInventers": False,
        "isEvCharge": False,
        "evCharge": None,
        "is3rdEms": False,
        "hasEnergeStatisticsCharts": metered,
        "energeStatisticsCharts": charts,
        "energeStatisticsTotals": _statistics(inverters, "total", _morning_dip(inverters[0], call)),
        "soc": {"power": int(inverters[0].soc), "status": 1} if inverters[0].has_battery else {"power": 0, "status": 0},
        "environmental": [],
        "equipment": [_equipment(inverter) for inverter in inverters],
        "isSec1000EtPlant": False,
    }


def _status(inverters: list[EmulatedInverter]) -> int:
    return max(inverter.status for inverter in inverters)


def plant_info(plant: EmulatedPlant, inverters: list[EmulatedInverter], call: GoodWeCallContext) -> dict[str, Any]:
    """Return name, size and location of a plant."""
    home, family = plant.households[0], FAMILIES[plant.family]
    local = call.context.now().astimezone(home.zone)
    pattern = account_date_format(call.account)
    offset = local.utcoffset() or timedelta()
    return {
        "powerstation_id": plant.id,
        "time": us_datetime(local),
        "date_format": pattern,
        "date_format_ym": pattern.replace("dd.", "").replace("dd/", ""),
        "stationname": plant.name,
        "address": "Example Street 1, Example City",
        "owner_name": call.account.username,
        "owner_phone": None,
        "owner_email": call.account.username,
        "battery_capacity": home.battery_capacity,
        "turnon_time": china_datetime(COMMISSIONED),
        "create_time": china_datetime(COMMISSIONED),
        "capacity": round(sum(home.peak_power for home in plant.households) / 1000, 2),
        "longitude": home.longitude,
        "latitude": home.latitude,
        "powerstation_type": family.type,
        "status": _status(inverters),
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


def plant_kpi(inverters: list[EmulatedInverter], total: float) -> dict[str, Any]:
    """Return the key figures of a plant."""
    today = round(sum(inverter.energy_today for inverter in inverters), 1)
    return {
        "month_generation": round(sum(inverter.energy_month + inverter.energy_today for inverter in inverters), 2),
        "pac": sum(inverter.ac_power for inverter in inverters),
        # Quirk: an energy.
        "power": today,
        "total_power": total,
        "day_income": round(income(today), 2),
        "total_income": round(income(total), 2),
        "yield_rate": YIELD_RATE,
        "currency": CURRENCY,
    }


def powerflow(inverter: EmulatedInverter, call: GoodWeCallContext) -> dict[str, Any]:
    """Return the power flow: unsigned powers and direction flags."""
    grid, battery = -inverter.meter_power, inverter.battery_power
    load = round(inverter.values["load_power"])
    # Quirk: on some plants the flag is always 1, regardless of the direction (goodwe-monitor).
    stuck = not inverter.has_battery and is_variant_account(call.account)
    return {
        "pv": f"{inverter.pv_power:.0f}(W)",
        "pvStatus": -1 if inverter.pv_power else 0,
        "bettery": f"{abs(battery):.0f}(W)",
        "betteryStatus": _sign(-battery),
        "betteryStatusStr": None,
        "load": f"{load}(W)",
        # Quirk: follows the grid's direction, not the load's.
        "loadStatus": 1 if grid > 0 or battery > 0 else -1,
        "grid": f"{abs(grid):.0f}(W)",
        "soc": int(inverter.soc) if inverter.has_battery else 0,
        "socText": f"{inverter.soc:.0f}%" if inverter.has_battery else "0%",
        "hasEquipment": True,
        "gridStatus": 1 if stuck else _sign(-grid),
        "isHomKit": False,
        "isBpuAndInverterNoBattery": False,
        "isMoreBettery": not inverter.has_battery,
        "genset": "0(W)",
        "gensetStatus": 1,
        "gridGensetStatus": 0,
        "microGrid": "0(W)",
        "microGridStatus": 0,
    }


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _morning_dip(inverter: EmulatedInverter, call: GoodWeCallContext) -> float:
    """Return by how many kWh the meter's lifetime counters are too low during the fault `morning_dip`."""
    # Quirk: reported for the portal, without hours and amounts (goodwe-sems-home-assistant 71, 73).
    local = inverter.last_frame_at.astimezone(inverter.home.zone)
    random = Random(f"{inverter.serial}/dip/{local.date()}")  # noqa: S311 - simulation, not a secret
    start, duration, low = random.uniform(5, 8), random.uniform(1, 3), random.uniform(2, 40)
    hour = local.hour + local.minute / 60
    return low if call.context.fault("morning_dip") is not None and start <= hour < start + duration else 0.0


def _statistics(inverters: list[EmulatedInverter], span: str, low: float = 0.0) -> dict[str, Any]:
    """Return the energies of today or of the lifetime; without a meter all PV energy counts as self-used."""

    def kwh(name: str) -> float:
        return round(sum(inverter.counter(f"{name}_energy_{span}", 6) for inverter in inverters), 2)

    generated, bought, sold = kwh("pv"), *(max(0.0, round(kwh(f"grid_{way}") - low, 2)) for way in ("import", "export"))
    self_used = round(generated - sold, 2)
    used = kwh("load") if inverters[0].home.has_meter else self_used
    return {
        "contributingRate": _share(self_used, used),
        "selfUseRate": _share(self_used, generated),
        "sum": generated,
        "buy": bought,
        "buyPercent": round(100 * _share(bought, used), 1),
        "sell": sold,
        "sellPercent": round(100 * _share(sold, generated), 1),
        "selfUseOfPv": self_used,
        "consumptionOfLoad": used,
        "chartsType": 4,
        "hasPv": True,
        # Quirk: false beside real numbers.
        "hasCharge": False,
        "charge": kwh("battery_charge"),
        "disCharge": kwh("battery_discharge"),
        "gensetGen": 0.0,
        "hasGenset": False,
        "isStored": inverters[0].has_battery,
        "hasMicroGrid": False,
        "microGridGen": 0.0,
    }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _equipment(inverter: EmulatedInverter) -> dict[str, Any]:
    return {
        "type": "5",
        "title": inverter.serial,
        "status": inverter.status,
        **dict.fromkeys(("model", "statusText", "capacity", "actionThreshold")),
        "subordinateEquipment": "",
        "powerGeneration": f"Power:{inverter.ac_power / 1000:g}kW",
        "eday": f"Generation Today: {inverter.energy_today:g}kWh",
        "brand": "",
        "isStored": inverter.has_battery,
        "soc": f"SOC:{inverter.soc:.0f}%",
        "isChange": False,
        "relationId": inverter.relation_id,
        "sn": inverter.serial,
        "has_tigo": False,
        "is_sec": False,
        "is_secs": False,
        **dict.fromkeys(("targetPF", "exportPowerlimit", "batterySN", "batterySN1", "batteryModule")),
        **dict.fromkeys(("moreBatterySign", "batteryModuleNum", "batteryModuleAdded")),
        "mark": False,
        "master": -1,
        "changerVer": 0,
    }


def _weather(inverter: EmulatedInverter) -> dict[str, Any]:
    """Return an empty weather forecast; every value is text."""
    first = inverter.now.astimezone(inverter.home.zone).date()
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


def plant_row(plant: EmulatedPlant, call: GoodWeCallContext) -> dict[str, Any]:
    """Return a plant as a list row."""
    inverters = inverters_of(plant, call.account, call.context)
    today = round(sum(inverter.energy_today for inverter in inverters), 1)
    capacity = round(sum(home.peak_power for home in plant.households) / 1000, 2)
    power = sum(inverter.ac_power for inverter in inverters)
    return {
        "powerstation_id": plant.id,
        "powercontrol_status": 0,
        "stationname": plant.name,
        "first_letter": "",
        "adcode": "000000",
        "location": "Example City",
        "status": _status(inverters),
        "pac": power,
        "capacity": capacity,
        "eday": today,
        "emonth": round(sum(inverter.energy_month + inverter.energy_today for inverter in inverters), 2),
        "eday_income": income(today),
        "etotal": round(sum(inverter.energy_total for inverter in inverters), 1),
        "powerstation_type": FAMILIES[plant.family].type,
        "pre_org_id": None,
        "org_id": None,
        # Quirk: numbers in the plant's own response, text here.
        "longitude": f"{plant.households[0].longitude}",
        "latitude": f"{plant.households[0].latitude}",
        "pac_kw": power / 1000,
        "to_hour": today / capacity,
        "weather": {"HeWeather6": []},
        "currency": CURRENCY,
        "yield_rate": YIELD_RATE,
        "is_stored": bool(plant.households[0].battery_capacity),
        "org_code": "GW000000",
        "org_name": "Goodwe",
    }
