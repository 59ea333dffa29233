"""Measurements of one device as the token API reports them: numbers in W and kWh, keys in the cloud's own case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt.context import (
    UNKNOWN_FAMILY,
    GrowattDevice,
    GrowattEnergies,
    GrowattPowers,
)
from heliograph.emulator.clouds.growatt.formatting import tenth, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Measurement:
    """The values of a device at one moment."""

    def __init__(self, device: GrowattDevice, at: datetime) -> None:
        values = device.household.values(at)
        self.device = device
        self.local_time = at.astimezone(device.household.zone)
        self.powers = GrowattPowers.from_values(values)
        self.today = GrowattEnergies.from_values(values, "_today")
        self.total = GrowattEnergies.from_values(values, "_total")


def bean(measurement: Measurement) -> dict[str, Any]:
    """Return the measurements of a device in the form of its family, or of one that no client knows."""
    device = measurement.device
    common = {
        "calendar": java_calendar(measurement.local_time),
        "dataLogSn": f"LOG{device.plant.id}",
        "lost": True,  # Quirk: true for every device, also for live ones
        "serialNum": device.serial,
        "time": timestamp(measurement.local_time),
    }
    return common | _FAMILIES[device.token_type](measurement)


def java_calendar(local_time: datetime) -> dict[str, Any]:
    """Return a time as V1 does. Quirk: it is the device's clock misread as China's time (captures of MIN)."""
    misread = int(local_time.replace(tzinfo=CHINA).timestamp() * 1000)
    zone = {"DSTSavings": 0, "ID": "Asia/Shanghai", "displayName": "China Standard Time", "rawOffset": 28800000}
    return {"firstDayOfWeek": 1, "lenient": True, "timeInMillis": misread, "timeZone": {"dirty": False, **zone}}


def v4_bean(measurement: Measurement) -> dict[str, Any]:
    """Return the measurements as V4 does: its `calendar` is a number."""
    found = bean(measurement)
    return found | {"calendar": found["calendar"]["timeInMillis"]}


def _min(at: Measurement) -> dict[str, Any]:
    flow, day, total, device = at.powers, at.today, at.total, at.device
    (pv1, vpv1, ipv1), (pv2, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    asleep = flow.pv <= 0 and not device.has_battery
    return {
        "bdc1ChargePower": tenth(flow.charge),
        "bdc1ChargeTotal": tenth(total.charge),
        "bdc1DischargePower": tenth(flow.discharge),
        "bdc1DischargeTotal": tenth(total.discharge),
        "bdc1Soc": round(flow.soc),
        "bdc1Vbat": tenth(384.0 + 0.4 * flow.soc) if device.has_battery else 0.0,
        "bdc2ChargePower": 0.0,
        "bdc2DischargePower": 0.0,
        "bdc2Soc": 3 if device.has_battery else 0,
        "bdc2FaultType": 7 if device.has_battery else 0,
        "bdc2Status": 0,
        "bmsSoc": round(flow.soc),
        "eacToday": tenth(day.pv),
        "eacTotal": tenth(total.pv),
        "echargeToday": tenth(day.charge),
        "echargeTotal": tenth(total.charge),
        "edischargeToday": tenth(day.discharge),
        "edischargeTotal": tenth(total.discharge),
        "elocalLoadToday": tenth(day.load),
        "elocalLoadTotal": tenth(total.load),
        "epv1Today": tenth(day.pv),
        "epv2Today": 0.0,
        "epvTotal": tenth(total.pv),
        "errorText": "Unknown",
        "etoGridToday": tenth(day.grid_export),
        "etoGridTotal": tenth(total.grid_export),
        "etoUserToday": tenth(day.grid_import),
        "etoUserTotal": tenth(total.grid_import),
        "fac": 0.0 if asleep else 50.01,
        "ipv1": tenth(ipv1),
        "ipv2": tenth(ipv2),
        "pac": tenth(flow.ac),
        "pacToGridTotal": tenth(flow.grid_export),
        "pacToLocalLoad": tenth(flow.load),
        "pacToUserTotal": tenth(flow.grid_import),
        "pex1": -0.1,
        "ppv": tenth(flow.pv),
        "ppv1": tenth(pv1),
        "ppv2": tenth(pv2),
        "status": 0 if asleep else 1,
        "statusText": "Waiting" if asleep else "Normal",
        "temp1": tenth(25.0 + 20.0 * flow.pv / device.household.peak_power),
        "vac1": 0.0 if asleep else tenth(device.grid_voltage),
        "vpv1": tenth(vpv1),
        "vpv2": tenth(vpv2),
        "warnText": "Unknown",
    }


def _sph(at: Measurement) -> dict[str, Any]:
    flow, day, total = at.powers, at.today, at.total
    return {
        "bmsSOC": round(flow.soc),
        "echarge1Today": tenth(day.charge),
        "echarge1Total": tenth(total.charge),
        "edischarge1Today": tenth(day.discharge),
        "edischarge1Total": tenth(total.discharge),
        "elocalLoadToday": tenth(day.load),
        "elocalLoadTotal": tenth(total.load),
        "epv1Today": tenth(day.pv),
        "epvTotal": tenth(total.pv),
        "epvtoday": tenth(day.pv),  # Quirk: its letters are small (capture of an SPH); Home Assistant reads it
        "errorText": "Unknown",
        "etoGridToday": tenth(day.grid_export),
        "etogridTotal": tenth(total.grid_export),
        "etoUserToday": tenth(day.grid_import),
        "etoUserTotal": tenth(total.grid_import),
        "fac": 50.01,
        "pac": tenth(flow.ac),
        "pacToGridR": tenth(flow.grid_export),
        "pacToGridTotal": tenth(flow.grid_export),
        "pacToUserR": tenth(flow.grid_import),
        "pacToUserTotal": 0.0,  # Quirk: only the phase has it (capture of an SPH-S)
        "pcharge1": tenth(flow.charge),
        "pdischarge1": tenth(flow.discharge),
        "plocalLoadTotal": tenth(flow.load),
        "ppv": tenth(flow.pv),
        "soc": float(round(flow.soc)),
        "status": 5 if flow.pv > 0 else 6,
        "statusText": "PV Bat Online" if flow.pv > 0 else "Bat Online",
        "vac1": tenth(at.device.grid_voltage),
    }


def _spa(at: Measurement) -> dict[str, Any]:
    found = _sph(at)
    del found["epv1Today"], found["epvTotal"], found["epvtoday"]
    return found | {
        "epvInverterToday": tenth(at.today.pv),
        "epvInverterTotal": tenth(at.total.pv),
        "ppv": 0.0,
        "ppvInverter": tenth(at.powers.pv),
    }


def _storage(at: Measurement) -> dict[str, Any]:
    flow, day, total = at.powers, at.today, at.total
    return {
        "capacity": float(round(flow.soc)),
        "eBatDisChargeToday": tenth(day.discharge),
        "eBatDisChargeTotal": tenth(total.discharge),
        "eChargeToday": tenth(day.charge),
        "eChargeTotal": tenth(total.charge),
        "eToUserToday": tenth(day.grid_import),
        "eToUserTotal": tenth(total.grid_import),
        "epvToday": tenth(day.pv),
        "epvTotal": tenth(total.pv),
        "errorText": "Unknown",
        "outPutPower": tenth(flow.load),
        "pAcInPut": tenth(flow.grid_import),
        "pCharge": tenth(flow.charge),
        "pDischarge": tenth(flow.discharge),
        "ppv": tenth(flow.pv),
        "status": 1 if flow.charge > 0 else 2 if flow.discharge > 0 else 0,
        "statusText": "Charge" if flow.charge > 0 else "Discharge" if flow.discharge > 0 else "Operating",
    }


def _inverter(at: Measurement) -> dict[str, Any]:
    flow, day, total = at.powers, at.today, at.total
    return {
        "epv1Today": tenth(day.pv),
        "epvTotal": tenth(total.pv),
        "fac": 50.01 if flow.pv > 0 else 0.0,
        "inverterId": at.device.serial,
        "pac": tenth(flow.ac),
        "powerToday": tenth(day.pv),
        "powerTotal": tenth(total.pv),
        "ppv": tenth(flow.pv),
        "status": 1 if flow.pv > 0 else 0,
        "statusText": "Normal" if flow.pv > 0 else "Waiting",
        "temperature": tenth(22.0 + 20.0 * flow.pv / at.device.household.peak_power),
        "vacr": tenth(at.device.grid_voltage) if flow.pv > 0 else 0.0,
    }


def _max(at: Measurement) -> dict[str, Any]:
    return _inverter(at) | {"eacToday": tenth(at.today.pv), "eacTotal": tenth(at.total.pv)}


def _sph_s(at: Measurement) -> dict[str, Any]:
    found = _sph(at) | {"epvToday": tenth(at.today.pv), "ppv3": tenth(at.powers.pv)}
    found["etoGridTotal"] = found.pop("etogridTotal")
    del found["epvtoday"]
    # Quirk: 3 is no fault of an SPH-S (capture).
    return found | {"status": 3, "statusText": "Bat Online"}


def _wit(at: Measurement) -> dict[str, Any]:
    flow, day, total = at.powers, at.today, at.total
    return {
        "bSoc": -1.0,  # Quirk: a filler (capture)
        "batPower": tenth(flow.charge - flow.discharge),
        "eacToday": tenth(day.pv),
        "eacTotal": tenth(total.pv),
        "echarge1Today": tenth(day.charge),
        "echarge1Total": tenth(total.charge),
        "edischarge1Today": tenth(day.discharge),
        "edischarge1Total": tenth(total.discharge),
        "elocalLoadToday": tenth(day.load),
        "elocalLoadTotal": tenth(total.load),
        "epvToday": tenth(day.pv),
        "epvTotal": tenth(total.pv),
        "etoGridToday": tenth(day.grid_export),
        "etoGridTotal": tenth(total.grid_export),
        "etoUserToday": tenth(day.grid_import),
        "etoUserTotal": tenth(total.grid_import),
        "pac": tenth(flow.ac),
        "pacToGridTotal": tenth(flow.grid_export),
        "pacToUserTotal": tenth(flow.grid_import),
        "plocalLoadTotal": tenth(flow.load),
        "ppv": tenth(flow.pv),
        "soc": float(round(flow.soc)),
        "soc2": 0.0,
        "soc3": 0.0,
        "status": 1,
        "statusText": "Operating",
    }


def _noah(at: Measurement) -> dict[str, Any]:
    flow = at.powers
    charging = flow.charge > 0
    return {
        "batteryPackageQuantity": 1,
        "battery1Soc": round(flow.soc),
        "ctFlag": 0,
        "deviceSn": at.device.serial,
        "eacToday": tenth(at.today.pv),
        "eacTotal": tenth(at.total.pv),
        "pac": tenth(flow.ac),
        "ppv": tenth(flow.pv),
        "status": 1 if flow.pv > 0 or flow.discharge > 0 else 6,
        "time": timestamp(at.local_time.replace(tzinfo=CHINA).astimezone(at.local_time.tzinfo)),
        "timeStr": timestamp(at.local_time),
        "totalBatteryPackChargingPower": round(flow.charge if charging else flow.discharge),
        "totalBatteryPackChargingStatus": 1 if charging else 2 if flow.discharge > 0 else 0,
        "totalBatteryPackSoc": round(flow.soc),
        "workMode": 0,
    }


def _hps(at: Measurement) -> dict[str, Any]:
    """Return some members of the vendor's sample of a commercial storage; their meaning is not public."""
    return {
        "eChargeToday": tenth(at.today.charge),
        "eDischargeToday": tenth(at.today.discharge),
        "eLoadToday": tenth(at.today.load),
        "epvTotal": tenth(at.total.pv),
        "gridFreq": 49.97999954223633,
        "statusText": "WaitState",
        "vbat": -1.5,
    }


_FAMILIES: dict[str, Callable[[Measurement], dict[str, Any]]] = {
    "tlx": _min,
    "mix": _sph,
    "spa": _spa,
    "storage": _storage,
    "inverter": _inverter,
    "max": _max,
    "sph-s": _sph_s,
    "wit": _wit,
    "noah": _noah,
    UNKNOWN_FAMILY: _hps,
}
