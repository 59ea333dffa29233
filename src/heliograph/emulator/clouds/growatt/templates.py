"""Templates of Growatt's largest response objects: all members at idle values. Names are genuine, values invented."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.formatting import decimal, empty_texts, java_date, zeros

if TYPE_CHECKING:
    from heliograph.emulator.clouds.growatt.context import GrowattDevice

_PLANT_ZERO = (
    "alarmValue currentPac deviceCount eToday eTotal energyMonth energyYear envTemp etodayMoney etotalMoney formulaSo2 "
    "hasDeviceOnLine hasStorage irradiance map_areaId map_cityId map_countryId map_provinceId onLineEnvCount panelTemp "
    "plantType status storage_BattoryPercentage storage_TodayToGrid storage_TodayToUser storage_TotalToGrid "
    "storage_TotalToUser storage_eChargeToday storage_eDisChargeToday tempType windAngle windSpeed"
)
_PLANT_EMPTY = (
    "alias companyName createDateTextA currentPacStr gridCompany gridLfdi gridPort gridServerUrl installMapName "
    "latitude_d latitude_f latitude_m locationImgName logoImgName longitude_d longitude_f longitude_m mapCity mapLat "
    "mapLng pairViewUserAccount parentID phoneNum plantImgName plantNmi prMonth prToday protocolId remark"
)
_PLANT_ZERO_TEXT = (
    "EYearMoneyText currentPacTxt designCompany emonthCo2Text emonthCoalText emonthMoneyText emonthSo2Text "
    "etodayCo2Text etodayCoalText etodayMoneyText etodaySo2Text etotalCo2Text etotalCoalText etotalFormulaTreeText "
    "etotalMoneyText etotalSo2Text"
)
_PLANT_NULL = "paramBean plantFromBean userBean"
_CURRENCIES = ("AUD", "CHF", "CNY", "DKK", "EUR", "GBP", "NOK", "PLN", "SEK", "USD", "ZAR")


def plant_bean(device: GrowattDevice, owner: str) -> dict[str, Any]:
    """Return the flat object of one plant's settings, including written changes."""
    plant, household = device.plant, device.household
    created = datetime(2024, 3, 1, tzinfo=household.zone)
    hours = (device.now.utcoffset() or created - created).total_seconds() / 3600
    bean: dict[str, Any] = {
        **zeros(_PLANT_ZERO),
        **empty_texts(_PLANT_EMPTY),
        **dict.fromkeys(_PLANT_ZERO_TEXT.split(), "0"),
        **dict.fromkeys(_PLANT_NULL.split()),
        "children": [],
        "city": "Sonnenberg",
        "country": "Germany",
        "createDate": java_date(created),
        "createDateText": "2024-03-01",
        "dataLogList": [],
        "defaultPlant": False,
        "eventMessBeanList": [],
        "fixedPowerPrice": 0.3,
        "flatPeriodPrice": 0.3,
        "formulaCo2": 0.4,
        "formulaCoal": 0.4,
        "formulaMoney": 0.3,
        "formulaMoneyStr": "0.3",
        "formulaMoneyUnitId": "EUR",
        "formulaTree": 0.055,
        "id": int(plant.id),
        "imgPath": "css/img/plant.gif",
        "isShare": False,
        "latitudeText": "null°null′null″",  # noqa: RUF001 - the cloud's own characters
        "level": 1,
        "longitudeText": "null°null′null″",  # noqa: RUF001
        "moneyUnitText": "€",
        "nominalPower": int(household.peak_power),
        "peakPeriodPrice": 0.3,
        "plantAddress": "Sonnenweg 1",
        "plant_lat": f"{household.latitude:.6f}",
        "plant_lng": f"{household.longitude:.6f}",
        "plantName": plant.name,
        "timezone": int(hours) if hours == int(hours) else hours,
        "treeID": f"PLANT_{plant.id}",
        "unitMap": {code: code for code in _CURRENCIES},
        "userAccount": owner,
        "valleyPeriodPrice": 0.3,
    }
    bean |= plant.settings.get("plant", {})
    bean["treeName"] = bean["plantName"]
    bean["nominalPowerStr"] = f"{decimal(bean['nominalPower'] / 1000)}kWp"
    bean["timezoneText"] = f"GMT{bean['timezone']:+}"
    bean["timezoneValue"] = f"{bean['timezone']:+}:00"
    return bean


