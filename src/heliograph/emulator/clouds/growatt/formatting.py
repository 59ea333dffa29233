"""Format numbers, energies and times as Growatt's responses do: the inverse of `heliograph.core.parsing`."""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import CHINA

if TYPE_CHECKING:
    from datetime import datetime


def decimal(value: float, digits: int = 1) -> str:
    """Format a number without trailing zeros.

    >>> decimal(12.30), decimal(0.0), decimal(-0.04), decimal(0.845, 2), decimal(7, 0)
    ('12.3', '0', '0', '0.84', '7')
    """
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def kilowatt(watt: float) -> str:
    """Format a power in kW, as the status and chart calls do.

    >>> kilowatt(1180.0), kilowatt(3.0)
    ('1.18', '0')
    """
    return decimal(watt / 1000, 2)


def energy_text(kwh: float) -> str:
    """Format an energy in kWh or MWh, as the plant list does.

    >>> energy_text(9.3), energy_text(2562.4), energy_text(0)
    ('9.3 kWh', '2.56 MWh', '0 kWh')
    """
    return f"{decimal(kwh / 1000, 2)} MWh" if kwh >= 1000 else f"{decimal(kwh)} kWh"


def percent(part: float, whole: float) -> str:
    """Format a percentage.

    >>> percent(1.8, 10.9), percent(1, 0)
    ('16.5%', '0%')
    """
    return f"{decimal(100 * part / whole if whole > 0 else 0)}%"


def tenth(value: float) -> float:
    """Round as the numbers of detail responses are."""
    return round(value, 1)


def float32(value: float) -> float:
    """Return a Java float converted to double.

    >>> float32(53.08)
    53.08000183105469
    """
    return float(unpack("<f", pack("<f", round(value, 2)))[0])


def timestamp(moment: datetime) -> str:
    """Format a time in its own zone."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def java_date(moment: datetime) -> dict[str, int]:
    """Return a time as an old Java date: years from 1900, months from 0, weekdays from Sunday, in China's time zone.

    >>> from datetime import UTC, datetime
    >>> java_date(datetime(2025, 1, 30, 9, 11, 23, tzinfo=UTC))["time"]
    1738228283000
    """
    there = moment.astimezone(CHINA)
    return {
        "year": there.year - 1900,
        "month": there.month - 1,
        "date": there.day,
        "day": there.isoweekday() % 7,
        "hours": there.hour,
        "minutes": there.minute,
        "seconds": there.second,
        "time": int(there.timestamp() * 1000),
        "timezoneOffset": -480,
    }


def zeros(names: str) -> dict[str, Any]:
    """Return an object whose members are all 0."""
    return dict.fromkeys(names.split(), 0)


def empty_texts(names: str) -> dict[str, Any]:
    """Return an object whose members are all empty texts."""
    return dict.fromkeys(names.split(), "")
