"""Responses of the emulated Growatt cloud for whole plants of any device family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt import auth
from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    UNKNOWN_FAMILY,
    GrowattCallContext,
    GrowattDevice,
    GrowattEnergies,
    GrowattFailure,
    GrowattPowers,
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


def plant_name(plant: EmulatedPlant) -> str:
    """Return a plant's name, as last written."""
    return str(plant.settings.get("plant", {}).get("plantName", plant.name))


def energy_price(plant: EmulatedPlant) -> float:
    """Return the energy price per kWh, as last written."""
    return float(plant.settings.get("plant", {}).get("formulaMoney", PRICE))


def nominal_power(plant: EmulatedPlant) -> int:
    """Return a plant's nominal power in W, as last written."""
    return int(plant.settings.get("plant", {}).get("nominalPower", plant.households[0].peak_power))


@ROUTER.route(GrowattCalls.plant_list)
def plant_list(call: GrowattCallContext) -> dict[str, Any]:
    """All plants, energies as texts in kWh or MWh."""
    if call.arguments.get("userId") != str(auth.user_id(call.account)):
        raise GrowattFailure({})
    units = [call.main_device(plant) for plant in call.account.plants]
    total = sum(device.energy_total.pv for device in units)
    money = decimal(sum(device.energy_total.pv * energy_price(device.plant) for device in units))
    return {
        "success": True,
        "data": [_row(device) for device in units],
        "totalData": {
            "CO2Sum": f"{decimal(total * KG_PER_KWH / 1000, 2)} T",
            "currentPowerSum": "0 W",
            "eTotalMoneyText": f"{money} ",
            "isHaveStorage": _flag(any(DEVICE_TYPES[device.plant.family] in STORAGE_TYPES for device in units)),
            "todayEnergySum": energy_text(sum(device.energy_today.pv for device in units)),
            "totalEnergySum": energy_text(total),
        },
    }


def _row(device: GrowattDevice) -> dict[str, Any]:
    storage = DEVICE_TYPES[device.plant.family] in STORAGE_TYPES
    row = {
        # Quirk: no power here on many accounts, even at full sun (growattServer issues 20, 24, 26, 82).
        "currentPower": "0 W",
        "isHaveStorage": _flag(storage),
        "plantId": device.plant.id,
        "plantMoneyText": f"{decimal(device.energy_today.pv * energy_price(device.plant))} ",
        "plantName": plant_name(device.plant),
        "todayEnergy": energy_text(device.energy_today.pv),
        "totalEnergy": energy_text(device.energy_total.pv),
    }
    if storage:
        row |= {
            "storagePDisCharge": decimal(device.powers.discharge),
            "storagePCharge": decimal(device.powers.charge),
            "storageCapacity": decimal(device.powers.soc, 0),
            "storageStatus": "1",
        }
    return row


def _flag(value: bool) -> str:
    return "true" if value else "false"


@ROUTER.route(GrowattCalls.plant_list_page)
def plant_list_page(call: GrowattCallContext) -> list[dict[str, Any]]:
    """One page of plants; only this call fills energy and power in the plant object."""
    size = call.integer("pageSize", PAGE_SIZE)
    first = (max(1, call.integer("toPageNum", 1)) - 1) * size
    plants, owner = call.account.plants[first : first + size], call.account.username
    no_power = call.context.fault("zero_power") is not None
    return [_listed(call.main_device(plant), owner, no_power=no_power) for plant in plants]


def _listed(device: GrowattDevice, owner: str, *, no_power: bool) -> dict[str, Any]:
    power = 0.0 if no_power else device.powers.pv
    return plant_bean(device, owner) | {
        "alias": plant_name(device.plant),
        "currentPac": round(power, 1),
        "currentPacStr": f"{kilowatt(power)}kW",
        "eTotal": round(device.energy_total.pv, 6),
        "etotalMoney": round(device.energy_total.pv * energy_price(device.plant), 2),
        "deviceCount": len(device.plant.devices),
        "isShare": None,
        "status": 1 if device.asleep else 2 if device.is_faulty else 0,
        "unitMap": None,
    }


@ROUTER.route(GrowattCalls.plant_settings, GrowattCalls.get_plant_settings)
def plant_settings(call: GrowattCallContext) -> dict[str, Any]:
    """The settings of one plant. Quirk: its energies are always 0."""
    device = call.plant_device
    if device is not None:
        return plant_bean(device, call.account.username)
    blank = dict.fromkeys(("plantName", "country", "city", "plantAddress", "plant_lat", "plant_lng"), "")
    return {"id": 0, **blank, "timezone": 0, "nominalPower": 0, "userAccount": ""}


