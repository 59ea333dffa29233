"""The energies of whole days from the columns of a file, in plant local time."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from heliograph.cli.importing.cells import Cell, parse_numbers, parse_times
from heliograph.errors import ConfigError
from heliograph.local_time import day_at, day_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from heliograph.cli.importing.tables import SourceColumn

IN_KWH = {"Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}
VALUE_KINDS = ("energy", "counter")
_HOUR = 3600
_MIN_DAILY_STEP = 20 * _HOUR
"""Seconds between two lines from which a file has a line per day."""
_MIN_COVERED = 23 / 24
"""Part of a day that must have values."""
_MIN_COUNTER_ROWS = 14


class ReadRules(NamedTuple):
    """The format of a file's cells as the options state it; None is found out from the file."""

    unit: str | None = None
    decimal: str | None = None
    dates: str | None = None
    kind: str | None = None
    zone: tzinfo | None = None
    incomplete: bool = False


class DayColumn(NamedTuple):
    """The energies of one column in kWh by day, and how its cells were understood."""

    column: str
    unit: str
    unit_is_assumed: bool
    decimal: str
    dates: str
    kind: str
    values: dict[date, float]
    lines: dict[date, int]
    gaps: int
    """Lines without a value."""
    left_out: tuple[date, ...]
    """Days of which the file has only a part."""


class _Interval(NamedTuple):
    """An energy between two times, in epoch seconds."""

    line: int
    start: int
    end: int
    kwh: float


def read_days(source: SourceColumn, rules: ReadRules, zone: tzinfo) -> DayColumn:
    """Return the energies of a column by day; raises `ConfigError` for a cell or an order that cannot be right."""
    times, values = _without_empty_lines(source)
    numbers, mark = parse_numbers(source.name, values, rules.decimal)
    moments, order = parse_times("the time", times, rules.dates, rules.zone or zone)
    unit = rules.unit or source.unit or "kWh"
    scaled = [None if number is None else number * IN_KWH[unit] for number in numbers]
    kind = rules.kind or source.kind or _kind(source.name, scaled)
    rows = list(zip(times, moments, scaled, strict=True))
    left_out: tuple[date, ...] = ()
    if kind == "counter":
        if rows and not isinstance(rows[0][1], datetime):
            raise ConfigError(f"{source.name!r} is a counter, and the file has no time of day of its readings")
        found, lines, left_out = _sum_intervals(_differences(source, rows, zone, rules), zone, rules)
    elif any(isinstance(moment, datetime) for moment in moments) and _step(rows) < _MIN_DAILY_STEP:
        found, lines, left_out = _sum_intervals(_energies(source, rows), zone, rules)
    else:
        found, lines = _daily(source, rows, zone)
    gaps = sum(number is None for number in numbers)
    return DayColumn(
        source.name, unit, not (rules.unit or source.unit), mark, order, kind, found, lines, gaps, left_out
    )


def _without_empty_lines(source: SourceColumn) -> tuple[list[Cell], list[Cell]]:
    """Return the cells of lines with a time; one without a time may have no value either."""
    kept = []
    for time, value in zip(source.times, source.values, strict=True):
        if time.text.strip():
            kept.append((time, value))
        elif value.text.strip():
            raise ConfigError(f"line {time.line}: {value.text[:40]!r} in {source.name!r} has no day")
    if not kept:
        raise ConfigError(f"{source.name!r} has no values")
    return [time for time, _ in kept], [value for _, value in kept]


