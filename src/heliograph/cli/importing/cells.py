"""Numbers and times in the cells of a file: the decimal mark, the order of day and month, and the time zone.

A column is read as a whole, because one cell like "1,234" or "01/02/2024" has two meanings; if the whole column has
two, an error names the option that decides.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

DATE_ORDERS = ("ymd", "dmy", "mdy")
_GAPS = frozenset({"", "nan", "null", "none", "unknown", "unavailable", "n/a", "-"})
_NUMBER = re.compile(r"[+-]?(?=[.,]*+\d)[\d.,]++(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_DATE = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(.*))?")


class Cell(NamedTuple):
    """The text of a cell and its line in the file."""

    line: int
    text: str


def parse_numbers(column: str, cells: Sequence[Cell], decimal: str | None = None) -> tuple[list[float | None], str]:
    """Return the numbers of a column, None for a gap, and their decimal mark.

    >>> parse_numbers("PV", [Cell(2, "1.234,5"), Cell(3, ""), Cell(4, "0,25")])
    ([1234.5, None, 0.25], ',')
    """
    texts = [re.sub(r"\s|'|\xa0", "", cell.text) for cell in cells]
    mark = decimal or _decimal_mark(column, cells, texts)
    return [_number(column, cell, text, mark) for cell, text in zip(cells, texts, strict=True)], mark


def _decimal_mark(column: str, cells: Sequence[Cell], texts: Sequence[str]) -> str:
    commas = points = unclear = None
    for cell, text in zip(cells, texts, strict=True):
        if "," in text and ("." not in text or text.rfind(",") > text.rfind(".")):
            if "." not in text and _THOUSANDS.fullmatch(text):
                unclear = unclear or cell
            else:
                commas = commas or cell
        elif "." in text:
            points = points or cell
    if commas and points:
        raise ConfigError(
            f"{column!r} has a decimal comma in line {commas.line} ({commas.text!r}) and a decimal point in line "
            f"{points.line} ({points.text!r}); say which it is with --decimal comma or --decimal point"
        )
    if unclear and not commas and not points:
        raise ConfigError(
            f"line {unclear.line}: {unclear.text!r} in {column!r} may have a decimal comma or a comma between "
            "thousands; say which with --decimal comma or --decimal point"
        )
    return "," if commas else "."


def _number(column: str, cell: Cell, text: str, mark: str) -> float | None:
    if text.lower() in _GAPS:
        return None
    if _NUMBER.fullmatch(text):
        grouping = "." if mark == "," else ","
        try:
            value = float(text.replace(grouping, "").replace(mark, "."))
        except ValueError:
            value = float("nan")
        if isfinite(value):
            return value
    raise ConfigError(f"line {cell.line}: {cell.text[:40]!r} in {column!r} is no number")


def parse_times(
    column: str, cells: Sequence[Cell], order: str | None, zone: tzinfo
) -> tuple[list[date | datetime], str]:
    """Return the days, or times in UTC, of a column, and the order of day and month.

    `zone` is that of times without an offset. Raises `ConfigError` for a column that has days as well as times.
    """
    numbers = [cell for cell in cells if re.fullmatch(r"\d{10}(\.\d+)?|\d{13}", cell.text.strip())]
    if numbers and len(numbers) == len(cells):
        scale = [1000 if len(cell.text.strip()) == 13 else 1 for cell in cells]
        return [
            datetime.fromtimestamp(float(cell.text) / by, UTC) for cell, by in zip(cells, scale, strict=True)
        ], "epoch"
    parts = [_date_parts(column, cell) for cell in cells]
    found_order = order or _date_order(column, cells, parts)
    moments = [_moment(column, cell, part, found_order, zone) for cell, part in zip(cells, parts, strict=True)]
    if len({isinstance(moment, datetime) for moment in moments}) > 1:
        raise ConfigError(f"{column!r} has days and times; every line must have the same")
    return moments, found_order


def _date_parts(column: str, cell: Cell) -> tuple[str, ...]:
    text = cell.text.strip()
    if re.fullmatch(r"\d{8}", text):
        return text[:4], text[4:6], text[6:], "", ""
    found = _DATE.fullmatch(text)
    if not found:
        raise ConfigError(f"line {cell.line}: {cell.text[:40]!r} in {column!r} is no day and no time")
    return found[1], found[3], found[4], found[5] or "", found[6] or ""


def _date_order(column: str, cells: Sequence[Cell], parts: Sequence[tuple[str, ...]]) -> str:
    if all(len(part[0]) == 4 for part in parts):
        return "ymd"
    day_first = any(int(part[0]) > 12 for part in parts)
    month_first = any(int(part[1]) > 12 for part in parts)
    if day_first == month_first and not ("." in cells[0].text.split()[0] and not month_first):
        raise ConfigError(
            f"{column!r}: {cells[0].text!r} may be day and month or month and day; say which with --dates dmy or "
            "--dates mdy"
        )
    return "mdy" if month_first else "dmy"


def _moment(column: str, cell: Cell, parts: tuple[str, ...], order: str, zone: tzinfo) -> date | datetime:
    named = dict(zip(order, parts, strict=False))
    year = int(named["y"]) + (2000 if len(named["y"]) == 2 else 0)
    clock, offset = parts[3], parts[4]
    try:
        day = date(year, int(named["m"]), int(named["d"]))
        if day.year < EARLIEST_YEAR:
            raise ConfigError(f"line {cell.line}: {day} is before {EARLIEST_YEAR}, and no plant is older")
        if not clock:
            return day
        moment = datetime.fromisoformat(f"{day}T{clock.replace(',', '.').zfill(5)}{_offset(offset)}")
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"line {cell.line}: {cell.text[:40]!r} in {column!r} is no day or time in the order {order}"
        ) from None


def _offset(text: str) -> str:
    return {"UTC": "Z", "GMT": "Z"}.get(text, text)
