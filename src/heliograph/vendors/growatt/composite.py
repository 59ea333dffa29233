"""What an account's plants say in the common model, declared like any other call.

The reading itself (gather.py) and the model are loaded when first asked for: a script that only makes single
calls never waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.local_time import parse_day, period_range

if TYPE_CHECKING:
    from datetime import date

    from heliograph.core.session import Session
    from heliograph.model import HistoryCost, PeriodEnergy, Plant, Sample, Snapshot


class GrowattSnapshots:
    """What an account's plants say, in the common model."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return snapshots.plants(session)

    @composite
    def snapshot(self, plant_id: str) -> FlowGenerator[Snapshot]:
        """One plant now."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        found: Snapshot = yield snapshots.snapshot(session, plant_id)
        return found

    @composite
    def snapshots(self) -> FlowGenerator[tuple[Snapshot, ...]]:
        """Every plant of the account now."""
        found: list[Snapshot] = []
        for plant in (yield GrowattSnapshots.plants.flow()):
            found.append((yield GrowattSnapshots.snapshot.flow(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)


class GrowattHistory:
    """What an account's plants did before, in the common model."""

    @composite
    def day_curve(self, plant_id: str, day: date | str) -> FlowGenerator[tuple[Sample, ...]]:
        """A plant's powers over one day of its own calendar, about every 5 minutes; nothing told is no samples.

        The cloud draws zeros where nothing came, so a moment at which everything is zero is absent. It knows one
        offset from UTC all year: name the plant's `zone` when making the client to read other seasons right.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        asked = parse_day(day)
        session: Session = yield ENSURE_SESSION
        return (yield from history.day_curve(session, plant_id, asked))

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The running day, month or year is as far as it has come; what is to come and what is all zeros is absent.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        period_range(period)  # what is no period is refused before anything is sent
        session: Session = yield ENSURE_SESSION
        return (yield from history.period_energies(session, plant_id, period))

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was put into the cloud, as its owner wrote it; None where the cloud does not say."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield ENSURE_SESSION
        return (yield from history.first_day(session, plant_id))

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """What a plant's past costs; its clock and its devices, asked once a day, come on top."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield ENSURE_SESSION
        return (yield from history.history_cost(session, plant_id))
