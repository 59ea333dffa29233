"""The emulated account of the simulated month: a clock for several programs, the incidents, and the statistics."""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Self

from heliograph.emulator.context import apply_due_events
from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
INTERVAL = 5 * MINUTE
"""Seconds between the polls of a program; data is counted by intervals of this length."""
START = datetime.fromisoformat("2026-06-01T00:00:00+02:00")
FAMILY = {"growatt": "tlx", "goodwe": "single"}
STALE = 30 * MINUTE
"""Seconds without data after which an interval counts as stale."""


class SimulationEnded(BaseException):
    """Raised in a sleeping thread at the end of the simulation; no `Exception`, so that programs do not catch it."""


class SimulatedClock:
    """The simulated time of several threads, which run one at a time and act as separate processes."""

    def __init__(self, start: float, on_change: object) -> None:
        self.now = start
        self._on_change = on_change
        self._waiting: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = count()
        self._idle = threading.Semaphore(0)
        self._errors: list[BaseException] = []
        self._ended = False

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Run the other threads until `seconds` have passed."""
        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (self.now + max(0.0, seconds), next(self._numbers), turn))
        self._idle.release()
        turn.acquire()
        if self._ended:
            raise SimulationEnded

    def start_thread(self, target, delay: float) -> None:
        """Start a thread in `delay` seconds."""

        def thread() -> None:
            turn.acquire()
            try:
                if not self._ended:
                    target()
            except SimulationEnded:
                pass
            except BaseException as error:  # noqa: BLE001 - `run` raises it again
                self._errors.append(error)
            finally:
                self._idle.release()

        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (self.now + delay, next(self._numbers), turn))
        threading.Thread(target=thread, daemon=True).start()

    def run(self, until: float, after_each) -> None:
        """Run the threads in the order of time, call `after_each` after each turn, and end all threads at `until`."""
        try:
            while self._waiting and self._waiting[0][0] < until:
                self._run_next(until)
                after_each(self.now)
        finally:
            self._ended = True
            while self._waiting:
                self._run_next(until)
            self.now = until
            self._on_change(until)

    def _run_next(self, latest: float) -> None:
        wake_at, _, turn = heapq.heappop(self._waiting)
        self.now = min(wake_at, latest)
        self._on_change(self.now)
        turn.release()
        self._idle.acquire()
        if self._errors:
            raise self._errors.pop()


class World:
    """One cloud with one account, served over real sockets; the network can be disconnected."""

    def __init__(self, vendor: str, faults: dict[str, object]) -> None:
        emulation = next(emulation for emulation in load_emulations() if emulation.vendor == vendor)
        options = EmulatorOptions(start=START, speed=0, accounts=1)
        self.emulator = build_emulator(options, [emulation])
        self.emulator.faults.set(faults)
        self.vendor = vendor
        self.account = self.emulator.accounts[0]
        self.plant = next(plant for plant in self.account.plants if plant.family == FAMILY[vendor])
        self.clock = SimulatedClock(START.timestamp(), self._set_emulator_clock)
        self._network = contextlib.ExitStack()
        self._is_connected = False
        self._ports = (0, 0)
        self.url = ""

    def _set_emulator_clock(self, now: float) -> None:
        self.emulator.world.clock.set(now=datetime.fromtimestamp(now, UTC))

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Refuse all connections."""
        self._network.close()
        self._is_connected = False

    def connect(self) -> None:
        """Accept connections, always at the same address."""
        self._is_connected = True
        ready = self._network.enter_context(serve_in_thread(self.emulator, ports=self._ports))
        self.url = ready["url"] + "/"
        self._ports = tuple(int(ready[name].rpartition(":")[2]) for name in ("url", "second"))

    def forbids_requests(self) -> bool:
        """Return True if account or address are blocked, logins or requests refused, or the network missing."""
        is_locked = self.account.lockout.remaining(self.emulator.world.clock.now()) is not None
        value = self.emulator.faults.value
        refuses = value("block") == "" or value("rate") == "0" or value("lock") == "0"
        return not self._is_connected or is_locked or refuses

    def is_daylight(self, time: float) -> bool:
        """Return True if the sun is up."""
        return self.emulator.world.weather.elevation(int(time // INTERVAL)) > 0

    @property
    def counters(self):
        return self.emulator.log.account_counters(self.account.username)

    def hours_locked(self) -> float:
        """Return how many hours the account has been locked so far."""
        apply_due_events(self.emulator)
        return self.account.lockout.total(self.emulator.world.clock.now()) / timedelta(hours=1)


class Incidents:
    """The incidents of a cloud and of the network in a month, the same for all programs; days are counted from 1."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = world.emulator.faults.set
        self.hours_locked_by_cloud = 0.0

    def schedule(self) -> list[tuple[float, object]]:
        """Return the incidents with their times, in seconds from the start."""

        def at(day: int, hour: float) -> float:
            return (day - 1) * DAY + hour * HOUR

        incidents = [
            (at(6, 18), self._begin_rejection),
            (at(6, 22), self._end_rejection),
            (at(9, 10), self._world.disconnect),
            (at(9, 15), self._world.connect),
            (at(14, 0), lambda: self._set({"outage": None, "reset": None})),
            (at(17, 11), lambda: self._set({"block": True})),
            (at(17, 15), lambda: self._set({"block": None})),
            (at(21, 0), lambda: self._set({"flaky": 1} if self._world.vendor == "goodwe" else {})),
            (at(22, 0), lambda: self._set({"flaky": None})),
        ]
        rng = Random(13)
        for minute in range(0, 24 * 60, 5):
            draw = rng.random()
            faults = {"outage": draw < 0.3 or None, "reset": 0.3 <= draw < 0.4 or None}
            incidents.append((at(13, minute / 60), lambda faults=faults: self._set(faults)))
        return sorted(incidents, key=lambda incident: incident[0])

    def run(self) -> None:
        """Start and end each incident at its time."""
        start = self._world.clock.now
        for offset, apply in self.schedule():
            self._world.clock.sleep(start + offset - self._world.clock.now)
            apply()

    def _begin_rejection(self) -> None:
        """Make Growatt end all sessions and answer logins with 507, or GoodWe throttle every client."""
        if self._world.vendor == "goodwe":
            self._set({"rate": 0})
            return
        self._locked_before = self._world.account.lockout.remaining(self._world.emulator.world.clock.now()) is not None
        self._hours_before = self._world.hours_locked()
        self._normal_faults = {name: self._world.emulator.faults.value(name) for name in ("lock", "quota", "expire")}
        self._set({"lock": 0, "quota": None, "expire": ""})

    def _end_rejection(self) -> None:
        if self._world.vendor == "goodwe":
            self._set({"rate": None})
            return
        if not self._locked_before:
            self.hours_locked_by_cloud += self._world.hours_locked() - self._hours_before
            self._set({"lock": None})
            apply_due_events(self._world.emulator)
        self._set(self._normal_faults)


class Statistics:
    """Counters of the simulation so far: logins, and the five-minute intervals with data."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._start = world.clock.now
        self._logins = 0
        self._recent: deque[float] = deque()
        self.most_logins = 0
        self._with_data: set[int] = set()
        self._forbidden: set[int] = set()

    def record_data(self) -> None:
        """Count the present interval as one in which a program received data."""
        self._with_data.add(int(self._world.clock.now // INTERVAL))

    def record_forbidden(self) -> None:
        """Count the present interval as one in which a lock, a block, a slow-down or the network forbade to ask."""
        self._forbidden.add(int(self._world.clock.now // INTERVAL))

    def record_logins(self, now: float) -> None:
        """Count the logins of the turn that has just ended."""
        logins = self._world.counters.logins + self._world.counters.rejected_logins
        self._recent.extend([now] * (logins - self._logins))
        self._logins = logins
        while self._recent and self._recent[0] <= now - DAY:
            self._recent.popleft()
        self.most_logins = max(self.most_logins, len(self._recent))

    def result(self, incidents: Incidents) -> dict[str, float]:
        """Return the statistics; durations are in hours, `days` in days."""
        world, first, end = self._world, int(self._start // INTERVAL), int(self._world.clock.now // INTERVAL)
        daylight = [interval for interval in range(first, end) if world.is_daylight(interval * INTERVAL)]
        window = range(int(STALE // INTERVAL))
        stale = [interval for interval in daylight if not any(interval - back in self._with_data for back in window)]
        # Data is half an hour old at the end of the time that forbade it, and until the next poll.
        forbidden = [one for one in stale if any(one - back in self._forbidden for back in window)]
        cloud = world.emulator.log.cloud_counters(world.vendor)
        return {
            "days": (world.clock.now - self._start) / DAY,
            "logins": self._logins,
            "rival_logins": world.counters.rival_logins,
            "most_logins": self.most_logins,
            "requests": cloud.requests,
            "while_locked": world.counters.requests_while_locked,
            "blocked": cloud.blocked,
            "hours_locked": world.hours_locked() - incidents.hours_locked_by_cloud,
            "hours_locked_by_cloud": incidents.hours_locked_by_cloud,
            "daylight": len(daylight) * INTERVAL / HOUR,
            "without_data": sum(interval not in self._with_data for interval in daylight) * INTERVAL / HOUR,
            "stale": len(stale) * INTERVAL / HOUR,
            "stale_forbidden": len(forbidden) * INTERVAL / HOUR,
        }
