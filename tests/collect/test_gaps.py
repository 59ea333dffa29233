"""History queries: which are due, how answers become rows, and the gap filler."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.collect import gapfill
from heliograph.collect.counters.repair import CLOUD_DAY_HIGHER
from heliograph.collect.gapfill import GapFiller, gap_queries
from heliograph.collect.gaps import (
    LAST_READ_AFTER,
    MIN_GAP,
    RETRY_AFTER,
    DayRange,
    HistoryQuery,
    HistoryState,
    due_queries,
    last_gap_end,
    recency_key,
)
from heliograph.errors import RequestRefused, Unreachable, Unreadable
from heliograph.local_time import FINAL_AFTER, day_bounds
from heliograph.model import Device, DeviceSnapshot, PeriodEnergy, Plant, Quality, Sample
from heliograph.store.base import Batch, Day, QueryRecord, Repair, Series, StoredSample
from heliograph.store.sqlite import SqliteStore

BERLIN = ZoneInfo("Europe/Berlin")
PLANT = Series("growatt", "11")
TODAY = date(2026, 6, 21)
YESTERDAY = TODAY - timedelta(days=1)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


def record(span, period, outcome="data", asked_at=0):
    return QueryRecord(PLANT, span, period, outcome, asked_at)


def day(of, final=True):
    return Day(PLANT, of, {"pv_energy": 1.0}, Quality.LIVE, final=final, written_at=1)


def due_at(now, first=YESTERDAY, curves=(), months=(), days=(), **options):
    asked = {"curve": {one.period: one for one in curves}, "days": {one.period: one for one in months}}
    history = HistoryState(asked, {one.day: one for one in days})
    today = datetime.fromtimestamp(now, BERLIN).date()
    open_now = due_queries(PLANT, history, DayRange(first, today), today, now, BERLIN, **options)
    return [(one.span, one.period) for one in open_now]


def test_due_queries_of_empty_store_are_newest_first_with_month_before_days():
    assert due_at(at("2026-06-03T15:00"), date(2026, 5, 30)) == [
        ("days", "2026-06"),
        ("curve", "2026-06-02"),
        ("curve", "2026-06-01"),
        ("days", "2026-05"),
        ("curve", "2026-05-31"),
        ("curve", "2026-05-30"),
    ]


def test_due_queries_never_include_today():
    assert all(period != f"{TODAY}" for _, period in due_at(at("2026-06-21T23:59:59")))


@pytest.mark.parametrize("outcome", ["data", "nothing"])
def test_due_queries_repeat_answered_day_after_noon(outcome):
    early = record("curve", f"{YESTERDAY}", outcome, at("2026-06-21T00:05"))
    month = record("days", "2026-06", outcome, at("2026-06-21T00:05"))
    begun = [day(YESTERDAY, final=False)]
    assert due_at(at("2026-06-21T11:59:59"), curves=[early], months=[month], days=begun) == []
    both = [("days", "2026-06"), ("curve", f"{YESTERDAY}")]
    assert due_at(at("2026-06-21T12:00"), curves=[early], months=[month], days=begun) == both
    late = record("curve", f"{YESTERDAY}", outcome, at("2026-06-21T12:00"))
    month = month._replace(queried_at=at("2026-06-21T12:00"))
    # What the cloud has nothing of then has no day, and is asked for no more.
    assert due_at(at("2026-06-21T23:00"), curves=[late], months=[month]) == []


def test_due_queries_repeat_curve_two_days_later():
    asked = [record("curve", f"{YESTERDAY}", asked_at=at("2026-06-21T12:00"))]
    months = [record("days", "2026-06", asked_at=at("2026-06-23T12:00"))]
    open_at = [
        ("curve", f"{YESTERDAY}") in due_at(at(now), curves=asked, months=months)
        for now in ("2026-06-23T11:59:59", "2026-06-23T12:00", "2026-07-30T12:00")
    ]
    assert open_at == [False, True, True]
    asked = [record("curve", f"{YESTERDAY}", asked_at=at("2026-06-23T12:00"))]
    assert ("curve", f"{YESTERDAY}") not in due_at(at("2026-07-30T12:00"), curves=asked, months=months)


def test_due_queries_retry_failed_curve_daily_for_thirty_days():
    asked_at = at("2026-06-21T13:00")
    failed = {"curves": [record("curve", f"{YESTERDAY}", "failed", asked_at)], "days": [day(YESTERDAY)]}
    assert due_at(asked_at + RETRY_AFTER - 1, **failed)[-1] != ("curve", f"{YESTERDAY}")
    assert due_at(asked_at + RETRY_AFTER, **failed)[-1] == ("curve", f"{YESTERDAY}")
    last = at("2026-07-20T14:00")
    assert ("curve", f"{YESTERDAY}") in due_at(last, **failed)
    assert ("curve", f"{YESTERDAY}") not in due_at(last + 86400, **failed)
    assert ("curve", f"{YESTERDAY}") in due_at(last + 86400, **failed, max_retry_days=400)


def test_due_queries_retry_failed_month_daily_for_thirty_days():
    failed = record("days", "2026-05", "failed", at("2026-06-01T13:00"))
    closed = [record("curve", f"2026-05-{n}", asked_at=at("2026-06-02T13:00")) for n in (30, 31)]
    open_at = [
        ("days", "2026-05") in due_at(at(now), date(2026, 5, 30), closed, [failed])
        for now in ("2026-06-02T12:59", "2026-06-02T13:00", "2026-06-30T13:00", "2026-07-01T13:00")
    ]
    assert open_at == [False, True, True, False]


def test_due_queries_repeat_month_while_a_day_is_not_final():
    month = record("days", "2026-06", asked_at=at("2026-06-20T13:00"))
    curves = [record("curve", f"2026-06-{n}", asked_at=at("2026-06-21T13:00")) for n in (19, 20)]
    now, first = at("2026-06-21T13:00"), date(2026, 6, 19)
    assert due_at(now, first, curves, [month], [day(YESTERDAY), day(first)]) == []
    assert due_at(now, first, curves, [month], [day(YESTERDAY, final=False), day(first)]) == [("days", "2026-06")]
    assert due_at(now, first, curves, [month], [day(first)]) == [("days", "2026-06")]


def test_due_queries_after_25_hour_day_use_its_end():
    turned = date(2026, 10, 25)
    start, end = day_bounds(turned, BERLIN)
    assert end - start == 25 * 3600
    asked = [record("curve", f"{turned}", asked_at=end + 60)]
    for now, there in ((end + FINAL_AFTER - 1, False), (end + FINAL_AFTER, True)):
        assert (("curve", f"{turned}") in due_at(now, turned, asked)) is there


def test_recency_key_sorts_today_first_and_month_before_its_days():
    order = [("curve", "2026-06-21"), ("curve", "2026-06-02"), ("curve", "2026-05-31"), ("days", "2026-05")]
    mixed = [HistoryQuery(PLANT, *one) for one in (order[1], order[3], order[0], order[2])]
    assert [one.period for one in sorted(mixed, key=recency_key, reverse=True)] == [
        "2026-06-21",
        "2026-06-02",
        "2026-05",
        "2026-05-31",
    ]


OUTCOMES = st.sampled_from(["data", "nothing", "failed", "raises"])


@given(
    outcomes=st.dictionaries(st.integers(0, 9), OUTCOMES),
    wakes=st.lists(st.integers(600, 40_000), min_size=5, max_size=60),
)
def test_due_queries_never_exceed_allowed_repeats(outcomes, wakes):
    """A collector that lives for weeks: a curve once, after noon, and two days later; what failed once a day."""
    curves, months, days, counts = {}, {}, {}, {}
    first, now = date(2026, 6, 10), at("2026-06-15T03:00")
    for wake in wakes:
        now += wake
        today = datetime.fromtimestamp(now, BERLIN).date()
        for one in list(
            due_queries(
                PLANT, HistoryState({"curve": curves, "days": months}, days), DayRange(first, today), today, now, BERLIN
            )
        ):
            outcome = outcomes.get(date.fromisoformat(f"{one.period}-01"[:10]).day % 10, "data")
            if outcome == "raises":
                continue
            asked = record(one.span, one.period, outcome, now)
            (curves if one.span == "curve" else months)[one.period] = asked
            counts.setdefault((one.span, one.period, outcome), []).append(now)
    for (span, period, outcome), asked in counts.items():
        if outcome == "failed":
            assert all(later - before >= RETRY_AFTER for before, later in pairwise(asked))
        elif span == "curve":
            end = day_bounds(date.fromisoformat(period), BERLIN)[1]
            assert len(asked) <= 3
            assert len([one for one in asked if one >= end + FINAL_AFTER]) <= 2
            assert len([one for one in asked if one >= end + LAST_READ_AFTER]) <= 1


# Today's holes


def test_last_gap_end_of_finished_gaps_only():
    assert last_gap_end([], 0) is None
    assert last_gap_end([MIN_GAP - 1, 2 * MIN_GAP - 2], 0) is None
    assert last_gap_end([MIN_GAP, MIN_GAP + 300], 0) == MIN_GAP
    assert last_gap_end([300, 300 + MIN_GAP, 900 + MIN_GAP, 900 + 2 * MIN_GAP], 0) == 900 + 2 * MIN_GAP


def test_gap_queries_include_gap_of_today_once(store):
    start = at("2026-06-21T00:00")
    rows = [
        StoredSample(PLANT, start + n * 300, start, Quality.LIVE, None, {"pv_power": 1.0})
        for n in (*range(96), *range(120, 130))
    ]
    store.write(Batch(samples=rows, days=[day(YESTERDAY)]))
    now = start + 131 * 300

    def newest():
        return [one.period for one in gap_queries(store, PLANT, now, BERLIN, TODAY, 1)]

    assert newest() == [f"{TODAY}"]
    store.write(Batch(queries=[record("curve", f"{TODAY}", "nothing", now)]))
    assert newest() == []


# The answers


class FakeClient:
    """A client that answers what it was given, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    async def day_curve(self, plant, day):
        self.asked.append(day)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    period_energies = day_curve

    async def history_cost(self, plant):
        from heliograph.model import HistoryCost

        return HistoryCost(curve=1, days=1, months=1, years=1)


