"""Rows to keep, and a look at everything a store holds."""

from datetime import UTC, date, datetime

from heliograph.model import Quality, Status
from heliograph.store.base import Day, Series, StoredSample

NOON = int(datetime(2026, 6, 21, 10, 0, tzinfo=UTC).timestamp())
ROOF = Series("growatt", "11")
SAMPLE = StoredSample(
    ROOF,
    NOON,
    NOON + 70,
    Quality.LIVE,
    Status.ONLINE,
    {"pv_power": 3424.0, "grid_power": -1200.5, "battery_soc": None, "pv_energy_total": 0.0},
)
DAY = Day(ROOF, date(2026, 6, 21), {"pv_energy": 12.5}, Quality.BACKFILLED, final=False, written_at=1)
SPANS = ("curve", "days", "months", "years")


def gaps(names):
    """No value of any of these."""
    return dict.fromkeys(names)


def everything(store):
    """Return all that can be read, by what it is; a store that is None holds nothing."""
    known = store.series() if store else ()
    return {
        "series": known,
        "latest": store.latest() if store else (),
        "samples": [one for row in known for one in store.samples(row.series, -(2**40), 2**40)],
        "days": [one for row in known for one in store.days(row.series, date.min, date.max)],
        "repairs": [one for row in known for one in store.repairs(row.series, -(2**40), 2**40)],
        "counters": {row.series: store.counters(row.series) for row in known if store.counters(row.series)},
        "asked": {(row.series, span): store.queries(row.series, span) for row in known for span in SPANS},
        "measurements": [one for row in known for one in store.measurements(row.series, -(2**40), 2**40)],
        "polls": store.poll_statuses() if store else {},
    }
