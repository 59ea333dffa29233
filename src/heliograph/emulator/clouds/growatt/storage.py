"""What Growatt answers about SPF off-grid storage inverters."""

from __future__ import annotations

from typing import Any

from heliograph.emulator.clouds.growatt.context import ANSWERS, Ask, Unit, unknown
from heliograph.emulator.clouds.growatt.formatting import plain, stamp, tenth, widened, zeros
from heliograph.vendors.growatt.api import GrowattCalls

NOT_A_STORAGE = {
    **dict.fromkeys(("ibat", "ipv", "pbat", "ppv", "vGuid", "vbat", "vpv"), "0.0"),
    "batSn": "",
    "iGuid": "+0.0",
    "pGuid": "+0.0",
}
"""Quirk: an id that is no storage gets an older, sign-prefixed bean of zeros (a NEO owner's capture)."""


def _storage(ask: Ask) -> Unit:
    if (unit := ask.unit("storage")) is None:
        raise unknown()
    return unit


def _battery_voltage(unit: Unit) -> float:
    return 49.0 + 0.045 * unit.flow.soc


def _load_share(unit: Unit) -> float:
    return 100 * unit.flow.load / unit.home.peak_power


@ANSWERS.to(GrowattCalls.storage_detail)
def detail(ask: Ask) -> dict[str, str]:
    """Live figures, all of them texts."""
    unit = ask.unit("storage")
    if unit is None:
        return dict(NOT_A_STORAGE)
    flow, day, total = unit.flow, unit.day, unit.total
    (_, vpv1, ipv1), (_, vpv2, ipv2) = unit.string(1), unit.string(2)
    return {
        "activePower": plain(flow.load),
        "apparentPower": plain(flow.load),
        "batSn": "",
        "capacity": plain(flow.soc, 0),
        "eBatChargeToday": plain(day.charge),
        "eBatChargeTotal": plain(total.charge),
        "eBatDisChargeToday": plain(day.discharge),
        "eBatDisChargeTotal": plain(total.discharge),
        "epvToday": plain(day.pv),
        "epvTotal": plain(total.pv),
        "freqGrid": "50",
        "freqOutPut": "50",
        "iChargePV1": plain(ipv1),
        "iChargePV2": plain(ipv2),
        "loadPercent": plain(_load_share(unit)),
        "outPutPower": plain(flow.load),
        "outPutVolt": "230",
        "pCharge1": plain(flow.charge),
        "pCharge2": "0",
        "vGrid": "231.4",
        "vbat": plain(_battery_voltage(unit)),
        "vpv1": plain(vpv1),
        "vpv2": plain(vpv2),
    }


_DETAIL_ZERO = (
    "bmsBatteryTemp bmsCellVoltage1 bmsCellVolt10 bmsCellVolt16 bmsSoh chargeToStandbyReason chgEnergy constantVolt "
    "cycleCount2 eChargeToday2 eGenDischrPower eToGridToday eToGridTotal epvToday2 errorCode floatChargeVolt "
    "gaugeOperationStatus hardwareVersion iacToGrid loadPercent1 loadPercent2 loadPercent3 maxminSoc module2MinVolt "
    "moduleId pAcCharge pDischarge2 packNum pacToGrid remoteCntlFailReason warnCode3"
)
_BEAN_ZERO = "eChargeToday eToUserToday epvTotal useEnergyToday"


@ANSWERS.to(GrowattCalls.storage_params)
def params(ask: Ask) -> dict[str, Any]:
    """Two beans of numbers that disagree: the day's counters of the second stay zero, and PV is split otherwise."""
    unit = _storage(ask)
    return {"storageDetailBean": _live_bean(unit), "storageBean": _device_bean(unit)}


def _live_bean(unit: Unit) -> dict[str, Any]:
    flow, day, total = unit.flow, unit.day, unit.total
    (pv1, vpv1, ipv1), (_, vpv2, ipv2) = unit.string(1), unit.string(2)
    first = tenth(pv1)
    counters: dict[str, Any] = {}
    for name, energy in (("Today", day), ("Total", total)):
        counters |= {
            f"eBatDisCharge{name}": tenth(energy.discharge),
            f"eCharge{name}": tenth(energy.charge),
            f"eToUser{name}": tenth(energy.bought),
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
        "chgCurr": tenth(flow.charge / _battery_voltage(unit)),
        "day": "",
        "dischargeToStandbyReasonText": "Unknown",
        "eopDischrToday": tenth(day.discharge),
        "eopDischrTotal": tenth(total.discharge),
        "freqGrid": widened(50.01),
        "freqOutPut": widened(49.98),
        "iAcCharge": 0,
        "iChargePV1": tenth(ipv1),
        "iChargePV2": tenth(ipv2),
        "loadPercent": tenth(_load_share(unit)),
        "lost": False,
        "outPutCurrent": tenth(flow.load / 230),
        "outPutPower": tenth(flow.load),
        "outPutVolt": 230,
        "pAcInPut": tenth(flow.bought),
        "pCharge": tenth(flow.charge),
        "pDischarge": tenth(flow.discharge),
        "ppv": first,
        # The second string is what is left, so that the two always add up to the whole.
        "ppv2": tenth(tenth(flow.pv) - first),
        "rateVA": tenth(flow.load),
        "serialNum": unit.serial,
        "statusText": _status(unit),
        "time": stamp(unit.local),
        "vBat": widened(_battery_voltage(unit)),
        "vBuckText": "0.0 V",
        "vGrid": widened(231.4),
        "vpv": widened(vpv1),
        "vpv2": widened(vpv2),
        "warnText": "Unknown",
        "withTime": False,
    }


def _status(unit: Unit) -> str:
    if unit.flow.bought > 0:
        return "Bypass"
    if unit.flow.pv > 0:
        return "PV charge and discharge"
    return "Discharging"


def _device_bean(unit: Unit) -> dict[str, Any]:
    (pv1, _, _), (pv2, _, _) = unit.string(1), unit.string(2)
    return {
        **zeros(_BEAN_ZERO),
        "capacity": round(unit.flow.soc),
        "dataLogSn": f"QMN{unit.site.id:0>13}",
        "epvToday": tenth(unit.day.pv),
        "fwVersion": "067.06/068.12",
        "loadPercent": round(_load_share(unit)),
        "lost": False,
        "outPutPower": tenth(unit.flow.load),
        "outputConfig": "0",
        "pAcInPut": tenth(unit.flow.bought),
        "pCharge": tenth(unit.flow.charge),
        "pGrid": tenth(unit.flow.bought),
        "pPv1": tenth(pv1),
        "pPv2": tenth(pv2),
        "ppv": tenth(pv1),
        "serialNum": unit.serial,
        **unit.site.settings.get("storage", {}),
    }


@ANSWERS.to(GrowattCalls.storage_energy_overview)
def energy_overview(ask: Ask) -> dict[str, str]:
    """Energies, and here the right ones."""
    unit = _storage(ask)
    found: dict[str, str] = {}
    for name, energy in (("Today", unit.day), ("Total", unit.total)):
        found |= {
            f"eCharge{name}": plain(energy.charge),
            f"eDischarge{name}": plain(energy.discharge),
            f"eToGrid{name}": plain(energy.sold),
            f"eToUser{name}": plain(energy.bought),
            f"epv{name}": plain(energy.pv),
            f"useEnergy{name}": plain(energy.load),
        }
    return found
