"""Context of one emulated Growatt call: the requested plant, its device and its values at the newest upload."""

from __future__ import annotations

import json
from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import EmulatedResponse, Router
from heliograph.emulator.fault_log import present_fault
from heliograph.vendors.growatt.api import GrowattCalls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, HouseholdView, RequestContext

ROUTER = Router(GrowattCalls)

DEVICE_TYPES = {
    "tlx": "tlx",
    "tlx-battery": "tlx",
    "mix": "mix",
    "spa": "spa",
    "inverter": "inverter",
    "storage": "storage",
    "noah": "noah",
    "nexa": "noah",
    "max": "max",
    "sph-s": "sph-s",
    "wit": "wit",
}
"""The cloud's `deviceType` of each family's main device; a NEXA has the NOAH's (the token API's device type)."""

_SERIALS = ("id", "mixId", "spaId", "storageId", "storageSn", "inverterId", "invSn", "serialNum", "deviceSn")
YEARS_SHOWN = 6
UNKNOWN_DEVICE = {"result": 0, "obj": None, "msg": "504"}
"""The response of most newer calls for a device of another account or family."""
_KNOWN_YEARS = range(2000, 2200)


class GrowattPowers(NamedTuple):
    """Powers of one moment in W, all as magnitudes as Growatt reports them, and the state of charge in %."""

    pv: float = 0.0
    ac: float = 0.0
    load: float = 0.0
    grid_import: float = 0.0
    grid_export: float = 0.0
    charge: float = 0.0
    discharge: float = 0.0
    soc: float = 0.0

    @classmethod
    def from_values(cls, values: Mapping[str, float]) -> GrowattPowers:
        """Convert a household's values. Quirk: the cloud reports 0 for an absent meter or battery."""
        pv, grid, battery = (values.get(name, 0.0) for name in ("pv_power", "grid_power", "battery_power"))
        return cls(
            pv=pv,
            ac=values.get("ac_power", pv + battery),
            load=values.get("load_power", 0.0),
            grid_import=max(grid, 0.0),
            grid_export=max(-grid, 0.0),
            charge=max(-battery, 0.0),
            discharge=max(battery, 0.0),
            soc=values.get("battery_soc", 0.0),
        )


class GrowattEnergies(NamedTuple):
    """Energies of one period in kWh."""

    pv: float = 0.0
    load: float = 0.0
    grid_import: float = 0.0
    grid_export: float = 0.0
    charge: float = 0.0
    discharge: float = 0.0

    @classmethod
    def from_values(cls, values: Mapping[str, float], suffix: str = "") -> GrowattEnergies:
        """Convert a household's energies; absent parts are 0, as in `GrowattPowers`."""
        names = ("pv", "load", "grid_import", "grid_export", "battery_charge", "battery_discharge")
        return cls(*(values.get(f"{name}_energy{suffix}", 0.0) for name in names))


UNKNOWN_FAMILY = "hps"
"""The device type that lists report with the fault `new_family`."""


class GrowattDevice:
    """One simulated device, with its values at the newest upload."""

    def __init__(self, plant: EmulatedPlant, serial: str, household: HouseholdView, context: RequestContext) -> None:
        at = context.uploaded_at()
        self._context = context
        self.plant = plant
        self.serial = serial
        self.household = household
        self.uploaded_at = household.last_upload_at(at)
        self.local_time = self.uploaded_at.astimezone(household.zone)
        self.now = at.astimezone(household.zone)
        self.today = f"{self.now:%Y-%m-%d}"
        values = household.values(self.uploaded_at)
        self.powers = GrowattPowers.from_values(values)
        self.energy_today = GrowattEnergies.from_values(values, "_today")
        self.energy_total = GrowattEnergies.from_values(values, "_total")

    @property
    def asleep(self) -> bool:
        """Whether device and datalogger are off; devices with a battery never are."""
        return self.plant.family == "tlx" and self.powers.pv <= 0

    @property
    def token_type(self) -> str:
        """The device type in the token API."""
        kind = DEVICE_TYPES[self.plant.family]
        is_new = self._context.fault("new_family") is not None
        return UNKNOWN_FAMILY if is_new and kind not in {"noah", "wit", "sph-s"} else kind

    @property
    def is_faulty(self) -> bool:
        """Whether the device reports a fault."""
        return present_fault(self._context) is not None

    @property
    def has_battery(self) -> bool:
        """Whether the device has a battery."""
        return self.household.battery_capacity > 0

    def samples(self, day: date) -> list[tuple[datetime, GrowattPowers]]:
        """Return the 5-minute samples of a local day, none later than the newest upload."""
        curve = self.household.curve(day.isoformat())
        return [
            (at.astimezone(self.household.zone), GrowattPowers.from_values(values))
            for at, values in curve
            if at <= self.uploaded_at
        ]

    def energy(self, period: str) -> GrowattEnergies:
        """Return the uploaded energies of a local day, month or year."""
        return GrowattEnergies.from_values(self.household.energies(period))

    def pv_string(self, number: int) -> tuple[float, float, float]:
        """Return power, voltage and current of PV string 1 or 2."""
        power = self.powers.pv * (0.52 if number == 1 else 0.48)
        if power <= 0:
            return 0.0, 0.0, 0.0
        voltage = (250.0 if number == 1 else 246.0) + 60.0 * self.powers.pv / self.household.peak_power
        return power, voltage, power / voltage

    @property
    def grid_voltage(self) -> float:
        """The voltage at the terminals, raised by the output power."""
        return 229.5 + 5.0 * self.powers.ac / self.household.peak_power


