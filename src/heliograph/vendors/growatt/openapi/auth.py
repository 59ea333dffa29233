"""Authentication of the token API: the token in a header, and the search for its regional server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core.http import build_request
from heliograph.core.servers import is_trusted_url
from heliograph.core.session import Sleep
from heliograph.errors import CloudError, InvalidCredentials, SessionExpired, Unreachable
from heliograph.vendors.growatt.auth import DOMAINS, SERVERS, resolve_server
from heliograph.vendors.growatt.openapi import envelope
from heliograph.vendors.growatt.openapi.api import OpenApiCalls
from heliograph.vendors.growatt.openapi.limits import pause_before
from heliograph.vendors.growatt.openapi.snapshots import remember_plants

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session
    from heliograph.vendors.growatt.openapi.payloads import OpenApiPlantPage

USER_AGENT = "heliograph"

REGIONS = ("eu", "us", "au", "cn")
"""The order in which the regional servers are asked for a token."""


class GrowattTokenProtocol:
    """The token API's implementation of `VendorProtocol`; "logging in" is finding the token's regional server."""

    vendor = "growatt"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.headers = {"User-Agent": user_agent}

    def log_in(self, session: Session, credentials: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Ask each regional server once for the token's plants, and use the first that has some."""
        session.token = {"token": credentials.password.reveal()}
        failures: list[CloudError] = []
        without_plants = ""
        for server in _servers(session):
            session.base = server
            listing = OpenApiCalls.v1_plant_list.flow()
            try:
                response = yield self.build_request(session, listing)
                page: OpenApiPlantPage = OpenApiCalls.v1_plant_list.shape(
                    self.parse_response(session, listing, response)
                )
            except (SessionExpired, Unreachable) as error:
                failures.append(error)
                continue
            if page.plants:
                remember_plants(session, page, {}, 1)
                return
            without_plants = without_plants or server
        if without_plants:
            # Quirk: a token of a NOAH owner may list devices (V4) without any plant (V1).
            session.base = without_plants
            session.facts |= {"plants": {}, "plants_read": (session.now, None)}
            return
        session.token = {}
        unreachable = next((error for error in failures if isinstance(error, Unreachable)), None)
        raise unreachable or refused_token(session)

    def fill_defaults(self, session: Session, call: Call[Any]) -> FlowGenerator[None]:
        """Return a flow that waits as long as the vendor asks between two calls, or raises `Throttled`."""
        return _wait(pause_before(session, call))

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Return the HTTP request of a call."""
        return build_request(session.base, call, {**self.headers, "token": session.token.get("token", "")})

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Return True: all calls use the same token."""
        return True

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Return True if a URL belongs to Growatt or to the configured server."""
        return is_trusted_url(url, session.server, DOMAINS)

    def parse_response(self, session: Session, call: Call[Any], response: Response) -> Any:
        """Return the content of a response; raise the error it reports."""
        try:
            return envelope.parse(call, response)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, response.status
            raise


def refused_token(session: Session) -> InvalidCredentials:
    """Return the error of a token that every asked server refused."""
    servers = _servers(session)
    if len(servers) > 1:
        return InvalidCredentials("every regional server refused the token", advice=envelope.HOW_TO_CREATE)
    host = urlsplit(servers[0]).netloc
    elsewhere = "If the account is in another region, remove `server`: all regions are asked then"
    return InvalidCredentials(f"{host} refused the token", advice=f"{envelope.HOW_TO_CREATE}. {elsewhere}")


def _wait(seconds: float) -> FlowGenerator[None]:
    if seconds > 0:
        yield Sleep(seconds)


def _servers(session: Session) -> tuple[str, ...]:
    """Return the servers to ask: all regions for the default server, otherwise the configured one."""
    if session.server != resolve_server(""):
        return (session.server,)
    return tuple(SERVERS[region] for region in REGIONS)
