"""Clients of Growatt's web portal (server.growatt.com), read-only, blocking and async.

They share the account state of the app's client: its locks, its budget of requests and logins, and its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.client import AccountClient, AsyncClient, BlockingClient, snapshot_operation
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.vendors.growatt.auth import LIMITS, resolve_server
from heliograph.vendors.growatt.portal.api import PortalCalls
from heliograph.vendors.growatt.portal.auth import GrowattPortalProtocol, portal_url
from heliograph.vendors.growatt.portal.session import PortalAccountProtocol, PortalSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from heliograph.core.endpoint import Flow
    from heliograph.core.redact import Secret
    from heliograph.core.session import Session
    from heliograph.model import Device, Plant, Snapshot, VendorEvent
    from heliograph.settings.definition import Setting
    from heliograph.vendors.base import LivePoll, PollRhythm

T = TypeVar("T")

__all__ = ["AsyncGrowattPortal", "GrowattPortal", "PortalCalls"]


class GrowattPortalData:
    """Plants and snapshots of an account in the common model, as the web portal reports them."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account."""
        yield from import_flow(f"{__name__}.snapshots")
        from heliograph.model import Plant  # noqa: PLC0415
        from heliograph.vendors.growatt.portal import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        names = yield from snapshots.plants(session)
        return tuple(
            Plant(vendor=snapshots.VENDOR, id=id_, name=name, zone=snapshots.zone(session, id_))
            for id_, name in names.items()
        )

    @snapshot_operation
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> FlowGenerator[Snapshot]:
        """The current snapshot of one plant."""
        yield from import_flow(f"{__name__}.snapshots")
        from heliograph.vendors.growatt.portal import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.snapshot(session, str(plant_id)))

    @snapshot_operation
    def snapshots(self, *, max_age: float | None = None) -> FlowGenerator[tuple[Snapshot, ...]]:
        """The current snapshots of all plants of the account."""
        found: list[Snapshot] = []
        for plant in (yield GrowattPortalData.plants.flow()):
            found.append((yield GrowattPortalData.snapshot.flow(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)

    @composite
    def live(self, rhythm: PollRhythm, plants: Sequence[str] = ()) -> FlowGenerator[LivePoll]:
        """The current powers of these plants (default: all), and their counters when they are due."""
        yield from import_flow(f"{__name__}.snapshots")
        from heliograph.vendors.growatt.portal import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.live(session, rhythm, tuple(plants)))

    @composite
    def events(self, plant_id: str, day: date | None = None) -> FlowGenerator[tuple[VendorEvent, ...]]:
        """The newest entries of a plant's fault log in the month of a day, default: of today."""
        yield from import_flow(f"{__name__}.events")
        from heliograph.vendors.growatt.portal import events  # noqa: PLC0415

        return (yield from events.events(str(plant_id), day))


class _PortalAccount(AccountClient):
    """One account at the portal."""

    cloud = GrowattPortalProtocol
    protocol_class = PortalAccountProtocol
    default_limits = LIMITS
    shares_snapshots = False
    """Whether its snapshots are stored for the other programs of the account, which then get them for the app's."""

    def __init__(
        self, username: str, password: str | Secret, *, server: str = "", portal: str = "", **options: Any
    ) -> None:
        """Create a client of one account at the portal; nothing is sent yet.

        `server` is that of the app, as for `Growatt`: it selects the account state, and the portal of its region.
        `portal` is the address of another portal. The other options are those of `Growatt`; commands do not exist.
        """
        super().__init__(username, password, server=server, **options)
        session = self._protocol.session
        self._portal_url = resolve_server(portal) if portal else portal_url(session.server)
        self._protocol.session = PortalSession.inside(session, self._portal_url)

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)

    def stored_session(self) -> PortalSession:
        """Return the newest stored session of the portal; nothing is sent."""
        return PortalSession.inside(super().stored_session(), self._portal_url)

    def cached_snapshots(
        self, fetch: Callable[[], Flow[T]], plant: object, max_age: float | None
    ) -> Flow[T] | FlowGenerator[Any]:
        return super().cached_snapshots(fetch, plant, max_age) if self.shares_snapshots else fetch()

    def settings_of(self, device: Device) -> tuple[Setting, ...]:
        """Return no settings: the portal is only read."""
        return ()


class GrowattPortal(_PortalAccount, PortalCalls, GrowattPortalData, BlockingClient):
    """A blocking client of one account at Growatt's web portal."""


class AsyncGrowattPortal(_PortalAccount, PortalCalls, GrowattPortalData, AsyncClient):
    """An async client of one account at Growatt's web portal: the same methods, awaited."""
