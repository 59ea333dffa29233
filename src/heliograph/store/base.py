"""The store contract: the row types, the `Store` protocol of all engines, and the rows of a snapshot.

Times are epoch seconds in UTC, days are calendar days in the plant's time zone, values have the units of `metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

from heliograph.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from heliograph.model import Device, EventKind, Plant, Quality, Status

HistorySpan = Literal["curve", "days", "months", "years"]
"""A history query returns the samples of a day, or the energies of a month's days, a year's months or all years."""

MAX_AHEAD = 600
"""Seconds a sample may be measured after it was fetched, because clocks differ; beyond that its time is wrong."""

QueryOutcome = Literal["data", "nothing", "failed"]
"""The outcome of a history query: data, a response without data, or no usable response."""


class UnreadableRow(StoreError):
    """A stored value is none that this version writes: a newer one wrote it, or it was damaged."""


class Series(NamedTuple):
    """The identity of a series of samples: a device, or a plant if `device` is empty."""

    vendor: str
    plant: str
    device: str = ""


class StoredSample(NamedTuple):
    """One sample of one series; `values` are by metric, an absent or None value is a gap."""

    series: Series
    measured_at: int
    fetched_at: int
    quality: Quality
    status: Status | None
    values: Mapping[str, float | None]


class StoredMeasurements(NamedTuple):
    """Values of one device at one time, by the names of `metrics/device.py`; an absent or None value is a gap."""

    series: Series
    measured_at: int
    fetched_at: int
    values: Mapping[str, float | str | None]


class Day(NamedTuple):
    """The energies of one calendar day in kWh, by metric without its suffix ("pv_energy").

    A `final` day is over and was fetched again afterwards; it is not expected to change.
    """

    series: Series
    day: date
    values: Mapping[str, float | None]
    quality: Quality
    final: bool
    written_at: int
    imported: frozenset[str] = frozenset()
    """The energies that come from an imported file."""


class ImportBatch(NamedTuple):
    """One imported file: the series it belongs to, and its id, by which the import can be undone."""

    series: Series
    id: str
    imported_at: int
    source: str
    undone_at: int | None = None


class ImportedEnergy(NamedTuple):
    """The energy of one day in kWh, from an imported file."""

    series: Series
    day: date
    energy: str
    kwh: float
    import_id: str


class ImportSummary(NamedTuple):
    """An import with its days and the number of its values; an undone one has none."""

    batch: ImportBatch
    first: date | None
    last: date | None
    values: int


class Repair(NamedTuple):
    """A rejected value: `raw` as reported, `kept` as stored instead, and the reason."""

    series: Series
    measured_at: int
    metric: str
    raw: float | None
    kept: float | None
    reason: str


class QueryRecord(NamedTuple):
    """A history query and its outcome; `period` is "2026-06-21", "2026-06", "2026" or ""."""

    series: Series
    span: HistorySpan
    period: str
    outcome: QueryOutcome
    queried_at: int


class PollStatus(NamedTuple):
    """When a plant was polled and when it will be; written by its collector, the newest one of a plant is stored."""

    series: Series
    polled_at: int
    """When the vendor API last answered for this plant."""
    interval: int
    """The stated seconds between two polls of this plant now."""
    next_at: int
    """When the next poll is planned."""
    reason: str = ""
    """Why the plant is not polled at that interval, such as "locked until 14:05"; empty while it is."""
    unconfirmed: bool = False
    """Whether the age of that answer is unknown: it has no data time, and its values are unchanged."""


class AlarmRow(NamedTuple):
    """An alarm as JSON, and the response of a person to it; a None leaves what is stored."""

    key: str
    written_at: int
    contents: str | None
    response: str | None


class StoredEvent(NamedTuple):
    """A fault, warning or change of a plant or device; `ended_at` is None while it lasts, or if its end is unknown.

    Its time, kind and code identify it: what is fetched again replaces the row, and no end is ever removed.
    """

    series: Series
    started_at: int
    kind: EventKind
    code: str
    seen_at: int
    """When it was fetched or noticed."""
    ended_at: int | None = None
    text: str = ""
    advice: str = ""
    source: str = ""
    """The vendor's log, or the poll that showed it."""


