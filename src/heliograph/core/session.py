"""What an account's conversation says and hears, one request and one reply at a time, and what it remembers."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from heliograph.core.parsing import parse_time
from heliograph.core.redact import find_secrets, mask_secrets, redact_url
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from heliograph.core.redact import Secret

T = TypeVar("T")

REDIRECT_STATUSES = frozenset((301, 302, 303, 307, 308))


class Request(NamedTuple):
    """One HTTP request, complete to the byte."""

    verb: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    is_login: bool = False
    """Whether it is part of a login."""

    def __repr__(self) -> str:
        return f"Request({self.verb} {mask_secrets(redact_url(self.url))})"


class Response(NamedTuple):
    """One HTTP reply; `headers` are looked up in lower case, `at` is when it came, in epoch seconds."""

    status: int
    headers: Mapping[str, str]
    cookies: Sequence[str]
    body: bytes
    received_at: float

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


HttpFlow = Generator[Request, Response, T]


class Credentials(NamedTuple):
    """Who the account is."""

    username: str
    password: Secret

    def __repr__(self) -> str:
        return "Credentials(***)"


class EnsureSession:
    """A plan that only sees to a living session; its result is the session."""


ENSURE_SESSION = EnsureSession()
FORCE_LOGIN = EnsureSession()
"""The same by a new login, whatever session there is: a person's own wish."""


class ClearSession:
    """A plan that forgets the session; nothing is sent."""


CLEAR_SESSION = ClearSession()


_PASSING = frozenset(("zone", "now"))


class Session:
    """What one account's conversation remembers: plain data, without the password."""

    def __init__(self, server: str) -> None:
        try:
            urlsplit(server)
        except ValueError as error:
            raise ConfigError(f"the server's address cannot be read ({mask_secrets(str(error))})") from None
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
        """When the cloud last turned a session away that was thought to be alive."""
        self.deaths = 0
        """How often it did."""
        self.zone: tzinfo | None = None
        """The plants' clock, where the user knows better than the cloud; configured, so not stored."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready data; it opens the account, so keep it like a password."""
        return {name: value for name, value in vars(self).items() if name not in _PASSING}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Session:
        """Restore what `to_dict` gave; unknown members are ignored."""
        session = cls(stored["server"])
        for name in vars(session):
            if name in stored:
                setattr(session, name, stored[name])
        return session

    @property
    def server_time(self) -> float:
        """The cloud's own clock, in epoch seconds; right even where this machine's clock is not."""
        return self.now + self.skew

    def clear(self) -> None:
        """Forget what made the session a session; what was learned about the account stays."""
        self.alive = False
        self.cookies = {}
        self.token = {}
        self.base = self.server

    def expire(self) -> None:
        """End, for the cloud no longer knows it."""
        self.clear()
        self.died_at = self.now
        self.deaths += 1

    def secrets(self) -> list[str]:
        """Return every text that opens the account or names it, for what masks them."""
        cookies = [value for jar in self.cookies.values() for value in jar.values()]
        return [*cookies, *find_secrets(self.token), str(self.facts.get("user_id", ""))]

    def cookie_header(self, url: str) -> str | None:
        """Return the Cookie header for an address, if there is anything to send."""
        jar = self.cookies.get(urlsplit(url).netloc)
        return "; ".join(f"{name}={value}" for name, value in jar.items()) if jar else None

    def update_from_response(self, url: str, reply: Response) -> None:
        """Learn cookies and the cloud's clock from a reply."""
        self.now = reply.received_at
        if (date := reply.headers.get("date")) is not None:
            self.skew = _skew(date, reply.received_at)
        for line in reply.cookies:
            pair, _, attributes = line.partition(";")
            name, equals, value = pair.strip().partition("=")
            if not equals or not name:
                continue
            jar = self.cookies.setdefault(urlsplit(url).netloc, {})
            if not value or "max-age=0" in attributes.lower().replace(" ", ""):
                jar.pop(name, None)
            else:
                jar[name] = value


def _skew(date: str, at: float) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, and asked for rarely

    try:
        there = parse_time(parsedate_to_datetime(date).timestamp() * 1000, None)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    if there is None:  # not of this century, so no clock
        return 0.0
    ahead = there.timestamp() - at
    # The header has whole seconds and the reply took a moment; less than that is no difference.
    return ahead if abs(ahead) > 2 else 0.0
