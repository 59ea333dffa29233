"""The rules that keep an account from being locked: what may be sent now, and what is learnt from what came back.

Pure: the book is what is remembered, `now` is passed in, and a refusal is an error that says until when.
The sources of the figures stand in docs/keeper.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
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
from heliograph.keeper.limits import DAY, Backoff, BackoffKind, Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.keeper.state import AccountState

MINUTE, HOUR = 60.0, 3600.0

LOCK_MARGIN = 10 * MINUTE
"""On top of what the cloud says: it counts in whole hours, and trying too early may start the lock anew."""
LONGEST_LOCK = 7 * DAY
LONGEST_BLOCK = DAY
LONGEST_SLOWDOWN = HOUR
LOGIN_WAIT, LONGEST_LOGIN_WAIT = MINUTE, 4 * HOUR
PERSON_WAIT = HOUR
"""After a failure only a person can mend, in the app: how long before it is looked at again."""
EARLY = 45 * MINUTE
"""A session that dies younger was ended by somebody: no cloud was seen to let its own run out so soon."""
LATELY = 6 * HOUR
"""How long a trouble is remembered: what comes again sooner is waited for longer."""
REFUSED_KEPT = 10
RIVAL_WAIT, LONGEST_RIVAL_WAIT = 15 * MINUTE, 2 * HOUR
AT_ONCE = 0.25
"""The part of a day's requests a program may send at once; the others flow evenly, for the day's sake."""
FORGIVEN = 2
"""Requests in a row that nobody answers before a pause."""
MISS_WAIT, LONGEST_MISS_WAIT = 30.0, 15 * MINUTE


def check(
    book: AccountState,
    now: float,
    limits: Limits,
    *,
    is_login: bool,
    interactive: bool,
    forced: bool = False,
    fingerprint: Callable[[], str],
) -> None:
    """Let one request pass, or raise why it has to wait; `fingerprint` is that of the password in use."""
    interactive = interactive or forced
    if (pause := _active_pause(book, now)) and not (pause == "unreachable" and interactive):
        raise _paused(book, now)
    if forced:
        _insisted(book, now)
    elif is_login and book.refused_passwords and fingerprint() in book.refused_passwords:
        raise InvalidCredentials(
            "the cloud refused this password before, so it is not tried again",
            advice="Nothing was sent. If it is right after all, run: heliograph login VENDOR",
        )
    if is_login:
        until, why = _login_wait(book, now, limits, interactive=interactive)
        if now < until:
            raise _wait(why, until, now)
    limit, _ = limits.effective(interactive=interactive)
    if book.requests_used >= limit:
        until = book.available_at(limit)
        raise _wait(
            f"{book.requests_used} of {limits.requests} requests of 24 hours are used"
            + ("" if interactive else f", and {limits.requests - limit} are kept for a person"),
            until,
            now,
        )


def check_pacing(book: AccountState, now: float, limits: Limits) -> None:
    """Let a program begin to ask, or raise until when its requests have to flow; what has begun is not cut off by this.

    Without it, one that asks as often as it likes has spent its day by breakfast, and the next at the same hour.
    """
    if wait := _flow_wait(book, limits):
        used = f"{book.requests_used} of {limits.requests} requests of 24 hours are used"
        raise _wait(f"{used}, the others are spread over the day", now + wait, now)


def _flow_wait(book: AccountState, limits: Limits) -> float:
    limit, _ = limits.effective(interactive=False)
    at_once = max(limit * AT_ONCE, 1.0)
    return book.pacing_delay(at_once, max(limit - at_once, 1.0) / DAY)


def _active_pause(book: AccountState, now: float) -> str:
    return book.pause if now < book.pause_until else ""


def _paused(book: AccountState, now: float) -> Throttled:
    kind: type[Throttled] = {"locked": AccountLocked, "blocked": Blocked}.get(book.pause, Throttled)
    error = kind(book.pause_why, advice=f"Nothing was sent; the next try is at {_clock(book.pause_until)}")
    error.retry_after = book.pause_until - now
    if isinstance(error, AccountLocked):
        error.until = datetime.fromtimestamp(book.pause_until, UTC)
    return error


def _login_wait(book: AccountState, now: float, limits: Limits, *, interactive: bool) -> tuple[float, str]:
    """Return the first moment a login may be sent, and all that speaks against one: the last wait has causes too."""
    waits = []
    if book.failures and book.failed_at is not None:
        waits.append((book.failed_at + _failure_wait(book), f"the last login failed ({book.failed_why})"))
    rivals = [death for death in book.deaths if now < death + LATELY]
    if len(rivals) > 1:
        wait = min(RIVAL_WAIT * 2 ** (len(rivals) - 2), LONGEST_RIVAL_WAIT)
        why = (
            f"the session was ended {len(rivals)} times within {LATELY / HOUR:.0f} hours by somebody else's login: "
            "another program, or the app on a phone, uses this account (an account of its own, as a visitor, ends this)"
        )
        waits.append((rivals[-1] + wait, why))
    waits.append(_budget_wait(book, limits, interactive=interactive))
    return max(until for until, _ in waits), "; ".join(why for _, why in waits if why)


def _budget_wait(book: AccountState, limits: Limits, *, interactive: bool) -> tuple[float, str]:
    _, limit = limits.effective(interactive=interactive)
    used = len(book.logins)
    why = f"{used} of {limits.logins} logins of 24 hours are used"
    if used >= limit:
        return book.logins[used - limit] + DAY, why
    if used and used >= limit // 2 and not interactive:
        # The second half is spread over the day, so that a bad hour does not cost the rest of it.
        return book.logins[-1] + DAY / limit, why + ", the others are spread over the day"
    return 0.0, ""


def _failure_wait(book: AccountState) -> float:
    wait = min(LOGIN_WAIT * 2 ** (book.failures - 1), LONGEST_LOGIN_WAIT) if book.failures < 60 else LONGEST_LOGIN_WAIT
    return max(wait, PERSON_WAIT) if book.failed_by_person else wait


def _wait(what: str, until: float, now: float) -> Throttled:
    error = Throttled(what, advice=f"Nothing was sent; the next try is at {_clock(until)}")
    error.retry_after = until - now
    return error


def on_send(book: AccountState, now: float, *, is_login: bool) -> None:
    """Count a request that is about to be sent; a login is under way until its outcome is known."""
    book.count_request(now)
    if is_login:
        book.logins = [*book.logins, now]
        book.trying = True


def refund(book: AccountState, *, is_login: bool) -> None:
    """Take back what was counted for a request that never left this machine."""
    book.spent[-1][1] -= 1
    if is_login:
        book.logins, book.trying = book.logins[:-1], False


def on_success(book: AccountState) -> None:
    """Know that the cloud gave what was asked."""
    book.misses = 0
    if book.pause == "unreachable":
        book.pause, book.pause_until, book.pause_why = "", 0.0, ""


def on_login(book: AccountState, now: float, fingerprint: Callable[[], str]) -> None:
    """Remember a login that succeeded."""
    book.trying = False
    book.opened_at = book.last_login = now
    _forgive(book)
    if book.refused_passwords:
        accepted = fingerprint()
        book.refused_passwords = [refused for refused in book.refused_passwords if refused != accepted]
    book.add_note(now, "logged in")


def on_session_expired(book: AccountState, now: float) -> None:
    """Remember that the cloud no longer knows the session; one that died young had a rival."""
    if book.opened_at is None:
        return
    age, book.opened_at = now - book.opened_at, None
    if age < EARLY:
        book.deaths = [*(death for death in book.deaths if now < death + LATELY), now]
        book.add_note(
            now, f"the session ended after {age / MINUTE:.0f} min: somebody else logged in, or the cloud dropped it"
        )
    else:
        book.add_note(now, f"the session ended after {age / HOUR:.1f} h")


def on_interrupted_login(book: AccountState, now: float) -> None:
    """Remember that whoever was here before did not live to see what became of its login."""
    book.trying = False
    book.failures += 1
    # Where its login is no longer counted, it was more than a day ago.
    book.failed_at, book.failed_why = (book.logins[-1] if book.logins else now - DAY), "its outcome was never seen"
    book.add_note(now, "a login was cut off before its outcome was known")


def _insisted(book: AccountState, now: float) -> None:
    """Let a person try what the rules would not: all but locks, blocks and the budget is forgotten."""
    _forgive(book)
    book.deaths = []
    book.add_note(now, "a person asked for a new login")


def _forgive(book: AccountState) -> None:
    book.failures, book.failed_at, book.failed_why, book.failed_by_person = 0, None, "", False
    book.refused_at = None


def on_error(book: AccountState, now: float, error: CloudError, fingerprint: Callable[[], str]) -> None:
    """Learn from what the cloud, or its silence, said; `fingerprint` is that of the password in use."""
    trying, book.trying = book.trying, False
    silent = isinstance(error, Unreachable)
    book.misses = book.misses + 1 if silent else 0
    if isinstance(error, Throttled):
        _learn_pause(book, now, error)
    elif isinstance(error, InvalidCredentials):
        _refused(book, fingerprint())
        book.refused_at = now
        book.add_note(now, "the cloud refused the password")
    elif trying:
        on_login_failed(book, now, error)
    if silent and book.misses > FORGIVEN:
        wait = min(MISS_WAIT * 2 ** min(book.misses - FORGIVEN - 1, 10), LONGEST_MISS_WAIT)
        _pause(book, now, "unreachable", wait, f"{book.misses} times in a row there was no answer ({error.message})")


def _refused(book: AccountState, password: str) -> None:
    others = [refused for refused in book.refused_passwords if refused != password]
    book.refused_passwords = [*others[1 - REFUSED_KEPT :], password]


def on_login_failed(book: AccountState, now: float, error: CloudError) -> None:
    """Remember a login that came to nothing."""
    book.trying = False
    book.failures += 1
    book.failed_at, book.failed_why = now, error.message
    book.failed_by_person = isinstance(error, LoginFailed)
    book.add_note(now, f"a login failed: {error.message}")


def _learn_pause(book: AccountState, now: float, error: Throttled) -> None:
    kind: BackoffKind = (
        "locked" if isinstance(error, AccountLocked) else "blocked" if isinstance(error, Blocked) else "throttled"
    )
    again = book.pause == kind and now < book.pause_until + LATELY
    book.strikes = min(book.strikes + 1, 10) if again else 0
    grown = error.retry_after * 2**book.strikes
    if kind == "locked":
        wait = min(error.retry_after + LOCK_MARGIN, LONGEST_LOCK)
    elif kind == "blocked":
        wait = min(grown, LONGEST_BLOCK)
    else:
        wait = min(grown, max(LONGEST_SLOWDOWN, error.retry_after))
    _pause(book, now, kind, wait, error.message)


def _pause(book: AccountState, now: float, kind: BackoffKind, wait: float, why: str) -> None:
    book.pause, book.pause_until, book.pause_why = kind, now + wait, why
    if kind != "unreachable":
        book.add_note(now, f"{kind} until {_clock(book.pause_until)}: {why}")


def _free_at(book: AccountState, now: float, limits: Limits, limit: int) -> float:
    spent = book.available_at(limit) if book.requests_used >= limit else now
    return max(spent, now + _flow_wait(book, limits))


def budget(book: AccountState, now: float, limits: Limits) -> Budget:
    """Return what a person wants to know of the account."""
    pause = None
    if kind := _active_pause(book, now):
        pause = Backoff(kind=kind, until=_moment(book.pause_until), why=book.pause_why)  # type: ignore[arg-type]
    elif not book.has_session:
        until, why = _login_wait(book, now, limits, interactive=False)
        pause = Backoff(kind="login", until=_moment(until), why=why) if now < until else None
    automatic, _ = limits.effective(interactive=False)
    return Budget(
        requests_used=book.requests_used,
        requests_limit=limits.requests,
        reserve=limits.requests - automatic,
        logins_used=len(book.logins),
        logins_limit=limits.logins,
        next_free=_moment(free) if (free := _free_at(book, now, limits, automatic)) > now else None,
        opened_at=None if book.opened_at is None else _moment(book.opened_at),
        last_login=None if book.last_login is None else _moment(book.last_login),
        pause=pause,
        notes=tuple((_moment(at), sentence) for at, sentence in book.notes),
        refused_at=None if book.refused_at is None else _moment(book.refused_at),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clock(seconds: float) -> str:
    """Return a moment as a person here reads it."""
    return _moment(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
