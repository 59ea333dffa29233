"""What a person should know of an account's two dialects: where it stands, what comes next, what it has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Request
from heliograph.vendors.goodwe import dialect, servers
from heliograph.vendors.goodwe.auth import USER_AGENT
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Session

_LABELS = {dialect.LEGACY: "SEMS Portal", dialect.PLUS: "SEMS+"}


def summary(session: Session) -> list[tuple[str, str]]:
    """Return what is known without sending anything, and what the next reading would do."""
    bases = servers.base_urls(session.server)
    addresses = {dialect.LEGACY: bases.legacy, dialect.PLUS: bases.plus}
    known = session.facts.get("dialect")
    first = dialect.current_or_default(session)
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


def history(session: Session) -> tuple[str, ...]:
    """Return each step of the decision so far, oldest first."""
    return tuple(session.facts.get("story", ()))


def is_known_server(server: str) -> bool:
    """Tell whether an address is one of GoodWe's own."""
    return is_trusted_url(server, "", servers.DOMAINS)


def ping_requests(session: Session) -> tuple[Request, ...]:
    """Return what asks whether both dialects' servers are there, in nobody's name."""
    roots = {"://".join(urlsplit(base)[:2]) for base in servers.base_urls(session.server)}
    return tuple(Request("GET", f"{root}/", {"User-Agent": USER_AGENT}) for root in sorted(roots))


def probe(session: Session) -> Flow[Any]:
    """Return one cheap call of the dialect the session is open in: another one's would end it."""
    legacy = session.facts.get("open", dialect.LEGACY) == dialect.LEGACY
    return GoodWeCalls.plant_id_by_owner.flow() if legacy else SemsPlusCalls.plus_stations_page.flow()
