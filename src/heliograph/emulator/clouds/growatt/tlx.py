"""Responses of the emulated Growatt cloud for TLX devices: MIN without a battery, MIN-XH with an ARK battery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt import charts
from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    UNKNOWN_DEVICE,
    GrowattCallContext,
    GrowattDevice,
    GrowattFailure,
    json_response,
)
from heliograph.emulator.clouds.growatt.formatting import decimal, float32, java_date, kilowatt, tenth, timestamp, zeros
from heliograph.emulator.clouds.growatt.templates import tlx_detail_bean, tlx_settings_bean
from heliograph.emulator.fault_log import fault_members
from heliograph.vendors.growatt.api import GrowattCalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.emulator.api import EmulatedResponse
    from heliograph.emulator.clouds.growatt.context import GrowattPowers

_STATUS_ZERO = (
    "bdcStatus chargePower1 chargePower2 invStatus isMasterOne operatingMode pPv3 pPv4 pdisCharge1 pdisCharge2 pex "
    "SOC2 soc2 tbModuleNum upsFac upsVac1 vPv3 vPv4"
)


@ROUTER.route(GrowattCalls.tlx_system_status)
def system_status(call: GrowattCallContext) -> dict[str, Any]:
    """Live power flows in kW, all as texts."""
    device = call.require_device("tlx")
    flow = device.powers
    # Quirk: on a battery-less unit chargePower repeats ppv (captured on a NEO 800M-X).
    charge = flow.charge if device.has_battery else flow.pv
    (pv1, vpv1, _), (pv2, vpv2, _) = device.pv_string(1), device.pv_string(2)
    soc = decimal(flow.soc, 0)
    volts = "0" if device.asleep else decimal(device.grid_voltage)
    return {
        **dict.fromkeys(_STATUS_ZERO.split(), "0"),
        "bMerterConnectFlag": "1" if device.household.has_meter else "0",
        "bmsBatteryEnergy": f"{decimal(device.household.battery_capacity)}kWh",
        "chargePower": kilowatt(charge),
        "dType": "5",
        "deviceType": "2",
        "fAc": "0" if device.asleep else "50",
        "lost": "tlx.status.lost" if device.asleep else "tlx.status.normal",
        "pLocalLoad": kilowatt(flow.load),
        "pPv1": kilowatt(pv1),
        "pPv2": kilowatt(pv2),
        "pac": kilowatt(flow.ac),
        "pactogrid": kilowatt(flow.grid_export),
        "pactouser": kilowatt(flow.grid_import),
        "pdisCharge": kilowatt(flow.discharge),
        "pmax": kilowatt(device.household.peak_power),
        "ppv": kilowatt(flow.pv),
        "prePto": "-1",
        "priorityChoose": "0",
        "SOC": soc,
        "soc1": soc,
        "socType": "1",
        "status": "-1" if device.asleep else "1",
        "tips": "2",
        "unit": "kW",
        "uwSysWorkMode": "0" if device.asleep else "5" if device.has_battery else "1",
        "vAc1": volts,
        "vBat": decimal(_battery_voltage(device)),
        "vPv1": decimal(vpv1),
        "vPv2": decimal(vpv2),
        "vac1": volts,
        "wBatteryType": "1" if device.has_battery else "0",
    }


def _battery_voltage(device: GrowattDevice) -> float:
    return 384.0 + 0.4 * device.powers.soc if device.has_battery else 0.0


@ROUTER.route(GrowattCalls.tlx_energy_overview)
def energy_overview(call: GrowattCallContext) -> dict[str, str]:
    """Energies, in the cloud's own capitalisation."""
    device = call.require_device("tlx")
    day, total = device.energy_today, device.energy_total
    return {
        "echargetoday": decimal(day.charge),
        "echargetotal": decimal(total.charge),
        "edischargeToday": decimal(day.discharge),
        "edischargeTotal": decimal(total.discharge),
        "elocalLoadToday": decimal(day.load),
        "elocalLoadTotal": decimal(total.load),
        "epvToday": decimal(day.pv),
        "epvTotal": decimal(total.pv),
        "etoGridToday": decimal(day.grid_export),
        "etogridTotal": decimal(total.grid_export),
        "isMasterOne": "0",
    }


