"""Responses of the emulated Growatt cloud for classic inverters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt import charts, html
from heliograph.emulator.clouds.growatt.context import ROUTER, GrowattCallContext, GrowattDevice, GrowattFailure
from heliograph.emulator.clouds.growatt.formatting import decimal, float32, tenth, timestamp
from heliograph.emulator.clouds.growatt.templates import inverter_bean
from heliograph.emulator.fault_log import fault_members
from heliograph.vendors.growatt.api import GrowattCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedResponse

_NOON = 12


@ROUTER.route(GrowattCalls.inverter_data)
def data(call: GrowattCallContext) -> dict[str, Any]:
    """The power curve of a day."""
    if (device := call.device("inverter")) is None:
        raise GrowattFailure({"msg": "501", "success": False})
    return charts.power_curve(call, device, lambda flow: flow.ac)


@ROUTER.route(GrowattCalls.inverter_detail)
def detail(call: GrowattCallContext) -> dict[str, Any]:
    """All measurements, in W and kWh. Quirk: an unknown id returns all zeros with the server's time."""
    device = call.device("inverter")
    if device is None:
        return inverter_bean() | {"time": timestamp(call.context.now().astimezone(CHINA))}
    on = device.powers.ac > 0
    return inverter_bean() | {
        "inverterId": device.serial,
        "status": int(on),
        "statusText": "Normal" if on else "Waiting",
        "time": timestamp(device.local_time),
        **_measured(device),
        **_counted(device, forgets=call.context.fault("zero_totals") is not None),
        **fault_members(call.context),
    }


def _measured(device: GrowattDevice) -> dict[str, Any]:
    flow, volts = device.powers, device.grid_voltage
    (pv1, vpv1, ipv1), (pv2, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    warmth = device.powers.ac / device.household.peak_power
    return {
        "fac": float32(49.98),
        "iacr": tenth(flow.ac / volts),
        "ipv1": tenth(ipv1),
        "ipv2": tenth(ipv2),
        "ipmTemperature": tenth(22 + 25 * warmth),
        "pac": tenth(flow.ac),
        "pacr": tenth(flow.ac),
        "pf": 1,
        "ppv": tenth(flow.pv),
        "ppv1": tenth(pv1),
        "ppv2": tenth(pv2),
        "temperature": tenth(20 + 30 * warmth),
        "vacr": float32(volts),
        "vpv1": float32(vpv1),
        "vpv2": float32(vpv2),
    }


def _counted(device: GrowattDevice, *, forgets: bool) -> dict[str, Any]:
    # Quirk: some lose their totals from midnight until they start; plant totals stay (home-assistant/core 67366).
    total = 0.0 if forgets and not device.powers.ac and device.local_time.hour < _NOON else device.energy_total.pv
    found: dict[str, Any] = {"epvTotal": tenth(total)}
    for name, kwh in (("Today", device.energy_today.pv), ("Total", total)):
        first = tenth(kwh * 0.52)
        found |= {f"power{name}": tenth(kwh), f"epv1{name}": first, f"epv2{name}": tenth(tenth(kwh) - first)}
    return found


_TWO_TIMES_EIGHT = [f"{name}string{number}" for number in range(1, 9) for name in ("v", "i")]
_TWO_SAME = "fac iacr iacs iact ipv1 ipv2 ipv3 pac pacr pacs pact ppv ppv1 ppv2 ppv3 rac vacr vacs vact vpv1 vpv2 vpv3"
_TWO_NAMES = (
    "Fac(Hz),Pac(W),E_Today(kWh),E_Total(kWh),Vpv1(V),Ipv1(A),Ppv1(W),Vpv2(V),Ipv2(A),Ppv2(W),Vpv3(V),Ipv3(A),"
    "Ppv3(W),Ppv(W),VacR(V),VacS(V),VacT(V),IacR(A),IacS(A),IacT(A),PacR(W),PacS(W),PacT(W),StrFault,StrWarning,"
    "StrBreak,PIDWarning"
)


@ROUTER.route(GrowattCalls.inverter_detail_two)
def detail_two(call: GrowattCallContext) -> dict[str, Any]:
    """The same measurements in snake case, with a list of labels and units."""
    bean = detail(call)
    renamed = {
        "e_rac_today": bean["eRacToday"],
        "e_rac_total": bean["eRacTotal"],
        "e_today": bean["powerToday"],
        "e_total": bean["powerTotal"],
        "t_total": bean["timeTotal"],
    }
    numbers = renamed | {name: bean[name] for name in _TWO_SAME.split()} | dict.fromkeys(_TWO_TIMES_EIGHT, 0)
    flags = dict.fromkeys(("pidwarning", "strbreak", "strfault", "strwarning"), 0)
    return {"data": {name: float(value) for name, value in numbers.items()} | flags, "parameterName": _TWO_NAMES}


@ROUTER.route(GrowattCalls.classic_inverter_info)
def info(call: GrowattCallContext) -> EmulatedResponse:
    """The portal's settings page with the inverter in a script; without the script for an unknown one."""
    device = call.device("inverter")
    if device is None:
        return html.page("Inverter", "<h1>Inverter settings</h1>")
    bean = {
        "activeRate": "100",
        "alias": device.serial,
        "datalogSn": f"QMN{device.plant.id:0>13}",
        "deviceModel": "GROWATT 3000MTL-S",
        "fwVersion": "AH1.0",
        "haveAfci": "false",
        "innerVersion": "AHAA07xx",
        "isBig": "false",
        "lastUpdateTime": timestamp(device.local_time),
        "location": "",
        "lost": "false",
        "model": "A0B0D0T0PFU1M3S1",
        "modelText": "A0B0D0T0PFU1M3S1",
        "nominalPower": str(int(device.household.peak_power)),
        "onOff": "1",
        "pf": "1.0",
        "pfModel": "0",
        "plantId": device.plant.id,
        "pvPfCmdMemoryState": "0",
        "reactiveRate": "0",
        "sn": device.serial,
        "status": "1" if device.powers.ac > 0 else "0",
        "sysTime": timestamp(device.local_time),
        "timezone": decimal((device.now.utcoffset() or device.uploaded_at - device.uploaded_at).total_seconds() / 3600),
        "voltageHighLimit": "263.0",
        "voltageLowLimit": "186.0",
        "wideVoltageEnable": "0",
        "workingFrequencyMax": "51.5",
        "workingFrequencyMin": "47.53",
        **device.plant.settings.get("inverter", {}),
    }
    return html.page(
        "Inverter", f"<h1>Inverter settings</h1><script>var inv=JSON.parse('{json.dumps(bean)}');</script>"
    )
