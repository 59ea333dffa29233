"""Two drivers that carry a conversation over HTTP: blocking and async. The only importer of the HTTP library.

Both share one connection pool per process (and per event loop) among all accounts; cookies, tokens and
redirects belong to the session, so the pool itself knows nobody.
"""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from datetime import timedelta
from time import sleep, time
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from weakref import WeakKeyDictionary

from pyreqwest.exceptions import ConnectError, PyreqwestError, RequestTimeoutError

from heliograph.core.endpoint import AsyncClientBase, SyncClientBase, composite
from heliograph.core.protocol import AccountProtocol, Sleep, resume
from heliograph.core.redact import MASK, Secret, redact_url
from heliograph.core.session import CLEAR_SESSION, FORCE_LOGIN, Credentials, Request, Response, Session
from heliograph.errors import ConfigError, Unreachable
from heliograph.local_time import parse_zone

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from datetime import tzinfo
    from typing import Self

    from pyreqwest.client import Client, SyncClient
    from pyreqwest.response import BaseResponse

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.core.protocol import VendorProtocol
    from heliograph.errors import CloudError
    from heliograph.keeper import Budget, Keeper, Limits
    from heliograph.keeper.guard import AccountGuard

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


def send(request: Request, timeout: float = TIMEOUT, clock: Callable[[], float] = time) -> Response:
    """Send one request and wait for the whole reply."""
    try:
        response = _prepared(blocking_pool(), request, timeout).build().send()
        return _reply(response, bytes(response.bytes()), clock())
    except PyreqwestError as error:
        raise _unreachable(request, error) from None


async def send_async(
    request: Request,
    timeout: float = TIMEOUT,  # noqa: ASYNC109
    clock: Callable[[], float] = time,
) -> Response:
    """Send one request and await the whole reply."""
    try:
        response = await _prepared(async_pool(), request, timeout).build().send()
        return _reply(response, bytes(await response.bytes()), clock())
    except PyreqwestError as error:
        raise _unreachable(request, error) from None


def _prepared(pool: Any, request: Request, timeout: float) -> Any:
    try:
        builder = pool.request(request.verb, request.url).headers(request.headers)
    except ValueError as error:
        raise ConfigError(f"{redact_url(request.url)!r} is not an address a request can be sent to ({error})") from None
    if timeout != TIMEOUT:
        builder = builder.timeout(timedelta(seconds=timeout))
    if request.body == b"":
        # The library says nothing of an empty body, and servers may insist on a length.
        return builder.header("Content-Length", "0")
    return builder if request.body is None else builder.body_bytes(request.body)


def _reply(response: BaseResponse, body: bytes, at: float) -> Response:
    return Response(response.status, response.headers, response.get_header_all("set-cookie"), body, at)


def _unreachable(request: Request, error: PyreqwestError) -> Unreachable:
    from urllib.parse import urlsplit  # noqa: PLC0415

    host = urlsplit(redact_url(request.url)).netloc
    if isinstance(error, RequestTimeoutError):
        late = Unreachable(f"no answer from {host} in time", advice="Try again in a minute")
        late.timed_out = True
        return late
    causes = (getattr(error, "details", None) or {}).get("causes") or [{"message": error.message}]
    reason = causes[-1]["message"]
    if not isinstance(error, ConnectError):
        return Unreachable(f"{host} broke off: {reason}", advice="Try again in a minute")
    nobody = Unreachable(
        f"no connection to {host}: {reason}",
        advice="Check the network and the server's address, then try again",
    )
    nobody.sent = False
    return nobody


class BaseClient:
    """What both drivers have in common: one account's conversation, one call at a time."""

    conversation = AccountProtocol

    def __init__(
        self,
        cloud: VendorProtocol,
        session: Session,
        who: Credentials | None,
        *,
        timeout: float,
        allow_commands: bool,
        clock: Callable[[], float] = time,
        guard: AccountGuard | None = None,
    ) -> None:
        self._protocol = self.conversation(cloud, session, who, allow_commands=allow_commands)
        self._timeout = timeout
        self._clock = clock
        self._guard = guard
        self._turn = self._new_turn()

    def _new_turn(self) -> Any:
        """Return the lock that keeps an account to one conversation at a time."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """What the account's conversation remembers; a keeper stores it, to spare the next process a login."""
        return self._protocol.session

    @property
    def allow_commands(self) -> bool:
        """Whether this client sends orders."""
        return self._protocol.allow_commands

    def _start(self, plan: Callable[[], Flow[T]]) -> Generator[Request | Sleep, Any, T]:
        if self._guard is None:
            return self._protocol.execute(plan(), self._clock())
        return self._guard.run(self._protocol, plan)


