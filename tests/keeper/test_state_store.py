"""The contract between guard, drivers and state stores: what is saved when, how durably, and who releases the lock."""

from __future__ import annotations

import asyncio
import threading

import pytest

from heliograph.core.effects import FileAccess, finish_effect, run_effects_async
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Request, Session, Sleep
from heliograph.errors import ConfigError, HeliographError, StoreError, Throttled
from heliograph.keeper import Keeper
from heliograph.vendors.growatt import AsyncGrowatt, Growatt
from heliograph.vendors.growatt.auth import GrowattProtocol
from support.fleet_database import FleetStoreInLine
from support.growatt_script import SERVER, USER
from support.keeper_cloud import LIMITS, PLANS, CountingCloud
from support.keeper_processes import running_server
from support.keeper_store import AwaitedStore, MemoryStore
from support.protocol_script import NOON, next_request

HELD_READ = ["hold", "load", "save", "release"]


@pytest.fixture
def cloud_server():
    with running_server() as one:
        yield one


class ScriptedAccount:
    """One account whose flows a test drives step by step, with its state in a dictionary."""

    def __init__(self, store):
        self.cloud, self.store = CountingCloud(), store
        self.protocol = AccountProtocol(GrowattProtocol(), Session(SERVER), Credentials(USER, Secret("right")))
        keeper = Keeper(store=lambda name: store, patience=0.1)
        self.guard = keeper.guard("growatt", SERVER, USER, LIMITS, clock=lambda: self.cloud.now)

    def start(self, plan="read"):
        self.store.done.clear()
        self.steps = self.guard.run(self.protocol, PLANS[plan])
        return next_request(self.steps, None)

    def run(self, plan="read"):
        try:
            step = self.start(plan)
            while True:
                step = next_request(self.steps, self.cloud.serve(step))
        except StopIteration:
            return self.store.done


@pytest.fixture(params=["memory", "postgres"])
def account(request):
    if request.param == "memory":
        yield ScriptedAccount(MemoryStore("account"))
        return
    with FleetStoreInLine(request.getfixturevalue("fleet")) as store:
        yield ScriptedAccount(store)


def test_guard_saves_before_each_request_and_durably_before_a_login(account):
    assert isinstance(account.start(), Request)
    assert account.store.done == ["hold", "load", "save durably"]
    assert account.store.states["account"].trying


def test_guard_saves_a_login_and_its_outcome_durably_but_no_read(account):
    # The outcome of the login is saved with the read that follows.
    assert account.run() == ["hold", "load", "save durably", "save durably", "release"]
    assert account.run() == HELD_READ


@pytest.mark.parametrize("kind", ["locked", "blocked", "slow"])
def test_guard_saves_a_lock_durably(account, kind):
    account.run("forget" if kind == "locked" else "read")
    setattr(account.cloud, f"{kind}_until", NOON + 3600)
    with pytest.raises(Throttled):
        account.run()
    assert account.store.done[-2:] == ["save durably", "release"]
    assert account.store.states["account"].pause


def test_guard_saves_nothing_if_nothing_changed(account):
    account.run()
    account.run("forget")
    assert account.run("forget") == ["hold", "load", "release"]


def test_guard_polls_a_busy_store_until_its_patience_ends(account):
    account.store.states["held"] = True
    assert isinstance(account.start(), Sleep)
    assert isinstance(next_request(account.steps, None), Sleep)
    with pytest.raises(Throttled, match="another program has been using this account"):
        next_request(account.steps, None)
    assert account.store.done == ["busy"] * 3


def test_guard_releases_the_lock_if_its_state_cannot_be_saved(account):
    def full(state, *, durable):
        raise StoreError("full")

    account.store.save = full
    with pytest.raises(StoreError):
        account.run()
    assert account.store.states["held"] is None


def test_guard_releases_the_lock_if_the_flow_cannot_start(account):
    def broken():
        raise ZeroDivisionError

    steps = account.guard.run(account.protocol, broken)
    with pytest.raises(ZeroDivisionError):
        next_request(steps, None)
    assert account.store.states["held"] is None


