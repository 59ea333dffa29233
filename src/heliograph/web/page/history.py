"""Which part of a plant's past a page shows, and that part as the store tells it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR, day_at, day_start
from heliograph.local_time import parse_day as day_named
from heliograph.web.page.format import sum_energies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.store.base import Bucket, Day, Repair, Series, Store

SPANS = ("day", "week", "month", "year")
POWERS = ("pv_power", "load_power", "grid_power", "battery_power", "battery_soc")
"""What a curve is drawn of."""
_STRETCH = {"day": 3600, "week": 3 * 3600}
"""Seconds of a row in the table beside the curve."""
_MOST_REPAIRS = 50


class PeriodSelection(NamedTuple):
    """A day, week, month or year of the plant's own calendar, as power or as energy."""

    span: str
    first: date
    last: date
    show: str

    @property
    def previous(self) -> date | None:
        """A day of the span before, if plants could be that old."""
        day = self.first - timedelta(days=1)
        return day if day.year >= EARLIEST_YEAR else None

    def next(self, today: date) -> date | None:
        """Return the first day of the next span, unless that lies in the future."""
        day = self.last + timedelta(days=1)
        return day if day <= today else None

    @property
    def title(self) -> str:
        """How a person calls it."""
        first, last = self.first, self.last
        if self.span == "day":
            return f"{first:%a} {first.day} {first:%B %Y}"
        if self.span == "week":
            start = f"{first.day} {first:%b}" if first.month != last.month else f"{first.day}"
            return f"{start} – {last.day} {last:%b %Y}"
        return f"{first:%B %Y}" if self.span == "month" else f"{first.year}"


class PeriodData(NamedTuple):
    """A view, and what is kept of it."""

    selection: PeriodSelection
    today: date
    since: int
    until: int
    offsets: tuple[tuple[int, int], ...]
    """From which moment on the plant's wall is how many seconds ahead of UTC."""
    days: tuple[Day, ...]
    buckets: tuple[Bucket, ...]
    repairs: tuple[Repair, ...]


class Bar(NamedTuple):
    """One bar of a view in energies: a day, or a month as the sum of its known days."""

    first: date
    values: Mapping[str, float | None]
    known_days: int
    total_days: int
    """Of how many days something is known, and how many there are up to today."""


def parse_selection(wanted: Mapping[str, str], today: date) -> PeriodSelection:
    """Return the view an address asks for; what it does not say is today, as a day.

    >>> viewed({"span": "week", "at": "2026-06-18"}, date(2026, 6, 21)).title
    '15 – 21 Jun 2026'
    """
    span = wanted.get("span", "day")
    if span not in SPANS:
        raise ConfigError(f"a span is one of {', '.join(SPANS)}, not {span!r}")
    at = day_named(wanted["at"]) if "at" in wanted else today
    if not EARLIEST_YEAR <= at.year <= today.year + 1:
        raise ConfigError(f"nothing is kept of the year {at.year}")
    show = wanted.get("show", "power" if span == "day" else "energy")
    if show not in {"power", "energy"}:
        raise ConfigError(f"what is shown is power or energy, not {show!r}")
    first, last = _bounds(span, at)
    return PeriodSelection(span, first, last, "power" if span == "day" else show)


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


def load_period(store: Store, series: Series, zone: tzinfo, view: PeriodSelection, now: int) -> PeriodData:
    """Return what a store keeps of a view."""
    since, until = day_start(view.first, zone), day_start(view.last + timedelta(days=1), zone)
    seconds = _STRETCH.get(view.span)
    return PeriodData(
        selection=view,
        today=day_at(now, zone),
        since=since,
        until=until,
        offsets=utc_offsets(zone, since, until),
        days=() if view.span == "day" else store.days(series, view.first, view.last),
        buckets=tuple(store.buckets(series, POWERS, since, until, seconds)) if seconds else (),
        repairs=store.repairs(series, since, until)[-_MOST_REPAIRS:] if view.span in _STRETCH else (),
    )


def energy_bars(past: PeriodData) -> list[Bar]:
    """Return the days of a week or month, the months of a year: also those of which nothing is known."""
    view, known = past.selection, {one.day: one.values for one in past.days}
    every = [view.first + timedelta(days=number) for number in range((view.last - view.first).days + 1)]
    groups = groupby(every, key=lambda day: day.month if view.span == "year" else day)
    found = []
    for _, group in groups:
        days = list(group)
        told = [known[day] for day in days if any(v is not None for v in known.get(day, {}).values())]
        found.append(Bar(days[0], sum_energies(told), len(told), sum(day <= past.today for day in days)))
    return found


def utc_offsets(zone: tzinfo, since: int, until: int) -> tuple[tuple[int, int], ...]:
    """Return how far the wall is ahead of UTC, from which moment on; it changes where summer time begins or ends."""
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
    away = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset() or timedelta()
    return int(away.total_seconds())
