"""The history shown on a plant's page: the selected period and its data from the store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR, day_at, day_start
from heliograph.local_time import parse_day as day_named
from heliograph.tariffs.money import sum_money
from heliograph.tariffs.reader import MoneyReader
from heliograph.web.page.format import sum_energies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.store.base import Bucket, Day, Repair, Series, Store
    from heliograph.tariffs.money import PeriodMoney

SPANS = ("day", "week", "month", "year")
POWERS = ("pv_power", "load_power", "grid_power", "battery_power", "battery_soc")
"""The metrics of the curves."""
_BUCKET_SECONDS = {"day": 3600, "week": 3 * 3600}
"""Seconds per row of the table below the curve."""
_MAX_REPAIRS = 50


class PeriodSelection(NamedTuple):
    """A day, week, month or year of the plant's local calendar, shown as power or energy."""

    span: str
    first: date
    last: date
    show: str
    chosen: bool = False
    """Whether the user selected a period; otherwise it is the newest day with data."""

    @property
    def previous(self) -> date | None:
        """A day in the previous period, unless it is before the oldest possible data."""
        day = self.first - timedelta(days=1)
        return day if day.year >= EARLIEST_YEAR else None

    def next(self, today: date) -> date | None:
        """Return the first day of the next period, unless it is in the future."""
        day = self.last + timedelta(days=1)
        return day if day <= today else None

    @property
    def title(self) -> str:
        """Heading of the period."""
        first, last = self.first, self.last
        if self.span == "day":
            return f"{first:%a} {first.day} {first:%B %Y}"
        if self.span == "week":
            start = f"{first.day} {first:%b}" if first.month != last.month else f"{first.day}"
            return f"{start} – {last.day} {last:%b %Y}"
        return f"{first:%B %Y}" if self.span == "month" else f"{first.year}"


class PeriodData(NamedTuple):
    """A selected period and its data."""

    selection: PeriodSelection
    today: date
    since: int
    until: int
    offsets: tuple[tuple[int, int], ...]
    """UTC offset in seconds, with the time from which it applies."""
    days: tuple[Day, ...]
    buckets: tuple[Bucket, ...]
    repairs: tuple[Repair, ...]
    money: PeriodMoney | None = None
    """The money of the period; None without a tariff."""
    problems: tuple[str, ...] = ()
    """Why prices cannot be read."""


class Bar(NamedTuple):
    """The energies of one bar: a day, or a month as the sum of its known days."""

    first: date
    values: Mapping[str, float | None]
    known_days: int
    total_days: int
    """Days with data, and all days up to today."""


def parse_selection(query: Mapping[str, str], today: date, newest: date | None = None) -> PeriodSelection:
    """Return the period selected by a query; default: `newest`, the last day with data, otherwise today.

    >>> parse_selection({"span": "week", "at": "2026-06-18"}, date(2026, 6, 21)).title
    '15 – 21 Jun 2026'
    >>> parse_selection({}, date(2026, 11, 28), newest=date(2026, 6, 21)).title
    'Sun 21 June 2026'
    """
    span = query.get("span", "day")
    if span not in SPANS:
        raise ConfigError(f"span must be one of {', '.join(SPANS)}; got {span!r}")
    at = day_named(query["at"]) if "at" in query else min(newest or today, today)
    if not EARLIEST_YEAR <= at.year <= today.year + 1:
        raise ConfigError(f"no data for the year {at.year}")
    show = query.get("show", "power" if span == "day" else "energy")
    if show not in {"power", "energy"}:
        raise ConfigError(f"show must be power or energy; got {show!r}")
    first, last = _bounds(span, at)
    chosen = not query.keys().isdisjoint({"span", "at", "show"})
    return PeriodSelection(span, first, last, "power" if span == "day" else show, chosen)


def _bounds(span: str, at: date) -> tuple[date, date]:
    if span == "day":
        return at, at
    if span == "week":
        monday = at - timedelta(days=at.weekday())
        return monday, monday + timedelta(days=6)
    if span == "month":
        first = at.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return date(at.year, 1, 1), date(at.year, 12, 31)


def load_period(
    store: Store,
    series: Series,
    zone: tzinfo,
    view: PeriodSelection,
    now: int,
    money: MoneyReader | None = None,
    current: Mapping[str, float | None] | None = None,
) -> PeriodData:
    """Return the data of a period; `current` are the energies of today, for a period that is today alone."""
    reader, today = money or MoneyReader(), day_at(now, zone)
    last = min(view.last, today)
    alone = current if view.first == view.last == today else None
    currency = reader.currency(series, zone)
    rows = reader.days(store, series, zone, view.first, last, now, alone)
    since, until = day_start(view.first, zone), day_start(view.last + timedelta(days=1), zone)
    seconds = _BUCKET_SECONDS.get(view.span)
    return PeriodData(
        selection=view,
        today=today,
        since=since,
        until=until,
        offsets=utc_offsets(zone, since, until),
        days=store.known_days(series, view.first, view.last),
        buckets=tuple(store.buckets(series, POWERS, since, until, seconds)) if seconds else (),
        repairs=store.repairs(series, since, until)[-_MAX_REPAIRS:] if view.span in _BUCKET_SECONDS else (),
        money=sum_money(currency, rows, (last - view.first).days + 1) if currency else None,
        problems=tuple(reader.problems.values()) if currency else (),
    )


def energy_bars(past: PeriodData) -> list[Bar]:
    """Return the days of a week or month, or the months of a year, including those without data."""
    view, known = past.selection, {one.day: one.values for one in past.days}
    every = [view.first + timedelta(days=number) for number in range((view.last - view.first).days + 1)]
    groups = groupby(every, key=lambda day: day.month if view.span == "year" else day)
    found = []
    for _, group in groups:
        days = list(group)
        with_data = [known[day] for day in days if any(v is not None for v in known.get(day, {}).values())]
        found.append(Bar(days[0], sum_energies(with_data), len(with_data), sum(day <= past.today for day in days)))
    return found


def utc_offsets(zone: tzinfo, since: int, until: int) -> tuple[tuple[int, int], ...]:
    """Return the UTC offsets in a time range with their start times; they change with daylight saving."""
    found = [(since, _offset(zone, since))]
    step = 86400
    for moment in range(since, until, step):
        end = min(moment + step, until)
        if _offset(zone, end) != found[-1][1]:
            low, high = moment, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _offset(zone, middle) != found[-1][1] else (middle, high)
            found.append((high, _offset(zone, high)))
    return tuple(found)


def _offset(zone: tzinfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds())
