"""What a person should know of a Growatt account, and what shows that it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.servers import trusted
from heliograph.core.session import Request
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import AGENT, DOMAINS, SERVERS

if TYPE_CHECKING:
    from heliograph.core.endpoint import Plan
    from heliograph.core.session import Session


def outlook(session: Session) -> list[tuple[str, str]]:
    """Return what is known without sending anything."""
    region = next((name for name, address in SERVERS.items() if address == session.server), None)
    rows = [("region", region)] if region else []
    if session.facts.get("plants"):
        rows.append(("plants", f"{len(session.facts['plants'])} at the last login"))
    return rows


def story(session: Session) -> tuple[str, ...]:
    """Return nothing: there is one dialect, so there was nothing to decide."""
    return ()


def knows(server: str) -> bool:
    """Tell whether an address is one of Growatt's own."""
    return trusted(server, "", DOMAINS) or server in SERVERS.values()


def knocks(session: Session) -> tuple[Request, ...]:
    """Return what asks whether the server is there, in nobody's name."""
    return (Request("GET", session.server, {"User-Agent": AGENT}),)


def probe(session: Session) -> Plan[Any]:
    """Return one cheap call that only a living session is answered."""
    return GrowattCalls.plant_list.plan()