class KnownFact(NamedTuple):
    """A text that is known of a plant or device, such as its firmware, and since when."""

    series: Series
    name: str
    value: str
    since: int


class Oddity(NamedTuple):
    """Something in the answers about a series that could not be used: what, an example, and how often.

    Writes add up how often.
    """

    series: Series
    what: str
    example: str
    times: int
    seen_at: int


class SeriesInfo(NamedTuple):
    """The name and family of a series as the vendor API reports them, and the name of the plant's time zone.

    A plant also has the configured name of the account that polls it, and its size in kWp.
    """

    series: Series
    name: str | None = None
    family: str | None = None
    zone: str | None = None
    account: str | None = None
    peak_power: float | None = None


class Bucket(NamedTuple):
    """The samples of one interval: their number, and mean, minimum and maximum of each requested metric."""

    starts_at: int
    size: int
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class SeriesChange(NamedTuple):
    """A write of samples of one series from `since` to `until`, both included; numbers increase with each write."""

    number: int
    series: Series
    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All rows of one poll or one history query; stored completely or not at all."""

    samples: Sequence[StoredSample] = ()
    measurements: Sequence[StoredMeasurements] = ()
    days: Sequence[Day] = ()
    repairs: Sequence[Repair] = ()
    counters: Mapping[Series, Mapping[str, Any]] = field(default_factory=dict)
    """The state of the energy counters by series, JSON-ready."""
    queries: Sequence[QueryRecord] = ()
    series_info: Sequence[SeriesInfo] = ()
    polls: Sequence[PollStatus] = ()
    imports: Sequence[ImportBatch] = ()
    imported: Sequence[ImportedEnergy] = ()
    alarms: Sequence[AlarmRow] = ()
    events: Sequence[StoredEvent] = ()
    facts: Sequence[KnownFact] = ()
    oddities: Sequence[Oddity] = ()


class Store(Protocol):
    """A store of samples. Every method may raise `StoreError`; data is durable when `write` returns."""

    @property
    def damaged_file(self) -> Path | None:
        """The damaged file whose recovery file is in use until the store is repaired; None for a sound store."""

    def claim(self, accounts: Sequence[str], *, timeout: float = ...) -> None:
        """Lock these accounts for this program until the store is closed.

        Raises `StoreInUse` if another program has not released one of them after `timeout` seconds: two collectors
        would overwrite each other's counter state. A file allows one collector, a database one per account.
        """

    def write(self, batch: Batch) -> None:
        """Store a batch in one transaction.

        Samples of the same series and time are merged into one row: the one fetched later wins, value by value, and
        sets the quality; a gap never overwrites a value. Days are merged in the same way by `written_at`: a final day
        that is written again is no longer final, and is queried again.
        """

    def series(self) -> tuple[SeriesInfo, ...]:
        """Return all series."""

    def latest(self, series: Series | None = None) -> tuple[StoredSample, ...]:
        """Return the newest sample of one series, or of each; samples ahead by more than `MAX_AHEAD` are ignored."""

    def samples(
        self, series: Series, since: int, until: int, metrics: Sequence[str] | None = None
    ) -> Iterator[StoredSample]:
        """Stream the samples from `since` up to, not including, `until`, oldest first.

        Each has the values of `metrics`, default: all; fewer are faster.
        """

    def measurements(self, series: Series, since: int, until: int) -> Iterator[StoredMeasurements]:
        """Stream the measurements of a device from `since` up to, not including, `until`, oldest first."""

    def latest_measurements(self, series: Series | None = None) -> tuple[StoredMeasurements, ...]:
        """Return the newest measurements of one device, or of each."""

    def sample_times(self, series: Series, since: int, until: int) -> Iterator[int]:
        """Stream the times of the samples, oldest first."""

    def count(self, series: Series) -> int:
        """Return the number of samples of a series."""

    def buckets(self, series: Series, metrics: Sequence[str], since: int, until: int, seconds: int) -> Iterator[Bucket]:
        """Stream aggregates of intervals of `seconds`, counted from `since`; empty intervals are omitted."""

    def days(self, series: Series, first: date, last: date, energies: Sequence[str] | None = None) -> tuple[Day, ...]:
        """Return the days from `first` to `last`, both included, with these energies, default: all."""

    def known_days(
        self, series: Series, first: date, last: date, energies: Sequence[str] | None = None
    ) -> tuple[Day, ...]:
        """Return the days with imported energies where none was measured.

        A day without any measured energy has the quality "imported" and is final. `days` returns measured days only:
        the collector decides by them what it fetches.
        """

    def add_import(self, batch: ImportBatch, energies: Sequence[ImportedEnergy]) -> None:
        """Store an imported file in one transaction.

        Raises `StoreError` if an earlier import has an energy of the same day.
        """

    def undo_import(self, import_id: str, now: int) -> int:
        """Delete the values of an import and return their number; raises `StoreError` for an unknown or undone one."""

    def imports(self) -> tuple[ImportSummary, ...]:
        """Return all imports, oldest first; undone ones are included."""

    def imported(self, series: Series) -> Iterator[ImportedEnergy]:
        """Return the imported energies of a series."""

    def repairs(self, series: Series, since: int, until: int) -> tuple[Repair, ...]:
        """Return the rejected values, oldest first."""

    def counters(self, series: Series) -> Mapping[str, Any]:
        """Return the state of the energy counters; empty before the first sample, and if it is damaged."""

    def queries(self, series: Series, span: HistorySpan) -> Mapping[str, QueryRecord]:
        """Return the history queries by period."""

    def poll_statuses(self, plants: Collection[Series] | None = None) -> Mapping[Series, PollStatus]:
        """Return when these or all plants were polled and will be; those of older collectors are absent."""

    def alarms(self) -> tuple[AlarmRow, ...]:
        """Return all alarms, also cleared ones."""

    def events(self, since: int, until: int, plant: Series | None = None, limit: int = 1000) -> tuple[StoredEvent, ...]:
        """Return the events that started from `since` up to, not including, `until`, the newest first.

        Those of one plant and its devices, or of all plants.
        """

    def facts(self, plant: Series | None = None) -> tuple[KnownFact, ...]:
        """Return the facts of a plant and its devices, or of all plants."""

    def oddities(self) -> tuple[Oddity, ...]:
        """Return all oddities, those seen last first."""

    def changes(self, after: int, limit: int = 1000) -> tuple[SeriesChange, ...]:
        """Return the changes with a number above `after`, oldest first.

        Changes are recorded only while there is a reader, and deleted when every reader has processed them.
        """

    def reader_position(self, name: str) -> int | None:
        """Return the number of the last change a reader has processed; None for an unknown reader."""

    def save_reader_position(self, name: str, number: int, now: int) -> None:
        """Save the number of the last change a reader has processed; this registers a new reader.

        A reader is removed if it saves no position for thirty days.
        """

    def newest_change(self) -> int:
        """Return the number of the newest change: the start position of a reader that skips existing data."""

    def size_bytes(self) -> int:
        """Return the size of the store."""

    def close(self) -> None:
        """Close the file or connection."""

    def __enter__(self) -> Self:
        """Return the store."""

    def __exit__(self, *_: object) -> None:
        """Close the store."""


def series_of(item: Plant | Device) -> Series:
    """Return the series of a plant or of a device."""
    plant = getattr(item, "plant", None)
    return Series(item.vendor, item.id) if plant is None else Series(item.vendor, plant, item.id)