def batch_of(span, period, answer, now="2026-06-21T13:00", days=None, raised=None):
    query = HistoryQuery(PLANT, span, period)
    context = gapfill.QueryContext(days or {}, raised or {})
    answer = asyncio.run(gapfill.fetch_answer(FakeClient(answer), query))
    return gapfill.answer_batch(query, answer, at(now), BERLIN, {}, context)


def test_curve_batch_omits_empty_samples():
    moments = [datetime(2026, 6, 20, 10, 5 * n, tzinfo=UTC) for n in range(3)]
    curve = [Sample(moment=one, values={"pv_power": w}) for one, w in zip(moments, (1.0, None, 0.0), strict=True)]
    batch = batch_of("curve", "2026-06-20", curve)
    assert [one.values["pv_power"] for one in batch.samples] == [1.0, 0.0]
    assert {one.quality for one in batch.samples} == {Quality.BACKFILLED}
    assert [one.outcome for one in batch.queries] == ["data"]
    assert [one.outcome for one in batch_of("curve", "2026-06-20", curve[1:2]).queries] == ["nothing"]


def test_curve_batch_has_the_device_measurements_of_its_samples():
    moment = datetime(2026, 6, 20, 10, tzinfo=UTC)
    device = Device(vendor="growatt", plant="1", id="A", family="mix")
    measured = DeviceSnapshot(
        device=device,
        status=None,
        measured_at=moment + timedelta(seconds=97),
        values={},
        measurements={"battery_voltage": 53.1},
    )
    curve = [
        Sample(moment=moment, values={"pv_power": 5.0}, devices=(measured,)),
        Sample(moment=moment + timedelta(minutes=5), values={"pv_power": None}, devices=(measured,)),
    ]
    batch = batch_of("curve", "2026-06-20", curve)
    (row,) = batch.measurements
    assert row.series == Series("growatt", "1", "A")
    assert (row.measured_at, row.values) == (int(moment.timestamp()) + 97, {"battery_voltage": 53.1})
    assert [(one.series, one.family) for one in batch.series_info] == [(row.series, "mix")]


