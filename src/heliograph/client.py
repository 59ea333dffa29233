"""Blocking and async clients: they send the requests of the account protocol over a transport."""

from __future__ import annotations

import sys
from _thread import allocate_lock  # `threading` would be imported for this lock only
from contextlib import closing
from time import sleep, time
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, ParamSpec, TypeVar, cast

from heliograph.core import effects
from heliograph.core.endpoint import AsyncClientBase, CompositeOperation, SyncClientBase, composite
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import MASK, Secret, redact_url
from heliograph.core.session import CLEAR_SESSION, FORCE_LOGIN, Credentials, Request, Session, Sleep
from heliograph.errors import ConfigError
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.transports import TIMEOUT, send_function

if TYPE_CHECKING:
    import asyncio
    from _thread import LockType
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import Concatenate, Self
    from weakref import WeakKeyDictionary

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.core.protocol import VendorProtocol
    from heliograph.core.session import HttpFlow
    from heliograph.keeper import Budget, Keeper, Limits
    from heliograph.keeper.guard import AccountGuard
    from heliograph.model import Device
    from heliograph.settings.definition import Setting
    from heliograph.transports import AsyncTransport, BlockingTransport

P = ParamSpec("P")
T = TypeVar("T")


class SnapshotOperation(CompositeOperation[P, T]):
    """An operation whose result is a snapshot of the plant `plant_id`, or of all plants if it has no such argument.

    A client returns a snapshot that is younger than `max_age` seconds from the account's snapshot file.
    """

    def flow_of(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        options: dict[str, Any] = {"max_age": None, **kwargs}
        max_age = options.pop("max_age")
        plant = options.get("plant_id", next(iter(args), None))
        flow: Flow[T] = client.cached_snapshots(lambda: self.flow(*args, **kwargs), plant, max_age)
        return flow


def snapshot_operation(function: Callable[Concatenate[Any, P], FlowGenerator[T]]) -> SnapshotOperation[P, T]:
    """Declare a composite operation that returns snapshots and has the option `max_age`, which its body ignores."""
    return SnapshotOperation(function)


class BaseClient:
    """Common part of the blocking and the async client: the protocol of one account, one call at a time."""

    protocol_class = AccountProtocol

    def __init__(
        self,
        cloud: VendorProtocol,
        session: Session,
        credentials: Credentials | None,
        *,
        timeout: float,
        allow_commands: bool,
        clock: Callable[[], float] = time,
        guard: AccountGuard | None = None,
        transport: BlockingTransport | AsyncTransport | None = None,
    ) -> None:
        self._protocol = self.protocol_class(cloud, session, credentials, allow_commands=allow_commands)
        self._timeout = timeout
        self._clock = clock
        self._guard = guard
        self._send_request: Any = send_function(transport, asynchronous=isinstance(self, AsyncClientBase))
        self._lock = self._new_lock()

    def _new_lock(self) -> Any:
        """Return the lock that allows one call at a time."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """The session of the account; the keeper stores it, so that the next process needs no login."""
        return self._protocol.session

    @property
    def allow_commands(self) -> bool:
        """True if this client may send commands."""
        return self._protocol.allow_commands

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} client cannot be pickled or copied; create one in each process, with a stored "
            "session if there is no keeper (client.session.to_dict(), Session.from_dict)"
        )

    def _run(self, start: Callable[[], Flow[T]]) -> HttpFlow[T]:
        if self._guard is None:
            return self._protocol.execute(start(), self._clock())
        return self._guard.run(self._protocol, start)


class AccountClient(BaseClient):
    """A client created with user name and password; each vendor adds its protocol, its servers and its limits."""

    cloud: ClassVar[Callable[..., VendorProtocol]]
    default_limits: ClassVar[Limits]

    @staticmethod
    def resolve_server(server: str) -> str:
        """Return the base URL for the name of a region, for a URL, or for the default server if empty."""
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
        keeper: Keeper | None = DEFAULT_KEEPER,
        limits: Limits | None = None,
        interactive: bool | None = None,
        self_throttled: bool = False,
        clock: Callable[[], float] = time,
        transport: BlockingTransport | AsyncTransport | None = None,
    ) -> None:
        """Create a client of one account; nothing is sent before the first call.

        `server` is the name of a region or a URL (default: the vendor's main server). `zone` is the time zone of the
        plants, needed where the fixed UTC offset of the vendor API is not enough. `timeout` is in seconds per request.
        Commands need `allow_commands`.

        The keeper (docs/keeper.md) shares session and request budget with all programs of this user on this machine.
        With `keeper=None`, or with a `session` that the caller stored, nothing is written and every client logs in by
        itself. `limits` replace the vendor's default limits. `interactive` clients may use the reserve and are not
        spread over the day; default: True at a Python prompt and in a notebook. `self_throttled` callers spread their
        requests over the day themselves. `transport` sends the requests (docs/transports.md); an async client takes an
        async one.
        """
        kind = type(self)
        if cast("object", keeper) == "usual":
            from warnings import warn  # noqa: PLC0415 - the old spelling only

            warn('keeper="usual" is now keeper=DEFAULT_KEEPER, the default', DeprecationWarning, stacklevel=2)
            keeper = DEFAULT_KEEPER
        if session and keeper is DEFAULT_KEEPER:
            keeper = None
        session = session or Session(kind.resolve_server(server))
        if isinstance(zone, str):
            from heliograph.local_time import parse_zone  # noqa: PLC0415 - few plants need a zone

            zone = parse_zone("zone", zone)
        session.zone = zone
        cloud = kind.cloud(user_agent) if user_agent else kind.cloud()
        self._name = username
        credentials = Credentials(username, password if isinstance(password, Secret) else Secret(password))
        super().__init__(
            cloud,
            session,
            credentials,
            timeout=timeout,
            allow_commands=allow_commands,
            clock=clock,
            transport=transport,
        )
        if keeper is not None:
            self._guard = keeper.guard(
                cloud.vendor,
                session.server,
                username,
                limits or kind.default_limits,
                interactive=hasattr(sys, "ps1") if interactive is None else interactive,
                self_throttled=self_throttled,
                pacing_advice="; for a person who waits, a Python client with interactive=True sends at once",
                clock=clock,
            )

    def __repr__(self) -> str:
        # The user name is private; its first letter distinguishes most accounts.
        return f"{type(self).__name__}({self._name[:1]}{MASK}, server={redact_url(self.session.server)!r})"

    @property
    def guard(self) -> AccountGuard:
        """The keeper's request guard of this account."""
        if self._guard is None:
            raise ConfigError("this client has no keeper and so no budget; create it without keeper=None")
        return self._guard

    @property
    def settings_guard(self) -> AccountGuard:
        """The request guard of the API that reads and writes settings; it names their journal."""
        return self.guard

    def stored_session(self) -> Session:
        """Return the newest stored session of the account, of this or another process; nothing is sent."""
        stored = self._guard.load(self._clock()).session if self._guard else None
        return Session.from_dict(stored) if stored else self.session

    @property
    def budget(self) -> Budget:
        """Used requests and logins, and active pauses, from the state file; nothing is sent."""
        return self.guard.budget()

    def free_at(self, requests: int) -> float:
        """Return when a program may send this many requests, in epoch seconds, if none is sent until then.

        Nothing is sent.
        """
        return self.guard.available_at(requests)

    def known_plants(self) -> tuple[str, ...]:
        """Return the ids of the account's plants as stored with its session; nothing is sent."""
        return tuple(self.stored_session().facts.get("plants", ()))

    def cached_snapshots(
        self, fetch: Callable[[], Flow[T]], plant: object, max_age: float | None
    ) -> Flow[T] | FlowGenerator[Any]:
        """Return the flow that returns saved snapshots of a plant, or fetches and saves them.

        `max_age` is in seconds, None for the interval of uploads, or half an hour for what a collector has polled while
        the budget allows no request. Self-throttled programs fetch always: they have their own rhythm and store.
        """
        if self._guard is None or self._guard.self_throttled:
            return fetch()
        return self._cached_snapshots(self._guard, fetch, None if plant is None else str(plant), max_age)

    def _cached_snapshots(
        self, guard: AccountGuard, fetch: Callable[[], Flow[T]], plant_id: str | None, max_age: float | None
    ) -> FlowGenerator[Any]:
        module = yield from effects.import_flow("heliograph.keeper.cached_snapshots")
        found = yield module.cached_snapshots(guard, fetch, plant_id, max_age, self.session.zone, self._clock)
        return found

    @composite
    def log_in(self) -> FlowGenerator[None]:
        """Log in now, once, even if a valid session is stored: for a user who has changed something.

        Clears the back-off after failures and a rejected password; account locks and IP blocks still apply.
        """
        yield FORCE_LOGIN

    @composite
    def forget(self) -> FlowGenerator[None]:
        """Forget the stored session without a request; budget and locks are unchanged."""
        yield CLEAR_SESSION


class BlockingClient(BaseClient, SyncClientBase):
    """A client that sends on the calling thread, one call at a time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: all clients of the process share the connection pool, and the session stays stored."""

    def _new_lock(self) -> LockType:
        return allocate_lock()

    def perform(self, start: Callable[[], Flow[T]], *, timeout: float | None = None) -> T:
        with self._lock:
            steps = self._run(start)
            outcome: Any = None
            try:
                while True:
                    step = steps.throw(outcome) if isinstance(outcome, BaseException) else steps.send(outcome)
                    try:
                        if isinstance(step, Request):
                            outcome = self._send_request(step, timeout or self._timeout, self._clock)
                        elif isinstance(step, Sleep):
                            sleep(step.seconds)
                            outcome = None
                        else:
                            outcome = effects.perform_in_line(step)
                    except BaseException as error:  # noqa: BLE001 - raised by the flow, which releases its lock
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                outcome = None  # as in `resume`
                steps.close()


class AsyncClient(BaseClient, AsyncClientBase):
    """A client that sends on an event loop, one call at a time; it can be used in one loop after another."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Do nothing: all clients of the event loop share the connection pool, and the session stays stored."""

    # Awaited forms of what reads the stored state. Only those of the budget can read it from an async store.

    async def budget_async(self) -> Budget:
        """Used requests and logins, and active pauses, from the stored state; nothing is sent."""
        return await effects.run_effects_async(cast("AccountClient", self).guard.budget_flow())

    async def free_at_async(self, requests: int) -> float:
        """Return when a program may send this many requests, in epoch seconds, if none is sent until then."""
        return await effects.run_effects_async(cast("AccountClient", self).guard.available_at_flow(requests))

    async def stored_session_async(self) -> Session:
        """Return the newest stored session of the account, of this or another process; nothing is sent."""
        return await effects.run_on_thread(lambda: cast("Any", self).stored_session())

    async def known_plants_async(self) -> tuple[str, ...]:
        """Return the ids of the account's plants as stored with its session; nothing is sent."""
        return await effects.run_on_thread(lambda: cast("Any", self).known_plants())

    async def settings_of_async(self, device: Device) -> tuple[Setting, ...]:
        """Return the settings of a device of this family; nothing is sent."""
        return await effects.run_on_thread(lambda: cast("Any", self).settings_of(device))

    def _new_lock(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]:
        from weakref import WeakKeyDictionary  # noqa: PLC0415 - the blocking client never needs it

        return WeakKeyDictionary()

    def _lock_of_loop(self) -> asyncio.Lock:
        """Return the lock of the running event loop; a lock that was waited for is bound to its loop."""
        from asyncio import Lock, get_running_loop  # noqa: PLC0415 - the blocking client never needs it

        lock: asyncio.Lock = self._lock.setdefault(get_running_loop(), Lock())
        return lock

    async def perform(self, start: Callable[[], Flow[T]]) -> T:
        async with self._lock_of_loop():
            with closing(self._run(start)) as steps:
                outcome: Any = None
                interruption: asyncio.CancelledError | None = None
                try:
                    while True:
                        step = effects.resume(steps, outcome)
                        if isinstance(step, effects.Effect):
                            outcome, cancelled = await effects.finish_effect(step)
                            interruption = interruption or cancelled
                        elif interruption is not None:
                            outcome = interruption
                        else:
                            outcome = await self._send_or_sleep(step)
                except StopIteration as done:
                    result: T = done.value
                    return result
                finally:
                    outcome = None  # as in `resume`
                    if interruption is not None:
                        raise interruption

    async def _send_or_sleep(self, step: Request | Sleep) -> Any:
        """Return the response, None after a sleep, or the error."""
        try:
            if isinstance(step, Request):
                return await self._send_request(step, self._timeout, self._clock)
            await _sleep(step.seconds)
        except BaseException as error:  # noqa: BLE001 - raised by the flow, which releases its lock
            return error
        return None


async def _sleep(seconds: float) -> None:
    from asyncio import sleep  # noqa: PLC0415 - the blocking client never needs it

    await sleep(seconds)
