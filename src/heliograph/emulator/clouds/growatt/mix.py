"""Responses of the emulated Growatt cloud for SPH hybrids ("mix"), and the portal's dashboard of battery plants."""

from __future__ import annotations

from typing import Any

from heliograph.emulator.clouds.growatt import charts
from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    GrowattCallContext,
    GrowattDevice,
    GrowattEnergies,
    chart_periods,
    success,
)
from heliograph.emulator.clouds.growatt.formatting import decimal, kilowatt, percent
from heliograph.emulator.clouds.growatt.plants import STORAGE_TYPES, energy_price
from heliograph.vendors.growatt.api import GrowattCalls

NOT_A_MIX = {
    **dict.fromkeys(("ibat", "ipv", "pbat", "ppv", "upsPac1", "upsPac2", "upsPac3", "vbat", "vGuid", "vpv"), "0.0"),
    "iGuid": "+0.0",
    "pGuid": "+0.0",
}
"""Quirk: an id that is not a mix returns another, sign-prefixed object of zeros (a NEO owner's capture)."""


@ROUTER.route(GrowattCalls.mix_info)
def info(call: GrowattCallContext) -> dict[str, str]:
    """Headline values in W, kWh and V, all as texts."""
    if (device := call.device("mix")) is None:
        return dict(NOT_A_MIX)
    flow, day, total = device.powers, device.energy_today, device.energy_total
    soc = decimal(flow.soc, 0)
    return {
        # The battery of a simulated household is charged by its panels only.
        "acChargeEnergyToday": "0",
        "acChargeEnergyTotal": "0",
        "acChargePower": "0",
        "capacity": soc,
        "eBatChargeToday": decimal(day.charge),
        "eBatChargeTotal": decimal(total.charge),
        "eBatDisChargeToday": decimal(day.discharge),
        "eBatDisChargeTotal": decimal(total.discharge),
        "epvToday": decimal(day.pv),
        "epvTotal": decimal(total.pv),
        "isCharge": "1" if flow.charge > 0 else "0",
        "pCharge1": decimal(flow.charge),
        "pDischarge1": decimal(flow.discharge),
        "soc": f"{soc}%",
        "upsPac1": "0",
        "upsPac2": "0",
        "upsPac3": "0",
        "vbat": decimal(_battery_voltage(device)),
        "vbatdsp": decimal(_battery_voltage(device) + 0.2),
        "vpv1": decimal(device.pv_string(1)[1]),
        "vpv2": decimal(device.pv_string(2)[1]),
    }


def _battery_voltage(device: GrowattDevice) -> float:
    return 49.0 + 0.045 * device.powers.soc


@ROUTER.route(GrowattCalls.mix_totals)
def totals(call: GrowattCallContext) -> dict[str, str]:
    """Energies, in the cloud's own capitalisation and with a stray "1"."""
    device = call.require_device("mix")
    day, total, price = device.energy_today, device.energy_total, energy_price(device.plant)
    return {
        "echargetoday": decimal(day.charge),
        "echargetotal": decimal(total.charge),
        "edischarge1Today": decimal(day.discharge),
        "edischarge1Total": decimal(total.discharge),
        "elocalLoadToday": decimal(day.load),
        "elocalLoadTotal": decimal(total.load),
        "epvToday": decimal(day.pv),
        "epvTotal": decimal(total.pv),
        "etoGridToday": decimal(day.grid_export),
        "etogridTotal": decimal(total.grid_export),
        "photovoltaicRevenueToday": decimal(day.pv * price),
        "photovoltaicRevenueTotal": decimal(total.pv * price),
        "unit": "€",
    }


