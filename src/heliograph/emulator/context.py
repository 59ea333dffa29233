"""The request context: what a cloud may read and record while it handles one request."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.emulator import fault_values
from heliograph.emulator.ratelimit import SessionLifetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.emulator.api import EmulatedAccount, Emulation
    from heliograph.emulator.app import Emulator
    from heliograph.emulator.faults import FaultSwitches

_PORT = re.compile(r":\d+$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_RIVALS = 100_000


class ConcurrentLogins:
    """Logins of other clients (fault `rival`): at every multiple of the fault's seconds, independent of requests."""

    def __init__(self, faults: FaultSwitches) -> None:
        self._faults = faults
        self._seen: dict[str, datetime] = {}

    def due(self, username: str, now: datetime) -> Iterator[datetime]:
        """Yield the login times since the last call for this account, or since the fault was switched on."""
        text = self._faults.value("rival")
        if text is None:
            return
        every = fault_values.parse_login_interval(text)
        on = self._faults.last_switched("rival").at
        last = max(on, self._seen.get(username, on))
        self._seen[username] = now
        first, end = (last - _EPOCH) // every + 1, (now - _EPOCH) // every + 1
        for number in range(max(first, end - _MOST_RIVALS), end):
            yield _EPOCH + number * every


class EmulatorRequestContext:
    """The `RequestContext` of one request."""

    def __init__(self, emulator: Emulator, emulation: Emulation, client: str = "") -> None:
        self._emulator = emulator
        self._emulation = emulation
        self._client = client
        self._faults: dict[str, str | None] = {}
        self._locked = False
        self.username: str | None = None
        self.was_blocked = False
        """Whether the firewall blocked the request."""

    def now(self) -> datetime:
        return self._emulator.world.clock.now()

    def uploaded_at(self) -> datetime:
        return self._emulator.world.uploaded_at()

    def accounts(self, vendor: str) -> tuple[EmulatedAccount, ...]:
        return self._emulator.accounts_by_vendor[vendor]

    def fault(self, name: str) -> str | None:
        if name not in self._faults:
            self._faults[name] = self._emulator.faults.use(name)
        return self._faults[name]

    def firewall_blocks(self) -> bool:
        text = self.fault("block")
        if text is None:
            return False
        limit, vendor = fault_values.parse_block(text), self._emulation.vendor
        self.was_blocked = limit is None or self._emulator.firewall.blocks(vendor, self._client, limit, self.now())
        self._emulator.log.cloud_counters(vendor).blocked += self.was_blocked
        return self.was_blocked

    def open_session(self) -> SessionLifetime:
        now = self.now()
        return SessionLifetime(now, now, self._emulator.faults.revision)

    def use_session(self, life: SessionLifetime) -> bool:
        now, unused_since = self.now(), life.used
        life.used, life.uses = now, life.uses + 1
        expire, idle, flaky = self.fault("expire"), self.fault("idle"), self.fault("flaky")
        if expire == "":
            life.ended |= life.fault_revision < self._emulator.faults.last_switched("expire").revision
        elif expire is not None:
            life.ended |= now - life.opened >= timedelta(seconds=fault_values.parse_seconds(expire))
        if idle is not None:
            life.ended |= now - unused_since >= fault_values.parse_idle_time(idle)
        if flaky is not None:
            life.ended |= life.uses > fault_values.parse_uses(flaky)
        return not life.ended

    def second_region(self, origin: str) -> str:
        port = self._emulator.second_port
        return origin if port is None else f"{_PORT.sub('', origin)}:{port}"

    def record_request(self, holder: EmulatedAccount | None) -> None:
        """Count a request of an account, after applying the events due since the last one."""
        if holder is None:
            return
        self.apply_due_events(holder)
        self.username = holder.username
        self._locked = holder.lockout.remaining(self.now()) is not None
        tally = self._emulator.log.account_counters(holder.username)
        tally.requests += 1
        tally.requests_while_locked += self._locked

    def apply_due_events(self, holder: EmulatedAccount) -> None:
        """Apply logins of other clients to an account, and unlock it if the faults that lock are off."""
        emulator = self._emulator
        for at in emulator.other_logins.due(holder.username, self.now()):
            emulator.log.account_counters(holder.username).rival_logins += 1
            self._emulation.other_login(holder, at, self)
        if emulator.faults.value("lock") is None and emulator.faults.value("quota") is None:
            holder.lockout.unlock(self.now())

    def record_login(self, holder: EmulatedAccount | None, username: str, *, accepted: bool) -> None:
        self.username = username if holder is None else holder.username
        self._emulator.log.record_login(self.username, accepted=accepted)
        if holder is not None:
            self._emulator.log.account_counters(holder.username).logins_while_locked += self._locked
