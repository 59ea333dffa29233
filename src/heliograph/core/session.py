"""HTTP requests and responses, credentials, and the session of one account."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from heliograph.core.effects import Effect
from heliograph.core.parsing import parse_http_date
from heliograph.core.redact import find_secrets, mask_secrets, redact_url
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from heliograph.core.redact import Secret

T = TypeVar("T")

MAX_COOKIES = 50
"""Cookies of one server; with another one the oldest is deleted."""
MAX_COOKIE = 4096
"""Characters of a cookie; a longer one is ignored. Both limits are those of RFC 6265, which all browsers have."""
REDIRECT_STATUSES = frozenset((301, 302, 303, 307, 308))


class Request(NamedTuple):
    """One HTTP request, complete except for cookies."""

    verb: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    is_login: bool = False
    """True if it is part of a login."""

    def __repr__(self) -> str:
        return f"Request({self.verb} {mask_secrets(redact_url(self.url))})"


class Response(NamedTuple):
    """One HTTP response; `headers` are looked up in lower case, `received_at` is in epoch seconds."""

    status: int
    headers: Mapping[str, str]
    cookies: Sequence[str]
    body: bytes
    received_at: float

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


class Sleep(NamedTuple):
    """Instruction to the client: sleep, then resume the flow."""

    seconds: float


HttpFlow = Generator[Request | Sleep | Effect, Any, T]
"""A generator that a client runs: it yields requests, sleeps and effects, and is sent their results."""


class Credentials(NamedTuple):
    """User name and password of an account."""

    username: str
    password: Secret

    def __repr__(self) -> str:
        return "Credentials(***)"


class EnsureSession:
    """Flow instruction: ensure a valid session and return it."""


ENSURE_SESSION = EnsureSession()
FORCE_LOGIN = EnsureSession()
"""The same with a new login, even if the session is valid; for an explicit request of the user."""


class ClearSession:
    """Flow instruction: forget the session; nothing is sent."""


CLEAR_SESSION = ClearSession()


class Session:
    """State of one account between calls: plain data, without the password."""

    def __init__(self, server: str) -> None:
        try:
            urlsplit(server)
        except ValueError as error:
            raise ConfigError(f"the server's address is not a valid URL ({mask_secrets(str(error))})") from None
        self.server = server
        self.base = server
        self.alive = False
        self.cookies: dict[str, dict[str, str]] = {}
        self.token: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.skew = 0.0
        self.now = 0.0
        self.futile_at: float | None = None
        self.died_at: float | None = None
        """When a response last rejected a session that was considered valid."""
        self.deaths = 0
        """How often that happened."""
        self.zone: tzinfo | None = None
        """Time zone of the plants, if configured; overrides the vendor API and is not stored."""

    def to_dict(self) -> dict[str, Any]:
        """Return the session as JSON-ready data; it opens the account, so protect it like a password."""
        members = vars(self).copy()
        del members["zone"], members["now"]
        return members

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Session:
        """Return the session that `to_dict` returned as a dict; unknown keys are ignored."""
        session = cls(stored["server"])
        for name in vars(session):
            if name in stored:
                setattr(session, name, stored[name])
        return session

    @property
    def server_time(self) -> float:
        """Current time of the server, in epoch seconds; right even if this machine's clock is wrong."""
        return self.now + self.skew

    def clear(self) -> None:
        """Forget cookies and token; facts about the account stay."""
        self.alive = False
        self.cookies = {}
        self.token = {}
        self.base = self.server

    def expire(self) -> None:
        """Clear the session after the vendor API rejected it."""
        self.clear()
        self.died_at = self.now
        self.deaths += 1

    def secrets(self) -> list[str]:
        """Return every text that opens or identifies the account, to be masked."""
        cookies = [value for jar in self.cookies.values() for value in jar.values()]
        return [*cookies, *find_secrets(self.token), str(self.facts.get("user_id", ""))]

    def cookie_header(self, url: str) -> str | None:
        """Return the Cookie header for a URL, or None if there are no cookies."""
        jar = self.cookies.get(urlsplit(url).netloc)
        return "; ".join(f"{name}={value}" for name, value in jar.items()) if jar else None

    def update_from_response(self, url: str, response: Response) -> None:
        """Store the cookies and the server's clock from a response."""
        self.now = response.received_at
        if (date := response.headers.get("date")) is not None:
            skew = _clock_skew(date, response.received_at)
            # The header has whole seconds and the response took a moment. A value that stays also saves a write of the
            # account's state after each response.
            if abs(skew - self.skew) > _SKEW_TOLERANCE:
                self.skew = skew
        if not response.cookies:
            return
        server = urlsplit(url).netloc
        for line in response.cookies:
            pair, _, attributes = line.partition(";")
            name, equals, value = pair.strip().partition("=")
            if not equals or not name or len(pair) > MAX_COOKIE:
                continue
            jar = self.cookies.setdefault(server, {})
            if not value or "max-age=0" in attributes.lower().replace(" ", ""):
                jar.pop(name, None)
            else:
                jar[name] = value
                if len(jar) > MAX_COOKIES:
                    del jar[next(iter(jar))]


_SKEW_TOLERANCE = 2.0
_MAX_AHEAD = 31 * 24 * 3600.0
"""Seconds by which a server's clock may be ahead of this machine's, unless that was never set."""
_RELEASED = 1_767_225_600.0
"""The start of 2026: a machine without a battery-backed clock starts years before."""


def _clock_skew(date: str, received_at: float) -> float:
    server_time = parse_http_date(date)
    if server_time is None:
        return 0.0
    skew = server_time.timestamp() - received_at
    if skew > _MAX_AHEAD and received_at >= _RELEASED:
        # The server's clock is wrong: values without a time of their own would be stored years ahead.
        return 0.0
    return skew
