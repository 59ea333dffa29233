"""A newcomer follows the README on a summer day: twelve simulated hours, from login to a year of history."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import socket
import sys
import urllib.request
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from heliograph.cli import collect
from heliograph.cli.clients import create_client
from heliograph.cli.console import PollLines, _ConsoleHandler
from heliograph.cli.main import run
from heliograph.cli.progress import progress_lines
from heliograph.cli.supervisor import BackgroundTask
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.config import load
from heliograph.current import CurrentState
from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.mqtt_broker import DEADLINE, Broker, program, watch_broker
from support.one_clock import OneClock, use_one_clock

MINUTE, HOUR = 60, 3600
ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 21, 8, 2, tzinfo=ZONE)
SINGLE = {1: "mix", 2: "hybrid"}
"""The accounts, by number, of which only the plant of this family is configured."""
PLANTS = 13
LONGEST = {"a1": 15, "a2": 15, "a3": 20, "a4": 25}
"""Minutes between two polls in daylight at most: one plant of each cloud, seven of Growatt, four of GoodWe."""
FLOWS = 110
"""Minutes between two power flows of a hybrid at most: 90, the time until the next poll, and a part of an upload."""
QUANTITY = r"~?[\d.]+ k?Wh?"


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self):
        return True


class Newcomer:
    """The home of a newcomer: four accounts with 13 plants, the programs, and what they print and publish."""

    def __init__(self, folder, monkeypatch, capsys, broker):
        self.folder, self.monkeypatch, self.capsys, self.broker = folder, monkeypatch, capsys, broker
        options = EmulatorOptions(start=START, speed=0, accounts=4, zone=ZONE, seed=7)
        self.emulator = build_emulator(options, load_emulations())
        self.clock = OneClock(self.emulator, (START.timestamp() + 13 * HOUR), workers=6)
        self.stop = asyncio.Event()
        self.lines = io.StringIO()
        self.polls = defaultdict(list)
        self.news = []
        self.said = ""
        self.checked = 0
        self.pollers = ()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def command(self, *words, code=0):
        """Run a command and return what it prints; a table is wide enough for all columns."""
        found = run([*words])
        out, err = self.capsys.readouterr()
        self.said += out + err
        assert found == code, err
        return out + err

    def log_in(self, url):
        """Configure four accounts with `heliograph login`, the page and MQTT; two accounts have one plant."""
        for number, account in enumerate(self.emulator.accounts, 1):
            words = ("--username", account.username, "--password-stdin", "--server", url, "--timezone", "Europe/Berlin")
            self.monkeypatch.setattr(sys, "stdin", io.StringIO(f"{account.password}\n"))
            said = self.command("login", account.vendor, "--account", f"a{number}", *words)
            assert re.search(r"Found \d plants: ", said)
        path = self.folder / "config.toml"
        text = path.read_text()
        for number, family in SINGLE.items():
            plants = self.emulator.accounts[number - 1].plants
            (plant,) = [one.id for one in plants if one.family == family]
            text = text.replace(f'name = "a{number}"\n', f'name = "a{number}"\nplants = ["{plant}"]\n')
        text += f'\n[serve]\nport = {self.port}\n\n[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\n'
        path.write_text(text)
        path.chmod(0o600)
        self.monkeypatch.setattr(sys, "stdin", Terminal())

    async def run(self):
        """Run the collector with page, MQTT and terminal lines, as `heliograph run` does, until stopped."""
        config = load(self.folder / "config.toml", {})
        lines = PollLines(self.lines)
        handler = _ConsoleHandler(lines)
        logging.getLogger("heliograph").addHandler(handler)

        def more_tasks(pollers, store):
            self.pollers = pollers
            for poller in pollers:
                self._record_polls(poller)
            return [BackgroundTask("poll lines", lambda stop: lines.run(pollers, store, stop))]

        self.monkeypatch.setattr(collect, "stop_on_signals", self._stop_with)
        where = str(self.folder / "heliograph.sqlite")
        try:
            return await collect.collect_accounts(config, config.accounts, where, fill_gaps=True, more_tasks=more_tasks)
        finally:
            logging.getLogger("heliograph").removeHandler(handler)

    def _stop_with(self, stop):
        self.stop = stop

    def _record_polls(self, poller):
        poll_once = poller.poll_once

        async def record():
            self.polls[poller.progress.name].append(self.clock.now())
            return await poll_once()

        poller.poll_once = record

    async def backfill(self, account):
        """Fetch a year of an account, as `heliograph backfill --since` does."""
        writer = BufferedWriter(lambda: SqliteStore(self.folder / "heliograph.sqlite"))
        client = create_client(account, asynchronous=True)
        wanted = BackfillOptions(since=date(2025, 6, 21), configured=account.plants)
        show = progress_lines()

        def on_progress(progress):
            self.news.append(progress)
            show(progress)

        await Backfill(account.name, client, writer, self.clock, wanted, on_progress).run(self.stop)
        await writer.finish()
        self.clock.leave(self.stop)

    def page(self, path="/", **headers):
        """Return the text of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as response:
            text = re.sub(r"<(style|script|svg).*?</\1>|<[^>]*>", " ", response.read().decode(), flags=re.DOTALL)
        return re.sub(r"[\s\u202f]+", " ", text)

    async def fleet(self):
        """Return freshness, solar power in W and energy of today in Wh of each plant, as the front page shows them."""
        shown = await asyncio.to_thread(self.page)
        rows = re.findall(rf"(\w+(?: Battery)? \d) a\d · \w+ (\w[\w ]*?) ({QUANTITY}) ({QUANTITY}) ", shown)
        return {name: (freshness, quantity(power), quantity(energy)) for name, freshness, power, energy in rows}

    async def shown(self, condition):
        """Let services look for something new until a condition of the front page's rows is met."""
        async with asyncio.timeout(DEADLINE):
            while not condition(await self.fleet()):
                self.clock.wake_services()

    async def until(self, seconds):
        """Wait until some seconds after the start."""
        await self.clock.wait(START.timestamp() + seconds, self.stop)

    def statuses(self):
        with SqliteStore(self.folder / "heliograph.sqlite") as store:
            return store.poll_statuses().values()

    def waits(self):
        """Return the plants that wait longer than two of their intervals, with the reasons."""
        long = [one for one in self.statuses() if one.reason or one.next_at - one.polled_at > 2 * one.interval]
        return {one.series: one.reason for one in long}

    def next_gaps(self, account, since):
        """Return the minutes between a moment and the polls after it."""
        times = [at for at in self.polls[account] if at > since]
        return [round((later - earlier) / MINUTE, 1) for earlier, later in pairwise([since, *times])]


