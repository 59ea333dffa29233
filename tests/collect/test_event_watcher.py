"""The event watcher of an account: the emulated clouds over sockets, a real store, and one clock."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

import pytest

from heliograph.collect.event_watcher import FETCHED
from heliograph.collect.events import UNDATED
from heliograph.model import EventKind
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import freshness as bench

HOUR = 3600
START = datetime(2026, 6, 10, 6, tzinfo=UTC)


class Account(bench.Simulation):
    """One account of the simulation, polled every two hours."""

    def __init__(self, folder, vendor):
        super().__init__(folder, start=START)
        self.vendor, self.folder = vendor, folder
        self.number = [one.vendor for one in self.emulator.accounts].index(vendor)

    async def run(self, hours, change=lambda hour, emulator: None):
        with bench.serve_in_thread(self.emulator) as ready:
            writer = bench.BufferedWriter(lambda: SqliteStore(self.folder / "store.sqlite"))
            poller = self.poller(ready, self.emulator.accounts[self.number], writer)
            for hour in range(0, hours, 2):
                change(hour, self.emulator)
                await poller.poll_once()
                self.advance(2 * HOUR)
            assert await writer.finish()

    def poller(self, ready, account, writer):
        clock = bench.SimulatedClock(lambda: self.now)

        def connect():
            return bench.CLIENTS[account.vendor](
                account.username,
                account.password,
                server=ready["url"],
                keeper=bench.Keeper(self.folder / "accounts"),
                clock=clock.now,
                self_throttled=True,
            )

        return bench.AccountPoller(account.username, connect, writer, clock, bench.PollPolicy(60.0))

    def advance(self, seconds):
        clock = self.emulator.world.clock
        clock.set(clock.now() + bench.timedelta(seconds=seconds))

    def logs(self):
        return [row for row in self.emulator.log.as_dict()["requests"] if "alarm/page" in row["path"]]

    def store(self):
        return SqliteStore(self.folder / "store.sqlite")


@pytest.fixture
def account(tmp_path):
    return Account(tmp_path, "goodwe")


def test_fault_logs_are_read_within_their_part_of_the_budget(account):
    asyncio.run(account.run(48))
    plants = len(account.emulator.accounts[account.number].plants)
    assert plants <= len(account.logs())
    # 2 % of 300 requests a day.
    assert len(account.logs()) <= 12
    with account.store() as store:
        assert all(one.value == "data" for one in store.facts() if one.name == FETCHED)


def test_fault_of_the_log_is_stored_with_its_end_and_entries_without_a_time_are_counted(account):
    def change(hour, emulator):
        if hour == 2:
            emulator.faults.set({"faulty": "E-G3-0-12", "undated": True})
        if hour == 40:
            emulator.faults.set({"faulty": None, "undated": None})

    asyncio.run(account.run(72, change))
    with account.store() as store:
        found = [one for one in store.events(0, 1 << 40) if one.source == "fault log"]
        assert {(one.kind, one.code, one.text) for one in found} == {
            (EventKind.FAULT, "E-G3-0-12", "Grid Waveform Abnormal")
        }
        assert any(one.ended_at is not None for one in found)
        assert all(one.started_at > 1_700_000_000 for one in found)
        odd = [one for one in store.oddities() if one.what == UNDATED]
        assert odd
        assert all(one.series == Series("goodwe", one.series.plant) for one in odd)
