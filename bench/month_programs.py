"""The programs that live through the month: the peers as they are used in the wild, and ours.

A program is made anew at every start, with empty memory but for what it wrote to its folder. `ask` wants to know what
is true now, and tells whether it was told.
"""

from __future__ import annotations

import logging
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

from heliograph import GoodWe, Growatt
from heliograph.errors import CloudError
from heliograph.keeper import Keeper
from month_world import DAY, HOUR, SLOT

if TYPE_CHECKING:
    from pathlib import Path

    from month_world import World

SETUP_WAIT, LONGEST_SETUP_WAIT = 5.0, 80.0


class HomeAssistant:
    """growattServer as the integration of Home Assistant uses it, in its state of 2026-07 (core, commit 0069cd7).

    At its start it logs in and lists the devices. For the plant and for each device there is a coordinator with an api
    object of its own, which every five minutes logs in first, whatever session it has, and then reads: "the coordinator
    calls api.login() on every update cycle". A failed login at the start is an error until the next start; a failed
    first reading starts again after 5, 10, 20, 40, then 80 seconds.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._coordinators = None
        self._failed = False

    def ask(self) -> bool:
        if self._failed:
            return False
        if self._coordinators is None:
            return self._set_up()
        return [self._updated(*one) for one in self._coordinators][-1]

    def _set_up(self) -> bool:
        end = self._world.time.now + SLOT
        for tries in count():
            devices = self._told(self._api(), lambda api, _: api.device_list(self._world.site.id))
            if devices is None:
                self._failed = True
                return False
            found = [(self._api(), self._plant), *((self._api(), self._device) for _ in devices)]
            if all(self._updated(*one) for one in found):
                self._coordinators = found
                return True
            wait = min(SETUP_WAIT * 2**tries, LONGEST_SETUP_WAIT)
            if self._world.time.now + wait >= end:
                return False
            self._world.time.sleep(wait)
        return False

    def _api(self):
        from growattServer import GrowattApi

        api = GrowattApi(add_random_user_id=True, agent_identifier=self._world.account.username)
        api.server_url = self._world.url
        api.session.trust_env = False  # to be quick; there is no proxy between here and here
        return api

    def _updated(self, api, read) -> bool:
        return bool(self._told(api, read))

    def _told(self, api, read):
        """Return what is read after a login, None when either came to nothing."""
        import requests

        try:
            answer = api.login(self._world.account.username, self._world.account.password)
            return read(api, answer["user"]) if answer["success"] else None
        except (requests.RequestException, KeyError, TypeError):
            return None

    def _plant(self, api, user) -> bool:
        return "deviceList" in api.plant_info(self._world.site.id)

    def _device(self, api, user) -> bool:
        return bool(api.tlx_detail(self._world.site.devices[0])["data"])


class CronScript(HomeAssistant):
    """growattServer in a script that cron starts every five minutes, along the lines of its README."""

    def ask(self) -> bool:
        return self._updated(self._api(), self._read)

    def _read(self, api, user) -> bool:
        return bool(api.plant_list(user["id"])["data"]) and self._device(api, user)


class PyGoodWe:
    """pygoodwe 0.1.10 as its example has it: one object, asked again and again; started anew when it has died."""

    def __init__(self, world: World, folder: Path) -> None:
        import pygoodwe

        logging.disable(logging.CRITICAL)
        pygoodwe.time = SimpleNamespace(sleep=world.time.sleep)
        pygoodwe.print = lambda *_: None
        self._world = world
        self._inverter = None

    def ask(self) -> bool:
        try:
            if self._inverter is None:
                self._inverter = self._started()
            return bool(self._inverter.getCurrentReadings())
        except (SystemExit, Exception):  # noqa: BLE001 - it quits after five tries, or dies of its second one
            self._inverter = None
            return False

    def _started(self):
        from pygoodwe import SingleInverter

        account, where = self._world.account, self._world.url + "api/"
        started = SingleInverter(self._world.site.id, account.username, account.password, api_url=where, skipload=True)
        started.session.trust_env = False
        return started


class Naive:
    """Heliograph in a tool that wants a snapshot every five minutes, and leaves it to the keeper to say no."""

    self_throttled = False

    def __init__(self, world: World, folder: Path) -> None:
        kind = {"growatt": Growatt, "goodwe": GoodWe}[world.vendor]
        self._world = world
        self._client = kind(
            world.account.username,
            world.account.password,
            server=world.url,
            keeper=Keeper(folder),
            clock=world.time,
            self_throttled=self.self_throttled,
        )

    def ask(self) -> bool:
        try:
            return bool(self._client.snapshot(self._world.site.id).values)
        except CloudError:
            return False


class Paced(Naive):
    """Heliograph in a collector: by day only, and no faster than the account's budget lasts for a day of light.

    When the last answer came and what it cost stands in the collector's folder, as its database would have it.
    """

    self_throttled = True
    SPARE = 0.06
    """Share of the budget left for logins and learning."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self._mark = folder / "asked"

    def ask(self) -> bool:
        now = self._world.time.now
        last, cost = map(float, self._mark.read_text().split()) if self._mark.exists() else (0.0, 3.0)
        if not self._world.is_light(now) or now - last < SLOT:
            return False
        before = self._client.budget
        automatic = (before.requests_limit - before.reserve) * (1 - self.SPARE)
        if now - last < self._light() / (automatic // cost):
            return False
        answered = super().ask()
        if answered:
            after = self._client.budget
            spent = after.requests_used - before.requests_used
            if after.logins_used == before.logins_used and spent > 0:
                cost = spent
            self._mark.write_text(f"{now} {cost}")
        return answered

    def _light(self) -> float:
        """Return the seconds of light of a day."""
        now = self._world.time.now
        midnight = now - now % DAY
        return sum(HOUR for hour in range(24) if self._world.is_light(midnight + hour * HOUR))


PROGRAMS = {
    "growattServer as Home Assistant uses it": ("growatt", HomeAssistant),
    "growattServer, cron script": ("growatt", CronScript),
    "heliograph Growatt, naive": ("growatt", Naive),
    "heliograph Growatt, paced": ("growatt", Paced),
    "pygoodwe": ("goodwe", PyGoodWe),
    "heliograph GoodWe, naive": ("goodwe", Naive),
    "heliograph GoodWe, paced": ("goodwe", Paced),
}