def quantity(text):
    """Return W or Wh."""
    amount, unit = text.lstrip("~").split()
    return float(amount) * (1000 if unit.startswith("k") else 1)


def rows_of_now(text):
    """Return solar power in W and energy of today in Wh of each plant in the table of `heliograph now`."""
    rows = re.findall(rf"^(\w+(?: Battery)? \d) .*? ({QUANTITY}) .* ({QUANTITY}) +~?[\d.]+ MWh$", text, re.MULTILINE)
    return {name: (quantity(power), quantity(energy)) for name, power, energy in rows}


def plant_states(mqtt):
    """Return the published states of all plants."""
    topics = [topic for topic in mqtt.current if re.fullmatch(r"heliograph/(growatt|goodwe)/[^/]+/state", topic)]
    return [json.loads(mqtt.current[topic]) for topic in topics]


async def check_first_values(newcomer, mqtt):
    """All plants have today's values on page, terminal and MQTT, equal within rounding."""
    await newcomer.shown(lambda _: len(plant_states(mqtt)) == PLANTS)
    table, page = rows_of_now(newcomer.command("now")), await newcomer.fleet()
    published = {one["name"]: (one["pv_power"], 1000 * one["pv_energy_today"]) for one in plant_states(mqtt)}
    assert len(table) == len(page) == len(published) == PLANTS
    for name, (power, energy) in table.items():
        assert page[name][0] == "live"
        for others in (page[name][1:], published[name]):
            assert others == (pytest.approx(power, rel=0.01), pytest.approx(energy, abs=50)), name
    lines = newcomer.lines.getvalue()
    assert re.search(r"Mix 1 +solar .* house .* battery .* today ~?1\.3 kWh", lines)
    assert re.search(r"a3: 7 plants, solar .* from 7 of them", lines)


async def look(newcomer):
    """All plants are live with values of today, and none waits."""
    assert newcomer.waits() == {}
    rows = await newcomer.fleet()
    assert len(rows) == PLANTS
    assert {freshness for freshness, _, _ in rows.values()} == {"live"}


def check_counters_of_today(newcomer):
    """Today's counters are those of the newest sample, or marked, although the readings of hybrids are hours apart."""
    now = int(newcomer.clock.now())
    with SqliteStore(newcomer.folder / "heliograph.sqlite") as store:
        states = {state.series.plant: state for state in CurrentState(store).plants(now)}
    for number, account in enumerate(newcomer.emulator.accounts, 1):
        for plant in account.plants:
            if plant.id not in states:
                continue
            state, true = states[plant.id], Counter()
            assert now - state.measured_at < 25 * MINUTE, plant.family  # an interval of 20 minutes, and an upload
            for household in plant.truth:
                true.update(household.values(datetime.fromtimestamp(state.measured_at, UTC)))
            for name, value in state.values.items():
                # The flows of several hybrids are polled in rotation, so that their powers are known less often.
                if (
                    value is not None
                    and name.endswith("_today")
                    and (number in SINGLE or name not in state.provisional)
                ):
                    newcomer.checked += 1
                    assert value == pytest.approx(true[name], rel=0.1, abs=0.2), (plant.family, name)