@ROUTER.route(GrowattCalls.mix_system_status)
def system_status(call: GrowattCallContext) -> dict[str, Any]:
    """Live power flows in kW except the two strings; measured values are texts, computed ones numbers."""
    device = call.require_device("mix")
    flow, volts = device.powers, decimal(device.grid_voltage)
    (pv1, vpv1, _), (pv2, vpv2, _) = device.pv_string(1), device.pv_string(2)
    return {
        "SOC": decimal(flow.soc, 0),
        "chargePower": _computed(flow.charge),
        "fAc": "50.02",
        "lost": "mix.status.normal",
        "pLocalLoad": _computed(flow.load),
        # Quirk: in W although the rest of the response is in kW.
        "pPv1": decimal(pv1),
        "pPv2": decimal(pv2),
        "pactogrid": _computed(flow.grid_export),
        "pactouser": _computed(flow.grid_import),
        "pdisCharge1": _computed(flow.discharge),
        "pmax": decimal(device.household.peak_power / 1000),
        "ppv": kilowatt(flow.pv),
        "priorityChoose": "0",
        "status": "5",
        "unit": "kW",
        "upsFac": "0",
        "upsVac1": "0",
        "uwSysWorkMode": "3" if device.is_faulty else "5" if flow.pv > 0 else "6",
        "vAc1": volts,
        "vBat": decimal(_battery_voltage(device)),
        "vPv1": decimal(vpv1),
        "vPv2": decimal(vpv2),
        "vac1": volts,
        "wBatteryType": "1",
    }


def _computed(watt: float) -> float:
    kw = round(watt / 1000, 2)
    return int(kw) if kw == int(kw) else kw


@ROUTER.route(GrowattCalls.mix_detail)
def detail(call: GrowattCallContext) -> dict[str, Any]:
    """Production and consumption of a day, month or year."""
    device = call.require_device("mix")
    chart = charts.mix_day(device, call) if call.span == 0 else charts.bars(device, call)
    return {"chartData": chart, **charts.chart_sums(device, call)}


_SETTINGS = {
    "acChargeEnable": "0",
    "activeRate": "100",
    "backflow_setting": "0",
    "chargePowerCommand": "100",
    "disChargePowerCommand": "100",
    "epsFreqSet": "0",
    "epsFunEn": "0",
    "epsVoltSet": "0",
    "exportLimit": "0",
    "exportLimitPowerRate": "0.0",
    "failsafe": "0",
    "loadFirstControl": "0",
    "loadFirstStopSocSet": "10",
    "mix_ac_discharge_frequency": "0",
    "mix_ac_discharge_voltage": "0",
    "mix_off_grid_enable": "0",
    "onOff": "1",
    "priorityChoose": "0",
    "pv_active_p_rate": "100",
    "pv_grid_voltage_high": "264.5",
    "pv_grid_voltage_low": "184.0",
    "pv_on_off": "1",
    "singleExport": "0",
    "voltageHighLimit": "264.5",
    "voltageLowLimit": "184.0",
    # The first two belong to the load-first mode.
    "wchargeSOCLowLimit1": "100",
    "wdisChargeSOCLowLimit1": "100",
    "wchargeSOCLowLimit2": "100",
    "wdisChargeSOCLowLimit2": "10",
}
"""Factory settings of a hybrid; the names are from an owner's recording."""


def _times(*names: str, switches: tuple[str, ...]) -> dict[str, str]:
    """Return three unused periods for each mode."""
    numbered = [(name, value) for names_, value in ((names, "0:0"), (switches, "0")) for name in names_]
    return {f"{name}{number}": value for number in (1, 2, 3) for name, value in numbered}


@ROUTER.route(GrowattCalls.get_mix_inverter_settings)
def settings(call: GrowattCallContext) -> dict[str, Any]:
    """All settings as texts, as last written."""
    device = call.require_device("mix")
    unused = _times(
        *(f"forced{way}Time{end}" for way in ("Charge", "Discharge") for end in ("Start", "Stop")),
        switches=("forcedChargeStopSwitch", "forcedDischargeStopSwitch"),
    )
    own = {"pf_sys_year": f"{device.local_time:%Y-%m-%d %H:%M:%S}", "serialNum": device.serial}
    return success({"mixBean": _SETTINGS | unused | own | device.plant.settings.get("mix", {})})


