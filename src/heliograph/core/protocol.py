"""One account's conversation with its cloud, as a generator. No I/O, and no clock: time arrives with replies.

A driver (client.py) sends each yielded `Request` and hands back the `Reply`. What the conversation has to
remember between calls stands in a `Session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from heliograph.core.endpoint import Call
from heliograph.core.redact import SECRETS
from heliograph.core.session import FORCE_LOGIN, REDIRECT_STATUSES, ClearSession, EnsureSession
from heliograph.errors import CloudError, ConfigError, SessionExpired, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

T = TypeVar("T")
Y = TypeVar("Y")

MAX_REDIRECTS = 3
RELOGIN_DELAY = 60.0
"""Seconds without another login after a fresh one did not help (Home Assistant uses the same pause)."""


class Sleep(NamedTuple):
    """Something other than the network has to be waited for."""

    seconds: float


def resume(steps: Generator[Y, Any, Any], outcome: Response | CloudError | None) -> Y:
    """Tell a conversation what became of its last request, and return its next."""
    if isinstance(outcome, CloudError):
        return steps.throw(outcome)
    return next(steps) if outcome is None else steps.send(outcome)


class VendorProtocol(Protocol):
    """What a vendor teaches the conversation."""

    vendor: str

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None) -> HttpFlow[None]:
        """Open the session, or raise why not; `call` is what it is opened for, where that is known."""

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Tell whether a living session is one for this call; a cloud may speak more than one dialect."""

    def fill_defaults(self, session: Session, call: Call[Any]) -> Flow[None] | None:
        """Return a plan that fills what the declaration left open (today, the user), or None."""

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Dress a call for the wire."""

    def parse_response(self, session: Session, call: Call[Any], reply: Response) -> Any:
        """Return the answer inside its envelope, or raise what the cloud means."""

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Tell whether this address may be sent the session."""


