"""Limits of an egress: shared by all workers, smaller for logins, and a pause after blocks."""

import asyncio
import time

import pytest

from heliograph.core.session import Response
from heliograph.errors import StoreError, Unreachable
from heliograph.fleet.database import Database
from heliograph.fleet.egress import (
    EgressLimit,
    EgressPaused,
    PacedStateStore,
    egress_reports,
    limit_egress,
    pause_egress,
    resume_egress,
)
from heliograph.fleet.figures import WorkerFigures
from heliograph.fleet.schema import init
from heliograph.keeper import Keeper
from heliograph.vendors.growatt import AsyncGrowatt
from support.keeper_store import AwaitedStore


def egress(test):
    """Run an async test with two workers' connections to a fleet's database."""

    def run(own_database):
        async def prepared():
            first, second = Database(own_database), Database(own_database)
            await init(first, 4)
            try:
                await asyncio.wait_for(test(first, second), 60)
            finally:
                await first.close()
                await second.close()

        asyncio.run(prepared())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def set_row(database, **values):
    columns = ", ".join(f"{name} = %({name})s" for name in values)
    await database.run("INSERT INTO egress (name, vendor) VALUES ('fra1', 'growatt') ON CONFLICT DO NOTHING")
    await database.run(f"UPDATE egress SET filled_at = extract(epoch FROM clock_timestamp()), {columns}", values)


