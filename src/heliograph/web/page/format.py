"""Formatting for the pages: numbers, ages, badges, and how energy splits between own use and grid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.freshness import POLL_GRACE, Freshness
from heliograph.metrics import ENERGIES, published_value
from heliograph.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from heliograph.current import DeviceState, PlantState


GAP = "–"
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_REPORTING = {Freshness.LIVE, Freshness.STALE}


class Badge(NamedTuple):
    """A state: short label, longer sentence, and tone."""

    label: str
    sentence: str
    tone: str
    """One of good, quiet, warn and bad."""


def power(watts: float | None) -> str:
    """Return a power with three digits in a suitable unit.

    >>> [power(one) for one in (None, 0, 842.4, 3400, -12_400, 1_250_000)]
    ['–', '0\u202fW', '842\u202fW', '3.40\u202fkW', '−12.4\u202fkW', '1.25\u202fMW']
    """
    if watts is None:
        return GAP
    if abs(watts) < 999.5:
        return f"{_signed(watts, 0)}{_SPACE}W"
    if abs(watts) < 999_500:
        return f"{_figures(watts / 1e3)}{_SPACE}kW"
    return f"{_figures(watts / 1e6)}{_SPACE}MW"


def energy(kwh: float | None, *, provisional: bool = False) -> str:
    """Return an energy with three digits in a suitable unit; a provisional one is marked.

    >>> [energy(one) for one in (None, 0, 0.0842, 19, 4310.2)]
    ['–', '0\u202fkWh', '84\u202fWh', '19.0\u202fkWh', '4.31\u202fMWh']
    >>> energy(1.7, provisional=True), energy(None, provisional=True)
    ('~1.70\u202fkWh', '–')
    """
    if kwh is None:
        return GAP
    if provisional:
        return f"~{energy(kwh)}"
    if kwh == 0:
        return f"0{_SPACE}kWh"
    if abs(kwh) < 0.9995:
        return f"{_signed(kwh * 1e3, 0)}{_SPACE}Wh"
    if abs(kwh) < 999.5:
        return f"{_figures(kwh)}{_SPACE}kWh"
    return f"{_figures(kwh / 1e3)}{_SPACE}MWh"


def peak_power(kwp: float) -> str:
    """Return the size of a plant, or of many.

    >>> peak_power(9.8), peak_power(8410)
    ('9.80\u202fkWp', '8.41\u202fMWp')
    """
    return f"{_figures(kwp)}{_SPACE}kWp" if kwp < 999.5 else f"{_figures(kwp / 1e3)}{_SPACE}MWp"


def specific_yield(kwh: float | None, peak_power: float | None) -> str | None:
    """Return an energy per kWp of a plant; None if either is unknown.

    >>> specific_yield(14.5, 9.8), specific_yield(None, 9.8), specific_yield(14.5, None)
    ('1.48\u202fkWh/kWp', None, None)
    """
    if kwh is None or not peak_power:
        return None
    return f"{_figures(kwh / peak_power)}{_SPACE}kWh/kWp"


def money(amount: float | None, currency: str) -> str:
    """Return an amount of money with its currency.

    >>> [money(one, "EUR") for one in (None, 12.345, -0.274, 1234.5, -0.001)], money(3, "CHF")
    (['–', '€12.35', '−€0.27', '€1,234.50', '€0.00'], '3.00\u202fCHF')
    """
    if amount is None:
        return GAP
    text = f"{abs(amount):,.2f}"
    sign = _MINUS if amount < 0 and float(text.replace(",", "")) else ""
    symbol = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency)
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{text}{_SPACE}{currency}"


def mass(kg: float | None) -> str:
    """Return a mass with three digits in a suitable unit.

    >>> [mass(one) for one in (None, 0, 0.84, 12.3, 4310)]
    ['–', '0\u202fkg', '0.84\u202fkg', '12.3\u202fkg', '4.31\u202ft']
    """
    if kg is None:
        return GAP
    if kg == 0:
        return f"0{_SPACE}kg"
    return f"{_figures(kg)}{_SPACE}kg" if abs(kg) < 999.5 else f"{_figures(kg / 1e3)}{_SPACE}t"


def axis_label(kwh: float) -> str:
    """Return an energy for an axis label, without trailing zeros.

    >>> [axis_label(one) for one in (0, 0.25, 2.5, 20, 1000)]
    ['0\u202fkWh', '250\u202fWh', '2.5\u202fkWh', '20\u202fkWh', '1\u202fMWh']
    """
    number, space, unit = energy(kwh).partition(_SPACE)
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{space}{unit}"


def exact_value(value: float | None, unit: str) -> str:
    """Return a value with all its digits.

    >>> exact_value(21034.2, "kWh"), exact_value(None, "W")
    ('21,034.2\u202fkWh', '–')
    """
    rounded = published_value(value)
    return GAP if rounded is None else f"{rounded:,}".removesuffix(".0").replace("-", _MINUS) + _SPACE + unit


def percent(share: float | None) -> str:
    """Return a percentage.

    >>> percent(63.7), percent(None)
    ('64\u202f%', '–')
    """
    return GAP if share is None else f"{_signed(share, 0)}{_SPACE}%"


def count(number: int, one: str, many: str) -> str:
    """Return a number with its noun.

    >>> count(1, "plant", "plants"), count(1200, "plant", "plants")
    ('1 plant', '1,200 plants')
    """
    return f"{number:,} {one if number == 1 else many}"


def age(seconds: float) -> str:
    """Return an age in words.

    >>> [age(one) for one in (20, 130, 5000, 7400, 200_000)]
    ['just now', '2 min ago', '83 min ago', '2 h ago', '2 days ago']
    """
    if seconds < _MINUTE:
        return "just now"
    if seconds < 90 * _MINUTE:
        return f"{seconds // _MINUTE:.0f} min ago"
    return f"{seconds // _HOUR:.0f} h ago" if seconds < 2 * _DAY else f"{seconds // _DAY:.0f} days ago"


def clock_time(moment: float, zone: tzinfo, now: float) -> str:
    """Return a plant-local time, with its date unless that is today.

    >>> noon = 1_782_043_200
    >>> clock_time(noon, UTC, noon), clock_time(noon - 86400, UTC, noon), clock_time(noon - 86400 * 90, UTC, noon)
    ('12:00', 'Sat 12:00', '23 Mar 2026 12:00')
    """
    local, today = to_local(moment, zone), to_local(now, zone)
    days = (local.date() - today.date()).days
    if not days:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if abs(days) < 7 else f"{local.day} {local:%b %Y %H:%M}"


def to_local(moment: float, zone: tzinfo) -> datetime:
    """Return a time in a zone."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)


