"""What a person should know of an account's two dialects: where it stands, what comes next, what it has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.vendors.goodwe import dialect, servers

if TYPE_CHECKING:
    from heliograph.session import Session


def outlook(session: Session) -> list[tuple[str, str]]:
    """Return what is known without sending anything, and what the next reading would do."""
    bases = servers.bases(session.server)
    addresses = {dialect.LEGACY: bases.legacy, dialect.PLUS: bases.plus}
    known = session.facts.get("dialect")
    first = dialect.chosen(session)
    second = dialect.other(first)
    rows = [(f"{dialect.NAMES[name]} logs in at", address) for name, address in addresses.items()]
    rows.append(("read through", dialect.NAMES[known] if known else "not known yet, it is learned at the first login"))
    if session.alive:
        rows.append(("session", f"open, {dialect.NAMES[session.facts.get('open', dialect.LEGACY)]} at {session.base}"))
    else:
        rows.append(("next", f"one login at {dialect.NAMES[first]}, {addresses[first]}"))
    if dialect.may_try(session, second):
        rows.append(
            ("if it does not serve", f"one login at {dialect.NAMES[second]}; a wrong password is not tried twice")
        )
    else:
        rows.append(("left alone", f"{dialect.NAMES[second]}, for it failed within the last hour"))
    return rows


def story(session: Session) -> tuple[str, ...]:
    """Return each step of the decision so far, oldest first."""
    return tuple(session.facts.get("story", ()))
