"""Rate limits of an egress: the address from which requests of one vendor are sent, whichever worker sends them.

All workers take their requests from one row of the table `egress`. Logins have a smaller limit beside it, because the
restart of a cloud ends all sessions at once. If several accounts are blocked at once, it is the address that is
blocked: nothing is sent from it until the block is over, and then one account's request shows whether it is. Accounts
are never moved to another address; that would be evasion.
"""

from __future__ import annotations

import asyncio
from collections import deque
from random import random
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import StoreError, Throttled
from heliograph.fleet.database import boot_time
from heliograph.fleet.tracing import span

if TYPE_CHECKING:
    from heliograph.fleet.database import Database
    from heliograph.fleet.figures import WorkerFigures
    from heliograph.keeper.state import AccountState

BLOCKED_ACCOUNTS = 3
"""Accounts that are blocked within `BLOCK_WINDOW` before the whole egress is paused."""
BLOCK_WINDOW = 600.0
PROBE_SECONDS = 60.0
"""Seconds from the first request after a pause to the next one, unless it is answered before."""
_GROUP_SECONDS = 0.1
"""Seconds for which requests are collected, so that a busy worker asks the database ten times a second."""
_MAX_WAIT = 1.0
"""Seconds after which a worker that waits looks at the row again: its limits may have been raised, or it was paused."""
_MAX_PATIENCE = 60.0
"""Seconds that one request waits; a longer wait is planned again, so that a stopped account does not wait."""

_TAKE = """
WITH row AS (
  SELECT *, extract(epoch FROM clock_timestamp())::float8 AS now FROM egress
  WHERE name = %(name)s AND vendor = %(vendor)s FOR UPDATE
), filled AS (
  SELECT *, pause_reason <> '' AS probing,
    least(burst, tokens + greatest(now - filled_at, 0) * rate) AS available,
    least(login_burst, login_tokens + greatest(now - filled_at, 0) * login_rate) AS login_available
  FROM row
), allowed AS (
  SELECT *, CASE WHEN paused_until > now THEN 0 WHEN probing THEN 1 ELSE floor(available)::int END AS most FROM filled
), logins AS (
  SELECT *, greatest(least(most, floor(login_available)::int, %(logins)s), 0) AS granted_logins FROM allowed
), granted AS (
  SELECT *, greatest(least(most - granted_logins, %(reads)s), 0) AS granted_reads FROM logins
)
UPDATE egress SET
  tokens = available - granted_logins - granted_reads,
  login_tokens = login_available - granted_logins,
  filled_at = now,
  paused_until = CASE
    WHEN probing AND granted_logins + granted_reads > 0 THEN now + %(probe)s ELSE egress.paused_until END
FROM granted
WHERE egress.name = granted.name AND egress.vendor = granted.vendor
RETURNING granted_logins, granted_reads, probing,
  CASE WHEN granted.paused_until > now THEN granted.paused_until - now ELSE 0 END AS pause, granted.pause_reason,
  greatest((1 - (available - granted_logins - granted_reads)) / granted.rate, 0) AS next_read,
  greatest((1 - (login_available - granted_logins)) / granted.login_rate, 0) AS next_login,
  1 / granted.login_rate AS seconds_per_login
"""
_CREATE = "INSERT INTO egress (name, vendor) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_NOTE_BLOCK = """
WITH noted AS (
  INSERT INTO egress_block (egress, vendor, account, blocked_at)
  VALUES (%(name)s, %(vendor)s, %(account)s, extract(epoch FROM clock_timestamp()))
  ON CONFLICT (egress, vendor, account) DO UPDATE SET blocked_at = excluded.blocked_at RETURNING account
), recent AS (
  SELECT account FROM egress_block WHERE egress = %(name)s AND vendor = %(vendor)s
    AND blocked_at > extract(epoch FROM clock_timestamp()) - %(window)s
  UNION SELECT account FROM noted
)
UPDATE egress SET
  paused_until = greatest(paused_until, extract(epoch FROM clock_timestamp()) + %(seconds)s),
  pause_reason = (SELECT count(*) FROM recent) || ' accounts were blocked within ten minutes'
