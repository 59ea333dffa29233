"""Response models of the calls for balcony batteries, NOAH and NEXA: typed fields in the vendor's own units.

Sources: growattServer, noah-mqtt and nexa-mqtt (their structs of live answers), GrowattPublicApiPy's answers of a NEXA,
see docs/clouds/growatt.md.
"""

from __future__ import annotations

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text


class NoahPlant(Payload):
    """Whether a plant is a NOAH or a NEXA."""

    within = "obj"
    is_noah = flag("isPlantNoahSystem")
    has_noah = flag("isPlantHaveNoah")
    # Quirk: a NEXA plant is no Noah system: isPlantNoahSystem is false (GrowattPublicApiPy, nexa-mqtt).
    has_nexa = flag("isPlantHaveNexa")
    device_id = text("deviceSn")


class NoahStatus(Payload):
    """Live figures of a NOAH, in W and kWh."""

    within = "obj"
    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    charge_power = number("chargePower", "W")
    discharge_power = number("disChargePower", "W")
    state_of_charge = number("soc", "%", m.BATTERY_SOC)
    energy_today = number("eacToday", "kWh", m.PV_ENERGY_TODAY)
    energy_total = number("eacTotal", "kWh", m.PV_ENERGY_TOTAL)
    load_power = number("loadPower", "W")  # newer firmware only
    grid_power = number("gridPower", "W")  # newer firmware only; + from the grid
    status = text("status")
    name = text("alias")


class NexaStatus(NoahStatus):
    """Live figures of a NEXA, in W and kWh."""

    # Quirk: a NEXA reports 0 here while it feeds the house, and two clients disagree about the sign
    # (GrowattPublicApiPy: + is charging from the grid; nexa-mqtt: + is output), so it is no AC output.
    ac_power = number("pac", "W")


class NoahSettings(Payload):
    """Settings of a NOAH as its app shows them."""

    id = text("deviceSn")
    model = text("model")
    firmware = text("version")
    charge_limit = number("chargingSocHighLimit", "%")
    discharge_limit = number("chargingSocLowLimit", "%")
    default_power = number("defaultPower", "W")
    energy_price = number("formulaMoney")
    currency = text("moneyUnitText")
    battery_ids = raw("batSns")
    time_segments = raw("time_segment")


class NexaSettings(NoahSettings):
    """Settings of a NEXA; it has further ones, and its default power has another member."""

    default_power = number("defaultACCouplePower", "W")
    default_mode = text("defaultMode")
    grid_charging = flag("allowGridCharging")
    grid_connection_control = text("gridConnectionControl")
    high_output = text("acCouplePowerControl")
    export_limited = flag("antiBackflowEnable")
    meter = text("ammeterModel")


class NoahInfo(Payload):
    """Settings of a NOAH."""

    within = "obj"
    noah = raw("noah")
    plants = raw("plantList")
    settings = nested("noah", NoahSettings)


class NexaInfo(NoahInfo):
    """Settings of a NEXA. Quirk: they are in a member called `noah`."""

    settings = nested("noah", NexaSettings)


class NoahBattery(Payload):
    """One battery pack; the first is the device itself."""

    id = text("serialNum")
    state_of_charge = number("soc", "%")
    temperature = number("temp")


class NoahBatteries(Payload):
    """The battery packs of a NOAH or NEXA."""

    within = "obj"
    # Quirk: the member is called "batter" (noah-mqtt); the cloud at times reports no packs (noah-mqtt 105, 117, 150).
    packs = nested_list("batter", NoahBattery)
    temperature_unit = text("tempType")  # "0" is °C, "1" is °F
    time = text("time")


class NoahChart(Payload):
    """A balcony battery's chart: powers keyed by "HH:MM", or energies keyed by the number of the day, month or year."""

    chart = raw("obj")


class NoahPoint(Payload):
    """One point of a NOAH's day, in W."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    load_power = number("totalHouseholdLoad", "W", m.LOAD_POWER)


class NexaPoint(NoahPoint):
    """One point of a NEXA's day, in W."""

    # Quirk: always 0, also while the device feeds the house (GrowattPublicApiPy).
    ac_power = number("pac", "W")
