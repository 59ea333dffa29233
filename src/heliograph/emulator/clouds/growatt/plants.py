"""Responses of the emulated Growatt cloud for whole plants of any device family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt import auth
from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    GrowattCallContext,
    GrowattDevice,
    GrowattEnergies,
    GrowattFailure,
    GrowattPowers,
    chart_periods,
)
from heliograph.emulator.clouds.growatt.formatting import decimal, energy_text, kilowatt, timestamp
from heliograph.emulator.clouds.growatt.templates import plant_bean
from heliograph.vendors.growatt.api import PAGE_SIZE, GrowattCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedPlant

KG_PER_KWH = 0.4
PRICE = 0.3
STORAGE_TYPES = ("mix", "spa", "storage")
"""Device types the portal shows with a battery."""


def plant_name(site: EmulatedPlant) -> str:
    """Return a plant's name, as last written."""
    return str(site.settings.get("plant", {}).get("plantName", site.name))


def energy_price(site: EmulatedPlant) -> float:
    """Return the energy price per kWh, as last written."""
    return float(site.settings.get("plant", {}).get("formulaMoney", PRICE))


def nominal_power(site: EmulatedPlant) -> int:
    """Return a plant's nominal power in W, as last written."""
    return int(site.settings.get("plant", {}).get("nominalPower", site.households[0].peak_power))


@ROUTER.route(GrowattCalls.plant_list)
def plant_list(ask: GrowattCallContext) -> dict[str, Any]:
    """All plants, energies as texts in kWh or MWh."""
    if ask.arguments.get("userId") != str(auth.user_id(ask.account)):
        raise GrowattFailure({})
    units = [ask.main_device(site) for site in ask.account.plants]
    total = sum(unit.total.pv for unit in units)
    money = decimal(sum(unit.total.pv * energy_price(unit.plant) for unit in units))
    return {
        "success": True,
        "data": [_row(unit) for unit in units],
        "totalData": {
            "CO2Sum": f"{decimal(total * KG_PER_KWH / 1000, 2)} T",
            "currentPowerSum": "0 W",
            "eTotalMoneyText": f"{money} ",
            "isHaveStorage": _flag(any(DEVICE_TYPES[unit.plant.family] in STORAGE_TYPES for unit in units)),
            "todayEnergySum": energy_text(sum(unit.day.pv for unit in units)),
            "totalEnergySum": energy_text(total),
        },
    }


def _row(unit: GrowattDevice) -> dict[str, Any]:
    storage = DEVICE_TYPES[unit.plant.family] in STORAGE_TYPES
    row = {
        # Quirk: no power here on many accounts, even at full sun (growattServer issues 20, 24, 26, 82).
        "currentPower": "0 W",
        "isHaveStorage": _flag(storage),
        "plantId": unit.plant.id,
        "plantMoneyText": f"{decimal(unit.day.pv * energy_price(unit.plant))} ",
        "plantName": plant_name(unit.plant),
        "todayEnergy": energy_text(unit.day.pv),
        "totalEnergy": energy_text(unit.total.pv),
    }
    if storage:
        row |= {
            "storagePDisCharge": decimal(unit.powers.discharge),
            "storagePCharge": decimal(unit.powers.charge),
            "storageCapacity": decimal(unit.powers.soc, 0),
            "storageStatus": "1",
        }
    return row


def _flag(value: bool) -> str:
    return "true" if value else "false"


@ROUTER.route(GrowattCalls.plant_detail, GrowattCalls.plant_years)
def plant_detail(ask: GrowattCallContext) -> dict[str, Any]:
    """Energy per day, month or year; empty for an unknown plant."""
    unit = ask.plant_device
    bars = {}
    if unit is not None and (day := ask.date(unit)) is not None:
        bars = {period[-4:].split("-")[-1]: unit.energy(period).pv for period in chart_periods(ask.span, day)}
    worth = sum(bars.values())
    return {
        "success": True,
        "data": {key: decimal(value) for key, value in bars.items()},
        "plantData": {
            "currentEnergy": f"{decimal(worth)} kWh",
            "plantId": ask.arguments.get("plantId", ""),
            "plantMoneyText": f"{decimal(worth * energy_price(unit.plant)) if unit else 0} ",
            "plantName": plant_name(unit.plant) if unit else "",
        },
    }