@ROUTER.route(GrowattCalls.tlx_energy_prod_cons)
def energy_prod_cons(call: GrowattCallContext) -> dict[str, Any]:
    """Production and consumption of a day, month or year."""
    device = call.require_device("tlx")
    chart = charts.tlx_day(device, call) if call.span == 0 else charts.bars(device, call)
    power = kilowatt(device.powers.ac)
    return {
        "chartData": chart,
        **charts.chart_sums(device, call),
        "isMasterOne": "0",
        "keyNames": ["Photovoltaic Output", "Load Consumption", "Imported From Grid", "From Battery"],
        "newBean": {"dryContactStatus": 0, "exportLimit": 0, "exportLimitPower2": "0kW", "pac": f"{power}kW"},
    }


_SERIES: dict[str, Callable[[GrowattPowers], float]] = {
    "1": lambda flow: flow.pv,
    "6": lambda flow: flow.ac,
}


@ROUTER.route(GrowattCalls.tlx_data)
def data(call: GrowattCallContext) -> dict[str, Any]:
    """The power curve of a day, only where there is data; empty for an unknown id."""
    return charts.power_curve(call, call.device("tlx"), _SERIES.get(call.arguments.get("type", "1"))) | {
        "dryContactStatus": 0,
        "exportLimit": 0,
        "exportLimitPower": "0",
        "exportLimitPower2": "0",
    }


_PARAMETERS = (
    "Fac(Hz),Pac(W),Ppv(W),Ppv1(W),Ppv2(W),Vpv1(V),Ipv1(A),Vpv2(V),Ipv2(A),Vac1(V),Iac1(A),Pac1(W),VacRs(V),"
    "EacToday(kWh),EacTotal(kWh),EtoUserToday(kWh),EtoUserTotal(kWh),EtoGridToday(kWh),EtoGridTotal(kWh),"
    "ElocalLoadToday(kWh),ElocalLoadTotal(kWh),Epv1Total(kWh),Epv2Total(kWh),EpvTotal(kWh),BsystemWorkMode,BgridType"
)


@ROUTER.route(GrowattCalls.tlx_detail)
def detail(call: GrowattCallContext) -> dict[str, Any]:
    """All measurements, in W and kWh. Quirk: a sleeping and an unknown device both return zeros."""
    device = call.device("tlx")
    bean = tlx_detail_bean()
    if device is not None and not device.asleep:
        bean |= _state(device) | _powers(device) | _energies(device) | (_battery(device) if device.has_battery else {})
        bean |= fault_members(call.context)
    return {"data": bean, "parameterName": _PARAMETERS}


def _state(device: GrowattDevice) -> dict[str, Any]:
    return {
        "bMerterConnectFlag": int(device.household.has_meter),
        "dataLogSn": f"QMN{device.plant.id:0>13}",
        "invDelayTime": 60,
        "iso": 2310,
        "lost": False,
        "opFullwatt": int(device.household.peak_power),
        "realOPPercent": round(100 * device.powers.ac / device.household.peak_power),
        "serialNum": device.serial,
        "status": 1,
        "statusText": "Normal",
        "temp1": tenth(24 + 30 * device.powers.pv / device.household.peak_power),
        "temp2": tenth(27 + 33 * device.powers.pv / device.household.peak_power),
        "time": timestamp(device.local_time),
        "uwSysWorkMode": 5 if device.has_battery else 1,
    }


