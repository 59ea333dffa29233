"""The rate-limit and back-off policy: whether a request may be sent now, and how each outcome changes the state.

Pure functions of an account's state and the current time; a refusal is an error with the time of the next attempt. The
sources of the figures are in docs/keeper.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    InvalidCredentials,
    LoginFailed,
    Throttled,
    Unreachable,
)
from heliograph.keeper.budget import Backoff, BackoffKind, Budget
from heliograph.keeper.limits import DAY, Limits
from heliograph.keeper.state import BUCKET_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.keeper.state import AccountState

MINUTE, HOUR = 60.0, 3600.0

LOCK_MARGIN = 10 * MINUTE
"""Added to the reported duration of a lock: it is in whole hours, and a login too early may restart the lock."""
MAX_LOCK = 7 * DAY
MAX_BLOCK = DAY
MAX_SLOWDOWN = HOUR
LOGIN_WAIT, MAX_LOGIN_WAIT = MINUTE, 4 * HOUR
USER_ACTION_WAIT = HOUR
"""The wait after a failure that the user has to fix in the vendor's app."""
SHORT_SESSION = 45 * MINUTE
"""A session that ends earlier was ended by another login: no vendor API was seen to expire its own so soon."""
LONG_SESSION = 11 * HOUR
"""Logins so far apart show that sessions last half a day, so that two logins a day suffice."""
EARLY_END_WAIT = 4 * HOUR
"""The longest wait by day for another login after a session that ended early, if those of a day are used."""
MORNING, EVENING = 6, 20
"""Hours of this machine's time between which such a login is sent: without it only data of the night is missed."""
ERROR_MEMORY = 6 * HOUR
"""How long an error is remembered: one that returns sooner is followed by a longer wait."""
MAX_REFUSED_PASSWORDS = 10
OTHER_LOGIN_WAIT, MAX_OTHER_LOGIN_WAIT = 15 * MINUTE, 2 * HOUR
BURST_SHARE = 0.25
"""The share of a day's requests a program may send in a burst; the rest is spread evenly over the day."""
MAX_DEBT_SECONDS = 1800.0
"""The longest wait, in seconds, for the burst of another program; the 24-hour count still applies."""
MAX_SEQUENCE = 8
"""The requests that a sequence is assumed to take at most; another program's burst is no sequence."""
TOLERATED_MISSES = 2
"""Requests in a row without a response before a back-off."""
UNREACHABLE_WAIT, MAX_UNREACHABLE_WAIT = 30.0, 15 * MINUTE


def check(
    state: AccountState,
    now: float,
    limits: Limits,
    *,
    is_login: bool,
    interactive: bool,
    forced: bool = False,
    fingerprint: Callable[[], str],
) -> None:
    """Raise if one request must not be sent now; `fingerprint` returns that of the password in use."""
    interactive = interactive or forced
    if (kind := _active_backoff(state, now)) and not (kind == "unreachable" and interactive):
        raise _backoff_error(state, now)
    if forced:
        # An explicit login overrides waits and refusals; locks, blocks and the quota still apply.
        _clear_failures(state)
        state.deaths = []
        state.add_note(now, "manual login")
    elif is_login and state.refused_passwords and fingerprint() in state.refused_passwords:
        raise InvalidCredentials(
            "this password was refused before, so it is not sent again",
            advice="Nothing was sent. If it is correct, run: heliograph login VENDOR",
        )
    if is_login:
        until, reason = _login_wait(state, now, limits, interactive=interactive)
        if now < until:
            raise _throttled(reason, until, now)
    limit = limits.usable_requests(interactive=interactive)
    if state.requests_used >= limit:
        until = state.available_at(limit)
        raise _throttled(
            f"{state.requests_used} of {limits.requests} requests of 24 hours are used"
            + ("" if interactive else f", and {limits.requests - limit} are reserved for interactive use"),
            until,
            now,
        )


def check_pacing(state: AccountState, now: float, limits: Limits) -> None:
    """Raise if a program must wait before it starts a flow; a flow that has started is not interrupted.

    Without pacing, a program that polls at any rate would use up its quota early, and again at the same hour every day.
    """
    if wait := _pacing_delay(state, limits):
        used = f"{state.requests_used} of {limits.requests} requests of 24 hours are used"
        raise _throttled(f"{used}, the others are spread over the day", now + wait, now)


