"""A collector and a backfill of a year share one account: live values come first."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from itertools import pairwise

from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.schedule import PollPolicy
from heliograph.collect.service import collect
from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.collector_fixtures import Jumping, worker_of


def test_hybrid_is_polled_every_15_minutes_of_daylight_while_a_year_is_fetched(tmp_path):
    start = datetime.fromisoformat("2026-06-21T06:02:00+02:00")
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1), [EMULATION])
    (plant,) = [site.id for site in emulator.accounts[0].plants if site.family == "mix"]
    polled, news = [], []

    async def run(ready):
        clock, stop = Jumping(emulator, start.timestamp() + 15 * 3600), asyncio.Event()
        clock.workers = 2
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
        policy, account = PollPolicy(180.0, None, 660.0), ready["accounts"][0]
        options = {"pace": policy, "plants": [plant], "gap_filler": GapFiller(writer, clock)}
        poller = worker_of(account, ready, writer, clock, tmp_path / "accounts", **options)
        client = worker_of(account, ready, writer, clock, tmp_path / "accounts")._connect()
        poll_once = poller.poll_once

        async def record():
            polled.append(clock.now())
            return await poll_once()

        poller.poll_once = record
        selection = BackfillOptions(since=date(2025, 6, 21), plants=[plant])
        job = Backfill("home", client, writer, clock, selection, news.append)
        filling = asyncio.create_task(job.run(stop))
        await collect([poller], writer, clock, stop)
        await filling
        return poller

    with serve_in_thread(emulator) as ready:
        poller = asyncio.run(run(ready))
    # The first poll may begin before or after the backfill knows what a poll takes.
    longest = max(later - earlier for earlier, later in pairwise(polled[1:]) if 5 <= _hour(earlier) < 20)
    assert longest <= 15 * 60
    assert poller.progress.problem is None
    assert poller.client.budget.free >= 0
    assert 3 <= news[0].days_to_go <= 8
    assert news[-1].days - news[-1].days_left > 40


def _hour(at):
    return datetime.fromtimestamp(at, datetime.fromisoformat("2026-06-21T06:02:00+02:00").tzinfo).hour
