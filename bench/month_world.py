"""One emulated account and its month: a simulated clock that several programs live by, the weather, and the counts."""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Self

from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SLOT = 5 * MINUTE
START = datetime.fromisoformat("2026-06-01T00:00:00+02:00")
FAMILY = {"growatt": "tlx", "goodwe": "single"}
STALE = 30 * MINUTE


class Over(BaseException):
    """The time is over; not an error, and nobody's to catch."""


class Time:
    """The simulated time of several threads of which one runs at a time, as if each were a process of its own."""

    def __init__(self, start: float, shown: object) -> None:
        self.now = start
        self._shown = shown
        self._waiting: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = count()
        self._idle = threading.Semaphore(0)
        self._broken: list[BaseException] = []
        self._over = False

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the others go on until it is so much later."""
        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (self.now + max(0.0, seconds), next(self._numbers), turn))
        self._idle.release()
        turn.acquire()
        if self._over:
            raise Over

    def begin(self, life, seconds: float) -> None:
        """Begin a life in so many seconds."""

        def thread() -> None:
            turn.acquire()
            try:
                if not self._over:
                    life()
            except Over:
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is seen
                self._broken.append(error)
            finally:
                self._idle.release()

        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (self.now + seconds, next(self._numbers), turn))
        threading.Thread(target=thread, daemon=True).start()

    def run(self, until: float, after_each) -> None:
        """Give every thread its turn in the order of time, note what came of each turn, and end them all."""
        try:
            while self._waiting and self._waiting[0][0] < until:
                self._give_turn(until)
                after_each(self.now)
        finally:
            self._over = True
            while self._waiting:
                self._give_turn(until)
            self.now = until
            self._shown(until)

    def _give_turn(self, latest: float) -> None:
        moment, _, turn = heapq.heappop(self._waiting)
        self.now = min(moment, latest)
        self._shown(self.now)
        turn.release()
        self._idle.acquire()
        if self._broken:
            raise self._broken.pop()


class World:
    """One cloud with one account, served over real sockets; the network to it can be cut."""

    def __init__(self, vendor: str, faults: dict[str, object]) -> None:
        emulation = next(one for one in load_emulations() if one.vendor == vendor)
        options = EmulatorOptions(start=START, speed=0, accounts=1)
        self.emulator = build_emulator(options, [emulation])
        self.emulator.faults.set(faults)
        self.vendor = vendor
        self.account = self.emulator.accounts[0]
        self.site = next(site for site in self.account.plants if site.family == FAMILY[vendor])
        self.time = Time(START.timestamp(), self._show)
        self._network = contextlib.ExitStack()
        self._ports = (0, 0)
        self.url = ""

    def _show(self, now: float) -> None:
        self.emulator.world.clock.set(now=datetime.fromtimestamp(now, UTC))

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_) -> None:
        self.cut()

    def cut(self) -> None:
        """Refuse all connections."""
        self._network.close()

    def mend(self) -> None:
        """Take connections again, at the same address."""
        ready = self._network.enter_context(serve_in_thread(self.emulator, ports=self._ports))
        self.url = ready["url"] + "/"
        self._ports = tuple(int(ready[name].rpartition(":")[2]) for name in ("url", "second"))

    def is_light(self, moment: float) -> bool:
        """Tell whether the sun is up."""
        return self.emulator.world.weather.elevation(int(moment // SLOT)) > 0

    @property
    def tally(self):
        return self.emulator.log.account_counters(self.account.username)

    def hours_locked(self) -> float:
        """Return for how long the account has been locked so far."""
        self.emulator.apply_due_events()
        return self.account.lockout.total(self.emulator.world.clock.now()) / timedelta(hours=1)


class Weather:
    """What happens to a cloud and the way to it in a month, whoever asks; days are counted from 1."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = world.emulator.faults.set
        self.hours_locked_by_cloud = 0.0

    def events(self) -> list[tuple[float, object]]:
        """Return what happens when, in seconds from the start."""

        def at(day: int, hour: float) -> float:
            return (day - 1) * DAY + hour * HOUR

        events = [
            (at(6, 18), self._refusals_begin),
            (at(6, 22), self._refusals_end),
            (at(9, 10), self._world.cut),
            (at(9, 15), self._world.mend),
            (at(14, 0), lambda: self._set({"outage": None, "reset": None})),
            (at(17, 11), lambda: self._set({"block": True})),
            (at(17, 15), lambda: self._set({"block": None})),
            (at(21, 0), lambda: self._set({"flaky": 1} if self._world.vendor == "goodwe" else {})),
            (at(22, 0), lambda: self._set({"flaky": None})),
        ]
        dice = Random(13)
        for minute in range(0, 24 * 60, 5):
            luck = dice.random()
            bad = {"outage": luck < 0.3 or None, "reset": 0.3 <= luck < 0.4 or None}
            events.append((at(13, minute / 60), lambda bad=bad: self._set(bad)))
        return sorted(events, key=lambda event: event[0])

    def live(self) -> None:
        """Let it all happen."""
        start = self._world.time.now
        for moment, event in self.events():
            self._world.time.sleep(start + moment - self._world.time.now)
            event()

    def _refusals_begin(self) -> None:
        """Growatt ends all sessions and answers logins with 507; GoodWe asks all to slow down."""
        if self._world.vendor == "goodwe":
            self._set({"rate": 0})
            return
        self._own_lock = self._world.account.lockout.remaining(self._world.emulator.world.clock.now()) is not None
        self._before = self._world.hours_locked()
        self._usual = {name: self._world.emulator.faults.value(name) for name in ("lock", "quota", "expire")}
        self._set({"lock": 0, "quota": None, "expire": ""})

    def _refusals_end(self) -> None:
        if self._world.vendor == "goodwe":
            self._set({"rate": None})
            return
        if not self._own_lock:
            self.hours_locked_by_cloud += self._world.hours_locked() - self._before
            self._set({"lock": None})
            self._world.emulator.apply_due_events()
        self._set(self._usual)


