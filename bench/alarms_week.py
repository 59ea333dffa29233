"""A week of alarms from end to end: emulated clouds over HTTP, collectors, store, monitor, notifier, and a receiver.

The accounts and clock are those of `bench/freshness.py`. The alarms are judged every ten minutes, and announced through
`apprise` to a local HTTP server. On the second day all devices report a fault for three hours; on the fourth three
dataloggers stop. Every other alarm is a false one.

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
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import freshness
from freshness import DAY, HOUR, MINUTE, SILENT, Simulation
from heliograph.alarms.monitor import AlarmMonitor
from heliograph.alarms.notify import AlarmNotifier
from heliograph.config.alarms import AlarmsConfig
from heliograph.core.redact import Secret
from heliograph.emulator.server import serve_in_thread
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter, StoreThread

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTY, REPAIRED, SILENCED = DAY + 12 * HOUR, DAY + 15 * HOUR, 3 * DAY + 10 * HOUR
JUDGED_EVERY = 10 * MINUTE


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


class AlarmWeek(Simulation):
    """The simulated accounts with an alarm monitor and its messages."""

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        super().__init__(folder, seed=seed)
        self.raised: dict[tuple[str, str, str], set[int]] = {}
        """The times an alarm was raised, by rule, vendor and plant."""
        self.cleared: set[tuple[str, str, str]] = set()
        self.messages: list[dict[str, Any]] = []

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
                alarms = monitor.evaluate(store, (), int(at))
                for alarm in alarms:
                    of = (alarm.rule, alarm.subject.vendor, alarm.subject.plant)
                    self.raised.setdefault(of, set()).add(int((alarm.raised_at or 0) - start))
                    if alarm.cleared_at is not None:
                        self.cleared.add(of)
                await notifier.announce(alarms, opened, int(at))
                heapq.heappush(pending, (at + JUDGED_EVERY, number, None))
            assert await writer.finish()
            await opened.close()

    def _inject(self, passed: float) -> None:
        self.emulator.faults.set({"faulty": "302" if FAULTY <= passed < REPAIRED else None})
        if passed >= SILENCED and not self.silent_since:
            self.silence(SILENT)

    def family(self, of: tuple[str, str, str]) -> str:
        """Return the family of an alarm's plant."""
        return next((plant.family for one, plant in self.plants.items() if (one.vendor, one.plant) == of[1:]), "")

    def is_true(self, of: tuple[str, str, str], raised: int) -> bool:
        """Return whether an injected failure explains an alarm; a day for what clears only after a day."""
        rule, *plant = of
        if rule == "fault":
            return FAULTY <= raised < REPAIRED + DAY
        silent = any([series.vendor, series.plant] == plant for series in self.silent_since)
        return silent and raised >= SILENCED


def report(week: AlarmWeek) -> Iterator[str]:
    """Yield the alarms by rule, what was missed, and the messages."""
    true: Counter[str] = Counter()
    false: list[str] = []
    for of, times in sorted(week.raised.items()):
        for raised in sorted(times):
            if week.is_true(of, raised):
                true[of[0]] += 1
            else:
                at = datetime.fromtimestamp(freshness.START.timestamp() + raised, UTC)
                false.append(f"false: {of[0]} of {of[1]} {week.family(of)} at {at:%a %H:%M} UTC")
    yield "| rule | true alarms | cleared |"
    yield "|---|---:|---:|"
    for rule, count in sorted(true.items()):
        yield f"| {rule} | {count} | {sum(of[0] == rule for of in week.cleared)} |"
    yield from false or ["no false alarm"]
    faulty = {of[1:] for of in week.raised if of[0] == "fault"}
    missed = [
        f"{one.vendor} {plant.family}" for one, plant in week.plants.items() if (one.vendor, one.plant) not in faulty
    ]
    yield f"plants without the fault: {', '.join(sorted(missed)) or 'none'}"
    titles = Counter(message["title"] for message in week.messages)
    yield f"{len(week.messages)} messages: " + "; ".join(f"{title} ({count})" for title, count in titles.items())


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
