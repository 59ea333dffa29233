"""Who may look: the host and the origin of a request, its token, and what a browser may do with the answer."""

from __future__ import annotations

import logging
import re
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from ipaddress import ip_address, ip_network
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heliograph.config.outputs import MIN_TOKEN_LENGTH
from heliograph.errors import ConfigError
from heliograph.eventlog import LogEvent
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from heliograph.config import ServeConfig

_log = logging.getLogger(__name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer, unless it says otherwise itself."""

COOKIE_NAME = "heliograph"
LOGIN_PATH = "/login"
PUBLIC_PATHS = ("/assets/",)
"""Paths that hold nothing of anybody's."""

_MONTH = 30 * 24 * 3600
_HERE = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")
_LONGEST_FORM = 4096
_TRIES, _WITHIN = 10, 60.0
_ADDRESSES = 1024

_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Heliograph</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml"><link rel="stylesheet" href="/assets/page.css"></head>
<body><main class="login"><h1>Heliograph</h1>
<form method="post" action="/login"><p><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Look</button></p></form><p role="alert">{told}</p></main></body></html>
"""


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """Which hosts are meant when they are named, and what opens the door; no token, no door."""

    hosts: frozenset[str]
    any_address: bool
    token: bytes | None = field(repr=False)

    @classmethod
    def from_config(cls, serve: ServeConfig) -> AuthPolicy:
        """Read the configuration; whoever can be reached from elsewhere needs a token."""
        host = serve.host.strip("[]").lower()
        token = None if serve.token is None else serve.token.reveal().encode()
        if token is None and not serve.is_local_only:
            raise ConfigError(
                f"to listen on {serve.host}, where others can reach it, the page needs a token: "
                "write token (or token_file) under [serve]"
            )
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise ConfigError(
                f"the token of the page is short enough to be guessed; take {MIN_TOKEN_LENGTH} characters or more"
            )
        named = (one.lower() for one in serve.hosts)
        bound = f"[{host}]" if ":" in host else host
        return cls(frozenset((*_HERE, bound, *named)), host in ("0.0.0.0", "::", ""), token)  # noqa: S104

    def allows_host(self, host: str) -> bool:
        """Say whether a request that names this host means us: another site's name may lead to us, too.

        An address is no name, so that where all addresses are listened on, each of them is meant.
        """
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        return host.lower() in self.hosts or found[1] in self.hosts or (self.any_address and _is_address(found[1]))

    def accepts_token(self, token: bytes) -> bool:
        """Compare in a time that tells nothing."""
        return self.token is not None and compare_digest(sha256(token).digest(), sha256(self.token).digest())

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token; another token makes it worthless."""
        return hmac(self.token or b"", b"heliograph cookie", sha256).hexdigest()


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class FailedTokenThrottle:
    """Wrong tokens by where they came from: after ten in a minute, no more are looked at until it is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}

    def retry_after(self, address: str) -> float:
        """Return for how many seconds nothing is looked at; 0 for anybody without a past."""
        tries = self._wrong.get(_neighbourhood(address))
        if tries is None or len(tries) < _TRIES:
            return 0.0
        return max(tries[0] + _WITHIN - self._clock(), 0.0)

    def record_failure(self, address: str) -> None:
        """Remember a wrong one."""
        key = _neighbourhood(address)
        tries = self._wrong.pop(key, None) or deque(maxlen=_TRIES)
        tries.append(self._clock())
        self._wrong[key] = tries
        if len(self._wrong) > _ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def _neighbourhood(address: str) -> str:
    """Return an address, or the network of one household where it has more addresses than anybody can count."""
    if ":" not in address or not _is_address(address):
        return address
    return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))


class AuthMiddleware:
    """Stands before the application; nothing it turns away is seen by anything behind it."""

    def __init__(self, app: ASGIApp, rules: AuthPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._app = app
        self._rules = rules
        self._doubts = FailedTokenThrottle(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or answer at the door."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            try:
                answer = await self._at_the_door(request)
            except Problem as problem:
                answer = self._turned_away(request, problem)
            await self._answered(answer or self._app, scope, receive, send)

    async def _answered(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it answer with our headers; a mistake of ours is told by nothing but that it is one."""
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await app(scope, receive, guarded)
        except Exception:  # the edge of the web: one answer fails, the others go on
            _log.exception(LogEvent("mistake", path=scope["path"]))
            if begun:
                raise
            await Problem(500, "a mistake of this program; please report it").response()(scope, receive, guarded)

    async def _at_the_door(self, request: Request) -> Response | None:
        is_login = request.method == "POST" and request.scope["path"] == LOGIN_PATH and self._rules.token is not None
        self._check_sender(request)
        if request.method not in ("GET", "HEAD") and not is_login:
            raise Problem(405, "nothing can be changed here; ask with GET", {"Allow": "GET, HEAD"})
        if self._rules.token is None:
            return None
        if is_login:
            self._check(request, await _token_of_form(request))
            return self._let_in(request, "/")
        return self._with_token(request)

    def _check_sender(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._rules.allows_host(hosts[0]):
            raise Problem(421, "this host is not known here; name it in hosts under [serve]")
        for origin in request.headers.getlist("origin"):
            if origin.lower() not in {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}:
                raise Problem(403, "another site asks, and gets nothing")

    def _with_token(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check(request, given.strip().encode("latin-1"))
            return None
        asked = parse_qsl(request.url.query, keep_blank_values=True)
        tokens = [value for name, value in asked if name == "token"]
        if tokens:
            self._check(request, tokens[0].encode("utf-8", "replace"))
            rest = urlencode([one for one in asked if one[0] != "token"])
            # One slash: two would lead to another host.
            path = "/" + request.scope["path"].lstrip("/")
            return self._let_in(request, f"{path}?{rest}" if rest else path)
        cookie = request.cookies.get(COOKIE_NAME, "")
        if compare_digest(cookie.encode("utf-8", "replace"), self._rules.cookie.encode()):
            return None
        if request.scope["path"].startswith(PUBLIC_PATHS):
            return None
        raise Problem(401, "a token is needed", {"WWW-Authenticate": 'Bearer realm="heliograph"'})

    def _check(self, request: Request, token: bytes) -> None:
        address = request.client.host if request.client else ""
        wait = self._doubts.retry_after(address)
        if wait:
            raise Problem(429, "too many wrong tokens; wait a minute", {"Retry-After": str(ceil(wait))})
        if not self._rules.accepts_token(token):
            self._doubts.record_failure(address)
            raise Problem(401, "this token is not the right one", {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _let_in(self, request: Request, path: str) -> Response:
        answer = RedirectResponse(path, 303, {"Cache-Control": "no-store"})
        answer.set_cookie(
            COOKIE_NAME,
            self._rules.cookie,
            max_age=_MONTH,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _turned_away(self, request: Request, problem: Problem) -> Response:
        """Answer in JSON, and a person at a browser with a form where a token would help."""
        if problem.status in (401, 429) and "text/html" in request.headers.get("accept", ""):
            told = (
                "" if problem.detail == "a token is needed" else problem.detail[:1].upper() + problem.detail[1:] + "."
            )
            # Without a referrer to its own site, a browser would send the form from an origin it calls null.
            headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", **(problem.headers or {})}
            return HTMLResponse(_FORM.format(told=told), problem.status, headers)
        return problem.response()


async def _token_of_form(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise Problem(413, "a token is shorter than that")
    for name, value in parse_qsl(body.decode("utf-8", "replace")):
        if name == "token":
            return value.encode("utf-8", "replace")
    return b""
