"""Inverter entries of the emulated SEMS Portal: list row, texts of the last frame, and registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.goodwe import electrics
from heliograph.emulator.clouds.goodwe.inverter_model import COMMISSIONED, china_datetime, epoch_ms, income, us_datetime

if TYPE_CHECKING:
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

CHECK_CODE = "000000"
_FIRMWARE = 181809.0

_NULLS = """
    cts bms_discharge_i_max bms_alarm bmssoftwareversion yesterdayct2sellertotal yesterdayetotal battery1sn
    battery2sn battery3sn battery4sn battery5sn battery6sn battery7sn battery8sn isoLimit battStrings
    meterConnectStatus ezPro_connect_status equipment_name meter_type pre_hour_lasttotal pre_hour_time
    extend_properties eP_connect_status_happen eP_connect_status_recover deratingMode master parallel_code
    genset_start_mode genset_mode genset_etotal genset_yeasterdayTotal genset_power battery_index
    batterycabinets communicateBox dspSvnVersion armSvnVersion phase_sequence canBusMaster parallelSnList
    pre_hour_totaloutput activePowerPhaseA activePowerPhaseB activePowerPhaseC meterRPhasePower meterSPhasePower
    meterTPhasePower current_hour_upload cumulativeTime setAsMeter arm_function escportmode meter_connect_type
    meshNetworkingStatus arm_function2 battery_index2 phase_sequence_index three_phase_switch battery2_capacity
"""
_ZEROS = """
    hour_stat_eday bms_charge_i_max vload pf reactive_power backUpPload_S backUpVload_S backUpIload_S
    backUpPload_T backUpVload_T backUpIload_T mtActivepowerR mtActivepowerS mtActivepowerT current_hour_pv
    genset_eday canBusTotalSoc canBusTotalPVPower canBusBatteryPower canBusMeterPower canBusLoadPower
    hour_stat_output_eday current_hour_output micro_grid_power
"""
_FALSE = """
    isbuetteybps isbuetteybpu isESUOREMU isConnectSTS micro_grid_flag isMicroGrid double_meter_flag
    isDoubleMeterSet