_DETAIL_BDC = (
    "ChargePower ChargeTotal DischargePower DischargeTotal FaultType Ibat Ibb Illc Mode Soc Status Temp1 Temp2"
)
_DETAIL_BDC += " Vbat Vbus1 Vbus2 WarnCode"
_DETAIL_ZERO = (
    "address bMerterConnectFlag batteryNo bdcBusRef bdcDerateReason bdcFaultSubCode bdcStatus bdcVbus2Neg "
    "bdcWarnSubCode bgridType bmsCommunicationType bmsCvVolt bmsError2 bmsError3 bmsError4 bmsFaultType bmsIbat "
    "bmsIcycle bmsInfo bmsIosStatus bmsMaxCurr bmsPackInfo bmsSoc bmsSoh bmsStatus bmsTemp1Bat bmsUsingCap bmsVbat "
    "bmsVdelta bmsWarn2 bmsWarnCode bsystemWorkMode dcVoltage dciR dciS dciT deratingMode dryContactStatus "
    "eacChargeToday eacChargeTotal eacToday eacTotal echargeToday echargeTotal edischargeToday edischargeTotal "
    "eex1Today eex1Total eex2Today eex2Total elocalLoadToday elocalLoadTotal epsFac epsIac1 epsIac2 epsIac3 epsPac "
    "epsPac1 epsPac2 epsPac3 epsPf epsVac1 epsVac2 epsVac3 epv1Today epv1Total epv2Today epv2Total epv3Today "
    "epv3Total epv4Today epv4Total epvTotal eselfToday eselfTotal esystemToday esystemTotal etoGridToday "
    "etoGridTotal etoUserToday etoUserTotal fac faultType faultType1 gfci iac1 iac2 iac3 iacr invDelayTime ipv1 "
    "ipv2 ipv3 ipv4 iso loadPercent mtncMode mtncRqst nBusVoltage newWarnCode newWarnSubCode opFullwatt "
    "operatingMode pBusVoltage pac pac1 pac2 pac3 pacToGridTotal pacToLocalLoad pacToUserTotal pacr pex1 pex2 pf "
    "ppv ppv1 ppv2 ppv3 ppv4 pself psystem realOPPercent soc1 soc2 status sysFaultWord sysFaultWord1 sysFaultWord2 "
    "sysFaultWord3 sysFaultWord4 sysFaultWord5 sysFaultWord6 sysFaultWord7 temp1 temp2 temp3 temp4 temp5 timeTotal "
    "totalWorkingTime uwSysWorkMode vac1 vac2 vac3 vacRs vacSt vacTr vacr vacrs vpv1 vpv2 vpv3 vpv4 warnCode "
    "warnCode1 winMode winOffGridSOC winOnGridSOC winRequest"
)
_DETAIL_NULL = (
    "alias batSn batterySN calendar dataLogSn day debug1 debug2 serialNum tMtncStrt tWinEnd tWinStart tlxBean"
)


def tlx_detail_bean() -> dict[str, Any]:
    """Return the detail object of a sleeping, offline or unknown TLX device."""
    return {
        **zeros(_DETAIL_ZERO),
        **{f"bdc{number}{name}": 0 for number in (1, 2) for name in _DETAIL_BDC.split()},
        **dict.fromkeys(_DETAIL_NULL.split()),
        "again": False,
        "bmsFwVersion": "",
        "bmsMcuVersion": "",
        "errorText": "Unknown",
        "isAgain": False,
        "lost": True,
        "statusText": "Standby",
        "time": "",
        "warnText": "Unknown",
        "withTime": False,
    }


_INVERTER_ZERO = (
    "dwStringWarningValue1 eRacToday eRacTotal epv1Today epv1Total epv2Today epv2Total epvTotal fac faultType "
    "iPidPvape iPidPvbpe iacr iacs iact id ipmTemperature ipv1 ipv2 ipv3 nBusVoltage opFullwatt pBusVoltage pac "
    "pacr pacs pact pf pidStatus powerToday powerTotal ppv ppv1 ppv2 ppv3 rac realOPPercent status strFault "
    "temperature timeTotal vPidPvape vPidPvbpe vacr vacs vact vpv1 vpv2 vpv3 wPIDFaultValue wStringStatusValue "
    "warnCode warningValue1 warningValue2"
)


def inverter_bean() -> dict[str, Any]:
    """Return the detail object of an unknown classic inverter."""
    return {
        **zeros(_INVERTER_ZERO),
        **{f"{name}String{number}": 0 for name in ("v", "current") for number in range(1, 9)},
        "again": False,
        "bigDevice": False,
        "inverterBean": None,
        "inverterId": "",
        "statusText": "Waiting",
        "timeCalendar": None,
        "timeTotalText": "0",
    }


