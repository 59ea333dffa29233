"""What every store keeps and answers: the rows that cross its border, and the one contract of all engines.

Moments are epoch seconds in UTC, days are the plant's own calendar days, values are in the units of `metrics.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

from heliograph.model import Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot, Status


HistorySpan = Literal["curve", "days", "months", "years"]
"""What a cloud is asked for of the past: a day's curve, a month's days, a year's months, all years."""

QueryOutcome = Literal["data", "nothing", "failed"]
"""What came of asking: data, the cloud's word that there is nothing, or no answer worth that name."""


class Series(NamedTuple):
    """Whose samples they are; a plant as a whole has no device."""

    vendor: str
    plant: str
    device: str = ""


class StoredSample(NamedTuple):
    """One sample of one series; `values` are by metric, and what is absent or None is a gap."""

    series: Series
    measured_at: int
    fetched_at: int
    quality: Quality
    status: Status | None
    values: Mapping[str, float | None]


class Day(NamedTuple):
    """What flowed on one calendar day, by metric without its suffix ("pv_energy"), in kWh.

    `final` days are over and were read again, so that nothing is expected to change them.
    """

    series: Series
    day: date
    values: Mapping[str, float | None]
    quality: Quality
    final: bool
    written_at: int


class Repair(NamedTuple):
    """A value that was not believed: what the cloud said, what was kept instead, and why."""

    series: Series
    measured_at: int
    metric: str
    raw: float | None
    kept: float | None
    reason: str


class QueryRecord(NamedTuple):
    """A question about the past and its outcome; `period` is "2026-06-21", "2026-06", "2026" or ""."""

    series: Series
    span: HistorySpan
    period: str
    outcome: QueryOutcome
    queried_at: int


class SeriesInfo(NamedTuple):
    """What a series is: names as its cloud gives them, and the name of the clock on the plant's wall."""

    series: Series
    name: str | None = None
    family: str | None = None
    zone: str | None = None


class Bucket(NamedTuple):
    """The samples of one stretch of time, how many they are: mean, lowest and highest of each metric asked for."""

    starts_at: int
    size: int
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class SeriesChange(NamedTuple):
    """Samples of one series were written, from one moment to another, both included; numbers rise with each write."""

    number: int
    series: Series
    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything one poll or one backfilled day has to say: kept whole or not at all."""

    samples: Sequence[StoredSample] = ()
    days: Sequence[Day] = ()
    repairs: Sequence[Repair] = ()
    counters: Mapping[Series, Mapping[str, Any]] = field(default_factory=dict)
    """The memory of the counters by series, JSON-ready."""
    queries: Sequence[QueryRecord] = ()
    series_info: Sequence[SeriesInfo] = ()


class Store(Protocol):
    """Where samples are kept. Every method may raise `StoreError`; what `write` returned from is not lost again."""

    def claim(self, accounts: Sequence[str]) -> None:
        """Be the only collector of these accounts here until closed: two would each write their own counters' memory.

        A file takes one collector, a database one for each account.
        """

    def write(self, batch: Batch) -> None:
        """Keep the whole batch in one transaction.

        The same sample twice is one row. Where both are at the same moment the one fetched later wins, value by
        value, and brings its quality; a gap never erases a value. The same holds for days, by `written_at`: a final
        day that is told anew is final no more, and is asked for again.
        """

    def series(self) -> tuple[SeriesInfo, ...]:
        """Return every series there is."""

    def latest(self, series: Series | None = None) -> tuple[StoredSample, ...]:
        """Return the newest sample of this series, or of each."""

    def samples(
        self, series: Series, since: int, until: int, metrics: Sequence[str] | None = None
    ) -> Iterator[StoredSample]:
        """Return the samples from one moment up to, not including, another, oldest first, as a stream.

        Their values are those of these metrics, or of all: fewer are read the faster.
        """

    def sample_times(self, series: Series, since: int, until: int) -> Iterator[int]:
        """Return only when there were samples, oldest first, as a stream."""

    def count(self, series: Series) -> int:
        """Return the number of samples of a series."""

    def buckets(self, series: Series, metrics: Sequence[str], since: int, until: int, seconds: int) -> Iterator[Bucket]:
        """Return the samples in stretches of so many seconds counted from `since`; empty stretches are left out."""

    def days(self, series: Series, first: date, last: date, energies: Sequence[str] | None = None) -> tuple[Day, ...]:
        """Return the days from the first to the last, both included; with these energies, or all."""

    def repairs(self, series: Series, since: int, until: int) -> tuple[Repair, ...]:
        """Return what was not believed in this time, oldest first."""

    def counters(self, series: Series) -> Mapping[str, Any]:
        """Return the memory of the counters; empty before the first sample."""

    def queries(self, series: Series, span: HistorySpan) -> Mapping[str, QueryRecord]:
        """Return what the cloud was asked of the past, by period."""

    def changes(self, after: int, limit: int = 1000) -> tuple[SeriesChange, ...]:
        """Return what was written after a change of this number, oldest first.

        Changes are kept only while there is a reader, and until every reader is past them.
        """

    def reader_position(self, name: str) -> int | None:
        """Return the number a reader of changes has come to; None for one that is not known."""

    def save_reader_position(self, name: str, number: int, now: int) -> None:
        """Keep how far a reader has come; one that moves for the first time is known from then on.

        A reader that has not moved for thirty days is forgotten.
        """

    def newest_change(self) -> int:
        """Return the number of the newest change there was: where a reader begins that wants no past."""

    def size_bytes(self) -> int:
        """Return how many bytes all of it takes."""

    def close(self) -> None:
        """Let go of file or connection."""

    def __enter__(self) -> Self:
        """Return the store."""

    def __exit__(self, *_: object) -> None:
        """Close it."""


def series_of(what: Plant | Device) -> Series:
    """Return the series of a plant or of a device."""
    plant = getattr(what, "plant", None)
    return Series(what.vendor, what.id) if plant is None else Series(what.vendor, plant, what.id)


def samples_of(snapshot: Snapshot, quality: Quality = Quality.LIVE) -> list[StoredSample]:
    """Return the samples of a snapshot, the plant's first."""

    def entry(what: Plant | Device, of: Snapshot | DeviceSnapshot) -> StoredSample:
        # A sample without a moment of its own is known by when it was fetched.
        measured_at = of.measured_at or snapshot.fetched_at
        return StoredSample(
            series_of(what), _epoch(measured_at), _epoch(snapshot.fetched_at), quality, of.status, of.values
        )

    return [entry(snapshot.plant, snapshot), *(entry(one.device, one) for one in snapshot.devices)]


def series_info_of(snapshot: Snapshot) -> list[SeriesInfo]:
    """Return what a snapshot says of plant and devices that does not change from sample to sample."""
    plant = snapshot.plant
    zone = None if plant.zone is None else str(plant.zone)
    devices = (one.device for one in snapshot.devices)
    return [
        SeriesInfo(series_of(plant), plant.name, None, zone),
        *(SeriesInfo(series_of(one), one.name, one.family, zone) for one in devices),
    ]


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
