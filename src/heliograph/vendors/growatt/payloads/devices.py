"""Response models of Growatt's device calls: typed fields in the vendor's own units, not converted.

Units differ between calls for the same quantity; each line states the unit of its call. Sources: public
recordings described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from typing import Any

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, number, raw, text


class PowerCurve(Payload):
    """The power curve of one device on one day."""

    date = text("date")
    energy_today = number("eToday", "kWh")
    energy_total = number("eTotal", "kWh")
    power = number("power", "W")
    nominal_power = number("nominalPower", "W")
    curve = raw("invPacData")  # {"2026-06-21 12:05": 7.3, …} in W, only where there is data


class InverterDetail(Payload):
    """All measurements of a classic inverter."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    energy_today = number("powerToday", "kWh", m.PV_ENERGY_TODAY)  # AC yield, despite the name
    energy_total = number("powerTotal", "kWh", m.PV_ENERGY_TOTAL)
    grid_voltage = number("vacr", "V")
    grid_frequency = number("fac", "Hz")
    temperature = number("temperature", "°C")
    status = number("status")
    status_text = text("statusText")
    inverter_id = text("inverterId")
    time = text("time")


class InverterDetailTwo(Payload):
    """A classic inverter's figures under snake_case names."""

    within = "data"
    ac_power = number("pac", "W")
    pv_power = number("ppv", "W")
    energy_today = number("e_today", "kWh")
    energy_total = number("e_total", "kWh")


class ClassicInverterInfo(Payload):
    """Settings of a classic inverter; every value is text."""

    id = text("sn")
    model = text("deviceModel")
    on = flag("onOff")
    active_power_rate = number("activeRate", "%")
    power_factor = number("pf")
    nominal_power = number("nominalPower", "W")
    firmware = text("fwVersion")
    last_update = text("lastUpdateTime")


class TlxStatus(Payload):
    """Live power flows of a TLX device, all in kW."""

    pv_power = number("ppv", "kW", m.PV_POWER)
    ac_power = number("pac", "kW", m.AC_POWER)
    load_power = number("pLocalLoad", "kW", m.LOAD_POWER)
    grid_import_power = number("pactouser", "kW")
    grid_export_power = number("pactogrid", "kW")
    # Quirk: on a battery-less unit chargePower repeats ppv.
    battery_charge_power = number("chargePower", "kW")
    battery_discharge_power = number("pdisCharge", "kW")
    state_of_charge = number("SOC", "%", m.BATTERY_SOC)
    state = text("lost")  # "tlx.status.normal"


