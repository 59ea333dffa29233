"""What a person should know of a Growatt account, and what shows that it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Request
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import DOMAINS, SERVERS, USER_AGENT

if TYPE_CHECKING:
    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Session


def summary(session: Session) -> list[tuple[str, str]]:
    """Return what is known without sending anything."""
    region = next((name for name, address in SERVERS.items() if address == session.server), None)
    rows = [("region", region)] if region else []
    if session.facts.get("plants"):
        rows.append(("plants", f"{len(session.facts['plants'])} at the last login"))
    return rows


def history(session: Session) -> tuple[str, ...]:
    """Return nothing: there is one dialect, so there was nothing to decide."""
    return ()


def is_known_server(server: str) -> bool:
    """Tell whether an address is one of Growatt's own."""
    return is_trusted_url(server, "", DOMAINS) or server in SERVERS.values()


def ping_requests(session: Session) -> tuple[Request, ...]:
    """Return what asks whether the server is there, in nobody's name."""
    return (Request("GET", session.server, {"User-Agent": USER_AGENT}),)


def probe(session: Session) -> Flow[Any]:
    """Return one cheap call that only a living session is answered."""
    return GrowattCalls.plant_list.flow()
