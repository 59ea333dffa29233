"""Tests of the delivery loop: outages, rejections, and no lost sample after random failures."""

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
from support.http_service import (
    NOON,
    ROOF,
    TRUNCATED_RESPONSE,
    ManualClock,
    Service,
    StoreHarness,
    drain,
    make_config,
    make_sample,
    response,
)
from support.raw_server import RESET


class ListSink:
    """Sink that stores accepted timestamps, raises the next of `errors` and rejects `rejected_times`."""

    name = "listed"
    pause = 1.0
    max_age = None

    def __init__(self, size=8):
        self.batch_size = size
        self.accepted = []
        self.sizes = []
        self.errors = []
        self.rejected_times = set()
        self.rejected_count = None

    def wants(self, series):
        return True

    async def send(self, batch):
        self.sizes.append(len(batch.samples))
        if self.errors:
            raise self.errors.pop(0)
        if self.rejected_times & {one.measured_at for one in batch.samples}:
            raise SinkRejected("not this one", self.rejected_count)
        self.accepted += [one.measured_at for one in batch.samples]


@pytest.fixture
def harness(tmp_path):
    return StoreHarness(tmp_path / "samples.sqlite")


def log_messages(caplog):
    return [str(one.msg) for one in caplog.records]


def run_scenario(scenario, harness):
    async def run_and_close():
        try:
            await scenario()
        finally:
            await harness.close()

    asyncio.run(run_and_close())


def test_delivery_retries_unavailable_sink_with_backoff_and_logs_once(harness, caplog):
    async def scenario():
        sink, clock = ListSink(), ManualClock()
        delivery = harness.delivery(sink, clock)
        assert await delivery.send_once() == IDLE_SECONDS
        harness.write(make_sample())
        sink.errors = [RetryLater(f"no {number}") for number in range(9)]
        assert await drain(delivery) == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 1.0, IDLE_SECONDS]
        assert (FIRST_RETRY, LONGEST_RETRY) == (5.0, 300.0)
        assert sink.accepted == [NOON]
        assert log_messages(caplog) == [
            'event=output.disconnected output=listed why="no 0"',
            "event=output.recovered output=listed",
        ]
        progress = delivery.progress
        assert (progress.sent, progress.skipped, progress.newest, progress.problem) == (1, 0, NOON, None)

    run_scenario(scenario, harness)


def test_delivery_backoff_has_jitter_and_respects_retry_after(harness):
    async def scenario():
        sink = ListSink()
        delivery = harness.delivery(sink, ManualClock(), jitter=lambda: 0.0)
        await delivery.send_once()
        harness.write(make_sample())
        sink.errors = [RetryLater("no"), RetryLater("no", 1000.0), RetryLater("no", 1.0), RetryLater("no", 1e12)]
        assert await drain(delivery) == [2.5, 1000.0, 10.0, 24 * 3600.0, 1.0, IDLE_SECONDS]

    run_scenario(scenario, harness)


def test_delivery_bisects_skips_and_logs_rejected_sample(harness, caplog):
    async def scenario():
        sink = ListSink(size=16)
        delivery = harness.delivery(sink, ManualClock())
        await delivery.send_once()
        harness.write(*(make_sample(NOON + step) for step in range(40)))
        sink.rejected_times = {NOON + 5, NOON + 33}
        await drain(delivery)
        assert sorted(set(sink.accepted)) == [NOON + step for step in range(40) if step not in (5, 33)]
        assert len(sink.accepted) == len(set(sink.accepted))
        assert (delivery.progress.sent, delivery.progress.skipped) == (38, 2)
        assert log_messages(caplog) == ['event=output.rejected output=listed samples=1 why="not this one"']
        assert len(sink.sizes) < 30
        assert max(sink.sizes[-3:]) > 1

    run_scenario(scenario, harness)


def test_delivery_does_not_resend_partially_rejected_batch(harness):
    async def scenario():
        sink = ListSink(size=16)
        delivery = harness.delivery(sink, ManualClock())
        await delivery.send_once()
        harness.write(*(make_sample(NOON + step) for step in range(8)))
        sink.rejected_times, sink.rejected_count = {NOON}, 3
        await drain(delivery)
        assert sink.sizes == [8]
        assert (delivery.progress.sent, delivery.progress.skipped) == (5, 3)
        assert delivery.progress.problem == "not this one"

    run_scenario(scenario, harness)