class GrowattCallContext(NamedTuple):
    """One request of one account, its arguments merged."""

    arguments: Mapping[str, str]
    account: EmulatedAccount
    context: RequestContext

    @property
    def plant(self) -> EmulatedPlant | None:
        """The requested plant of the account, found by its id or by a device serial number."""
        serial = next((self.arguments[key] for key in _SERIALS if self.arguments.get(key)), None)
        plant_id = self.arguments.get("plantId") or self.arguments.get("plantID")
        for plant in self.account.plants:
            if serial in (None, *plant.devices) and plant_id in (None, "", plant.id) and (serial or plant_id):
                return plant
        return None

    @property
    def plant_device(self) -> GrowattDevice | None:
        """The main device of the requested plant."""
        return None if self.plant is None else self.main_device(self.plant)

    def main_device(self, plant: EmulatedPlant) -> GrowattDevice:
        """Return a plant's main device."""
        return GrowattDevice(plant, plant.devices[0], plant.households[0], self.context)

    def device(self, kind: str) -> GrowattDevice | None:
        """Return the requested device if it belongs to the account and is of this type."""
        plant = self.plant
        if plant is None or DEVICE_TYPES[plant.family] != kind:
            return None
        serials = [self.arguments[key] for key in _SERIALS if self.arguments.get(key)]
        return self.main_device(plant) if plant.devices[0] in serials else None

    def require_device(self, kind: str) -> GrowattDevice:
        """Return the requested device; raise the failure of most newer calls if there is none of this type."""
        if (device := self.device(kind)) is None:
            raise GrowattFailure(UNKNOWN_DEVICE)
        return device

    def require_balcony_battery(self, family: str) -> GrowattDevice:
        """Return the requested NOAH or NEXA; raise the failure of most newer calls if there is none of this family."""
        device = self.require_device("noah")
        if device.plant.family != family:
            raise GrowattFailure(UNKNOWN_DEVICE)
        return device

    @property
    def span(self) -> int:
        """The chart period: 0 a day, 1 a month by day, 2 a year by month, 3 six years, 4 all years."""
        return self.integer("type", 0, unreadable=-1)

    def integer(self, name: str, missing: int, unreadable: int = 0) -> int:
        """Return an argument as integer, `missing` or `unreadable` if it is not one."""
        text = self.arguments.get(name, str(missing))
        return int(text) if text.isdecimal() else unreadable

    def date(self, device: GrowattDevice) -> date | None:
        """Return the requested plant-local day (default: today), None if it is invalid."""
        parts = (self.arguments.get("date") or device.today).split("-")
        try:
            year, month, day = (int(part) for part in [*parts, "1", "1"][:3])
            return date(year, month, day) if year in _KNOWN_YEARS else None
        except ValueError:
            return None


def subperiods(period: str) -> list[str]:
    """Return the days of a month or the months of a year.

    >>> subperiods("2026")[-1], subperiods("2026-02")[-1]
    ('2026-12', '2026-02-28')
    """
    if len(period) == 4:
        return [f"{period}-{month:02d}" for month in range(1, 13)]
    year, month = map(int, period.split("-"))
    return [f"{period}-{day:02d}" for day in range(1, monthrange(year, month)[1] + 1)]


def chart_periods(span: int, day: date) -> list[str]:
    """Return the periods of a chart's bars.

    >>> chart_periods(3, date(2026, 6, 21))[0]
    '2021'
    """
    if span == 1:
        return subperiods(f"{day:%Y-%m}")
    if span == 2:
        return subperiods(f"{day:%Y}")
    # Quirk: 4 ("total") is accepted too (a NEO's owner); that it has the years of 3 is inferred.
    return [str(day.year - back) for back in reversed(range(YEARS_SHOWN))] if span in (3, 4) else []


def five_minute_keys() -> list[str]:
    """Return all chart keys of a day, "00:00" to "23:55"."""
    return [str(timedelta(minutes=minute)).zfill(8)[:5] for minute in range(0, 1440, 5)]


def json_response(body: Any, *headers: tuple[str, str]) -> EmulatedResponse:
    """Return a JSON response."""
    return EmulatedResponse(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), headers=headers)


def success(inner: Any) -> dict[str, Any]:
    """Wrap a value in the success envelope of the newer calls."""
    return {"result": 1, "obj": inner, "msg": ""}


class GrowattFailure(Exception):
    """A failed call; `body` is the complete response instead of an inner value."""

    def __init__(self, body: Any) -> None:
        self.body = body
        super().__init__()
