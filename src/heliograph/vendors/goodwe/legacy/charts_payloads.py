"""Payloads of the SEMS Portal's overview, chart and report calls: typed, unconverted, in the cloud's units."""

from __future__ import annotations

from typing import Any

from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable
from heliograph.vendors.goodwe.legacy import payloads


class SemsPlantDetail(Payload):
    """Overview of a plant without its inverters."""

    info = nested("info", payloads.SemsPlantInfo)
    kpi = nested("kpi", payloads.SemsPlantKpi)
    has_powerflow = flag("isPowerflow")
    soc = raw("soc")
    charts = raw("chartsTypesByPlant")


class InverterPoint(Payload):
    """Latest values of one inverter."""

    serial = text("sn")
    name = text("name")
    status = number("status")
    is_stored = flag("is_stored")
    # Quirk: in_pac is not a power here either; only out_pac is.
    output_power = number("out_pac", "W")
    energy_today = number("eday", "kWh")
    # Quirk: excludes today.
    energy_month = number("emonth", "kWh")
    energy_total = number("etotal", "kWh")
    soc = number("soc", "%")
    last_refresh_time = text("last_refresh_time")
    points = raw("points")  # columns of inverter_column, as target_key


class InverterPoints(Payload):
    """Latest values of a plant's inverters."""

    count = number("count")
    inverters = nested_list("inverterPoints", InverterPoint)


class PlantFlow(Payload):
    """Response with only the current power flow."""

    has_powerflow = flag("hasPowerflow")
    powerflow = nested("powerflow", payloads.Powerflow)
    is_stored = flag("isStored")


class InverterColumnPoint(Payload):
    """One value of one measured quantity."""

    # Quirk: in the account's date format ("21/06/2026 12:05:00"), unlike most times of this cloud.
    at = text("date")
    value = number("column")


class InverterColumn(Payload):
    """One measured quantity of an inverter over a day."""

    points = nested_list("column1", InverterColumnPoint)


class SemsChartPoint(Payload):
    """One point of a chart line; future points have no `y`."""

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
    """Powers of one day in 5-minute steps."""

    lines = nested_list("lines", SemsChartLine)
    sums = raw("generateData")


class EnergyChartSums(payloads.SemsEnergyStatistics):
    """Energies of a chart's whole range."""

    output = number("outPut", "kWh")  # AC output of the inverters; on a hybrid not the PV energy
    # Quirk: a percentage, while contributionRatio beside it is a fraction.
    self_use_percent = number("selfUseRatio")
    contribution_share = number("contributionRatio")


class EnergyChart(Payload):
    """Energies by day, month or year."""

    lines = nested_list("lines", SemsChartLine)
    sums = nested("modelData", EnergyChartSums)


class PlantPage(Payload):
    """One page of the account's plants."""

    # Quirk: may exceed the length of the list, even if there is only one page.
    count = number("record")
    plants = nested_list("list", payloads.SemsPlantRow)


class PowerPoint(Payload):
    """AC power of a plant at one time."""

    at = text("date")  # MM/dd/yyyy HH:mm:ss in plant local time
    power = number("pac", "W")


class PowerDay(Payload):
    """AC power of a plant over one day."""

    points = nested_list("pacs", PowerPoint)


class DayEnergy(Payload):
    """PV energy of one day."""

    day = text("d")  # MM/dd/yyyy
    energy = number("p", "kWh")
    income = number("i")


class MonthlyReportRow(Payload):
    """PV energy of one plant in the month."""

    plant_id = text("pw_id")
    energy_month = number("month_power", "kWh")
    energy_per_day = number("avg_day_power", "kWh")
    energy_total = number("total_power", "kWh")


class MonthlyReport(Payload):
    """One page of a month's report."""

    count = number("record")
    plants = nested_list("list", MonthlyReportRow)


class ExportedFile(Payload):
    """URL of a finished export."""

    address = text("file_path")


class InverterWarnings(Payload):
    """Warnings of one inverter."""

    serial = text("sn")
    warnings = raw("warning")


class PlantWarnings(Payload):
    """Warnings of a plant, by inverter."""

    inverters = nested_list("list", InverterWarnings)


def export_id(value: Any) -> str:
    """Parse the id of an export.

    >>> export_id("6f0c")
    '6f0c'
    """
    if not isinstance(value, str) or not value:
        raise Unreadable("the response contains no export id")
    return value