@ROUTER.route(GrowattCalls.plant_list_page)
def plant_list_page(ask: GrowattCallContext) -> list[dict[str, Any]]:
    """One page of plants; only this call fills energy and power in the plant object."""
    size = ask.integer("pageSize", PAGE_SIZE)
    first = (max(1, ask.integer("toPageNum", 1)) - 1) * size
    return [_listed(ask.main_device(site), ask.account.username) for site in ask.account.plants[first : first + size]]


def _listed(unit: GrowattDevice, owner: str) -> dict[str, Any]:
    return plant_bean(unit, owner) | {
        "alias": plant_name(unit.plant),
        "currentPac": round(unit.powers.pv, 1),
        "currentPacStr": f"{kilowatt(unit.powers.pv)}kW",
        "eTotal": round(unit.total.pv, 6),
        "etotalMoney": round(unit.total.pv * energy_price(unit.plant), 2),
        "deviceCount": len(unit.plant.devices),
        "isShare": None,
        "status": 1 if unit.asleep else 0,
        "unitMap": None,
    }


@ROUTER.route(GrowattCalls.plant_settings, GrowattCalls.get_plant_settings)
def plant_settings(ask: GrowattCallContext) -> dict[str, Any]:
    """The settings of one plant. Quirk: its energies are always 0."""
    unit = ask.plant_device
    if unit is not None:
        return plant_bean(unit, ask.account.username)
    blank = dict.fromkeys(("plantName", "country", "city", "plantAddress", "plant_lat", "plant_lng"), "")
    return {"id": 0, **blank, "timezone": 0, "nominalPower": 0, "userAccount": ""}


@ROUTER.route(GrowattCalls.plant_energy_data)
def plant_energy_data(ask: GrowattCallContext) -> dict[str, Any]:
    """Each quantity twice: as a numeric text, and with its unit."""
    unit = ask.plant_device
    today, total, power = (unit.day.pv, unit.total.pv, unit.powers.pv) if unit else (0.0, 0.0, 0.0)
    month = unit.energy(unit.today[:7]).pv if unit else 0.0
    saved = total * KG_PER_KWH
    size = nominal_power(unit.plant) if unit else 0
    return {
        "alarmValue": 0,
        "eventMessBeanList": [],
        "formulaCo2Str": f"{decimal(saved)}kg",
        "formulaCo2Vlue": decimal(saved),
        "formulaCoalStr": f"{decimal(saved)}kg",
        "formulaCoalValue": decimal(saved),
        "isHaveTigo": 0,
        **_twice("month", month),
        "nominalPowerStr": f"{decimal(size / 1000)}kWp",
        "nominalPowerValue": f"{size:.1f}",
        "optimezerMap": {"isHaveOptimezer": 0},
        "plantNumber": len(ask.account.plants),
        "powerValue": f"{power:.1f}",
        "powerValueStr": f"{kilowatt(power)}kW",
        **_twice("today", today),
        **_twice("total", total),
        "treeStr": decimal(total * 0.055, 0),
        "treeValue": f"{total * 0.055:.1f}",
        # Quirk: the year is always 0 (captured on a NEO 800M-X).
        **_twice("year", 0.0),
        "weatherMap": {
            "cond_code": "100",
            "cond_txt": "Sunny",
            "msg": "",
            "newTmp": "19.0°C",
            "success": True,
            "tmp": "19",
        },
        "plantBean": _energy_bean(unit, ask.account.username) if unit else None,
    }


def _twice(name: str, kwh: float) -> dict[str, str]:
    return {f"{name}Value": f"{kwh:.1f}", f"{name}Str": f"{decimal(kwh)}kWh"}


def _energy_bean(unit: GrowattDevice, owner: str) -> dict[str, Any]:
    """Return the plant object of this call: null for empty values, the date as a number, one name in lower case."""
    bean = plant_bean(unit, owner)
    bare = {key: None if value in ("", []) else value for key, value in bean.items()}
    own: dict[str, Any] = {"companyName": "", "logoImgName": "", "formulaMoneyStr": None, "unitMap": None}
    own |= {"createDate": bean["createDate"]["time"], "eTotal": round(unit.total.pv, 1)}
    own["eyearMoneyText"] = bare.pop("EYearMoneyText")
    return bare | own


@ROUTER.route(GrowattCalls.plant_info)
def plant_info(ask: GrowattCallContext) -> dict[str, Any]:
    """Headline values and devices by class. Quirk: a TLX is in `invList`, never in `deviceList`."""
    return _overview(ask, tlx_in="invList")


