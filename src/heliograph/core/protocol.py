"""The sans-I/O protocol of one account: login, session renewal, redirects and commands, as generators.

No I/O and no clock: a client (client.py) sends each yielded `Request` and passes the `Response` back, which carries the
time it was received; it also performs each yielded `Effect`. State that outlives a call is in `Session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from heliograph.core.effects import Effect
from heliograph.core.endpoint import Call
from heliograph.core.redact import SECRETS
from heliograph.core.session import FORCE_LOGIN, REDIRECT_STATUSES, ClearSession, EnsureSession, Request, Sleep
from heliograph.errors import CloudError, ConfigError, SessionExpired, StoreError, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from heliograph.core.endpoint import Flow
    from heliograph.core.session import Credentials, HttpFlow, Response, Session

T = TypeVar("T")

MAX_REDIRECTS = 3
RELOGIN_DELAY = 60.0
"""Seconds without another login after a fresh one did not help (Home Assistant uses the same pause)."""


class VendorProtocol(Protocol):
    """The vendor's part of the protocol: login, encoding of requests, meaning of responses."""

    vendor: str

    def log_in(self, session: Session, credentials: Credentials, call: Call[Any] | None, /) -> HttpFlow[None]:
        """Open the session, or raise the reason; `call` is the call it is opened for, if known."""

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Return True if an open session can be used for this call; a vendor may have two dialects."""

    def fill_defaults(self, session: Session, call: Call[Any]) -> Flow[None] | None:
        """Return a flow that resolves open arguments (current user, plant-local today), or None if there are none."""

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Encode a call as an HTTP request."""

    def parse_response(self, session: Session, call: Call[Any], response: Response, /) -> Any:
        """Return the result inside the envelope, or raise the error the vendor API reports."""

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Return True if the session may be sent to this URL."""


class AccountProtocol:
    """The protocol of one account; each public method returns a generator that a client runs."""

    def __init__(
        self, cloud: VendorProtocol, session: Session, credentials: Credentials | None, *, allow_commands: bool = False
    ) -> None:
        self.cloud = cloud
        self.session = session
        self.credentials = credentials
        self.allow_commands = allow_commands
        self.forced = False
        """True while an explicit user login is running."""
        self.records_errors = False
        """True if the flow's driver uses `last_error`, and removes it when the flow ends."""
        self.last_error: CloudError | None = None
        """Error of the last failed call of this flow; a flow may have continued without its result."""

    def execute(self, flow: Flow[T], now: float) -> HttpFlow[T]:
        """Run one flow to its result."""
        self.session.now = now
        return self._run(flow)

    def _run(self, flow: Any) -> HttpFlow[Any]:
        try:
            return (yield from self._run_step(flow))
        except CloudError as error:
            if self.records_errors:
                self.last_error = error
            raise

    def _run_step(self, flow: Any) -> HttpFlow[Any]:
        if isinstance(flow, Call):
            return (yield from self._call(flow))
        if isinstance(flow, Effect):
            return (yield flow)
        if isinstance(flow, Sleep):
            yield flow
            return None
        if isinstance(flow, EnsureSession):
            yield from self._force_login() if flow is FORCE_LOGIN else self._ensure_login(None)
            return self.session
        if isinstance(flow, ClearSession):
            self.session.clear()
            return None
        return (yield from self._drive(flow, self._run))

    def _drive(self, generator: Generator[Any, Any, T], run: Callable[[Any], HttpFlow[Any]]) -> HttpFlow[T]:
        """Run each item a generator yields and send it the result; errors are raised inside the generator."""
        step: Callable[[Any], Any] = generator.send
        argument: Any = None
        while True:
            secrets = SECRETS.set(self._secrets)
            try:
                item = step(argument)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                SECRETS.reset(secrets)
                argument = None  # as in `resume`
            try:
                argument, step = (yield from run(item)), generator.send
            except (CloudError, StoreError) as error:
                argument, step = error, generator.throw

    def _call(self, call: Call[T]) -> HttpFlow[T]:
        route = call.endpoint.route
        if route.command and not self.allow_commands:
            raise ConfigError(
                f"{call.endpoint.name} changes settings; create the client with allow_commands=True to send it"
            )
        if not route.is_login:
            yield from self._ensure_login(call)
        if (defaults := self.cloud.fill_defaults(self.session, call)) is not None:
            yield from self._run(defaults)
        try:
            return (yield from self._call_once(call))
        except SessionExpired as expired:
            self.session.expire()
            if route.command or route.is_login or self.credentials is None:
                # A command is never sent twice, even if it was rejected.
                raise
            yield from self._renew(call, expired)
            return (yield from self._call_again(call))

    def decode(self, call: Call[T], answer: Any) -> T:
        """Convert an answer to the declared type."""
        try:
            return call.endpoint.shape(answer)
        except Unreadable as error:
            error.vendor, error.call = self.cloud.vendor, call.endpoint.name
            raise

    def _call_once(self, call: Call[T]) -> HttpFlow[T]:
        request = self.cloud.build_request(self.session, call)
        if call.endpoint.route.is_login:
            request = request._replace(is_login=True)
        response = yield from self._send(request, call.endpoint.name)
        # Server texts are quoted only here and in steps of a flow, which nothing interrupts.
        secrets = SECRETS.set(self._secrets)
        try:
            answer = self.cloud.parse_response(self.session, call, response)
            self.session.futile_at = None
            return self.decode(call, answer)
        finally:
            SECRETS.reset(secrets)

    def _secrets(self) -> list[str]:
        """Return the secrets that a server may repeat in its answers."""
        login = [self.credentials.username, self.credentials.password.value_if_loaded()] if self.credentials else []
        return [*login, *self.session.secrets()]

    def _call_again(self, call: Call[T]) -> HttpFlow[T]:
        try:
            return (yield from self._call_once(call))
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

    def _force_login(self) -> HttpFlow[None]:
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
        # A clock that was set back must not turn a minute into years.
        if self.session.futile_at is not None and 0 <= since < RELOGIN_DELAY:
            raise expired or SessionExpired(
                "a fresh login did not help a moment ago, so no other is sent yet",
                vendor=self.cloud.vendor,
                advice=f"Wait {RELOGIN_DELAY - since:.0f} s",
            )
        try:
            # Errors are raised inside the login, which may have a second server to try.
            login = self.cloud.log_in(self.session, self.credentials, call)
            yield from self._drive(login, lambda request: self._send(request._replace(is_login=True), "login"))
        except SessionExpired:
            # A login that ends at the login page is as futile as one that does not help.
            self.session.clear()
            self.session.futile_at = self.session.now
            raise
        self.session.alive = True

    def _send(self, request: Request, call: str) -> HttpFlow[Response]:
        for _ in range(MAX_REDIRECTS):
            try:
                response: Response = yield self._with_cookies(request)
            except CloudError as error:
                error.vendor, error.call = self.cloud.vendor, call
                raise
            self.session.update_from_response(request.url, response)
            target = self._redirect_target(request, response)
            if target is None:
                return response
            request = request._replace(url=target)
        return response

    def _with_cookies(self, request: Request) -> Request:
        # A function of its own: local variables of `_send` would put the cookie into tracebacks that show locals.
        cookie = self.session.cookie_header(request.url)
        if not cookie:
            return request
        return Request(request.verb, request.url, {**request.headers, "Cookie": cookie}, request.body, request.is_login)

    def _redirect_target(self, request: Request, response: Response) -> str | None:
        """Return the new URL of a read that was redirected, if the path is the same and the session may be sent."""
        location = response.headers.get("location")
        if response.status not in REDIRECT_STATUSES or request.verb != "GET" or not location:
            return None
        try:
            target = urljoin(request.url, location)
            same_path = urlsplit(target).path == urlsplit(request.url).path
        except ValueError:  # not a URL
            return None
        return target if same_path and self.cloud.is_trusted_url(self.session, target) else None
