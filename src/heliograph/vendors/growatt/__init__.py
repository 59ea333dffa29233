"""Clients of the Growatt cloud: by user name and password (ShinePhone, web portal), by an API token, or by both."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.client import AccountClient, AsyncClient, BlockingClient
from heliograph.core.effects import run_steps_on_threads
from heliograph.errors import ConfigError, HeliographError
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.transports import TIMEOUT
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import LIMITS, GrowattProtocol, resolve_server
from heliograph.vendors.growatt.composite import GrowattEvents, GrowattHistory, GrowattSnapshots
from heliograph.vendors.growatt.params import Timespan, hash_password
from heliograph.vendors.growatt.routing import PASSWORD_INTERVAL, RoutedOperations
from heliograph.vendors.growatt.settings import GrowattSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import tzinfo

    from heliograph.core.endpoint import Flow
    from heliograph.core.redact import Secret
    from heliograph.core.session import HttpFlow, Session
    from heliograph.keeper import Budget, Keeper, Limits
    from heliograph.keeper.guard import AccountGuard
    from heliograph.transports import AsyncTransport, BlockingTransport
    from heliograph.vendors.growatt.openapi import AsyncGrowattToken, GrowattToken
    from heliograph.vendors.growatt.portal import AsyncGrowattPortal, GrowattPortal
    from heliograph.vendors.growatt.routing import Steps

__all__ = ["AsyncGrowatt", "Growatt", "GrowattCalls", "Timespan", "hash_password", "resolve_server"]

T = TypeVar("T")
_DAY = 86400.0


class _GrowattAccount(AccountClient):
    """One Growatt account."""

    cloud = GrowattProtocol
    default_limits = LIMITS

    token_api: Any = None
    """The client of the account's token; None without one."""
    portal_api: Any = None
    """The client of the web portal; None unless it may be used."""
    portal_problem = ""
    """Why the portal could not be used in the last poll."""

    def __init__(
        self,
        username: str = "",
        password: str | Secret = "",
        *,
        token: str | Secret | None = None,
        portal: bool | str = False,
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
        """Create a client of user name and password, of an API token, or of both; nothing is sent yet.

        With both, the token answers for plants, live values and the powers of the last 95 days, the password for
        older history, energies of past periods and settings (docs/clouds/growatt-token.md); each has its own limits
        and back-off, and `limits` are those of the password API. Single calls are those of the password API; those of
        the token API are methods of `token_api`.

        With `portal` (True, or its address) the web portal is used for live values that no other API of the account
        has (docs/clouds/growatt-portal.md); it shares the account's stored state, locks and budget. Its calls are
        methods of `portal_api`.

        `server` is the name of a region or a URL; the region of a token is found by itself. `zone` is the time zone of
        the plants, needed where the fixed UTC offset of the cloud is not enough. `timeout` is in seconds per request.
        Commands need `allow_commands`. The keeper (docs/keeper.md) shares sessions and request budgets with all
        programs of this user; with `keeper=None`, or with a `session` that the caller stored, nothing is written.
        `interactive` clients may use the reserve and are not spread over the day; default: True at a Python prompt.
        `self_throttled` callers spread their requests over the day themselves. `transport` sends the requests of both
        APIs (docs/transports.md); an async client takes an async one.
        """
        if not username and token is None:
            raise ConfigError("an account needs user name and password, or a token, or all three")
        if portal and not username:
            raise ConfigError("the web portal needs user name and password")
        self.has_password = bool(username)
        self._time = clock
        self._password_due_at = 0.0
        self._polled_before = 0
        common: dict[str, Any] = {
            "zone": zone,
            "user_agent": user_agent,
            "timeout": timeout,
            "allow_commands": allow_commands,
            "interactive": interactive,
            "self_throttled": self_throttled,
            "clock": clock,
            "transport": transport,
        }
        super().__init__(
            username,
            password,
            server=server,
            session=session,
            keeper=keeper if username else None,
            limits=limits,
            **common,
        )
        if session is not None and keeper is DEFAULT_KEEPER:
            keeper = None
        if token is not None:
            token_limits = None if username else limits
            self.token_api = self._token_client()(
                token, server=_token_server(server), keeper=keeper, limits=token_limits, **common
            )
        if portal:
            address = portal if isinstance(portal, str) else ""
            self.portal_api = self._portal_client()(
                username, password, server=server, portal=address, keeper=keeper, limits=limits, **common
            )
            self.portal_api.shares_snapshots = True

    @staticmethod
    def _token_client() -> type[GrowattToken | AsyncGrowattToken]:
        raise NotImplementedError

    @staticmethod
    def _portal_client() -> type[GrowattPortal | AsyncGrowattPortal]:
        raise NotImplementedError

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)

    def __repr__(self) -> str:
        if self.token_api is None:
            return super().__repr__()
        return f"{super().__repr__()[:-1]}, token)" if self.has_password else repr(self.token_api)

    def _run(self, start: Callable[[], Flow[T]]) -> HttpFlow[T]:
        if not self.has_password:
            raise ConfigError(
                "this needs the password API; create the client with user name and password too. The calls of the "
                "token API are methods of `token_api`"
            )
        return super()._run(start)

    # With a token, the limits of an account are those of the token, which its polls use.

    @property
    def guard(self) -> AccountGuard:
        """The request guard of the token, or of the account without one."""
        found: AccountGuard = super().guard if self.token_api is None else self.token_api.guard
        return found

    @property
    def settings_guard(self) -> AccountGuard:
        """The request guard of the password API, which reads and writes settings."""
        return super().guard if self.has_password else self.guard

    @property
    def budget(self) -> Budget:
        """Used requests and logins, and active pauses, of the token, or of the account without one."""
        found: Budget = super().budget if self.token_api is None else self.token_api.budget
        return found

    def free_at(self, requests: int) -> float:
        """Return when a program may send this many requests, in epoch seconds; by the token if there is one."""
        return super().free_at(requests) if self.token_api is None else float(self.token_api.free_at(requests))

    def known_plants(self) -> tuple[str, ...]:
        """Return the ids of the account's plants as stored with its session; nothing is sent."""
        own = super().known_plants() if self.has_password else ()
        return own if self.token_api is None else self.token_api.known_plants() or own

    def now(self) -> float:
        """Return the current time in epoch seconds."""
        return self._time()

    def token_session(self) -> Session:
        """Return the newest session of the token."""
        found: Session = self.token_api.stored_session()
        return found

    def refused_plants(self) -> dict[str, str]:
        """Return the reason of each plant that the token could not read and is not asked for again yet."""
        from heliograph.vendors.growatt import sources  # noqa: PLC0415 - accounts with both only

        return sources.refused_plants(self.token_session(), self.now())

    def missing_values(self) -> dict[str, str]:
        """Return why values of a plant are missing, with the remedy, by plant id; nothing is sent."""
        found: dict[str, str] = {} if self.has_password else self.token_api.missing_values()
        return found

    def energies_by_password(self, plant_id: str) -> bool:
        """Return whether the password API reports the energies of a plant."""
        from heliograph.vendors.growatt import sources  # noqa: PLC0415 - accounts with both only

        families = sources.families_of(self.token_session(), plant_id)
        return sources.source_of("energies of periods", families) == "password"

    def plants_by_portal(self, plants: Iterable[str]) -> tuple[str, ...]:
        """Return the plants whose live values the web portal reports, by the devices that are known of them."""
        from heliograph.vendors.growatt.portal import sources  # noqa: PLC0415 - accounts with the portal only

        session = self.stored_session()
        return tuple(plant for plant in plants if sources.reads_live(sources.families_of(session, plant)))

    def read_by_portal_before(self, plant_id: str) -> bool:
        """Return whether the web portal has reported a plant before."""
        from heliograph.vendors.growatt.portal import sources  # noqa: PLC0415 - accounts with the portal only

        return sources.has_read(self.stored_session(), plant_id)

    def begin_password_poll(self) -> bool:
        """Return whether a live poll of the password API is due, and record that it begins now."""
        now = self.now()
        if self._password_due_at - _DAY < now < self._password_due_at:
            return False
        self._password_due_at = now + PASSWORD_INTERVAL
        self._polled_before = self._password_requests()
        return True

    def end_password_poll(self) -> None:
        """Plan the next live poll of the password API, so that such polls take three quarters of a day's requests."""
        cost = self._password_requests() - self._polled_before
        share = 0.75 * (self._guard.limits if self._guard else self.default_limits).requests
        self._password_due_at = self.now() + max(PASSWORD_INTERVAL, cost * _DAY / share)

    def _password_requests(self) -> int:
        return self._guard.budget().requests_used if self._guard else 0


