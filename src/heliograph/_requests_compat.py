"""The parts of the `requests` interface that scripts for growattServer use, without the package.

A session with headers, cookies, get and post, and errors that are also those of `requests` and `json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from heliograph import transports
from heliograph.core.session import REDIRECT_STATUSES, Request
from heliograph.errors import CloudError, SessionExpired, Unreachable, Unreadable

if TYPE_CHECKING:
    from heliograph.core.session import Response, Session

MAX_REDIRECTS = 30  # as requests


class Headers(MutableMapping[str, str]):
    """Headers by case-insensitive name."""

    def __init__(self, initial: Mapping[str, str]) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        self.update(initial)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        self._items[name.lower()] = (name, value)

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(dict(self))


class Cookie(NamedTuple):
    """One cookie, as a cookie jar yields it."""

    name: str
    value: str
    domain: str
    path: str = "/"

    def __repr__(self) -> str:
        return f"<Cookie {self.name} for {self.domain}{self.path}>"


class CookieJar:
    """The cookies of a session with the interface of requests' jar."""

    def __init__(self, session: Callable[[], Session], server: Callable[[], str]) -> None:
        self._session = session
        self._server = server
        self._changes: list[Callable[[Session], None]] = []

    def __iter__(self) -> Iterator[Cookie]:
        for host, jar in self._session().cookies.items():
            for name, value in jar.items():
                yield Cookie(name, value, host.partition(":")[0])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> str:
        return self.get_dict()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __contains__(self, name: object) -> bool:
        return name in self.get_dict()

    def keys(self) -> list[str]:
        """Return the names of the cookies."""
        return list(self.get_dict())

    def items(self) -> list[tuple[str, str]]:
        """Return names and values."""
        return list(self.get_dict().items())

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return one cookie's value."""
        return self.get_dict().get(name, default)

    def get_dict(self) -> dict[str, str]:
        """Return all cookies as a plain dict."""
        return {cookie.name: cookie.value for cookie in self}

    def set(self, name: str, value: str, *, domain: str | None = None, **_ignored: Any) -> None:
        """Set a cookie for the server, or for `domain`."""
        host = domain or urlsplit(self._server()).netloc
        self._change(lambda session: session.cookies.setdefault(host, {}).update({name: value}))

    def update(self, other: Mapping[str, str] | CookieJar) -> None:
        """Set all cookies of a mapping or another jar."""
        for name, value in other.items():
            self.set(name, value)

    def clear(self) -> None:
        """Remove all cookies."""
        self._change(lambda session: session.cookies.clear())

    def apply_changes(self, session: Session) -> None:
        """Repeat the script's changes on a session that was loaded since."""
        for change in self._changes:
            change(session)
        self._changes = []

    def _change(self, change: Callable[[Session], None]) -> None:
        change(self._session())
        self._changes.append(change)


class CompatResponse:
    """One response with the interface of requests' class."""

    def __init__(self, url: str, response: Response) -> None:
        self.url = url
        self.status_code = response.status
        self.headers = Headers(response.headers)
        self.content = response.body

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body parsed as JSON; raises the error of `requests` if it is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise as_requests_error(Unreadable("the answer is not JSON")) from None

    def raise_for_status(self) -> None:
        """Raise the error of `requests` for a status of 400 or more."""
        if not self.ok:
            error = Unreachable(f"HTTP {self.status_code} for {urlsplit(self.url).path}")
            error.status = self.status_code
            raise as_requests_error(error)

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


class CompatSession:
    """A session with the interface of requests' class; its headers and cookies are sent with every call."""

    __slots__ = ("_send", "_session", "cookies", "headers")

    def __init__(
        self,
        headers: Mapping[str, str],
        session: Callable[[], Session],
        server: Callable[[], str],
        send: Callable[[Request, float], Response],
    ) -> None:
        """Create a session; `session` returns the present state, and `send` sends one request with a time-out."""
        self._session = session
        self._send = send
        self.headers = Headers(headers)
        self.cookies = CookieJar(session, server)

    def get(self, url: str, **options: Any) -> CompatResponse:
        """Send a GET."""
        return self.request("GET", url, **options)

    def post(self, url: str, data: Any = None, **options: Any) -> CompatResponse:
        """Send a POST."""
        return self.request("POST", url, data=data, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        allow_redirects: bool = True,
        timeout: float = transports.TIMEOUT,
    ) -> CompatResponse:
        """Send any request; a status of 400 or more raises, as growattServer configures it."""
        request = self._build_request(method, url, params, data, json, headers)
        for _ in range(MAX_REDIRECTS):
            cookie = self._session().cookie_header(request.url)
            sent = request._replace(headers={**request.headers, "Cookie": cookie}) if cookie else request
            try:
                response = self._send(sent, timeout)
            except CloudError as error:
                raise as_requests_error(error) from None
            self._session().update_from_response(request.url, response)
            if not allow_redirects or response.status not in REDIRECT_STATUSES:
                break
            request = Request("GET", urljoin(request.url, response.headers.get("location") or ""), dict(self.headers))
        result = CompatResponse(request.url, response)
        result.raise_for_status()
        return result

    def close(self) -> None:
        """Do nothing: all clients of the process share the connection pool."""

    def _build_request(
        self, method: str, url: str, params: Any, data: Any, document: Any, headers: Mapping[str, str] | None
    ) -> Request:
        sent = {**self.headers, **(headers or {})}
        body: bytes | None = b"" if method == "POST" else None
        if document is not None:
            body = json.dumps(document).encode()
            sent["Content-Type"] = "application/json"
        elif isinstance(data, str | bytes):
            body = data.encode() if isinstance(data, str) else data
        elif data is not None:
            body = urlencode(data, doseq=True).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        if params:
            url += ("&" if "?" in url else "?") + (params if isinstance(params, str) else urlencode(params, doseq=True))
        return Request(method, url, sent, body)


_twins: dict[tuple[type, type], type[CloudError]] = {}


def as_requests_error(error: CloudError) -> CloudError:
    """Return the error as a class that `except requests.RequestException` or `except JSONDecodeError` also catches."""
    other = _other_base(error)
    if other is None or isinstance(error, other):
        return error
    kind = type(error)
    members = {"__module__": kind.__module__, "__reduce__": _as_plain}
    twin = _twins.setdefault((kind, other), type(kind.__name__, (kind, other), members))
    copy = twin.__new__(twin)
    copy.args = error.args
    unreadable = {"msg": error.message, "doc": error.excerpt, "pos": 0, "lineno": 1, "colno": 1}
    vars(copy).update({"response": None, "request": None, **unreadable, **vars(error), "plain": error})
    if error.status is not None:
        copy.response = _BareResponse(error.status)  # type: ignore[attr-defined]
    return copy


def _as_plain(twin: Any) -> tuple[Callable[[CloudError], CloudError], tuple[CloudError]]:
    """Pickle a twin as its original error: the class of the twin exists in this process only."""
    return as_requests_error, (twin.plain,)


class _BareResponse(NamedTuple):
    status_code: int


def _other_base(error: CloudError) -> type[Exception] | None:
    not_json = isinstance(error, SessionExpired | Unreadable)
    try:
        # Only when an error is raised: importing requests takes longer than a login.
        from requests import exceptions  # noqa: PLC0415
    except ImportError:
        return json.JSONDecodeError if not_json else None
    if error.status is not None and error.status >= 400:
        return exceptions.HTTPError
    if not_json:
        return exceptions.JSONDecodeError
    if isinstance(error, Unreachable):
        return exceptions.Timeout if error.timed_out else exceptions.ConnectionError
    return exceptions.RequestException