WHERE name = %(name)s AND vendor = %(vendor)s AND (SELECT count(*) FROM recent) >= %(accounts)s
RETURNING name
"""
_END_PROBE = "UPDATE egress SET pause_reason = '', paused_until = 0 WHERE name = %s AND vendor = %s"
_PAUSE = """
UPDATE egress SET paused_until = extract(epoch FROM clock_timestamp()) + %(seconds)s, pause_reason = %(reason)s
WHERE name = %(name)s RETURNING vendor
"""
_RESUME = "UPDATE egress SET paused_until = 0, pause_reason = '' WHERE name = %(name)s RETURNING vendor"
_LIMIT = """
INSERT INTO egress (name, vendor, rate, login_rate) VALUES (%(name)s, %(vendor)s, coalesce(%(rate)s, 1.0),
  coalesce(%(login_rate)s, 0.1))
ON CONFLICT (name, vendor) DO UPDATE SET
  rate = coalesce(%(rate)s, egress.rate), burst = greatest(coalesce(%(rate)s, 1) * 5, 1),
  login_rate = coalesce(%(login_rate)s, egress.login_rate), login_burst = greatest(coalesce(%(login_rate)s, 0) * 5, 1)
"""
_REPORT = """
SELECT name, vendor, rate, burst, login_rate, login_burst,
  greatest(paused_until - extract(epoch FROM clock_timestamp()), 0)::float8, pause_reason
FROM egress ORDER BY name, vendor
"""


class EgressPaused(Throttled):
    """No request of this vendor is sent from this egress now; nothing was sent."""

    def __init__(self, egress: str, why: str, seconds: float) -> None:
        super().__init__(f"the egress {egress} is paused: {why}", advice="Nothing was sent")
        self.retry_after = seconds


class EgressReport(NamedTuple):
    """The limits of an egress for one vendor, and its pause."""

    egress: str
    vendor: str
    rate: float
    """Requests per second."""
    burst: float
    login_rate: float
    login_burst: float
    paused_seconds: float
    """Seconds until the pause ends; 0 without one."""
    reason: str


class _WaitingRequest(NamedTuple):
    is_login: bool
    granted: asyncio.Future[None]


class EgressLimit:
    """The limit of one vendor's requests through one egress; this worker's requests are taken in groups."""

    def __init__(self, database: Database, egress: str, vendor: str) -> None:
        self.egress = egress
        self.vendor = vendor
        self.paused = False
        """Whether the egress was paused when it was last asked."""
        self._database = database
        self._waiting: deque[_WaitingRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._probing = False
        self._seconds_per_login = 1.0

    async def take(self, *, is_login: bool = False) -> None:
        """Wait until a request may be sent; raises `EgressPaused`, and `StoreError` if the database cannot be asked."""
        request = _WaitingRequest(is_login, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._grant())
        try:
            await asyncio.wait_for(request.granted, _MAX_PATIENCE)
        except TimeoutError:
            queued = sum(one.is_login == is_login for one in self._waiting)
            # Spread, so that thousands of new accounts do not try again every minute.
            seconds = max(_MAX_PATIENCE, queued * self._seconds_per_login * is_login) * (0.5 + random())  # noqa: S311
            kind = "logins" if is_login else "requests"
            raise EgressPaused(self.egress, f"{queued} {kind} of other accounts are waiting", seconds) from None

    async def succeeded(self) -> None:
        """Note that a request was answered: it ends the probe after a pause."""
        if self._probing:
            self._probing = False
            await self._database.run(_END_PROBE, (self.egress, self.vendor))

    async def note_block(self, account: int, seconds: float) -> bool:
        """Note that an account was blocked for so long; return whether the egress is paused because of it."""
        values = {"name": self.egress, "vendor": self.vendor, "account": account, "seconds": seconds}
        rows = await self._database.run(_NOTE_BLOCK, {**values, "window": BLOCK_WINDOW, "accounts": BLOCKED_ACCOUNTS})
        return bool(rows)

    async def _grant(self) -> None:
        """Take tokens for the waiting requests until none is left."""
        while self._waiting:
            await asyncio.sleep(_GROUP_SECONDS)
            self._waiting = deque(one for one in self._waiting if not one.granted.done())
            logins = [one for one in self._waiting if one.is_login]
            reads = [one for one in self._waiting if not one.is_login]
            try:
                grant = await self._take(len(logins), len(reads))
            except StoreError as error:
                self._fail(error)
                return
            pause, why = float(grant[3]), str(grant[4])
            self._probing, self.paused, self._seconds_per_login = bool(grant[2]), pause > 0, float(grant[7])
            if self.paused:
                self._fail(EgressPaused(self.egress, why, pause))
                return
            for one in (*logins[: grant[0]], *reads[: grant[1]]):
                if not one.granted.done():
                    one.granted.set_result(None)
            waits = [wait for left, wait in ((logins[grant[0] :], grant[6]), (reads[grant[1] :], grant[5])) if left]
            if waits:
                await asyncio.sleep(min(_MAX_WAIT, *waits))

    async def _take(self, logins: int, reads: int) -> tuple[Any, ...]:
        values = {"name": self.egress, "vendor": self.vendor, "logins": logins, "reads": reads, "probe": PROBE_SECONDS}
        if not (rows := await self._database.run(_TAKE, values)):
            await self._database.run(_CREATE, (self.egress, self.vendor))
            rows = await self._database.run(_TAKE, values)
        return rows[0]

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if not one.granted.done():
                one.granted.set_exception(error)


class PacedStateStore:
    """The state store of an account whose requests wait for the limit of its egress before they are permitted."""

    is_async = True

    def __init__(self, store: Any, limit: EgressLimit, account: int, figures: WorkerFigures) -> None:
        self.store = store
        self.limit = limit
        self.account = account
        self.figures = figures

    @property
    def name(self) -> str:
        """The account's name."""
        return str(self.store.name)

    def known(self) -> AccountState | None:
        """Return the state as last saved; None if it has to be loaded."""
        found: AccountState | None = self.store.known()
        return found

    async def load(self, now: float) -> AccountState:
        """Return the state as last saved."""
        found: AccountState = await self.store.load(now)
        return found

    async def hold(self) -> PacedHeldState | None:
        """Acquire the account's lock; None if it is held."""
        held = await self.store.hold()
        return None if held is None else PacedHeldState(held, self.limit, self.account, self.figures)


