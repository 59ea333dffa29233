"""Response models of the web portal: typed fields in its own units, which differ from the app's.

Sources: public captures (docs/clouds/growatt-portal.md).
"""

from __future__ import annotations

from heliograph import metrics as m
from heliograph.core.payload import Payload, list_of, nested_list, number, raw, text


class PortalData(Payload):
    """An answer whose members are not declared."""


class PortalPage(Payload):
    """One page of rows as sent."""

    rows = raw("datas")
    page = number("currPage")
    pages = number("pages")


class PortalPlant(Payload):
    """One plant of the account."""

    id = text("id")
    name = text("plantName")
    utc_offset = number("timezone")


parse_plants = list_of(PortalPlant)


class PortalPlantData(Payload):
    """Facts of one plant; every value is text."""

    id = text("id")
    name = text("plantName")
    nominal_power = number("nominalPower", "W")
    energy_total = number("eTotal", "kWh")
    utc_offset = number("timezone")
    created = text("creatDate")


class PortalDevice(Payload):
    """One device in the list of a plant."""

    id = text("sn")
    name = text("alias")
    family = text("deviceTypeName")  # "tlx", "tlxh", "mix", "spa", "storage", "inv", "max" …
    model = text("deviceModel")
    datalogger = text("datalogSn")
    # Quirk: negative while an SPA charges, so it is the AC power of the battery inverter there (vtraveller/gowatt).
    ac_power = number("pac", "W")
    energy_today = number("eToday", "kWh")
    energy_month = number("eMonth", "kWh")
    energy_total = number("eTotal", "kWh")
    nominal_power = number("nominalPower", "W")
    status = number("status")
    utc_offset = number("timezone")
    # Quirk: the same moment in two zones, China's and the plant's offset (vtraveller/gowatt: 20:12:11 and 13:12:11).
    time_in_china = text("timeServer")
    time = text("lastUpdateTime")


class PortalDevicePage(Payload):
    """One page of the devices of a plant."""

    devices = nested_list("datas", PortalDevice)
    page = number("currPage")
    pages = number("pages")


class PortalHybridStatus(Payload):
    """Current powers of a hybrid or AC-coupled battery inverter, in kW."""

    pv_power = number("ppv", "kW", m.PV_POWER)
    # Quirk: the strings are in W inside an answer that is otherwise in kW, as in the app's.
    pv1_power = number("pPv1", "W")
    pv2_power = number("pPv2", "W")
    load_power = number("pLocalLoad", "kW", m.LOAD_POWER)
    grid_import_power = number("pactouser", "kW")
    grid_export_power = number("pactogrid", "kW")
    battery_charge_power = number("chargePower", "kW")
    battery_discharge_power = number("pdisCharge1", "kW")
    state_of_charge = number("SOC", "%", m.BATTERY_SOC)
    battery_voltage = number("vBat", "V")
    state = text("lost")  # "mix.status.normal", or with "lost" in it
    work_mode = number("uwSysWorkMode")


class PortalMixTotals(Payload):
    """Energies of a hybrid inverter; those charged into the battery are not among them."""

    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    self_consumption_today = number("eselfToday", "kWh")
    self_consumption_total = number("eselfTotal", "kWh")
    # Quirk: "grid power" is the imported energy: with the self-consumption it adds up to the load in both captures.
    import_today = number("gridPowerToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("gridPowerTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etogridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    discharge_today = number("edischarge1Today", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischarge1Total", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)


class PortalSpaTotals(PortalMixTotals):
    """Energies of an AC-coupled battery inverter; solar is that of the inverter beside it."""

    pv_today = number("epvInverterToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvInverterTotal", "kWh", m.PV_ENERGY_TOTAL)


class PortalStorageStatus(Payload):
    """Current powers of an off-grid storage inverter, in W."""

    pv_power = number("panelPower", "W", m.PV_POWER)
    pv1_power = number("ppv1", "W")
    pv2_power = number("ppv2", "W")
    load_power = number("loadPower", "W", m.LOAD_POWER)
    grid_import_power = number("gridPower", "W", m.GRID_POWER)  # off-grid: it never exports
    # Quirk: negative while charging, the sign of our metric (one SPF 6000: 1325 solar + 105 grid - 1176 = 254 of 277).
    battery_power = number("batPower", "W", m.BATTERY_POWER)
    state_of_charge = number("capacity", "%", m.BATTERY_SOC)
    battery_voltage = number("vBat", "V")
    status = number("status")


class PortalStorageTotals(Payload):
    """Energies of an off-grid storage inverter."""

    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    charge_today = number("chargeToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("chargeTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("eDischargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("eDischargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    load_today = number("useEnergyToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("useEnergyTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    import_today = number("eToUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("eToUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    # Quirk: an off-grid SPF 6000 exported 243.7 kWh "today" and 0 in its life, so the export feeds no metric.
    export_today = number("eToGridToday", "kWh")
    export_total = number("eToGridTotal", "kWh")


class PortalTlxStatus(Payload):
    """Current powers of a TLX device with a battery."""

    # Quirk: in W, where the app's call of nearly the same name is in kW (PLCHome/growatt issue 17).
    pv_power = number("ppv", "W")
    pv1_power = number("pPv1", "W")
    pv2_power = number("pPv2", "W")
    pv3_power = number("pPv3", "W")
    pv4_power = number("pPv4", "W")
    ac_power = number("pac", "W", m.AC_POWER)
    load_power = number("pLocalLoad", "W", m.LOAD_POWER)
    grid_import_power = number("pactouser", "W")
    grid_export_power = number("pactogrid", "W")
    battery_charge_power = number("chargePower", "W")
    battery_discharge_power = number("pdisCharge", "W")
    state_of_charge = number("SOC", "%", m.BATTERY_SOC)
    battery_voltage = number("vBat", "V")
    state = text("lost")


class PortalInverterTotals(Payload):
    """Yield of a device without a battery."""

    energy_today = number("eToday", "kWh")
    energy_total = number("eTotal", "kWh")
