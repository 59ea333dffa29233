"""`heliograph history`: what flowed on each day, or in each month, as a table with bars; no cloud is asked."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.terminal import print_json, printable
from heliograph.cli.timefmt import format_local_time
from heliograph.errors import ConfigError
from heliograph.metrics import ENERGIES

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from heliograph.history import HistoryRow, StoredPlant
    from heliograph.store.base import Store

_EXAMPLES = """\
  heliograph history                                     the last 14 days
  heliograph history --plant "Home" --month 2026-06
  heliograph history --year 2026 --metric load_energy    month by month
  heliograph history --days 365 --json
"""
USUAL = 14
_MOST = 36_600


class HistoryPeriod(NamedTuple):
    """A day or a month of one plant: what flowed, in kWh, and of how many of its days that is known."""

    label: str
    values: dict[str, float | None]
    known: int
    days: int
    final: bool


class Past(NamedTuple):
    """What is kept of one plant's days or months, and when the first sample within them was measured."""

    roof: StoredPlant
    rows: Sequence[HistoryPeriod]
    sampled: datetime | None
    """Looked up only where no day is known."""


def add_history(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "history", _EXAMPLES, history, accounts=False)
    parser.add_argument("--plant", metavar="ID", help="the id or the name of one plant; else all")
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--days", type=int, metavar="N", help=f"the last N days; {USUAL} unless said")
    span.add_argument("--month", metavar="MONTH", help="the days of a month, like 2026-06")
    span.add_argument("--year", metavar="YEAR", help="the months of a year, like 2026")
    parser.add_argument(
        "--metric", metavar="NAME", default="pv_energy", help="what the bars show; pv_energy unless said"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects, one per row; unknown is null")
    add_store_option(parser)


def history(options: Namespace) -> int:
    """Show every plant that is asked for."""
    from heliograph.history import check_metrics, stored_plants  # noqa: PLC0415 - help needs no store
    from heliograph.store import open_store  # noqa: PLC0415 - likewise

    check_metrics([options.metric], "day")
    monthly = options.year is not None
    with open_store(store_location(options), create=False) as store:
        chosen = stored_plants(store, options.plant)
        found = [_past(store, roof, *bounds(options, roof), monthly=monthly) for roof in chosen]
    if options.json:
        print_json([as_dict(one.roof, row, ENERGIES) for one in found for row in one.rows])
        return 0
    _show(found, options.metric)
    return 0


def bounds(options: Namespace, roof: StoredPlant) -> tuple[date, date]:
    """Return the first and the last day that are asked for, as it is now where the plant is."""
    from heliograph.local_time import period_range as of_period  # noqa: PLC0415 - help needs no calendar

    today = datetime.now(UTC).astimezone(roof.zone).date()
    if options.month is not None or options.year is not None:
        letters, text = (7, options.month) if options.year is None else (4, options.year)
        if len(text) != letters:
            kind = "month is written like 2026-06" if letters == 7 else "year is written like 2026"
            raise ConfigError(f"a {kind}, not {text!r}")
        first, last = of_period(text)
        if first > today:
            raise ConfigError(f"{text} is still to come")
        return first, min(last, today)
    number = USUAL if options.days is None else options.days
    if not 1 <= number <= _MOST:
        raise ConfigError(f"--days is a number from 1 to {_MOST}, not {number}")
    return today - timedelta(days=number - 1), today


def _past(store: Store, roof: StoredPlant, first: date, last: date, *, monthly: bool) -> Past:
    from heliograph.local_time import day_bounds as of_day  # noqa: PLC0415 - help needs no collector

    found, moment = list(periods(store, roof, first, last, monthly=monthly)), None
    if not any(one.known for one in found):
        span = of_day(first, roof.zone)[0], of_day(last, roof.zone)[1]
        moment = next(store.sample_times(roof.series, *span), None)
    return Past(roof, found, None if moment is None else datetime.fromtimestamp(moment, UTC))


def periods(store: Store, roof: StoredPlant, first: date, last: date, *, monthly: bool) -> Iterator[HistoryPeriod]:
    """Yield the days, or the months, from the first to the last; one of which nothing is known has only gaps."""
    from heliograph.history import HistorySelection, rows  # noqa: PLC0415 - help needs no store

    by_day = {row.start: row for row in rows(store, HistorySelection([roof], first, last, "day", ENERGIES))}
    day = first
    while day <= last:
        length = monthrange(day.year, day.month)[1] - day.day + 1 if monthly else 1
        every = [day + timedelta(days=past) for past in range(min(length, (last - day).days + 1))]
        label = f"{day:%Y-%m}" if monthly else f"{day}"
        yield _together(label, [by_day.get(one) for one in every], ENERGIES)
        day = every[-1] + timedelta(days=1)


def _together(label: str, days: Sequence[HistoryRow | None], names: Sequence[str]) -> HistoryPeriod:
    known = [row for row in days if row is not None]
    sums: dict[str, float | None] = {}
    for place, name in enumerate(names):
        column = [value for row in known if (value := row.values[place]) is not None]
        sums[name] = round(sum(column), 3) if column else None
    return HistoryPeriod(label, sums, len(known), len(days), all(row.final for row in known))


def as_dict(roof: StoredPlant, one: HistoryPeriod, names: Sequence[str]) -> dict[str, Any]:
    """Return a row as JSON-ready data."""
    return {
        "vendor": roof.series.vendor,
        "plant": roof.series.plant,
        "name": roof.name,
        "period": one.label,
        **{name: one.values[name] for name in names},
        "days": one.days,
        "days_known": one.known,
        "final": one.final and one.known > 0,
    }


def _span(rows: Sequence[HistoryPeriod]) -> str:
    return " to ".join(dict.fromkeys(one.label for one in (rows[0], rows[-1])))


def _missing(past: Past) -> str:
    """Say why there is no table: nothing is kept, or samples of which no day is counted yet, as on a first day."""
    if past.sampled is None:
        return f"nothing is kept of {_span(past.rows)}; run: heliograph backfill"
    since = format_local_time(past.sampled, datetime.now(UTC))
    return (
        f"samples are kept from {since} on, but no day of {_span(past.rows)} is counted yet; "
        "the samples: heliograph export; days before: heliograph backfill"
    )


def _show(found: Sequence[Past], metric: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none

    from heliograph.cli.chart import history_table  # noqa: PLC0415 - likewise

    console = Console(highlight=False)
    for number, past in enumerate(found):
        if number:
            console.print()
        name = past.roof.name or past.roof.series.plant
        if not any(one.known for one in past.rows):
            console.print(printable(f"{name}: {_missing(past)}"), markup=False)
            continue
        console.print(history_table(name, past.rows, metric, console.width, console.encoding))