def _token_server(server: str) -> str:
    """Return the server to search for a token: a URL or a region of the token API, else all regions."""
    from heliograph.vendors.growatt.openapi.auth import REGIONS  # noqa: PLC0415 - accounts with a token only

    return server if "://" in server or server in REGIONS else ""


class Growatt(
    RoutedOperations,
    _GrowattAccount,
    GrowattCalls,
    GrowattSnapshots,
    GrowattHistory,
    GrowattEvents,
    GrowattSettings,
    BlockingClient,
):
    """A blocking client of one Growatt account; regions are eu (the default), us, cn, au and more."""

    token_api: GrowattToken | None = None
    portal_api: GrowattPortal | None = None

    @staticmethod
    def _token_client() -> type[GrowattToken]:
        from heliograph.vendors.growatt.openapi import GrowattToken  # noqa: PLC0415 - accounts with a token only

        return GrowattToken

    @staticmethod
    def _portal_client() -> type[GrowattPortal]:
        from heliograph.vendors.growatt.portal import GrowattPortal  # noqa: PLC0415 - accounts with the portal only

        return GrowattPortal

    def run_route(self, steps: Steps[T]) -> T:
        """Run a route to its result."""
        try:
            call = next(steps)
            while True:
                try:
                    outcome = call()
                except HeliographError as error:  # the route decides
                    call = steps.throw(error)
                else:
                    call = steps.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result


class AsyncGrowatt(
    RoutedOperations,
    _GrowattAccount,
    GrowattCalls,
    GrowattSnapshots,
    GrowattHistory,
    GrowattEvents,
    GrowattSettings,
    AsyncClient,
):
    """An async client of one Growatt account: the same methods, awaited."""

    token_api: AsyncGrowattToken | None = None
    portal_api: AsyncGrowattPortal | None = None

    @staticmethod
    def _token_client() -> type[AsyncGrowattToken]:
        from heliograph.vendors.growatt.openapi import AsyncGrowattToken  # noqa: PLC0415 - accounts with a token only

        return AsyncGrowattToken

    @staticmethod
    def _portal_client() -> type[AsyncGrowattPortal]:
        from heliograph.vendors.growatt.portal import AsyncGrowattPortal  # noqa: PLC0415 - accounts with the portal only

        return AsyncGrowattPortal

    async def run_route(self, steps: Steps[T]) -> T:
        """Run a route to its result; its steps read the sessions of both APIs, which are files."""
        return await run_steps_on_threads(steps, lambda call: call())
