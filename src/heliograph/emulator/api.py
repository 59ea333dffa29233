"""The emulator's side of the declarations: which call a request is, and who answers it.

A vendor's `emulate` module fills an `Answers` table, one function per declared call, and knows its cloud's
session rules and error pages. The emulator (emulator/) owns sockets, clock, homes, accounts and faults.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from heliograph.core.endpoint import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.ratelimit import Lockout, SessionLifetime


class EmulatedRequest(NamedTuple):
    """One request as an emulated cloud sees it; `headers` and `cookies` are keyed in lower case."""

    verb: str
    path: str
    """Without the leading slash and the query."""
    arguments: Mapping[str, str]
    """Query, form and multipart arguments merged, as servlet parameters are; JSON members likewise, as text."""
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    origin: str
    """Scheme, host and port the client spoke to: "http://127.0.0.1:8080"."""


class EmulatedResponse(NamedTuple):
    """What an emulated cloud answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


class HardwareProfile(NamedTuple):
    """The hardware of one family as its vendor sells it; the emulator builds `Home`s from it."""

    peak_power: float
    """Watt of the solar panels; of each home, as everything here."""
    battery_capacity: float = 0.0
    """kWh; 0 without a battery."""
    battery_power: float = 0.0
    """Watt the battery can take or give."""
    has_meter: bool = True
    """Whether the grid, and with it the load, is measured."""
    off_grid: bool = False
    """A storage home behind its own inverter: it knows its load and what it draws, and never exports."""
    load_kwh_per_day: float = 10.0
    households: int = 1
    """How many devices of the plant have physics of their own."""


class HouseholdView(Protocol):
    """The physics of one plant, under our names, units and signs; deterministic in the seed and the moment."""

    zone: tzinfo
    peak_power: float
    """Watt of the solar panels."""
    battery_capacity: float
    """kWh; 0 without a battery."""
    has_meter: bool
    latitude: float
    longitude: float

    def last_upload_at(self, at: datetime) -> datetime:
        """Return when the newest sample was measured that the cloud has at a moment."""

    def values(self, at: datetime) -> dict[str, float]:
        """Return every metric this home can truly know at a moment: powers, soc, `_today` and `_total`."""

    def curve(self, day: str) -> list[tuple[datetime, dict[str, float]]]:
        """Return the powers and soc of a local day ("2026-06-21") at each 5-minute boundary, in local time.

        All day long, also what is left of today; empty for days to come and days before the cloud knew the home.
        """

    def energies(self, period: str) -> dict[str, float]:
        """Return the energies of a local day, month ("2026-06") or year ("2026") up to the newest upload, kWh.

        0 for days to come and before the cloud knew the home, which only `_total` counters remember.
        Keys are the `_today` names without the suffix: "pv_energy", "grid_import_energy", ….
        """


class EmulatedPlant(Protocol):
    """One emulated plant of an account."""

    id: str
    name: str
    family: str
    """The vendor's own kind of plant; decides devices and shapes."""
    devices: tuple[str, ...]
    """Serial numbers, the first is the main device."""
    households: tuple[HouseholdView, ...]
    """What the cloud was told of each device with physics of its own; `homes[0]` for a plant with one."""
    truth: tuple[HouseholdView, ...]
    """The same as they are; no cloud may look."""
    settings: dict[str, Any]
    """What was written, to be read back."""


class EmulatedAccount(Protocol):
    """One emulated account."""

    vendor: str
    username: str
    password: str
    plants: tuple[EmulatedPlant, ...]
    state: dict[str, Any]
    """The cloud's own notes of this account: logins, sessions."""
    lockout: Lockout
    """Shut while the account is locked; the control log tells for how long it has been in all."""