def test_curve_batch_replaces_implausible_values_by_gaps():
    moment = datetime(2026, 6, 20, 10, tzinfo=UTC)
    curve = [
        Sample(moment=moment, values={"pv_power": 5.0, "load_power": -1e30}),
        Sample(moment=moment + timedelta(minutes=5), values={"battery_soc": -1.0}),
    ]
    batch = batch_of("curve", "2026-06-20", curve)
    start = int(moment.timestamp())
    (kept,) = batch.samples
    assert (kept.measured_at, kept.values) == (start, {"pv_power": 5.0, "load_power": None})
    assert kept.quality is Quality.BACKFILLED
    reason = "outside the plausible range"
    assert batch.repairs == [
        Repair(PLANT, start, "load_power", -1e30, None, reason),
        Repair(PLANT, start + 300, "battery_soc", -1.0, None, reason),
    ]


def test_curve_batch_sets_samples_from_the_future_aside():
    now = datetime(2026, 6, 21, 11, tzinfo=UTC)
    curve = [Sample(moment=now + timedelta(minutes=n), values={"pv_power": 5.0}) for n in (-5, 10, 15)]
    batch = batch_of("curve", "2026-06-21", curve)
    start = int(now.timestamp())
    assert [one.measured_at for one in batch.samples] == [start - 300, start + 600]
    assert batch.repairs == [Repair(PLANT, start, "pv_power", 5.0, None, "measured in the future")]


