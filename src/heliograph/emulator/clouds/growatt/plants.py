"""What Growatt answers about plants as a whole, whatever their devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt import auth
from heliograph.emulator.clouds.growatt.context import ANSWERS, KINDS, Ask, Energy, Failed, Flow, Unit, periods
from heliograph.emulator.clouds.growatt.formatting import kilowatt, plain, scaled, stamp
from heliograph.emulator.clouds.growatt.templates import plant_bean
from heliograph.vendors.growatt.api import PAGE_SIZE, GrowattCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import Site

KG_PER_KWH = 0.4
PRICE = 0.3
STORAGES = ("mix", "spa", "storage")
"""Kinds of devices the portal draws a battery for."""


def name_of(site: Site) -> str:
    """Return a plant's name, as last written."""
    return str(site.settings.get("plant", {}).get("plantName", site.name))


def price_of(site: Site) -> float:
    """Return what a kWh is worth, as last written."""
    return float(site.settings.get("plant", {}).get("formulaMoney", PRICE))


def nominal_power(site: Site) -> int:
    """Return a plant's size in W, as last written."""
    return int(site.settings.get("plant", {}).get("nominalPower", site.homes[0].peak_power))


@ANSWERS.to(GrowattCalls.plant_list)
def plant_list(ask: Ask) -> dict[str, Any]:
    """All plants, with units that scale in their texts."""
    if ask.arguments.get("userId") != str(auth.user_id(ask.holder)):
        raise Failed({})
    units = [ask.main(site) for site in ask.holder.sites]
    total = sum(unit.total.pv for unit in units)
    money = plain(sum(unit.total.pv * price_of(unit.site) for unit in units))
    return {
        "success": True,
        "data": [_row(unit) for unit in units],
        "totalData": {
            "CO2Sum": f"{plain(total * KG_PER_KWH / 1000, 2)} T",
            "currentPowerSum": "0 W",
            "eTotalMoneyText": f"{money} ",
            "isHaveStorage": _flag(any(KINDS[unit.site.family] in STORAGES for unit in units)),
            "todayEnergySum": scaled(sum(unit.day.pv for unit in units)),
            "totalEnergySum": scaled(total),
        },
    }


def _row(unit: Unit) -> dict[str, Any]:
    storage = KINDS[unit.site.family] in STORAGES
    row = {
        # Quirk: no power here on many accounts, even at full sun (growattServer issues 20, 24, 26, 82).
        "currentPower": "0 W",
        "isHaveStorage": _flag(storage),
        "plantId": unit.site.id,
        "plantMoneyText": f"{plain(unit.day.pv * price_of(unit.site))} ",
        "plantName": name_of(unit.site),
        "todayEnergy": scaled(unit.day.pv),
        "totalEnergy": scaled(unit.total.pv),
    }
    if storage:
        row |= {
            "storagePDisCharge": plain(unit.flow.discharge),
            "storagePCharge": plain(unit.flow.charge),
            "storageCapacity": plain(unit.flow.soc, 0),
            "storageStatus": "1",
        }
    return row


def _flag(value: bool) -> str:
    return "true" if value else "false"


@ANSWERS.to(GrowattCalls.plant_detail, GrowattCalls.plant_years)
def plant_detail(ask: Ask) -> dict[str, Any]:
    """Energy per day, month or year; an unknown plant has none."""
    unit = ask.plant
    bars = {}
    if unit is not None and (day := ask.date(unit)) is not None:
        bars = {period[-4:].split("-")[-1]: unit.energy(period).pv for period in periods(ask.span, day)}
    worth = sum(bars.values())
    return {
        "success": True,
        "data": {key: plain(value) for key, value in bars.items()},
        "plantData": {
            "currentEnergy": f"{plain(worth)} kWh",
            "plantId": ask.arguments.get("plantId", ""),
            "plantMoneyText": f"{plain(worth * price_of(unit.site)) if unit else 0} ",
            "plantName": name_of(unit.site) if unit else "",
        },
    }


@ANSWERS.to(GrowattCalls.plant_list_page)
def plant_list_page(ask: Ask) -> list[dict[str, Any]]:
    """One page of plants; here, and only here, the bean knows energy and power."""
    size = ask.number("pageSize", PAGE_SIZE)
    first = (max(1, ask.number("toPageNum", 1)) - 1) * size
    return [_listed(ask.main(site), ask.holder.username) for site in ask.holder.sites[first : first + size]]


