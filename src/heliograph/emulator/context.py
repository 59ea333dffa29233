"""What a cloud may look at while it answers one request, and what of it is counted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.emulator import fault_values
from heliograph.emulator.ratelimit import Life

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.emulator.api import Emulation, Holder
    from heliograph.emulator.app import Emulator
    from heliograph.emulator.faults import Switchboard

_PORT = re.compile(r":\d+$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_RIVALS = 100_000


class Rivals:
    """When somebody else logs in to accounts: at every multiple of the fault's seconds, so that all runs agree."""

    def __init__(self, faults: Switchboard) -> None:
        self._faults = faults
        self._seen: dict[str, datetime] = {}

    def since_last_time(self, username: str, now: datetime) -> Iterator[datetime]:
        """Yield the logins to an account since this was last asked, or since the fault is on."""
        text = self._faults.value("rival")
        if text is None:
            return
        every = fault_values.rival(text)
        on = self._faults.switched("rival").at
        last = max(on, self._seen.get(username, on))
        self._seen[username] = now
        first, end = (last - _EPOCH) // every + 1, (now - _EPOCH) // every + 1
        for number in range(max(first, end - _MOST_RIVALS), end):
            yield _EPOCH + number * every


class OneRequest:
    """What a cloud may look at while it answers one request."""

    def __init__(self, emulator: Emulator, emulation: Emulation, client: str = "") -> None:
        self._emulator = emulator
        self._emulation = emulation
        self._client = client
        self._faults: dict[str, str | None] = {}
        self._locked = False
        self.username: str | None = None
        self.turned_away = False
        """Whether the firewall did not let the request pass."""

    def now(self) -> datetime:
        return self._emulator.world.clock.now()

    def uploaded_at(self) -> datetime:
        return self._emulator.world.uploaded_at()

    def holders(self, vendor: str) -> tuple[Holder, ...]:
        return self._emulator.holders[vendor]

    def fault(self, name: str) -> str | None:
        if name not in self._faults:
            self._faults[name] = self._emulator.faults.take(name)
        return self._faults[name]

    def blocked(self) -> bool:
        text = self.fault("block")
        if text is None:
            return False
        limit, vendor = fault_values.block(text), self._emulation.vendor
        self.turned_away = limit is None or self._emulator.edge.turns_away(vendor, self._client, limit, self.now())
        self._emulator.log.cloud(vendor).blocked += self.turned_away
        return self.turned_away

    def begin(self) -> Life:
        now = self.now()
        return Life(now, now, self._emulator.faults.turn)

    def lives(self, life: Life) -> bool:
        now, unused_since = self.now(), life.used
        life.used, life.uses = now, life.uses + 1
        expire, idle, flaky = self.fault("expire"), self.fault("idle"), self.fault("flaky")
        if expire == "":
            life.over |= life.turn < self._emulator.faults.switched("expire").turn
        elif expire is not None:
            life.over |= now - life.opened >= timedelta(seconds=fault_values.seconds(expire))
        if idle is not None:
            life.over |= now - unused_since >= fault_values.idle(idle)
        if flaky is not None:
            life.over |= life.uses > fault_values.uses(flaky)
        return not life.over

    def second_region(self, origin: str) -> str:
        port = self._emulator.second_port
        return origin if port is None else f"{_PORT.sub('', origin)}:{port}"

    def note_caller(self, holder: Holder | None) -> None:
        """Count a request of an account, after all that happened to it since the last one."""
        if holder is None:
            return
        self.catch_up(holder)
        self.username = holder.username
        self._locked = holder.lock.left(self.now()) is not None
        tally = self._emulator.log.tally(holder.username)
        tally.requests += 1
        tally.requests_while_locked += self._locked

    def catch_up(self, holder: Holder) -> None:
        """Let somebody else's logins to an account happen, and its lock end with the faults that shut it."""
        emulator = self._emulator
        for at in emulator.rivals.since_last_time(holder.username, self.now()):
            emulator.log.tally(holder.username).rival_logins += 1
            self._emulation.rival_login(holder, at, self)
        if emulator.faults.value("lock") is None and emulator.faults.value("quota") is None:
            holder.lock.open(self.now())

    def note_login(self, holder: Holder | None, username: str, *, accepted: bool) -> None:
        self.username = username if holder is None else holder.username
        self._emulator.log.note_login(self.username, accepted=accepted)
        if holder is not None:
            self._emulator.log.tally(holder.username).logins_while_locked += self._locked
