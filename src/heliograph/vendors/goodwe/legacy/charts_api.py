"""The classic calls that still answer where the portal's one big call has fallen silent: headlines, charts, reports.

Each names the one generation public clients use it in. Days are ISO texts or dates: the portal takes
"2026-06-21" everywhere, whatever format it answers in.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from heliograph.core.endpoint import Fields, query
from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.legacy import charts_payloads as said

DayLike = date | str
ChartRange = Literal[1, 2, 3, 4]
"""Of a chart: a day, about 31 days, 12 months, or years."""


class GoodWeChartCalls:
    """The smaller calls of one SEMS Portal account."""

    # A plant now

    @query(
        "POST",
        "v3/PowerStation/GetPlantDetailByPowerstationId",
        said.SemsPlantDetail,
        encoding="json",
        result_path="data",
    )
    def plant_detail(self, plant_id: str) -> Fields:
        """PowerStation/GetPlantDetailByPowerstationId: a plant's headline, without its inverters."""
        return {"powerStationId": plant_id}

    @query("POST", "v3/PowerStation/GetInverterAllPoint", said.InverterPoints, encoding="json", result_path="data")
    def inverter_points(self, plant_id: str) -> Fields:
        """PowerStation/GetInverterAllPoint: a plant's inverters with their newest values."""
        return {"powerStationId": plant_id}

    @query("POST", "v2/PowerStation/GetPowerflow", said.PlantFlow, encoding="json", result_path="data")
    def powerflow(self, plant_id: str) -> Fields:
        """PowerStation/GetPowerflow: who feeds whom now."""
        return {"PowerStationId": plant_id}

    @query("POST", "warning/PowerstationWarningsQuery", said.PlantWarnings, encoding="json", result_path="data")
    def warnings(self, plant_id: str) -> Fields:
        """warning/PowerstationWarningsQuery: the warnings of a plant's inverters."""
        return {"pw_id": plant_id}

    # Lists

    @query("POST", "v2/HistoryData/QueryPowerStationByHistory", said.PlantPage, encoding="json", result_path="data")
    def plant_history_list(self) -> Fields:
        """HistoryData/QueryPowerStationByHistory: the plants that have a history; answers where other lists do not."""
        return {}

    @query("POST", "PowerStationMonitor/QueryPowerStationMonitor", said.PlantPage, encoding="json", result_path="data")
    def plant_monitor_page(self, page: int = 1, page_size: int = 14) -> Fields:
        """PowerStationMonitor/QueryPowerStationMonitor: one page of the account's plants, as the web portal asks."""
        # Quirk: every filter goes along even when it is empty, and here, unlike the app's twin, numbers are numbers.
        filters = dict.fromkeys(("key", "orderby", "powerstation_type", "powerstation_status"), "")
        return {
            "powerstation_id": "",
            **filters,
            "page_index": page,
            "page_size": page_size,
            **dict.fromkeys(("adcode", "org_id", "condition"), ""),
        }

    # A day

    @query(
        "POST",
        "v2/PowerStationMonitor/GetPowerStationPacByDayForApp",
        said.PowerDay,
        encoding="json",
        result_path="data",
    )
    def power_by_day(self, plant_id: str, day: DayLike) -> Fields:
        """PowerStationMonitor/GetPowerStationPacByDayForApp: a plant's AC power over a day, about every 5 minutes."""
        return {"id": plant_id, "date": f"{day}"}

    @query(
        "POST",
        "v2/PowerStationMonitor/GetInverterDataByColumn",
        said.InverterColumn,
        encoding="json",
        result_path="data",
    )
    def inverter_column(self, serial: str, day: DayLike, column: str = "Pac") -> Fields:
        """PowerStationMonitor/GetInverterDataByColumn: one quantity of one inverter over a day.

        Columns are the `target_key`s of `inverter_points`: "Pac", "Eday", "Cbattery1", "Vpv1", "Ipv1" and so on.
        """
        return {"id": serial, "date": f"{day}", "column": column}

    @query("POST", "v2/Charts/GetPlantPowerChart", said.PowerChart, encoding="json", result_path="data")
    def power_chart(self, plant_id: str, day: DayLike) -> Fields:
        """Charts/GetPlantPowerChart: a day's powers of sun, grid, battery and load on a 5-minute grid."""
        return {"id": plant_id, "date": f"{day}", "full_script": False}

    # Longer

    @query("POST", "v2/Charts/GetChartByPlant", said.EnergyChart, encoding="json", result_path="data")
    def chart_by_plant(self, plant_id: str, day: DayLike, span: ChartRange = 2, chart: str = "3") -> Fields:
        """Charts/GetChartByPlant: energies of the days, months or years that end on a day.

        Quirk: `span` 2 is a rolling window of about 31 days, not the calendar month. `chart` "3" is generation and
        income, "8" the energies with a line for each, "7" their sums.
        """
        return {"id": plant_id, "date": f"{day}", "range": span, "chartIndexId": chart, "isDetailFull": False}

    @query(
        "POST",
        "v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay",
        list_of(said.DayEnergy),
        encoding="json",
        result_path="data",
    )
    def energy_by_day(self, plant_id: str, day: DayLike, count: int = 31) -> Fields:
        """PowerStationMonitor/GetPowerStationPowerAndIncomeByDay: solar energy of the `count` days up to one."""
        return {"powerstation_id": plant_id, "count": count, "date": f"{day}"}

    @query(
        "POST",
        "v1/ReportData/GetPowerStationPowerReportByMonth",
        said.MonthlyReport,
        encoding="json",
        result_path="data",
    )
    def monthly_report(self, plant_id: str, month: str, page: int = 1, page_size: int = 8) -> Fields:
        """ReportData/GetPowerStationPowerReportByMonth: solar energy of a month ("2026-06")."""
        return {"date": month, "pw_id": plant_id, "page_index": page, "page_size": page_size, "is_report": 1}

    # Files

    @query("POST", "v1/PowerStation/ExportPowerstationPac", said.export_id, encoding="json", result_path="data")
    def export_power(self, plant_id: str, day: DayLike) -> Fields:
        """PowerStation/ExportPowerstationPac: have a day's powers written to a file; the answer is the export's id."""
        return {"date": f"{day}", "pw_id": plant_id}

    @query("POST", "v1/ReportData/GetStationPowerDataFilePath", said.ExportedFile, encoding="json", result_path="data")
    def export_file(self, export_id: str) -> Fields:
        """ReportData/GetStationPowerDataFilePath: where the file of an export can be fetched, by a plain GET."""
        return {"id": export_id}