async def count_granted(*takes):
    """Return how many of these requests are granted at once."""
    tasks = [asyncio.ensure_future(take) for take in takes]
    await asyncio.wait(tasks, timeout=0.6)
    granted = sum(task.done() and task.exception() is None for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return granted


def paced_client(database, answer, states):
    """Return a client whose requests wait for an egress; `answer` takes them instead of a network."""

    def store(name):
        limit = EgressLimit(database, "fra1", "growatt")
        return PacedStateStore(AwaitedStore(name, states), limit, 7, WorkerFigures())

    client = AsyncGrowatt("ada", "pw", keeper=Keeper("/nonexistent", store=store))
    client._send_request = answer
    return client


@egress
async def test_workers_share_the_burst_of_an_egress(first, second):
    await set_row(first, rate=0.001, burst=5, tokens=5)
    limits = [EgressLimit(database, "fra1", "growatt") for database in (first, second)]
    assert await count_granted(*(limit.take() for limit in limits for _ in range(6))) == 5


@egress
async def test_requests_are_granted_at_the_rate(first, second):
    await set_row(first, rate=20, burst=1, tokens=0)
    limits = [EgressLimit(database, "fra1", "growatt") for database in (first, second)]
    began = time.monotonic()
    await asyncio.gather(*(limit.take() for limit in limits for _ in range(10)))
    assert time.monotonic() - began >= 19 / 20


@egress
async def test_logins_have_a_smaller_limit_and_do_not_delay_other_requests(first, second):
    await set_row(first, rate=0.001, burst=50, tokens=50, login_rate=0.001, login_burst=2, login_tokens=2)
    limit = EgressLimit(first, "fra1", "growatt")
    assert await count_granted(*(limit.take(is_login=True) for _ in range(5)), *(limit.take() for _ in range(8))) == 10


@egress
async def test_three_blocked_accounts_pause_the_egress_for_every_worker(first, second):
    await set_row(first, rate=100, burst=50, tokens=50)
    limit, other = EgressLimit(first, "fra1", "growatt"), EgressLimit(second, "fra1", "growatt")
    assert not await limit.note_block(1, 3600)
    assert not await limit.note_block(1, 3600)  # the same account again
    assert not await limit.note_block(2, 3600)
    await other.take()
    assert await limit.note_block(3, 3600)
    with pytest.raises(EgressPaused) as caught:
        await other.take()
    assert 3500 < caught.value.retry_after <= 3600
    assert "3 accounts were blocked" in str(caught.value)
    await EgressLimit(first, "fra1", "goodwe").take()  # another vendor is not affected
    await EgressLimit(first, "lon1", "growatt").take()


@egress
async def test_after_a_pause_one_request_is_sent_and_its_answer_ends_the_probe(first, second):
    await set_row(first, rate=100, burst=50, tokens=50, paused_until=1.0, pause_reason="blocked")
    limit, other = EgressLimit(first, "fra1", "growatt"), EgressLimit(second, "fra1", "growatt")
    await limit.take()
    with pytest.raises(EgressPaused):
        await other.take()
    await limit.succeeded()
    await other.take()
    assert [one.reason for one in await egress_reports(first)] == [""]


@egress
async def test_pause_and_resume_by_an_operator(first, second):
    await EgressLimit(first, "fra1", "growatt").take()
    assert await pause_egress(first, "fra1", 600, "maintenance") == ["growatt"]
    with pytest.raises(EgressPaused, match="maintenance"):
        await EgressLimit(first, "fra1", "growatt").take()
    assert await resume_egress(first, "fra1") == ["growatt"]
    await EgressLimit(first, "fra1", "growatt").take()
    assert await pause_egress(first, "unknown", 600, "maintenance") == []


@egress
async def test_limit_egress_changes_only_what_is_given(first, second):
    assert (await limit_egress(first, "fra1", "growatt", 2.5, None))[2:6:2] == (2.5, 0.1)
    found = await limit_egress(first, "fra1", "growatt", None, 0.5)
    assert (found.rate, found.login_rate) == (2.5, 0.5)


@egress
async def test_state_store_waits_for_the_egress_before_a_request_only(first, second):
    await set_row(first, rate=0.001, burst=1, tokens=1)
    figures = WorkerFigures()
    store = PacedStateStore(AwaitedStore("a"), EgressLimit(first, "fra1", "growatt"), 7, figures)
    held = await store.hold()
    state = await held.load(1.0)
    await held.admit(is_login=False)
    await held.save(state, durable=False)
    await held.save(state, durable=False)  # permits no request
    assert await count_granted(held.admit(is_login=False)) == 0
    await held.release()
    assert figures.as_dict()["permit"]["0.5"] is not None


@egress
async def test_login_is_counted_when_the_egress_has_allowed_it(first, second):
    await set_row(first, rate=100, burst=50, tokens=50, login_rate=2.0, login_burst=1, login_tokens=0)
    states, started_at = {}, time.time()
    answers = []

    async def answer(request, *_):
        answers.append(time.time())
        raise Unreachable("gone")

    client = paced_client(first, answer, states)
    with pytest.raises(Unreachable):
        await client.plant_list()
    (logged_in_at,) = states[client.guard.store.name].logins
    assert started_at + 0.4 < logged_in_at <= answers[0]


@egress
async def test_nothing_is_sent_if_the_egress_cannot_be_asked(first, second):
    requests, states = [], {}

    async def answer(request, *_):
        requests.append(request)
        body = b'{"back": {"success": true, "user": {"id": 1}, "data": [{"plantId": "1"}]}}'
        return Response(200, {}, (), body if request.is_login else b'{"deviceList": []}', time.time())

    client = paced_client(first, answer, states)
    await set_row(first, rate=100, burst=50, tokens=50, login_rate=100, login_burst=50, login_tokens=50)
    await client.plant_info("1")
    sent = len(requests)
    assert sent == 2
    await first.run("ALTER TABLE egress RENAME TO moved")
    with pytest.raises(StoreError):
        await client.plant_info("1")
    assert len(requests) == sent


@egress
async def test_state_store_reports_new_blocks_of_accounts(first, second):
    await set_row(first, rate=100, burst=50, tokens=50)
    limit = EgressLimit(first, "fra1", "growatt")
    for account in (1, 2, 3):
        store = PacedStateStore(AwaitedStore(f"{account}"), limit, account, WorkerFigures())
        for _ in range(2):  # the second time the account is still blocked, and nothing is sent
            held = await store.hold()
            state = await held.load(1000.0)
            state.at = 1000.0
            if not state.pause:
                await held.admit(is_login=False)
                state.count_request(1000.0)
                await held.save(state, durable=False)
                state.pause, state.pause_until = "blocked", 1000.0 + 7200
                await held.save(state, durable=False)
            await held.release()
    (report,) = await egress_reports(first)
    assert 7000 < report.paused_seconds <= 7200