def freshness_badge(plant: PlantState, now: int) -> Badge:
    """Return the badge of a plant's freshness."""
    if plant.measured_at is None and plant.freshness is not Freshness.NOT_POLLED:
        return Badge("no data", "No data received yet", "bad")
    if plant.measured_at is None:
        return Badge("not polled", "No data received yet: not polled", "warn")
    ago, at = age(max(0, now - plant.measured_at)), clock_time(plant.measured_at, plant.zone, now)
    return {
        Freshness.LIVE: Badge("live", f"Live, {ago}", "good"),
        Freshness.STALE: Badge("stale", f"Stale, last update {ago}", "warn"),
        Freshness.NOT_POLLED: Badge("not polled", f"Not polled; last update {at}", "warn"),
        Freshness.OFFLINE_EXPECTED: Badge("asleep", f"Offline for the night; last update {at}", "quiet"),
        Freshness.OFFLINE_UNEXPECTED: Badge("offline", f"Offline since {at} (unexpected)", "bad"),
    }[plant.freshness]


def poll_note(plant: PlantState, now: int) -> str | None:
    """Return how often a plant is polled and when next, or why it is not; None if no collector has polled it."""
    poll = plant.poll
    if poll is None:
        return None
    next_at = clock_time(poll.next_at, plant.zone, now)
    if now > poll.next_at + POLL_GRACE:
        last = clock_time(poll.polled_at, plant.zone, now)
        return f"last polled {last}, the poll at {next_at} did not happen: is the collector running?"
    if poll.reason or poll.next_at - poll.polled_at > 2 * poll.interval:  # at night without a battery
        return f"next poll {next_at}" + (f": {poll.reason}" if poll.reason else "")
    late = f", data arrives {_minutes(plant.arrival_delay)} late" if plant.arrival_delay else ""
    return f"polled every {_minutes(poll.interval)}{late}, next {next_at}"


