"""One emulated inverter at the moment of its last frame, in the portal's units and roundings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.goodwe.families import FAMILIES

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, HouseholdView, RequestContext
    from heliograph.emulator.clouds.goodwe.families import PlantFamily

YIELD_RATE = 0.22
CURRENCY = "EUR"
COMMISSIONED = datetime(2021, 3, 15, 2, 30, 5, tzinfo=UTC)

_PATTERNS = {"MM.dd.yyyy": "%m.%d.%Y", "dd/MM/yyyy": "%d/%m/%Y"}


@dataclass(frozen=True)
class EmulatedInverter:
    """One inverter, its home, and what it measured when it last spoke."""

    family: PlantFamily
    serial: str
    plant: str
    home: HouseholdView
    status: int
    last_frame_at: datetime
    now: datetime
    date_format: str
    values: dict[str, float]

    @property
    def relation_id(self) -> str:
        """The portal's own id of the inverter."""
        return str(uuid5(NAMESPACE_URL, f"semsportal/{self.serial}"))

    @property
    def pv_power(self) -> float:
        """Watt of sunlight; on a hybrid that is not what leaves it as AC."""
        return round(self.values["pv_power"]) + 0.0

    @property
    def ac_power(self) -> float:
        """Watt of AC."""
        return round(self.values["ac_power"]) + 0.0

    @property
    def meter_power(self) -> float:
        """Watt at the grid meter: + exports, as GoodWe counts."""
        return -round(self.values.get("grid_power", 0.0)) + 0.0

    @property
    def battery_power(self) -> float:
        """Watt out of the battery."""
        return round(self.values.get("battery_power", 0.0)) + 0.0

    @property
    def soc(self) -> float:
        """State of charge; on an inverter without a battery it is any number."""
        # Quirk: 400 and 536 % have been seen where there is no battery.
        return round(self.values["battery_soc"]) + 0.0 if self.has_battery else 536.0

    @property
    def has_battery(self) -> bool:
        """Whether a battery hangs on it."""
        return bool(self.home.battery_capacity)

    @property
    def energy_today(self) -> float:
        """Energy of today; the inverter counts in tenths of a kWh."""
        return round(self.values["pv_energy_today"], 1)

    @property
    def energy_month(self) -> float:
        """Energy of this month without today, as the portal means it."""
        local = self.now.astimezone(self.home.zone)
        return max(0.0, round(self.home.energies(f"{local:%Y-%m}")["pv_energy"] - self.energy_today, 1))

    @property
    def energy_total(self) -> float:
        """Lifetime energy."""
        return round(self.values["pv_energy_total"], 1)

    def counter(self, name: str, digits: int = 3) -> float:
        """Return a counter by our name; what this home cannot count is 0.0 here."""
        return round(self.values.get(name, 0.0), digits)

    def account_datetime(self, moment: datetime) -> str:
        """Return a moment as the account likes to read it."""
        return moment.strftime(f"{_PATTERNS[self.date_format]} %H:%M:%S")

    @property
    def last_frame_text(self) -> str:
        """When it last spoke, on the plant's wall."""
        return us_datetime(self.last_frame_at.astimezone(self.home.zone))


def us_datetime(moment: datetime) -> str:
    """Return a moment in the form that is the same for every account."""
    return f"{moment:%m/%d/%Y %H:%M:%S}"


def china_datetime(moment: datetime) -> str:
    """Return a moment on the vendor's own clock."""
    return us_datetime(moment.astimezone(CHINA))


def epoch_ms(moment: datetime) -> int:
    """Return a moment in epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def account_date_format(holder: EmulatedAccount) -> str:
    """Return the date format of an account's settings."""
    return list(_PATTERNS)[is_variant_account(holder)]


def is_variant_account(holder: EmulatedAccount) -> bool:
    """Tell whether an account is one of the half where things are a little different."""
    return bool(crc32(holder.username.encode()) & 1)


def inverters_of(site: EmulatedPlant, holder: EmulatedAccount, stage: RequestContext) -> list[EmulatedInverter]:
    """Return the inverters of a plant as they are now."""
    kind = FAMILIES[site.family]
    found = []
    for serial, home in zip(site.devices, site.households, strict=True):
        at = home.last_upload_at(stage.uploaded_at())
        values = home.values(at)
        awake = values["pv_power"] > 0 or bool(home.battery_capacity)
        status = 1 if awake else -1 if kind.offline_at_night else 0
        spoke = _last_light(home, at) if status < 0 else at
        unit = EmulatedInverter(
            kind, serial, site.id, home, status, spoke, stage.now(), account_date_format(holder), values
        )
        found.append(unit)
    return found


def _last_light(home: HouseholdView, at: datetime) -> datetime:
    """Return when an inverter that sleeps by night last had sun."""
    local = at.astimezone(home.zone).date()
    for day in (local, local - timedelta(days=1)):
        lit = [moment for moment, values in home.curve(day.isoformat()) if values["pv_power"] > 0 and moment <= at]
        if lit:
            return lit[-1]
    return at


def income(kwh: float) -> float:
    """Return what energy is worth at the account's rate."""
    return kwh * YIELD_RATE