class Counts:
    """What is counted while time goes on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._start = world.time.now
        self._logins = 0
        self._lately: deque[float] = deque()
        self.most_logins = 0
        self._answers: set[int] = set()

    def answered(self) -> None:
        """Note that some program was just told what is true now."""
        self._answers.add(int(self._world.time.now // SLOT))

    def look(self, now: float) -> None:
        """Note the logins of the turn that has just ended."""
        logins = self._world.tally.logins + self._world.tally.rejected_logins
        self._lately.extend([now] * (logins - self._logins))
        self._logins = logins
        while self._lately and self._lately[0] <= now - DAY:
            self._lately.popleft()
        self.most_logins = max(self.most_logins, len(self._lately))

    def result(self, weather: Weather | None = None) -> dict[str, float]:
        """Return everything."""
        world, first, end = self._world, int(self._start // SLOT), int(self._world.time.now // SLOT)
        light = [slot for slot in range(first, end) if world.is_light(slot * SLOT)]
        window = range(int(STALE // SLOT))
        stale = [slot for slot in light if not any(slot - back in self._answers for back in window)]
        cloud = world.emulator.log.cloud_counters(world.vendor)
        by_cloud = weather.hours_locked_by_cloud if weather else 0.0
        return {
            "days": (world.time.now - self._start) / DAY,
            "logins": self._logins,
            "rivals": world.tally.rival_logins,
            "most_logins": self.most_logins,
            "requests": cloud.requests,
            "while_locked": world.tally.requests_while_locked,
            "blocked": cloud.blocked,
            "hours_locked": world.hours_locked() - by_cloud,
            "hours_locked_by_cloud": by_cloud,
            "daylight": len(light) * SLOT / HOUR,
            "empty": sum(slot not in self._answers for slot in light) * SLOT / HOUR,
            "stale": len(stale) * SLOT / HOUR,
        }