def test_delivery_retries_unavailable_store_like_a_sink(harness, caplog):
    async def scenario():
        sink, clock = ListSink(), ManualClock()
        reader, errors = harness.open_reader(), []

        class UnavailableReader:
            async def run(self, job):
                if errors:
                    raise errors.pop()
                return await reader.run(job)

        harness.open_reader = UnavailableReader
        delivery = harness.delivery(sink, clock)
        await delivery.send_once()
        errors += [StoreError("locked"), StoreError("locked")]
        harness.write(make_sample())
        assert await drain(delivery) == [5.0, 10.0, 1.0, IDLE_SECONDS]
        assert log_messages(caplog) == [
            "event=output.disconnected output=listed why=locked",
            "event=output.recovered output=listed",
        ]
        assert delivery.progress.problem is None

    run_scenario(scenario, harness)


def test_delivery_drain_ends_when_all_is_sent_or_sink_is_unavailable(harness):
    async def scenario():
        sink, stop = ListSink(size=2), asyncio.Event()
        delivery = harness.delivery(sink, ManualClock())
        await delivery.feed.start()
        harness.write(*(make_sample(NOON + step) for step in range(5)))
        await delivery.drain(stop)
        assert len(sink.accepted) == 5
        harness.write(make_sample(NOON + 9))
        sink.errors = [RetryLater("no")]
        await delivery.drain(stop)
        assert len(sink.accepted) == 5

    run_scenario(scenario, harness)


def test_delivery_run_sends_until_stopped(harness):
    async def scenario():
        sink, clock, stop = ListSink(), ManualClock(end=NOON + 3600), asyncio.Event()
        delivery = harness.delivery(sink, clock)
        await delivery.feed.start()
        harness.write(make_sample())
        await asyncio.wait_for(delivery.run(stop), 30)
        assert sink.accepted == [NOON]
        assert len(clock.waits) > 300

    run_scenario(scenario, harness)


class FailureSimulation:
    """A service, a store and a process that fail at random."""

    def __init__(self, path, seed):
        self.rng = random.Random(seed)
        self.path = path
        self.clock = ManualClock()
        self.service = Service()
        self.service.reply = self.reply
        self.received = {}
        self.expected = {}

    def reply(self, request):
        chance = self.rng.random()
        if chance < 0.25:
            return response(503) if chance < 0.15 else RESET
        for one in json.loads(request.body)["samples"]:
            moment = int(datetime.fromisoformat(one["measured_at"]).timestamp())
            self.received[Series(one["vendor"], one["plant"], one["device"] or ""), moment] = one["values"]["pv_power"]
        # After a truncated response the sender does not know whether the samples were received.
        return TRUNCATED_RESPONSE if chance < 0.35 else response(self.rng.choice((200, 202, 204)))

    def open_or_fail(self):
        if self.rng.random() < 0.3:
            raise StoreError("away")
        return open_store(self.path)

    def sink(self):
        sink = WebhookSink(make_config(url=f"{self.service.url}/in", secret="hunter2", plants=()), self.clock)
        sink.batch_size = 7
        return sink

    def write(self, store, now):
        rows = {}
        for _ in range(self.rng.randrange(6)):
            series = self.rng.choice((ROOF, Series("goodwe", "7"), Series("growatt", "11", "INV1")))
            # Mostly new samples, some history, some repeated timestamps.
            moment = now if self.rng.random() < 0.7 else NOON - 300 * self.rng.randrange(200)
            rows[series, moment] = make_sample(moment, series, now, pv_power=float(self.rng.randrange(5)))
        store.write(Batch(samples=list(rows.values())))
        self.expected.update({key: one.values["pv_power"] for key, one in rows.items()})

    async def run_process(self, attempts):
        """Run one process, which may be killed at any point; return whether all samples were sent."""
        reader, sink = FailingStoreThread(self.open_or_fail, self.rng), self.sink()
        feed = PriorityFeed(reader, sink, self.clock)
        delivery = DeliveryLoop(sink, feed, self.clock, self.rng.random)
        task = asyncio.create_task(self.send_repeatedly(delivery, attempts))
        if self.rng.random() < 0.3:
            await asyncio.wait((task,), timeout=self.rng.random() * 0.02)
            task.cancel()
        await asyncio.wait((task,))
        await reader.close()
        return delivery.caught_up

    async def send_repeatedly(self, delivery, attempts):
        for _ in range(attempts):
            self.clock.moment += await delivery.send_once()


class FailingStoreThread(StoreThread):
    """Store thread that fails at random before or after the job."""

    def __init__(self, open_or_fail, rng):
        super().__init__(open_or_fail)
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
    simulation = FailureSimulation(tmp_path / "samples.sqlite", seed)
    with open_store(simulation.path) as store:
        store.save_reader_position(simulation.sink().name, 0, NOON)
        for number in range(40):
            simulation.write(store, NOON + 300 * number)
            asyncio.run(simulation.run_process(simulation.rng.randrange(4)))
        for _ in range(200):
            if asyncio.run(simulation.run_process(20)) and not store.changes(0):
                break
    simulation.service.close()
    assert simulation.received == simulation.expected
