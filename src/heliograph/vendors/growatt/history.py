"""What an account's plants did before, declared like any other call; past.py does the asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.endpoint import Steps, sequence
from heliograph.periods import parse_day, period_range
from heliograph.session import LOGGED_IN

if TYPE_CHECKING:
    from datetime import date

    from heliograph.model import HistoryCost, PeriodEnergy, Sample
    from heliograph.session import Session


class GrowattHistory:
    """What an account's plants did before, in the common model."""

    @sequence
    def day_curve(self, plant_id: str, day: date | str) -> Steps[tuple[Sample, ...]]:
        """A plant's powers over one day of its own calendar, about every 5 minutes; nothing told is no samples.

        The cloud draws zeros where nothing came, so a moment at which everything is zero is absent. It knows one
        offset from UTC all year: name the plant's `zone` when making the client to read other seasons right.
        """
        from heliograph.vendors.growatt import past  # noqa: PLC0415 - single calls never wait for the model

        asked = parse_day(day)
        session: Session = yield LOGGED_IN
        return (yield from past.day_curve(session, plant_id, asked))

    @sequence
    def period_energies(self, plant_id: str, period: str = "") -> Steps[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The running day, month or year is as far as it has come; what is to come and what is all zeros is absent.
        """
        from heliograph.vendors.growatt import past  # noqa: PLC0415 - single calls never wait for the model

        period_range(period)  # what is no period is refused before anything is sent
        session: Session = yield LOGGED_IN
        return (yield from past.period_energies(session, plant_id, period))

    @sequence
    def first_day(self, plant_id: str) -> Steps[date | None]:
        """The day a plant was put into the cloud, as its owner wrote it; None where the cloud does not say."""
        from heliograph.vendors.growatt import past  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield LOGGED_IN
        return (yield from past.first_day(session, plant_id))

    @sequence
    def history_cost(self, plant_id: str) -> Steps[HistoryCost]:
        """What a plant's past costs; its clock and its devices, asked once a day, come on top."""
        from heliograph.vendors.growatt import past  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield LOGGED_IN
        return (yield from past.history_cost(session, plant_id))
