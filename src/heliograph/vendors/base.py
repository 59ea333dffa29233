"""The contract of a vendor: what its clients and diagnostics offer, and the registry row that describes it.

The collector, the settings API and the command line use a client through `SolarClient` or `AsyncSolarClient` only; a
vendor may offer any number of further calls. docs/add-a-vendor.md builds one step by step.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.core.endpoint import Flow
    from heliograph.core.protocol import VendorProtocol
    from heliograph.core.redact import Secret
    from heliograph.core.session import Request, Session
    from heliograph.errors import CloudError
    from heliograph.keeper import Budget, Keeper, Limits
    from heliograph.keeper.guard import AccountGuard
    from heliograph.model import Device, HistoryCost, PeriodEnergy, Plant, Sample, Snapshot, VendorEvent
    from heliograph.settings.definition import Setting, Values


class PollLoad(NamedTuple):
    """How many requests the live polls of an account take, by how often they are due."""

    every_poll: int = 1
    """Requests of every poll in daylight."""
    flows: int = 0
    """Requests for the power flows of all plants that are polled in rotation if the budget is short."""
    slow: int = 0
    """Requests for all counters and data times that no other request reports."""
    night: int = 1
    """Requests of every poll at night."""
    night_flows: int = 0
    night_slow: int = 0
    daily: int = 2
    """Requests once a day: the login, device lists and time zones."""


class PollRhythm(NamedTuple):
    """The stated intervals of an account's polls now, in seconds."""

    interval: float
    """Between two polls."""
    flow_interval: float
    """Between two polls of the power flow of each plant that is polled in rotation."""
    slow_interval: float
    """Between two polls of the slow counters of each plant; infinite if none may be sent now."""
    daylight: bool = True
    day_end: bool = False
    """Whether the slow counters of all plants that report at night are read now, because their day ends."""


class LivePoll(NamedTuple):
    """The result of a live poll: a snapshot of every plant that the vendor API answered for, and its usual load.

    A metric that was not fetched is absent from a snapshot, one that the vendor API did not report is None.
    """

    snapshots: tuple[Snapshot, ...]
    load: PollLoad
    rotating: frozenset[str] = frozenset()
    """Ids of the plants that not every poll asks for, if the budget is short."""
    unconfirmed: frozenset[str] = frozenset()
    """Ids of the plants whose answer has no data time and unchanged values: it may be new, or old."""
    problems: Mapping[str, CloudError] = MappingProxyType({})
    """The errors of the plants that were not fetched because a request of theirs was refused or unreadable, by id."""


class BaseSolarClient(Protocol):
    """The common part of blocking and async clients; nothing here sends a request."""

    default_limits: ClassVar[Limits]
    """The requests and logins that the vendor API allows within 24 hours."""

    def __init__(
        self,
        username: str,
        password: str | Secret,
        *,
        server: str = "",
        zone: tzinfo | str | None = None,
        timeout: float = ...,
        allow_commands: bool = False,
        keeper: Keeper | None = ...,
        limits: Limits | None = None,
        interactive: bool | None = None,
        self_throttled: bool = False,
    ) -> None:
        """Create a client of one account."""

    @staticmethod
    def resolve_server(server: str) -> str:
        """Return the URL of a region's name or an address; of the default server for an empty text."""

    @property
    def cloud(self) -> Callable[..., VendorProtocol]:
        """The class of the vendor API's protocol."""

    @property
    def session(self) -> Session:
        """The account's session."""

    @property
    def allow_commands(self) -> bool:
        """Whether this client may change settings."""

    @property
    def guard(self) -> AccountGuard:
        """The account's rate limiter; raises `ConfigError` for a client without keeper."""

    @property
    def settings_guard(self) -> AccountGuard:
        """The rate limiter of the API that reads and writes settings, if the account uses two."""

    @property
    def budget(self) -> Budget:
        """Used and remaining requests of the account, and its current back-off."""

    def known_plants(self) -> tuple[str, ...]:
        """Return the ids of the account's plants as stored with its session."""

    def free_at(self, requests: int) -> float:
        """Return when so many requests may be sent, in epoch seconds."""

    def settings_of(self, device: Device) -> tuple[Setting, ...]:
        """Return the settings of a device; empty for a family without any."""