def _listed(unit: Unit, owner: str) -> dict[str, Any]:
    return plant_bean(unit, owner) | {
        "alias": name_of(unit.site),
        "currentPac": round(unit.flow.pv, 1),
        "currentPacStr": f"{kilowatt(unit.flow.pv)}kW",
        "eTotal": round(unit.total.pv, 6),
        "etotalMoney": round(unit.total.pv * price_of(unit.site), 2),
        "deviceCount": len(unit.site.devices),
        "isShare": None,
        "status": 1 if unit.asleep else 0,
        "unitMap": None,
    }


@ANSWERS.to(GrowattCalls.plant_settings, GrowattCalls.get_plant_settings)
def plant_settings(ask: Ask) -> dict[str, Any]:
    """The settings of one plant. Quirk: its energies are 0 whatever was produced."""
    unit = ask.plant
    if unit is not None:
        return plant_bean(unit, ask.holder.username)
    blank = dict.fromkeys(("plantName", "country", "city", "plantAddress", "plant_lat", "plant_lng"), "")
    return {"id": 0, **blank, "timezone": 0, "nominalPower": 0, "userAccount": ""}


@ANSWERS.to(GrowattCalls.plant_energy_data)
def plant_energy_data(ask: Ask) -> dict[str, Any]:
    """Every quantity twice: as a number in a text, and with its unit."""
    unit = ask.plant
    today, total, power = (unit.day.pv, unit.total.pv, unit.flow.pv) if unit else (0.0, 0.0, 0.0)
    month = unit.energy(unit.today[:7]).pv if unit else 0.0
    saved = total * KG_PER_KWH
    size = nominal_power(unit.site) if unit else 0
    return {
        "alarmValue": 0,
        "eventMessBeanList": [],
        "formulaCo2Str": f"{plain(saved)}kg",
        "formulaCo2Vlue": plain(saved),
        "formulaCoalStr": f"{plain(saved)}kg",
        "formulaCoalValue": plain(saved),
        "isHaveTigo": 0,
        **_twice("month", month),
        "nominalPowerStr": f"{plain(size / 1000)}kWp",
        "nominalPowerValue": f"{size:.1f}",
        "optimezerMap": {"isHaveOptimezer": 0},
        "plantNumber": len(ask.holder.sites),
        "powerValue": f"{power:.1f}",
        "powerValueStr": f"{kilowatt(power)}kW",
        **_twice("today", today),
        **_twice("total", total),
        "treeStr": plain(total * 0.055, 0),
        "treeValue": f"{total * 0.055:.1f}",
        # Quirk: the year is never counted (captured on a NEO 800M-X).
        **_twice("year", 0.0),
        "weatherMap": {
            "cond_code": "100",
            "cond_txt": "Sunny",
            "msg": "",
            "newTmp": "19.0°C",
            "success": True,
            "tmp": "19",
        },
        "plantBean": _energy_bean(unit, ask.holder.username) if unit else None,
    }


def _twice(name: str, kwh: float) -> dict[str, str]:
    return {f"{name}Value": f"{kwh:.1f}", f"{name}Str": f"{plain(kwh)}kWh"}


def _energy_bean(unit: Unit, owner: str) -> dict[str, Any]:
    """Return the bean as this call has it: nothing is null, a date a number, one name spelled otherwise."""
    bean = plant_bean(unit, owner)
    bare = {key: None if value in ("", []) else value for key, value in bean.items()}
    own: dict[str, Any] = {"companyName": "", "logoImgName": "", "formulaMoneyStr": None, "unitMap": None}
    own |= {"createDate": bean["createDate"]["time"], "eTotal": round(unit.total.pv, 1)}
    own["eyearMoneyText"] = bare.pop("EYearMoneyText")
    return bare | own


@ANSWERS.to(GrowattCalls.plant_info)
def plant_info(ask: Ask) -> dict[str, Any]:
    """Headline figures and devices by class. Quirk: a TLX stands in `invList`, never in `deviceList`."""
    return _overview(ask, tlx_in="invList")


@ANSWERS.to(GrowattCalls.all_devices)
def all_devices(ask: Ask) -> dict[str, Any]:
    """The older list, with every device in `deviceList`."""
    return _overview(ask, tlx_in="deviceList")


_LISTS = (
    "batList boostList chargerList datalogList deviceList invList meterList ogbList pidList sphList storageList witList"
)


