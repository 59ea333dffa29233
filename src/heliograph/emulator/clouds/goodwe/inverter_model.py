"""One emulated inverter at the moment of its last frame, in the portal's units and roundings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.goodwe.families import KINDS

if TYPE_CHECKING:
    from heliograph.emulator.api import Holder, Home, Site, Stage
    from heliograph.emulator.clouds.goodwe.families import Kind

YIELD_RATE = 0.22
CURRENCY = "EUR"
COMMISSIONED = datetime(2021, 3, 15, 2, 30, 5, tzinfo=UTC)

_PATTERNS = {"MM.dd.yyyy": "%m.%d.%Y", "dd/MM/yyyy": "%d/%m/%Y"}


@dataclass(frozen=True)
class Unit:
    """One inverter, its home, and what it measured when it last spoke."""

    kind: Kind
    serial: str
    plant: str
    home: Home
    status: int
    spoke: datetime
    now: datetime
    date_format: str
    values: dict[str, float]

    @property
    def relation(self) -> str:
        """The portal's own id of the inverter."""
        return str(uuid5(NAMESPACE_URL, f"semsportal/{self.serial}"))

    @property
    def power(self) -> float:
        """Watt of sunlight; on a hybrid that is not what leaves it as AC."""
        return round(self.values["pv_power"]) + 0.0

    @property
    def output(self) -> float:
        """Watt of AC."""
        return round(self.values["ac_power"]) + 0.0

    @property
    def meter(self) -> float:
        """Watt at the grid meter: + exports, as GoodWe counts."""
        return -round(self.values.get("grid_power", 0.0)) + 0.0

    @property
    def battery(self) -> float:
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
    def today(self) -> float:
        """Energy of today; the inverter counts in tenths of a kWh."""
        return round(self.values["pv_energy_today"], 1)

    @property
    def month(self) -> float:
        """Energy of this month without today, as the portal means it."""
        local = self.now.astimezone(self.home.zone)
        return max(0.0, round(self.home.energies(f"{local:%Y-%m}")["pv_energy"] - self.today, 1))

    @property
    def total(self) -> float:
        """Lifetime energy."""
        return round(self.values["pv_energy_total"], 1)

    def counted(self, name: str, digits: int = 3) -> float:
        """Return a counter by our name; what this home cannot count is 0.0 here."""
        return round(self.values.get(name, 0.0), digits)

    def account_date(self, moment: datetime) -> str:
        """Return a moment as the account likes to read it."""
        return moment.strftime(f"{_PATTERNS[self.date_format]} %H:%M:%S")

    @property
    def spoke_text(self) -> str:
        """When it last spoke, on the plant's wall."""
        return fixed_date(self.spoke.astimezone(self.home.zone))


def fixed_date(moment: datetime) -> str:
    """Return a moment in the form that is the same for every account."""
    return f"{moment:%m/%d/%Y %H:%M:%S}"


def china_date(moment: datetime) -> str:
    """Return a moment on the vendor's own clock."""
    return fixed_date(moment.astimezone(CHINA))


def epoch(moment: datetime) -> int:
    """Return a moment in epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def date_format(holder: Holder) -> str:
    """Return the date format of an account's settings."""
    return list(_PATTERNS)[differs(holder)]


def differs(holder: Holder) -> bool:
    """Tell whether an account is one of the half where things are a little different."""
    return bool(crc32(holder.username.encode()) & 1)


def units(site: Site, holder: Holder, stage: Stage) -> list[Unit]:
    """Return the inverters of a plant as they are now."""
    kind = KINDS[site.family]
    found = []
    for serial, home in zip(site.devices, site.homes, strict=True):
        at = home.heard(stage.uploaded_at())
        values = home.values(at)
        awake = values["pv_power"] > 0 or bool(home.battery_capacity)
        status = 1 if awake else -1 if kind.sleeps else 0
        spoke = _last_light(home, at) if status < 0 else at
        unit = Unit(kind, serial, site.id, home, status, spoke, stage.now(), date_format(holder), values)
        found.append(unit)
    return found


def _last_light(home: Home, at: datetime) -> datetime:
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
