"""The request context: what a cloud may read and record while it handles one request."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.emulator import fault_values
from heliograph.emulator.ratelimit import SessionLifetime

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import EmulatedAccount, Emulation, FaultPeriod
    from heliograph.emulator.state import EmulatorState

_PORT = re.compile(r":\d+$")


class EmulatorRequestContext:
    """The `RequestContext` of one request."""

    def __init__(self, emulator: EmulatorState, emulation: Emulation, client: str = "") -> None:
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

    def fault_periods(self, name: str) -> tuple[FaultPeriod, ...]:
        return self._emulator.faults.periods(name)

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

    def use_session(self, session: SessionLifetime) -> bool:
        now, unused_since = self.now(), session.used
        session.used, session.uses = now, session.uses + 1
        expire, idle, flaky = self.fault("expire"), self.fault("idle"), self.fault("flaky")
        if expire == "":
            session.ended |= session.fault_revision < self._emulator.faults.last_switched("expire").revision
        elif expire is not None:
            session.ended |= now - session.opened >= timedelta(seconds=fault_values.parse_seconds(expire))
        if idle is not None:
            session.ended |= now - unused_since >= fault_values.parse_idle_time(idle)
        if flaky is not None:
            session.ended |= session.uses > fault_values.parse_uses(flaky)
        return not session.ended

    def second_region(self, origin: str) -> str:
        port = self._emulator.second_port
        return origin if port is None else f"{_PORT.sub('', origin)}:{port}"

    def record_request(self, account: EmulatedAccount | None) -> None:
        """Count a request of an account, after applying the events due since the last one."""
        if account is None:
            return
        self.apply_due_events(account)
        self.username = account.username
        self._locked = account.lockout.remaining(self.now()) is not None
        counters = self._emulator.log.account_counters(account.username)
        counters.requests += 1
        counters.requests_while_locked += self._locked

    def apply_due_events(self, account: EmulatedAccount) -> None:
        """Apply logins of other clients to an account, and unlock it if the faults that lock are off."""
        emulator = self._emulator
        for at in emulator.other_logins.due(account.username, self.now()):
            emulator.log.account_counters(account.username).rival_logins += 1
            self._emulation.other_login(account, at, self)
        if emulator.faults.value("lock") is None and emulator.faults.value("quota") is None:
            account.lockout.unlock(self.now())

    def record_login(self, account: EmulatedAccount | None, username: str, *, accepted: bool) -> None:
        self.username = username if account is None else account.username
        self._emulator.log.record_login(self.username, accepted=accepted)
        if account is not None:
            self._emulator.log.account_counters(account.username).logins_while_locked += self._locked


def apply_due_events(emulator: EmulatorState) -> None:
    """Apply events due by now (other clients' logins, ended locks) to all accounts, so that the log has them."""
    for emulation in emulator.emulations:
        context = EmulatorRequestContext(emulator, emulation)
        for account in emulator.accounts_by_vendor[emulation.vendor]:
            context.apply_due_events(account)