@ROUTER.route(GrowattCalls.spa_settings)
def spa_settings(call: GrowattCallContext) -> dict[str, Any]:
    """The settings of an AC-coupled device, under their V1 names."""
    device = call.require_device("spa")
    unused = _times(
        *(f"forced{way}Time{end}" for way in ("Charge", "Discharge") for end in ("Start", "Stop")),
        "loadFirstStartTime",
        "loadFirstStopTime",
        switches=("batFirstSwitch", "gridFirstSwitch", "loadFirstSwitch"),
    )
    shared = {name: _SETTINGS[name] for name in _SPA_HAS}
    own = {"pf_sys_year": f"{device.local_time:%Y-%m-%d %H:%M:%S}", "serialNum": device.serial}
    return {"spaBean": shared | unused | own | device.plant.settings.get("spa", {})}


_SPA_HAS = (
    "chargePowerCommand",
    "disChargePowerCommand",
    "onOff",
    "priorityChoose",
    "wchargeSOCLowLimit1",
    "wchargeSOCLowLimit2",
    "wdisChargeSOCLowLimit1",
    "wdisChargeSOCLowLimit2",
)


_DASHBOARD_SERIES = ("ppv", "sysOut", "userLoad", "pacToUser")


@ROUTER.route(GrowattCalls.dashboard_data)
def dashboard(call: GrowattCallContext) -> dict[str, Any]:
    """The portal's chart: texts with units. Quirk: empty for a plant without a mix or storage device."""
    device = call.plant_device
    if device is not None and DEVICE_TYPES[device.plant.family] not in STORAGE_TYPES:
        device = None
    energy = charts.period_energy(device, call) if device else GrowattEnergies()
    return {
        "chartData": _dashboard_chart(device, call) if device else {},
        "chartDataUnit": "kW" if call.span == 0 else "kWh",
        "keyNames": ["Solar", "Load Consumption", "Export To Grid", "From Battery"],
        **_dashboard_sums(
            energy,
            device.energy_total if device else GrowattEnergies(),
            wrong=device is not None and device.plant.family == "mix",
        ),
    }


def _dashboard_chart(device: GrowattDevice, call: GrowattCallContext) -> dict[str, Any]:
    # Quirk: for mix two names mislead: userLoad is the export, pacToUser the battery discharge (growattServer).
    if call.span == 0:
        rows = charts.day_powers(device, call)
        return {
            key: dict(
                zip(_DASHBOARD_SERIES, map(kilowatt, (one.pv, one.load, one.grid_export, one.discharge)), strict=True)
            )
            for key, one in rows.items()
            if key != "00:00"
        }
    day = call.date(device)
    found = [device.energy(period) for period in chart_periods(call.span, day)] if day else []
    columns = zip(*((one.pv, one.load, one.grid_export, one.discharge) for one in found), strict=True)
    return {
        name: [decimal(value) for value in column] for name, column in zip(_DASHBOARD_SERIES, columns, strict=False)
    }


def _dashboard_sums(energy: GrowattEnergies, total: GrowattEnergies, *, wrong: bool) -> dict[str, str]:
    """Return the sums. Quirk: for mix only etouser, echarge1 and echargeToat are correct (growattServer)."""
    direct = energy.charge if wrong else max(0.0, energy.pv - energy.grid_export - energy.charge)
    own = direct + energy.discharge
    load = own + energy.grid_import
    produced = energy.load if wrong else own + energy.grid_export
    kwh = {
        "eAcCharge": energy.grid_export + energy.grid_import if wrong else energy.grid_export,
        "eCharge": produced,
        "eChargeToday1": own - energy.discharge,
        "eChargeToday2": own,
        "eChargeToday2Echarge1": direct,
        "echarge1": energy.discharge,
        "echargeToat": total.discharge,
        "elocalLoad": load,
        "etouser": energy.grid_import,
        "photovoltaic": direct,
    }
    ratios = {
        "ratio1": percent(own, produced),
        "ratio2": percent(energy.grid_export, produced),
        "ratio3": percent(own, load),
        "ratio4": percent(energy.grid_import, load),
        "ratio5": percent(energy.discharge, own),
        "ratio6": percent(direct, own),
    }
    return {name: f"{decimal(value)}kWh" for name, value in kwh.items()} | ratios
