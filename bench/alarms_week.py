"""A week of alarms from end to end: emulated clouds over HTTP, collectors, store, monitor, notifier, and a receiver.

The accounts and clock are those of `bench/freshness.py`: 13 plants in four accounts, polled with the default budgets.
The alarms are judged every ten minutes, and announced through `apprise` to a local HTTP server. From the second day
to the third all devices report a fault; on the fourth three dataloggers stop for a day; on the sixth the firewall of
both clouds blocks all accounts for two hours. A failure is *found* when its alarm is raised, and *announced* when the
HTTP server has received the message about it. Every other alarm is a false one. The naive alarm is "unavailable for
an hour".

    python bench/alarms_week.py --days 7
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import freshness
from freshness import DAY, HOUR, MINUTE, SILENT, Simulation
from heliograph import GoodWe, Growatt
from heliograph.alarms.model import RULES
from heliograph.alarms.monitor import AlarmMonitor
from heliograph.alarms.notify import AlarmNotifier, sent_notices
from heliograph.config.alarms import AlarmsConfig
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.emulator.server import serve_in_thread
from heliograph.keeper import Keeper
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter, StoreThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heliograph.alarms.model import Alarm

FAULT = DAY + 12 * HOUR, 2 * DAY + 12 * HOUR
SILENCE = 3 * DAY + 10 * HOUR, 4 * DAY + 10 * HOUR
BLOCK = 5 * DAY + 10 * HOUR, 5 * DAY + 12 * HOUR
AFTERMATH = DAY
"""Seconds after a failure in which an alarm is its consequence: the keeper waits for hours after a block."""
JUDGED_EVERY = 10 * MINUTE
CLIENTS = {"growatt": Growatt, "goodwe": GoodWe}


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve a notification service; yields its address and the messages it received."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}", received
        server.shutdown()


@dataclass
class Failure:
    """One injected failure of a plant or account: when it was found, announced, and over; seconds from the start."""

    rule: str
    what: str
    vendor: str
    plant: str
    account: str
    start: float
    end: float
    found_at: float | None = None
    announced_at: float | None = None
    cleared_at: float | None = None
    naive: bool = False
    key: str = ""
    """The key of the alarm that found it."""


class AlarmWeek(Simulation):
    """The simulated accounts with an alarm monitor and its messages."""

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        super().__init__(folder, seed=seed)
        self.failures = [
            Failure("fault", f"{one.vendor} {plant.family}", one.vendor, one.plant, "", *FAULT)
            for one, plant in self.plants.items()
        ]
        self.messages: list[dict[str, Any]] = []
        self.false: list[str] = []
        self.related = self.naive_false = 0
        self._unavailable: dict[Any, bool] = defaultdict(bool)

    async def watch(self, days: float) -> None:
        """Poll, judge and announce for some days."""
        path = self._folder / "s.sqlite"
        with (
            serve_in_thread(self.emulator) as ready,
            receiver() as (address, self.messages),
            SqliteStore(path) as store,
        ):
            writer, opened = BufferedWriter(lambda: SqliteStore(path)), StoreThread(lambda: SqliteStore(path))
            monitor, notifier = AlarmMonitor(), AlarmNotifier(AlarmsConfig(services=Secret(address)))
            start = self.now
            pending: list[tuple[float, int, Any]] = [(ceil(start / JUDGED_EVERY) * JUDGED_EVERY + 11, -1, None)]
            for number, account in enumerate(self.emulator.accounts, 1):
                pending.append((start + number, number, self._poller(number, account, ready["url"], writer)))
            heapq.heapify(pending)
            while pending[0][0] < start + days * DAY:
                at, number, poller = heapq.heappop(pending)
                self._go_to(at)
                self._inject(at - start)
                if poller is not None:
                    heapq.heappush(pending, (max(await poller.poll_once(), at + 1), number, poller))
                    continue
                alarms = monitor.evaluate(store, self._accounts(ready["url"]), int(at))
                self._count(alarms, at - start, int(at))
                self._count_naive(monitor, at - start)
                received = len(self.messages)
                await notifier.announce(alarms, opened, int(at))
                if len(self.messages) > received:
                    self._note_announced(store, at - start)
                heapq.heappush(pending, (at + JUDGED_EVERY, number, None))
            assert await writer.finish()
            await opened.close()
        self.failures = [one for one in self.failures if one.start < days * DAY]

    def _accounts(self, url: str) -> Iterator[AccountStatus]:
        """Yield the status of every account, as the page reads it from the state files."""
        for number, account in enumerate(self.emulator.accounts, 1):
            options = {"server": url, "keeper": Keeper(self._folder / f"account{number}"), "clock": lambda: self.now}
            client = CLIENTS[account.vendor](account.username, account.password, **options)
            yield AccountStatus(name=account.username, vendor=account.vendor, budget=client.budget)

    def _inject(self, passed: float) -> None:
        wanted = {
            "faulty": "302" if FAULT[0] <= passed < FAULT[1] else None,
            "block": True if BLOCK[0] <= passed < BLOCK[1] else None,
        }
        current = self.emulator.faults.as_dict()
        if any((value is None) != (name not in current) for name, value in wanted.items()):
            self.emulator.faults.set(wanted)
        if SILENCE[0] <= passed < SILENCE[1] and not self.silent_since:
            self.silence(SILENT)
            for one in self.silent_since:
                what = f"{one.vendor} {self.plants[one].family}"
                self.failures.append(Failure("offline", what, one.vendor, one.plant, "", *SILENCE))
        elif passed >= SILENCE[1]:
            self.silent_since.clear()
        if passed >= BLOCK[0] and not any(one.rule == "account_locked" for one in self.failures):
            for one in self.emulator.accounts:
                self.failures.append(Failure("account_locked", one.username, one.vendor, "", one.username, *BLOCK))

    def _failures_of(self, vendor: str, plant: str, passed: float) -> list[Failure]:
        """Return the failures that explain an alarm of a plant now; those of an account concern all its plants."""
        holders = {
            one.username for one in self.emulator.accounts if one.vendor == vendor if self._has(one, plant) or not plant
        }
        return [
            one
            for one in self.failures
            if (one.start <= passed < one.end + AFTERMATH and (one.vendor, one.plant) == (vendor, plant))
            or (one.account in holders and one.start <= passed < one.end + AFTERMATH)
        ]

    @staticmethod
    def _has(account: Any, plant: str) -> bool:
        return any(one.id == plant for one in account.plants)

    def _count(self, alarms: Sequence[Alarm], passed: float, now: int) -> None:
        for alarm in alarms:
            subject = alarm.subject
            near = self._failures_of(subject.vendor, subject.plant, passed)
            own = [one for one in near if one.rule == alarm.rule and one.account in ("", subject.account)]
            if alarm.raised_at == now:
                for one in own:
                    one.found_at, one.key = one.found_at or passed, alarm.key
                if not own and near:
                    self.related += 1
                elif not own:
                    at = datetime.fromtimestamp(freshness.START.timestamp() + passed, UTC)
                    self.false.append(f"false: {alarm.rule} of {alarm.title} at {at:%a %H:%M} UTC: {alarm.seen}")
            if alarm.cleared_at == now:
                for one in own:
                    one.cleared_at = passed

    def _count_naive(self, monitor: AlarmMonitor, passed: float) -> None:
        for plant in monitor.plants:
            unavailable = plant.measured_at is None or self.now - plant.measured_at > HOUR
            if unavailable and not self._unavailable[plant.series]:
                of = self._failures_of(plant.series.vendor, plant.series.plant, passed)
                active = [one for one in of if passed < one.end and self._sun(self.now) > 0]
                for one in active:
                    one.naive = True
                self.naive_false += not of
            self._unavailable[plant.series] = unavailable

    def _note_announced(self, store: SqliteStore, passed: float) -> None:
        sent = sent_notices(store)
        for one in self.failures:
            if one.key in sent and one.announced_at is None:
                one.announced_at = passed


def report(week: AlarmWeek) -> Iterator[str]:
    """Yield the failures by rule, what was missed, the false alarms, and the messages."""
    yield "| failure | injected | found | median time until the alarm | announced | over | naive alarm |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    by_rule: dict[str, list[Failure]] = defaultdict(list)
    for one in week.failures:
        by_rule[one.rule].append(one)
    for rule, failures in by_rule.items():
        waits = [one.found_at - one.start for one in failures if one.found_at is not None]
        counts = [sum(at is not None for at in (getattr(one, name) for one in failures)) for name in _TIMES]
        wait = f"{median(waits) / MINUTE:.0f} min" if waits else ""
        naive = sum(one.naive for one in failures)
        yield f"| {RULES[rule].title} | {len(failures)} | {counts[0]} | {wait} | {counts[1]} | {counts[2]} | {naive} |"
    yield f"| false alarms | | {len(week.false)} | | | | {week.naive_false} |"
    yield from week.false
    missed = [f"{one.rule} of {one.what}" for one in week.failures if one.announced_at is None]
    yield f"not announced: {', '.join(missed) or 'none'}; other alarms of these plants: {week.related}"
    titles = Counter(message["title"] for message in week.messages)
    yield f"{len(week.messages)} messages: " + "; ".join(f"{title} ({count})" for title, count in titles.items())


_TIMES = ("found_at", "announced_at", "cleared_at")


def main() -> None:
    """Run the week and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seed", type=int, default=7, help="of the emulated plants and their weather")
    options = parser.parse_args()
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        week = AlarmWeek(Path(folder), seed=options.seed)
        asyncio.run(week.watch(options.days))
    for line in report(week):
        print(line)
    print(f"CPU: {time.process_time() - cpu:.0f} s")


if __name__ == "__main__":
    main()
