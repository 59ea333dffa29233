"""Reading an account through whichever dialect serves it, and moving to the other once when there is evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import CloudError
from heliograph.session import LOGGED_IN
from heliograph.vendors.goodwe import dialect

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.endpoint import Plan, Steps
    from heliograph.session import Session

T = TypeVar("T")


def either(legacy: Callable[[Session], Plan[T]], plus: Callable[[Session], Plan[T]]) -> Steps[T]:
    """Carry the plan of the dialect the account is read in; on evidence end that session and try the other once."""
    plans = {dialect.LEGACY: legacy, dialect.PLUS: plus}
    session: Session = yield LOGGED_IN
    name = dialect.chosen(session)
    try:
        found: T = yield plans[name](session)
    except CloudError as error:
        second = dialect.other(name)
        if not dialect.answer_leads_elsewhere(session, name, error) or not dialect.may_try(session, second):
            raise
        dialect.tell(session, f"{dialect.NAMES[name]} did not serve ({dialect.in_short(error)})")
        dialect.did_not_serve(session, name)
        found = yield from _moved(plans[second], second, session, error)
        name = second
    dialect.remember(session, name)
    return found


def _moved(plan: Callable[[Session], Plan[T]], name: str, session: Session, failed: CloudError) -> Steps[T]:
    dialect.tell(session, f"so {dialect.NAMES[name]} is tried once")
    session.end()
    session.futile_at = None  # the pause after a login that did not help is not meant for another door
    try:
        found: T = yield plan(session)
    except CloudError as error:
        dialect.tell(session, f"{dialect.NAMES[name]} did not serve either ({dialect.in_short(error)})")
        dialect.did_not_serve(session, name)
        session.end()
        session.futile_at = session.now
        raise dialect.worth_telling(failed, error) from None
    return found
