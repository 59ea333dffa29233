"""Whatever is written, in whatever order and however often: a store holds what a plain dictionary holds."""

from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, Day, PollStatus, QueryRecord, Repair, Series, SeriesInfo, StoredSample
from support.store_rows import SPANS, everything, gaps

ONE_OF = st.sampled_from
SERIES = ONE_OF([Series("growatt", "11"), Series("growatt", "11", "Ü 'x'"), Series("goodwe", "11")])
FEW = st.integers(-1, 2)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
NAME = st.none() | ONE_OF(["", "Roof", "Dach 'ß'"])
PERIOD = ONE_OF(["", "2026", "2026-06-21"])


def values(names):
    return st.dictionaries(ONE_OF(names[:3]), NUMBER, max_size=3)


ENTRY = st.builds(StoredSample, SERIES, FEW, FEW, ONE_OF(Quality), st.none() | ONE_OF(Status), values([*METRICS]))
DATE = ONE_OF([date(2026, 6, 21), date(2026, 6, 22), date(999, 1, 1)])
DAY = st.builds(Day, SERIES, DATE, values(ENERGIES), ONE_OF(Quality), st.booleans(), FEW)
REPAIR = st.builds(Repair, SERIES, FEW, ONE_OF([*METRICS][:2]), NUMBER, NUMBER, st.text("aä'%?\n", max_size=3))
ASKED = st.builds(QueryRecord, SERIES, ONE_OF(SPANS), PERIOD, ONE_OF(["data", "nothing", "failed"]), FEW)
POLL = st.builds(PollStatus, SERIES, FEW, FEW, FEW, ONE_OF(["", "locked until 14:05, 'ü'"]), st.booleans())
BATCH = st.builds(
    Batch,
    samples=st.lists(ENTRY, max_size=6),
    days=st.lists(DAY, max_size=4),
    repairs=st.lists(REPAIR, max_size=2),
    counters=st.dictionaries(SERIES, st.dictionaries(st.text(max_size=2), st.integers()), max_size=2),
    queries=st.lists(ASKED, max_size=3),
    series_info=st.lists(st.builds(SeriesInfo, SERIES, NAME, NAME, NAME, NAME, st.none() | NUMBER), max_size=2),
    polls=st.lists(POLL, max_size=2),
)


class Model:
    """The contract in a few dictionaries."""

    def __init__(self):
        self.known, self.samples, self.days, self.repairs, self.counters, self.asked, self.polls = (
            {} for _ in range(7)
        )

    def write(self, batch):
        of_all = (batch.samples, batch.days, batch.repairs, batch.queries, batch.series_info, batch.polls)
        for series in [row.series for rows in of_all for row in rows] + [*batch.counters]:
            self.known.setdefault(series, SeriesInfo(series))
        for row in batch.series_info:
            self.known[row.series] = SeriesInfo(*map(over, row, self.known[row.series]))
        for row in batch.samples:
            merge(self.samples, (row.series, row.measured_at), row, row.fetched_at)
        for row in batch.days:
            merge(self.days, (row.series, row.day), row, row.written_at)
        for row in batch.repairs:
            self.repairs[row[:3]] = row
        self.counters |= batch.counters
        self.polls |= {row.series: row for row in batch.polls}
        for row in batch.queries:
            old = self.asked.get(row[:3])
            if old is None or row.queried_at >= old.queried_at:
                self.asked[row[:3]] = row

    def everything(self):
        samples = [row._replace(values=gaps(METRICS) | row.values) for _, row in sorted(self.samples.items())]
        days = [row._replace(values=gaps(ENERGIES) | row.values) for _, row in sorted(self.days.items())]
        return {
            "series": tuple(self.known[series] for series in sorted(self.known)),
            "latest": tuple({row.series: row for row in samples}.values()),
            "samples": samples,
            "days": days,
            "repairs": [self.repairs[key] for key in sorted(self.repairs)],
            "counters": {series: state for series, state in sorted(self.counters.items()) if state},
            "asked": {
                (series, span): {row.period: row for row in self.asked.values() if row[:2] == (series, span)}
                for series in sorted(self.known)
                for span in SPANS
            },
            "polls": self.polls,
        }


def over(new, old):
    return old if new is None else new


def merge(rows, key, row, moment):
    old = rows.get(key, row)
    newer = moment >= (old.fetched_at if isinstance(old, StoredSample) else old.written_at)
    first, second = (row, old) if newer else (old, row)
    known = {name: value for name, value in first.values.items() if value is not None}
    merged = type(row)(*map(over, first, second))
    rows[key] = merged._replace(values={**second.values, **known})


def test_model_merges_by_fetch_time():
    rows = {}
    for moment, number in ((2, 1.0), (1, 5.0), (3, None)):
        row = StoredSample(Series("a", "b"), 0, moment, Quality.LIVE, None, {"pv_power": number})
        merge(rows, 0, row, moment)
    assert (rows[0].fetched_at, rows[0].values) == (3, {"pv_power": 1.0})


@given(batches=st.lists(BATCH, max_size=5), again=st.lists(st.integers(0, 4), max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_store_matches_a_model_for_any_batches(place, batches, again):
    place.empty()
    model = Model()
    with place.open() as store:
        for batch in batches + [batches[number] for number in again if number < len(batches)]:
            for _ in range(2):  # as after an acknowledgement that was lost on its way
                store.write(batch)
            model.write(batch)
        assert everything(store) == model.everything()
    with place.open() as store:
        assert everything(store) == model.everything()