@ROUTER.route(GrowattCalls.all_devices)
def all_devices(ask: GrowattCallContext) -> dict[str, Any]:
    """The older list, with all devices in `deviceList`."""
    return _overview(ask, tlx_in="deviceList")


_LISTS = (
    "batList boostList chargerList datalogList deviceList invList meterList ogbList pidList sphList storageList witList"
)


def _overview(ask: GrowattCallContext, tlx_in: str) -> dict[str, Any]:
    unit = ask.plant_device
    answer: dict[str, Any] = {name: [] for name in _LISTS.split()} | _header(unit)
    if unit is None:
        return answer
    answer["datalogList"] = [_datalogger(unit)]
    kind = DEVICE_TYPES[unit.plant.family]
    if kind == "tlx":
        own = {"plantId": int(unit.plant.id)} if tlx_in == "invList" else {"isParallel": "false", "xe_ct": "0"}
        answer[tlx_in] = [_tlx_row(unit) | own]
        answer["batList"] = [{"deviceSn": serial, "deviceType": "bat"} for serial in unit.plant.devices[1:]]
    elif kind == "inverter":
        answer["deviceList"] = [_device(unit) | _produced(unit)]
    elif kind != "noah":
        answer["deviceList"] = [_storage_row(unit)]
    return answer


def _header(unit: GrowattDevice | None) -> dict[str, Any]:
    day, total, flow = (
        (unit.day, unit.total, unit.powers) if unit else (GrowattEnergies(), GrowattEnergies(), GrowattPowers())
    )
    price, size = (energy_price(unit.plant), nominal_power(unit.plant)) if unit else (PRICE, 0)
    battery = flow if unit and DEVICE_TYPES[unit.plant.family] in STORAGE_TYPES else GrowattPowers()
    return {
        "ammeterType": "0",
        "Co2Reduction": decimal(total.pv * KG_PER_KWH, 2),
        "invTodayPpv": decimal(flow.pv),
        "isHaveOptimizer": 0,
        "isHavePumper": "0",
        "nominalPower": size,
        "nominal_Power": size,
        "optimizerType": 0,
        "plantMoneyText": f"{decimal(day.pv * price)}/€",
        "storagePgrid": decimal(battery.grid_import),
        "storagePuser": decimal(battery.load),
        "storageTodayPpv": decimal(battery.pv),
        "todayDischarge": decimal(day.discharge),
        "todayEnergy": decimal(day.pv),
        "totalEnergy": decimal(total.pv),
        "totalMoneyText": decimal(total.pv * price, 2),
        "useEnergy": decimal(day.load),
    }


def _datalogger(unit: GrowattDevice) -> dict[str, Any]:
    serial = f"QMN{unit.plant.id:0>13}"
    seen = timestamp(unit.uploaded_at.astimezone(CHINA))
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


def _device(unit: GrowattDevice) -> dict[str, Any]:
    return {
        "datalogSn": f"QMN{unit.plant.id:0>13}",
        "deviceAilas": unit.serial,
        "deviceSn": unit.serial,
        "deviceStatus": "-1" if unit.asleep else "1",
        "deviceType": DEVICE_TYPES[unit.plant.family],
        "energy": decimal(unit.total.pv),
        "location": "",
        "lost": unit.asleep,
    }


def _produced(unit: GrowattDevice) -> dict[str, Any]:
    return {
        "eToday": decimal(unit.day.pv),
        "eTodayStr": f"{decimal(unit.day.pv)}kWh",
        "power": decimal(unit.powers.ac),
        "powerStr": f"{kilowatt(unit.powers.ac)}kW",
    }


def _tlx_row(unit: GrowattDevice) -> dict[str, Any]:
    return {
        **_device(unit),
        **_produced(unit),
        "bMerterConnectFlag": 0,
        "bdc1Soc": round(unit.powers.soc),
        "bdc2Soc": 0,
        "prePto": "-1",
        "type": 0,
        "type2": "5",
    }


def _storage_row(unit: GrowattDevice) -> dict[str, Any]:
    return {
        **_device(unit),
        "activePower": decimal(unit.powers.load),
        "apparentPower": decimal(unit.powers.load),
        "capacity": f"{decimal(unit.powers.soc, 0)}%",
        "eChargeToday": decimal(unit.day.charge),
        "pCharge": decimal(unit.powers.charge),
        "storageType": "0",
    }
