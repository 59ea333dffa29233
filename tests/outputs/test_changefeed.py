"""The feed: what a reader gets, in which order, and what becomes of it when somebody dies in between."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from heliograph.errors import StoreError
from heliograph.outputs.changefeed import ChangeFeed, PriorityFeed
from heliograph.store.base import Series, SeriesInfo
from support.http_service import NOON, ROOF, Hand, Kept, entry

GARAGE = Series("goodwe", "7")
BOX = Series("growatt", "11", "INV1")
DAY = 24 * 3600


@pytest.fixture
def kept(place):
    return Kept(place.where)


def played(kept, story):
    async def told():
        try:
            await story()
        finally:
            await kept.close()

    asyncio.run(told())


async def all_of(feed, size=1000):
    found = []
    while entries := (await feed.next_batch(size)).samples:
        found.append(list(entries))
        await feed.commit()
    return found


def test_changefeed_new_reader_returns_only_later_changes_oldest_first(kept):
    async def story():
        kept.write(entry(NOON))
        feed = ChangeFeed(kept.aside(), "one", Hand())
        await feed.start()
        assert await all_of(feed) == []
        kept.write(entry(NOON + 300), entry(NOON + 300, GARAGE))
        kept.write(entry(NOON + 600))
        (found,) = await all_of(feed)
        assert [(one.series, one.measured_at) for one in found] == [
            (GARAGE, NOON + 300),
            (ROOF, NOON + 300),
            (ROOF, NOON + 600),
        ]

    played(kept, story)


def test_next_batch_returns_uncommitted_batch_again_also_in_another_process(kept):
    async def story():
        first = ChangeFeed(kept.aside(), "one", Hand())
        await first.start()
        kept.write(*(entry(NOON + 300 * step) for step in range(4)))
        taken = (await first.next_batch(2)).samples
        assert [one.measured_at for one in taken] == [NOON, NOON + 300]
        assert (await first.next_batch(2)).samples == taken
        second = ChangeFeed(kept.aside(), "one", Hand())
        assert (await second.next_batch(2)).samples == taken
        await second.commit()
        assert [one.measured_at for one in (await second.next_batch(2)).samples] == [NOON + 600, NOON + 900]
        # A change is past when all of it is, so whoever comes now begins with its first sample.
        third = ChangeFeed(kept.aside(), "one", Hand())
        assert len((await third.next_batch(9)).samples) == 4

    played(kept, story)


def test_next_batch_can_be_smaller_after_a_rejection(kept):
    async def story():
        feed = ChangeFeed(kept.aside(), "one", Hand())
        await feed.start()
        kept.write(*(entry(NOON + step) for step in range(5)))
        assert len((await feed.next_batch(5)).samples) == 5
        assert [[one.measured_at - NOON for one in some] for some in await all_of(feed, 2)] == [[0, 1], [2, 3], [4]]

    played(kept, story)


def test_changefeed_skips_sample_equal_to_last_sent(kept):
    async def story():
        feed = ChangeFeed(kept.aside(), "one", Hand())
        await feed.start()
        kept.write(entry(pv_power=1.0))
        kept.write(entry(pv_power=1.0, fetched_at=NOON + 200))
        assert [len(some) for some in await all_of(feed)] == [1]
        kept.write(entry(pv_power=1.0, fetched_at=NOON + 300))
        assert await all_of(feed) == []
        for value in (2.0, 1.0):
            kept.write(entry(pv_power=value, fetched_at=NOON + 400))
            ((again,),) = await all_of(feed)
            assert again.values["pv_power"] == value

    played(kept, story)


def test_changefeed_returns_only_wanted_series(kept):
    async def story():
        feed = ChangeFeed(kept.aside(), "one", Hand(), wants=lambda series: series == GARAGE)
        await feed.start()
        for step in range(3):
            kept.write(entry(NOON + step), entry(NOON + step, GARAGE), entry(NOON + step, BOX))
        ((first,), (second,), (third,)) = await all_of(feed, 1)
        assert {one.series for one in (first, second, third)} == {GARAGE}
        kept.write(entry(NOON + 9))
        assert await all_of(feed) == []
        assert kept.store.changes(0) == ()

    played(kept, story)


def test_changefeed_skips_samples_over_max_age_and_logs_once_a_day(kept, caplog):
    async def story():
        clock = Hand(NOON)
        feed = ChangeFeed(kept.aside(), "one", clock, max_age=14 * DAY)
        await feed.start()
        kept.write(entry(NOON - 20 * DAY), entry(NOON - 13 * DAY), entry(NOON))
        kept.write(entry(NOON - 30 * DAY))
        ((old, new),) = await all_of(feed)
        assert (old.measured_at, new.measured_at) == (NOON - 13 * DAY, NOON)
        assert [str(one.msg) for one in caplog.records] == [
            'event=output.skipped output=one why="samples older than 14 days are not accepted"'
        ]
        clock.moment += DAY
        kept.write(entry(NOON - 40 * DAY))
        assert await all_of(feed) == []
        assert len(caplog.records) == 2

    played(kept, story)


def test_next_batch_refreshes_series_names_within_the_hour(kept):
    async def story():
        clock = Hand()
        feed = ChangeFeed(kept.aside(), "one", clock)
        await feed.start()
        kept.write(entry(), name="Old")
        assert (await feed.next_batch(9)).series_info[ROOF] == SeriesInfo(ROOF, "Old", None, "Europe/Berlin")
        await feed.commit()
        clock.moment += 3601
        kept.write(entry(NOON + 300), name="New")
        assert (await feed.next_batch(9)).series_info[ROOF].name == "New"

    played(kept, story)


def test_changefeed_idle_reader_stays_registered_for_months(kept):
    async def story():
        clock = Hand()
        feed = ChangeFeed(kept.aside(), "quiet", clock)
        for _ in range(60):
            await feed.next_batch(9)
            clock.moment += DAY
        kept.store.save_reader_position("another", 0, int(clock.moment))
        assert kept.store.reader_position("quiet") is not None

    played(kept, story)


def test_changefeed_loses_no_sample_when_store_is_unavailable(kept):
    async def story():
        away = []

        class Cutting:
            """The reader's side, with a store that fails where it is told to."""

            def __init__(self, inner):
                self.inner = inner

            async def run(self, job):
                if away:
                    raise StoreError(away.pop())
                return await self.inner.run(job)

        feed = ChangeFeed(Cutting(kept.aside()), "one", Hand())
        away.append("not yet")
        with pytest.raises(StoreError):
            await feed.next_batch(9)
        assert (await feed.next_batch(9)).samples == ()
        kept.write(entry())
        away.append("while reading")
        with pytest.raises(StoreError):
            await feed.next_batch(9)
        assert len((await feed.next_batch(9)).samples) == 1
        away.append("while moving on")
        with pytest.raises(StoreError):
            await feed.commit()
        assert (await feed.next_batch(9)).samples == ()
        assert kept.store.changes(0) == ()

    played(kept, story)