"""
_WHOLE_ZEROS = (
    "ct_solution_type change_type change_time bms_warning battary_work_mode fault_messge leakage_current inverter_type"
)

# target_index, name, display, unit and key of the chart points of a single-phase inverter.
_POINTS = (
    (1, "Vpv1", "Vpv1(V)", "V", "Vpv1", "直流电压1"),
    (5, "Ipv1", "Ipv1(A)", "A", "Ipv1", "直流电流1"),
    (9, "Ua", "Ua(V)", "V", "Vac1", "交流电压1"),
    (12, "Iac1", "Iac1(A)", "A", "Iac1", "交流电流1"),
    (15, "Fac1", "Fac1(Hz)", "Hz", "Fac1", "频率1"),
    (18, "Power", "Power(W)", "W", "Pac", "功率"),
    (20, "Temperature", "Temperature(℃)", "℃", "Tempperature", "温度"),
    (23, "HTotal", "HTotal(h)", "h", "HTotal", "工作时长"),
)


def inverter_entry(inverter: EmulatedInverter) -> dict[str, Any]:
    """Return the entry of one inverter in its plant."""
    full = registers(inverter)
    texts, total = frame_texts(inverter, full), inverter.energy_total
    return {
        "sn": inverter.serial,
        "dict": _dict(inverter, full),
        "is_stored": inverter.has_battery,
        "name": inverter.serial,
        # Quirk: not a power but roughly the DC current.
        "in_pac": full["ipv1"],
        "out_pac": inverter.ac_power,
        "eday": inverter.energy_today,
        "emonth": inverter.energy_month,
        "etotal": inverter.energy_total,
        "status": inverter.status,
        "turnon_time": china_datetime(COMMISSIONED),
        "releation_id": inverter.relation_id,
        "type": inverter.family.model,
        "capacity": inverter.family.capacity,
        "d": {**texts, **_frame(inverter, full)},
        "it_change_flag": False,
        "tempperature": full["tempperature"],
        "check_code": CHECK_CODE,
        "next": None,
        "prev": None,
        "next_device": {"sn": None, "isStored": False},
        "prev_device": {"sn": None, "isStored": False},
        "invert_full": full,
        "time": us_datetime(inverter.now.astimezone(inverter.home.zone)),
        "battery": texts["battery"],
        "firmware_version": _FIRMWARE,
        "warning_bms": "--",
        "soh": texts["soh"],
        "discharge_current_limit_bms": "0A",
        "charge_current_limit_bms": "1A",
        "soc": texts["soc"],
        "pv_input_2": texts["dc_input2"],
        "pv_input_1": texts["dc_input1"],
        "back_up_output": texts["backup_output"],
        "output_voltage": texts["grid_voltage"],
        "backup_voltage": "0V",
        "output_current": texts["output_current"],
        "output_power": texts["output_power"],
        "total_generation": f"{total:g}kWh" if total < 1000 else f"{total:.1f}kWh",
        "daily_generation": f"{inverter.energy_today:g}kWh",
        "battery_charging": texts["battery"],
        "last_refresh_time": inverter.last_frame_text,
        "bms_status": texts["bms_status"],
        "pw_id": inverter.plant,
        "fault_message": f"{inverter.fault}_warning" if inverter.fault else "",
        "warning_code": None,
        "battery_power": full["total_pbattery"] if inverter.has_battery else 429483622.5,
        "point_index": "1",
        "points": [_point(*row) for row in _POINTS],
        **dict.fromkeys(("backup_pload_s", "backup_vload_s", "backup_iload_s"), 0.0),
        **dict.fromkeys(("backup_pload_t", "backup_vload_t", "backup_iload_t"), 0.0),
        "etotal_buy": full["eTotalBuy"],
        "eday_buy": full["eDayBuy"],
        "ebattery_charge": full["eBatteryCharge"],
        "echarge_day": full["eChargeDay"],
        "ebattery_discharge": full["eBatteryDischarge"],
        "edischarge_day": full["eDischargeDay"],
        "batt_strings": None,
        "meter_connect_status": None,
        **dict.fromkeys(("mtactivepower_r", "mtactivepower_s", "mtactivepower_t"), 0.0),
        "has_tigo": False,
        "canStartIV": False,
        "battery_count": full["battery_count"],
        "master": None,
    }


def registers(inverter: EmulatedInverter) -> dict[str, Any]:
    """Return all measured values of an inverter (`invert_full`)."""
    return {
        "relation_id": inverter.relation_id,
        "sn": inverter.serial,
        "check_code": CHECK_CODE,
        "powerstation_id": inverter.plant,
        "name": inverter.serial,
        "model_type": inverter.family.model,
        "capacity": inverter.family.capacity,
        "status": inverter.status,
        "turnon_time": epoch_ms(COMMISSIONED),
        "last_time": epoch_ms(inverter.last_frame_at),
        "yesterdaylastime": 0,
        "workmode": 1,
        **_energies(inverter),
        **_electrics(inverter),
        **_battery(inverter),
        **_metering(inverter),
        **dict.fromkeys(_NULLS.split()),
        **dict.fromkeys(_ZEROS.split(), 0.0),
        **dict.fromkeys(_FALSE.split(), False),
        **dict.fromkeys(_WHOLE_ZEROS.split(), 0),
        "firmwareversion": 1818.0,
        "ram": 9.0,
        # Quirk: "no value" is an unsigned all-ones register, scaled.
        "iload": 4294967.295,
        "yesterdayetotalload": 6553.5,
        "dataloggersn": "",
        "hasmeter": inverter.home.has_meter,
        "errors": [],
        "safetyConutry": 20.0,
        "grid_conn_status": "",
        "stat_info": {
            "microgrid_energy_total": None,
            "microgrid_yesterday_total": None,
            "microgrid_energy_day": 0.0,
            "microgrid_current_hour": None,
            "microgrid_hour_stat": None,
            "microgrid_pre_hour_total": None,
        },
    }


def _energies(inverter: EmulatedInverter) -> dict[str, Any]:
    today, month, total = inverter.energy_today, inverter.energy_month, inverter.energy_total
    return {
        "eday": today,
        "etotal": total,
        "all_eday": today,
        "output_eday": today,
        "output_etotal": total,
        "output_yeasterdayTotal": total - today,  # with float noise, as in the real cloud
        "iday": income(today),
        "itotal": income(total),
        "hour_total": float(int(total / inverter.family.capacity * 2.5)),
        "thismonthetotle": month,
        # Quirk: not last month's energy but the lifetime counter at its end.
        "lastmonthetotle": round(total - month - today, 1),
    }


def _electrics(inverter: EmulatedInverter) -> dict[str, Any]:
    family = inverter.family
    values: dict[str, Any] = {
        "pac": inverter.pv_power if inverter.has_battery else inverter.ac_power,
        "outputpower": inverter.ac_power,
        "pv_power": 0.0,
        "tempperature": electrics.temperature(inverter, inverter.values) if inverter.status > 0 else 0.0,
    }
    values_now, awake = inverter.values, inverter.status >= 0
    for index in range(1, 5):
        exists = index <= family.strings
        values[f"vpv{index}"] = electrics.string_voltage(inverter, values_now, index) if exists else 6553.5
        values[f"ipv{index}"] = electrics.string_current(inverter, values_now, index) if exists else 6553.5
    for index in range(1, 4):
        if index > family.phases:
            values |= {f"vac{index}": 6553.5, f"iac{index}": 6553.5, f"fac{index}": 655.35}
            continue
        values[f"vac{index}"] = electrics.grid_voltage(inverter, values_now, index) if awake else 0.0
        values[f"iac{index}"] = electrics.grid_current(inverter, values_now, index)
        values[f"fac{index}"] = electrics.FREQUENCY if awake else 0.0
    return values | {f"istr{index}": 0.0 for index in range(1, 17)}


def _battery(inverter: EmulatedInverter) -> dict[str, Any]:
    if not inverter.has_battery:
        return {
            "isbuettey": False,
            "battery1_capacity": None,
            "vbattery1": 65535.0,
            "ibattery1": 6553.5,
            "total_pbattery": 0.0,
            "soc": inverter.soc,
            "soh": -0.1,
            "battery_count": None,
            "more_batterys": None,
            "eBatteryCharge": None,
            "eBatteryDischarge": None,
            "eChargeDay": 0.0,
            "eDischargeDay": 0.0,
        }
    volts = electrics.battery_voltage(inverter.values)
    warmth = electrics.battery_temperature(inverter.values)
    amperes = round(inverter.battery_power / volts, 1)
    watts = inverter.battery_power
    battery = {"pbattery": watts, "vbattery": volts, "ibattery": amperes, "soc": inverter.soc, "soh": 100.0}
    return {
        "isbuettey": True,
        "battery1_capacity": inverter.home.battery_capacity,
        "vbattery1": volts,
        "ibattery1": amperes,
        "total_pbattery": inverter.battery_power,
        "soc": inverter.soc,
        "soh": 100.0,
        "battery_count": 1,
        "more_batterys": [battery | {"bms_temperature": warmth, "bms_charge_i_max": 25.0, "bms_discharge_i_max": 25.0}],
        "eBatteryCharge": inverter.counter("battery_charge_energy_total", 1),
        "eBatteryDischarge": inverter.counter("battery_discharge_energy_total", 1),
        "eChargeDay": inverter.counter("battery_charge_energy_today", 1),
        "eDischargeDay": inverter.counter("battery_discharge_energy_today", 1),
    }


def _metering(inverter: EmulatedInverter) -> dict[str, Any]:
    count = inverter.counter
    bought, bought_total = count("grid_import_energy_today"), count("grid_import_energy_total")
    sold, sold_total = count("grid_export_energy_today"), count("grid_export_energy_total")
    return {
        # Quirk: without a meter it repeats pac.
        "pmeter": inverter.meter_power if inverter.home.has_meter else inverter.ac_power,
        "pbackup": inverter.meter_power if inverter.home.has_meter else 0.0,
        "buy": bought,
        "seller": sold,
        "total_buy": bought_total,
        "total_sell": sold_total,
        "yesterdaybuytotal": round(bought_total - bought, 3),
        "yesterdaysellertotal": round(sold_total - sold, 3),
        "eDayBuy": 0.0,
        "eTotalBuy": None,
    }


def frame_texts(inverter: EmulatedInverter, full: dict[str, Any]) -> dict[str, Any]:
    """Return the last frame as display texts."""
    volts, amperes = full["vbattery1"], full["ibattery1"]
    measured = f"{volts:g}V/{amperes:g}A/{inverter.battery_power:.0f}W"
    battery = measured if inverter.has_battery else "65535V/6553.5A/429483622W"
    return {
        "pw_id": inverter.plant,
        "capacity": f"{inverter.family.capacity:g}kW",
        "model": inverter.family.model,
        "output_power": f"{inverter.ac_power:.0f}W",
        "output_current": f"{full['iac1']:g}A",
        "grid_voltage": f"{full['vac1']:g}V",
        "backup_output": f"0V/{full['pbackup']:.0f}W",
        "soc": f"{inverter.soc:.0f}%",
        "soh": f"{max(full['soh'], 0):.0f}%",
        # Quirk: the only time of the frame in the account's date format.
        "last_refresh_time": inverter.account_datetime(inverter.last_frame_at.astimezone(inverter.home.zone)),
        "work_mode": "Normal Mode" if inverter.has_battery else "Wait Mode",
        "dc_input1": f"{full['vpv1']:g}V/{full['ipv1']:g}A",
        "dc_input2": f"{full['vpv2']:g}V/{full['ipv2']:g}A" if inverter.family.strings > 1 else "0V/0A",
        "battery": battery,
        "bms_status": "" if inverter.has_battery else "DischargingOfBattery",
        "warning": "--",
        "charge_current_limit": "1A",
        "discharge_current_limit": "0A",
        "firmware_version": _FIRMWARE,
        "creationDate": china_datetime(inverter.last_frame_at),
    }


def _frame(inverter: EmulatedInverter, full: dict[str, Any]) -> dict[str, Any]:
    names = [f"{name}{index}" for name in ("vpv", "ipv") for index in range(1, 5)]
    names += [f"{name}{index}" for name in ("vac", "iac", "fac") for index in range(1, 4)]
    return {
        # Quirk: the frame of an offline inverter has no daily energy, while the row beside it has.
        "eDay": inverter.energy_today if inverter.status >= 0 else 0.0,
        "eTotal": inverter.energy_total,
        "pac": full["pac"],
        "hTotal": full["hour_total"],
        **{name: full[name] for name in names},
        **{name: value for name, value in full.items() if name.startswith("istr")},
    }


def _dict(inverter: EmulatedInverter, full: dict[str, Any]) -> dict[str, Any]:
    phases = range(1, inverter.family.phases + 1)
    left = [
        ("dmDeviceType", inverter.family.model, ""),
        ("serialNum", inverter.serial, ""),
        ("laCheckcode", CHECK_CODE, ""),
        ("capacity", f"{inverter.family.capacity:g}", "kW"),
        ("laConnected", inverter.account_datetime(COMMISSIONED.astimezone(CHINA)), ""),
        ("InverterPowerOfPlantMonitor", f"{inverter.ac_power / 1000:g}", "kW"),
        ("acVacVol", "/".join(f"{full[f'vac{index}']:g}" for index in phases), "V"),
        ("acCurrent", "/".join(f"{full[f'iac{index}']}" for index in phases), "A"),
        ("acFrequency", "/".join(f"{full[f'fac{index}']:g}" for index in phases), "Hz"),
    ]
    strings = range(1, inverter.family.strings + 1)
    right = [
        ("innerTemp", f"{full['tempperature']}", "℃"),
        *((f"dcVandC{index}", f"{full[f'vpv{index}']}/{full[f'ipv{index}']}", "V/A") for index in strings),
        ("lab_GFCI", "", "mA"),
        ("lab_ISO", "", "kΩ"),
        ("lab_pf", "-0.001", ""),
        ("lab_reactiveP", "0", "kVar"),
    ]
    return {"left": [_label(*row) for row in left], "right": [_label(*row) for row in right]}


def _label(key: str, value: str, unit: str) -> dict[str, Any]:
    flags = {"isHT": False, "isStoreSkip": False}
    return {**flags, "key": key, "value": value, "unit": unit, "isFaultMsg": 0, "faultMsgCode": 0}


def _point(index: int, name: str, display: str, unit: str, key: str, chinese: str) -> dict[str, Any]:
    return {
        "target_index": index,
        "target_name": name,
        "display": display,
        "unit": unit,
        "target_key": key,
        "text_cn": chinese,
        "target_sn_six": None,
        "target_sn_seven": None,
        "target_type": None,
        "storage_name": None,
    }