def _overview(ask: Ask, tlx_in: str) -> dict[str, Any]:
    unit = ask.plant
    answer: dict[str, Any] = {name: [] for name in _LISTS.split()} | _header(unit)
    if unit is None:
        return answer
    answer["datalogList"] = [_datalogger(unit)]
    kind = KINDS[unit.site.family]
    if kind == "tlx":
        own = {"plantId": int(unit.site.id)} if tlx_in == "invList" else {"isParallel": "false", "xe_ct": "0"}
        answer[tlx_in] = [_tlx_row(unit) | own]
        answer["batList"] = [{"deviceSn": serial, "deviceType": "bat"} for serial in unit.site.devices[1:]]
    elif kind == "inverter":
        answer["deviceList"] = [_device(unit) | _produced(unit)]
    elif kind != "noah":
        answer["deviceList"] = [_storage_row(unit)]
    return answer


def _header(unit: Unit | None) -> dict[str, Any]:
    day, total, flow = (unit.day, unit.total, unit.flow) if unit else (Energy(), Energy(), Flow())
    price, size = (price_of(unit.site), nominal_power(unit.site)) if unit else (PRICE, 0)
    battery = flow if unit and KINDS[unit.site.family] in STORAGES else Flow()
    return {
        "ammeterType": "0",
        "Co2Reduction": plain(total.pv * KG_PER_KWH, 2),
        "invTodayPpv": plain(flow.pv),
        "isHaveOptimizer": 0,
        "isHavePumper": "0",
        "nominalPower": size,
        "nominal_Power": size,
        "optimizerType": 0,
        "plantMoneyText": f"{plain(day.pv * price)}/€",
        "storagePgrid": plain(battery.bought),
        "storagePuser": plain(battery.load),
        "storageTodayPpv": plain(battery.pv),
        "todayDischarge": plain(day.discharge),
        "todayEnergy": plain(day.pv),
        "totalEnergy": plain(total.pv),
        "totalMoneyText": plain(total.pv * price, 2),
        "useEnergy": plain(day.load),
    }


def _datalogger(unit: Unit) -> dict[str, Any]:
    serial = f"QMN{unit.site.id:0>13}"
    seen = stamp(unit.at.astimezone(CHINA))
    return {
        "alias": serial,
        "client_url": "/192.0.2.10:54321",
        "datalog_sn": serial,
        "deviceTypeIndicate": "55",
        "device_type": "ShineWeFi",
        "isGprs4G": "0",
        "keys": ["Signal", "Connection Status", "Last Update", "Data Update Interval"],
        "lfdi": "0",
        "lost": unit.asleep,
        "meter": {},
        "simInfo": None,
        "type": "55",
        "unit_id": "",
        "update_interval": "5",
        "update_time": seen,
        "values": ["Good", "Offline" if unit.asleep else "Online", seen, "5"],
    }


def _device(unit: Unit) -> dict[str, Any]:
    return {
        "datalogSn": f"QMN{unit.site.id:0>13}",
        "deviceAilas": unit.serial,
        "deviceSn": unit.serial,
        "deviceStatus": "-1" if unit.asleep else "1",
        "deviceType": KINDS[unit.site.family],
        "energy": plain(unit.total.pv),
        "location": "",
        "lost": unit.asleep,
    }


def _produced(unit: Unit) -> dict[str, Any]:
    return {
        "eToday": plain(unit.day.pv),
        "eTodayStr": f"{plain(unit.day.pv)}kWh",
        "power": plain(unit.flow.ac),
        "powerStr": f"{kilowatt(unit.flow.ac)}kW",
    }


def _tlx_row(unit: Unit) -> dict[str, Any]:
    return {
        **_device(unit),
        **_produced(unit),
        "bMerterConnectFlag": 0,
        "bdc1Soc": round(unit.flow.soc),
        "bdc2Soc": 0,
        "prePto": "-1",
        "type": 0,
        "type2": "5",
    }


def _storage_row(unit: Unit) -> dict[str, Any]:
    return {
        **_device(unit),
        "activePower": plain(unit.flow.load),
        "apparentPower": plain(unit.flow.load),
        "capacity": f"{plain(unit.flow.soc, 0)}%",
        "eChargeToday": plain(unit.day.charge),
        "pCharge": plain(unit.flow.charge),
        "storageType": "0",
    }