def _kind(column: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    steps = [after - before for before, after in pairwise(known)]
    if len(known) >= _MIN_COUNTER_ROWS and min(steps) >= 0 and sum(step > 0 for step in steps) > len(steps) / 3:
        raise ConfigError(
            f"{column!r} never falls in {len(known)} lines, as the reading of a meter does; say what it is with "
            "--values counter (a reading) or --values energy (the energy of each line)"
        )
    return "energy"


_Row = tuple[Cell, "date | datetime", "float | None"]


def _daily(source: SourceColumn, rows: Sequence[_Row], zone: tzinfo) -> tuple[dict[date, float], dict[date, int]]:
    found: dict[date, float] = {}
    lines: dict[date, int] = {}
    for cell, moment, kwh in rows:
        day = moment
        if isinstance(moment, datetime):
            local = moment.astimezone(zone)
            day = local.date()
            if day_bounds(day, zone)[0] != int(moment.timestamp()):
                raise ConfigError(
                    f"line {cell.line}: {cell.text!r} is {local:%H:%M} in the plant's time zone ({zone}), so this is a "
                    "day of another zone; name the zone of the file's times with --zone, or remove the time from the "
                    "column to take the days as they are"
                )
        if day in lines:
            raise ConfigError(f"line {cell.line}: {day} is in line {lines[day]} already; remove one of them")
        lines[day] = cell.line
        if kwh is not None:
            if kwh < 0:
                raise ConfigError(f"line {cell.line}: {kwh:g} kWh in {source.name!r} is negative, and no energy is")
            found[day] = kwh
    return found, lines


def _step(rows: Sequence[_Row]) -> float:
    """Return the usual seconds between two lines; a whole day for a single line."""
    times = sorted({int(moment.timestamp()) for _, moment, _ in rows if isinstance(moment, datetime)})
    return median(after - one for one, after in pairwise(times)) if len(times) > 1 else float(_MIN_DAILY_STEP)


def _energies(source: SourceColumn, rows: Sequence[_Row]) -> Iterator[_Interval]:
    step, seen = int(_step(rows)), dict[int, int]()
    for cell, moment, kwh in rows:
        start = int(moment.timestamp()) if isinstance(moment, datetime) else 0
        if start in seen:
            raise ConfigError(f"line {cell.line}: {cell.text!r} is in line {seen[start]} already; remove one of them")
        seen[start] = cell.line
        if kwh is not None:
            # A statistic of a counter that was corrected may fall by a rounding error.
            if kwh < -0.05:
                raise ConfigError(f"line {cell.line}: {kwh:g} kWh in {source.name!r} is negative, and no energy is")
            yield _Interval(cell.line, start, start + step, max(kwh, 0.0))


def _differences(source: SourceColumn, rows: Sequence[_Row], zone: tzinfo, rules: ReadRules) -> Iterator[_Interval]:
    step = _period(rows, zone) if source.ends and rules.kind is None else 0
    readings = sorted(
        (int(moment.timestamp()) + step, kwh, cell)
        for cell, moment, kwh in rows
        if isinstance(moment, datetime) and kwh is not None
    )
    for (start, before, _), (end, after, cell) in pairwise(readings):
        if start == end:
            raise ConfigError(f"line {cell.line}: {cell.text!r} occurs twice; remove one of the lines")
        if after < before - 0.05:
            raise ConfigError(
                f"line {cell.line}: the counter {source.name!r} falls from {before:g} to {after:g} kWh; a meter was "
                "replaced or reset there: import the parts before and after as two files"
            )
        yield _Interval(cell.line, start, end, max(after - before, 0.0))


def _period(rows: Sequence[_Row], zone: tzinfo) -> int:
    """Return the seconds of a row of statistics: an hour or less, or a day if the rows begin at midnight."""
    step, (_, first, _) = int(_step(rows)), rows[0]
    is_daily = step >= _MIN_DAILY_STEP and isinstance(first, datetime) and first.astimezone(zone).hour == 0
    return step if is_daily else min(step, _HOUR)


def _sum_intervals(
    intervals: Iterator[_Interval], zone: tzinfo, rules: ReadRules
) -> tuple[dict[date, float], dict[date, int], tuple[date, ...]]:
    """Sum the intervals of each day; a day without values for an hour or more is left out."""
    sums: dict[date, float] = defaultdict(float)
    covered: dict[date, int] = defaultdict(int)
    lines: dict[date, int] = {}
    for one in intervals:
        day = day_at(one.start, zone)
        lines.setdefault(day, one.line)
        # An interval across midnight belongs to both days, and its parts are unknown; an hour is a small error.
        if one.end <= day_bounds(day, zone)[1] or one.end - one.start <= _HOUR:
            sums[day] += one.kwh
            covered[day] += one.end - one.start
    complete = {}
    for day in lines:
        start, end = day_bounds(day, zone)
        if rules.incomplete or covered[day] >= _MIN_COVERED * (end - start):
            complete[day] = round(sums[day], 6)
    return complete, lines, tuple(sorted(lines.keys() - complete.keys()))
