"""`heliograph history`: a table with bars of daily or monthly energies from the store; sends no requests."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import history as stored
from heliograph.cli.chart import HistoryPeriod, history_table, money_table
from heliograph.cli.drawing import Console
from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.cli.terminal import as_typed, print_error, print_json, printable
from heliograph.cli.timefmt import format_local_time
from heliograph.errors import ConfigError
from heliograph.local_time import day_bounds, period_range
from heliograph.metrics import ENERGIES
from heliograph.store import open_store

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.history import HistoryRow, StoredPlant
    from heliograph.store.base import Store
    from heliograph.tariffs.money import PeriodMoney
    from heliograph.tariffs.reader import MoneyReader

_EXAMPLES = """\
  heliograph history                                     the last 14 days
  heliograph history --plant "Home" --month 2026-06
  heliograph history --year 2026 --metric load_energy    month by month
  heliograph history --year 2026 --money                 at the tariffs of the configuration
  heliograph history --days 365 --json
"""
DEFAULT_DAYS = 14
_MAX_DAYS = 36_600


class PlantHistory(NamedTuple):
    """The days or months of one plant."""

    plant: StoredPlant
    periods: Sequence[HistoryPeriod]
    first_sample: datetime | None
    """When the first sample in these periods was measured; read only if no day has energies."""
    money: Mapping[str, PeriodMoney] | None = None
    """The money by period; None if it is not asked for."""


def add_history(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "history", _EXAMPLES, history, accounts=False)
    parser.add_argument("--plant", metavar="ID", help="the id or name of one plant (default: all)")
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--days", type=int, metavar="N", help=f"the last N days (default: {DEFAULT_DAYS})")
    span.add_argument("--month", metavar="MONTH", help="the days of a month, like 2026-06")
    span.add_argument("--year", metavar="YEAR", help="the months of a year, like 2026")
    parser.add_argument("--metric", metavar="NAME", default="pv_energy", help="metric of the bars (default: pv_energy)")
    parser.add_argument("--money", action="store_true", help="show cost, income, savings and CO2 at your tariffs")
    parser.add_argument("--json", action="store_true", help="print a list of objects, one per row; unknown is null")
    add_store_option(parser)


def history(options: Namespace) -> int:
    """Show the selected plants."""
    stored.check_metrics([options.metric], "day")
    reader = _money_reader(options) if options.money else None
    with open_store(store_location(options), create=False) as store:
        plants = stored.stored_plants(store, options.plant)
        histories = [_read_history(store, plant, options, reader) for plant in plants]
    if reader is not None:
        for problem in reader.problems.values():
            print_error(f"prices are missing: {problem}")
    if options.json:
        print_json(
            [
                period_dict(one.plant, period, ENERGIES) | _money_dict(one, period.label)
                for one in histories
                for period in one.periods
            ]
        )
    else:
        _print_tables(histories, options.metric)
    return 0


def day_range(options: Namespace, plant: StoredPlant) -> tuple[date, date]:
    """Return the first and the last selected day, in plant local time."""
    today = datetime.now(UTC).astimezone(plant.zone).date()
    if options.month is not None or options.year is not None:
        length, text = (7, options.month) if options.year is None else (4, options.year)
        if len(text) != length:
            kind = "month is written like 2026-06" if length == 7 else "year is written like 2026"
            raise ConfigError(f"a {kind}, not {text!r}")
        first, last = period_range(text)
        if first > today:
            raise ConfigError(f"{text} is in the future")
        return first, min(last, today)
    number = DEFAULT_DAYS if options.days is None else options.days
    if not 1 <= number <= _MAX_DAYS:
        raise ConfigError(f"--days is a number from 1 to {_MAX_DAYS}, not {number}")
    return today - timedelta(days=number - 1), today


def _money_reader(options: Namespace) -> MoneyReader:
    """Return a reader of money; raises `ConfigError` if no tariff is configured."""
    from heliograph.cli.serve import money_reader  # noqa: PLC0415 - only with --money

    config = load_config(options)
    if not config.tariffs:
        raise ConfigError(f"no tariff is configured in {config.path}; add a [[tariff]] table with the prices")
    return money_reader(config)


def _money_dict(one: PlantHistory, label: str) -> dict[str, Any]:
    """Return the money of a row, JSON-ready: null without a tariff of the plant, or before its first one."""
    if one.money is None:
        return {}
    money = one.money.get(label)
    if money is None:
        return {"money": None}
    values = {name: None if value is None else round(value, 4) for name, value in money.values.items()}
    return {"money": {"currency": money.currency, **values, "days_known": dict(money.known)}}


def _read_money(
    store: Store, plant: StoredPlant, reader: MoneyReader, days: tuple[date, date], *, monthly: bool
) -> dict[str, PeriodMoney]:
    from heliograph.tariffs.money import group_money  # noqa: PLC0415 - only with --money

    currency = reader.currency(plant.series, plant.zone)
    if currency is None:
        return {}
    rows = reader.days(store, plant.series, plant.zone, *days, int(datetime.now(UTC).timestamp()))
    found = group_money(currency, rows, *days, "month" if monthly else "day")
    return {f"{first:%Y-%m}" if monthly else f"{first}": money for first, money in found}


def _read_history(
    store: Store, plant: StoredPlant, options: Namespace, reader: MoneyReader | None = None
) -> PlantHistory:
    first, last = day_range(options, plant)
    periods, at = list(read_periods(store, plant, first, last, monthly=options.year is not None)), None
    if not any(period.known for period in periods):
        since, until = day_bounds(first, plant.zone)[0], day_bounds(last, plant.zone)[1]
        at = next(store.sample_times(plant.series, since, until), None)
    monthly = options.year is not None
    money = None if reader is None else _read_money(store, plant, reader, (first, last), monthly=monthly)
    return PlantHistory(plant, periods, None if at is None else datetime.fromtimestamp(at, UTC), money)


def read_periods(
    store: Store, plant: StoredPlant, first: date, last: date, *, monthly: bool
) -> Iterator[HistoryPeriod]:
    """Yield the days or months from first to last; one without data has only gaps."""
    selection = stored.HistorySelection([plant], first, last, "day", ENERGIES)
    rows = {row.start: row for row in stored.rows(store, selection)}
    day = first
    while day <= last:
        length = monthrange(day.year, day.month)[1] - day.day + 1 if monthly else 1
        days = [day + timedelta(days=offset) for offset in range(min(length, (last - day).days + 1))]
        label = f"{day:%Y-%m}" if monthly else f"{day}"
        yield _sum_days(label, [rows.get(one) for one in days], ENERGIES)
        day = days[-1] + timedelta(days=1)


def _sum_days(label: str, days: Sequence[HistoryRow | None], names: Sequence[str]) -> HistoryPeriod:
    known = [row for row in days if row is not None]
    sums: dict[str, float | None] = {}
    for index, name in enumerate(names):
        column = [value for row in known if isinstance(value := row.values[index], float)]
        sums[name] = round(sum(column), 3) if column else None
    provisional = frozenset(name for row in known for name in row.provisional)
    return HistoryPeriod(label, sums, len(known), len(days), all(row.final for row in known), provisional)


def period_dict(plant: StoredPlant, period: HistoryPeriod, names: Sequence[str]) -> dict[str, Any]:
    """Return a row, JSON-ready."""
    return {
        "vendor": plant.series.vendor,
        "plant": plant.series.plant,
        "name": plant.name,
        "period": period.label,
        **{name: period.values[name] for name in names},
        "days": period.days,
        "days_known": period.known,
        "final": period.final and period.known > 0,
        "provisional": sorted(period.provisional),
    }


def _no_data_text(history: PlantHistory) -> str:
    """Return the reason for an empty table: no data, or samples of a first day that is not counted yet."""
    labels = dict.fromkeys(period.label for period in (history.periods[0], history.periods[-1]))
    span = " to ".join(labels)
    if history.first_sample is None:
        return f"no data for {span}; run: heliograph backfill"
    since = format_local_time(history.first_sample, datetime.now(UTC))
    return (
        f"samples are stored since {since}, but no day of {span} has energies yet; "
        "for the samples run: heliograph export; for earlier days: heliograph backfill"
    )


def _print_tables(histories: Sequence[PlantHistory], metric: str) -> None:
    console = Console(highlight=False)
    for number, one in enumerate(histories):
        if number:
            console.print()
        name = one.plant.name or one.plant.series.plant
        if any(period.known for period in one.periods):
            if one.money is None:
                console.print(history_table(name, one.periods, metric, console.width, console.encoding))
            elif one.money:
                console.print(money_table(name, one.periods, one.money))
            else:
                console.print(printable(f"{name}: no tariff is configured for this plant in this time"), markup=False)
        else:
            console.print(printable(as_typed(f"{name}: {_no_data_text(one)}")), markup=False)
