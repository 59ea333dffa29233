"""Responses of the emulated Growatt cloud for the energies of plants and accounts, and for charts of plants."""

from __future__ import annotations

from typing import Any

from heliograph.emulator.clouds.growatt.context import ROUTER, GrowattCallContext, GrowattDevice, chart_periods
from heliograph.emulator.clouds.growatt.formatting import decimal, kilowatt
from heliograph.emulator.clouds.growatt.plants import (
    KG_PER_KWH,
    PRICE,
    energy_price,
    nominal_power,
    plant_name,
)
from heliograph.emulator.clouds.growatt.templates import plant_bean
from heliograph.vendors.growatt.api import GrowattCalls


@ROUTER.route(GrowattCalls.plant_detail, GrowattCalls.plant_years)
def plant_detail(call: GrowattCallContext) -> dict[str, Any]:
    """Energy per day, month or year; empty for an unknown plant."""
    return _bars(call, call.span)


@ROUTER.route(GrowattCalls.plant_chart)
def plant_chart(call: GrowattCallContext) -> dict[str, Any]:
    """Power of a day, or energy per day, month or year. Quirk: numbered one higher than `plant_detail`'s charts."""
    chart = call.integer("type", 1)
    if chart != 1:
        return _bars(call, chart - 1)
    device = call.plant_device
    if device is None or (day := call.date(device)) is None:
        return _detail(call, {}, 0.0)
    # Quirk: it starts at sunrise and ends at the newest upload (a public client's note).
    points = {f"{at:%H:%M}": decimal(flow.ac) for at, flow in device.samples(day) if flow.pv > 0}
    return _detail(call, points, device.energy(day.isoformat()).pv)


def _bars(call: GrowattCallContext, span: int) -> dict[str, Any]:
    device = call.plant_device
    bars = {}
    if device is not None and (day := call.date(device)) is not None:
        bars = {period[-4:].split("-")[-1]: device.energy(period).pv for period in chart_periods(span, day)}
    return _detail(call, {key: decimal(value) for key, value in bars.items()}, sum(bars.values()))


def _detail(call: GrowattCallContext, data: dict[str, str], kwh: float) -> dict[str, Any]:
    device = call.plant_device
    return {
        "success": True,
        "data": data,
        "plantData": {
            "currentEnergy": f"{decimal(kwh)} kWh",
            "plantId": call.arguments.get("plantId", ""),
            "plantMoneyText": f"{decimal(kwh * energy_price(device.plant)) if device else 0} ",
            "plantName": plant_name(device.plant) if device else "",
        },
    }


@ROUTER.route(GrowattCalls.plant_energy_data)
def plant_energy_data(call: GrowattCallContext) -> dict[str, Any]:
    """Each quantity twice: as a numeric text, and with its unit."""
    device = call.plant_device
    today = device.energy_today.pv if device else 0.0
    total, power = (device.energy_total.pv, device.powers.pv) if device else (0.0, 0.0)
    month = device.energy(device.today[:7]).pv if device else 0.0
    saved = total * KG_PER_KWH
    size = nominal_power(device.plant) if device else 0
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
        "plantNumber": len(call.account.plants),
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
        "plantBean": _energy_bean(device, call.account.username) if device else None,
    }


@ROUTER.route(GrowattCalls.account_energy_data)
def account_energy_data(call: GrowattCallContext) -> dict[str, Any]:
    """Energy, power and money of the account; types and names as in two owners' recordings."""
    devices = [call.main_device(plant) for plant in call.account.plants]
    today = sum(device.energy_today.pv for device in devices)
    total = sum(device.energy_total.pv for device in devices)
    month = sum(device.energy(device.today[:7]).pv for device in devices)
    power, size = sum(device.powers.pv for device in devices), sum(nominal_power(device.plant) for device in devices)
    asleep = sum(device.asleep for device in devices)
    saved = total * KG_PER_KWH
    return {
        "alarmValue": 0,
        "deviceDetail": {},
        "deviceTypeMap": {"MIX": 0, "SPA": 0, "STORAGE": 0, "TLXH": 0},
        "eventMessBeanList": [],
        "formulaCo2Str": f"{decimal(saved)}kg",
        "formulaCo2Vlue": decimal(saved),
        "formulaCoalStr": f"{decimal(saved)}kg",
        "formulaCoalValue": decimal(saved),
        "isHaveFormulaMoney": True,
        "monthProfitStr": f"€{decimal(month * PRICE, 2)}",
        **_twice("month", month),
        "nominalPowerStr": f"{decimal(size / 1000)}kWp",
        # Quirk: a number here, a text in `plant_energy_data`.
        "nominalPowerValue": size,
        "plantId": int(call.account.plants[0].id),
        "plantNumber": len(devices),
        "plantStatus": 0,
        "plantType": 1,
        "powerValue": f"{power:.1f}",
        "powerValueStr": f"{kilowatt(power)}kW",
        "statusMap": {"faultNum": 0, "offline": asleep, "onlineNum": len(devices) - asleep},
        "todayProfitStr": f"€{decimal(today * PRICE, 2)}",
        "todayUnit": "kWh",
        **_twice("today", today),
        "totalProfitStr": f"€{decimal(total * PRICE, 2)}",
        **_twice("total", total),
        "treeStr": decimal(total * 0.055, 0),
        "treeValue": f"{total * 0.055:.1f}",
        **_twice("year", 0.0),
    }


def _twice(name: str, kwh: float) -> dict[str, str]:
    return {f"{name}Value": f"{kwh:.1f}", f"{name}Str": f"{decimal(kwh)}kWh"}


def _energy_bean(device: GrowattDevice, owner: str) -> dict[str, Any]:
    """Return the plant object of this call: null for empty values, the date as a number, one name in lower case."""
    bean = plant_bean(device, owner)
    bare = {key: None if value in ("", []) else value for key, value in bean.items()}
    own: dict[str, Any] = {"companyName": "", "logoImgName": "", "formulaMoneyStr": None, "unitMap": None}
    own |= {"createDate": bean["createDate"]["time"], "eTotal": round(device.energy_total.pv, 1)}
    own["eyearMoneyText"] = bare.pop("EYearMoneyText")
    return bare | own
