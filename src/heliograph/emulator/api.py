"""Interfaces between the emulator and its clouds: requests, responses, accounts, plants, and the router.

A package in `emulator/clouds/` registers one handler per declared call in a `Router` and implements the cloud's
session rules and error pages. The emulator core owns sockets, clock, households, accounts and faults.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from heliograph.core.endpoint import endpoints
from heliograph.emulator.ratelimit import Lockout, SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.ratelimit import SessionLifetime

_MINUTE = timedelta(minutes=1)


class EmulatedRequest(NamedTuple):
    """One parsed HTTP request; `headers` is keyed in lower case."""

    verb: str
    path: str
    """Without the leading slash and the query."""
    arguments: Mapping[str, str]
    """Merged query, form and multipart arguments, like servlet parameters; JSON members too, as text."""
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    origin: str
    """Scheme, host and port of the request: "http://127.0.0.1:8080"."""


class EmulatedResponse(NamedTuple):
    """The HTTP response of an emulated cloud."""

    body: bytes
    status: int = 200
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


class HardwareProfile(NamedTuple):
    """The hardware of one plant family; the emulator builds a `Household` for each of its devices from it."""

    peak_power: float
    """W of the solar panels, per household like all values here."""
    battery_capacity: float = 0.0
    """kWh; 0 without a battery."""
    battery_power: float = 0.0
    """Maximum charge and discharge power in W."""
    has_meter: bool = True
    """Whether grid power, and with it the load, is measured."""
    off_grid: bool = False
    """An off-grid storage system: it measures load and grid import, and never exports."""
    load_kwh_per_day: float = 10.0
    households: int = 1
    """Number of devices of the plant that are simulated separately."""


class HouseholdView(Protocol):
    """The data of one household in the common metric names, units and signs; depends on seed and time only."""

    zone: tzinfo
    peak_power: float
    """W of the solar panels."""
    battery_capacity: float
    """kWh; 0 without a battery."""
    has_meter: bool
    latitude: float
    longitude: float

    def last_upload_at(self, at: datetime) -> datetime:
        """Return the measurement time of the newest sample the cloud has at `at`."""

    def values(self, at: datetime) -> dict[str, float]:
        """Return every metric this household measures: powers, state of charge, `_today` and `_total` energies."""

    def curve(self, day: str) -> list[tuple[datetime, dict[str, float]]]:
        """Return powers and state of charge of a local day ("2026-06-21") per 5-minute step, in local time.

        Includes the rest of today; empty for future days and for days before the household existed.
        """

    def energies(self, period: str) -> dict[str, float]:
        """Return the energies in kWh of a local day, month ("2026-06") or year ("2026") up to the newest upload.

        0 for future days and for days before the household existed; only `_total` counters include earlier energy.
        Keys are the `_today` names without the suffix: "pv_energy", "grid_import_energy", ….
        """


class EmulatedPlant(Protocol):
    """One emulated plant of an account."""

    id: str
    name: str
    family: str
    """The vendor's plant family; determines devices and response formats."""
    devices: tuple[str, ...]
    """Serial numbers; the first is the main device."""
    households: tuple[HouseholdView, ...]
    """The uploaded data of each simulated device; one for most plants."""
    truth: tuple[HouseholdView, ...]
    """The true data; not visible to clouds."""
    settings: dict[str, Any]
    """Settings written by commands."""


class EmulatedAccount(Protocol):
    """One emulated account."""

    vendor: str
    username: str
    password: str
    plants: tuple[EmulatedPlant, ...]
    state: dict[str, Any]
    """The cloud's data about this account: logins, sessions."""
    lockout: Lockout
    """Active while the account is locked; the control log reports the total duration."""


class FaultPeriod(NamedTuple):
    """A time in which a fault was on; `ended_at` is None while it still is."""

    value: str
    started_at: datetime
    ended_at: datetime | None = None


class RequestContext(Protocol):
    """The emulator functions an emulated cloud may use while it handles one request."""

    def now(self) -> datetime:
        """Return the simulated time, aware, in UTC."""

    def uploaded_at(self) -> datetime:
        """Return the last 5-minute boundary: the measurement time of the newest sample of any cloud."""

    def accounts(self, vendor: str) -> tuple[EmulatedAccount, ...]:
        """Return a vendor's accounts."""

    def fault(self, name: str) -> str | None:
        """Return the value of a fault ("" if it has none), or None while it is off.

        Call it only where the fault takes effect: the first call in a request consumes one use of a limited fault
        ("html*1").
        """

    def fault_periods(self, name: str) -> tuple[FaultPeriod, ...]:
        """Return the last times in which a fault was on, the newest first."""

    def firewall_blocks(self) -> bool:
        """Count a request at the cloud's firewall; return True if the firewall blocks the client."""

    def open_session(self) -> SessionLifetime:
        """Return the lifetime of a session opened now."""

    def use_session(self, life: SessionLifetime) -> bool:
        """Count a use of a session; return False if it has expired, which is permanent."""

    def second_region(self, origin: str) -> str:
        """Return the URL of the second region's host for a client that connected to `origin`."""

    def record_login(self, holder: EmulatedAccount | None, username: str, *, accepted: bool) -> None:
        """Record a login in the control log."""