class AccountProtocol:
    """All talk of one account; every public step is a generator a driver carries."""

    def __init__(
        self, cloud: VendorProtocol, session: Session, who: Credentials | None, *, allow_commands: bool = False
    ) -> None:
        self.cloud = cloud
        self.session = session
        self.credentials = who
        self.allow_commands = allow_commands
        self.forced = False
        """Whether the login under way is a person's own wish."""
        self.last_error: CloudError | None = None
        """What a call last failed with; a plan may have gone on without it."""

    def execute(self, plan: Flow[T], now: float) -> HttpFlow[T]:
        """Carry one plan to its result."""
        self.session.now = now
        return self._drive(self._carry(plan), _handed_on)

    def _carry(self, plan: Any) -> HttpFlow[Any]:
        try:
            return (yield from self._carried(plan))
        except CloudError as error:
            self.last_error = error
            raise

    def _carried(self, plan: Any) -> HttpFlow[Any]:
        if isinstance(plan, Call):
            return (yield from self._call(plan))
        if isinstance(plan, EnsureSession):
            yield from self._anew() if plan is FORCE_LOGIN else self._ensure_login(None)
            return self.session
        if isinstance(plan, ClearSession):
            self.session.clear()
            return None
        return (yield from self._drive(plan, self._carry))

    def _drive(self, steps: Generator[Any, Any, T], carry: Callable[[Any], HttpFlow[Any]]) -> HttpFlow[T]:
        """Carry each thing a generator yields and send it the result; what fails on the way is raised inside it."""
        step: Callable[[Any], Any] = steps.send
        argument: Any = None
        while True:
            # A server's words are quoted nowhere but within a step, which nothing interrupts.
            hiding = SECRETS.set(self._secrets)
            try:
                wanted = step(argument)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                SECRETS.reset(hiding)
            try:
                argument, step = (yield from carry(wanted)), steps.send
            except CloudError as error:
                argument, step = error, steps.throw

    def _call(self, call: Call[T]) -> HttpFlow[T]:
        if call.endpoint.route.command and not self.allow_commands:
            raise ConfigError(
                f"{call.endpoint.name} changes settings; create the client with allow_commands=True to send it"
            )
        if not call.endpoint.route.is_login:
            yield from self._ensure_login(call)
        if (open_ends := self.cloud.fill_defaults(self.session, call)) is not None:
            yield from self._carry(open_ends)
        try:
            answer = yield from self._once(call)
        except SessionExpired as expired:
            self.session.expire()
            if call.endpoint.route.command or call.endpoint.route.is_login or self.credentials is None:
                # A command is never sent twice, not even one that was turned away.
                raise
            yield from self._renew(call, expired)
            answer = yield from self._once_more(call)
        self.session.futile_at = None
        return self.decode(call, answer)

    def decode(self, call: Call[T], answer: Any) -> T:
        """Return an answer in the shape its declaration promises."""
        try:
            return call.endpoint.shape(answer)
        except Unreadable as error:
            error.vendor, error.call = self.cloud.vendor, call.endpoint.name
            raise

    def _once(self, call: Call[Any]) -> HttpFlow[Any]:
        request = self.cloud.build_request(self.session, call)
        if call.endpoint.route.is_login:
            request = request._replace(is_login=True)
        reply = yield from self._send(request, call.endpoint.name)
        return self.cloud.parse_response(self.session, call, reply)

    def _secrets(self) -> list[str]:
        """Return what a cloud may repeat of what it was sent."""
        who = [self.credentials.username, self.credentials.password.value_if_loaded()] if self.credentials else []
        return [*who, *self.session.secrets()]

    def _once_more(self, call: Call[Any]) -> HttpFlow[Any]:
        try:
            return (yield from self._once(call))
        except SessionExpired:
            self.session.expire()
            self.session.futile_at = self.session.now
            raise

    def _ensure_login(self, call: Call[Any] | None) -> HttpFlow[None]:
        if self.credentials is None:
            return
        if self.session.alive and call is not None and not self.cloud.session_matches(self.session, call):
            self.session.clear()
        if not self.session.alive:
            yield from self._renew(call, None)

    def _anew(self) -> HttpFlow[None]:
        self.session.clear()
        self.session.futile_at = None
        self.forced = True
        try:
            yield from self._ensure_login(None)
        finally:
            self.forced = False

    def _renew(self, call: Call[Any] | None, expired: SessionExpired | None) -> HttpFlow[None]:
        assert self.credentials is not None
        since = self.session.now - (self.session.futile_at or 0.0)
        # A clock that went back since must not turn a minute into years.
        if self.session.futile_at is not None and 0 <= since < RELOGIN_DELAY:
            raise expired or SessionExpired(
                "a fresh login did not help a moment ago, so there is no other yet",
                vendor=self.cloud.vendor,
                advice=f"Wait {RELOGIN_DELAY - since:.0f} s",
            )
        try:
            # Failures are raised inside the login: a cloud may have a second door.
            login = self.cloud.log_in(self.session, self.credentials, call)
            yield from self._drive(login, lambda request: self._send(request._replace(is_login=True), "login"))
        except SessionExpired:
            # A login that is shown the login page is as futile as one that does not help.
            self.session.clear()
            self.session.futile_at = self.session.now
            raise
        self.session.alive = True

    def _send(self, request: Request, call: str) -> HttpFlow[Response]:
        for _ in range(MAX_REDIRECTS):
            try:
                reply = yield self._with_cookies(request)
            except CloudError as error:
                error.vendor, error.call = self.cloud.vendor, call
                raise
            self.session.update_from_response(request.url, reply)
            target = self._redirect(request, reply)
            if target is None:
                return reply
            request = request._replace(url=target)
        return reply

    def _with_cookies(self, request: Request) -> Request:
        cookie = self.session.cookie_header(request.url)
        return request._replace(headers={**request.headers, "Cookie": cookie}) if cookie else request

    def _redirect(self, request: Request, reply: Response) -> str | None:
        """Return where to go on, when a read was moved to an address that may see the session."""
        location = reply.headers.get("location")
        if reply.status not in REDIRECT_STATUSES or request.verb != "GET" or not location:
            return None
        try:
            target = urljoin(request.url, location)
            moved_whole = urlsplit(target).path == urlsplit(request.url).path
        except ValueError:  # no address at all
            return None
        return target if moved_whole and self.cloud.is_trusted_url(self.session, target) else None


def _handed_on(request: Request) -> HttpFlow[Response]:
    return (yield request)
