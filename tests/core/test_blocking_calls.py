"""No call blocks the event loop: async clients, the collector with its outputs, a backfill and a settings change."""

from __future__ import annotations

import asyncio
import time
from datetime import date, datetime, timedelta

import pytest

from heliograph import AsyncGoodWe, AsyncGrowatt, AsyncGrowattToken, Growatt, transports
from heliograph.cli.collect import collect_accounts
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.service import collect
from heliograph.config import load
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import CloudError
from heliograph.keeper import Keeper
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import DeliveryLoop
from heliograph.outputs.webhook import WebhookSink
from heliograph.settings import AsyncOrders, Journal
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter, StoreThread
from heliograph.vendors.growatt.openapi import limits
from support.blocking_calls import blocking_calls
from support.collector_fixtures import Jumping, worker_of
from support.http_service import Service, make_config

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")


@pytest.fixture
def world():
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=2), [GROWATT, GOODWE])
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def test_detector_finds_blocking_calls_of_the_loop_and_none_of_threads(tmp_path):
    file = tmp_path / "file"

    def use():
        file.write_text("a")
        time.sleep(0)

    async def run():
        with blocking_calls() as found:
            await asyncio.to_thread(use)
            assert found == []
            use()
        return found

    assert {name for name, _, _ in asyncio.run(run())} == {"io.open", "time.sleep"}


@pytest.mark.parametrize("name", ["default", "aiohttp", "httpx"])
def test_async_clients_never_block_the_loop(name, world, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)
    _, ready = world
    growatt, goodwe = ready["accounts"]
    options = {"keeper": Keeper(tmp_path / "accounts"), "interactive": True, "clock": NOON.timestamp}

    async def use(client):
        plants = await client.plants()
        snapshot = await client.snapshot(plants[0].id)
        assert (await client.snapshot(plants[0].id)).plant == snapshot.plant  # from the snapshot file
        assert (await client.budget_async()).requests_used > 0
        assert await client.free_at_async(1) <= NOON.timestamp() + 86400
        assert (await client.stored_session_async()).alive
        assert {plant.id for plant in plants} >= set(await client.known_plants_async())
        for device in snapshot.devices:
            await client.settings_of_async(device.device)
        await client.day_curve(plants[0].id, date(2026, 6, 20))
        await client.log_in()
        await client.forget()

    async def run():
        transport, close = await make_transport(name)
        password = growatt["username"], growatt["password"]
        common = {"server": ready["growatt"], "transport": transport, **options}
        by_password, by_both = (
            AsyncGrowatt(*password, **common),
            AsyncGrowatt(*password, token=growatt["token"], **common),
        )
        by_token = AsyncGrowattToken(growatt["token"], **common)
        sems = AsyncGoodWe(goodwe["username"], goodwe["password"], **(common | {"server": ready["sems"]}))
        with blocking_calls() as found:
            await use(by_password)
            await by_both.snapshots(max_age=0)
            await by_both.period_energies((await by_both.plants())[0].id, "2026-05")
            await by_both.budget_async()
            await by_token.snapshots()
            await use(sems)
        await close()
        return found

    assert asyncio.run(run()) == []


def test_polls_over_aiohttp_with_an_expired_session_and_a_lock_never_block_the_loop(world, tmp_path):
    emulator, ready = world
    clock, account = emulator.world.clock, ready["accounts"][0]
    faults = {
        4: {"expire": ""},
        5: {"expire": None},
        8: {"reset": ""},
        9: {"reset": None},
        11: {"expire": "", "lock": 1},
    }
    failures = {}

    async def run():
        transport, close = await make_transport("aiohttp")
        options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True, "transport": transport}
        client = AsyncGrowatt(
            account["username"], account["password"], clock=lambda: clock.now().timestamp(), **options
        )
        with blocking_calls() as found:
            for poll in range(13):
                clock.set(clock.now() + timedelta(minutes=11))
                emulator.faults.set(faults.get(poll, {}))
                try:
                    await client.snapshot(account["plants"][0], max_age=0)
                except CloudError as error:
                    failures[poll] = type(error).__name__
                await client.budget_async()
        await close()
        return found, (await client.budget_async()).logins_used

    found, logins = asyncio.run(run(), debug=True)
    assert failures == {8: "Unreachable", 11: "AccountLocked", 12: "AccountLocked"}
    assert logins > 1
    assert found == []


