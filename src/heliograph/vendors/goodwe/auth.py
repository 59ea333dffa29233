"""GoodWe protocol adapter: login, requests and responses in the dialect of each call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.redact import excerpt
from heliograph.errors import CloudError, Unreadable, WrongRegion
from heliograph.vendors.goodwe import dialect, servers
from heliograph.vendors.goodwe.legacy import auth as legacy_auth
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import auth as plus_auth
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, Flow
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

USER_AGENT = "heliograph"

_MODULES: dict[str, Any] = {dialect.LEGACY: legacy_auth, dialect.PLUS: plus_auth}
_FACTS_PER_LOGIN = ("plants", "zones")
"""Session facts that are fetched once per login."""
MAX_TOKEN = 8_000
"""Characters of a token, which each request has in a header: servers accept 8 kB of headers, and tokens have 250."""


class GoodWeProtocol:
    """GoodWe's implementation of `VendorProtocol`."""

    vendor = "goodwe"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.user_agent = user_agent

    def log_in(self, session: Session, credentials: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Log in with the dialect of `call`; without a call use the account's dialect, falling back to the other."""
        if call is not None:
            yield from self._log_in(session, credentials, dialect.of_call(call))
            return
        first = dialect.current_or_default(session)
        try:
            yield from self._log_in(session, credentials, first)
        except CloudError as error:
            second = dialect.other(first)
            if not dialect.login_suggests_other(session, error) or not dialect.may_try(session, second):
                raise
            yield from self._log_in_second(session, credentials, second, error)
            dialect.remember(session, second)
        else:
            dialect.remember(session, first)

    def _log_in_second(
        self, session: Session, credentials: Credentials, name: str, first: CloudError
    ) -> HttpFlow[None]:
        dialect.log_decision(session, f"trying {dialect.TITLES[name]} once")
        try:
            yield from self._log_in(session, credentials, name)
        except CloudError as error:
            raise dialect.more_actionable(first, error) from None

    def _log_in(self, session: Session, credentials: Credentials, name: str) -> HttpFlow[None]:
        call = self._login_call(session, credentials, name)
        try:
            response = yield self.build_request(session, call)
            self.parse_response(session, call, response)
        except CloudError as error:
            dialect.log_decision(session, f"login at {dialect.TITLES[name]} failed: {dialect.summarize(error)}")
            if error.status is not None:  # the server responded; the network works
                dialect.record_failure(session, name)
            raise

    def _login_call(self, session: Session, credentials: Credentials, name: str) -> Call[Any]:
        username, password = credentials.username, credentials.password.reveal()
        if name == dialect.PLUS:
            return SemsPlusCalls.plus_login.flow(username, password, servers.is_china_region(session.server))
        return GoodWeCalls.cross_login.flow(username, password)

    def fill_defaults(self, session: Session, call: Call[Any]) -> Flow[None] | None:
        """Return None: no GoodWe call has placeholder arguments."""
        return None

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Return True if the session has the dialect of `call`; a login in one dialect ends the other's session."""
        matches: bool = session.facts.get("open", dialect.LEGACY) == dialect.of_call(call)
        if not matches:
            dialect.log_decision(session, f"session closed: {call.endpoint.name} belongs to the other dialect")
        return matches

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Return True if the URL belongs to GoodWe or to the configured server."""
        return servers.is_trusted(url, session.server)

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Build the HTTP request of a call in its dialect."""
        request: Request = _MODULES[dialect.of_call(call)].build_request(session, call, self.user_agent)
        return request

    def parse_response(self, session: Session, call: Call[Any], response: Response) -> Any:
        """Return the data of a response, or raise the error that its code stands for."""
        name = dialect.of_call(call)
        module, route = _MODULES[name], call.endpoint.route
        try:
            envelope = module.parse_envelope(response)
            module.raise_for_code(envelope, is_login=route.is_login)
            if route.is_login:
                self._open_session(session, name, *module.parse_login(session, envelope))
            return module.extract_data(envelope, route.result_path)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, response.status
            raise

    def _open_session(self, session: Session, name: str, token: dict[str, Any], base: str) -> None:
        if not self.is_trusted_url(session, base):
            raise WrongRegion(
                f"the login redirects this account to {excerpt(base)}, which is not an https address of GoodWe",
                advice="The session was not sent there; set the account's regional server",
            )
        if len(json.dumps(token)) > MAX_TOKEN:
            raise Unreadable(
                f"the login returned a session of more than {MAX_TOKEN:,} characters",
                advice="Check the server's address; another program may be answering there",
            )
        session.base, session.token = base, token
        session.alive = True
        for fact in _FACTS_PER_LOGIN:
            session.facts.pop(fact, None)
        if (session.facts.get("open"), session.facts.get("base")) != (name, base):
            dialect.log_decision(session, f"logged in at {dialect.TITLES[name]}; data server {excerpt(base)}")
        session.facts |= {"open": name, "base": base}
