"""Declarations of the calls for balcony batteries, NOAH and NEXA; part of `GrowattCalls`.

Both have the same calls under two paths; only `is_plant_noah_system` is common. Sources: growattServer (NOAH),
noah-mqtt and nexa-mqtt, GrowattPublicApiPy (charts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from heliograph.core.endpoint import Fields, command, query
from heliograph.vendors.growatt.params import Day, format_day, numbered
from heliograph.vendors.growatt.payloads import noah
from heliograph.vendors.growatt.payloads.plants import GrowattWriteResult

if TYPE_CHECKING:
    from collections.abc import Mapping

NoahSpan = Literal[1, 2, 3]
"""Bars of an energy chart: 1 days of a month, 2 months of a year, 3 years."""


class NoahCalls:
    """Calls for balcony batteries of one Growatt account."""

    @query("POST", "noahDeviceApi/noah/isPlantNoahSystem", noah.NoahPlant)
    def is_plant_noah_system(self, plant_id: str) -> Fields:
        """Whether a plant is a NOAH or NEXA, and its serial number."""
        return {"plantId": plant_id}

    @query("POST", "noahDeviceApi/noah/getSystemStatus", noah.NoahStatus)
    def noah_system_status(self, serial_number: str) -> Fields:
        """Live power, charge and energy of one NOAH."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/noah/getNoahInfoBySn", noah.NoahInfo)
    def noah_info(self, serial_number: str) -> Fields:
        """Settings and time segments of one NOAH."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/noah/getBatteryData", noah.NoahBatteries)
    def noah_battery_data(self, serial_number: str) -> Fields:
        """State of charge and temperature of each battery pack of one NOAH."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/noah/getNoahChartData", noah.NoahChart)
    def noah_chart(self, serial_number: str, date: Day = None) -> Fields:
        """Powers of one NOAH on the day before `date`."""
        # Quirk: the response is of the day before (GrowattPublicApiPy), and no member of it names the day.
        return {"deviceSn": serial_number, "date": format_day(date)}

    @query("POST", "noahDeviceApi/noah/getDataChart", noah.NoahChart)
    def noah_energies(self, serial_number: str, span: NoahSpan, date: Day = None) -> Fields:
        """Solar energy of one NOAH by day (1), month (2) or year (3)."""
        return {"deviceSn": serial_number, "dateTime": format_day(date), "dateType": span}

    @query("POST", "noahDeviceApi/nexa/getSystemStatus", noah.NexaStatus)
    def nexa_system_status(self, serial_number: str) -> Fields:
        """Live power, charge and energy of one NEXA."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/nexa/getNexaInfoBySn", noah.NexaInfo)
    def nexa_info(self, serial_number: str) -> Fields:
        """Settings and time segments of one NEXA."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/nexa/getBatteryData", noah.NoahBatteries)
    def nexa_battery_data(self, serial_number: str) -> Fields:
        """State of charge and temperature of each battery pack of one NEXA."""
        return {"deviceSn": serial_number}

    @query("POST", "noahDeviceApi/nexa/getNexaChartData", noah.NoahChart)
    def nexa_chart(self, serial_number: str, date: Day = None) -> Fields:
        """Powers of one NEXA on the day before `date`."""
        # Quirk: of the day before, as `noah_chart` (GrowattPublicApiPy).
        return {"deviceSn": serial_number, "date": format_day(date)}

    @query("POST", "noahDeviceApi/nexa/getDataChart", noah.NoahChart)
    def nexa_energies(self, serial_number: str, span: NoahSpan, date: Day = None) -> Fields:
        """Solar energy of one NEXA by day (1), month (2) or year (3)."""
        return {"deviceSn": serial_number, "dateTime": format_day(date), "dateType": span}

    # Commands

    @command("POST", "noahDeviceApi/noah/set", GrowattWriteResult)
    def update_noah_settings(
        self, serial_number: str, setting_type: str, parameters: Mapping[str, Any] | list[Any]
    ) -> Fields:
        """One setting of a NOAH."""
        return {"serialNum": serial_number, "type": setting_type, **numbered(parameters)}

    @command("POST", "noahDeviceApi/nexa/set", GrowattWriteResult)
    def update_nexa_settings(
        self, serial_number: str, setting_type: str, parameters: Mapping[str, Any] | list[Any]
    ) -> Fields:
        """One setting of a NEXA."""
        return {"serialNum": serial_number, "type": setting_type, **numbered(parameters)}
