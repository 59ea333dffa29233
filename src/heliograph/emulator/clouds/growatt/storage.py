"""Responses of the emulated Growatt cloud for SPF off-grid storage inverters."""

from __future__ import annotations

from typing import Any

from heliograph.emulator.clouds.growatt.context import ROUTER, GrowattCallContext, GrowattDevice
from heliograph.emulator.clouds.growatt.formatting import decimal, float32, tenth, timestamp, zeros
from heliograph.vendors.growatt.api import GrowattCalls

NOT_A_STORAGE = {
    **dict.fromkeys(("ibat", "ipv", "pbat", "ppv", "vGuid", "vbat", "vpv"), "0.0"),
    "batSn": "",
    "iGuid": "+0.0",
    "pGuid": "+0.0",
}
"""Quirk: an id that is not a storage returns an older, sign-prefixed object of zeros (a NEO owner's capture)."""


def _battery_voltage(device: GrowattDevice) -> float:
    return 49.0 + 0.045 * device.powers.soc


def _load_share(device: GrowattDevice) -> float:
    return 100 * device.powers.load / device.household.peak_power


@ROUTER.route(GrowattCalls.storage_detail)
def detail(call: GrowattCallContext) -> dict[str, str]:
    """Live values, all as texts."""
    device = call.device("storage")
    if device is None:
        return dict(NOT_A_STORAGE)
    flow, day, total = device.powers, device.energy_today, device.energy_total
    (_, vpv1, ipv1), (_, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    return {
        "activePower": decimal(flow.load),
        "apparentPower": decimal(flow.load),
        "batSn": "",
        "capacity": decimal(flow.soc, 0),
        "eBatChargeToday": decimal(day.charge),
        "eBatChargeTotal": decimal(total.charge),
        "eBatDisChargeToday": decimal(day.discharge),
        "eBatDisChargeTotal": decimal(total.discharge),
        "epvToday": decimal(day.pv),
        "epvTotal": decimal(total.pv),
        "freqGrid": "50",
        "freqOutPut": "50",
        "iChargePV1": decimal(ipv1),
        "iChargePV2": decimal(ipv2),
        "loadPercent": decimal(_load_share(device)),
        "outPutPower": decimal(flow.load),
        "outPutVolt": "230",
        "pCharge1": decimal(flow.charge),
        "pCharge2": "0",
        "vGrid": "231.4",
        "vbat": decimal(_battery_voltage(device)),
        "vpv1": decimal(vpv1),
        "vpv2": decimal(vpv2),
    }


_DETAIL_ZERO = (
    "bmsBatteryTemp bmsCellVoltage1 bmsCellVolt10 bmsCellVolt16 bmsSoh chargeToStandbyReason chgEnergy constantVolt "
    "cycleCount2 eChargeToday2 eGenDischrPower eToGridToday eToGridTotal epvToday2 errorCode floatChargeVolt "
    "gaugeOperationStatus hardwareVersion iacToGrid loadPercent1 loadPercent2 loadPercent3 maxminSoc module2MinVolt "
    "moduleId pAcCharge pDischarge2 packNum pacToGrid remoteCntlFailReason warnCode3"
)
_BEAN_ZERO = "eChargeToday eToUserToday epvTotal useEnergyToday"


@ROUTER.route(GrowattCalls.storage_params)
def params(call: GrowattCallContext) -> dict[str, Any]:
    """Two objects that disagree: the second has zero daily counters and splits PV differently."""
    device = call.require_device("storage")
    return {"storageDetailBean": _live_bean(device), "storageBean": _device_bean(device)}


def _live_bean(device: GrowattDevice) -> dict[str, Any]:
    flow, day, total = device.powers, device.energy_today, device.energy_total
    (pv1, vpv1, ipv1), (_, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    first = tenth(pv1)
    counters: dict[str, Any] = {}
    for name, energy in (("Today", day), ("Total", total)):
        counters |= {
            f"eBatDisCharge{name}": tenth(energy.discharge),
            f"eCharge{name}": tenth(energy.charge),
            f"eToUser{name}": tenth(energy.grid_import),
            f"eacCharge{name}": 0,
            f"eacDisCharge{name}": tenth(energy.load),
            f"epv{name}": tenth(energy.pv),
        }
    return {
        **zeros(_DETAIL_ZERO),
        **counters,
        "bmsSoc": round(flow.soc),
        "capacity": round(flow.soc),
        "chargeMap": {},
        "chargeToStandbyReasonText": "Unknown",
        "chgCurr": tenth(flow.charge / _battery_voltage(device)),
        "day": "",
        "dischargeToStandbyReasonText": "Unknown",
        "eopDischrToday": tenth(day.discharge),
        "eopDischrTotal": tenth(total.discharge),
        "freqGrid": float32(50.01),
        "freqOutPut": float32(49.98),
        "iAcCharge": 0,
        "iChargePV1": tenth(ipv1),
        "iChargePV2": tenth(ipv2),
        "loadPercent": tenth(_load_share(device)),
        "lost": False,
        "outPutCurrent": tenth(flow.load / 230),
        "outPutPower": tenth(flow.load),
        "outPutVolt": 230,
        "pAcInPut": tenth(flow.grid_import),
        "pCharge": tenth(flow.charge),
        "pDischarge": tenth(flow.discharge),
        "ppv": first,
        # The second string is the remainder, so that both add up to the total.
        "ppv2": tenth(tenth(flow.pv) - first),
        "rateVA": tenth(flow.load),
        "serialNum": device.serial,
        "statusText": _status(device),
        "time": timestamp(device.local_time),
        "vBat": float32(_battery_voltage(device)),
        "vBuckText": "0.0 V",
        "vGrid": float32(231.4),
        "vpv": float32(vpv1),
        "vpv2": float32(vpv2),
        "warnText": "Unknown",
        "withTime": False,
    }


def _status(device: GrowattDevice) -> str:
    if device.is_faulty:
        return "Fault"
    if device.powers.grid_import > 0:
        return "Bypass"
    if device.powers.pv > 0:
        return "PV charge and discharge"
    return "Discharging"


def _device_bean(device: GrowattDevice) -> dict[str, Any]:
    (pv1, _, _), (pv2, _, _) = device.pv_string(1), device.pv_string(2)
    return {
        **zeros(_BEAN_ZERO),
        "capacity": round(device.powers.soc),
        "dataLogSn": f"QMN{device.plant.id:0>13}",
        "epvToday": tenth(device.energy_today.pv),
        "fwVersion": "067.06/068.12",
        "loadPercent": round(_load_share(device)),
        "lost": False,
        "outPutPower": tenth(device.powers.load),
        "outputConfig": "0",
        "pAcInPut": tenth(device.powers.grid_import),
        "pCharge": tenth(device.powers.charge),
        "pGrid": tenth(device.powers.grid_import),
        "pPv1": tenth(pv1),
        "pPv2": tenth(pv2),
        "ppv": tenth(pv1),
        "serialNum": device.serial,
        **device.plant.settings.get("storage", {}),
    }


@ROUTER.route(GrowattCalls.storage_energy_overview)
def energy_overview(call: GrowattCallContext) -> dict[str, str]:
    """Energies; this call reports correct ones."""
    device = call.require_device("storage")
    found: dict[str, str] = {}
    for name, energy in (("Today", device.energy_today), ("Total", device.energy_total)):
        found |= {
            f"eCharge{name}": decimal(energy.charge),
            f"eDischarge{name}": decimal(energy.discharge),
            f"eToGrid{name}": decimal(energy.grid_export),
            f"eToUser{name}": decimal(energy.grid_import),
            f"epv{name}": decimal(energy.pv),
            f"useEnergy{name}": decimal(energy.load),
        }
    return found