class AccountClient(BaseClient):
    """A client made with a name and a password; a cloud names itself and its servers, all else is alike."""

    cloud: ClassVar[Callable[..., VendorProtocol]]
    default_limits: ClassVar[Limits]

    @staticmethod
    def resolve_server(server: str) -> str:
        """Return the address of a region's name, of an address as people write it, or of the usual server."""
        raise NotImplementedError

    def __init__(
        self,
        username: str,
        password: str | Secret,
        *,
        server: str = "",
        zone: tzinfo | str | None = None,
        user_agent: str = "",
        session: Session | None = None,
        timeout: float = TIMEOUT,
        allow_commands: bool = False,
        keeper: Keeper | Literal["usual"] | None = "usual",
        limits: Limits | None = None,
        interactive: bool | None = None,
        paced: bool = False,
        clock: Callable[[], float] = time,
    ) -> None:
        """Make a client of one account; nothing is sent before the first call.

        `server` is a region's name or an address (the cloud's usual one when empty), `zone` the clock on the
        plants' walls, or its name, where the cloud's fixed offset is not enough, `timeout` in seconds for each
        request. Orders need `allow_commands`.

        The account is kept (docs/keeper.md): its session and its budget are shared with all programs of this user on
        this machine, in the usual folder or that of another `keeper`. With `keeper=None` nothing is written, and
        every client logs in by itself; so does one that is given a `session` its caller stored. `limits` are other
        than the cloud's usual ones. `interactive` says that a person waits, who may use the reserve and need not ask at
        an even pace; it is usual at a Python prompt and in a notebook. `paced` says that the caller itself spreads its
        requests over the day.
        """
        kind = type(self)
        kept = keeper if keeper != "usual" else None if session else _usual_keeper()
        session = session or Session(kind.resolve_server(server))
        session.zone = parse_zone("zone", zone) if isinstance(zone, str) else zone
        cloud = kind.cloud(user_agent) if user_agent else kind.cloud()
        self._name = username
        who = Credentials(username, password if isinstance(password, Secret) else Secret(password))
        super().__init__(cloud, session, who, timeout=timeout, allow_commands=allow_commands, clock=clock)
        if kept is not None:
            self._guard = kept.guard(
                cloud.vendor,
                session.server,
                username,
                limits or kind.default_limits,
                interactive=_at_a_prompt() if interactive is None else interactive,
                self_throttled=paced,
                clock=clock,
            )

    def __repr__(self) -> str:
        # A name is private, and two accounts are told apart all the same.
        return f"{type(self).__name__}({self._name[:1]}{MASK}, server={redact_url(self.session.server)!r})"

    @property
    def guard(self) -> AccountGuard:
        """What stands between the account and the network."""
        if self._guard is None:
            raise ConfigError("this client is not kept, so it has no budget; make it without keeper=None")
        return self._guard

    def stored_session(self) -> Session:
        """Return what is remembered of the account, by this client or whoever spoke for it last; nothing is sent."""
        stored = self._guard.load(self._clock()).session if self._guard else None
        return Session.from_dict(stored) if stored else self.session

    @property
    def budget(self) -> Budget:
        """What is used of the account's budget and what holds it back; read from its file, nothing is sent."""
        return self.guard.budget()

    def free_at(self, requests: int) -> float:
        """Return when a program may send so many requests: now, or when enough of the last 24 hours has passed.

        In epoch seconds, if nobody sends any until then; nothing is sent.
        """
        return self.guard.available_at(requests)

    @composite
    def log_in(self) -> FlowGenerator[None]:
        """Log in now, once, whatever session is stored: for a person who has changed something.

        Waits after failures and a refused password are forgotten; a lock and a block are not.
        """
        yield FORCE_LOGIN

    @composite
    def forget(self) -> FlowGenerator[None]:
        """Forget the stored session without asking the cloud; budget and locks stay remembered."""
        yield CLEAR_SESSION


def _at_a_prompt() -> bool:
    """Tell whether a person types line by line: prompts, and the kernels of notebooks, set this."""
    return hasattr(sys, "ps1")


def _usual_keeper() -> Keeper:
    from heliograph.keeper import Keeper  # noqa: PLC0415 - a client that is not kept never needs it

    return Keeper()


class BlockingClient(BaseClient, SyncClientBase):
    """Carries an account's conversation on the calling thread, one call at a time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: the connections are all accounts', and end with the process; the session stays stored."""

    def _new_turn(self) -> threading.Lock:
        return threading.Lock()

    def perform(self, plan: Callable[[], Flow[T]]) -> T:
        with self._turn, closing(self._start(plan)) as steps:
            outcome: Response | CloudError | None = None
            try:
                while True:
                    step = resume(steps, outcome)
                    if isinstance(step, Sleep):
                        sleep(step.seconds)
                        outcome = None
                        continue
                    try:
                        outcome = send(step, self._timeout, self._clock)
                    except Unreachable as error:
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result


class AsyncClient(BaseClient, AsyncClientBase):
    """Carries an account's conversation on an event loop, one call at a time; another loop may have it afterwards."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Do nothing: the connections are all accounts', and end with the event loop; the session stays stored."""

    def _new_turn(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]:
        return WeakKeyDictionary()

    def _turn_here(self) -> asyncio.Lock:
        """Return the running event loop's lock: one that was ever waited for belongs to its loop for good."""
        from asyncio import Lock, get_running_loop  # noqa: PLC0415 - the blocking client never needs it

        lock: asyncio.Lock = self._turn.setdefault(get_running_loop(), Lock())
        return lock

    async def perform(self, plan: Callable[[], Flow[T]]) -> T:
        async with self._turn_here():
            with closing(self._start(plan)) as steps:
                outcome: Response | CloudError | None = None
                try:
                    while True:
                        step = resume(steps, outcome)
                        if isinstance(step, Sleep):
                            await _pause(step.seconds)
                            outcome = None
                            continue
                        try:
                            outcome = await send_async(step, self._timeout, self._clock)
                        except Unreachable as error:
                            outcome = error
                except StopIteration as done:
                    result: T = done.value
                    return result


async def _pause(seconds: float) -> None:
    from asyncio import sleep  # noqa: PLC0415 - the blocking client never needs it

    await sleep(seconds)
