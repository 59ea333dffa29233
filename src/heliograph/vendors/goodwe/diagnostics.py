"""Diagnostics of a GoodWe account for `heliograph doctor`: active dialect, fallback and past decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Request
from heliograph.vendors.goodwe import dialect, servers
from heliograph.vendors.goodwe.auth import USER_AGENT
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.live import list_problems

if TYPE_CHECKING:
    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Session

_LABELS = {dialect.LEGACY: "SEMS Portal", dialect.PLUS: "SEMS+"}


def summary(session: Session) -> list[tuple[str, str]]:
    """Return rows (label, text) on the current dialect and the next login, without sending anything."""
    bases = servers.base_urls(session.server)
    addresses = {dialect.LEGACY: bases.legacy, dialect.PLUS: bases.plus}
    stored = session.facts.get("dialect")
    first = dialect.current_or_default(session)
    second = dialect.other(first)
    rows = [(_LABELS[name], f"logs in at {address}") for name, address in addresses.items()]
    rows.append(("stored dialect", dialect.TITLES[stored] if stored else "unknown until the first login"))
    if session.alive:
        rows.append(
            ("active dialect", f"{dialect.TITLES[session.facts.get('open', dialect.LEGACY)]} at {session.base}")
        )
    else:
        rows.append(("next login", f"{dialect.TITLES[first]}, {addresses[first]}"))
    if dialect.may_try(session, second):
        rows.append(("fallback", f"one login at {dialect.TITLES[second]}, except after a wrong password"))
    else:
        rows.append(("fallback", f"none; {dialect.TITLES[second]} failed within the last hour"))
    return rows + list_problems(session)


def history(session: Session) -> tuple[str, ...]:
    """Return the log of dialect decisions, oldest first."""
    return tuple(session.facts.get("story", ()))


def is_known_server(server: str) -> bool:
    """Return True if the server belongs to GoodWe."""
    return is_trusted_url(server, "", servers.DOMAINS)


def ping_requests(session: Session) -> tuple[Request, ...]:
    """Return requests without credentials that check whether the servers of both dialects respond."""
    roots = {"://".join(urlsplit(base)[:2]) for base in servers.base_urls(session.server)}
    return tuple(Request("GET", f"{root}/", {"User-Agent": USER_AGENT}) for root in sorted(roots))


def probe(session: Session) -> Flow[Any]:
    """Return one cheap call in the dialect of the current session; a call of the other would end the session."""
    legacy = session.facts.get("open", dialect.LEGACY) == dialect.LEGACY
    return GoodWeCalls.plant_id_by_owner.flow() if legacy else SemsPlusCalls.plus_stations_page.flow()
