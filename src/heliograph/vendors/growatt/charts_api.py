"""Charts of the ShinePhone app that growattServer has no call for; part of `GrowattCalls`."""

from __future__ import annotations

from typing import Literal

from heliograph.core.endpoint import Fields, query
from heliograph.vendors.growatt.params import Day, PlantToday, format_day
from heliograph.vendors.growatt.payloads import devices as dev
from heliograph.vendors.growatt.payloads import plants as said

NoahSpan = Literal[1, 2, 3]
"""Of a Noah's energies: the days of a month, the months of a year, the years up to one."""


class GrowattCharts:
    """More charts of one Growatt account."""

    @query("GET", "PlantDetailAPI.do", said.GrowattPlantDetail, result_path="back", type="3")
    def plant_years(self, plant_id: str, year: int | None = None) -> Fields:
        """Energy of one plant in the six years up to one, this one unless named."""
        return {"plantId": plant_id, "date": PlantToday(plant_id, "%Y") if year is None else f"{year:04}"}

    @query("POST", "noahDeviceApi/noah/getNoahChartData", dev.NoahChart)
    def noah_chart(self, serial_number: str, date: Day = None) -> Fields:
        """Powers of one Noah over the day before the one that is named."""
        # Quirk: the day before is what comes (GrowattPublicApiPy), and nothing in the answer says which day it is.
        return {"deviceSn": serial_number, "date": format_day(date)}

    @query("POST", "noahDeviceApi/noah/getDataChart", dev.NoahChart)
    def noah_energies(self, serial_number: str, span: NoahSpan, date: Day = None) -> Fields:
        """Solar energy of one Noah by day (1), month (2) or year (3)."""
        return {"deviceSn": serial_number, "dateTime": format_day(date), "dateType": span}
