"""What the SEMS Portal says of accounts and plants, field by field, in its own units: typed but unconverted.

The spelling of the keys is the cloud's own and stands here only. Sources: public recordings described in
docs/clouds/goodwe.md.
"""

from __future__ import annotations

from typing import Any

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable


class SemsLogin(Payload):
    """A session opened; the secrets in it are read from `raw` only, so that no text of it shows them."""

    client = text("client")
    version = text("version")
    language = text("language")
    issued = number("timestamp")


class SemsPlantRow(Payload):
    """One plant in the account's list."""

    id = text("powerstation_id")
    name = text("stationname")
    status = number("status")
    power = number("pac", "W")  # its twin pac_kw once carried the lifetime energy
    capacity = number("capacity")  # kWp
    energy_today = number("eday", "kWh")
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    has_battery = flag("is_stored")
    currency = text("currency")


def owned_plant(value: Any) -> str:
    """Read the owner's first plant: an id, or for some accounts an object or a list of objects with one.

    >>> owned_plant("6f0c"), owned_plant([{"powerStationId": "6f0c", "stationName": "Roof"}])
    ('6f0c', '6f0c')
    """
    first = value[0] if isinstance(value, list) and value else value
    found = first.get("powerStationId") if isinstance(first, dict) else first
    if not isinstance(found, str) or not found:
        raise Unreadable("the answer names no plant")
    return found


class SemsPlantInfo(Payload):
    """Who and where a plant is."""

    id = text("powerstation_id")
    name = text("stationname")
    status = number("status")  # -1 offline, 0 waiting, 1 generating, 2 fault
    # Quirk: minus the plant's offset from UTC in hours, summer time included (-2.0 is CEST).
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
    """The plant's headline figures."""

    power = number("pac", "W")
    # Quirk: `power` is an energy.
    energy_today = number("power", "kWh", m.PV_ENERGY_TODAY)
    energy_month = number("month_generation", "kWh")
    # Quirk: with a HomeKit meter this counts from the meter's first day, not the inverter's.
    energy_total = number("total_power", "kWh", m.PV_ENERGY_TOTAL)
    income_today = number("day_income")
    income_total = number("total_income")
    currency = text("currency")


class Powerflow(Payload):
    """Who feeds whom now: sizes as text ("2337(W)"), directions as -1, 0 or 1."""

    pv = number("pv", "W")
    grid = number("grid", "W")
    # Quirk: -1 imports, 1 exports, but it stays at 1 both ways on some plants (goodwe-monitor).
    grid_status = number("gridStatus")
    battery = number("bettery", "W")
    battery_status = number("betteryStatus")  # -1 discharges, 1 charges
    # Quirk: loadStatus turns with the grid's direction; the load itself is always positive.
    load = number("load", "W")
    soc = number("soc", "%")
    soc_text = text("socText")
    is_homekit = flag("isHomKit")


class SemsEnergyStatistics(Payload):
    """Energies of today or of a lifetime; without `hasEnergeStatisticsCharts` they are filled but mean nothing."""

    generated = number("sum", "kWh")
    bought = number("buy", "kWh")
    sold = number("sell", "kWh")
    used = number("consumptionOfLoad", "kWh")
    # Quirk: hasCharge has been seen false beside real numbers, so whether there is a battery decides.
    charged = number("charge", "kWh")
    discharged = number("disCharge", "kWh")


class StateOfCharge(Payload):
    """The plant's mean state of charge; a unit without a battery counts as 0 in it."""

    percent = number("power", "%")
    status = number("status")


class LastFrame(Payload):
    """An inverter's last frame as text for a screen."""

    # Quirk: always MM/dd/yyyy and always China time, unlike its neighbour last_refresh_time.
    received = text("creationDate")
    model = text("model")


class InverterRegisters(Payload):
    """What an inverter measured, all of it (`invert_full`)."""

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
    """One inverter; there is no order among a plant's, so go by serial."""

    # Quirk: in_pac is no power but about the DC current, polluted by sentinels; it has no field.
    serial = text("sn")
    name = text("name")
    model = text("type")
    status = number("status")  # -1 offline, 0 waiting, 1 normal, 2 fault
    is_stored = flag("is_stored")
    capacity = number("capacity")  # kW
    output_power = number("out_pac", "W")
    energy_today = number("eday", "kWh")
    # Quirk: without today.
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    temperature = number("tempperature", "°C")
    last_refresh_time = text("last_refresh_time")  # MM/dd/yyyy HH:mm:ss on the plant's wall
    fault_message = text("fault_message")
    frame = nested("d", LastFrame)
    registers = nested("invert_full", InverterRegisters)


class HomeKit(Payload):
    """GoodWe's own meter box."""

    serial = text("sn")


class MonitorDetail(Payload):
    """One plant, whole."""

    info = nested("info", SemsPlantInfo)
    kpi = nested("kpi", SemsPlantKpi)
    has_powerflow = flag("hasPowerflow")
    powerflow = nested("powerflow", Powerflow)
    homekit = nested("homKit", HomeKit)
    # Quirk: empty on plants that have a HomeKit meter only, and with holes on some others.
    inverters = nested_list("inverter", SemsInverter)
    soc = nested("soc", StateOfCharge)
    has_statistics = flag("hasEnergeStatisticsCharts")
    today = nested("energeStatisticsCharts", SemsEnergyStatistics)
    lifetime = nested("energeStatisticsTotals", SemsEnergyStatistics)
    equipment = raw("equipment")

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        if not {"info", "inverter"} & self.body.keys():
            raise Unreadable("the answer describes no plant")


class SemsCommandResult(Payload):
    """The portal's word that an order was queued; the inverter gets it minutes later."""

    code = text("code")
    message = text("msg")