class RequestContext(Protocol):
    """All an emulated cloud may look at."""

    def now(self) -> datetime:
        """Return the simulated moment, aware, in UTC."""

    def uploaded_at(self) -> datetime:
        """Return the last 5-minute boundary: the moment of the newest sample any cloud has."""

    def accounts(self, vendor: str) -> tuple[EmulatedAccount, ...]:
        """Return a vendor's accounts."""

    def fault(self, name: str) -> str | None:
        """Return the value a fault is switched on with ("" when it has none), None while it is off.

        Ask only where the fault would strike: for a limited one ("html*1") the first asking of a request is one use.
        """

    def firewall_blocks(self) -> bool:
        """Count a request at the cloud's edge, and tell whether its firewall turns the caller away."""

    def open_session(self) -> SessionLifetime:
        """Return the life of a session that is opened now."""

    def use_session(self, life: SessionLifetime) -> bool:
        """Count a use of a session, and tell whether it is alive; one that is not never comes back."""

    def second_region(self, origin: str) -> str:
        """Return the address of the second region's host, as a caller who spoke to `origin` reaches it."""

    def record_login(self, holder: EmulatedAccount | None, username: str, *, accepted: bool) -> None:
        """Write a login into the control log."""


class Emulation(Protocol):
    """One emulated cloud."""

    vendor: str

    def families(self) -> tuple[str, ...]:
        """Return the families of plants this cloud can hold, in the order accounts are furnished."""

    def hardware(self, family: str) -> HardwareProfile:
        """Return the hardware a plant of a family stands for."""

    def username(self, number: int) -> str:
        """Return the user name of this cloud's account of a number, counted from 1."""

    def plant_id(self, seed: int) -> str:
        """Return a plant id as this cloud shapes them: the same for the same seed, another for another."""

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        """Return the serial numbers of a plant's devices, the main one first, those with a home before others."""

    def addresses(self, url: str) -> dict[str, str]:
        """Return what a client of this cloud is pointed at, by the names of the ready line."""

    def faults(self) -> dict[str, str]:
        """Return the faults of this cloud alone, and what each does."""

    def owns(self, path: str) -> bool:
        """Tell whether a path is one of this cloud's."""

    def account_of(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount | None:
        """Return the account a request says it is of, whether or not it may speak for it."""

    def other_login(self, holder: EmulatedAccount, at: datetime, stage: RequestContext) -> None:
        """Do what a login of somebody else to an account did, at a moment up to now."""

    def handle(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedResponse:
        """Answer one request."""


class Router:
    """One function per declared call of a cloud, and the way from a request to the call it is."""

    def __init__(self, cloud: type) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        rows = sorted(endpoints(cloud), key=lambda row: len(row.route.fixed), reverse=True)
        self._routes = [(row, re.compile(_pattern(row.route.path), re.IGNORECASE)) for row in rows]

    def route(self, *calls: Endpoint[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a function as the answer to these calls."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            for call in calls:
                self._functions[call.name] = function
            return function

        return register

    def match(self, asked: EmulatedRequest) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
        """Return the declared call a request is, and its arguments with those from the path."""
        for row, pattern in self._routes:
            if row.route.verb != asked.verb:
                continue
            found = pattern.fullmatch(asked.path)
            if found and all(asked.arguments.get(key) == value for key, value in row.route.fixed.items()):
                return row, {**asked.arguments, **found.groupdict()}
        return None

    def handler(self, call: Endpoint[..., Any]) -> Callable[..., Any]:
        """Return the answer to a call; every declared call must have one."""
        return self._functions[call.name]

    def unhandled(self) -> set[str]:
        """Return the declared calls nobody answers yet."""
        return {row.name for row, _ in self._routes} - set(self._functions)


def _pattern(path: str) -> str:
    """Return a regular expression for a declared path; doubled slashes are harmless.

    >>> _pattern("api/{version}/Common/CrossLogin")
    'api/+(?P<version>[^/]+)/+Common/+CrossLogin'
    """
    parts = re.split(r"\{(\w+)\}", path)
    names = [rf"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return "".join(names).replace("/", "/+").replace("[^/+]", "[^/]")
