"""Operations of an account with several APIs: each is answered by the token API, the password API or the web portal.

A route is a generator that yields calls of the two clients and is sent their results, so that the blocking and the
async client share it. The token has a guard of its own: a lock of the password API never stops it. The web portal
shares the guard's state of the password API: while that may not be asked, the portal is not asked either.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from heliograph.core.endpoint import Operation, operations
from heliograph.errors import CloudError, RequestRefused
from heliograph.eventlog import EventLogger, LogEvent
from heliograph.local_time import parse_day
from heliograph.vendors.growatt import portal_routes
from heliograph.vendors.growatt.composite import GrowattEvents, GrowattHistory, GrowattSnapshots
from heliograph.vendors.growatt.settings import GrowattSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from heliograph.core.endpoint import Flow
    from heliograph.model import Device, HistoryCost, Plant, Snapshot
    from heliograph.settings.definition import Setting, Values
    from heliograph.vendors.base import LivePoll, PollRhythm

P = ParamSpec("P")
T = TypeVar("T")
Steps = Generator[Callable[[], Any], Any, T]
_log = EventLogger(__name__)

PASSWORD_INTERVAL = 660.0
"""Seconds at least between two live polls of plants that only the password API reads: faster ones have been blocked."""


class RoutedOperation(Operation[P, T]):
    """An operation that a client of one API performs as declared, and a client of several along a route.

    `route` is that of a token beside a password, `portal_route` that of a password with the web portal.
    """

    def __init__(
        self,
        declared: Operation[P, T],
        route: Callable[..., Steps[Any]],
        is_by_token: Callable[..., bool] = lambda *_: False,
        portal_route: Callable[..., Steps[Any]] | None = None,
    ) -> None:
        super().__init__(declared.function, declared.returns)
        self.declared = declared
        self.route = route
        self.is_by_token = is_by_token
        """Whether the token is asked first, for a preview of the requests."""
        self.portal_route = portal_route

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        return self.declared.flow(*args, **kwargs)

    def flow_of(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        token = client.token_api
        if token is not None and (not client.has_password or self.is_by_token(client, *args, **kwargs)):
            found = next(one for one in operations(type(token)) if one.name == self.name)
            flow: Flow[T] = found.flow_of(token, *args, **kwargs)
            return flow
        return self.declared.flow_of(client, *args, **kwargs)

    def perform_on(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if client.token_api is None:
            if client.portal_api is None or self.portal_route is None:
                return super().perform_on(client, *args, **kwargs)
            return client.run_route(self.portal_route(client, *args, **kwargs))
        if not client.has_password:
            return getattr(client.token_api, self.name)(*args, **kwargs)
        return client.run_route(self.route(client, *args, **kwargs))


def _by_password(account: Any, operation: Operation[..., Any]) -> Callable[..., Any]:
    """Return an operation of the password API as a method of the account, without a route."""
    return partial(operation.perform_on, account)


def _plants(account: Any) -> Steps[Any]:
    found: tuple[Plant, ...] = yield account.token_api.plants
    if found:
        return found
    found = yield _by_password(account, GrowattSnapshots.plants)
    return found


def _snapshot(account: Any, plant_id: str, *, max_age: float | None = None) -> Steps[Any]:
    by_password = partial(_by_password(account, GrowattSnapshots.snapshot), plant_id, max_age=max_age)
    if plant_id in account.refused_plants():
        return (yield by_password)
    try:
        found: Snapshot = yield partial(account.token_api.snapshot, plant_id, max_age=max_age)
    except RequestRefused:
        return (yield by_password)
    return (yield from _or(found, by_password)) if plant_id in account.refused_plants() else found


def _snapshots(account: Any, *, max_age: float | None = None) -> Steps[Any]:
    found: tuple[Snapshot, ...] = yield partial(account.token_api.snapshots, max_age=max_age)
    if not found:
        return (yield partial(_by_password(account, GrowattSnapshots.snapshots), max_age=max_age))
    result = []
    for snapshot in found:
        if snapshot.plant.id in account.refused_plants():
            read = partial(_by_password(account, GrowattSnapshots.snapshot), snapshot.plant.id, max_age=max_age)
            result.append((yield from _or(snapshot, read)))
        else:
            result.append(snapshot)
    return tuple(result)


def _or(found: Snapshot, by_password: Callable[[], Any]) -> Steps[Any]:
    """Return the snapshot of the password API, or what the token reports if that API cannot be asked now."""
    try:
        better: Snapshot = yield by_password
    except CloudError as error:
        _log.warning(LogEvent("password_api.not_available", plant=found.plant.id, why=error))
        return found
    return better


def _live(account: Any, rhythm: PollRhythm, plants: Sequence[str] = ()) -> Steps[LivePoll]:
    from heliograph.vendors.base import LivePoll, PollLoad  # noqa: PLC0415 - the collector only

    token = account.token_api
    wanted = tuple(plants) or token.known_plants()
    asked = tuple(plant for plant in wanted if plant not in account.refused_plants())
    poll = LivePoll((), PollLoad())
    if asked or not wanted:
        poll = yield partial(token.live, rhythm, asked)
    wanted = tuple(plants) or token.known_plants()
    missing = tuple(plant for plant in wanted if plant in account.refused_plants())
    if (wanted and not missing) or not account.begin_password_poll():
        return poll
    slower = rhythm._replace(interval=max(rhythm.interval, PASSWORD_INTERVAL))
    try:
        other: LivePoll = yield partial(_by_password(account, GrowattSnapshots.live), slower, missing)
    except CloudError as error:
        _log.warning(LogEvent("password_api.not_available", plants=len(missing), why=error))
        return poll
    account.end_password_poll()
    read = {snapshot.plant.id: snapshot for snapshot in (*poll.snapshots, *other.snapshots)}
    problems = {**poll.problems, **other.problems}
    unconfirmed = poll.unconfirmed | other.unconfirmed
    return poll._replace(snapshots=tuple(read.values()), unconfirmed=unconfirmed, problems=problems)


def _day_curve(account: Any, plant_id: str, day: date | str) -> Steps[Any]:
    from heliograph.vendors.growatt import sources  # noqa: PLC0415 - accounts with both only

    by_password = partial(_by_password(account, GrowattHistory.day_curve), plant_id, day)
    if sources.curve_source(account.token_session(), plant_id, parse_day(day), account.now()) == "password":
        return (yield by_password)
    try:
        return (yield partial(account.token_api.day_curve, plant_id, day))
    except RequestRefused:
        return (yield by_password)


def _period_energies(account: Any, plant_id: str, period: str = "") -> Steps[Any]:
    if account.energies_by_password(plant_id):
        return (yield partial(_by_password(account, GrowattHistory.period_energies), plant_id, period))
    return (yield partial(account.token_api.period_energies, plant_id, period))


def _first_day(account: Any, plant_id: str) -> Steps[Any]:
    try:
        return (yield partial(account.token_api.first_day, plant_id))
    except RequestRefused:
        return (yield partial(_by_password(account, GrowattHistory.first_day), plant_id))


def _history_cost(account: Any, plant_id: str) -> Steps[Any]:
    """Return the token's requests of a day's powers, and those of the API that reports the energies."""
    from dataclasses import replace  # noqa: PLC0415 - the collector only

    if not account.energies_by_password(plant_id):
        return (yield partial(account.token_api.history_cost, plant_id))
    energies: HistoryCost = yield partial(_by_password(account, GrowattHistory.history_cost), plant_id)
    if plant_id in account.refused_plants():
        return energies
    curves: HistoryCost = yield partial(account.token_api.history_cost, plant_id)
    return replace(energies, curve=curves.curve)


def _events(account: Any, plant_id: str, day: date | None = None) -> Steps[Any]:
    """Read the fault log by the token, or by the portal if the token may not read the plant."""
    if plant_id in account.refused_plants():
        return (yield partial(account.portal_api.events, plant_id, day)) if account.portal_api else ()
    return (yield partial(account.token_api.events, plant_id, day))


def _read_settings(account: Any, device: Device) -> Steps[Any]:
    """Return the settings by password, which reports all in one request, and by token what that does not report."""
    from heliograph.vendors.growatt import sources  # noqa: PLC0415 - accounts with both only

    reported: dict[str, Any] = {}
    failure: CloudError | None = None
    if GrowattSettings.settings_of(device):
        try:
            reported = dict((yield partial(_by_password(account, GrowattSettings.read_settings), device)))
        except CloudError as error:
            failure = error
    missing = {setting.name for setting in account.settings_of(device)} - reported.keys()
    if missing and sources.can_write(account, device):
        if failure is not None:
            _log.warning(LogEvent("password_api.not_available", plant=device.plant, why=failure))
        by_token: Mapping[str, Values | None] = yield partial(account.token_api.read_settings, device)
        return {**dict.fromkeys(missing), **by_token, **reported}
    if failure is not None:
        raise failure
    return reported


def _write_setting(account: Any, device: Device, name: str, values: Mapping[str, object]) -> Steps[None]:
    """Write a setting by token if it has it and may write it, otherwise by password; never by both."""
    from heliograph.vendors.growatt.openapi.snapshots import is_without_permission  # noqa: PLC0415

    by_password = partial(_by_password(account, GrowattSettings.write_setting), device, name, values)
    if not _is_written_by_token(account, device, name):
        yield by_password
        return
    try:
        yield partial(account.token_api.write_setting, device, name, values)
    except RequestRefused as error:
        # Without permission nothing was applied, so the other API may send it.
        if not is_without_permission(error) or not GrowattSettings.settings_of(device):
            raise
    else:
        return
    yield by_password


def _is_written_by_token(account: Any, device: Device, name: str, *_: object) -> bool:
    from heliograph.vendors.growatt import sources  # noqa: PLC0415 - accounts with both only

    return sources.can_write(account, device, name)


def _log_in(account: Any) -> Steps[None]:
    yield account.token_api.log_in
    yield _by_password(account, portal_routes.LOG_IN)


def _forget(account: Any) -> Steps[None]:
    yield account.token_api.forget
    yield _by_password(account, portal_routes.FORGET)


class RoutedOperations:
    """The operations that both APIs have."""

    token_api: Any
    has_password: bool

    def settings_of(self, device: Device) -> tuple[Setting, ...]:
        """The settings of a device of this family, by all APIs of the account; nothing is sent.

        A plant has settings of its own: pass a device of the family "plant" with the plant's id.
        """
        own = GrowattSettings.settings_of(device) if self.has_password else ()
        if self.token_api is None:
            return own
        names = {setting.name for setting in own}
        return (*own, *(one for one in self.token_api.settings_of(device) if one.name not in names))

    plants = RoutedOperation(GrowattSnapshots.plants, _plants)
    snapshot = RoutedOperation(GrowattSnapshots.snapshot, _snapshot, portal_route=portal_routes.snapshot)
    snapshots = RoutedOperation(GrowattSnapshots.snapshots, _snapshots, portal_route=portal_routes.snapshots)
    live = RoutedOperation(GrowattSnapshots.live, _live, portal_route=portal_routes.live)
    day_curve = RoutedOperation(GrowattHistory.day_curve, _day_curve)
    period_energies = RoutedOperation(GrowattHistory.period_energies, _period_energies)
    first_day = RoutedOperation(GrowattHistory.first_day, _first_day)
    history_cost = RoutedOperation(GrowattHistory.history_cost, _history_cost)
    events = RoutedOperation(GrowattEvents.events, _events, portal_route=portal_routes.events)
    read_settings = RoutedOperation(GrowattSettings.read_settings, _read_settings)
    write_setting = RoutedOperation(GrowattSettings.write_setting, _write_setting, _is_written_by_token)
    log_in = RoutedOperation(portal_routes.LOG_IN, _log_in, portal_route=portal_routes.log_in)
    forget = RoutedOperation(portal_routes.FORGET, _forget, portal_route=portal_routes.forget)
