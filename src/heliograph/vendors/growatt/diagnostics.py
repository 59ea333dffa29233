"""Diagnostics of a Growatt account for `heliograph doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Request
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import DOMAINS, SERVERS, USER_AGENT
from heliograph.vendors.growatt.portal import sources as portal_sources
from heliograph.vendors.growatt.portal.session import FACT
from heliograph.vendors.live import list_problems

if TYPE_CHECKING:
    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Session


def summary(session: Session) -> list[tuple[str, str]]:
    """Return label and text of facts known without a request."""
    region = next((name for name, address in SERVERS.items() if address == session.server), None)
    rows = [("region", region)] if region else []
    if session.facts.get("plants"):
        rows.append(("plants", f"{len(session.facts['plants'])} at the last login"))
    if FACT in session.facts:
        rows += portal_sources.summary(session)
    return rows + list_problems(session)


def history(session: Session) -> tuple[str, ...]:
    """Return which login the server has, if it is not the classic one."""
    by_app = session.facts.get("login") == GrowattCalls.app_login.name
    return ("the server does not have the classic login; that of the current app is used",) if by_app else ()


def is_known_server(server: str) -> bool:
    """Return True if the address is one of Growatt's own servers."""
    return is_trusted_url(server, "", DOMAINS) or server in SERVERS.values()


def ping_requests(session: Session) -> tuple[Request, ...]:
    """Return anonymous requests that test whether the server is reachable."""
    return (Request("GET", session.server, {"User-Agent": USER_AGENT}),)


def probe(session: Session) -> Flow[Any]:
    """Return one cheap call that succeeds only with a valid session."""
    return GrowattCalls.plant_list.flow()