def _minutes(seconds: float) -> str:
    return count(max(1, round(seconds / _MINUTE)), "minute", "minutes")


def device_badge(device: DeviceState, plant: PlantState, now: int) -> Badge | None:
    """Return the badge of a device: its reported status, unless the plant or the device has sent no data since.

    A device and its plant never disagree: while the plant is offline, so are its devices.
    """
    status = status_badge(device.status)
    if device.status is Status.FAULT:
        return status
    if plant.freshness not in _REPORTING:
        return freshness_badge(plant, now)
    if device.status is Status.OFFLINE or device.measured_at is None:
        return status
    if device.freshness is Freshness.OFFLINE_UNEXPECTED:
        since = clock_time(device.measured_at, plant.zone, now)
        return Badge("silent", f"No data from this device since {since}", "warn")
    return status


def status_badge(status: Status | None) -> Badge | None:
    """Return the badge of a reported status, if there is one."""
    if status is None:
        return None
    return {
        Status.ONLINE: Badge("online", "Working normally", "good"),
        Status.STANDBY: Badge("standby", "On standby", "quiet"),
        Status.FAULT: Badge("fault", "Fault reported", "bad"),
        Status.OFFLINE: Badge("offline", "Offline according to the vendor API", "quiet"),
    }[status]


def _figures(number: float) -> str:
    """Return a number with at least three significant digits."""
    size = abs(number)
    return _signed(number, 2 if size < 9.995 else 1 if size < 99.95 else 0)


def _signed(number: float, places: int) -> str:
    text = f"{number:,.{places}f}"
    return "0" if text == "-0" else text.replace("-", _MINUS)


class EnergySplit(NamedTuple):
    """An energy in kWh, split into own use (`own`) and exchange with the grid (`grid`)."""

    total: float
    own: float | None
    grid: float | None

    @property
    def share(self) -> float | None:
        """Percentage of own use."""
        return None if self.own is None else 100 * self.own / self.total


def split_solar(values: Mapping[str, float | None]) -> EnergySplit | None:
    """Split the solar energy into self-consumed and exported energy.

    >>> split_solar({"pv_energy": 20.0, "grid_export_energy": 5.0}).share
    75.0
    """
    return split_energy(values.get("pv_energy"), values.get("grid_export_energy"))


def split_house(values: Mapping[str, float | None]) -> EnergySplit | None:
    """Split the consumption of the house into self-supplied and imported energy.

    >>> split_house({"load_energy": 10.0, "grid_import_energy": None})
    EnergySplit(total=10.0, own=None, grid=None)
    """
    return split_energy(values.get("load_energy"), values.get("grid_import_energy"))


def split_energy(total: float | None, grid: float | None) -> EnergySplit | None:
    """Split a total; if a battery trades with the grid, the grid's part can exceed it and no share is known."""
    if total is None or total <= 0:
        return None
    if grid is None or not 0 <= grid <= total:
        return EnergySplit(total, None, None)
    return EnergySplit(total, total - grid, grid)


def sum_energies(days: Iterable[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Return the sums of the known energies of several days; None if unknown for all of them."""
    sums: dict[str, float | None] = dict.fromkeys(ENERGIES)
    for values in days:
        for name in ENERGIES:
            value = values.get(name)
            if value is not None:
                sums[name] = round((sums[name] or 0.0) + value, 3)
    return sums
