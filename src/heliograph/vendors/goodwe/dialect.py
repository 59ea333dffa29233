"""Choice of the GoodWe dialect (SEMS Portal or SEMS+) that an account is read through, with one fallback.

Session facts used here: "dialect" is the dialect that last worked, "open" the dialect of the current session,
"tried" the time of each dialect's last failure, "story" the log of decisions with their reasons.
"""

from __future__ import annotations

from time import gmtime, strftime
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.core.effects import import_flow
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import (
    CloudError,
    InvalidCredentials,
    SessionExpired,
    TermsNotAccepted,
    Throttled,
    Unreachable,
    WrongRegion,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.endpoint import Call, Flow, FlowGenerator
    from heliograph.core.session import Session

T = TypeVar("T")

LEGACY, PLUS = "legacy", "plus"
TITLES = {LEGACY: "the SEMS Portal", PLUS: "SEMS+"}
RETRY_PAUSE = 3600.0
"""Seconds before a failed dialect is tried again; each attempt costs a login."""
LOG_LENGTH = 20
"""Entries of the decision log."""

_LOGIN_CODES = frozenset(("100000", "100004"))
"""Login error codes caused by the request or the server, not by the password."""
_DATA_CODES = frozenset(("0", "00000", "404"))
"""Error codes of data calls that suggest the other dialect: success without data, and unknown route."""


def of_call(call: Call[Any]) -> str:
    """Return the dialect of a call."""
    return PLUS if call.endpoint.route.path.startswith("sems-") else LEGACY


def other(dialect: str) -> str:
    """Return the other dialect."""
    return LEGACY if dialect == PLUS else PLUS


def current(session: Session) -> str | None:
    """Return the dialect that last worked, else the dialect of the current session, else None."""
    name: str | None = session.facts.get("dialect") or (session.facts.get("open") if session.alive else None)
    return name


def current_or_default(session: Session) -> str:
    """Return the dialect to read in: the current one, by default SEMS+."""
    return current(session) or PLUS


def remember(session: Session, dialect: str) -> None:
    """Store the dialect that worked."""
    if session.facts.get("dialect") != dialect:
        session.facts["dialect"] = dialect
        log_decision(session, f"using {TITLES[dialect]} from now on")


def record_failure(session: Session, dialect: str) -> None:
    """Record that a dialect failed now; it is not tried again for `RETRY_PAUSE` seconds."""
    session.facts.setdefault("tried", {})[dialect] = session.now


def may_try(session: Session, dialect: str) -> bool:
    """Return True if the dialect has not failed within the last `RETRY_PAUSE` seconds."""
    failed_at = session.facts.get("tried", {}).get(dialect)
    # The clock may have been set back since; a time in the future must not block the dialect for years.
    return failed_at is None or not 0 <= session.now - failed_at < RETRY_PAUSE


def login_suggests_other(session: Session, error: CloudError) -> bool:
    """Return True if a failed login is a reason to try the other dialect once."""
    if isinstance(error, Unreachable):
        # If the dialect is known, an unreachable server is no evidence that the account has moved.
        return "dialect" not in session.facts and error.status is None and not error.timed_out
    code = getattr(error, "code", "")
    return isinstance(error, TermsNotAccepted) or error.status == 404 or code in _LOGIN_CODES


def response_suggests_other(session: Session, dialect: str, error: CloudError) -> bool:
    """Return True if a failed read suggests that the account is served by the other dialect."""
    if isinstance(error, SessionExpired):  # raised only after a new login did not help
        return True
    code = getattr(error, "code", "")
    # Quirk: the SEMS Portal answers 100000 when asked to list plants that it no longer serves.
    list_rejected = dialect == LEGACY and code == "100000"
    return code in _DATA_CODES or list_rejected or login_suggests_other(session, error)


def more_actionable(first: CloudError, second: CloudError) -> CloudError:
    """Return the error the user can act on: `second` if only that one is, or if the first server lacks the dialect."""
    if first.status == 404 and second.status not in (None, 404):
        return second
    actionable = (InvalidCredentials, TermsNotAccepted, WrongRegion, Throttled)
    if isinstance(second, actionable) and not isinstance(first, actionable):
        return second
    return first


def log_decision(session: Session, sentence: str) -> None:
    """Append one sentence with its time to the decision log; repeats are merged and old entries are dropped."""
    now = strftime("%Y-%m-%d %H:%M:%S", gmtime(session.now))
    log = [*session.facts.get("story", ())]
    if log and log[-1].endswith(f" UTC: {sentence}"):
        log.pop()
    session.facts["story"] = [*log, f"{now} UTC: {sentence}"][-LOG_LENGTH:]


def summarize(error: CloudError) -> str:
    """Return an error as one line: its class and message, without the server's own text."""
    return f"{type(error).__name__}: {error.message}"


def with_fallback(legacy: Callable[[Session], Flow[T]], plus: Callable[[Session], Flow[T]]) -> FlowGenerator[T]:
    """Run the flow of the account's dialect; if the error suggests the other dialect, log in there and retry once."""
    # Both dialects return objects of the model, which this imports too.
    yield from import_flow("heliograph.vendors.goodwe.plus.normalise")
    flows = {LEGACY: legacy, PLUS: plus}
    session: Session = yield ENSURE_SESSION
    dialect = current_or_default(session)
    try:
        result: T = yield flows[dialect](session)
    except CloudError as error:
        second = other(dialect)
        if not response_suggests_other(session, dialect, error) or not may_try(session, second):
            raise
        log_decision(session, f"{TITLES[dialect]} failed ({summarize(error)})")
        record_failure(session, dialect)
        result = yield from _retry(flows[second], second, session, error)
        dialect = second
    remember(session, dialect)
    return result


def _retry(flow: Callable[[Session], Flow[T]], dialect: str, session: Session, first: CloudError) -> FlowGenerator[T]:
    log_decision(session, f"trying {TITLES[dialect]} once")
    session.clear()
    session.futile_at = None  # the delay after a futile login applies per dialect
    try:
        result: T = yield flow(session)
    except CloudError as error:
        log_decision(session, f"{TITLES[dialect]} failed as well ({summarize(error)})")
        record_failure(session, dialect)
        session.clear()
        session.futile_at = session.now
        raise more_actionable(first, error) from None
    return result