async def check_boost(newcomer):
    """`now` and an opened page make the account's collector poll at each upload for ten minutes, and no other's."""
    await newcomer.until(2 * HOUR)
    # What was fetched less than five minutes ago is not fetched again.
    await newcomer.until(max(2 * HOUR, newcomer.polls["a2"][-1] - START.timestamp() + 7 * MINUTE))
    before = newcomer.clock.now()
    table = rows_of_now(newcomer.command("now", "--account", "a2"))
    await newcomer.until(before - START.timestamp() + 30)
    await newcomer.shown(lambda rows: rows["Hybrid 2"][1] == pytest.approx(table["Hybrid 2"][0], rel=0.01))
    await newcomer.until(before - START.timestamp() + 20 * MINUTE)
    assert newcomer.next_gaps("a2", before)[:2] == [5.0, 5.0]
    before = newcomer.clock.now()
    plant = newcomer.pollers[0].progress.plants[0]
    await asyncio.to_thread(newcomer.page, f"/plant/growatt/{plant.id}", accept="text/html")
    await newcomer.until(before - START.timestamp() + 20 * MINUTE)
    assert max(newcomer.next_gaps("a1", before)[:2]) <= 5.1


async def check_block(newcomer, mqtt, caplog):
    """A block page is a wait that log, page, status, `now` and MQTT explain."""
    newcomer.emulator.faults.set({"block": True})
    await newcomer.until(12 * HOUR)
    waits = newcomer.waits()
    assert len(waits) == PLANTS
    for reason in waits.values():
        assert re.fullmatch(r"blocked by the cloud until \d\d:\d\d", reason)
    logged = [one.getMessage() for one in caplog.records if "event=poll.waiting" in one.getMessage()]
    assert len(logged) == len(newcomer.pollers), "once for each account"
    reasons = set(waits.values())
    assert all(any(reason in line for line in logged) for reason in reasons)
    status, table = newcomer.command("status"), newcomer.command("now", "--max-age", "0", code=1)
    for reason in reasons:
        assert reason in status
        assert reason in table
    await newcomer.shown(lambda _: {one["poll_reason"] for one in plant_states(mqtt)} == reasons)
    for plant in waits:
        assert waits[plant] in await asyncio.to_thread(newcomer.page, f"/plant/{plant.vendor}/{plant.plant}")


@pytest.fixture
def newcomer(tmp_path, monkeypatch, capsys):
    for name, value in {"HOME": tmp_path, "NO_KEYRING": 1}.items():
        monkeypatch.setenv(f"HELIOGRAPH_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    (tmp_path / "broker").mkdir()
    broker = Broker(program(), tmp_path / "broker")
    broker.start()
    try:
        newcomer = Newcomer(tmp_path, monkeypatch, capsys, broker)
        use_one_clock(monkeypatch, newcomer.clock)
        with serve_in_thread(newcomer.emulator) as ready:
            newcomer.log_in(ready["url"])
            yield newcomer
    finally:
        broker.stop()


def test_newcomer_has_live_values_all_day_while_a_year_of_history_is_fetched(newcomer, caplog):
    caplog.set_level(logging.INFO, "heliograph")
    accounts = load(newcomer.folder / "config.toml", {}).accounts

    async def day():
        running = asyncio.create_task(newcomer.run())
        async with watch_broker(newcomer.broker.port) as mqtt:
            await newcomer.until(20)
            await check_first_values(newcomer, mqtt)
            newcomer.clock.workers += len(accounts)
            filling = [asyncio.create_task(newcomer.backfill(account)) for account in accounts]
            for minutes in range(5, 2 * 60, 5):
                await newcomer.until(minutes * MINUTE)
                await look(newcomer)
            await check_boost(newcomer)
            for half_hours in range(6, 22):
                await newcomer.until(half_hours * 30 * MINUTE)
                await look(newcomer)
                check_counters_of_today(newcomer)
            await newcomer.until(11 * HOUR)
            budgets = [create_client(account).budget for account in accounts]
            polls = {name: list(times) for name, times in newcomer.polls.items()}
            await check_block(newcomer, mqtt, caplog)
            newcomer.stop.set()
            newcomer.clock.release()
            await asyncio.gather(*filling)
            assert await running
        return budgets, polls

    assert len(rows_of_now(newcomer.command("now"))) == PLANTS
    budgets, polls = asyncio.run(asyncio.wait_for(day(), 240))
    longest = {name: max(later - earlier for earlier, later in pairwise(times)) for name, times in polls.items()}
    assert newcomer.checked > 300
    assert {name for name, seconds in longest.items() if seconds > LONGEST[name] * MINUTE} == set(), longest
    for budget in budgets:
        assert budget.requests_used <= budget.daily
        assert budget.logins_used == 1
    said = newcomer.said + newcomer.capsys.readouterr().err
    assert set(re.findall(r"(a\d): history takes about \d+ nights?, with up to", said)) == set(polls)
    done = {one.name: one.days - one.days_left for one in newcomer.news}
    assert done["a1"] > 40
    assert done["a2"] > 100
    with SqliteStore(newcomer.folder / "heliograph.sqlite") as store:
        for plant in newcomer.emulator.accounts[2].plants:
            samples = store.samples(Series("growatt", plant.id), int(START.timestamp()), 1 << 40)
            flows = [one.measured_at for one in samples if one.values.get("load_power") is not None]
            gaps = [later - earlier for earlier, later in pairwise(flows)]
            assert all(gap <= FLOWS * MINUTE for gap in gaps), plant.family
