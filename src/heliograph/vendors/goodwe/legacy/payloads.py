"""Payloads of the SEMS Portal: typed, unconverted views of accounts and plants, in the cloud's units.

The keys are spelled as the cloud spells them. Sources: public recordings described in
docs/clouds/goodwe.md.
"""

from __future__ import annotations

from typing import Any

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable


class SemsLogin(Payload):
    """Login response; the secrets in it are only in `raw`, so its repr does not show them."""

    client = text("client")
    version = text("version")
    language = text("language")
    issued = number("timestamp")


class SemsPlantRow(Payload):
    """One plant in the account's list."""

    id = text("powerstation_id")
    name = text("stationname")
    status = number("status")
    power = number("pac", "W")  # pac_kw once contained the lifetime energy
    capacity = number("capacity")  # kWp
    energy_today = number("eday", "kWh")
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    has_battery = flag("is_stored")
    currency = text("currency")


def owned_plant(value: Any) -> str:
    """Parse the id of the owner's first plant: a text, or for some accounts an object or list of objects with it.

    >>> owned_plant("6f0c"), owned_plant([{"powerStationId": "6f0c", "stationName": "Roof"}])
    ('6f0c', '6f0c')
    """
    first = value[0] if isinstance(value, list) and value else value
    plant_id = first.get("powerStationId") if isinstance(first, dict) else first
    if not isinstance(plant_id, str) or not plant_id:
        raise Unreadable("the response contains no plant id")
    return plant_id


class SemsPlantInfo(Payload):
    """Name, size and location of a plant."""

    id = text("powerstation_id")
    name = text("stationname")
    status = number("status")  # -1 offline, 0 waiting, 1 generating, 2 fault
    # Quirk: negated UTC offset of the plant in hours, including DST (-2.0 is CEST).
    hours_behind = number("time_span")
    local_time = text("time")
    created = text("create_time")  # Quirk: always MM/dd/yyyy and always China time
    date_format = text("date_format")  # the account's, used by d.last_refresh_time only
    capacity = number("capacity")  # kWp
    battery_capacity = number("battery_capacity", "kWh")
    is_stored = flag("is_stored")
    only_battery_box = flag("only_bps")
    only_battery_unit = flag("only_bpu")


class SemsPlantKpi(Payload):
    """Key figures of a plant."""

    power = number("pac", "W")
    # Quirk: `power` is an energy.
    energy_today = number("power", "kWh", m.PV_ENERGY_TODAY)
    energy_month = number("month_generation", "kWh")
    # Quirk: with a HomeKit meter it counts since the meter's first day, not the inverter's.
    energy_total = number("total_power", "kWh", m.PV_ENERGY_TOTAL)
    income_today = number("day_income")
    income_total = number("total_income")
    currency = text("currency")


class Powerflow(Payload):
    """Current power flow: powers as text ("2337(W)"), directions as -1, 0 or 1."""

    pv = number("pv", "W")
    grid = number("grid", "W")
    # Quirk: -1 imports, 1 exports, but it stays at 1 both ways on some plants (goodwe-monitor).
    grid_status = number("gridStatus")
    battery = number("bettery", "W")
    battery_status = number("betteryStatus")  # -1 discharges, 1 charges
    # Quirk: loadStatus follows the grid's direction; the load itself is always positive.
    load = number("load", "W")
    soc = number("soc", "%")
    soc_text = text("socText")
    is_homekit = flag("isHomKit")


class SemsEnergyStatistics(Payload):
    """Energies of today or of the lifetime; meaningless unless `hasEnergeStatisticsCharts` is set."""

    generated = number("sum", "kWh")
    bought = number("buy", "kWh")
    sold = number("sell", "kWh")
    used = number("consumptionOfLoad", "kWh")
    # Quirk: hasCharge has been seen false beside real numbers, so it is ignored in favour of `has_battery`.
    charged = number("charge", "kWh")
    discharged = number("disCharge", "kWh")


class StateOfCharge(Payload):
    """Mean state of charge of the plant; inverters without a battery count as 0."""

    percent = number("power", "%")
    status = number("status")


class LastFrame(Payload):
    """Last frame of an inverter as display text."""

    # Quirk: always MM/dd/yyyy and always China time, unlike last_refresh_time beside it.
    received = text("creationDate")
    model = text("model")


class InverterRegisters(Payload):
    """All measured values of an inverter (`invert_full`)."""

    last_time = raw("last_time")  # epoch milliseconds; 0 is never
    power = number("pac", "W")
    output_power = number("outputpower", "W")
    # Quirk: + exports; without a meter it may repeat pac.
    meter_power = number("pmeter", "W")
    import_today = number("buy", "kWh")
    export_today = number("seller", "kWh")
    import_total = number("total_buy", "kWh")
    export_total = number("total_sell", "kWh")
    battery_capacity = number("battery1_capacity", "kWh")
    battery_voltage = number("vbattery1", "V")
    battery_power = number("total_pbattery", "W")
    # Quirk: 536, 400 or 45 % on inverters without a battery.
    soc = number("soc", "%")
    is_battery_box = flag("isbuetteybps")
    is_battery_unit = flag("isbuetteybpu")


class SemsInverter(Payload):
    """One inverter; a plant's inverters are unordered, so identify them by serial number."""

    # Quirk: in_pac is not a power but roughly the DC current, mixed with sentinels; it has no field.
    serial = text("sn")
    name = text("name")
    model = text("type")
    status = number("status")  # -1 offline, 0 waiting, 1 normal, 2 fault
    is_stored = flag("is_stored")
    capacity = number("capacity")  # kW
    output_power = number("out_pac", "W")
    energy_today = number("eday", "kWh")
    # Quirk: excludes today.
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    temperature = number("tempperature", "°C")
    last_refresh_time = text("last_refresh_time")  # MM/dd/yyyy HH:mm:ss in plant local time
    fault_message = text("fault_message")
    frame = nested("d", LastFrame)
    registers = nested("invert_full", InverterRegisters)


class HomeKit(Payload):
    """HomeKit, GoodWe's meter."""

    serial = text("sn")


class MonitorDetail(Payload):
    """Full state of one plant."""

    info = nested("info", SemsPlantInfo)
    kpi = nested("kpi", SemsPlantKpi)
    has_powerflow = flag("hasPowerflow")
    powerflow = nested("powerflow", Powerflow)
    homekit = nested("homKit", HomeKit)
    # Quirk: empty on plants with only a HomeKit meter, and incomplete on some others.
    inverters = nested_list("inverter", SemsInverter)
    soc = nested("soc", StateOfCharge)
    has_statistics = flag("hasEnergeStatisticsCharts")
    today = nested("energeStatisticsCharts", SemsEnergyStatistics)
    lifetime = nested("energeStatisticsTotals", SemsEnergyStatistics)
    equipment = raw("equipment")

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        if not {"info", "inverter"} & self.body.keys():
            raise Unreadable("the response describes no plant")


class SemsCommandResult(Payload):
    """Confirmation that a command was queued; the inverter receives it minutes later."""

    code = text("code")
    message = text("msg")