_SETTING_ZERO = (
    "acChargeEnable ac_charge brazilRule compatibleFlag demand_manage_enable exportLimit fail_safe_curr "
    "gen_charge_enable gen_ctrl gen_rated_power grid_type isLGBattery max_allow_curr off_net_box "
    "on_grid_discharge_stop_soc peak_shaving_enable power_down_enable pre_pto priorityChoose prot_enable "
    "pvPfCmdMemoryState safetyNum safety_correspond_num showPeakShaving sysMtncAvail system_work_mode "
    "tlx_ac_discharge_frequency tlx_ac_discharge_voltage tlx_dry_contact_enable tlx_exter_comm_Off_GridEn "
    "tlx_lcd_Language tlx_limit_device tlx_off_grid_enable tlx_one_key_set_bdc_mode ub_ac_charging_stop_soc "
    "ub_peak_shaving_backup_soc usBatteryType winModeFlag winterOrMaintain yearSettingFlag"
)
_SETTING_ZERO_POINT = (
    "exportLimitPowerRateStr tlx_backflow_default_power tlx_cc_current tlx_cv_voltage tlx_dry_contact_off_power "
    "tlx_dry_contact_power tlx_pf uw_ac_charging_max_power_limit uw_demand_mgt_downstrm_power_limit "
    "uw_demand_mgt_revse_power_limit"
)
_SETTING_MISSING = (
    "afci_enabled afci_reset afci_self_check afci_thresholdd afci_thresholdh afci_thresholdl fft_threshold_count "
    "onGridMode onGridStatus"
)
_SETTING_VALUES = {
    "activeRate": "100",
    "delay_time": "10000.0",
    "dtc": "5200",
    "h_1_freq_1": "51.5",
    "h_1_freq_2": "51.5",
    "h_1_volt_1": "287.5",
    "h_1_volt_2": "287.5",
    "l_1_freq": "47.5",
    "l_1_freq_1": "47.5",
    "l_1_freq_2": "47.5",
    "l_1_volt_1": "184.0",
    "l_1_volt_2": "103.5",
    "l_2_freq": "47.5",
    "loading_rate": "9.0",
    "modbusVersion": "307",
    "pv_grid_frequency_high": "50.1",
    "pv_grid_frequency_low": "47.65",
    "pv_grid_voltage_high": "253.0",
    "pv_grid_voltage_low": "195.5",
    "q_percent_max": "43.0",
    "qv_h1": "236.9",
    "qv_h2": "246.1",
    "qv_l1": "223.1",
    "qv_l2": "213.9",
    "restart_loading_rate": "9.0",
    "tlx_on_off": "1",
    "winModeEndTime": "",
    "winModeOffGridDischargeStopSOC": "10",
    "winModeOnGridDischargeStopSOC": "10",
    "winModeStartTime": "",
}
PERCENTAGES = {
    "charge_power": "chargePowerCommand",
    "discharge_power": "disChargePowerCommand",
    "charge_stop_soc": "wchargeSOCLowLimit",
    "discharge_stop_soc": "wdisChargeSOCLowLimit",
}


def tlx_settings_bean(*, battery: bool) -> dict[str, Any]:
    """Return the factory settings of a TLX device: all texts, "-1" for settings it does not have."""
    powers, stops = ("100", "100") if battery else ("0", "0")
    limits = {"charge_power": powers, "discharge_power": powers, "charge_stop_soc": stops}
    limits["discharge_stop_soc"] = "10" if battery else "0"
    segments = range(1, 10)
    return {
        **dict.fromkeys(_SETTING_ZERO.split(), "0"),
        **dict.fromkeys(_SETTING_ZERO_POINT.split(), "0.0"),
        **dict.fromkeys(_SETTING_MISSING.split(), "-1"),
        **_SETTING_VALUES,
        **limits,
        **{alias: limits[name] for name, alias in PERCENTAGES.items()},
        **{f"forcedStopSwitch{number}": "0" for number in segments},
        **{f"forcedTimeStart{number}": "0:0" for number in segments},
        **{f"forcedTimeStop{number}": "0:0" for number in segments},
        **{f"time{number}Mode": "0" for number in segments},
        **{f"time_segment{number}": "0_0:0_0:0_0" for number in segments},
        **{f"tlx_pflinep{number}_lp": "255" for number in range(1, 5)},
        **{f"tlx_pflinep{number}_pf": "1.0" for number in range(1, 5)},
        **_seasons(),
        **{f"year_time{number}": "" for number in segments},
        "year_time1": "0_0_0_0_0_0_0",
        "seasonYearTime": "0_0_0",
        "safetyCorrespondNumList": [],
    }


def _seasons() -> dict[str, str]:
    found = {}
    for name, count, parts in (("season", 4, 7), ("special", 2, 6)):
        for number in range(1, count + 1):
            found[f"{name}{number}MonthTime"] = "0_0_0"
            found |= {f"{name}{number}Time{slot}": "_".join("0" * parts) for slot in range(1, 10)}
    return found


def nexa_settings() -> dict[str, Any]:
    """Return the settings of a new NEXA that a NOAH does not have (GrowattPublicApiPy's answer)."""
    return {
        "acCouple": "true",
        "acCoupleEnable": "1",
        "acCouplePowerControl": "0",
        "alias": "NEXA 2000",
        "allowGridCharging": "0",
        "ammeterModel": "Shelly Pro 3EM",
        "ammeterSn": "000000000000000",
        "antiBackflowEnable": "1",
        "antiBackflowPowerPercentage": "0",
        "ctType": "0",
        "defaultACCouplePower": "100",
        "defaultMode": "0",
        "gridConnectionControl": "0",
        "gridSet": "1",
        "model": "NEXA 2000",
        "safety": 1,
        "safetyEnable": "true",
        "safetyList": [{"countryAndArea": "German", "safetyCorrespondNum": 1}],
        "shellyList": [],
        "smartPlan": "true",
        "version": "11.10.09.07.9000.4017",
        "workMode": "2",
    }