class SolarClient(BaseSolarClient, Protocol):
    """A blocking client of one account."""

    def log_in(self) -> None:
        """Log in now, even if a session is stored."""

    def forget(self) -> None:
        """Delete the stored session."""

    def plants(self) -> tuple[Plant, ...]:
        """Fetch the plants of the account."""

    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> Snapshot:
        """Return the current values of one plant, fetched at most `max_age` seconds ago.

        Default: the interval of uploads. 0 fetches always, as self-throttled clients do.
        """

    def snapshots(self, *, max_age: float | None = None) -> tuple[Snapshot, ...]:
        """Return the current values of every plant, with the same `max_age`."""

    def day_curve(self, plant_id: str, day: date | str) -> tuple[Sample, ...]:
        """Fetch the samples of one day."""

    def period_energies(self, plant_id: str, period: str = "") -> tuple[PeriodEnergy, ...]:
        """Fetch the energies of the days of a month, the months of a year, or of all years."""

    def first_day(self, plant_id: str) -> date | None:
        """Fetch the first day with data; None if the vendor API does not report it."""

    def history_cost(self, plant_id: str) -> HistoryCost:
        """Fetch or return the number of requests that each kind of history query takes."""

    def read_settings(self, device: Device) -> Mapping[str, Values | None]:
        """Fetch the current values of a device's settings; None for a setting that cannot be read."""

    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> None:
        """Send one command, once; the client must have `allow_commands`."""


@runtime_checkable
class TokenClient(Protocol):
    """A blocking client of a token API."""

    def access_problem(self) -> str:
        """Fetch why the token reports no devices, with the remedy; empty if it may read the first device."""


@runtime_checkable
class ReportsMissingValues(Protocol):
    """A client whose API may withhold values of a plant."""

    def missing_values(self) -> Mapping[str, str]:
        """Return why values of a plant are missing, with the remedy, by plant id; nothing is sent."""


@runtime_checkable
class ReportsEvents(Protocol):
    """An async client whose API has a fault log."""

    def events(self, plant_id: str, day: date | None = None) -> Awaitable[tuple[VendorEvent, ...]]:
        """Fetch the newest entries of a plant's fault log; if it is read by day, those of `day`, default: today.

        No request is sent if the account's API has none.
        """


class AsyncSolarClient(BaseSolarClient, Protocol):
    """An async client of one account: the same methods, awaited; on an event loop also those that read stored data."""

    def budget_async(self) -> Awaitable[Budget]: ...
    def free_at_async(self, requests: int) -> Awaitable[float]: ...
    def known_plants_async(self) -> Awaitable[tuple[str, ...]]: ...
    def settings_of_async(self, device: Device) -> Awaitable[tuple[Setting, ...]]: ...
    def log_in(self) -> Awaitable[None]: ...
    def forget(self) -> Awaitable[None]: ...
    def plants(self) -> Awaitable[tuple[Plant, ...]]: ...
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> Awaitable[Snapshot]: ...
    def snapshots(self, *, max_age: float | None = None) -> Awaitable[tuple[Snapshot, ...]]: ...
    def live(self, rhythm: PollRhythm, plants: Sequence[str] = ()) -> Awaitable[LivePoll]: ...
    def day_curve(self, plant_id: str, day: date | str) -> Awaitable[tuple[Sample, ...]]: ...
    def period_energies(self, plant_id: str, period: str = "") -> Awaitable[tuple[PeriodEnergy, ...]]: ...
    def first_day(self, plant_id: str) -> Awaitable[date | None]: ...
    def history_cost(self, plant_id: str) -> Awaitable[HistoryCost]: ...
    def read_settings(self, device: Device) -> Awaitable[Mapping[str, Values | None]]: ...
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> Awaitable[None]: ...


