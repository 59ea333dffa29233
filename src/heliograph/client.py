"""Two drivers that carry a conversation over HTTP: blocking and async. The only importer of the HTTP library.

Both share one connection pool per process (and per event loop) among all accounts; cookies, tokens and
redirects belong to the session, so the pool itself knows nobody.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from time import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from pyreqwest.exceptions import ConnectError, PyreqwestError, RequestTimeoutError

from heliograph.endpoint import Blocking, Concurrent
from heliograph.errors import ConfigError, Unreachable
from heliograph.redact import Secret
from heliograph.session import Conversation, Credentials, Reply, Request, Session

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from datetime import tzinfo

    from pyreqwest.client import Client, SyncClient
    from pyreqwest.response import BaseResponse

    from heliograph.endpoint import Plan
    from heliograph.session import Cloud

T = TypeVar("T")

TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0

_blocking_pool: SyncClient | None = None
_pool_lock = threading.Lock()
_async_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()


def _configured(builder: Any) -> Any:
    return (
        builder.follow_redirects(False)
        .default_cookie_store(False)
        .http1_only()
        .connect_timeout(timedelta(seconds=CONNECT_TIMEOUT))
        .timeout(timedelta(seconds=TIMEOUT))
    )


def blocking_pool() -> SyncClient:
    """Return the process's one pool of connections."""
    global _blocking_pool  # noqa: PLW0603 - one pool for all accounts is the point
    if _blocking_pool is None:
        from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415

        with _pool_lock:
            if _blocking_pool is None:
                _blocking_pool = _configured(SyncClientBuilder()).build()
    return _blocking_pool


def async_pool() -> Client:
    """Return the running event loop's one pool of connections."""
    from asyncio import get_running_loop  # noqa: PLC0415 - the blocking client never needs it

    from pyreqwest.client import ClientBuilder  # noqa: PLC0415

    loop = get_running_loop()
    if loop not in _async_pools:
        _async_pools[loop] = _configured(ClientBuilder()).build()
    return _async_pools[loop]


def send(request: Request, timeout: float = TIMEOUT) -> Reply:
    """Send one request and wait for the whole reply."""
    try:
        response = _prepared(blocking_pool(), request, timeout).build().send()
        return _reply(response, bytes(response.bytes()))
    except PyreqwestError as error:
        raise _unreachable(request, error) from None


async def send_async(request: Request, timeout: float = TIMEOUT) -> Reply:  # noqa: ASYNC109
    """Send one request and await the whole reply."""
    try:
        response = await _prepared(async_pool(), request, timeout).build().send()
        return _reply(response, bytes(await response.bytes()))
    except PyreqwestError as error:
        raise _unreachable(request, error) from None


def _prepared(pool: Any, request: Request, timeout: float) -> Any:
    try:
        builder = pool.request(request.verb, request.url).headers(request.headers)
    except ValueError as error:
        raise ConfigError(f"{_shown(request.url)!r} is not an address a request can be sent to ({error})") from None
    if timeout != TIMEOUT:
        builder = builder.timeout(timedelta(seconds=timeout))
    if request.body == b"":
        # The library says nothing of an empty body, and servers may insist on a length.
        return builder.header("Content-Length", "0")
    return builder if request.body is None else builder.body_bytes(request.body)


def _shown(url: str) -> str:
    """Return an address without its query and without credentials somebody put into it."""
    scheme, slashes, rest = url.partition("?")[0].partition("//")
    host, slash, path = rest.partition("/")
    return scheme + slashes + host.rpartition("@")[2] + slash + path


def _reply(response: BaseResponse, body: bytes) -> Reply:
    return Reply(response.status, response.headers, response.get_header_all("set-cookie"), body, time())