def test_client_interrupted_while_sending_saves_and_releases(cloud_server, tmp_path):
    store = MemoryStore("account")
    client = Growatt("ada", "pw", server=cloud_server.url, keeper=Keeper(tmp_path, store=lambda name: store))
    client.plant_info("1")
    store.done.clear()

    def interrupted():
        yield Sleep(-1.0)  # `time.sleep` raises ValueError, as a signal handler might

    with pytest.raises(ValueError, match="non-negative"):
        client.perform(interrupted)
    assert store.done == ["hold", "load", "release"]
    client.plant_info("1")


# Async clients


def async_client(cloud_server, store, folder):
    return AsyncGrowatt("ada", "pw", server=cloud_server.url, keeper=Keeper(folder, store=lambda name: store))


def test_async_client_awaits_an_async_store(cloud_server, tmp_path):
    store = AwaitedStore("account")

    async def ask():
        client = async_client(cloud_server, store, tmp_path)
        await client.plant_info("1")
        await client.plant_info("1")
        return await run_effects_async(client.guard.budget_flow())

    assert asyncio.run(ask()).requests_used == 3
    assert store.done[-5:] == [*HELD_READ, "load"]
    assert cloud_server.logins == 1


def test_client_sends_nothing_that_its_store_refuses(cloud_server, tmp_path):
    store = MemoryStore("account")
    client = Growatt("ada", "pw", server=cloud_server.url, keeper=Keeper(tmp_path, store=lambda name: store))
    client.plant_info("1")
    used, sent = client.budget.requests_used, cloud_server.reads

    def refuse(state, *, durable):
        raise HeliographError("another worker has this account")

    store.save = refuse
    with pytest.raises(HeliographError, match="another worker"):
        client.plant_info("1")
    assert cloud_server.reads == sent
    del store.save
    client.plant_info("1")
    assert client.budget.requests_used == used + 1


def test_blocking_client_rejects_an_async_store(cloud_server, tmp_path):
    keeper = Keeper(tmp_path, store=AwaitedStore)
    client = Growatt("ada", "pw", server=cloud_server.url, keeper=keeper)
    for use in (lambda: client.plant_info("1"), lambda: client.budget):
        with pytest.raises(ConfigError, match="use an async client"):
            use()


def test_async_client_performs_blocking_effects_off_its_event_loop(cloud_server, tmp_path):
    threads = set()

    class Watched(MemoryStore):
        def load(self, now):
            threads.add(threading.current_thread())
            return super().load(now)

    asyncio.run(async_client(cloud_server, Watched("account"), tmp_path).plant_info("1"))
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_cancelled_task_finishes_an_effect_that_acquires_the_lock_and_releases_it(cloud_server, tmp_path):
    async def cancelled():
        started, resume = asyncio.Event(), asyncio.Event()

        async def pause():
            started.set()
            await resume.wait()

        store = AwaitedStore("account", pause=pause)
        task = asyncio.create_task(async_client(cloud_server, store, tmp_path).plant_info("1"))
        await started.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        resume.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return store

    store = asyncio.run(cancelled())
    assert store.states["held"] is None
    assert cloud_server.logins == 0


def test_finish_effect_returns_the_result_of_a_thread_and_the_cancellation():
    async def cancelled():
        begun, proceed = threading.Event(), threading.Event()

        def work():
            begun.set()
            proceed.wait(20)
            return 7

        task = asyncio.create_task(finish_effect(FileAccess(work)))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        proceed.set()
        return await task

    result, cancellation = asyncio.run(cancelled())
    assert result == 7
    assert isinstance(cancellation, asyncio.CancelledError)


def test_cancelled_task_reports_its_cancellation_even_if_the_flow_ends(cloud_server, tmp_path):
    async def cancelled():
        started, resume = asyncio.Event(), asyncio.Event()
        store = AwaitedStore("account")
        client = async_client(cloud_server, store, tmp_path)
        await client.plant_info("1")

        async def pause():
            started.set()
            await resume.wait()

        store.pause = pause
        task = asyncio.create_task(client.forget())
        await started.wait()
        task.cancel()
        await asyncio.sleep(0)
        resume.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return store

    assert asyncio.run(cancelled()).states["held"] is None