def _pacing_delay(state: AccountState, limits: Limits) -> float:
    """Return the seconds until the next sequence of requests, so that the quota lasts until used requests return.

    A sequence is assumed to take as many requests as usual. After a request without a response the wait is omitted,
    because a program that failed has nothing yet; the back-off for an unreachable cloud limits the repetitions.
    """
    limit = limits.usable_requests(interactive=False)
    used = state.requests_used
    if used < max(limit * BURST_SHARE, 1.0):
        return 0.0
    free, spacing, (last, size) = limit - used, 0.0, state.spent[-1]
    for start, count in state.spent:
        spacing = max(spacing, (start + BUCKET_SECONDS + DAY - state.at) / max(free, 1))
        free += int(count)
    usual = min(sorted(int(count) for _, count in state.spent)[len(state.spent) // 2], MAX_SEQUENCE)
    enough_at = state.available_at(limit - usual + 1) if used + usual > limit else state.at
    spread_at = state.at if state.misses else last + min(size * spacing, MAX_DEBT_SECONDS)
    return max(0.0, ceil(max(enough_at, spread_at) - state.at))


def _active_backoff(state: AccountState, now: float) -> str:
    return state.pause if now < state.pause_until else ""


def _backoff_error(state: AccountState, now: float) -> Throttled:
    kind: type[Throttled] = {"locked": AccountLocked, "blocked": Blocked}.get(state.pause, Throttled)
    error = kind(state.pause_why, advice=_next_attempt(state.pause_until))
    error.retry_after = state.pause_until - now
    if isinstance(error, AccountLocked):
        error.until = datetime.fromtimestamp(state.pause_until, UTC)
    return error


def _login_wait(state: AccountState, now: float, limits: Limits, *, interactive: bool) -> tuple[float, str]:
    """Return when a login may be sent, and all reasons for waiting, not only the one that lasts longest."""
    waits = []
    if state.failures and state.failed_at is not None:
        waits.append((state.failed_at + _failure_wait(state), f"the last login failed ({state.failed_why})"))
    deaths = [death for death in state.deaths if now < death + ERROR_MEMORY]
    if len(deaths) > 1:
        wait = min(OTHER_LOGIN_WAIT * 2 ** (len(deaths) - 2), MAX_OTHER_LOGIN_WAIT)
        reason = (
            f"another login ended the session {len(deaths)} times within {ERROR_MEMORY / HOUR:.0f} hours: another "
            "program or the phone app uses this account (give this program its own visitor account)"
        )
        waits.append((deaths[-1] + wait, reason))
    waits.append(_login_quota_wait(state, limits, interactive=interactive))
    return max(until for until, _ in waits), "; ".join(reason for _, reason in waits if reason)


def _login_quota_wait(state: AccountState, limits: Limits, *, interactive: bool) -> tuple[float, str]:
    limit = limits.usable_logins(interactive=interactive)
    used = len(state.logins)
    reason = f"{used} of {limits.logins} logins of 24 hours are used"
    if used >= limit:
        return state.logins[used - limit] + DAY, reason
    if used == limits.enough_logins and not interactive and state.logins[-1] - state.logins[0] >= LONG_SESSION:
        until = min(state.logins[0] + DAY, _by_day(max(state.ended_at or 0.0, state.logins[-1]) + EARLY_END_WAIT))
        return until, f"{used} logins of 24 hours are used, which suffice while sessions last half a day"
    if used and used >= limit // 2 and not interactive:
        # The second half is spread over the day, so that one bad hour does not use up all logins.
        return state.logins[-1] + DAY / limit, reason + ", the others are spread over the day"
    return 0.0, ""


def _by_day(at: float) -> float:
    """Return a time, or the next morning if it is at night."""
    local = _datetime(at).astimezone()
    if MORNING <= local.hour < EVENING:
        return at
    morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return (morning if local.hour < MORNING else morning + timedelta(days=1)).timestamp()


def _failure_wait(state: AccountState) -> float:
    wait = min(LOGIN_WAIT * 2.0 ** min(state.failures - 1, 59), MAX_LOGIN_WAIT)
    return max(wait, USER_ACTION_WAIT) if state.failed_by_person else wait


def _throttled(message: str, until: float, now: float) -> Throttled:
    error = Throttled(message, advice=_next_attempt(until))
    error.retry_after = until - now
    return error


def _next_attempt(until: float) -> str:
    return f"Nothing was sent; next attempt at {_local_time(until)}"


def on_send(state: AccountState, now: float, *, is_login: bool) -> None:
    """Count a request that is about to be sent; a login is in progress until its outcome is known."""
    state.count_request(now)
    if is_login:
        state.logins = [*state.logins, now]
        state.trying = True


def refund(state: AccountState, *, is_login: bool) -> None:
    """Undo the count of a request that never left this machine."""
    start, count = state.spent[-1]
    state.spent = [*state.spent[:-1], [start, count - 1]]
    if is_login:
        state.logins, state.trying = state.logins[:-1], False


def on_success(state: AccountState) -> None:
    """Record a successful call."""
    state.misses = 0
    if state.pause == "unreachable":
        state.pause, state.pause_until, state.pause_why = "", 0.0, ""


def on_login(state: AccountState, now: float, fingerprint: Callable[[], str]) -> None:
    """Record a successful login."""
    state.trying = False
    state.opened_at = state.last_login = now
    _clear_failures(state)
    if state.refused_passwords:
        accepted = fingerprint()
        state.refused_passwords = [refused for refused in state.refused_passwords if refused != accepted]
    state.add_note(now, "logged in")


def on_session_expired(state: AccountState, now: float) -> None:
    """Record that the vendor API rejected the session; a short one was ended by another login."""
    if state.opened_at is None:
        return
    age, state.opened_at, state.ended_at = now - state.opened_at, None, now
    if age < SHORT_SESSION:
        state.deaths = [*(death for death in state.deaths if now < death + ERROR_MEMORY), now]
        state.add_note(
            now, f"the session ended after {age / MINUTE:.0f} min: another login, or the vendor API dropped it"
        )
    else:
        state.add_note(now, f"the session ended after {age / HOUR:.1f} h")


def on_interrupted_login(state: AccountState, now: float) -> None:
    """Record that the previous program ended before the outcome of its login was known."""
    state.trying = False
    state.failures += 1
    # If its login is no longer counted, it was more than a day ago.
    state.failed_at, state.failed_why = (state.logins[-1] if state.logins else now - DAY), "its outcome is unknown"
    state.add_note(now, "a login was interrupted before its outcome was known")


def on_user_action(state: AccountState, now: float) -> None:
    """Record that the user fixed what logins failed for: refusals and waits end, but not locks, blocks and quotas."""
    _clear_failures(state)
    state.refused_passwords, state.deaths = [], []
    state.add_note(now, "the user reported the cause of failed logins as fixed")


def _clear_failures(state: AccountState) -> None:
    state.failures, state.failed_at, state.failed_why, state.failed_by_person = 0, None, "", False
    state.refused_at = None


def on_error(state: AccountState, now: float, error: CloudError, fingerprint: Callable[[], str]) -> None:
    """Record an error of the vendor API or a missing response; `fingerprint` returns that of the password in use."""
    trying, state.trying = state.trying, False
    unreachable = isinstance(error, Unreachable)
    state.misses = state.misses + 1 if unreachable else 0
    if isinstance(error, Throttled):
        if error.account_wide:
            _on_throttled(state, now, error)
    elif isinstance(error, InvalidCredentials):
        refused = fingerprint()
        others = [one for one in state.refused_passwords if one != refused]
        state.refused_passwords = [*others[1 - MAX_REFUSED_PASSWORDS :], refused]
        state.refused_at = now
        state.add_note(now, "the password was refused")
    elif trying:
        on_login_failed(state, now, error)
    if unreachable and state.misses > TOLERATED_MISSES:
        wait = min(UNREACHABLE_WAIT * 2 ** min(state.misses - TOLERATED_MISSES - 1, 10), MAX_UNREACHABLE_WAIT)
        _back_off(state, now, "unreachable", wait, f"no response {state.misses} times in a row ({error.message})")


def on_login_failed(state: AccountState, now: float, error: CloudError) -> None:
    """Record a failed login."""
    state.trying = False
    state.failures += 1
    state.failed_at, state.failed_why = now, error.message
    state.failed_by_person = isinstance(error, LoginFailed)
    state.add_note(now, f"a login failed: {error.message}")


def _on_throttled(state: AccountState, now: float, error: Throttled) -> None:
    kind: BackoffKind = (
        "locked" if isinstance(error, AccountLocked) else "blocked" if isinstance(error, Blocked) else "throttled"
    )
    repeated = state.pause == kind and now < state.pause_until + ERROR_MEMORY
    state.strikes = min(state.strikes + 1, 10) if repeated else 0
    doubled = error.retry_after * 2**state.strikes
    if kind == "locked":
        wait = min(error.retry_after + LOCK_MARGIN, MAX_LOCK)
    elif kind == "blocked":
        wait = min(doubled, MAX_BLOCK)
    else:
        wait = min(doubled, max(MAX_SLOWDOWN, error.retry_after))
    _back_off(state, now, kind, wait, error.message)


def _back_off(state: AccountState, now: float, kind: BackoffKind, wait: float, reason: str) -> None:
    state.pause, state.pause_until, state.pause_why = kind, now + wait, reason
    if kind != "unreachable":
        state.add_note(now, f"{kind} until {_local_time(state.pause_until)}: {reason}")


def budget(state: AccountState, now: float, limits: Limits) -> Budget:
    """Return the report of an account: used and remaining requests, and the current back-off."""
    pause = None
    if kind := _active_backoff(state, now):
        pause = Backoff(kind=kind, until=_datetime(state.pause_until), why=state.pause_why)  # type: ignore[arg-type]
    elif not state.has_session:
        until, reason = _login_wait(state, now, limits, interactive=False)
        pause = Backoff(kind="login", until=_datetime(until), why=reason) if now < until else None
    limit = limits.usable_requests(interactive=False)
    quota_at = state.available_at(limit) if state.requests_used >= limit else now
    next_free = max(quota_at, now + _pacing_delay(state, limits))
    return Budget(
        requests_used=state.requests_used,
        requests_limit=limits.requests,
        reserve=limits.requests - limit,
        logins_used=len(state.logins),
        logins_limit=limits.logins,
        next_free=_datetime(next_free) if next_free > now else None,
        opened_at=None if state.opened_at is None else _datetime(state.opened_at),
        last_login=None if state.last_login is None else _datetime(state.last_login),
        pause=pause,
        notes=tuple((_datetime(at), message) for at, message in state.notes),
        refused_at=None if state.refused_at is None else _datetime(state.refused_at),
    )


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _local_time(seconds: float) -> str:
    """Return a time in the time zone of this machine."""
    return _datetime(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
