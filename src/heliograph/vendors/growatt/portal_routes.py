"""Operations of an account with a password and the web portal.

The app answers everything but the live values of plants that only the portal reports (portal/sources.py). Both share
the guard's state of the account: while the app may not be asked, the portal is not asked either.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.client import AccountClient
from heliograph.errors import CloudError
from heliograph.eventlog import EventLogger, LogEvent
from heliograph.vendors.growatt.composite import GrowattSnapshots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heliograph.core.endpoint import Operation
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.base import LivePoll, PollRhythm

T = TypeVar("T")
Route = Generator[Callable[[], Any], Any, T]
_log = EventLogger(__name__)

LOG_IN: Operation[[], None] = vars(AccountClient)["log_in"]
FORGET: Operation[[], None] = vars(AccountClient)["forget"]


def _by_app(account: Any, operation: Operation[..., Any]) -> Callable[..., Any]:
    """Return an operation of the app's API as a method of the account, without a route."""
    return partial(operation.perform_on, account)


def snapshot(account: Any, plant_id: str, *, max_age: float | None = None) -> Route[Any]:
    """Read a plant by the app, or by the portal if only that reports its devices."""
    from dataclasses import replace  # noqa: PLC0415 - needed with the model only

    by_app = partial(_by_app(account, GrowattSnapshots.snapshot), plant_id, max_age=max_age)
    found: Snapshot | None = None
    if not account.plants_by_portal((plant_id,)):
        found = yield by_app
        if not _is_incomplete(found):
            return found
        max_age = 0.0  # the stored snapshot is the app's
    try:
        better: Snapshot = yield partial(account.portal_api.snapshot, plant_id, max_age=max_age)
    except CloudError as error:
        _report(account, error)
        found = found or (yield by_app)
        return _without_other_counters(account, found, (plant_id,))
    size = found.plant.peak_power if found else None
    return replace(better, plant=replace(better.plant, peak_power=size))


def _report(account: Any, error: CloudError) -> None:
    """Log why the portal is not used, once as long as the reason stays the same."""
    if error.message != account.portal_problem:
        _log.warning(LogEvent("web_portal.not_available", why=error))
    account.portal_problem = error.message


def _is_incomplete(found: Snapshot) -> bool:
    """Return whether the app's snapshot lacks values that the portal reports."""
    from heliograph.vendors.growatt.portal import sources  # noqa: PLC0415 - accounts with the portal only

    by_app = any("portal" not in source for source in found.sources.values())
    return by_app and sources.reads_live(device.device.family for device in found.devices)


def snapshots(account: Any, *, max_age: float | None = None) -> Route[Any]:
    """Read every plant in the same way."""
    plants: tuple[Plant, ...] = yield _by_app(account, GrowattSnapshots.plants)
    found = []
    for plant in plants:
        found.append((yield from snapshot(account, plant.id, max_age=max_age)))  # noqa: PERF401 - a step
    return tuple(found)


def live(account: Any, rhythm: PollRhythm, plants: Sequence[str] = ()) -> Route[LivePoll]:
    """Poll the plants that only the portal reports there, and the others by the app."""
    from heliograph.vendors.base import PollLoad  # noqa: PLC0415 - the collector only

    wanted = tuple(plants) or account.known_plants()
    by_portal: tuple[str, ...] = account.plants_by_portal(wanted)
    other: LivePoll | None = None
    if by_portal:
        try:
            other = yield partial(account.portal_api.live, rhythm, by_portal)
        except CloudError as error:
            _report(account, error)
        else:
            account.portal_problem = ""
    by_app = wanted if other is None else tuple(plant for plant in wanted if plant not in by_portal)
    if other is not None and not by_app:
        return other
    poll: LivePoll = yield partial(_by_app(account, GrowattSnapshots.live), rhythm, by_app)
    if other is None:
        return poll._replace(
            snapshots=tuple(_without_other_counters(account, one, by_portal) for one in poll.snapshots)
        )
    return poll._replace(
        snapshots=(*poll.snapshots, *other.snapshots),
        load=PollLoad(*map(sum, zip(poll.load, other.load, strict=True))),
        unconfirmed=poll.unconfirmed | other.unconfirmed,
    )


def _without_other_counters(account: Any, found: Snapshot, by_portal: Sequence[str]) -> Snapshot:
    """Return the app's snapshot of a plant that the portal usually reports, without counters.

    The app's are those of the plant, the portal's those of the device: a change from one to the other would look like a
    replaced meter.
    """
    from heliograph.vendors.growatt.portal.snapshots import without_counters  # noqa: PLC0415 - needed here only

    return (
        without_counters(found)
        if found.plant.id in by_portal and account.read_by_portal_before(found.plant.id)
        else found
    )


def events(account: Any, plant_id: str, day: date | None = None) -> Route[Any]:
    """Read the fault log by the portal: the app's is not documented."""
    return (yield partial(account.portal_api.events, plant_id, day))


def log_in(account: Any) -> Route[None]:
    """Log in at the app's server; the portal logs in when it is needed."""
    yield _by_app(account, LOG_IN)
    # A login that the portal refused is forgotten as well, so that it is tried once more.
    yield account.portal_api.forget


def forget(account: Any) -> Route[None]:
    """Delete both sessions."""
    yield account.portal_api.forget
    yield _by_app(account, FORGET)
