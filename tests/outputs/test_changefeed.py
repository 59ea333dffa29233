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


def test_a_new_reader_begins_now_and_gets_what_comes_then_oldest_first(kept):
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


def test_what_was_not_done_comes_again_also_to_another_process(kept):
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


def test_fewer_can_be_taken_when_all_of_it_was_too_much(kept):
    async def story():
        feed = ChangeFeed(kept.aside(), "one", Hand())
        await feed.start()
        kept.write(*(entry(NOON + step) for step in range(5)))
        assert len((await feed.next_batch(5)).samples) == 5
        assert [[one.measured_at - NOON for one in some] for some in await all_of(feed, 2)] == [[0, 1], [2, 3], [4]]

    played(kept, story)


def test_what_was_sent_last_is_left_out_unless_a_value_changed(kept):
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


def test_only_wanted_series_come_and_the_others_are_past_for_good(kept):
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


def test_what_is_out_of_reach_is_left_out_and_said_once_a_day(kept, caplog):
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


def test_names_come_along_and_are_looked_up_again_within_the_hour(kept):
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


def test_a_reader_that_hears_nothing_for_months_is_still_known(kept):
    async def story():
        clock = Hand()
        feed = ChangeFeed(kept.aside(), "quiet", clock)
        for _ in range(60):
            await feed.next_batch(9)
            clock.moment += DAY
        kept.store.save_reader_position("another", 0, int(clock.moment))
        assert kept.store.reader_position("quiet") is not None

    played(kept, story)


def test_a_store_that_was_away_costs_nothing_but_time(kept):
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


def test_a_change_longer_than_what_is_read_at_once_comes_whole(kept):
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


def test_what_is_fresh_goes_before_years_of_the_past_that_were_written_sooner(kept):
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


def test_the_past_that_waits_is_not_forgotten_by_another_process_nor_in_a_month_without_a_turn(kept):
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


def test_a_reader_of_the_past_begins_where_the_fresh_one_is(kept):
    async def story():
        kept.store.save_reader_position("one", 0, NOON)
        kept.write(past(NOON - 365 * DAY))
        assert len(await all_of(PriorityFeed(kept.aside(), ONE, Hand()))) == 1

    played(kept, story)


def test_a_sample_that_is_polled_all_night_is_sent_once(kept):
    async def story():
        feed = PriorityFeed(kept.aside(), ONE, Hand())
        assert await all_of(feed) == []
        for hour in range(12):
            kept.write(entry(NOON, fetched_at=NOON + 3600 * hour))
            assert [len(some) for some in await all_of(feed)] == ([] if hour else [1])

    played(kept, story)


def test_what_becomes_past_before_it_was_taken_is_sent_as_what_it_is_now(kept):
    async def story():
        feed = PriorityFeed(kept.aside(), ONE, Hand())
        assert await all_of(feed) == []
        kept.write(entry(NOON, pv_power=1.0))
        kept.write(entry(NOON, fetched_at=NOON + DAY, pv_power=2.0))
        assert [[one.values["pv_power"] for one in some] for some in await all_of(feed)] == [[2.0]]

    played(kept, story)
