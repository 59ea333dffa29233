"""SEMS Portal calls that still work on accounts where `monitor_detail` returns no data: overview, charts, reports.

Each call uses the API version that public clients use. Days are ISO texts or dates: the portal accepts
"2026-06-21" everywhere, regardless of its response format.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.calls import json_query
from heliograph.vendors.goodwe.legacy import charts_payloads as payloads

if TYPE_CHECKING:
    from heliograph.core.endpoint import Fields

DayLike = date | str
ChartRange = Literal[1, 2, 3, 4]
"""Range of a chart: 1 a day, 2 about 31 days, 3 12 months, 4 years."""


class GoodWeChartCalls:
    """Overview, chart and report calls of one SEMS Portal account."""

    # Current state

    @json_query("v3/PowerStation/GetPlantDetailByPowerstationId", payloads.SemsPlantDetail)
    def plant_detail(self, plant_id: str) -> Fields:
        """PowerStation/GetPlantDetailByPowerstationId: overview of one plant, without its inverters."""
        return {"powerStationId": plant_id}

    @json_query("v3/PowerStation/GetInverterAllPoint", payloads.InverterPoints)
    def inverter_points(self, plant_id: str) -> Fields:
        """PowerStation/GetInverterAllPoint: inverters of one plant with their latest values."""
        return {"powerStationId": plant_id}

    @json_query("v2/PowerStation/GetPowerflow", payloads.PlantFlow)
    def powerflow(self, plant_id: str) -> Fields:
        """PowerStation/GetPowerflow: current power flow of one plant."""
        return {"PowerStationId": plant_id}

    @json_query("warning/PowerstationWarningsQuery", payloads.PlantWarnings)
    def warnings(self, plant_id: str) -> Fields:
        """warning/PowerstationWarningsQuery: the warnings of a plant's inverters."""
        return {"pw_id": plant_id}

    # Lists

    @json_query("v2/HistoryData/QueryPowerStationByHistory", payloads.PlantPage)
    def plant_history_list(self) -> Fields:
        """HistoryData/QueryPowerStationByHistory: plants with history data; works where other lists fail."""
        return {}

    @json_query("PowerStationMonitor/QueryPowerStationMonitor", payloads.PlantPage)
    def plant_monitor_page(self, page: int = 1, page_size: int = 14) -> Fields:
        """PowerStationMonitor/QueryPowerStationMonitor: one page of the account's plants, as in the web portal."""
        # Quirk: empty filters must be sent too, and, unlike in the app's variant, numbers are numbers.
        filters = dict.fromkeys(("key", "orderby", "powerstation_type", "powerstation_status"), "")
        return {
            "powerstation_id": "",
            **filters,
            "page_index": page,
            "page_size": page_size,
            **dict.fromkeys(("adcode", "org_id", "condition"), ""),
        }

    # One day

    @json_query("v2/PowerStationMonitor/GetPowerStationPacByDayForApp", payloads.PowerDay)
    def power_by_day(self, plant_id: str, day: DayLike) -> Fields:
        """PowerStationMonitor/GetPowerStationPacByDayForApp: a plant's AC power over a day, about every 5 minutes."""
        return {"id": plant_id, "date": f"{day}"}

    @json_query("v2/PowerStationMonitor/GetInverterDataByColumn", payloads.InverterColumn)
    def inverter_column(self, serial: str, day: DayLike, column: str = "Pac") -> Fields:
        """PowerStationMonitor/GetInverterDataByColumn: one quantity of one inverter over a day.

        Columns are the `target_key`s of `inverter_points`: "Pac", "Eday", "Cbattery1", "Vpv1", "Ipv1" and so on.
        """
        return {"id": serial, "date": f"{day}", "column": column}

    @json_query("v2/Charts/GetPlantPowerChart", payloads.PowerChart)
    def power_chart(self, plant_id: str, day: DayLike) -> Fields:
        """Charts/GetPlantPowerChart: PV, grid, battery and load powers of one day in 5-minute steps."""
        return {"id": plant_id, "date": f"{day}", "full_script": False}

    # Days, months and years

    @json_query("v2/Charts/GetChartByPlant", payloads.EnergyChart)
    def chart_by_plant(self, plant_id: str, day: DayLike, span: ChartRange = 2, chart: str = "3") -> Fields:
        """Charts/GetChartByPlant: energies of the days, months or years up to `day`.

        Quirk: `span` 2 is a rolling window of about 31 days, not the calendar month. `chart` "3" is generation and
        income, "8" one line per energy, "7" their sums.
        """
        return {"id": plant_id, "date": f"{day}", "range": span, "chartIndexId": chart, "isDetailFull": False}

    @json_query("v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay", list_of(payloads.DayEnergy))
    def energy_by_day(self, plant_id: str, day: DayLike, count: int = 31) -> Fields:
        """PowerStationMonitor/GetPowerStationPowerAndIncomeByDay: PV energy of the `count` days up to `day`."""
        return {"powerstation_id": plant_id, "count": count, "date": f"{day}"}

    @json_query("v1/ReportData/GetPowerStationPowerReportByMonth", payloads.MonthlyReport)
    def monthly_report(self, plant_id: str, month: str, page: int = 1, page_size: int = 8) -> Fields:
        """ReportData/GetPowerStationPowerReportByMonth: PV energy of a month ("2026-06")."""
        return {"date": month, "pw_id": plant_id, "page_index": page, "page_size": page_size, "is_report": 1}

    # Files

    @json_query("v1/PowerStation/ExportPowerstationPac", payloads.export_id)
    def export_power(self, plant_id: str, day: DayLike) -> Fields:
        """PowerStation/ExportPowerstationPac: export the powers of one day to a file; returns the id of the export."""
        return {"date": f"{day}", "pw_id": plant_id}

    @json_query("v1/ReportData/GetStationPowerDataFilePath", payloads.ExportedFile)
    def export_file(self, export_id: str) -> Fields:
        """ReportData/GetStationPowerDataFilePath: URL of an exported file, for a plain GET."""
        return {"id": export_id}