class VendorDiagnostics(Protocol):
    """The diagnostics module of a vendor, for `heliograph doctor`."""

    @property
    def summary(self) -> Callable[[Session], list[tuple[str, str]]]:
        """Return (label, text) rows about the account; nothing is sent."""

    @property
    def history(self) -> Callable[[Session], tuple[str, ...]]:
        """Return the steps that led to the current state, oldest first."""

    @property
    def is_known_server(self) -> Callable[[str], bool]:
        """Return whether a URL belongs to the vendor."""

    @property
    def ping_requests(self) -> Callable[[Session], tuple[Request, ...]]:
        """Return requests that show whether the servers respond; they contain no credentials."""

    @property
    def probe(self) -> Callable[[Session], Flow[Any]]:
        """Return one cheap call that succeeds only with a valid session."""


class VendorInfo(NamedTuple):
    """One row of the registry; modules and classes are named as "module" or "module:name" and imported on use."""

    name: str
    title: str
    client: str
    async_client: str
    settings: str
    """The module of the settings catalogue; its `names()` returns all setting names."""
    diagnostics: str
    emulator: str
    """The module whose `EMULATION` emulates the vendor API."""
    regions: tuple[str, ...]
    """The names accepted as `server`, the default one first."""
    min_interval: timedelta
    """The shortest polling interval, and why it is not shorter."""
    min_interval_reason: str
    token_client: str = ""
    """The blocking client of the vendor's token API; empty if it has none."""
    async_token_client: str = ""
    token_diagnostics: str = ""
    portal_client: str = ""
    """The blocking client of the vendor's web portal; empty if it has none."""
    sources: str = ""
    """The module whose `summary(client)` says which API answers which question of an account with several."""
    fault_codes: str = ""
    """The module whose `text_of_code(kind, family, code)` is the text of a fault or warning code."""
    recording: str = ""
    """The module whose `calls(dialect, snapshots)` are the reads of a recording; without one, only snapshots are."""
    token_interval: timedelta = timedelta(minutes=5)
    """The shortest and usual polling interval of accounts with a token."""
    fixed_utc_offset: bool = False
    """Whether the vendor API reports one UTC offset all year, so that the user should configure a time zone."""
    usual_interval: timedelta = timedelta(minutes=10)
    """The polling interval in daylight if none is configured and the budget allows it."""
    zone_regions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Regions with the time zones, or their beginnings, whose accounts are usually there; empty if a login finds it."""

    def suggested_region(self, zone: str) -> str:
        """Return the region of accounts in a time zone; the default one if none is known."""
        matching = (region for region, zones in self.zone_regions if zone.startswith(zones))
        return next(matching, self.regions[0])

    def client_class(self) -> type[SolarClient]:
        """Import the blocking client."""
        found: type[SolarClient] = load(self.client)
        return found

    def async_client_class(self) -> type[AsyncSolarClient]:
        """Import the async client."""
        found: type[AsyncSolarClient] = load(self.async_client)
        return found

    def intervals(self, *, by_token: bool) -> tuple[timedelta, timedelta]:
        """Return the shortest and the usual polling interval of an account."""
        return (self.token_interval, self.token_interval) if by_token else (self.min_interval, self.usual_interval)

    def token_client_class(self, *, asynchronous: bool) -> Any:
        """Import the client of the token API."""
        return load(self.async_token_client if asynchronous else self.token_client)

    def portal_client_class(self) -> Any:
        """Import the blocking client of the web portal."""
        return load(self.portal_client)

    def source_rows(self, client: BaseSolarClient) -> tuple[tuple[str, str], ...]:
        """Return which API answers which question of an account with several; nothing is sent."""
        found: tuple[tuple[str, str], ...] = tuple(load(self.sources).summary(client))
        return found

    def setting_names(self) -> tuple[str, ...]:
        """Import the settings catalogue and return the names of all settings."""
        found: tuple[str, ...] = load(self.settings).names()
        return found

    def diagnostics_module(self, *, by_token: bool = False) -> VendorDiagnostics:
        """Import the diagnostics of the password API or of the token API."""
        found: VendorDiagnostics = load(self.token_diagnostics if by_token else self.diagnostics)
        return found


def load(path: str) -> Any:
    """Import "module" or "module:name" and return it."""
    module, _, name = path.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found
