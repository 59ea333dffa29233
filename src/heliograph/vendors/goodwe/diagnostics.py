"""What a person should know of an account's two dialects: where it stands, what comes next, what it has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core.servers import trusted
from heliograph.core.session import Request
from heliograph.vendors.goodwe import dialect, servers
from heliograph.vendors.goodwe.auth import AGENT
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Plan
    from heliograph.core.session import Session

_LABELS = {dialect.LEGACY: "SEMS Portal", dialect.PLUS: "SEMS+"}


def outlook(session: Session) -> list[tuple[str, str]]:
    """Return what is known without sending anything, and what the next reading would do."""
    bases = servers.bases(session.server)
    addresses = {dialect.LEGACY: bases.legacy, dialect.PLUS: bases.plus}
    known = session.facts.get("dialect")
    first = dialect.chosen(session)
    second = dialect.other(first)
    rows = [(_LABELS[name], f"logs in at {address}") for name, address in addresses.items()]
    rows.append(("dialect", dialect.NAMES[known] if known else "not known yet, it is learned at the first login"))
    if session.alive:
        rows.append(("open", f"{dialect.NAMES[session.facts.get('open', dialect.LEGACY)]} at {session.base}"))
    else:
        rows.append(("next", f"one login at {dialect.NAMES[first]}, {addresses[first]}"))
    if dialect.may_try(session, second):
        rows.append(
            (
                "then",
                f"if that does not serve, one login at {dialect.NAMES[second]}; a wrong password is not tried twice",
            )
        )
    else:
        rows.append(("then", f"{dialect.NAMES[second]} is left alone, for it failed within the last hour"))
    return rows


def story(session: Session) -> tuple[str, ...]:
    """Return each step of the decision so far, oldest first."""
    return tuple(session.facts.get("story", ()))


def knows(server: str) -> bool:
    """Tell whether an address is one of GoodWe's own."""
    return trusted(server, "", servers.DOMAINS)


def knocks(session: Session) -> tuple[Request, ...]:
    """Return what asks whether both dialects' servers are there, in nobody's name."""
    roots = {"://".join(urlsplit(base)[:2]) for base in servers.bases(session.server)}
    return tuple(Request("GET", f"{root}/", {"User-Agent": AGENT}) for root in sorted(roots))


def probe(session: Session) -> Plan[Any]:
    """Return one cheap call of the dialect the session is open in: another one's would end it."""
    legacy = session.facts.get("open", dialect.LEGACY) == dialect.LEGACY
    return GoodWeCalls.plant_id_by_owner.plan() if legacy else SemsPlusCalls.plus_stations_page.plan()