@ROUTER.route(GrowattCalls.plant_info)
def plant_info(call: GrowattCallContext) -> dict[str, Any]:
    """Headline values and devices by class. Quirk: a TLX is in `invList`, never in `deviceList`."""
    return _overview(call, tlx_in="invList")


@ROUTER.route(GrowattCalls.all_devices)
def all_devices(call: GrowattCallContext) -> dict[str, Any]:
    """The older list, with all devices in `deviceList`."""
    return _overview(call, tlx_in="deviceList")


_LISTS = (
    "batList boostList chargerList datalogList deviceList invList meterList ogbList pidList sphList storageList witList"
)


def _overview(call: GrowattCallContext, tlx_in: str) -> dict[str, Any]:
    device = call.plant_device
    answer: dict[str, Any] = {name: [] for name in _LISTS.split()} | _header(device)
    if device is None:
        return answer
    answer["datalogList"] = [_datalogger(device)]
    kind = DEVICE_TYPES[device.plant.family]
    if kind == "tlx":
        own = {"plantId": int(device.plant.id)} if tlx_in == "invList" else {"isParallel": "false", "xe_ct": "0"}
        answer[tlx_in] = [_tlx_row(device) | own]
        answer["batList"] = [{"deviceSn": serial, "deviceType": "bat"} for serial in device.plant.devices[1:]]
    elif kind == "inverter":
        answer["deviceList"] = [_device(device) | _produced(device)]
    elif kind != "noah":
        answer["deviceList"] = [_storage_row(device)]
    if call.context.fault("new_family") is not None:
        for row in (*answer["deviceList"], *answer["invList"]):
            row["deviceType"] = UNKNOWN_FAMILY
    return answer


def _header(device: GrowattDevice | None) -> dict[str, Any]:
    day, total, flow = (
        (device.energy_today, device.energy_total, device.powers)
        if device
        else (GrowattEnergies(), GrowattEnergies(), GrowattPowers())
    )
    price, size = (energy_price(device.plant), nominal_power(device.plant)) if device else (PRICE, 0)
    battery = flow if device and DEVICE_TYPES[device.plant.family] in STORAGE_TYPES else GrowattPowers()
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


def _datalogger(device: GrowattDevice) -> dict[str, Any]:
    serial = f"QMN{device.plant.id:0>13}"
    seen = timestamp(device.uploaded_at.astimezone(CHINA))
    return {
        "alias": serial,
        "client_url": "/192.0.2.10:54321",
        "datalog_sn": serial,
        "deviceTypeIndicate": "55",
        "device_type": "ShineWeFi",
        "isGprs4G": "0",
        "keys": ["Signal", "Connection Status", "Last Update", "Data Update Interval"],
        "lfdi": "0",
        "lost": device.asleep,
        "meter": {},
        "simInfo": None,
        "type": "55",
        "unit_id": "",
        "update_interval": "5",
        "update_time": seen,
        "values": ["Good", "Offline" if device.asleep else "Online", seen, "5"],
    }


def _device(device: GrowattDevice) -> dict[str, Any]:
    return {
        "datalogSn": f"QMN{device.plant.id:0>13}",
        "deviceAilas": device.serial,
        "deviceSn": device.serial,
        "deviceStatus": "-1" if device.asleep else "3" if device.is_faulty else "1",
        "deviceType": DEVICE_TYPES[device.plant.family],
        "energy": decimal(device.energy_total.pv),
        "location": "",
        "lost": device.asleep,
    }


def _produced(device: GrowattDevice) -> dict[str, Any]:
    return {
        "eToday": decimal(device.energy_today.pv),
        "eTodayStr": f"{decimal(device.energy_today.pv)}kWh",
        "power": decimal(device.powers.ac),
        "powerStr": f"{kilowatt(device.powers.ac)}kW",
    }


def _tlx_row(device: GrowattDevice) -> dict[str, Any]:
    return {
        **_device(device),
        **_produced(device),
        "bMerterConnectFlag": 0,
        "bdc1Soc": round(device.powers.soc),
        "bdc2Soc": 0,
        "prePto": "-1",
        "type": 0,
        "type2": "5",
    }


def _storage_row(device: GrowattDevice) -> dict[str, Any]:
    return {
        **_device(device),
        "activePower": decimal(device.powers.load),
        "apparentPower": decimal(device.powers.load),
        "capacity": f"{decimal(device.powers.soc, 0)}%",
        "eChargeToday": decimal(device.energy_today.charge),
        "pCharge": decimal(device.powers.charge),
        "storageType": "0",
    }
