"""Authentication at the web portal: its hosts, the login form, and the protocol adapter of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core.http import build_request
from heliograph.core.servers import is_trusted_url
from heliograph.errors import CloudError, ConfigError, InvalidCredentials, LoginFailed
from heliograph.vendors.growatt.auth import DOMAINS, SERVERS
from heliograph.vendors.growatt.portal import envelope
from heliograph.vendors.growatt.portal.api import PortalCalls
from heliograph.vendors.growatt.portal.session import PortalSession

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

USER_AGENT = "Mozilla/5.0 (compatible; heliograph)"
PORTALS = {"eu": "https://server.growatt.com/", "us": "https://server-us.growatt.com/"}
"""The portal of each region of which one is known (docs/clouds/growatt.md)."""
_REGIONS = {SERVERS[f"{prefix}{region}"]: region for region in PORTALS for prefix in ("", "mobile-")}
REFUSED_SECONDS = 86400.0
"""Seconds without another login after the portal refused one that the app accepts."""


def portal_url(server: str) -> str:
    """Return the address of the portal of an account at one of the app's servers.

    >>> portal_url("https://openapi.growatt.com/"), portal_url("http://server.smten.com/")
    ('https://server.growatt.com/', 'http://server.smten.com/')
    """
    if region := _REGIONS.get(server):
        return PORTALS[region]
    host = urlsplit(server).hostname or ""
    if host == "growatt.com" or host.endswith(".growatt.com"):
        known = ", ".join(PORTALS)
        raise ConfigError(f"no web portal is known for {host}; it is known for the regions {known}. Remove `portal`")
    return server


class GrowattPortalProtocol:
    """The portal's implementation of `VendorProtocol`."""

    vendor = "growatt"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.headers = {"User-Agent": user_agent}

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Open a session with the user name and the MD5 of the password."""
        if (
            refused_at := session.facts.get("refused_at")
        ) is not None and 0 <= session.now - refused_at < REFUSED_SECONDS:
            raise LoginFailed(
                "the web portal refused the login within the last day, so none is sent",
                vendor=self.vendor,
                advice="Run: heliograph login growatt",
            )
        call = PortalCalls.portal_login.flow(who.username, who.password.reveal())
        response = yield self.build_request(session, call)
        try:
            self.parse_response(session, call, response)
        except InvalidCredentials as error:
            if not (isinstance(session, PortalSession) and session.app_accepted):
                raise
            session.facts["refused_at"] = session.now
            refusal = envelope.refused_beside_app(error)
            refusal.vendor, refusal.call, refusal.status = error.vendor, error.call, error.status
        else:
            session.facts.pop("refused_at", None)
            return
        raise refusal

    def fill_defaults(self, session: Session, call: Call[Any]) -> FlowGenerator[None] | None:
        """Return None: the portal's calls have no open arguments."""
        return None

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Return the HTTP request of a call."""
        return build_request(session.base, call, self.headers)

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Return True: the portal has one kind of session."""
        return True

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Return True if a URL belongs to Growatt or to the configured server."""
        return is_trusted_url(url, session.server, DOMAINS)

    def parse_response(self, session: Session, call: Call[Any], response: Response) -> Any:
        """Return the content of a response; raise the error it reports."""
        try:
            answer = envelope.parse(call, response)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, response.status
            raise
        if call.endpoint.route.is_login:
            session.alive = True
        return answer
