"""Declarations of chart calls that growattServer does not have; part of `GrowattCalls`."""

from __future__ import annotations

from typing import Literal

from heliograph.core.endpoint import Fields, query
from heliograph.vendors.growatt.params import Day, PlantToday, format_day
from heliograph.vendors.growatt.payloads import devices as dev
from heliograph.vendors.growatt.payloads import plants

NoahSpan = Literal[1, 2, 3]
"""Bars of a Noah's energy chart: 1 days of a month, 2 months of a year, 3 years."""


class GrowattCharts:
    """Chart calls of one Growatt account."""

    @query("GET", "PlantDetailAPI.do", plants.GrowattPlantDetail, result_path="back", type="3")
    def plant_years(self, plant_id: str, year: int | None = None) -> Fields:
        """Energy of one plant in the six years up to `year` (default: the current year)."""
        return {"plantId": plant_id, "date": PlantToday(plant_id, "%Y") if year is None else f"{year:04}"}

    @query("POST", "noahDeviceApi/noah/getNoahChartData", dev.NoahChart)
    def noah_chart(self, serial_number: str, date: Day = None) -> Fields:
        """Powers of one Noah on the day before `date`."""
        # Quirk: the response is of the day before (GrowattPublicApiPy), and no member of it names the day.
        return {"deviceSn": serial_number, "date": format_day(date)}

    @query("POST", "noahDeviceApi/noah/getDataChart", dev.NoahChart)
    def noah_energies(self, serial_number: str, span: NoahSpan, date: Day = None) -> Fields:
        """Solar energy of one Noah by day (1), month (2) or year (3)."""
        return {"deviceSn": serial_number, "dateTime": format_day(date), "dateType": span}
