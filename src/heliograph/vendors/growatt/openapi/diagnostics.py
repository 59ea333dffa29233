"""Diagnostics of a token for `heliograph doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Request
from heliograph.vendors.growatt.auth import DOMAINS, SERVERS
from heliograph.vendors.growatt.openapi import envelope
from heliograph.vendors.growatt.openapi.api import OpenApiCalls
from heliograph.vendors.growatt.openapi.auth import USER_AGENT
from heliograph.vendors.growatt.openapi.limits import family_interval
from heliograph.vendors.growatt.openapi.snapshots import unreadable_plants

if TYPE_CHECKING:
    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Session


def summary(session: Session) -> list[tuple[str, str]]:
    """Return label and text of facts known without a request: region, plants, intervals, permission."""
    if not session.alive:
        return [("region", "not known yet; the next request asks each regional server once")]
    region = next((name for name, address in SERVERS.items() if address == session.base), None)
    rows = [("region", f"{region}, found by asking" if region else f"{session.base}, as configured")]
    names: dict[str, Any] = session.facts.get("plants", {})
    rows.append(("plants", str(len(names)) if names else f"none. {envelope.HOW_TO_CREATE}"))
    devices = session.facts.get("devices", {}).values()
    families = sorted({family for _, listed in devices for _, family, *_ in listed})
    intervals = (f"{family} every {family_interval(family):.0f} s" for family in families)
    rows.append(("allowed calls", f"an equal call every 300 s, newest data of {', '.join(intervals)}"))
    if not families:
        rows[-1] = ("allowed calls", "an equal call every 300 s")
    rows += [(f"plant {plant_id}", plant.reason) for plant_id, plant in unreadable_plants(session).items()]
    if families and not unreadable_plants(session):
        rows.append(("permission", "the devices of all plants asked for are readable"))
    return rows


def history(session: Session) -> tuple[str, ...]:
    """Return no decisions: a token has one API."""
    return ()


def is_known_server(server: str) -> bool:
    """Return True if the address is one of Growatt's own servers."""
    return is_trusted_url(server, "", DOMAINS) or server in SERVERS.values()


def ping_requests(session: Session) -> tuple[Request, ...]:
    """Return anonymous requests that test whether the server is reachable."""
    return (Request("GET", session.base, {"User-Agent": USER_AGENT}),)


def probe(session: Session) -> Flow[Any]:
    """Return one cheap call that succeeds only with a valid token; the vendor allows it every five seconds."""
    return OpenApiCalls.v4_device_list.flow()
