"""The loop that runs any sink: outages, refusals, and that no sample is lost whatever dies."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import datetime

import pytest

from heliograph.errors import StoreError
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import FIRST_RETRY, IDLE_SECONDS, LONGEST_RETRY, DeliveryLoop
from heliograph.outputs.sink import RetryLater, SinkRejected
from heliograph.outputs.webhook import WebhookSink
from heliograph.store import open_store
from heliograph.store.base import Batch, Series
from heliograph.store.threaded import StoreThread
from support.http_service import HALF, NOON, ROOF, Hand, Kept, Service, answer, configured, drained, entry
from support.raw_server import RESET


class Listed:
    """A sink that takes what it does not refuse, and is away as long as it is told."""

    name = "listed"
    pause = 1.0
    max_age = None

    def __init__(self, size=8):
        self.batch_size = size
        self.taken = []
        self.sizes = []
        self.trouble = []
        self.bad = set()
        self.lost = None

    def wants(self, series):
        return True

    async def send(self, news):
        self.sizes.append(len(news.samples))
        if self.trouble:
            raise self.trouble.pop(0)
        if self.bad & {one.measured_at for one in news.samples}:
            raise SinkRejected("not this one", self.lost)
        self.taken += [one.measured_at for one in news.samples]


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "samples.sqlite")


def said(caplog):
    return [str(one.msg) for one in caplog.records]


def told(story, kept):
    async def whole():
        try:
            await story()
        finally:
            await kept.close()

    asyncio.run(whole())


def test_delivery_retries_unavailable_sink_with_backoff_and_logs_once(kept, caplog):
    async def story():
        sink, clock = Listed(), Hand()
        delivery = kept.delivery(sink, clock)
        assert await delivery.send_once() == IDLE_SECONDS
        kept.write(entry())
        sink.trouble = [RetryLater(f"no {number}") for number in range(9)]
        assert await drained(delivery) == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 1.0, IDLE_SECONDS]
        assert (FIRST_RETRY, LONGEST_RETRY) == (5.0, 300.0)
        assert sink.taken == [NOON]
        assert said(caplog) == [
            'event=output.disconnected output=listed why="no 0"',
            "event=output.recovered output=listed",
        ]
        progress = delivery.progress
        assert (progress.sent, progress.skipped, progress.newest, progress.problem) == (1, 0, NOON, None)

    told(story, kept)


def test_delivery_backoff_has_jitter_and_respects_retry_after(kept):
    async def story():
        sink = Listed()
        delivery = kept.delivery(sink, Hand(), jitter=lambda: 0.0)
        await delivery.send_once()
        kept.write(entry())
        sink.trouble = [RetryLater("no"), RetryLater("no", 1000.0), RetryLater("no", 1.0), RetryLater("no", 1e12)]
        assert await drained(delivery) == [2.5, 1000.0, 10.0, 24 * 3600.0, 1.0, IDLE_SECONDS]

    told(story, kept)


def test_delivery_bisects_skips_and_logs_rejected_sample(kept, caplog):
    async def story():
        sink = Listed(size=16)
        delivery = kept.delivery(sink, Hand())
        await delivery.send_once()
        kept.write(*(entry(NOON + step) for step in range(40)))
        sink.bad = {NOON + 5, NOON + 33}
        await drained(delivery)
        assert sorted(set(sink.taken)) == [NOON + step for step in range(40) if step not in (5, 33)]
        assert len(sink.taken) == len(set(sink.taken))
        assert (delivery.progress.sent, delivery.progress.skipped) == (38, 2)
        assert said(caplog) == ['event=output.rejected output=listed samples=1 why="not this one"']
        assert len(sink.sizes) < 30
        assert max(sink.sizes[-3:]) > 1

    told(story, kept)


def test_delivery_does_not_resend_partially_rejected_batch(kept):
    async def story():
        sink = Listed(size=16)
        delivery = kept.delivery(sink, Hand())
        await delivery.send_once()
        kept.write(*(entry(NOON + step) for step in range(8)))
        sink.bad, sink.lost = {NOON}, 3
        await drained(delivery)
        assert sink.sizes == [8]
        assert (delivery.progress.sent, delivery.progress.skipped) == (5, 3)
        assert delivery.progress.problem == "not this one"

    told(story, kept)


def test_delivery_retries_unavailable_store_like_a_sink(kept, caplog):
    async def story():
        sink, clock = Listed(), Hand()
        inner, errors = kept.aside(), []

        class Cutting:
            async def run(self, job):
                if errors:
                    raise errors.pop()
                return await inner.run(job)

        kept.aside = Cutting
        delivery = kept.delivery(sink, clock)
        await delivery.send_once()
        errors += [StoreError("locked"), StoreError("locked")]
        kept.write(entry())
        assert await drained(delivery) == [5.0, 10.0, 1.0, IDLE_SECONDS]
        assert said(caplog) == [
            "event=output.disconnected output=listed why=locked",
            "event=output.recovered output=listed",
        ]
        assert delivery.progress.problem is None

    told(story, kept)


def test_delivery_drain_ends_when_all_is_sent_or_sink_is_unavailable(kept):
    async def story():
        sink, stop = Listed(size=2), asyncio.Event()
        delivery = kept.delivery(sink, Hand())
        await delivery.feed.start()
        kept.write(*(entry(NOON + step) for step in range(5)))
        await delivery.drain(stop)
        assert len(sink.taken) == 5
        kept.write(entry(NOON + 9))
        sink.trouble = [RetryLater("no")]
        await delivery.drain(stop)
        assert len(sink.taken) == 5

    told(story, kept)


def test_delivery_run_sends_until_stopped(kept):
    async def story():
        sink, clock, stop = Listed(), Hand(end=NOON + 3600), asyncio.Event()
        delivery = kept.delivery(sink, clock)
        await delivery.feed.start()
        kept.write(entry())
        await asyncio.wait_for(delivery.run(stop), 30)
        assert sink.taken == [NOON]
        assert len(clock.waits) > 300

    told(story, kept)


class Luck:
    """A service, a store and a program that fail at random, each in every way it can."""

    def __init__(self, path, seed):
        self.rng = random.Random(seed)
        self.path = path
        self.clock = Hand()
        self.service = Service()
        self.service.reply = self.reply
        self.arrived = {}
        self.truth = {}

    def reply(self, asked):
        luck = self.rng.random()
        if luck < 0.25:
            return answer(503) if luck < 0.15 else RESET
        for one in json.loads(asked.body)["samples"]:
            moment = int(datetime.fromisoformat(one["measured_at"]).timestamp())
            self.arrived[Series(one["vendor"], one["plant"], one["device"] or ""), moment] = one["values"]["pv_power"]
        # Of half an answer the sender cannot know that all arrived.
        return HALF if luck < 0.35 else answer(self.rng.choice((200, 202, 204)))

    def opened(self):
        if self.rng.random() < 0.3:
            raise StoreError("away")
        return open_store(self.path)

    def sink(self):
        sink = WebhookSink(configured(url=f"{self.service.url}/in", secret="hunter2", plants=()), self.clock)
        sink.batch_size = 7
        return sink

    def write(self, store, now):
        rows = {}
        for _ in range(self.rng.randrange(6)):
            series = self.rng.choice((ROOF, Series("goodwe", "7"), Series("growatt", "11", "INV1")))
            # Mostly new, at times the past, at times the same moment again.
            moment = now if self.rng.random() < 0.7 else NOON - 300 * self.rng.randrange(200)
            rows[series, moment] = entry(moment, series, now, pv_power=float(self.rng.randrange(5)))
        store.write(Batch(samples=list(rows.values())))
        self.truth.update({key: one.values["pv_power"] for key, one in rows.items()})

    async def life(self, turns):
        """Live as one process, which may end anywhere, with nothing said; return whether all was sent."""
        aside, sink = Failing(self.opened, self.rng), self.sink()
        feed = PriorityFeed(aside, sink, self.clock)
        delivery = DeliveryLoop(sink, feed, self.clock, self.rng.random)
        task = asyncio.create_task(self.turned(delivery, turns))
        if self.rng.random() < 0.3:
            await asyncio.wait((task,), timeout=self.rng.random() * 0.02)
            task.cancel()
        await asyncio.wait((task,))
        await aside.close()
        return delivery.caught_up

    async def turned(self, delivery, turns):
        for _ in range(turns):
            self.clock.moment += await delivery.send_once()


class Failing(StoreThread):
    """A reader's side whose store is away at random, before or after it did what it was asked."""

    def __init__(self, opened, rng):
        super().__init__(opened)
        self.rng = rng

    async def run(self, job):
        if self.rng.random() < 0.1:
            raise StoreError("before")
        found = await super().run(job)
        if self.rng.random() < 0.1:
            raise StoreError("after")
        return found


@pytest.mark.parametrize("seed", range(4))
def test_delivery_loses_no_sample_when_sink_store_and_program_fail_at_random(tmp_path, seed):
    luck = Luck(tmp_path / "samples.sqlite", seed)
    with open_store(luck.path) as store:
        store.save_reader_position(luck.sink().name, 0, NOON)
        for number in range(40):
            luck.write(store, NOON + 300 * number)
            asyncio.run(luck.life(luck.rng.randrange(4)))
        for _ in range(200):
            if asyncio.run(luck.life(20)) and not store.changes(0):
                break
    luck.service.close()
    assert luck.arrived == luck.truth