class PacedHeldState:
    """An account whose lock is held; each request waits for the egress before it is counted."""

    is_async = True

    def __init__(self, held: Any, limit: EgressLimit, account: int, figures: WorkerFigures) -> None:
        self._held = held
        self._limit = limit
        self._account = account
        self._figures = figures
        self._sent = self._blocked = self._missed = False
        self._admitted: bool | None = None
        """Whether the request that the next save permits is a login; None if no request follows."""
        self._blocked_until = 0.0

    async def load(self, now: float) -> AccountState:
        """Return the state."""
        state: AccountState = await self._held.load(now)
        self._blocked_until = state.pause_until if state.pause == "blocked" else 0.0
        return state

    async def admit(self, *, is_login: bool) -> None:
        """Wait until the egress allows a request."""
        await self._limit.take(is_login=is_login)
        await self._held.admit(is_login=is_login)
        self._sent, self._blocked, self._admitted = True, False, is_login

    def abandon(self) -> None:
        """Note that the last request may still be under way."""
        self._held.abandon()

    async def save(self, state: AccountState, *, durable: bool) -> None:
        """Save the state, as a permit if a request was admitted."""
        admitted, self._admitted = self._admitted, None
        is_request = admitted is not None
        self._missed = state.misses > 0
        with span("permit" if is_request else "save", self._account):
            started_at = boot_time()
            await self._held.save(state, durable=durable)
        if is_request:
            self._figures.measure("permit", boot_time() - started_at)
            self._figures.counters["logins"] += bool(admitted)
        if state.pause == "blocked" and state.pause_until > self._blocked_until:
            self._blocked, self._blocked_until = True, state.pause_until
            await self._limit.note_block(self._account, state.pause_until - state.at)

    async def release(self) -> None:
        """Release the lock, and report an answered request to the limit."""
        await self._held.release()
        if self._sent and not self._blocked and not self._missed:
            await self._limit.succeeded()


async def pause_egress(database: Database, name: str, seconds: float, reason: str) -> list[str]:
    """Pause an egress for all vendors, and return these."""
    rows = await database.run(_PAUSE, {"name": name, "seconds": seconds, "reason": reason})
    return sorted(vendor for (vendor,) in rows)


async def resume_egress(database: Database, name: str) -> list[str]:
    """End the pause of an egress, and return the vendors."""
    return sorted(vendor for (vendor,) in await database.run(_RESUME, {"name": name}))


async def egress_reports(database: Database) -> list[EgressReport]:
    """Return the limits and pauses of all egresses."""
    return [EgressReport(*row) for row in await database.run(_REPORT)]


async def limit_egress(
    database: Database, name: str, vendor: str, rate: float | None, login_rate: float | None
) -> EgressReport:
    """Set the requests and logins per second of an egress; None leaves a limit as it is."""
    await database.run(_LIMIT, {"name": name, "vendor": vendor, "rate": rate, "login_rate": login_rate})
    return next(one for one in await egress_reports(database) if (one.egress, one.vendor) == (name, vendor))
