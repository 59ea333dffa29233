"""Warnings of an account's poller, each logged once until it changes."""

from __future__ import annotations

import logging
from datetime import timezone
from typing import TYPE_CHECKING

from heliograph.collect.schedule import POLL_SHARE, BudgetWarning
from heliograph.eventlog import LogEvent
from heliograph.store.snapshot_rows import samples_of
from heliograph.vendors.base import PollLoad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.errors import CloudError
    from heliograph.keeper import Budget
    from heliograph.model import Snapshot
    from heliograph.store.base import Batch, Series
    from heliograph.vendors.base import PollRhythm

_log = logging.getLogger(__name__)


class PollWarnings:
    """The warnings of one account."""

    def __init__(self, account: str) -> None:
        self.account = account
        self._rejected: set[Series] = set()
        self._failed: dict[str, str] = {}
        self._budget_warning = BudgetWarning()

    def warn_about_fixed_offsets(self, snapshots: Sequence[Snapshot]) -> None:
        """Warn about plants whose time zone is a fixed UTC offset: their history across DST will be shifted."""
        plants = [snapshot.plant.id for snapshot in snapshots if isinstance(snapshot.plant.zone, timezone)]
        if plants:
            advice = 'the cloud reports no time zone; set timezone = "Europe/…" in the configuration'
            _log.warning(LogEvent("timezone.missing", account=self.account, plants=",".join(plants), advice=advice))

    def warn_about_rejected_samples(self, snapshots: Sequence[Snapshot], batch: Batch) -> None:
        """Warn about samples that were set aside, once until another series is affected or none."""
        stored = {sample.series for sample in batch.samples}
        rejected = {sample.series for snapshot in snapshots for sample in samples_of(snapshot)} - stored
        if rejected - self._rejected:
            names = ",".join(sorted("/".join(filter(None, series[1:])) for series in rejected))
            why = "its time is wrong: check the clock of the datalogger and of this computer"
            _log.warning(LogEvent("sample.rejected", account=self.account, series=names, why=why))
        self._rejected = rejected

    def warn_about_failed_plants(self, problems: Mapping[str, CloudError], polled: Sequence[Snapshot]) -> None:
        """Warn about plants of which a request failed while others were polled, once until the error changes."""
        for plant, error in problems.items():
            if self._failed.get(plant) != str(error):
                _log.warning(LogEvent("poll.plant_failed", account=self.account, plant=plant, why=error))
        answered = {one.plant.id for one in polled}
        known = self._failed | {plant: str(error) for plant, error in problems.items()}
        self._failed = {plant: text for plant, text in known.items() if plant in problems or plant not in answered}

    def warn_about_interval(
        self, interval: float | None, rhythm: PollRhythm, load: PollLoad | None, budget: Budget
    ) -> None:
        """Warn once if the budget does not allow the configured interval."""
        if rhythm.daylight and self._budget_warning.due(interval, rhythm.interval):
            load = load or PollLoad()
            why = (
                f"a poll takes {load.every_poll} requests, {load.flows + load.slow} more are due less often, "
                f"and polls may use {budget.daily * POLL_SHARE:.0f} of {budget.daily} a day"
            )
            seconds = float(rhythm.interval)
            _log.warning(
                LogEvent("poll.interval_extended", account=self.account, interval=interval, seconds=seconds, why=why)
            )
