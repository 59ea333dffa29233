"""Declarations of plant calls that growattServer does not have; part of `GrowattCalls`."""

from __future__ import annotations

from heliograph.core.endpoint import Fields, query
from heliograph.vendors.growatt.params import Day, PlantToday, format_chart_date
from heliograph.vendors.growatt.payloads import plants


class GrowattCharts:
    """Chart calls of one Growatt account."""

    @query("GET", "PlantDetailAPI.do", plants.GrowattPlantDetail, result_path="back", type="3")
    def plant_years(self, plant_id: str, year: int | None = None) -> Fields:
        """Energy of one plant in the six years up to `year` (default: the current year)."""
        return {"plantId": plant_id, "date": PlantToday(plant_id, "%Y") if year is None else f"{year:04}"}

    @query("GET", "newPlantDetailAPI.do", plants.GrowattPlantDetail, result_path="back")
    def plant_chart(self, plant_id: str, span: int, date: Day = None) -> Fields:
        """Power of one plant over a day (1); or its energy by day of a month (2), month of a year (3) or year (4)."""
        # Quirk: the numbers are one higher than those of `plant_detail`, which has no chart of a day (the app's own
        # addresses for day, month, year and all).
        return {"plantId": plant_id, "type": span, "date": format_chart_date(date, plant_id, span)}

    @query("POST", "newPlantAPI.do", plants.AccountEnergy, action="getUserCenterEnertyDataTwo")
    def account_energy_data(self) -> Fields:
        """Energy, power and money of the account, and how many of its devices are online."""
        return {"language": "1"}
