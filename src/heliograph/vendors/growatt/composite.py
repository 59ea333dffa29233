"""Composite operations of a Growatt client in the common model: plants, snapshots and history.

Their implementation (snapshots.py, history.py) and the model are imported on first use: scripts that only make single
calls start without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.client import snapshot_operation
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.local_time import parse_day, period_range

if TYPE_CHECKING:
    from datetime import date

    from heliograph.core.session import Session
    from heliograph.model import HistoryCost, PeriodEnergy, Plant, Sample, Snapshot


class GrowattSnapshots:
    """Snapshots of an account's plants in the common model."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return snapshots.plants(session)

    @snapshot_operation
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> FlowGenerator[Snapshot]:
        """The current snapshot of one plant, at most `max_age` seconds old; default: the interval of uploads."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        found: Snapshot = yield snapshots.snapshot(session, plant_id)
        return found

    @snapshot_operation
    def snapshots(self, *, max_age: float | None = None) -> FlowGenerator[tuple[Snapshot, ...]]:
        """The current snapshots of all plants of the account, with the same `max_age`."""
        found: list[Snapshot] = []
        for plant in (yield GrowattSnapshots.plants.flow()):
            found.append((yield GrowattSnapshots.snapshot.flow(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)


class GrowattHistory:
    """History of an account's plants in the common model."""

    @composite
    def day_curve(self, plant_id: str, day: date | str) -> FlowGenerator[tuple[Sample, ...]]:
        """A plant's powers over one plant-local day, about every 5 minutes; empty if the cloud has no data.

        The cloud pads missing data with zeros, so all-zero samples are dropped. It has one UTC offset for the whole
        year: create the client with the plant's `zone` to read other seasons correctly.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415

        local_day = parse_day(day)
        session: Session = yield ENSURE_SESSION
        return (yield from history.day_curve(session, plant_id, local_day))

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The current day, month or year is included up to now; future and all-zero periods are absent.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415

        period_range(period)  # an invalid period is rejected before a request
        session: Session = yield ENSURE_SESSION
        return (yield from history.period_energies(session, plant_id, period))

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was added to the cloud, as entered by its owner; None if not reported."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from history.first_day(session, plant_id))

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """Requests needed for a plant's history, besides its UTC offset and devices, which are fetched once a day."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from history.history_cost(session, plant_id))
