"""Operations of a Growatt API in the common model: plants, snapshots and history.

They are declared once for all APIs. Each API is a package with the modules `snapshots`, `live` and `history`, which
implement them; these and the model are imported on first use: scripts that only make single calls start without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from heliograph.client import snapshot_operation
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import CompositeOperation, FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.local_time import parse_day, period_range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heliograph.core.effects import EffectFlow
    from heliograph.core.session import Session
    from heliograph.model import HistoryCost, PeriodEnergy, Plant, Sample, Snapshot, VendorEvent
    from heliograph.vendors.base import LivePoll, PollRhythm


class ImplementedOperations:
    """Base of declarations that a package implements; a subclass that names a package has operations of its own."""

    _package: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "_package" in vars(cls):
            for base in cls.__mro__[1:]:
                for name, declared in vars(base).items():
                    if isinstance(declared, CompositeOperation):
                        setattr(cls, name, declared.owned_by(cls))

    @classmethod
    def _module(cls, name: str) -> EffectFlow[Any]:
        """Import one of the package's modules."""
        return import_flow(f"{cls._package}.{name}")


class SnapshotOperations(ImplementedOperations):
    """Plants and snapshots of an account in the common model."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account."""
        session: Session = yield ENSURE_SESSION
        snapshots = yield from self._module("snapshots")
        found: tuple[Plant, ...] = yield from snapshots.plants(session)
        return found

    @snapshot_operation
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> FlowGenerator[Snapshot]:
        """The current snapshot of one plant, at most `max_age` seconds old; default: the interval of uploads."""
        session: Session = yield ENSURE_SESSION
        snapshots = yield from self._module("snapshots")
        found: tuple[Snapshot, ...] = yield from snapshots.snapshots(session, (str(plant_id),))
        return found[0]

    @snapshot_operation
    def snapshots(self, *, max_age: float | None = None) -> FlowGenerator[tuple[Snapshot, ...]]:
        """The current snapshots of all plants of the account, with the same `max_age`."""
        session: Session = yield ENSURE_SESSION
        snapshots = yield from self._module("snapshots")
        found: tuple[Snapshot, ...] = yield from snapshots.snapshots(session)
        return found

    @composite
    def live(self, rhythm: PollRhythm, plants: Sequence[str] = ()) -> FlowGenerator[LivePoll]:
        """The current powers of these plants (default: all) in the fewest requests, and what else is due now."""
        session: Session = yield ENSURE_SESSION
        live = yield from self._module("live")
        found: LivePoll = yield from live.live(session, rhythm, plants)
        return found


class HistoryOperations(ImplementedOperations):
    """History of an account's plants in the common model."""

    @composite
    def day_curve(self, plant_id: str, day: date | str) -> FlowGenerator[tuple[Sample, ...]]:
        """A plant's powers over one plant-local day, about every 5 minutes; empty if the cloud has no data.

        The password API pads missing data with zeros, so all-zero samples are dropped. It has one UTC offset for the
        whole year: create the client with the plant's `zone` to read other seasons correctly. Older than 95 days, the
        token API has the plant's AC output only.
        """
        local_day = parse_day(day)
        session: Session = yield ENSURE_SESSION
        history = yield from self._module("history")
        found: tuple[Sample, ...] = yield from history.day_curve(session, plant_id, local_day)
        return found

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The current day, month or year is included up to now; future and all-zero periods are absent. The token API has
        the yields only.
        """
        period_range(period)  # an invalid period is rejected before a request
        session: Session = yield ENSURE_SESSION
        history = yield from self._module("history")
        found: tuple[PeriodEnergy, ...] = yield from history.period_energies(session, plant_id, period)
        return found

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was added to the cloud, as entered by its owner; None if not reported."""
        session: Session = yield ENSURE_SESSION
        history = yield from self._module("history")
        found: date | None = yield from history.first_day(session, plant_id)
        return found

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """Requests needed for a plant's history, besides its UTC offset and devices, which are fetched once a day."""
        session: Session = yield ENSURE_SESSION
        history = yield from self._module("history")
        found: HistoryCost = yield from history.history_cost(session, plant_id)
        return found


class EventOperations(ImplementedOperations):
    """The fault log of an account's plants."""

    @composite
    def events(self, plant_id: str, day: date | str | None = None) -> FlowGenerator[tuple[VendorEvent, ...]]:
        """The newest entries of a plant's fault log; the token API's is read by day, default: today.

        The password API has none that is documented: nothing is fetched.
        """
        events = yield from self._module("events")
        found: tuple[VendorEvent, ...] = yield from events.events(str(plant_id), day and parse_day(day))
        return found


class GrowattEvents(EventOperations):
    """The fault log by the password API."""

    _package = "heliograph.vendors.growatt"


class GrowattSnapshots(SnapshotOperations):
    """Plants and snapshots by the password API."""

    _package = "heliograph.vendors.growatt"


class GrowattHistory(HistoryOperations):
    """History by the password API."""

    _package = "heliograph.vendors.growatt"