@pytest.mark.parametrize("error", [RequestRefused("no"), Unreadable("what")])
@pytest.mark.parametrize(("span", "period"), [("curve", "2026-06-20"), ("days", "2026-06"), ("months", "2026")])
def test_refused_answer_is_recorded_as_failed_without_rows(error, span, period):
    batch = batch_of(span, period, error)
    assert batch == Batch(queries=[record(span, period, "failed", at("2026-06-21T13:00"))])


def test_unreachable_cloud_leaves_no_record():
    with pytest.raises(Unreachable):
        batch_of("curve", "2026-06-20", Unreachable("gone"))


def test_days_batch_finalises_past_days_and_omits_today():
    energies = [PeriodEnergy(period=f"2026-06-{n}", values={"pv_energy": 10.0 + n}) for n in (19, 20, 21)]
    batch = batch_of("days", "2026-06", energies, days={YESTERDAY: day(YESTERDAY, final=False)})
    assert [(f"{one.day}", one.values["pv_energy"], one.final) for one in batch.days] == [
        ("2026-06-19", 29.0, True),
        ("2026-06-20", 30.0, True),
    ]
    early = batch_of("days", "2026-06", energies, now="2026-06-21T11:00")
    assert [one.final for one in early.days] == [True, False]


@pytest.mark.parametrize(
    ("counted", "word", "raised", "kept"),
    [
        (5.4, 5.1, 0.4, 5.1),  # a frozen midnight: counted here, and energies of the day before
        (5.4, 5.1, 0.1, 5.4),  # too little was raised to be that
        (5.4, 5.1, None, 5.4),
        (5.1, 5.4, 0.4, 5.4),
    ],
)
def test_days_batch_corrects_energy_counted_on_the_wrong_day(counted, word, raised, kept):
    before = YESTERDAY - timedelta(days=1)
    row = day(YESTERDAY, final=False)._replace(values={"pv_energy": counted})
    energies = [PeriodEnergy(period=f"{YESTERDAY}", values={"pv_energy": word})]
    history = None if raised is None else {before: {"pv_energy": raised}}
    batch = batch_of("days", "2026-06", energies, days={YESTERDAY: row}, raised=history)
    assert [one.values["pv_energy"] for one in batch.days] == [kept]


def test_query_context_reads_raised_energy_from_repairs(tmp_path):
    start, end = day_bounds(YESTERDAY, BERLIN)
    query = HistoryQuery(PLANT, "days", "2026-06")
    with SqliteStore(tmp_path / "s.sqlite") as store:
        energies = [
            Repair(PLANT, end, "pv_energy_today", 2.3, 2.7, CLOUD_DAY_HIGHER),
            Repair(PLANT, end, "load_energy_today", 9.0, 8.0, "the cloud's day has less"),
            Repair(PLANT, start + 60, "pv_energy_today", 2.3, 0.0, "yesterday's, not reset yet"),
        ]
        store.write(Batch(days=[day(YESTERDAY, final=True)], repairs=energies))
        before = gapfill.QueryContext.load(store, query, BERLIN)
    assert list(before.days) == [YESTERDAY]
    assert before.raised == {YESTERDAY: {"pv_energy": pytest.approx(0.4)}}


# The gap_filler


class FakeWriter:
    """A writer over a real store; it may refuse to keep."""

    def __init__(self, store, saves=True):
        self.store, self.saves = store, saves

    async def run(self, job):
        return job(self.store)

    async def write(self, batch):
        if self.saves:
            self.store.write(batch)
        return self.saves


class FixedClock:
    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now


def fill_gaps(store, client, plants, saves=True, now="2026-06-21T13:00"):
    gap_filler = GapFiller(FakeWriter(store, saves), FixedClock(at(now)), since=date(2026, 6, 18))
    return asyncio.run(gap_filler.fill(client, plants, {}, 5.1 / gapfill.GAPFILL_SHARE, 100))


def test_gap_filler_runs_newest_query_of_all_plants_first(store):
    client = FakeClient(())
    sites = [Plant(vendor="growatt", id=f"{n}", zone=BERLIN) for n in (1, 2)]
    assert fill_gaps(store, client, sites) == 5
    assert client.asked == ["2026-06", "2026-06", "2026-06-20", "2026-06-20", "2026-06-19"]


def test_gap_filler_stops_after_unsaved_result(store):
    client = FakeClient(())
    assert fill_gaps(store, client, [Plant(vendor="growatt", id="1", zone=BERLIN)], saves=False) == 1
    assert len(client.asked) == 1