def _powers(device: GrowattDevice) -> dict[str, Any]:
    flow, volts = device.powers, device.grid_voltage
    (pv1, vpv1, ipv1), (pv2, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    return {
        "fac": float32(50.01),
        "iac1": tenth(flow.ac / volts),
        "ipv1": tenth(ipv1),
        "ipv2": tenth(ipv2),
        "pac": tenth(flow.ac),
        "pac1": tenth(flow.ac),
        "pacToGridTotal": tenth(flow.grid_export),
        "pacToLocalLoad": tenth(flow.load),
        "pacToUserTotal": tenth(flow.grid_import),
        "pf": 1,
        "ppv": tenth(flow.pv),
        "ppv1": tenth(pv1),
        "ppv2": tenth(pv2),
        "pself": tenth(max(0.0, flow.load - flow.grid_import)),
        "psystem": tenth(flow.ac),
        "vac1": float32(volts),
        "vacRs": float32(volts),
        "vpv1": float32(vpv1),
        "vpv2": float32(vpv2),
    }


def _energies(device: GrowattDevice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, energy in (("Today", device.energy_today), ("Total", device.energy_total)):
        first = tenth(energy.pv * 0.52)
        found |= {
            # Battery charge and discharge are part of the AC yield.
            f"eac{name}": tenth(energy.pv - energy.charge + energy.discharge),
            f"epv1{name}": first,
            # The second string is the remainder, so that both add up to the total.
            f"epv2{name}": tenth(tenth(energy.pv) - first),
            f"echarge{name}": tenth(energy.charge),
            f"edischarge{name}": tenth(energy.discharge),
            f"elocalLoad{name}": tenth(energy.load),
            f"eself{name}": tenth(max(0.0, energy.load - energy.grid_import)),
            f"esystem{name}": tenth(energy.pv - energy.charge + energy.discharge),
            f"etoGrid{name}": tenth(energy.grid_export),
            f"etoUser{name}": tenth(energy.grid_import),
        }
    return found | {"epvTotal": tenth(device.energy_total.pv)}


def _battery(device: GrowattDevice) -> dict[str, Any]:
    flow, total, soc = device.powers, device.energy_total, round(device.powers.soc)
    volts = _battery_voltage(device)
    return {
        "batSn": device.plant.devices[1],
        "bdc1ChargePower": tenth(flow.charge),
        "bdc1ChargeTotal": tenth(total.charge),
        "bdc1DischargePower": tenth(flow.discharge),
        "bdc1DischargeTotal": tenth(total.discharge),
        "bdc1Ibat": tenth((flow.discharge - flow.charge) / volts),
        "bdc1Mode": 1,
        "bdc1Soc": soc,
        "bdc1Status": 1,
        "bdc1Temp1": 28.4,
        "bdc1Vbat": float32(volts),
        # Quirk: a nonexistent second battery converter reports values too (public captures of a MOD 12KTL3-HU).
        "bdc2FaultType": 7,
        "bdc2Soc": 3,
        "bdc2Temp2": 104,
        "bdc2Vbat": 12,
        "bmsSoc": soc,
        "bmsSoh": 100,
        "bmsVbat": float32(volts),
    }


_PARAMS_ZERO = (
    "bagingTestStep batParallelNum batSeriesNum batSysEnergy batTempLowerLimitC batTempLowerLimitD batTempUpperLimitC "
    "batTempUpperLimitD batteryType bctAdjust bctMode bdcAuthversion bdcMode bmsCommunicationType energyMonth id mppt "
    "pCharge pDischarge plantId priorityChoose safetyVersion strNum trakerModel vbatStartForDischarge "
    "vbatStopForCharge vbatStopForDischarge vbatWarnClr vbatWarning vppOpen wselectBaudrate"
)
_PARAMS_EMPTY = (
    "alias bcuVersion bdc1Sn bmsSoftwareVersion hwVersion liBatteryFwVersion liBatteryManufacturers location "
    "monitorVersion plantname powerMax powerMaxText powerMaxTime sysTime treeName userName"
)


@ROUTER.route(GrowattCalls.tlx_params)
def params(call: GrowattCallContext) -> dict[str, Any]:
    """Model, firmware and state; without `newBean` for an unknown id."""
    if (device := call.device("tlx")) is None:
        return {"inverterType": "", "region": "", "newBean": None}
    logger = f"QMN{device.plant.id:0>13}"
    bean = {
        **zeros(_PARAMS_ZERO),
        **dict.fromkeys(_PARAMS_EMPTY.split(), ""),
        "addr": 1,
        "bdc1Model": "0",
        # Quirk: a version that was never read is reported as raw zero bytes.
        "bdc1Version": "ZBCA-5" if device.has_battery else "\0\0\0\0-0",
        "children": [],
        "comAddress": 1,
        "communicationVersion": "ZAba-0006",
        "countrySelected": 1,
        "dataLogSn": logger,
        "deviceType": 5,
        "dtc": 5200,
        "eToday": device.energy_today.pv,
        "eTotal": device.energy_total.pv,
        "energyDayMap": {},
        "energyMonthText": "0",
        "fwVersion": "AL1.0",
        "groupId": -1,
        "imgPath": "./css/img/status_gray.gif" if device.asleep else "./css/img/status_green.gif",
        "innerVersion": "ALAA16xx",
        "lastUpdateTime": java_date(device.uploaded_at),
        "lastUpdateTimeText": timestamp(device.local_time),
        "level": 4,
        "lost": device.asleep,
        "manufacturer": "   PV Inverter  ",
        "modbusVersion": 307,
        "model": 720_575_940_631_003_386,
        "modelText": "S0AB00D00T00P0FU01M0042",
        "optimezerList": [],
        "parentID": f"LIST_{logger}_22",
        "pmax": int(device.household.peak_power),
        "portName": "port_name",
        "power": tenth(device.powers.ac),
        "record": None,
        "restartTime": 65,
        "serialNum": device.serial,
        "startTime": 65,
        "status": -1 if device.asleep else 1,
        "statusText": "tlx.status.lost" if device.asleep else "tlx.status.normal",
        "tcpServerIp": "192.0.2.20",
        "timezone": 8,
        "tlxSetbean": None,
        "treeID": f"ST_{device.serial}",
        "updating": False,
        "vnormal": 280,
    }
    return {"inverterType": "MIN 6000TL-XH" if device.has_battery else "MIN 4200TL-X", "region": "", "newBean": bean}


@ROUTER.route(GrowattCalls.tlx_all_settings, GrowattCalls.tlx_get_all_settings)
def all_settings(call: GrowattCallContext) -> Any:
    """All settings as texts, as last written. Quirk: an unknown id returns success with `obj` null."""
    if (device := call.device("tlx")) is None:
        return json_response({"result": 1, "obj": None, "msg": ""})
    bean = tlx_settings_bean(battery=device.has_battery) | {"normalPower": str(int(device.household.peak_power))}
    return bean | {"pf_sys_year": f"{timestamp(device.local_time)}"} | device.plant.settings.get("tlx", {})


_OFFERED = (
    "ac_charge backflow_setting charge_power charge_stop_soc discharge_power discharge_stop_soc pf_sys_year "
    "pv_active_p_rate pv_grid_frequency_high pv_grid_frequency_low pv_grid_voltage_high pv_grid_voltage_low "
    "pv_reactive_p_rate tlx_ac_discharge_frequency tlx_ac_discharge_time_period tlx_ac_discharge_voltage "
    "tlx_backflow_default_power tlx_cc_current tlx_custom_pf_curve tlx_cv_voltage tlx_dry_contact_enable "
    "tlx_dry_contact_off_power tlx_dry_contact_power tlx_exter_comm_Off_GridEn tlx_lcd_Language tlx_limit_device "
    "tlx_off_grid_enable tlx_optimezer_set_param_multi tlx_reset_to_factory"
)


@ROUTER.route(GrowattCalls.tlx_enabled_settings, GrowattCalls.tlx_get_enabled_settings)
def enabled_settings(call: GrowattCallContext) -> EmulatedResponse:
    """The settings the app offers, and the daily settings password. Quirk: the on-grid stop charge is missing."""
    device = call.require_device("tlx")
    enable = dict.fromkeys(_OFFERED.split(), "1") | {f"time_segment{number}": "1" for number in range(1, 10)}
    offered = {"haveAfci": False, "switch": True, "enable": enable | {"tlx_on_off": "0"}}
    return json_response({"result": 1, "obj": offered, "msg": f"growatt{device.local_time:%Y%m%d}"})


def _with_battery(call: GrowattCallContext) -> GrowattDevice | None:
    """Return the device of the requested battery, found by its own or the battery's serial number."""
    plant = call.plant
    if plant is None or DEVICE_TYPES[plant.family] != "tlx" or len(plant.devices) == 1:
        return None
    return call.main_device(plant)


@ROUTER.route(GrowattCalls.tlx_battery_info)
def battery_info(call: GrowattCallContext) -> dict[str, Any]:
    """Whether a battery pack is connected."""
    if (device := _with_battery(call)) is None:
        raise GrowattFailure(UNKNOWN_DEVICE)
    return {"serialNum": device.plant.devices[1], "lost": False, "soc": decimal(device.powers.soc, 0), "status": "1"}


@ROUTER.route(GrowattCalls.tlx_battery_info_detailed)
def battery_info_detailed(call: GrowattCallContext) -> dict[str, Any]:
    """State of a battery pack; zeros without one. Charging is positive here."""
    names = "bmNum chargeOrDisPower dischargeTotal errorCode errorSubCode soc status systemWorkStatus warnCode"
    found = dict.fromkeys([*names.split(), "warnSubCode"], "0")
    if (device := _with_battery(call)) is not None:
        found |= {
            "bmNum": "4",
            "chargeOrDisPower": decimal(device.powers.charge - device.powers.discharge),
            "dischargeTotal": decimal(device.energy_total.discharge),
            "soc": decimal(device.powers.soc, 0),
            "status": "1",
            "systemWorkStatus": "1",
        }
    return {"data": found, "parameterName": ""}
