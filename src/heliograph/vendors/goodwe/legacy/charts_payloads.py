"""What the SEMS Portal says of charts, days and reports, field by field, in its own units: typed but unconverted."""

from __future__ import annotations

from typing import Any

from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable
from heliograph.vendors.goodwe.legacy.payloads import (
    Powerflow,
    SemsEnergyStatistics,
    SemsPlantInfo,
    SemsPlantKpi,
    SemsPlantRow,
)


class SemsPlantDetail(Payload):
    """A plant's headline without its inverters."""

    info = nested("info", SemsPlantInfo)
    kpi = nested("kpi", SemsPlantKpi)
    has_powerflow = flag("isPowerflow")
    soc = raw("soc")
    charts = raw("chartsTypesByPlant")


class InverterPoint(Payload):
    """One inverter's newest values."""

    serial = text("sn")
    name = text("name")
    status = number("status")
    is_stored = flag("is_stored")
    # Quirk: in_pac is no power here either; only the output is one.
    output_power = number("out_pac", "W")
    energy_today = number("eday", "kWh")
    # Quirk: without today.
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    soc = number("soc", "%")
    last_refresh_time = text("last_refresh_time")
    points = raw("points")  # what inverter_column may be asked for, as target_key


class InverterPoints(Payload):
    """The newest values of a plant's inverters."""

    count = number("count")
    inverters = nested_list("inverterPoints", InverterPoint)


class PlantFlow(Payload):
    """Who feeds whom now, alone."""

    has_powerflow = flag("hasPowerflow")
    powerflow = nested("powerflow", Powerflow)
    is_stored = flag("isStored")


class InverterColumnPoint(Payload):
    """One value of one measured quantity."""

    # Quirk: in the account's own date format ("21/06/2026 12:05:00"), unlike most moments of this cloud.
    at = text("date")
    value = number("column")


class InverterColumn(Payload):
    """One measured quantity of an inverter over a day."""

    points = nested_list("column1", InverterColumnPoint)


class SemsChartPoint(Payload):
    """One point of a line; what has not happened yet has no height."""

    x = text("x")  # "HH:mm" of a day, "yyyy-MM-dd", "yyyy-MM" or "yyyy" of a longer range
    y = number("y")


class SemsChartLine(Payload):
    """One line of a chart."""

    key = text("key")
    name = text("name")
    label = text("label")
    unit = text("unit")
    points = nested_list("xy", SemsChartPoint)


class PowerChart(Payload):
    """A day's powers on a 5-minute grid."""

    lines = nested_list("lines", SemsChartLine)
    sums = raw("generateData")


class EnergyChartSums(SemsEnergyStatistics):
    """The energies of a chart's whole range."""

    output = number("outPut", "kWh")  # AC of the inverters; on a hybrid not what the sun gave
    # Quirk: a percentage, while contributionRatio beside it is a fraction.
    self_use_percent = number("selfUseRatio")
    contribution_share = number("contributionRatio")


class EnergyChart(Payload):
    """Energies by day, month or year."""

    lines = nested_list("lines", SemsChartLine)
    sums = nested("modelData", EnergyChartSums)


class PlantPage(Payload):
    """One page of the account's plants."""

    # Quirk: may be more than the list holds, even on the only page.
    count = number("record")
    plants = nested_list("list", SemsPlantRow)


class PowerPoint(Payload):
    """A plant's AC power at one moment."""

    at = text("date")  # MM/dd/yyyy HH:mm:ss on the plant's wall
    power = number("pac", "W")


class PowerDay(Payload):
    """A day's AC power of a plant."""

    points = nested_list("pacs", PowerPoint)


class DayEnergy(Payload):
    """One day's solar energy."""

    day = text("d")  # MM/dd/yyyy
    energy = number("p", "kWh")
    income = number("i")


class MonthlyReportRow(Payload):
    """One plant's month."""

    plant_id = text("pw_id")
    energy_month = number("month_power", "kWh")
    energy_per_day = number("avg_day_power", "kWh")
    energy_total = number("total_power", "kWh")


class MonthlyReport(Payload):
    """One page of a month's report."""

    count = number("record")
    plants = nested_list("list", MonthlyReportRow)


class ExportedFile(Payload):
    """Where a finished export waits."""

    address = text("file_path")


class InverterWarnings(Payload):
    """One inverter and the warnings it gave."""

    serial = text("sn")
    warnings = raw("warning")


class PlantWarnings(Payload):
    """The warnings of a plant, by inverter."""

    inverters = nested_list("list", InverterWarnings)


def export_id(value: Any) -> str:
    """Read the id of an export.

    >>> export_id("6f0c")
    '6f0c'
    """
    if not isinstance(value, str) or not value:
        raise Unreadable("the answer names no export")
    return value
