"""Plant families of the emulated GoodWe cloud, with their hardware."""

from __future__ import annotations

from typing import NamedTuple

from heliograph.emulator.api import HardwareProfile


class PlantFamily(NamedTuple):
    """One family of plants."""

    model: str
    capacity: float
    """Rated power of each inverter in kW."""
    serial_prefix: str
    """First 8 of the 16 characters of a serial number."""
    hardware: HardwareProfile
    phases: int = 1
    strings: int = 1
    offline_at_night: bool = False
    """Whether the inverter is offline at night rather than waiting."""
    type: str = "Residential"


FAMILIES = {
    "single": PlantFamily(
        "GW3000-NS", 3.0, "53000NSN", HardwareProfile(peak_power=3200, has_meter=False), offline_at_night=True
    ),
    "hybrid": PlantFamily(
        "GW10K-ET",
        10.0,
        "9010KETU",
        HardwareProfile(peak_power=9800, battery_capacity=13.3, battery_power=6000, load_kwh_per_day=14),
        phases=3,
        strings=2,
        type="Hybrid/Offgrid",
    ),
    "meter": PlantFamily(
        "GW8500-MS-30", 8.5, "58500MSU", HardwareProfile(peak_power=10_120, load_kwh_per_day=12), strings=3
    ),
    "several": PlantFamily(
        "GW6000-DT",
        6.0,
        "56000DTS",
        HardwareProfile(peak_power=6500, has_meter=False, households=3),
        phases=3,
        strings=2,
    ),
}
