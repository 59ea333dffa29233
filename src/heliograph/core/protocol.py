"""One account's conversation with its cloud, as a generator. No I/O, and no clock: time arrives with replies.

A driver (client.py) sends each yielded `Request` and hands back the `Reply`. What the conversation has to
remember between calls stands in a `Session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from heliograph.core.endpoint import Call
from heliograph.core.redact import SECRETS
from heliograph.core.session import ANEW, REDIRECTS, Forgotten, LoggedIn
from heliograph.errors import CloudError, ConfigError, SessionExpired, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from heliograph.core.endpoint import Plan
    from heliograph.core.session import Credentials, Reply, Request, Session, Talk

T = TypeVar("T")
Y = TypeVar("Y")

MAX_HOPS = 3
FUTILE_PAUSE = 60.0
"""Seconds without another login after a fresh one did not help (Home Assistant uses the same pause)."""


class Wait(NamedTuple):
    """Something other than the network has to be waited for."""

    seconds: float


def advance(steps: Generator[Y, Any, Any], outcome: Reply | CloudError | None) -> Y:
    """Tell a conversation what became of its last request, and return its next."""
    if isinstance(outcome, CloudError):
        return steps.throw(outcome)
    return next(steps) if outcome is None else steps.send(outcome)


class Cloud(Protocol):
    """What a vendor teaches the conversation."""

    vendor: str

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None) -> Talk[None]:
        """Open the session, or raise why not; `call` is what it is opened for, where that is known."""

    def serves(self, session: Session, call: Call[Any]) -> bool:
        """Tell whether a living session is one for this call; a cloud may speak more than one dialect."""

    def blanks(self, session: Session, call: Call[Any]) -> Plan[None] | None:
        """Return a plan that fills what the declaration left open (today, the user), or None."""

    def request(self, session: Session, call: Call[Any]) -> Request:
        """Dress a call for the wire."""

    def read(self, session: Session, call: Call[Any], reply: Reply) -> Any:
        """Return the answer inside its envelope, or raise what the cloud means."""

    def trusts(self, session: Session, url: str) -> bool:
        """Tell whether this address may be sent the session."""


class Conversation:
    """All talk of one account; every public step is a generator a driver carries."""

    def __init__(
        self, cloud: Cloud, session: Session, who: Credentials | None, *, allow_commands: bool = False
    ) -> None:
        self.cloud = cloud
        self.session = session
        self.who = who
        self.allow_commands = allow_commands
        self.insisted = False
        """Whether the login under way is a person's own wish."""
        self.trouble: CloudError | None = None
        """What a call last failed with; a plan may have gone on without it."""

    def carry(self, plan: Plan[T], now: float) -> Talk[T]:
        """Carry one plan to its result."""
        self.session.now = now
        return self._drive(self._carry(plan), _handed_on)

    def _carry(self, plan: Any) -> Talk[Any]:
        try:
            return (yield from self._carried(plan))
        except CloudError as error:
            self.trouble = error
            raise

    def _carried(self, plan: Any) -> Talk[Any]:
        if isinstance(plan, Call):
            return (yield from self._call(plan))
        if isinstance(plan, LoggedIn):
            yield from self._anew() if plan is ANEW else self._ensure_login(None)
            return self.session
        if isinstance(plan, Forgotten):
            self.session.end()
            return None
        return (yield from self._drive(plan, self._carry))

    def _drive(self, steps: Generator[Any, Any, T], carry: Callable[[Any], Talk[Any]]) -> Talk[T]:
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

    def _call(self, call: Call[T]) -> Talk[T]:
        if call.endpoint.route.command and not self.allow_commands:
            raise ConfigError(
                f"{call.endpoint.name} changes settings; create the client with allow_commands=True to send it"
            )
        if not call.endpoint.route.opens:
            yield from self._ensure_login(call)
        if (open_ends := self.cloud.blanks(self.session, call)) is not None:
            yield from self._carry(open_ends)
        try:
            answer = yield from self._once(call)
        except SessionExpired as expired:
            self.session.die()
            if call.endpoint.route.command or call.endpoint.route.opens or self.who is None:
                # A command is never sent twice, not even one that was turned away.
                raise
            yield from self._renew(call, expired)
            answer = yield from self._once_more(call)
        self.session.futile_at = None
        return self.shaped(call, answer)

    def shaped(self, call: Call[T], answer: Any) -> T:
        """Return an answer in the shape its declaration promises."""
        try:
            return call.endpoint.shape(answer)
        except Unreadable as error:
            error.vendor, error.call = self.cloud.vendor, call.endpoint.name
            raise

    def _once(self, call: Call[Any]) -> Talk[Any]:
        request = self.cloud.request(self.session, call)
        if call.endpoint.route.opens:
            request = request._replace(opens=True)
        reply = yield from self._send(request, call.endpoint.name)
        return self.cloud.read(self.session, call, reply)

    def _secrets(self) -> list[str]:
        """Return what a cloud may repeat of what it was sent."""
        who = [self.who.username, self.who.password.at_hand()] if self.who else []
        return [*who, *self.session.secrets()]

    def _once_more(self, call: Call[Any]) -> Talk[Any]:
        try:
            return (yield from self._once(call))
        except SessionExpired:
            self.session.die()
            self.session.futile_at = self.session.now
            raise

    def _ensure_login(self, call: Call[Any] | None) -> Talk[None]:
        if self.who is None:
            return
        if self.session.alive and call is not None and not self.cloud.serves(self.session, call):
            self.session.end()
        if not self.session.alive:
            yield from self._renew(call, None)

    def _anew(self) -> Talk[None]:
        self.session.end()
        self.session.futile_at = None
        self.insisted = True
        try:
            yield from self._ensure_login(None)
        finally:
            self.insisted = False

    def _renew(self, call: Call[Any] | None, expired: SessionExpired | None) -> Talk[None]:
        assert self.who is not None
        since = self.session.now - (self.session.futile_at or 0.0)
        # A clock that went back since must not turn a minute into years.
        if self.session.futile_at is not None and 0 <= since < FUTILE_PAUSE:
            raise expired or SessionExpired(
                "a fresh login did not help a moment ago, so there is no other yet",
                vendor=self.cloud.vendor,
                advice=f"Wait {FUTILE_PAUSE - since:.0f} s",
            )
        try:
            # Failures are raised inside the login: a cloud may have a second door.
            login = self.cloud.log_in(self.session, self.who, call)
            yield from self._drive(login, lambda request: self._send(request._replace(opens=True), "login"))
        except SessionExpired:
            # A login that is shown the login page is as futile as one that does not help.
            self.session.end()
            self.session.futile_at = self.session.now
            raise
        self.session.alive = True

    def _send(self, request: Request, call: str) -> Talk[Reply]:
        for _ in range(MAX_HOPS):
            try:
                reply = yield self._with_cookies(request)
            except CloudError as error:
                error.vendor, error.call = self.cloud.vendor, call
                raise
            self.session.absorb(request.url, reply)
            target = self._redirect(request, reply)
            if target is None:
                return reply
            request = request._replace(url=target)
        return reply

    def _with_cookies(self, request: Request) -> Request:
        cookie = self.session.cookie_header(request.url)
        return request._replace(headers={**request.headers, "Cookie": cookie}) if cookie else request

    def _redirect(self, request: Request, reply: Reply) -> str | None:
        """Return where to go on, when a read was moved to an address that may see the session."""
        location = reply.headers.get("location")
        if reply.status not in REDIRECTS or request.verb != "GET" or not location:
            return None
        try:
            target = urljoin(request.url, location)
            moved_whole = urlsplit(target).path == urlsplit(request.url).path
        except ValueError:  # no address at all
            return None
        return target if moved_whole and self.cloud.trusts(self.session, target) else None


def _handed_on(request: Request) -> Talk[Reply]:
    return (yield request)
