"""One GoodWe account, spoken to in two dialects: which one opens the session, and who reads its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.redact import excerpt
from heliograph.errors import CloudError, WrongRegion
from heliograph.vendors.goodwe import dialect, servers
from heliograph.vendors.goodwe.legacy import auth as legacy_login
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import auth as plus_login
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, Flow
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

USER_AGENT = "heliograph"

_SPEAKERS: dict[str, Any] = {dialect.LEGACY: legacy_login, dialect.PLUS: plus_login}
_OF_A_LOGIN = ("plants", "zones")
"""Facts that are asked for once per session."""


class GoodWeProtocol:
    """What the conversation has to know about GoodWe."""

    vendor = "goodwe"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.user_agent = user_agent

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Open a session in a call's own dialect; without one in the account's, which may have to be learned."""
        if call is not None:
            yield from self._enter(session, who, dialect.of_call(call))
            return
        first = dialect.current_or_default(session)
        try:
            yield from self._enter(session, who, first)
        except CloudError as error:
            second = dialect.other(first)
            if not dialect.login_suggests_other(session, error) or not dialect.may_try(session, second):
                raise
            yield from self._enter_instead(session, who, second, error)
            dialect.remember(session, second)
        else:
            dialect.remember(session, first)

    def _enter_instead(self, session: Session, who: Credentials, name: str, failed: CloudError) -> HttpFlow[None]:
        dialect.log_decision(session, f"so {dialect.NAMES[name]} is tried once")
        try:
            yield from self._enter(session, who, name)
        except CloudError as error:
            raise dialect.more_actionable(failed, error) from None

    def _enter(self, session: Session, who: Credentials, name: str) -> HttpFlow[None]:
        call = self._login_call(session, who, name)
        try:
            reply = yield self.build_request(session, call)
            self.parse_response(session, call, reply)
        except CloudError as error:
            dialect.log_decision(session, f"login at {dialect.NAMES[name]} failed, {dialect.summarize(error)}")
            if error.status is not None:  # an answer, not a network that is down
                dialect.record_failure(session, name)
            raise

    def _login_call(self, session: Session, who: Credentials, name: str) -> Call[Any]:
        username, password = who.username, who.password.reveal()
        if name == dialect.PLUS:
            return SemsPlusCalls.plus_login.flow(username, password, servers.is_china_region(session.server))
        return GoodWeCalls.cross_login.flow(username, password)

    def fill_defaults(self, session: Session, call: Call[Any]) -> Flow[None] | None:
        """Leave nothing open: every call of this cloud names all it needs."""
        return None

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Tell whether the living session speaks a call's dialect: a login in one ends the other's session."""
        found: bool = session.facts.get("open", dialect.LEGACY) == dialect.of_call(call)
        if not found:
            dialect.log_decision(
                session, f"the session is ended, for {call.endpoint.name} is a call of the other dialect"
            )
        return found

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Tell whether an address belongs to GoodWe or is the configured server itself."""
        return servers.is_trusted(url, session.server)

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Dress a call for the wire, as its dialect does."""
        request: Request = _SPEAKERS[dialect.of_call(call)].request(session, call, self.user_agent)
        return request

    def parse_response(self, session: Session, call: Call[Any], reply: Response) -> Any:
        """Return the answer's data; raise what the cloud means instead."""
        name = dialect.of_call(call)
        speaker, route = _SPEAKERS[name], call.endpoint.route
        try:
            answer = speaker.envelope(reply)
            speaker.check(answer, opens=route.is_login)
            if route.is_login:
                self._open(session, name, *speaker.opened(session, answer))
            return speaker.data(answer, route.result_path)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, reply.status
            raise

    def _open(self, session: Session, name: str, token: dict[str, Any], base: str) -> None:
        if not self.is_trusted_url(session, base):
            raise WrongRegion(
                f"the login sends this account on to {excerpt(base)}, which is no https address of GoodWe",
                advice="The session was not sent there; name the account's regional server yourself",
            )
        session.base, session.token = base, token
        session.alive = True
        for fact in _OF_A_LOGIN:
            session.facts.pop(fact, None)
        if (session.facts.get("open"), session.facts.get("base")) != (name, base):
            dialect.log_decision(session, f"logged in at {dialect.NAMES[name]}; its data lie at {excerpt(base)}")
        session.facts |= {"open": name, "base": base}