def _unreachable(request: Request, error: PyreqwestError) -> Unreachable:
    from urllib.parse import urlsplit  # noqa: PLC0415

    host = urlsplit(_shown(request.url)).netloc
    if isinstance(error, RequestTimeoutError):
        late = Unreachable(f"no answer from {host} in time", advice="Try again in a minute")
        late.timed_out = True
        return late
    causes = (getattr(error, "details", None) or {}).get("causes") or [{"message": error.message}]
    reason = causes[-1]["message"]
    if not isinstance(error, ConnectError):
        return Unreachable(f"{host} broke off: {reason}", advice="Try again in a minute")
    return Unreachable(
        f"no connection to {host}: {reason}",
        advice="Check the network and the server's address, then try again",
    )


class Carrier:
    """What both drivers have in common: one account's conversation, one call at a time."""

    conversation = Conversation

    def __init__(
        self, cloud: Cloud, session: Session, who: Credentials | None, *, timeout: float, allow_commands: bool
    ) -> None:
        self._talk = self.conversation(cloud, session, who, allow_commands=allow_commands)
        self._timeout = timeout
        self._turn = self._new_turn()

    def _new_turn(self) -> Any:
        """Return the lock that keeps an account to one conversation at a time."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """What the account's conversation remembers; store it to spare the next process a login."""
        return self._talk.session

    def _start(self, plan: Callable[[], Plan[T]]) -> Generator[Request, Reply, T]:
        return self._talk.carry(plan(), time())


class Account(Carrier):
    """A client made with a name and a password; a cloud names itself and its servers, all else is alike."""

    cloud: ClassVar[Callable[..., Cloud]]

    @staticmethod
    def address(server: str) -> str:
        """Return the address of a region's name, of an address as people write it, or of the usual server."""
        raise NotImplementedError

    def __init__(
        self,
        username: str,
        password: str | Secret,
        *,
        server: str = "",
        zone: tzinfo | None = None,
        user_agent: str = "",
        session: Session | None = None,
        timeout: float = TIMEOUT,
        allow_commands: bool = False,
    ) -> None:
        """Make a client of one account; nothing is sent before the first call.

        `server` is a region's name or an address (the cloud's usual one when empty), `zone` the clock on the
        plants' walls where the cloud's fixed offset is not enough, `session` a stored one that may spare a login,
        `timeout` in seconds for each request. Orders need `allow_commands`.
        """
        kind = type(self)
        session = session or Session(kind.address(server))
        session.zone = zone
        super().__init__(
            kind.cloud(user_agent) if user_agent else kind.cloud(),
            session,
            Credentials(username, password if isinstance(password, Secret) else Secret(password)),
            timeout=timeout,
            allow_commands=allow_commands,
        )


def _advance(steps: Generator[Request, Reply, Any], outcome: Reply | Unreachable | None) -> Request:
    """Tell a conversation what became of its last request, and return its next."""
    if isinstance(outcome, Unreachable):
        return steps.throw(outcome)
    return next(steps) if outcome is None else steps.send(outcome)


class BlockingClient(Carrier, Blocking):
    """Carries an account's conversation on the calling thread, one call at a time."""

    def _new_turn(self) -> threading.Lock:
        return threading.Lock()

    def perform(self, plan: Callable[[], Plan[T]]) -> T:
        with self._turn:
            steps = self._start(plan)
            outcome: Reply | Unreachable | None = None
            try:
                while True:
                    request = _advance(steps, outcome)
                    try:
                        outcome = send(request, self._timeout)
                    except Unreachable as error:
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result


class AsyncClient(Carrier, Concurrent):
    """Carries an account's conversation on an event loop, one call at a time; another loop may have it afterwards."""

    def _new_turn(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]:
        return WeakKeyDictionary()

    def _turn_here(self) -> asyncio.Lock:
        """Return the running event loop's lock: one that was ever waited for belongs to its loop for good."""
        from asyncio import Lock, get_running_loop  # noqa: PLC0415 - the blocking client never needs it

        lock: asyncio.Lock = self._turn.setdefault(get_running_loop(), Lock())
        return lock

    async def perform(self, plan: Callable[[], Plan[T]]) -> T:
        async with self._turn_here():
            steps = self._start(plan)
            outcome: Reply | Unreachable | None = None
            try:
                while True:
                    request = _advance(steps, outcome)
                    try:
                        outcome = await send_async(request, self._timeout)
                    except Unreachable as error:
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result
