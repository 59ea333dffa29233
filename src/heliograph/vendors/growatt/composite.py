"""What an account's plants say in the common model, declared like any other call.

The reading itself (gather.py) and the model are loaded when first asked for: a script that only makes single
calls never waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.endpoint import Steps, sequence
from heliograph.core.session import LOGGED_IN
from heliograph.local_time import parse_day, period_range

if TYPE_CHECKING:
    from datetime import date

    from heliograph.core.session import Session
    from heliograph.model import HistoryCost, PeriodEnergy, Plant, Sample, Snapshot


class GrowattReadings:
    """What an account's plants say, in the common model."""

    @sequence
    def plants(self) -> Steps[tuple[Plant, ...]]:
        """All plants of the account."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield LOGGED_IN
        return snapshots.plants(session)

    @sequence
    def snapshot(self, plant_id: str) -> Steps[Snapshot]:
        """One plant now."""
        from heliograph.vendors.growatt import snapshots  # noqa: PLC0415

        session: Session = yield LOGGED_IN
        found: Snapshot = yield snapshots.snapshot(session, plant_id)
        return found

    @sequence
    def snapshots(self) -> Steps[tuple[Snapshot, ...]]:
        """Every plant of the account now."""
        found: list[Snapshot] = []
        for plant in (yield GrowattReadings.plants.plan()):
            found.append((yield GrowattReadings.snapshot.plan(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)


class GrowattHistory:
    """What an account's plants did before, in the common model."""

    @sequence
    def day_curve(self, plant_id: str, day: date | str) -> Steps[tuple[Sample, ...]]:
        """A plant's powers over one day of its own calendar, about every 5 minutes; nothing told is no samples.

        The cloud draws zeros where nothing came, so a moment at which everything is zero is absent. It knows one
        offset from UTC all year: name the plant's `zone` when making the client to read other seasons right.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        asked = parse_day(day)
        session: Session = yield LOGGED_IN
        return (yield from history.day_curve(session, plant_id, asked))

    @sequence
    def period_energies(self, plant_id: str, period: str = "") -> Steps[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The running day, month or year is as far as it has come; what is to come and what is all zeros is absent.
        """
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        period_range(period)  # what is no period is refused before anything is sent
        session: Session = yield LOGGED_IN
        return (yield from history.period_energies(session, plant_id, period))

    @sequence
    def first_day(self, plant_id: str) -> Steps[date | None]:
        """The day a plant was put into the cloud, as its owner wrote it; None where the cloud does not say."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield LOGGED_IN
        return (yield from history.first_day(session, plant_id))

    @sequence
    def history_cost(self, plant_id: str) -> Steps[HistoryCost]:
        """What a plant's past costs; its clock and its devices, asked once a day, come on top."""
        from heliograph.vendors.growatt import history  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield LOGGED_IN
        return (yield from history.history_cost(session, plant_id))