class TlxEnergy(Payload):
    """Energies of a TLX device."""

    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etogridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    charge_today = number("echargetoday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("echargetotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("edischargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)


class TlxDetail(Payload):
    """All measurements of a TLX device, in W and kWh."""

    within = "data"
    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    load_power = number("pacToLocalLoad", "W", m.LOAD_POWER)
    grid_import_power = number("pacToUserTotal", "W")
    grid_export_power = number("pacToGridTotal", "W")
    charge_power_1 = number("bdc1ChargePower", "W")
    charge_power_2 = number("bdc2ChargePower", "W")
    discharge_power_1 = number("bdc1DischargePower", "W")
    discharge_power_2 = number("bdc2DischargePower", "W")
    battery_voltage = number("bdc1Vbat", "V")
    state_of_charge = number("bmsSoc", "%")
    state_of_charge_1 = number("bdc1Soc", "%")
    pv1_today = number("epv1Today", "kWh")
    pv2_today = number("epv2Today", "kWh")
    pv3_today = number("epv3Today", "kWh")
    pv4_today = number("epv4Today", "kWh")
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    ac_today = number("eacToday", "kWh")
    ac_total = number("eacTotal", "kWh")
    import_today = number("etoUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("etoUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etoGridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    charge_today = number("echargeToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("echargeTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("edischargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    temperature = number("temp1", "°C")
    status = number("status")
    status_text = text("statusText")
    lost = flag("lost")
    time = text("time")


class TlxIdentity(Payload):
    """Identity and state of a TLX device."""

    id = text("serialNum")
    firmware = text("fwVersion")
    nominal_power = number("pmax", "W")
    lost = flag("lost")
    last_update = raw("lastUpdateTime")


class TlxParams(Payload):
    """Model, firmware and state of a TLX device."""

    model = text("inverterType")
    bean = nested("newBean", TlxIdentity)


class GrowattDeviceSettings(Payload):
    """All settings of a device under Growatt's own names; each value is a text."""

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


class EnabledSettings(Payload):
    """Which settings the app offers: {"ac_charge": "1", …}."""

    enable = raw("enable")


class TlxBattery(Payload):
    """Whether a battery pack is connected."""

    lost = flag("lost")
    state_of_charge = number("soc", "%")


class TlxBatteryDetail(Payload):
    """State of a battery pack."""

    within = "data"
    state_of_charge = number("soc", "%")
    power = number("chargeOrDisPower", "W")  # + charging, - discharging: the opposite of our sign
    status = text("status")


class MixInfo(Payload):
    """Headline figures of a hybrid inverter, in W and kWh."""

    state_of_charge = number("soc", "%")  # "45%"
    charge_today = number("eBatChargeToday", "kWh")
    charge_total = number("eBatChargeTotal", "kWh")
    discharge_today = number("eBatDisChargeToday", "kWh")
    discharge_total = number("eBatDisChargeTotal", "kWh")
    pv_today = number("epvToday", "kWh")
    pv_total = number("epvTotal", "kWh")
    battery_voltage = number("vbat", "V")


class MixTotals(Payload):
    """Energies of a hybrid inverter."""

    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etogridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    charge_today = number("echargetoday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("echargetotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("edischarge1Today", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischarge1Total", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)


class MixStatus(Payload):
    """Live power flows of a hybrid inverter."""

    pv_power = number("ppv", "kW", m.PV_POWER)
    # Quirk: the strings are in W inside an answer that is otherwise in kW.
    pv1_power = number("pPv1", "W")
    pv2_power = number("pPv2", "W")
    load_power = number("pLocalLoad", "kW", m.LOAD_POWER)
    grid_import_power = number("pactouser", "kW")
    grid_export_power = number("pactogrid", "kW")
    battery_charge_power = number("chargePower", "kW")
    battery_discharge_power = number("pdisCharge1", "kW")
    state_of_charge = number("SOC", "%", m.BATTERY_SOC)
    state = text("lost")  # "mix.status.normal", or with "lost" in it
    work_mode = number("uwSysWorkMode")


class ProdCons(Payload):
    """Production and consumption over a day, month or year; powers in kW, energies in kWh."""

    chart = raw("chartData")
    load = number("elocalLoad", "kWh")
    grid_import = number("etouser", "kWh")
    grid_export = number("eAcCharge", "kWh")


class TlxPoint(Payload):
    """One point of a TLX device's day, in kW."""

    pv_power = number("ppv", "kW", m.PV_POWER)
    load_power = number("sysOut", "kW", m.LOAD_POWER)
    grid_import_power = number("pacToUser", "kW")
    grid_export_power = number("pacToGrid", "kW")
    # Quirk: on a battery-less unit chargePower repeats ppv. The meaning of outP is not published.
    battery_charge_power = number("chargePower", "kW")


class MixPoint(Payload):
    """One point of a hybrid inverter's day, in kW; battery charge power is not reported."""

    pv_power = number("ppv", "kW", m.PV_POWER)
    load_power = number("sysOut", "kW", m.LOAD_POWER)
    grid_import_power = number("pacToUser", "kW")
    grid_export_power = number("pacToGrid", "kW")
    battery_discharge_power = number("pdischarge", "kW")


class StorageDetail(Payload):
    """Live figures of a storage inverter."""

    state_of_charge = number("capacity", "%")
    output_power = number("outPutPower", "W")
    pv_today = number("epvToday", "kWh")
    pv_total = number("epvTotal", "kWh")


class StorageLive(Payload):
    """Live values of a storage inverter (the first of two objects)."""

    pv_power = number("ppv", "W")
    pv2_power = number("ppv2", "W")
    load_power = number("outPutPower", "W", m.LOAD_POWER)
    grid_import_power = number("pAcInPut", "W", m.GRID_POWER)  # off-grid: it never exports
    charge_power = number("pCharge", "W")
    discharge_power = number("pDischarge", "W")
    state_of_charge = number("capacity", "%", m.BATTERY_SOC)
    status_text = text("statusText")
    lost = flag("lost")
    time = text("time")


class StorageParams(Payload):
    """Live figures and settings of a storage inverter."""

    # Quirk: the second object, storageBean, reports zeros for daily counters; only the first is read.
    live = nested("storageDetailBean", StorageLive)


class StorageEnergy(Payload):
    """Energies of a storage inverter."""

    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    charge_today = number("eChargeToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("eChargeTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("eDischargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("eDischargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    load_today = number("useEnergyToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("useEnergyTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    import_today = number("eToUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("eToUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("eToGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("eToGridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
