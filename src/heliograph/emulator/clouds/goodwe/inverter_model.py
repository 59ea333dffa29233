"""Emulated inverter at the time of its last frame, in the portal's units and rounding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.goodwe.families import FAMILIES
from heliograph.emulator.fault_log import present_fault

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, HouseholdView, RequestContext
    from heliograph.emulator.clouds.goodwe.families import PlantFamily

YIELD_RATE = 0.22
CURRENCY = "EUR"
COMMISSIONED = datetime(2021, 3, 15, 2, 30, 5, tzinfo=UTC)

_PATTERNS = {"MM.dd.yyyy": "%m.%d.%Y", "dd/MM/yyyy": "%d/%m/%Y"}


@dataclass(frozen=True)
class EmulatedInverter:
    """One inverter, its household, and its measurements in the last frame."""

    family: PlantFamily
    serial: str
    plant: str
    home: HouseholdView
    status: int
    last_frame_at: datetime
    now: datetime
    date_format: str
    values: dict[str, float]
    fault: str = ""
    """The code of its present fault."""

    @property
    def relation_id(self) -> str:
        """The portal's id of the inverter."""
        return str(uuid5(NAMESPACE_URL, f"semsportal/{self.serial}"))

    @property
    def pv_power(self) -> float:
        """PV power in watts; on a hybrid it differs from the AC output."""
        return round(self.values["pv_power"]) + 0.0

    @property
    def ac_power(self) -> float:
        """AC output in watts."""
        return round(self.values["ac_power"]) + 0.0

    @property
    def meter_power(self) -> float:
        """Power at the grid meter in watts; + is export, GoodWe's sign."""
        return -round(self.values.get("grid_power", 0.0)) + 0.0

    @property
    def battery_power(self) -> float:
        """Discharge power of the battery in watts."""
        return round(self.values.get("battery_power", 0.0)) + 0.0

    @property
    def soc(self) -> float:
        """State of charge in percent; arbitrary on an inverter without a battery."""
        # Quirk: 400 and 536 % have been seen on inverters without a battery.
        return round(self.values["battery_soc"]) + 0.0 if self.has_battery else 536.0

    @property
    def has_battery(self) -> bool:
        """Whether the inverter has a battery."""
        return bool(self.home.battery_capacity)

    @property
    def energy_today(self) -> float:
        """PV energy of today in kWh, counted in tenths."""
        return round(self.values["pv_energy_today"], 1)

    @property
    def energy_month(self) -> float:
        """PV energy of this month in kWh, excluding today as in the portal."""
        local = self.now.astimezone(self.home.zone)
        return max(0.0, round(self.home.energies(f"{local:%Y-%m}")["pv_energy"] - self.energy_today, 1))

    @property
    def energy_total(self) -> float:
        """Lifetime PV energy in kWh."""
        return round(self.values["pv_energy_total"], 1)

    def counter(self, name: str, digits: int = 3) -> float:
        """Return a counter by metric name; 0.0 if this household does not have it."""
        return round(self.values.get(name, 0.0), digits)

    def account_datetime(self, time: datetime) -> str:
        """Return a time in the account's date format."""
        return time.strftime(f"{_PATTERNS[self.date_format]} %H:%M:%S")

    @property
    def last_frame_text(self) -> str:
        """Time of the last frame as text, in plant local time."""
        return us_datetime(self.last_frame_at.astimezone(self.home.zone))


def us_datetime(time: datetime) -> str:
    """Return a time as MM/dd/yyyy, the format independent of the account."""
    return f"{time:%m/%d/%Y %H:%M:%S}"


def china_datetime(time: datetime) -> str:
    """Return a time as MM/dd/yyyy in China time."""
    return us_datetime(time.astimezone(CHINA))


def epoch_ms(time: datetime) -> int:
    """Return a time in epoch milliseconds."""
    return int(time.timestamp() * 1000)


def account_date_format(account: EmulatedAccount) -> str:
    """Return the date format of an account's settings."""
    return list(_PATTERNS)[is_variant_account(account)]


def is_variant_account(account: EmulatedAccount) -> bool:
    """Return True for the half of the accounts that show a variant behaviour."""
    return bool(crc32(account.username.encode()) & 1)


def inverters_of(plant: EmulatedPlant, account: EmulatedAccount, context: RequestContext) -> list[EmulatedInverter]:
    """Return the inverters of a plant in their current state."""
    family = FAMILIES[plant.family]
    inverters = []
    for serial, home in zip(plant.devices, plant.households, strict=True):
        at = home.last_upload_at(context.uploaded_at())
        values = home.values(at)
        awake = values["pv_power"] > 0 or bool(home.battery_capacity)
        status = 1 if awake else -1 if family.offline_at_night else 0
        fault = present_fault(context) or ""
        status = 2 if fault and status > 0 else status
        last_frame = _last_daylight(home, at) if status < 0 else at
        inverter = EmulatedInverter(
            family,
            serial,
            plant.id,
            home,
            status,
            last_frame,
            context.now(),
            account_date_format(account),
            values,
            fault,
        )
        inverters.append(inverter)
    return inverters


def _last_daylight(home: HouseholdView, at: datetime) -> datetime:
    """Return the last time with PV power of an inverter that is offline at night."""
    local = at.astimezone(home.zone).date()
    for day in (local, local - timedelta(days=1)):
        daylight = [time for time, values in home.curve(day.isoformat()) if values["pv_power"] > 0 and time <= at]
        if daylight:
            return daylight[-1]
    return at


def income(kwh: float) -> float:
    """Return the income for an energy at the account's rate."""
    return kwh * YIELD_RATE
