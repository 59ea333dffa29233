"""The programs of the simulated month: the peer libraries as they are used in the field, and Heliograph.

A new program object is created at each start; only files in its folder persist. `poll` returns True if it received
current data.
"""

from __future__ import annotations

import logging
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

from heliograph import GoodWe, Growatt
from heliograph.errors import CloudError
from heliograph.keeper import Keeper
from month_world import DAY, HOUR, INTERVAL

if TYPE_CHECKING:
    from pathlib import Path

    from month_world import World

SETUP_WAIT, LONGEST_SETUP_WAIT = 5.0, 80.0


class Program:
    """A program that polls an account."""

    def obeys_a_wait(self) -> bool:
        """Return True if it sends nothing now because a lock, a block, a slow-down or no network made it wait."""
        return False


def _is_pausing(client: Growatt | GoodWe) -> bool:
    pause = client.budget.pause
    return pause is not None and pause.kind != "login"


class HomeAssistant(Program):
    """growattServer as used by the Home Assistant integration of 2026-07 (core commit 0069cd7).

    It logs in and lists the devices at the start. The plant and each device have a coordinator with its own API object,
    which logs in and then reads every five minutes, even with a valid session: "the coordinator calls api.login() on
    every update cycle". A failed login at the start is an error until the next start; a failed first reading is retried
    after 5, 10, 20, 40, then 80 seconds.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._coordinators = None
        self._failed = False

    def poll(self) -> bool:
        if self._failed:
            return False
        if self._coordinators is None:
            return self._set_up()
        return [self._update(api, read) for api, read in self._coordinators][-1]

    def _set_up(self) -> bool:
        end = self._world.clock.now + INTERVAL
        for attempt in count():
            devices = self._read_after_login(self._api(), lambda api, _: api.device_list(self._world.plant.id))
            if devices is None:
                self._failed = True
                return False
            coordinators = [(self._api(), self._read_plant), *((self._api(), self._read_device) for _ in devices)]
            if all(self._update(api, read) for api, read in coordinators):
                self._coordinators = coordinators
                return True
            wait = min(SETUP_WAIT * 2**attempt, LONGEST_SETUP_WAIT)
            if self._world.clock.now + wait >= end:
                return False
            self._world.clock.sleep(wait)
        return False

    def _api(self):
        from growattServer import GrowattApi

        api = GrowattApi(add_random_user_id=True, agent_identifier=self._world.account.username)
        api.server_url = self._world.url
        api.session.trust_env = False  # faster; the emulator is local, so no proxy is needed
        return api

    def _update(self, api, read) -> bool:
        return bool(self._read_after_login(api, read))

    def _read_after_login(self, api, read):
        """Log in and return the result of `read`; None if either fails."""
        import requests

        try:
            response = api.login(self._world.account.username, self._world.account.password)
            return read(api, response["user"]) if response["success"] else None
        except (requests.RequestException, KeyError, TypeError):
            return None

    def _read_plant(self, api, user) -> bool:
        return "deviceList" in api.plant_info(self._world.plant.id)

    def _read_device(self, api, user) -> bool:
        return bool(api.tlx_detail(self._world.plant.devices[0])["data"])


class CronScript(HomeAssistant):
    """growattServer in a script that cron starts every five minutes, as in its README."""

    def poll(self) -> bool:
        return self._update(self._api(), self._read_all)

    def _read_all(self, api, user) -> bool:
        return bool(api.plant_list(user["id"])["data"]) and self._read_device(api, user)


class DropInCronScript(CronScript):
    """The same script with `from heliograph import growattserver` as its only change."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self._keeper = Keeper(folder)

    def _api(self):
        from heliograph.growattserver import GrowattApi

        api = GrowattApi(True, self._world.account.username, keeper=self._keeper, clock=self._world.clock)
        api.server_url = self._world.url
        return api

    def obeys_a_wait(self) -> bool:
        world = self._world
        options = {"server": world.url, "keeper": self._keeper, "clock": world.clock}
        return _is_pausing(Growatt(world.account.username, world.account.password, **options))


class PyGoodWe(Program):
    """pygoodwe 0.1.10 as in its example: one object, polled repeatedly, and restarted when it exits."""

    def __init__(self, world: World, folder: Path) -> None:
        import pygoodwe

        logging.disable(logging.CRITICAL)
        pygoodwe.time = SimpleNamespace(sleep=world.clock.sleep)
        pygoodwe.print = lambda *_: None
        self._world = world
        self._inverter = None

    def poll(self) -> bool:
        try:
            if self._inverter is None:
                self._inverter = self._start()
            return bool(self._inverter.getCurrentReadings())
        except (SystemExit, Exception):  # noqa: BLE001 - it exits after five tries, or fails in the second
            self._inverter = None
            return False

    def _start(self):
        from pygoodwe import SingleInverter

        account, url = self._world.account, self._world.url + "api/"
        inverter = SingleInverter(self._world.plant.id, account.username, account.password, api_url=url, skipload=True)
        inverter.session.trust_env = False
        return inverter


class Naive(Program):
    """Heliograph in a tool that takes a snapshot every five minutes; only the account protection rejects requests."""

    self_throttled = False

    def __init__(self, world: World, folder: Path) -> None:
        client = {"growatt": Growatt, "goodwe": GoodWe}[world.vendor]
        self._world = world
        self._client = client(
            world.account.username,
            world.account.password,
            server=world.url,
            keeper=Keeper(folder),
            clock=world.clock,
            self_throttled=self.self_throttled,
        )

    def poll(self) -> bool:
        try:
            return bool(self._client.snapshot(self._world.plant.id).values)
        except CloudError:
            return False

    def obeys_a_wait(self) -> bool:
        return _is_pausing(self._client)


class Paced(Naive):
    """Heliograph in a collector: polls in daylight only, at an interval for which the account's budget lasts all day.

    The time and the cost of the last poll are stored in the collector's folder, as in the database of a real one.
    """

    self_throttled = True
    SPARE = 0.06
    """Share of the budget reserved for logins and for listing plants and devices."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self._last_poll = folder / "last-poll"

    def poll(self) -> bool:
        now = self._world.clock.now
        last, cost = map(float, self._last_poll.read_text().split()) if self._last_poll.exists() else (0.0, 3.0)
        if not self._world.is_daylight(now) or now - last < INTERVAL:
            return False
        before = self._client.budget
        available = (before.requests_limit - before.reserve) * (1 - self.SPARE)
        if now - last < self._daylight() / (available // cost):
            return False
        received = super().poll()
        if received:
            after = self._client.budget
            used = after.requests_used - before.requests_used
            if after.logins_used == before.logins_used and used > 0:
                cost = used
            self._last_poll.write_text(f"{now} {cost}")
        return received

    def _daylight(self) -> float:
        """Return the seconds of daylight of the day."""
        now = self._world.clock.now
        midnight = now - now % DAY
        return sum(HOUR for hour in range(24) if self._world.is_daylight(midnight + hour * HOUR))


PROGRAMS = {
    "growattServer as Home Assistant uses it": ("growatt", HomeAssistant),
    "growattServer, cron script": ("growatt", CronScript),
    "heliograph drop-in, cron script": ("growatt", DropInCronScript),
    "heliograph Growatt, naive": ("growatt", Naive),
    "heliograph Growatt, paced": ("growatt", Paced),
    "pygoodwe": ("goodwe", PyGoodWe),
    "heliograph GoodWe, naive": ("goodwe", Naive),
    "heliograph GoodWe, paced": ("goodwe", Paced),
}
