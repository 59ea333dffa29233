"""Access control: checks host, origin and token of each request, and sets the security headers of responses."""

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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heliograph.config.outputs import MIN_TOKEN_LENGTH
from heliograph.errors import ConfigError
from heliograph.eventlog import LogEvent
from heliograph.web.prefix import INGRESS, url
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from heliograph.config import ServeConfig

_log = logging.getLogger(__name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Without a referrer, browsers would send forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Default headers of every response."""
INGRESS_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": SECURITY_HEADERS["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""The same for the ingress: Home Assistant shows the page in a frame of its own origin."""

COOKIE_NAME = "heliograph"
LOGIN_PATH = "/login"
PUBLIC_PATHS = ("/assets/",)
"""Path prefixes without private data."""
FORM_PATH = re.compile(r"/alarms/[0-9a-f]{6}/acknowledge")
"""The only path that changes something: the response of a person to an alarm."""

_MONTH = 30 * 24 * 3600
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")
_MAX_FORM = 4096
_MAX_FAILURES, _WINDOW = 10, 60.0
_MAX_ADDRESSES = 1024

_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Heliograph</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="{assets}mark.svg" type="image/svg+xml"><link rel="stylesheet" href="{assets}page.css"></head>
<body><main class="login"><h1>Heliograph</h1>
<form method="post" action="{login}"><p><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></p></form><p role="alert">{error}</p></main></body></html>
"""


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """Access policy: allowed `Host` headers and the access token.

    Without a token, a page that listens on this machine only is open to it, and any other to the ingress alone.
    """

    hosts: frozenset[str]
    any_address: bool
    token: bytes | None = field(repr=False)
    is_public: bool = False
    """Whether a request needs no token."""

    @classmethod
    def from_config(cls, serve: ServeConfig) -> AuthPolicy:
        """Create the policy of a configuration; raises `ConfigError` if a required token is missing or too short."""
        token = None if serve.token is None else serve.token.reveal().encode()
        if token is None and not serve.is_local_only and serve.ingress is None:
            raise ConfigError(
                f"listening on {serve.host}, which other machines can reach, requires a token: "
                "set token (or token_file) under [serve]"
            )
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise ConfigError(
                f"the token of the page is short enough to be guessed; take {MIN_TOKEN_LENGTH} characters or more"
            )
        hosts, any_address = allowed_hosts(serve.host, serve.hosts)
        return cls(hosts, any_address, token, is_public=token is None and serve.is_local_only)

    def allows_host(self, host: str) -> bool:
        """Return True if the `Host` is allowed; this prevents DNS rebinding.

        Any IP address is allowed if the server listens on all addresses.
        """
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        return host.lower() in self.hosts or match[1] in self.hosts or (self.any_address and _is_address(match[1]))

    def accepts_token(self, token: bytes) -> bool:
        """Compare a token in constant time."""
        return self.token is not None and compare_digest(sha256(token).digest(), sha256(self.token).digest())

    @property
    def cookie(self) -> str:
        """Cookie value derived from the token; changing the token invalidates it."""
        return hmac(self.token or b"", b"heliograph cookie", sha256).hexdigest()

    def accepts_cookie(self, cookie: str) -> bool:
        """Compare a cookie in constant time."""
        return self.token is not None and compare_digest(cookie.encode("utf-8", "replace"), self.cookie.encode())


def allowed_hosts(listening: str, named: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Return the allowed `Host` headers of a server, and whether every IP address is allowed too."""
    host = listening.strip("[]").lower()
    bound = f"[{host}]" if ":" in host else host
    return frozenset((*_LOCAL_HOSTS, bound, *(one.lower() for one in named))), host in ("0.0.0.0", "::", "")  # noqa: S104


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class FailedTokenThrottle:
    """Counts invalid tokens per client address; after ten in a minute, further ones get 429 until it is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def retry_after(self, address: str) -> float:
        """Return the seconds for which an address is blocked; 0 if it is not."""
        failures = self._failures.get(_network(address))
        if failures is None or len(failures) < _MAX_FAILURES:
            return 0.0
        return max(failures[0] + _WINDOW - self._clock(), 0.0)

    def record_failure(self, address: str) -> None:
        """Record an invalid token."""
        key = _network(address)
        failures = self._failures.pop(key, None) or deque(maxlen=_MAX_FAILURES)
        failures.append(self._clock())
        self._failures[key] = failures
        if len(self._failures) > _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]


def _network(address: str) -> str:
    """Return an IPv4 address unchanged, and the /64 network of an IPv6 address."""
    if ":" not in address or not _is_address(address):
        return address
    return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))


class AuthMiddleware:
    """ASGI middleware that rejects requests before they reach the application."""

    def __init__(self, app: ASGIApp, policy: AuthPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._app = app
        self._policy = policy
        self._throttle = FailedTokenThrottle(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or respond to it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            try:
                response = await self._authorize(request)
            except Problem as problem:
                response = self._reject(request, problem)
            except ClientDisconnect:
                return
            await self._run(response or self._app, scope, receive, send)

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run an application with the security headers; an internal error is reported without details."""
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in (INGRESS_HEADERS if scope.get(INGRESS) else SECURITY_HEADERS).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await app(scope, receive, send_with_headers)
        except Exception:  # an error must not stop the server
            _log.exception(LogEvent("web.error", path=scope["path"]))
            if started:
                raise
            await Problem(500, "internal error; please report it").response()(scope, receive, send_with_headers)

    async def _authorize(self, request: Request) -> Response | None:
        path, is_post = request.scope["path"], request.method == "POST"
        is_login = is_post and path == LOGIN_PATH and self._policy.token is not None
        is_form = is_post and FORM_PATH.fullmatch(path) is not None
        self._check_host_and_origin(request)
        if request.method not in ("GET", "HEAD") and not is_login and not is_form:
            raise Problem(405, "this server is read-only; use GET", {"Allow": "GET, HEAD"})
        if is_form and not request.headers.getlist("origin"):
            # Every browser sends it with a form, so that a form of another site is recognised.
            raise Problem(403, "the request has no Origin header")
        if self._policy.is_public or request.scope.get(INGRESS):
            return None
        if is_login:
            self._check_token(request, await _read_form_token(request))
            return self._log_in(request, "/")
        return self._check_credentials(request)

    def _check_host_and_origin(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        # The ingress passes on the host that the browser used, which is Home Assistant's to check.
        if len(hosts) != 1 or not (request.scope.get(INGRESS) or self._policy.allows_host(hosts[0])):
            raise Problem(421, "unknown host; add it to hosts under [serve]")
        if request.scope.get(INGRESS):
            hosts += request.headers.getlist("x-forwarded-host")
        own = {f"{scheme}://{host.lower()}" for host in hosts for scheme in ("http", "https")}
        for origin in request.headers.getlist("origin"):
            if origin.lower() not in own:
                raise Problem(403, "cross-origin request rejected")

    def _check_credentials(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check_token(request, given.strip().encode("latin-1"))
            return None
        query = parse_qsl(request.url.query, keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens:
            self._check_token(request, tokens[0].encode("utf-8", "replace"))
            rest = urlencode([one for one in query if one[0] != "token"])
            # One slash: two would redirect to another host.
            path = "/" + request.scope["path"].lstrip("/")
            return self._log_in(request, f"{path}?{rest}" if rest else path)
        if self._policy.accepts_cookie(request.cookies.get(COOKIE_NAME, "")):
            return None
        if request.scope["path"].startswith(PUBLIC_PATHS):
            return None
        raise Problem(401, "access token required", {"WWW-Authenticate": 'Bearer realm="heliograph"'})

    def _check_token(self, request: Request, token: bytes) -> None:
        # First, so that other clients of the same address cannot lock it out. Tokens are too long to be guessed;
        # throttling saves the server the work.
        if self._policy.accepts_token(token):
            return
        address = request.client.host if request.client else ""
        wait = self._throttle.retry_after(address)
        if wait:
            raise Problem(429, "too many invalid tokens; wait a minute", {"Retry-After": str(ceil(wait))})
        self._throttle.record_failure(address)
        raise Problem(401, "invalid token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _log_in(self, request: Request, path: str) -> Response:
        response = RedirectResponse(url(path), 303, {"Cache-Control": "no-store"})
        response.set_cookie(
            COOKIE_NAME,
            self._policy.cookie,
            max_age=_MONTH,
            path=url("/"),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _reject(self, request: Request, problem: Problem) -> Response:
        """Return the error as JSON, or for browsers the login form if a token would help."""
        if problem.status in (401, 429) and "text/html" in request.headers.get("accept", ""):
            error = (
                ""
                if problem.detail == "access token required"
                else problem.detail[:1].upper() + problem.detail[1:] + "."
            )
            headers = {"Cache-Control": "no-store", **(problem.headers or {})}
            form = _FORM.format(error=error, assets=url("/assets/"), login=url(LOGIN_PATH))
            return HTMLResponse(form, problem.status, headers)
        return problem.response()


async def _read_form_token(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM:
            raise Problem(413, "form too large")
    for name, value in parse_qsl(body.decode("utf-8", "replace")):
        if name == "token":
            return value.encode("utf-8", "replace")
    return b""