def test_changefeed_returns_change_longer_than_a_page_completely(kept):
    async def story():
        feed = ChangeFeed(kept.aside(), "one", Hand())
        await feed.start()
        kept.write(*(entry(NOON + step) for step in range(4200)))
        kept.write(entry(NOON + 9000))
        moments = [one.measured_at - NOON for some in await all_of(feed, 1500) for one in some]
        assert moments == [*range(4200), 9000]

    played(kept, story)


ONE = SimpleNamespace(name="one", wants=lambda _: True, max_age=None)


def past(moment, series=ROOF, **values):
    """Return a sample that was fetched long after it was measured."""
    return entry(moment, series, NOON + 60, **values)


def test_priority_feed_returns_recent_samples_before_history(kept):
    async def story():
        feed = PriorityFeed(kept.aside(), ONE, Hand())
        assert await all_of(feed) == []
        for year in range(3):
            kept.write(*(past(NOON - (year + 1) * 365 * DAY + 300 * step) for step in range(4)))
        assert (await feed.next_batch(2)).samples[0].measured_at == NOON - 365 * DAY
        kept.write(entry(NOON))
        assert [one.measured_at for one in (await feed.next_batch(2)).samples] == [NOON]
        await feed.commit()
        assert [one.measured_at for one in (await feed.next_batch(2)).samples] == [
            NOON - 365 * DAY,
            NOON - 365 * DAY + 300,
        ]
        await feed.commit()
        kept.write(entry(NOON + 300))
        assert [one.measured_at for some in await all_of(feed, 5) for one in some] == [
            NOON + 300,
            *(NOON - 365 * DAY + 300 * step for step in (2, 3)),
            *(NOON - (year + 1) * 365 * DAY + 300 * step for year in (1, 2) for step in range(4)),
        ]
        assert kept.store.changes(0) == ()

    played(kept, story)


def test_priority_feed_keeps_pending_history_over_restart_and_a_month_of_recent_samples(kept):
    async def story():
        clock = Hand()
        feed = PriorityFeed(kept.aside(), ONE, clock)
        await feed.next_batch(9)
        kept.write(past(NOON - 365 * DAY), entry(NOON))
        for day in range(60):
            assert [one.measured_at for one in (await feed.next_batch(1)).samples] == [NOON + DAY * day]
            clock.moment += DAY
            kept.write(entry(clock.moment))
            await feed.commit()
        later = PriorityFeed(kept.aside(), ONE, clock)
        assert [one.measured_at for some in await all_of(later) for one in some] == [clock.moment, NOON - 365 * DAY]

    played(kept, story)


def test_priority_feed_new_history_reader_starts_at_offset_of_recent_reader(kept):
    async def story():
        kept.store.save_reader_position("one", 0, NOON)
        kept.write(past(NOON - 365 * DAY))
        assert len(await all_of(PriorityFeed(kept.aside(), ONE, Hand()))) == 1

    played(kept, story)


def test_priority_feed_sends_repeatedly_polled_sample_once(kept):
    async def story():
        feed = PriorityFeed(kept.aside(), ONE, Hand())
        assert await all_of(feed) == []
        for hour in range(12):
            kept.write(entry(NOON, fetched_at=NOON + 3600 * hour))
            assert [len(some) for some in await all_of(feed)] == ([] if hour else [1])

    played(kept, story)


def test_priority_feed_sends_current_state_of_sample_that_becomes_history(kept):
    async def story():
        feed = PriorityFeed(kept.aside(), ONE, Hand())
        assert await all_of(feed) == []
        kept.write(entry(NOON, pv_power=1.0))
        kept.write(entry(NOON, fetched_at=NOON + DAY, pv_power=2.0))
        assert [[one.values["pv_power"] for one in some] for some in await all_of(feed)] == [[2.0]]

    played(kept, story)