def is_rate_limited(account: EmulatedAccount, context: RequestContext, rest: timedelta) -> bool:
    """Count a request; return True if the account exceeds the fault `rate`, or did so less than `rest` ago."""
    lockout = account.state.setdefault("rate", Lockout(rest))
    window = account.state.setdefault("minute", SlidingWindow(_MINUTE))
    allowed = context.fault("rate")
    if allowed is None:
        lockout.unlock(context.now())
    most = None if allowed is None else int(allowed or 0)
    return lockout.attempt(context.now(), window, most) is not None


class Emulation(Protocol):
    """One emulated cloud."""

    vendor: str

    def families(self) -> tuple[str, ...]:
        """Return this cloud's plant families, in the order plants are created."""

    def optional_families(self) -> tuple[str, ...]:
        """Return the plant families that an account has only if a user asks for them."""

    def hardware(self, family: str) -> HardwareProfile:
        """Return the hardware of a plant family."""

    def username(self, number: int) -> str:
        """Return the user name of account `number`, counted from 1."""

    def plant_id(self, seed: int) -> str:
        """Return a plant id in this cloud's format; equal seeds give equal ids."""

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        """Return the serial numbers of a plant's devices: the main one first, simulated ones before others."""

    def addresses(self, url: str) -> dict[str, str]:
        """Return the base URLs for clients of this cloud, by their names in the ready line."""

    def faults(self) -> dict[str, str]:
        """Return the faults specific to this cloud, with descriptions."""

    def account_info(self, account: EmulatedAccount) -> dict[str, str]:
        """Return further members of an account in the ready line, such as an API token."""

    def owns(self, path: str) -> bool:
        """Return True if a path belongs to this cloud."""

    def account_of(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount | None:
        """Return the account a request claims to belong to, whether or not it is authenticated."""

    def other_login(self, holder: EmulatedAccount, at: datetime, stage: RequestContext) -> None:
        """Apply the effects of a login by another client at `at`, which is not in the future."""

    def handle(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedResponse:
        """Return the response to one request."""


class Router:
    """Maps requests to the declared calls of a cloud and to their handlers."""

    def __init__(self, cloud: type) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        rows = sorted(endpoints(cloud), key=lambda row: len(row.route.fixed), reverse=True)
        self._routes = [(row, re.compile(_pattern(row.route.path), re.IGNORECASE)) for row in rows]

    def route(self, *calls: Endpoint[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated function as the handler of `calls`."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            for call in calls:
                self._functions[call.name] = function
            return function

        return register

    def match(self, asked: EmulatedRequest) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
        """Return the declared call that matches a request, and the arguments including those from the path."""
        fits = []
        for row, pattern in self._routes:
            found = pattern.fullmatch(asked.path)
            if found and all(asked.arguments.get(key) == value for key, value in row.route.fixed.items()):
                fits.append((row, {**asked.arguments, **found.groupdict()}))
        # Outside clients send GET where the app sends POST and the reverse; the clouds answer both.
        return next((fit for fit in fits if fit[0].route.verb == asked.verb), fits[0] if fits else None)

    def handler(self, call: Endpoint[..., Any]) -> Callable[..., Any]:
        """Return the handler of a call; every declared call must have one."""
        return self._functions[call.name]

    def unhandled(self) -> set[str]:
        """Return the declared calls without a handler."""
        return {row.name for row, _ in self._routes} - set(self._functions)


def _pattern(path: str) -> str:
    """Return a regular expression for a declared path that also accepts doubled slashes.

    >>> _pattern("api/{version}/Common/CrossLogin")
    'api/+(?P<version>[^/]+)/+Common/+CrossLogin'
    """
    parts = re.split(r"\{(\w+)\}", path)
    names = [
        (rf"(?P={part})" if part in parts[:place] else rf"(?P<{part}>[^/]+)") if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    ]
    return "".join(names).replace("/", "/+").replace("[^/+]", "[^/]")
