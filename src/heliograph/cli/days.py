"""Days as the command line names them, checked before anything is opened or asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from datetime import date


def day(text: str | None, option: str) -> date | None:
    """Return the day an option names, if it was given."""
    from heliograph.periods import parse_day  # noqa: PLC0415 - help needs no calendar

    if text is None:
        return None
    try:
        found = parse_day(text)
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None
    if f"{found}" != text:
        raise ConfigError(f"{option}: a day is written like 2026-06-21, not {text!r}")
    return found


def in_order(first: date | None, last: date | None, options: tuple[str, str]) -> None:
    """Refuse days that are the wrong way round."""
    if first is not None and last is not None and first > last:
        raise ConfigError(f"{options[0]} {first} comes after {options[1]} {last}; give the earlier day first")
