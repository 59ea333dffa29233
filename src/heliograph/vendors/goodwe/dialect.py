"""Reading an account through whichever dialect serves it, and moving to the other once when there is evidence."""

from __future__ import annotations

from time import gmtime, strftime
from typing import TYPE_CHECKING, Any, TypeVar

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


def with_fallback(legacy: Callable[[Session], Flow[T]], plus: Callable[[Session], Flow[T]]) -> FlowGenerator[T]:
    """Carry the plan of the dialect the account is read in; on evidence end that session and try the other once."""
    plans = {LEGACY: legacy, PLUS: plus}
    session: Session = yield ENSURE_SESSION
    name = current_or_default(session)
    try:
        found: T = yield plans[name](session)
    except CloudError as error:
        second = other(name)
        if not response_suggests_other(session, name, error) or not may_try(session, second):
            raise
        log_decision(session, f"{NAMES[name]} did not serve ({summarize(error)})")
        record_failure(session, name)
        found = yield from _moved(plans[second], second, session, error)
        name = second
    remember(session, name)
    return found


def _moved(plan: Callable[[Session], Flow[T]], name: str, session: Session, failed: CloudError) -> FlowGenerator[T]:
    log_decision(session, f"so {NAMES[name]} is tried once")
    session.clear()
    session.futile_at = None  # the pause after a login that did not help is not meant for another door
    try:
        found: T = yield plan(session)
    except CloudError as error:
        log_decision(session, f"{NAMES[name]} did not serve either ({summarize(error)})")
        record_failure(session, name)
        session.clear()
        session.futile_at = session.now
        raise more_actionable(failed, error) from None
    return found


LEGACY, PLUS = "legacy", "plus"
NAMES = {LEGACY: "the SEMS Portal", PLUS: "SEMS+"}
RETRY_PAUSE = 3600.0
"""Seconds before a dialect that did not serve is tried again; each trial costs a login."""
STORY_LENGTH = 20

_LOGIN_ELSEWHERE = frozenset(("100000", "100004"))
"""Codes of a login that say nothing about the password: the request, or this server, is the reason."""
_MOVED = frozenset(("0", "00000", "404"))
"""Codes of data calls that say they are answered elsewhere: success with nothing in it, and no such route."""


def of_call(call: Call[Any]) -> str:
    """Return the dialect a call belongs to."""
    return PLUS if call.endpoint.route.path.startswith("sems-") else LEGACY


def other(dialect: str) -> str:
    """Return the dialect this one is not."""
    return LEGACY if dialect == PLUS else PLUS


def current(session: Session) -> str | None:
    """Return the dialect that served: the remembered one, else the one that is open."""
    found: str | None = session.facts.get("dialect") or (session.facts.get("open") if session.alive else None)
    return found


def current_or_default(session: Session) -> str:
    """Return the dialect to read in: the one that served, else SEMS+."""
    return current(session) or PLUS


def remember(session: Session, dialect: str) -> None:
    """Keep a dialect that served."""
    if session.facts.get("dialect") != dialect:
        session.facts["dialect"] = dialect
        log_decision(session, f"from now on the account is read through {NAMES[dialect]}")


def record_failure(session: Session, dialect: str) -> None:
    """Note that a dialect failed just now, so that it is left alone for a while."""
    session.facts.setdefault("tried", {})[dialect] = session.now


def may_try(session: Session, dialect: str) -> bool:
    """Tell whether a dialect has not failed lately."""
    at = session.facts.get("tried", {}).get(dialect)
    # A clock that went back since must not turn an hour into years.
    return at is None or not 0 <= session.now - at < RETRY_PAUSE


def login_suggests_other(session: Session, error: CloudError) -> bool:
    """Tell whether a failed login is a reason to try the other dialect once."""
    if isinstance(error, Unreachable):
        # A server that cannot be reached proves nothing about an account whose dialect is known.
        return "dialect" not in session.facts and error.status is None and not error.timed_out
    code = getattr(error, "code", "")
    return isinstance(error, TermsNotAccepted) or error.status == 404 or code in _LOGIN_ELSEWHERE


def response_suggests_other(session: Session, dialect: str, error: CloudError) -> bool:
    """Tell whether a failed reading is evidence that the account is served in the other dialect."""
    if isinstance(error, SessionExpired):  # it has passed the conversation, so a fresh login did not cure it
        return True
    code = getattr(error, "code", "")
    # Quirk: 100000 is how the classic portal refuses to list plants it no longer serves.
    silent = dialect == LEGACY and code == "100000"
    return code in _MOVED or silent or login_suggests_other(session, error)


def more_actionable(first: CloudError, second: CloudError) -> CloudError:
    """Return the one of two failures, each in its dialect, that helps a person most."""
    actionable = (InvalidCredentials, TermsNotAccepted, WrongRegion, Throttled)
    if isinstance(second, actionable) and not isinstance(first, actionable):
        return second
    return first


def log_decision(session: Session, sentence: str) -> None:
    """Add one sentence to the story, with its time; the oldest are forgotten, and one said twice is said once."""
    at = strftime("%Y-%m-%d %H:%M:%S", gmtime(session.now))
    story = [*session.facts.get("story", ())]
    if story and story[-1].endswith(f" UTC: {sentence}"):
        story.pop()
    session.facts["story"] = [*story, f"{at} UTC: {sentence}"][-STORY_LENGTH:]


def summarize(error: CloudError) -> str:
    """Return a failure as the end of a sentence: its kind and what happened, without a server's own words."""
    return f"{type(error).__name__}: {error.message}"