async def make_transport(name):
    async def nothing():
        pass

    if name == "default":
        return None, nothing
    library = pytest.importorskip(name, reason=f"{name} is not installed")
    if name == "aiohttp":
        session = library.ClientSession(cookie_jar=library.DummyCookieJar())
        return transports.aiohttp(session), session.close
    client = library.AsyncClient()
    return transports.httpx(client), client.aclose


def test_collector_with_outputs_backfill_and_settings_never_blocks_the_loop(world, service, tmp_path):
    emulator, ready = world
    home = tmp_path / "accounts"
    growatt = ready["accounts"][0]
    plant = next(site for site in emulator.accounts[0].plants if site.family == "mix")
    common = {"server": ready["growatt"], "keeper": Keeper(home), "interactive": True}
    other = Growatt(growatt["username"], growatt["password"], **common)

    async def change_setting(client, snapshot):
        (device, *_) = (one.device for one in snapshot.devices)
        async with AsyncOrders(client, journal=Journal(tmp_path / "orders", "a"), read_back_delays=(0.0,)) as orders:
            setting = next(one for one in await client.settings_of_async(device) if one.name == "load_first_stop_soc")
            await orders.set(device, setting.name, 77)
            assert await orders.log_async()
            await orders.undo(device)
            assert await orders.curtailments_async() == await orders.due_async() == await orders.unsettled_async() == ()

    async def run():
        clock, stop = Jumping(emulator, NOON.timestamp() + 2 * 3600), asyncio.Event()
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
        reader = StoreThread(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
        backfill_client = worker_of(growatt, ready, writer, clock, home)._connect()
        writing = AsyncGrowatt(growatt["username"], growatt["password"], allow_commands=True, **common)
        with blocking_calls() as found:
            pollers = [
                worker_of(one, ready, writer, clock, home, plants=one["plants"][:2], gap_filler=filler)
                for one, filler in [(each, GapFiller(writer, clock)) for each in ready["accounts"]]
            ]
            job = Backfill(
                "home", backfill_client, writer, clock, BackfillOptions(since=date(2026, 6, 14), plants=[plant.id])
            )
            hook = make_config(name="hook", url=service.url + "/in", secret="hunter2", vendor="", plants=())
            sink = WebhookSink(hook, clock)
            delivery = DeliveryLoop(sink, PriorityFeed(reader, sink, clock), clock)
            await delivery.feed.start()
            clock.workers = len(pollers) + 2

            async def fill():
                await job.run(stop)
                clock.workers -= 1
                clock.jump(stop)

            tasks = [asyncio.create_task(fill()), asyncio.create_task(delivery.run(stop))]
            await asyncio.to_thread(other.snapshot, plant.id)  # queued for the collector
            await collect(pollers, writer, clock, stop)
            await asyncio.gather(*tasks)
            await change_setting(writing, await writing.snapshot(plant.id))
            await reader.close()
        return found, pollers, delivery

    found, pollers, delivery = asyncio.run(run())
    assert [one.progress.problem for one in pollers] == [None, None]
    assert all(one.progress.samples > 10 for one in pollers)
    assert delivery.progress.sent > 10
    assert found == []


def test_collect_command_never_blocks_the_loop_after_its_start(world, service, tmp_path, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path / "home"))
    _, ready = world
    store = str(tmp_path / "s.sqlite")
    text = "".join(
        f"[[account]]\nvendor = {one['vendor']!r}\nname = {one['vendor']!r}\nusername = {one['username']!r}\n"
        f"password = {one['password']!r}\nserver = {ready['url']!r}\nwrites = true\n"
        for one in ready["accounts"]
    )
    path = tmp_path / "heliograph.toml"
    path.write_text(text + f'[[webhook]]\nurl = "{service.url}/in"\nsecret = "hunter2"\n')
    path.chmod(0o600)
    config = load(path, {})

    async def run():
        with blocking_calls() as found:
            saved = await collect_accounts(config, config.accounts, store, fill_gaps=True, once=True)
        return saved, found

    saved, found = asyncio.run(run())
    assert saved
    assert found == []
