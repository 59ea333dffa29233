"""Tariffs: prices per kWh from a day on, by time of day or from a table of prices, as pieces of equal price."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from heliograph.local_time import day_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

QUARTER = 900
"""Seconds of a quarter of an hour: windows begin and end at quarters of local time."""
MINUTES_PER_DAY = 24 * 60
_LONGEST_VALIDITY = 24 * 3600
_WEEKEND = 5

Days = Literal["all", "weekdays", "weekends"]


class TimeWindow(NamedTuple):
    """Prices per kWh from minute `start` to minute `end` of a local day, over midnight if `end` is not after `start`.

    A price that is None is that of the tariff. A window over midnight belongs to the day on which it begins.
    """

    start: int
    end: int
    days: Days = "all"
    import_price: float | None = None
    export_price: float | None = None

    def contains(self, local: datetime) -> bool:
        """Return whether a local time is in the window."""
        minute, weekday = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return self.start <= minute < self.end and self._on(weekday)
        if minute >= self.start:
            return self._on(weekday)
        return minute < self.end and self._on((weekday - 1) % 7)

    def _on(self, weekday: int) -> bool:
        return self.days == "all" or (weekday >= _WEEKEND) == (self.days == "weekends")


class PriceSource(NamedTuple):
    """Where prices per kWh are read from: the path of a CSV file, or the URL of a JSON document or CSV file.

    `items` is the dotted path of the list in a JSON document, `time` and `value` are columns of the CSV file or keys of
    the list's objects. Prices are multiplied by `factor`: 0.001 for prices per MWh.
    """

    location: str
    items: str = ""
    time: str = "time"
    value: str = "price"
    factor: float = 1.0
    zone: tzinfo | None = None
    """The time zone of times without an offset; None rejects them."""

    @property
    def is_url(self) -> bool:
        """Whether the prices are fetched by HTTP."""
        return self.location.startswith(("http://", "https://"))


class PriceTable:
    """Prices by start time; each is valid until the next one, at most for the usual interval."""

    def __init__(self, prices: Mapping[int, float]) -> None:
        self.times = sorted(prices)
        self._prices = [prices[time] for time in self.times]
        gaps = Counter(after - before for before, after in pairwise(self.times))
        self._validity = min(gaps.most_common(1)[0][0], _LONGEST_VALIDITY) if gaps else 3600

    def at(self, moment: int) -> float | None:
        """Return the price at a time; None before the first, after the last, and in a gap."""
        place = bisect_right(self.times, moment) - 1
        if place < 0 or moment - self.times[place] >= self._validity:
            return None
        return self._prices[place]

    def changes(self, since: int, until: int) -> set[int]:
        """Return the times in a range at which the price may change."""
        found = self.times[bisect_left(self.times, since - self._validity) : bisect_left(self.times, until)]
        return {time for start in found for time in (start, start + self._validity) if since < time < until}

    @property
    def end(self) -> int:
        """The time from which prices are unknown; 0 for an empty table."""
        return self.times[-1] + self._validity if self.times else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices from a time on; without `plants` of all plants that no other tariff names.

    Prices are per kWh, `standing` is per day. `vat` in percent is added to `import_price`, `surcharge` and `standing`.
    With a `source`, the import price is the price of the source plus `surcharge`.
    """

    start: date | datetime
    """The first day, or a time; without an offset it is local."""
    currency: str
    import_price: float | None = None
    export_price: float | None = None
    standing: float = 0.0
    surcharge: float = 0.0
    vat: float = 0.0
    co2: float | None = None
    """Grams of CO2 that a kWh of solar energy avoids."""
    windows: tuple[TimeWindow, ...] = ()
    source: PriceSource | None = None
    plants: tuple[str, ...] = ()

    def starts_at(self, zone: tzinfo) -> int:
        """Return the time from which the tariff is valid at a plant."""
        if not isinstance(self.start, datetime):
            return day_start(self.start, zone)
        return int((self.start if self.start.tzinfo else self.start.replace(tzinfo=zone)).timestamp())

    @property
    def gross_standing(self) -> float:
        """The standing charge of a day with VAT."""
        return self.standing * (1 + self.vat / 100)

    def rates(self, moment: int, zone: tzinfo, prices: Mapping[PriceSource, PriceTable]) -> Rates:
        """Return the prices at a time."""
        export_price, net = self.export_price, self.import_price
        if self.source is not None:
            table = prices.get(self.source)
            found = None if table is None else table.at(moment)
            net = None if found is None else found + self.surcharge
        elif self.windows:
            local = datetime.fromtimestamp(moment, UTC).astimezone(zone)
            for window in self.windows:
                if window.contains(local):
                    net = net if window.import_price is None else window.import_price
                    export_price = export_price if window.export_price is None else window.export_price
                    break
        return Rates(None if net is None else net * (1 + self.vat / 100), export_price)


class Rates(NamedTuple):
    """Prices per kWh at one time, with VAT; None if unknown."""

    import_price: float | None
    export_price: float | None


class Piece(NamedTuple):
    """A span of time in which no price changes."""

    start: int
    end: int
    rates: Rates


class TariffPlan:
    """The tariffs of one plant, oldest first."""

    def __init__(self, tariffs: Sequence[Tariff], plant: str, zone: tzinfo) -> None:
        own = [one for one in tariffs if plant in one.plants] or [one for one in tariffs if not one.plants]
        self._zone = zone
        self.tariffs = sorted(own, key=lambda one: one.starts_at(zone))
        self._starts = [one.starts_at(zone) for one in self.tariffs]

    @property
    def currency(self) -> str | None:
        """The currency of the plant's tariffs, which all have the same; None without a tariff."""
        return self.tariffs[0].currency if self.tariffs else None

    def at(self, moment: int) -> Tariff | None:
        """Return the tariff that is valid at a time."""
        place = bisect_right(self._starts, moment) - 1
        return self.tariffs[place] if place >= 0 else None

    def of_day(self, start: int, end: int) -> Tariff | None:
        """Return the tariff whose standing charge and CO2 factor apply to a day: the first one that is valid on it."""
        if (found := self.at(start)) is not None or not self._starts or self._starts[0] >= end:
            return found
        return self.tariffs[0]

    def pieces(self, start: int, end: int, prices: Mapping[PriceSource, PriceTable]) -> list[Piece]:
        """Return the prices between two times, usually of one local day, as pieces of equal prices."""
        valid = [one for one, since in zip(self.tariffs, self._starts, strict=True) if since < end]
        valid = valid[max(0, bisect_right(self._starts, start) - 1) :]
        marks = {start, end, *(since for since in self._starts if start < since < end)}
        if any(one.windows for one in valid):
            marks.update(range(start, end, QUARTER))
        for one in valid:
            if one.source is not None and (table := prices.get(one.source)) is not None:
                marks |= table.changes(start, end)
        found: list[Piece] = []
        for since, until in pairwise(sorted(marks)):
            tariff = self.at(since)
            rates = Rates(None, None) if tariff is None else tariff.rates(since, self._zone, prices)
            if found and found[-1].rates == rates:
                found[-1] = found[-1]._replace(end=until)
            else:
                found.append(Piece(since, until, rates))
        return found
