"""Tests of the change feed: order, filtering and commits of batches, also after errors and restarts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from heliograph.errors import StoreError
from heliograph.outputs.changefeed import ChangeFeed, PriorityFeed
from heliograph.store.base import Series, SeriesInfo
from support.http_service import NOON, ROOF, ManualClock, StoreHarness, make_sample

GARAGE = Series("goodwe", "7")
BOX = Series("growatt", "11", "INV1")
DAY = 24 * 3600


@pytest.fixture
def harness(place):
    return StoreHarness(place.where)


def run_scenario(harness, scenario):
    async def run_and_close():
        try:
            await scenario()
        finally:
            await harness.close()

    asyncio.run(run_and_close())


async def read_all(feed, size=1000):
    found = []
    while entries := (await feed.next_batch(size)).samples:
        found.append(list(entries))
        await feed.commit()
    return found


def test_changefeed_new_reader_returns_only_later_changes_oldest_first(harness):
    async def scenario():
        harness.write(make_sample(NOON))
        feed = ChangeFeed(harness.open_reader(), "one", ManualClock())
        await feed.start()
        assert await read_all(feed) == []
        harness.write(make_sample(NOON + 300), make_sample(NOON + 300, GARAGE))
        harness.write(make_sample(NOON + 600))
        (found,) = await read_all(feed)
        assert [(one.series, one.measured_at) for one in found] == [
            (GARAGE, NOON + 300),
            (ROOF, NOON + 300),
            (ROOF, NOON + 600),
        ]

    run_scenario(harness, scenario)


def test_next_batch_returns_uncommitted_batch_again_also_in_another_process(harness):
    async def scenario():
        first = ChangeFeed(harness.open_reader(), "one", ManualClock())
        await first.start()
        harness.write(*(make_sample(NOON + 300 * step) for step in range(4)))
        taken = (await first.next_batch(2)).samples
        assert [one.measured_at for one in taken] == [NOON, NOON + 300]
        assert (await first.next_batch(2)).samples == taken
        second = ChangeFeed(harness.open_reader(), "one", ManualClock())
        assert (await second.next_batch(2)).samples == taken
        await second.commit()
        assert [one.measured_at for one in (await second.next_batch(2)).samples] == [NOON + 600, NOON + 900]
        # The position moves only after a whole change, so a new reader starts with its first sample.
        third = ChangeFeed(harness.open_reader(), "one", ManualClock())
        assert len((await third.next_batch(9)).samples) == 4

    run_scenario(harness, scenario)


def test_next_batch_can_be_smaller_after_a_rejection(harness):
    async def scenario():
        feed = ChangeFeed(harness.open_reader(), "one", ManualClock())
        await feed.start()
        harness.write(*(make_sample(NOON + step) for step in range(5)))
        assert len((await feed.next_batch(5)).samples) == 5
        assert [[one.measured_at - NOON for one in some] for some in await read_all(feed, 2)] == [[0, 1], [2, 3], [4]]

    run_scenario(harness, scenario)


def test_changefeed_skips_sample_equal_to_last_sent(harness):
    async def scenario():
        feed = ChangeFeed(harness.open_reader(), "one", ManualClock())
        await feed.start()
        harness.write(make_sample(pv_power=1.0))
        harness.write(make_sample(pv_power=1.0, fetched_at=NOON + 200))
        assert [len(some) for some in await read_all(feed)] == [1]
        harness.write(make_sample(pv_power=1.0, fetched_at=NOON + 300))
        assert await read_all(feed) == []
        for value in (2.0, 1.0):
            harness.write(make_sample(pv_power=value, fetched_at=NOON + 400))
            ((again,),) = await read_all(feed)
            assert again.values["pv_power"] == value

    run_scenario(harness, scenario)


def test_changefeed_returns_only_wanted_series(harness):
    async def scenario():
        feed = ChangeFeed(harness.open_reader(), "one", ManualClock(), wants=lambda series: series == GARAGE)
        await feed.start()
        for step in range(3):
            harness.write(make_sample(NOON + step), make_sample(NOON + step, GARAGE), make_sample(NOON + step, BOX))
        ((first,), (second,), (third,)) = await read_all(feed, 1)
        assert {one.series for one in (first, second, third)} == {GARAGE}
        harness.write(make_sample(NOON + 9))
        assert await read_all(feed) == []
        assert harness.store.changes(0) == ()

    run_scenario(harness, scenario)


def test_changefeed_skips_samples_over_max_age_and_logs_once_a_day(harness, caplog):
    async def scenario():
        clock = ManualClock(NOON)
        feed = ChangeFeed(harness.open_reader(), "one", clock, max_age=14 * DAY)
        await feed.start()
        harness.write(make_sample(NOON - 20 * DAY), make_sample(NOON - 13 * DAY), make_sample(NOON))
        harness.write(make_sample(NOON - 30 * DAY))
        ((old, new),) = await read_all(feed)
        assert (old.measured_at, new.measured_at) == (NOON - 13 * DAY, NOON)
        assert [str(one.msg) for one in caplog.records] == [
            'event=output.skipped output=one why="samples older than 14 days are not accepted"'
        ]
        clock.moment += DAY
        harness.write(make_sample(NOON - 40 * DAY))
        assert await read_all(feed) == []
        assert len(caplog.records) == 2

    run_scenario(harness, scenario)


def test_next_batch_refreshes_series_names_within_the_hour(harness):
    async def scenario():
        clock = ManualClock()
        feed = ChangeFeed(harness.open_reader(), "one", clock)
        await feed.start()
        harness.write(make_sample(), name="Old")
        assert (await feed.next_batch(9)).series_info[ROOF] == SeriesInfo(ROOF, "Old", None, "Europe/Berlin")
        await feed.commit()
        clock.moment += 3601
        harness.write(make_sample(NOON + 300), name="New")
        assert (await feed.next_batch(9)).series_info[ROOF].name == "New"

    run_scenario(harness, scenario)


def test_changefeed_idle_reader_stays_registered_for_months(harness):
    async def scenario():
        clock = ManualClock()
        feed = ChangeFeed(harness.open_reader(), "quiet", clock)
        for _ in range(60):
            await feed.next_batch(9)
            clock.moment += DAY
        harness.store.save_reader_position("another", 0, int(clock.moment))
        assert harness.store.reader_position("quiet") is not None

    run_scenario(harness, scenario)


def test_changefeed_loses_no_sample_when_store_is_unavailable(harness):
    async def scenario():
        errors = []

        class FailingReader:
            """Reader thread that raises the next of `errors`."""

            def __init__(self, inner):
                self.inner = inner

            async def run(self, job):
                if errors:
                    raise StoreError(errors.pop())
                return await self.inner.run(job)

        feed = ChangeFeed(FailingReader(harness.open_reader()), "one", ManualClock())
        errors.append("not yet")
        with pytest.raises(StoreError):
            await feed.next_batch(9)
        assert (await feed.next_batch(9)).samples == ()
        harness.write(make_sample())
        errors.append("while reading")
        with pytest.raises(StoreError):
            await feed.next_batch(9)
        assert len((await feed.next_batch(9)).samples) == 1
        errors.append("while moving on")
        with pytest.raises(StoreError):
            await feed.commit()
        assert (await feed.next_batch(9)).samples == ()
        assert harness.store.changes(0) == ()

    run_scenario(harness, scenario)


def test_changefeed_returns_change_longer_than_a_page_completely(harness):
    async def scenario():
        feed = ChangeFeed(harness.open_reader(), "one", ManualClock())
        await feed.start()
        harness.write(*(make_sample(NOON + step) for step in range(4200)))
        harness.write(make_sample(NOON + 9000))
        moments = [one.measured_at - NOON for some in await read_all(feed, 1500) for one in some]
        assert moments == [*range(4200), 9000]

    run_scenario(harness, scenario)


SINK = SimpleNamespace(name="one", wants=lambda _: True, max_age=None)


def make_history_sample(moment, series=ROOF, **values):
    """Return a sample that was fetched long after it was measured."""
    return make_sample(moment, series, NOON + 60, **values)


def test_priority_feed_returns_recent_samples_before_history(harness):
    async def scenario():
        feed = PriorityFeed(harness.open_reader(), SINK, ManualClock())
        assert await read_all(feed) == []
        for year in range(3):
            harness.write(*(make_history_sample(NOON - (year + 1) * 365 * DAY + 300 * step) for step in range(4)))
        assert (await feed.next_batch(2)).samples[0].measured_at == NOON - 365 * DAY
        harness.write(make_sample(NOON))
        assert [one.measured_at for one in (await feed.next_batch(2)).samples] == [NOON]
        await feed.commit()
        assert [one.measured_at for one in (await feed.next_batch(2)).samples] == [
            NOON - 365 * DAY,
            NOON - 365 * DAY + 300,
        ]
        await feed.commit()
        harness.write(make_sample(NOON + 300))
        assert [one.measured_at for some in await read_all(feed, 5) for one in some] == [
            NOON + 300,
            *(NOON - 365 * DAY + 300 * step for step in (2, 3)),
            *(NOON - (year + 1) * 365 * DAY + 300 * step for year in (1, 2) for step in range(4)),
        ]
        assert harness.store.changes(0) == ()

    run_scenario(harness, scenario)


def test_priority_feed_keeps_pending_history_over_restart_and_a_month_of_recent_samples(harness):
    async def scenario():
        clock = ManualClock()
        feed = PriorityFeed(harness.open_reader(), SINK, clock)
        await feed.next_batch(9)
        harness.write(make_history_sample(NOON - 365 * DAY), make_sample(NOON))
        for day in range(60):
            assert [one.measured_at for one in (await feed.next_batch(1)).samples] == [NOON + DAY * day]
            clock.moment += DAY
            harness.write(make_sample(clock.moment))
            await feed.commit()
        later = PriorityFeed(harness.open_reader(), SINK, clock)
        assert [one.measured_at for some in await read_all(later) for one in some] == [clock.moment, NOON - 365 * DAY]

    run_scenario(harness, scenario)


def test_priority_feed_new_history_reader_starts_at_offset_of_recent_reader(harness):
    async def scenario():
        harness.store.save_reader_position("one", 0, NOON)
        harness.write(make_history_sample(NOON - 365 * DAY))
        assert len(await read_all(PriorityFeed(harness.open_reader(), SINK, ManualClock()))) == 1

    run_scenario(harness, scenario)


def test_priority_feed_sends_repeatedly_polled_sample_once(harness):
    async def scenario():
        feed = PriorityFeed(harness.open_reader(), SINK, ManualClock())
        assert await read_all(feed) == []
        for hour in range(12):
            harness.write(make_sample(NOON, fetched_at=NOON + 3600 * hour))
            assert [len(some) for some in await read_all(feed)] == ([] if hour else [1])

    run_scenario(harness, scenario)


def test_priority_feed_sends_current_state_of_sample_that_becomes_history(harness):
    async def scenario():
        feed = PriorityFeed(harness.open_reader(), SINK, ManualClock())
        assert await read_all(feed) == []
        harness.write(make_sample(NOON, pv_power=1.0))
        harness.write(make_sample(NOON, fetched_at=NOON + DAY, pv_power=2.0))
        assert [[one.values["pv_power"] for one in some] for some in await read_all(feed)] == [[2.0]]

    run_scenario(harness, scenario)
